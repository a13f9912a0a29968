//! The mesh: listens, dials every configured peer, and keeps one connection with each.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_malachitebft_peer::PeerId;
use bytes::Bytes;
use concordat_types::{OrgId, Role};
use rand::Rng;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{
    MessageHandler, Misbehaviour, NodeIdentity, PeerAuthorizer, PeerIdentity,
    bans::{Ban, Bans, are_kin},
    connection::{self, Connection, Established, Handshake, MessageLimits},
    frame::{Channel, PerChannel},
    half_open::HalfOpen,
    hello::{Hello, PROTOCOL_VERSION},
    places::{Place, Places, Taken},
    quiet::Quiet,
    tls,
};
use crate::{config::ConsensusConfig, failure::Failure, metrics::ConsensusMetrics};

/// Why the mesh cannot start.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// The address cannot be listened on.
    #[error("cannot listen for peers on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The node's own certificate or key cannot be used.
    #[error("the node's certificate or key cannot be used for TLS: {0}")]
    Identity(#[from] rustls::Error),
}

struct Shared {
    own_id: PeerId,
    handshake: Handshake,
    limits: MessageLimits,
    connections: Mutex<HashMap<PeerId, Arc<Connection>>>,
    /// Signals that `connections` changed.
    changed: watch::Sender<()>,
    stopped: watch::Sender<bool>,
    half_open: Arc<HalfOpen>,
    /// Refusals that were logged, by address or organisation, and kind.
    quiet: Quiet<(String, &'static str)>,
    next_number: AtomicU64,
    /// The authoriser's generation at which all peers were last judged.
    judged_at: AtomicU64,
    bans: Mutex<Bans>,
    metrics: Arc<ConsensusMetrics>,
}

/// The connections to all other nodes. Clones are handles to the same mesh.
#[derive(Clone)]
pub struct Mesh(Arc<Shared>);

impl Mesh {
    /// Binds the listening socket. Nothing is accepted or dialled before [`run`](Self::run).
    ///
    /// # Errors
    /// If the address is taken or the node's identity is unusable.
    pub async fn bind(
        config: &ConsensusConfig,
        identity: &NodeIdentity,
        authorizer: Arc<dyn PeerAuthorizer>,
        metrics: Arc<ConsensusMetrics>,
    ) -> Result<(Self, TcpListener), MeshError> {
        let setup = tls::setup(identity, Arc::clone(&authorizer))?;
        let address = config.listen;
        let listen_error = |source| MeshError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let listen = listener.local_addr().map_err(listen_error)?;
        let hello = Hello {
            version: PROTOCOL_VERSION,
            chain_id: config.chain_id.clone(),
            genesis_hash: config.genesis_hash.to_vec(),
            role: config.role.code().into(),
            listen: listen.to_string(),
        };
        let handshake = Handshake {
            connector: TlsConnector::from(setup.client),
            acceptor: TlsAcceptor::from(setup.server),
            authorizer,
            hello,
            timeout: config.transport.handshake_timeout,
        };
        let shared = Shared {
            own_id: setup.own_id,
            handshake,
            limits: message_limits(config),
            connections: Mutex::default(),
            changed: watch::Sender::new(()),
            stopped: watch::Sender::new(false),
            half_open: HalfOpen::new(config.transport.max_half_open),
            quiet: Quiet::default(),
            next_number: AtomicU64::new(0),
            judged_at: AtomicU64::default(),
            bans: Mutex::new(Bans::new(config.transport.bans)),
            metrics,
        };
        Ok((Self(Arc::new(shared)), listener))
    }

    /// Starts accepting and dialling; `handler` receives what arrives.
    pub(crate) fn run(
        &self,
        listener: TcpListener,
        peers: &[String],
        handler: Arc<dyn MessageHandler>,
        failure: &Failure,
    ) {
        let accepting = self.clone().accept_all(listener, Arc::clone(&handler));
        failure.spawn_critical("listening for peers", accepting);
        for address in peers {
            let dialling = self.clone().keep_dialling(address.clone(), Arc::clone(&handler));
            failure.spawn_critical("the connection with a configured peer", dialling);
        }
    }

