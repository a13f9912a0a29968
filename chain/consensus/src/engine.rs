//! Wiring: the engine's own actors, ours, and the handle that the node holds.

use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_malachitebft_config::{ConsensusConfig as EngineConfig, ValuePayload as ConfigPayload};
use arc_malachitebft_core_types::ValuePayload;
use arc_malachitebft_engine::{
    consensus::{Consensus, ConsensusParams, ConsensusRef},
    host::HostRef,
    network::NetworkRef,
    node::{Node, NodeRef},
    sync::{Params as SyncParams, Sync, SyncMsg},
    util::{
        events::TxEvent,
        output_port::{OutputPort, OutputPortSubscriberTrait},
    },
    wal::{Wal, WalRef},
};
use arc_malachitebft_metrics::{Registry, SharedRegistry};
use arc_malachitebft_sync as sync;
use bytes::Bytes;
use concordat_types::Role;
use ractor::Actor;
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
};

use crate::{
    application::Application,
    codec::EngineCodec,
    config::ConsensusConfig,
    context::{Address, BlockTime, ConcordatContext},
    delegate::Delegate,
    failure::{EngineFailure, Failure},
    host::{Host, Settings, assemble},
    metrics::ConsensusMetrics,
    network::{GOSSIP_BACKLOG, Gossip, Network, requests},
    signing::{CachingVerifier, ConsensusSigner, EngineSigner, SignBytes},
    transport::{
        Channel, Mesh, MeshError, MessageHandler, Misbehaviour, NodeIdentity, PeerAuthorizer, PeerIdentity,
    },
};

/// Why consensus does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The mesh does not start.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// The directory of the write-ahead log cannot be made.
    #[error("write-ahead log directory {path}: {source}")]
    Wal {
        /// The directory.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A validator without a signer, or another node with one.
    #[error("a {0} node {1} a consensus signer")]
    Signer(Role, &'static str),
    /// The write-ahead log is damaged where nothing can be read without it.
    #[error(
        "the engine's log {path} cannot be opened: {source}; move that file away and start again: what this node \
         signed is kept beside it"
    )]
    Log {
        /// The file.
        path: PathBuf,
        /// What the engine says.
        source: ractor::SpawnErr,
    },
    /// An actor of the engine does not start.
    #[error("the consensus engine does not start: {0}")]
    Engine(#[from] ractor::SpawnErr),
}

/// Where consensus stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsensusStatus {
    /// The height being decided; 0 before the first.
    pub height: u64,
    /// The round being tried.
    pub round: u32,
    /// Who proposes in it.
    pub proposer: Option<Address>,
    /// The height that this node waits for a reason to start; `None` while it decides one.
    pub waiting: Option<u64>,
    /// The connected peers.
    pub peers: Vec<Arc<PeerIdentity>>,
    /// Until which block time this validator abstains because its vote guard was lost; `None` when it votes.
    pub abstains_until: Option<BlockTime>,
    /// How far this node's clock is ahead of the others', in milliseconds; behind if negative. `None` as long as
    /// too few blocks have been decided.
    pub clock_offset_ms: Option<i64>,
    /// A height that the network has surely reached; going by the connected validators.
    pub network_tip: u64,
}

/// Running consensus. Dropping it does not stop consensus; [`shutdown`](Self::shutdown) does.
pub struct ConsensusHandle {
    node: NodeRef,
    host: Arc<Host>,
    mesh: Mesh,
    listen_addr: SocketAddr,
    metrics: Arc<ConsensusMetrics>,
    failure: Failure,
}

impl fmt::Debug for ConsensusHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConsensusHandle({:?})", self.status())
    }
}

impl ConsensusHandle {
    /// Waits until consensus has stopped for good, and says why. Never resolves otherwise.
    pub async fn failed(&self) -> EngineFailure {
        self.failure.wait().await
    }

    /// Starts a task that the node cannot do without: if it panics, [`failed`](Self::failed) says so.
    pub fn spawn_critical(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        self.failure.spawn_critical(name, task)
    }

