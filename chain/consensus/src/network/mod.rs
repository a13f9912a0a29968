//! What peers' messages mean: checked here before the engine sees them, and sent for the engine.
//!
//! The engine buffers messages for future heights unverified and its mailbox has no bound, so everything
//! that a peer could abuse is stopped before: unknown or bad signatures, senders that are no validators,
//! heights far off. Checks run in each connection's own task; the engine only gets what passed.

mod actor;
mod evidence;
mod gate;
mod inbound;
mod ports;
mod progress;
pub(crate) mod requests;
mod shares;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use arc_malachitebft_engine::network::NetworkEvent;
use arc_malachitebft_peer::PeerId;
use bytes::Bytes;
use tokio::sync::mpsc;

pub use self::evidence::Evidence;
pub(crate) use self::progress::Progress;
use self::{
    evidence::Noted,
    ports::Ports,
    requests::Requests,
    shares::{Share, Shares},
};
#[doc(hidden)]
pub use self::{
    gate::{Gate, Place},
    inbound::check_proposer,
    progress::Claims,
};
use crate::{
    application::{NextHeight, SyncedBlock},
    codec::BlockPart,
    context::{Address, ConcordatContext, Height},
    metrics::ConsensusMetrics,
    signing::CachingVerifier,
    transport::{Mesh, PeerIdentity},
};

type Event = NetworkEvent<ConcordatContext>;

/// How much gossip may wait for the node, in messages.
pub(crate) const GOSSIP_BACKLOG: usize = 192;
/// How much of it may come from one organisation.
const GOSSIP_OF_AN_ORG: usize = GOSSIP_BACKLOG / 3;

/// A message of another node's mempool. Keep it until it is dealt with: until then it counts as waiting.
#[derive(Debug)]
pub struct Gossip {
    /// The peer that sent it.
    pub from: Arc<PeerIdentity>,
    /// The message.
    pub message: Bytes,
    _share: Share,
}

/// The network as consensus sees it.
pub(crate) struct Network {
    pub mesh: Mesh,
    pub verifier: CachingVerifier,
    pub progress: Progress,
    pub metrics: Arc<ConsensusMetrics>,
    /// This node's validator address, if it votes.
    pub address: Option<Address>,
    gate: Mutex<Gate>,
    ports: Mutex<Ports>,
    requests: Mutex<Requests>,
    /// Statuses held back for a moment, by peer; see `inbound`.
    held: Mutex<HashMap<PeerId, (Height, Height)>>,
    parts: mpsc::Sender<(Arc<PeerIdentity>, BlockPart)>,
    gossip: mpsc::Sender<Gossip>,
    gossip_shares: Shares,
    /// For tasks that outlive a call but must not keep the network alive.
    this: Weak<Network>,
    on_evidence: Box<dyn Fn(Evidence) + Send + Sync>,
    /// Told of the blocks that a peer sent as decided, by height.
    on_synced: OnSynced,
}

/// What is done with blocks that a peer sent as decided, before the engine looks at them.
pub(crate) type OnSynced = Box<dyn Fn(Vec<(u64, SyncedBlock)>) + Send + Sync>;

impl Network {
    /// A network that hands on block parts, gossip, evidence and blocks to come.
    #[allow(clippy::too_many_arguments, reason = "one call, from the engine's wiring")]
    pub fn new(
        mesh: Mesh,
        verifier: CachingVerifier,
        metrics: Arc<ConsensusMetrics>,
        address: Option<Address>,
        parts: mpsc::Sender<(Arc<PeerIdentity>, BlockPart)>,
        gossip: mpsc::Sender<Gossip>,
        on_evidence: Box<dyn Fn(Evidence) + Send + Sync>,
        on_synced: OnSynced,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            mesh,
            verifier,
            progress: Progress::default(),
            metrics,
            address,
            gate: Mutex::default(),
            ports: Mutex::default(),
            requests: Mutex::default(),
            held: Mutex::default(),
            parts,
            gossip,
            gossip_shares: Shares::new(GOSSIP_OF_AN_ORG),
            on_evidence,
            on_synced,
        })
    }

    /// What is admitted at present.
    pub fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ports(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on to the next height.
    pub fn advance(&self, next: &NextHeight) {
        let NextHeight { height, validators, upcoming, .. } = next;
        let votes = self.address.is_some_and(|own| validators.get(&own).is_some());
        self.progress.note(|claims| claims.advance(validators.clone(), votes));
        self.gate().advance(Height(*height), validators.clone(), upcoming.clone());
    }

    /// Whether this node votes at the present height.
    pub fn votes_now(&self) -> bool {
        let Some(address) = self.address else { return false };
        self.gate().validators().is_some_and(|set| set.get(&address).is_some())
    }

    /// Gives an event to the engine's actors. Their mailboxes have no bound, hence never block.
    fn emit(&self, event: &Event) {
        self.ports().emit(event);
    }

    /// Forgets the engine's actors, which are about to stop.
    pub fn unsubscribe_all(&self) {
        self.ports().clear();
    }

    fn prove(&self, noted: Noted) {
        if let Some(evidence) = noted.evidence() {
            tracing::error!(%evidence, "Equivocation proven");
            self.metrics.evidence.inc();
            (self.on_evidence)(evidence);
        }
    }
}