    /// Our own peer id.
    pub fn own_id(&self) -> PeerId {
        self.0.own_id
    }

    /// Who is connected.
    pub fn peers(&self) -> Vec<Arc<PeerIdentity>> {
        let mut peers: Vec<_> = self.connections().values().map(|c| Arc::clone(&c.identity)).collect();
        peers.sort_by_key(|peer| peer.peer_id);
        peers
    }

    /// Who is connected and has sent something, if only a ping, within this time.
    pub fn heard_within(&self, time: Duration) -> Vec<Arc<PeerIdentity>> {
        let connections = self.connections();
        let heard = connections.values().filter(|connection| connection.silence() < time);
        heard.map(|connection| Arc::clone(&connection.identity)).collect()
    }

    /// Waits until `enough` holds of the connected peers.
    pub async fn wait_for_peers(&self, enough: impl Fn(&[Arc<PeerIdentity>]) -> bool) {
        let mut changed = self.0.changed.subscribe();
        while !enough(&self.peers()) && changed.changed().await.is_ok() {}
    }

    /// Queues a message for one peer; `false` if it is not connected or its queue is full. What is for one peer
    /// is kept for it alone, so that no more of it may wait for all nodes of an organisation than for one.
    pub fn send(&self, peer: &PeerId, channel: Channel, message: &Bytes) -> bool {
        let Some(connection) = self.connections().get(peer).cloned() else { return false };
        let waiting = self.waiting(&connection.identity.org, channel).saturating_add(message.len());
        if waiting > *self.0.limits.queue_bytes.get(channel) {
            self.0.metrics.outbound_dropped(channel);
            return false;
        }
        self.push(&connection, channel, message)
    }

    /// Whether an organisation's nodes take what is sent to them: at most half of what may wait does.
    pub fn reads(&self, org: &OrgId, channel: Channel) -> bool {
        self.waiting(org, channel) <= self.0.limits.queue_bytes.get(channel) / 2
    }

    /// The bytes that wait to be sent to an organisation's nodes.
    fn waiting(&self, org: &OrgId, channel: Channel) -> usize {
        let connections = self.connections();
        let of_org = connections.values().filter(|connection| connection.identity.org == *org);
        of_org.map(|connection| connection.outbox.waiting(channel)).sum()
    }

    /// Queues a message for every peer of a role, or for all.
    pub fn broadcast(&self, channel: Channel, message: &Bytes, to: Option<Role>) {
        let connections: Vec<_> = self.connections().values().cloned().collect();
        for connection in connections {
            if to.is_none_or(|role| connection.identity.role == role) {
                self.push(&connection, channel, message);
            }
        }
    }

    /// Judges every connected peer again if the authoriser's verdicts may have changed. A full check of every
    /// peer after every block would cost more than the block.
    pub fn recheck_if_changed(&self) {
        let generation = self.0.handshake.authorizer.generation();
        if self.0.judged_at.swap(generation, Ordering::SeqCst) != generation {
            self.recheck();
        }
    }

    /// Judges every connected peer again; closes the connections of those that are no longer authorised.
    pub fn recheck(&self) {
        let connections: Vec<_> = self.connections().values().cloned().collect();
        for connection in connections {
            let verdict = tls::identify(self.0.handshake.authorizer.as_ref(), &connection.chain);
            match verdict {
                Ok(identity) if identity == *connection.identity => {}
                Ok(identity) => {
                    connection.close(Misbehaviour::new("reidentified", format!("is now {identity}")))
                }
                Err(reason) => connection.close(Misbehaviour::new("no_longer_authorised", reason)),
            }
        }
    }

    /// Closes a peer's connection.
    pub fn disconnect(&self, peer: &PeerId, reason: Misbehaviour) {
        if let Some(connection) = self.connections().get(peer) {
            connection.close(reason);
        }
    }