    /// Stops consensus and the mesh; waits for a commit under way. Then log and signer are free for another start.
    pub async fn shutdown(&self) {
        self.host.stopping.send_replace(true);
        self.host.network.unsubscribe_all();
        self.mesh.shutdown();
        let patience = Some(Duration::from_secs(5));
        self.node.get_cell().stop_children_and_wait(Some("shutdown".into()), patience).await;
        // No further commit begins once `stopping` is set.
        drop(self.host.committing.lock().await);
        let _ = self.node.stop_and_wait(Some("shutdown".into()), patience).await;
        // Tasks that are ending may still hold the signer: it is not free by being dropped here.
        if let Some(signer) = &self.host.signer {
            signer.close().await;
        }
        self.log_is_free().await;
    }

    /// Waits until the engine's log can be opened again: its thread lets go of it a moment after its actor stopped.
    async fn log_is_free(&self) {
        let path = self.host.settings.wal_dir.join(WAL_FILE);
        let taken = || {
            let log = std::fs::File::open(&path);
            log.is_ok_and(|log| matches!(log.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
        };
        for _ in 0..WAL_CHECKS {
            if !taken() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tracing::warn!(path = %path.display(), "The engine's log is still in use");
    }

    /// Where consensus stands.
    pub fn status(&self) -> ConsensusStatus {
        let position = self.host.position();
        ConsensusStatus {
            height: position.height,
            round: position.round,
            proposer: position.proposer,
            waiting: self.host.waiting(),
            peers: self.mesh.peers(),
            abstains_until: self.host.abstains_until(),
            clock_offset_ms: self.host.clock_offset_ms(),
            network_tip: self.host.network.progress.common_tip(),
        }
    }

    /// Sends a message of the node's mempool to all validators. Dropped and counted where a peer is slow.
    pub fn broadcast_gossip(&self, message: &Bytes) {
        self.mesh.broadcast(Channel::Gossip, message, Some(Role::Validator));
    }

    /// Notes what the node found wrong with a peer's gossip. Too much of what only the peer itself can be to
    /// blame for, and it is banned for a while.
    pub fn blame(&self, peer: &PeerIdentity, reason: &Misbehaviour) {
        self.metrics.dropped(reason.kind);
        self.mesh.blame(peer, reason);
    }

    /// Judges all connected peers again. Done after each commit anyway.
    pub fn recheck_peers(&self) {
        self.mesh.recheck();
    }

    /// The address that peers connect to.
    pub fn listen_addr(&self) -> SocketAddr {
        self.listen_addr
    }

    /// The counters.
    pub fn metrics(&self) -> &Arc<ConsensusMetrics> {
        &self.metrics
    }

    /// All metrics in the Prometheus text format.
    pub fn encode_prometheus(&self) -> String {
        self.metrics.encode_prometheus()
    }
}

/// The engine's write-ahead log in its folder.
const WAL_FILE: &str = "consensus.wal";
/// How often a shutdown looks whether the log is free, every five milliseconds.
const WAL_CHECKS: usize = 400;
/// How many block parts may wait for assembly.
const PARTS_BACKLOG: usize = 256;
/// How many messages the engine's sync port holds for a slow sync actor; the default of 10 loses decisions.
const SYNC_PORT: usize = 4096;

/// Starts consensus: listens, dials the configured peers, and runs the engine where the ledger stands.
///
/// Returns the handle, and the messages of other nodes' mempools.
///
/// # Errors
/// If the address, the certificate, the log's directory or the signer cannot be used.
pub async fn start(
    config: ConsensusConfig,
    identity: NodeIdentity,
    authorizer: Arc<dyn PeerAuthorizer>,
    app: Arc<dyn Application>,
    signer: Option<Arc<dyn ConsensusSigner>>,
) -> Result<(ConsensusHandle, mpsc::Receiver<Gossip>), StartError> {
    match (config.role == Role::Validator, signer.is_some()) {
        (true, false) => return Err(StartError::Signer(config.role, "needs")),
        (false, true) => return Err(StartError::Signer(config.role, "must not have")),
        _ => {}
    }
    std::fs::create_dir_all(&config.wal_dir)
        .map_err(|source| StartError::Wal { path: config.wal_dir.clone(), source })?;

    let metrics = Arc::new(ConsensusMetrics::default());
    let sign_bytes = SignBytes::new(&config.chain_id);
    let verifier = CachingVerifier::new(sign_bytes.clone());
    let (mesh, listener) = Mesh::bind(&config, &identity, authorizer, Arc::clone(&metrics)).await?;
    let listen_addr = listener.local_addr().unwrap_or(config.listen);
    let (parts_in, parts_out) = mpsc::channel(PARTS_BACKLOG);
    let (gossip_in, gossip_out) = mpsc::channel(GOSSIP_BACKLOG);
    let (evidence_to, blocks_to) = (Arc::clone(&app), Arc::clone(&app));
    let address = signer.as_ref().map(|signer| Address::of_public_key(&signer.public_key()));
    let network = Network::new(
        mesh.clone(),
        verifier.clone(),
        Arc::clone(&metrics),
        address,
        parts_in,
        gossip_in,
        Box::new(move |evidence| evidence_to.on_evidence(evidence)),
        Box::new(move |blocks| blocks_to.expect(blocks)),
    );
    let stopping = watch::Sender::new(false);
    let failure = Failure::default();
    let host = Arc::new(Host::new(
        app,
        Arc::clone(&network),
        Settings::from(&config),
        signer.clone(),
        failure.clone(),
        stopping.clone(),
    ));
    let signer = signer.map(|signer| EngineSigner {
        signer,
        sign_bytes,
        verifier: verifier.clone(),
        metrics: Arc::clone(&metrics),
    });
    let engine = Engine { config: &config, host: &host, network: &network };
    let node = engine.spawn(verifier, signer, &metrics).await?;
    failure.spawn_critical("the assembly of blocks", assemble(Arc::clone(&host), parts_out));
    let handler: Arc<dyn MessageHandler> = network;
    mesh.run(listener, &config.peers, handler, &failure);
    let handle = ConsensusHandle { node, host, mesh, listen_addr, metrics, failure };
    Ok((handle, gossip_out))
}

/// What the actors are made of.
struct Engine<'a> {
    config: &'a ConsensusConfig,
    host: &'a Arc<Host>,
    network: &'a Arc<Network>,
}

impl Engine<'_> {
    /// Starts all actors under a supervisor. If one fails, the supervisor and its children are stopped.
    async fn spawn(
        &self,
        verifier: CachingVerifier,
        signer: Option<EngineSigner>,
        metrics: &ConsensusMetrics,
    ) -> Result<NodeRef, StartError> {
        let span = tracing::error_span!("consensus", chain = %self.config.chain_id);
        let (node, _) = Node::new(metrics.engine.clone(), span.clone()).spawn().await?;
        let spawned = self.spawn_children(&node, span, verifier, signer, metrics).await;
        if spawned.is_err() {
            node.get_cell().stop_children(None);
            node.stop(None);
        }
        spawned.map(|()| node)
    }

    async fn spawn_children(
        &self,
        node: &NodeRef,
        span: tracing::Span,
        verifier: CachingVerifier,
        signer: Option<EngineSigner>,
        metrics: &ConsensusMetrics,
    ) -> Result<(), StartError> {
        let network = self.spawn_network(metrics).await?;
        network.link(node.get_cell());
        let wal = self.spawn_wal(node, span.clone(), metrics).await?;
        wal.link(node.get_cell());
        let asked = Arc::clone(self.host);
        let on_message = Box::new(move |message| asked.handle(message));
        let (host, _) = Actor::spawn(None, Delegate { on_message, on_stop: Box::new(|| {}) }, ()).await?;
        host.link(node.get_cell());
        let sync_port = Arc::new(OutputPort::<SyncMsg<ConcordatContext>>::with_capacity(SYNC_PORT));
        let consensus = Consensus::spawn(
            ConcordatContext,
            self.params(),
            engine_config(),
            Box::new(verifier),
            signer.map(|signer| Box::new(signer) as _),
            network.clone(),
            host.clone(),
            wal,
            Arc::clone(&sync_port),
            metrics.engine.clone(),
            TxEvent::new(),
            node.clone(),
            span.clone(),
        )
        .await?;
        consensus.link(node.get_cell());
        self.host.attach(consensus.clone());
        let sync = self.spawn_sync(network, host, consensus, span).await?;
        sync.link(node.get_cell());
        sync.subscribe_to_port(&sync_port);
        Ok(())
    }

    async fn spawn_network(
        &self,
        metrics: &ConsensusMetrics,
    ) -> Result<NetworkRef<ConcordatContext>, StartError> {
        let (stopping, failure) = (self.host.stopping.clone(), self.host.failure.clone());
        let unsafe_stop = metrics.engine.node_safety_failure.clone();
        let folder = self.config.wal_dir.clone();
        let on_stop = move || {
            if *stopping.borrow() {
                return;
            }
            let unsafe_to_go_on = unsafe_stop.get() != 0;
            let why = if unsafe_to_go_on {
                EngineFailure::Unsafe { folder: folder.clone() }
            } else {
                EngineFailure::Engine
            };
            failure.report(why);
        };
        let asked = Arc::clone(self.network);
        let on_message = Box::new(move |message| asked.handle(message));
        let actor = Delegate { on_message, on_stop: Box::new(on_stop) };
        Ok(Actor::spawn(None, actor, ()).await?.0)
    }

    async fn spawn_wal(
        &self,
        node: &NodeRef,
        span: tracing::Span,
        metrics: &ConsensusMetrics,
    ) -> Result<WalRef<ConcordatContext>, StartError> {
        let path = self.config.wal_dir.join(WAL_FILE);
        let (registry, before) = (private_registry(), length(&path));
        let wal =
            Wal::spawn(&ConcordatContext, EngineCodec, path.clone(), registry, span, node.clone()).await;
        let wal = wal.map_err(|source| StartError::Log { path: path.clone(), source })?;
        // The engine cuts off a torn end without a word, and writes nothing before its first height.
        let cut_bytes = before.saturating_sub(length(&path));
        if cut_bytes > 0 {
            metrics.log_torn.inc();
            tracing::warn!(
                path = %path.display(),
                cut_bytes,
                "The end of the engine's log was torn and is cut off: what this node signed is kept beside it"
            );
        }
        Ok(wal)
    }

    async fn spawn_sync(
        &self,
        network: NetworkRef<ConcordatContext>,
        host: HostRef<ConcordatContext>,
        consensus: ConsensusRef<ConcordatContext>,
        span: tracing::Span,
    ) -> Result<arc_malachitebft_engine::sync::SyncRef<ConcordatContext>, StartError> {
        // Zero means: say where we stand right after each decision, so that observers follow at once.
        let status_update_interval = Duration::ZERO;
        let params = SyncParams { status_update_interval, request_timeout: Duration::from_secs(5) };
        let config = sync::Config::new(true)
            .with_request_timeout(params.request_timeout)
            .with_max_response_size(self.config.max_response_bytes())
            .with_parallel_requests(requests::PARALLEL)
            .with_batch_size(self.config.sync_batch);
        let metrics = sync::Metrics::register(&private_registry(), status_update_interval);
        let sync = Sync::spawn(
            ConcordatContext,
            network,
            host,
            consensus,
            params,
            EngineCodec,
            config,
            metrics,
            span,
        );
        Ok(sync.await?)
    }

    fn params(&self) -> ConsensusParams<ConcordatContext> {
        ConsensusParams {
            // An observer needs some address; this one belongs to nobody.
            address: self.host.address.unwrap_or(Address([0; 20])),
            threshold_params: Default::default(),
            value_payload: ValuePayload::ProposalAndParts,
            enabled: self.config.role == Role::Validator,
        }
    }
}

fn engine_config() -> EngineConfig {
    EngineConfig { enabled: true, value_payload: ConfigPayload::ProposalAndParts, ..EngineConfig::default() }
}

/// The bytes of a file; none if it is not there.
fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// A registry of our own: the engine's default one is global, shared by every node in the process.
fn private_registry() -> SharedRegistry {
    SharedRegistry::new(Registry::default(), None)
}
