//! The host: between the engine and the ledger.
//!
//! The engine's consensus actor waits for some of the host's answers and must never be kept waiting, so
//! the actor only starts tasks: building, judging, storing and committing run beside it and reply when
//! they are done. Verdicts reach the engine as messages of their own.

mod absence;
mod actor;
mod assembly;
mod blocks;
mod commit;
mod proposals;
mod serve;

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use arc_malachitebft_core_consensus::ProposedValue;
use arc_malachitebft_core_types::{Round, Validity, ValueOrigin};
use arc_malachitebft_engine::consensus::{ConsensusMsg, ConsensusRef};
use tokio::sync::watch;

pub(crate) use self::{actor::HostActor, assembly::assemble};
pub use self::{
    assembly::{Assembly, Claim, Step, parts},
    blocks::{Blocks, Known},
};
use crate::{
    EngineFailure,
    application::{AppError, Application, ConsensusBlock, NextHeight},
    context::{Address, BlockId, CommitCertificate, ConcordatContext, Height, ValidatorSet},
    network::Network,
};

/// Where consensus stands, for status pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub height: u64,
    pub round: u32,
    pub proposer: Option<Address>,
}

/// A commit under way: `None` until it is done.
type CommitResult = watch::Receiver<Option<NextHeight>>;

#[derive(Default)]
struct State {
    position: Position,
    blocks: Blocks,
    /// The newest decision made in this run, and who made it.
    last_decision: Option<(CommitCertificate, ValidatorSet)>,
    commit: Option<CommitResult>,
}

/// The host's state and connections, shared by its tasks.
pub(crate) struct Host {
    pub app: Arc<dyn Application>,
    pub network: Arc<Network>,
    /// This node's validator address, if it votes.
    pub address: Option<Address>,
    pub connect_wait: Duration,
    pub max_block_bytes: usize,
    pub max_response_bytes: usize,
    pub failure: watch::Sender<Option<EngineFailure>>,
    /// Set when the node stops: then tasks end and no further commit begins.
    pub stopping: watch::Sender<bool>,
    /// Held while the ledger commits, so that a shutdown can wait for it.
    pub committing: tokio::sync::Mutex<()>,
    consensus: OnceLock<ConsensusRef<ConcordatContext>>,
    state: Mutex<State>,
}

impl Host {
    #[allow(clippy::too_many_arguments, reason = "one call, from the engine's wiring")]
    pub fn new(
        app: Arc<dyn Application>,
        network: Arc<Network>,
        address: Option<Address>,
        connect_wait: Duration,
        max_block_bytes: usize,
        max_response_bytes: usize,
        failure: watch::Sender<Option<EngineFailure>>,
        stopping: watch::Sender<bool>,
    ) -> Self {
        Self {
            app,
            network,
            address,
            connect_wait,
            max_block_bytes,
            max_response_bytes,
            failure,
            stopping,
            committing: tokio::sync::Mutex::default(),
            consensus: OnceLock::new(),
            state: Mutex::default(),
        }
    }

    /// Connects the host with the engine's consensus actor, which is started after it.
    pub fn attach(&self, consensus: ConsensusRef<ConcordatContext>) {
        let _ = self.consensus.set(consensus);
    }

    pub fn position(&self) -> Position {
        self.state().position.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops consensus for good.
    fn fail(&self, failure: EngineFailure) {
        tracing::error!(%failure, "Consensus stops");
        self.failure.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(failure);
            }
            first
        });
    }

    /// Runs a task until it is done or the node stops.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut stopping = self.stopping.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                _ = stopping.wait_for(|stopping| *stopping) => {}
            }
        });
    }

    /// Tells the engine about a block that it can vote on.
    fn deliver(&self, block: &ConsensusBlock, valid_round: Round, validity: Validity) {
        let Some(consensus) = self.consensus.get() else { return };
        let value = proposed_value(block, valid_round, validity);
        // Fails only while the engine stops.
        let _ = consensus.cast(ConsensusMsg::ReceivedProposedValue(value, ValueOrigin::Consensus));
    }

    /// Identifies encoded bytes off the async threads: hashing megabytes takes milliseconds.
    async fn identify(self: &Arc<Self>, bytes: bytes::Bytes) -> Result<BlockId, AppError> {
        let host = Arc::clone(self);
        tokio::task::spawn_blocking(move || host.app.identify(&bytes))
            .await
            .unwrap_or_else(|error| Err(AppError::new(error)))
    }
}

fn proposed_value(
    block: &ConsensusBlock,
    valid_round: Round,
    validity: Validity,
) -> ProposedValue<ConcordatContext> {
    ProposedValue {
        height: Height(block.height),
        round: Round::new(block.round),
        valid_round,
        proposer: block.proposer,
        value: block.id,
        validity,
    }
}