    /// Notes what a peer did wrong. If it was one offence too many, the peer is banned for a while, or all nodes
    /// of its kind of its organisation are.
    pub fn blame(&self, peer: &PeerIdentity, reason: &Misbehaviour) {
        if !reason.offence {
            return;
        }
        let Some(ban) = self.bans().offence(peer, Instant::now()) else { return };
        self.0.metrics.bans.inc();
        match ban {
            Ban::Peer(length) => {
                tracing::warn!(
                    peer = %peer.common_name, org = %peer.org, seconds = length.as_secs(), last = %reason,
                    "Peer banned for a while: it broke the protocol too often"
                );
                self.disconnect(&peer.peer_id, Misbehaviour::new("banned", reason));
            }
            Ban::Kin(length) => {
                tracing::warn!(
                    org = %peer.org, role = %peer.role, seconds = length.as_secs(), last = %reason,
                    "Peers banned for a while: nodes of this organisation broke the protocol too often"
                );
                let connections = self.connections();
                let kin = connections.values().filter(|connection| are_kin(&connection.identity, peer));
                kin.for_each(|connection| connection.close(Misbehaviour::new("banned", reason)));
            }
        }
    }

    /// Stops listening and dialling, and closes every connection.
    pub fn shutdown(&self) {
        self.0.stopped.send_replace(true);
        for connection in self.connections().values() {
            connection.close(Misbehaviour::new("shutdown", "this node is stopping"));
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<PeerId, Arc<Connection>>> {
        self.0.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bans(&self) -> MutexGuard<'_, Bans> {
        self.0.bans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn banned(&self, peer: &PeerIdentity) -> Option<Duration> {
        self.bans().remaining(peer, Instant::now())
    }

    fn push(&self, connection: &Connection, channel: Channel, message: &Bytes) -> bool {
        let taken = connection.outbox.push(channel, message).is_ok();
        if !taken {
            self.0.metrics.outbound_dropped(channel);
            if channel == Channel::Consensus {
                // A peer that lost a vote must not believe that it saw them all: it starts anew and syncs.
                connection.close(Misbehaviour::new("slow", "its queue of votes is full"));
            }
        }
        taken
    }

    /// Whether to log a refusal: the lines left out since the last one of that origin and kind, or `None`.
    fn says(&self, origin: impl ToString, kind: &'static str) -> Option<u64> {
        self.0.quiet.says((origin.to_string(), kind), Instant::now())
    }

    async fn stopped(&self) {
        let _ = self.0.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    async fn accept_all(self, listener: TcpListener, handler: Arc<dyn MessageHandler>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stopped() => return,
            };
            match accepted {
                Ok((tcp, from)) => self.answer(tcp, from, Arc::clone(&handler)),
                Err(error) => {
                    tracing::warn!(%error, "Cannot accept a peer connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn answer(&self, tcp: TcpStream, from: SocketAddr, handler: Arc<dyn MessageHandler>) {
        let place = match self.0.half_open.enter(from.ip(), Instant::now()) {
            Ok(place) => place,
            Err(kind) => return self.0.metrics.handshake_failed(kind),
        };
        let mesh = self.clone();
        tokio::spawn(async move {
            let established = mesh.0.handshake.accept(tcp).await;
            drop(place);
            match established {
                Ok(established) => mesh.serve(established, handler).await,
                Err(failure) => {
                    if let Some(left_out) = mesh.says(from.ip(), failure.kind) {
                        tracing::warn!(%from, %failure, left_out, "Peer connection refused");
                    }
                    mesh.0.metrics.handshake_failed(failure.kind);
                }
            }
        });
    }

    /// Keeps a connection to one configured address, whoever dials.
    async fn keep_dialling(self, address: String, handler: Arc<dyn MessageHandler>) {
        let mut failures = 0u32;
        loop {
            let attempt = tokio::select! {
                attempt = self.0.handshake.dial(&address) => attempt,
                () = self.stopped() => return,
            };
            match attempt {
                Ok(established) => {
                    let (peer, began) = (established.identity.clone(), Instant::now());
                    self.serve(established, Arc::clone(&handler)).await;
                    tokio::select! {
                        () = self.wait_until_gone(&peer.peer_id) => {}
                        () = self.stopped() => return,
                    }
                    if let Some(banned) = self.banned(&peer) {
                        tokio::select! {
                            () = tokio::time::sleep(banned) => {}
                            () = self.stopped() => return,
                        }
                    }
                    // A peer that hangs up at once, perhaps because it has banned us, is as good as not there.
                    let brief = began.elapsed() < self.0.limits.transport.max_backoff;
                    failures = if brief { failures.saturating_add(1) } else { 0 };
                }
                Err(failure) => {
                    if failures == 0 || failure.kind != "dial" {
                        tracing::info!(%address, %failure, "Peer not reached");
                    }
                    self.0.metrics.handshake_failed(failure.kind);
                    failures = failures.saturating_add(1);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff(failures, self.0.limits.transport.max_backoff)) => {}
                () = self.stopped() => return,
            }
        }
    }

    async fn wait_until_gone(&self, peer: &PeerId) {
        let mut changed = self.0.changed.subscribe();
        while self.connections().contains_key(peer) && changed.changed().await.is_ok() {}
    }

    /// Runs an established connection to its end, if it may stay.
    async fn serve(&self, established: Established, handler: Arc<dyn MessageHandler>) {
        let number = self.0.next_number.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(number, &established, &self.0.limits));
        if let Err(refusal) = self.register(&connection, handler.as_ref()) {
            if refusal.kind == "banned" {
                // Logged once, when the ban began.
                self.0.metrics.handshake_failed(refusal.kind);
            } else if refusal.kind != "duplicate" {
                if let Some(left_out) = self.says(&connection.identity.org, refusal.kind) {
                    tracing::warn!(peer = %connection.identity, %refusal, left_out, "Peer connection refused");
                }
                self.0.metrics.handshake_failed(refusal.kind);
            }
            return;
        }
        let (limits, metrics) = (self.0.limits.clone(), Arc::clone(&self.0.metrics));
        let reason = connection::run(
            Arc::clone(&connection),
            established.stream,
            Arc::clone(&handler),
            limits,
            metrics,
        )
        .await;
        self.deregister(&connection, &reason, handler.as_ref());
        self.blame(&connection.identity, &reason);
    }

    fn register(&self, new: &Arc<Connection>, handler: &dyn MessageHandler) -> Result<(), Misbehaviour> {
        let peer = new.identity.peer_id;
        if peer == self.0.own_id {
            return Err(Misbehaviour::new(
                "self",
                "it has this node's own key: a node must not list itself, nor share its key",
            ));
        }
        if let Some(left) = self.banned(&new.identity) {
            return Err(Misbehaviour::new("banned", format!("for {} s more", left.as_secs())));
        }
        let mut connections = self.connections();
        // Checked under the lock, so that no connection slips in behind `shutdown`.
        if *self.0.stopped.borrow() {
            return Err(Misbehaviour::new("duplicate", "this node is stopping"));
        }
        match connections.get(&peer) {
            Some(old) if !self.replaces(new, old) => {
                return Err(Misbehaviour::new("duplicate", "another connection with this peer is preferred"));
            }
            Some(old) => {
                old.close(Misbehaviour::new("duplicate", "replaced by a newer connection"));
                handler.disconnected(&old.identity);
            }
            None => {
                self.make_room(&new.identity, &mut connections, handler)?;
                tracing::info!(peer = %new.identity, "Peer connected");
            }
        }
        connections.insert(peer, Arc::clone(new));
        handler.connected(&new.identity);
        self.0.metrics.peers.set(connections.len() as i64);
        drop(connections);
        self.0.changed.send_replace(());
        Ok(())
    }

    /// Finds a place for a newcomer; ends the connection that has to give up its own.
    fn make_room(
        &self,
        newcomer: &PeerIdentity,
        connections: &mut HashMap<PeerId, Arc<Connection>>,
        handler: &dyn MessageHandler,
    ) -> Result<(), Misbehaviour> {
        let limits = &self.0.limits.transport;
        let places = Places { in_all: limits.max_peers, of_an_org: limits.max_peers_of_an_org };
        let taken: Vec<Taken<'_>> = connections.values().map(|c| (c.identity.as_ref(), c.number)).collect();
        let place = places.find(newcomer, &taken);
        let detail = "every place that it could have is taken";
        let Place::Of(number) = place.map_err(|kind| Misbehaviour::new(kind, detail))? else { return Ok(()) };
        let Some((peer, old)) = connections.iter().find(|(_, connection)| connection.number == number) else {
            return Ok(());
        };
        let (peer, old) = (*peer, Arc::clone(old));
        connections.remove(&peer);
        old.close(Misbehaviour::new("displaced", format!("its place went to {newcomer}")));
        handler.disconnected(&old.identity);
        tracing::info!(peer = %old.identity, %newcomer, "Peer gives up its place");
        self.0.metrics.disconnected("displaced");
        Ok(())
    }

    /// Of two connections in opposite directions both sides keep the one dialled by the lower peer id; of
    /// two in the same direction the newer one, since the dialler knows that the older is dead.
    fn replaces(&self, new: &Connection, old: &Connection) -> bool {
        let lower_dials = self.0.own_id < new.identity.peer_id;
        new.dialled == old.dialled || new.dialled == lower_dials
    }

    fn deregister(&self, gone: &Arc<Connection>, reason: &Misbehaviour, handler: &dyn MessageHandler) {
        let mut connections = self.connections();
        let current = connections.get(&gone.identity.peer_id).is_some_and(|c| c.number == gone.number);
        if current {
            connections.remove(&gone.identity.peer_id);
            handler.disconnected(&gone.identity);
            tracing::info!(peer = %gone.identity, %reason, "Peer disconnected");
            self.0.metrics.disconnected(reason.kind);
            self.0.metrics.peers.set(connections.len() as i64);
        }
        drop(connections);
        self.0.changed.send_replace(());
    }
}

/// Quick first retries, then doubling, with up to half taken off at random so that nodes do not dial in step.
fn backoff(failures: u32, max: Duration) -> Duration {
    let full = Duration::from_millis(50).saturating_mul(1 << failures.min(10)).min(max);
    full.mul_f64(rand::rng().random_range(0.5..=1.0))
}

fn message_limits(config: &ConsensusConfig) -> MessageLimits {
    const KIB: usize = 1024;
    let message = |channel| match channel {
        Channel::Control => 0,
        Channel::Consensus => 512 * KIB,
        Channel::Parts => 2 * super::MAX_FRAME_BYTES,
        Channel::Sync => config.max_response_bytes() + 64 * KIB,
        Channel::Gossip => config.transport.max_gossip_bytes,
    };
    let queue = |channel| match channel {
        Channel::Control => 64 * KIB,
        Channel::Consensus => 4 * KIB * KIB,
        Channel::Parts => config.max_block_bytes.saturating_mul(4) + KIB * KIB,
        Channel::Sync => config.max_response_bytes().saturating_mul(6),
        Channel::Gossip => config.transport.gossip_queue_bytes,
    };
    MessageLimits {
        message_bytes: PerChannel::from_fn(message),
        queue_bytes: PerChannel::from_fn(queue),
        transport: config.transport.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_starts_quick_and_is_capped() {
        let max = Duration::from_secs(5);
        assert!(backoff(0, max) <= Duration::from_millis(50));
        for failures in [10, 100, u32::MAX] {
            let wait = backoff(failures, max);
            assert!(wait <= max && wait >= max / 2, "{wait:?}");
        }
    }
}
