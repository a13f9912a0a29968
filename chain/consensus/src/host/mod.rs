//! The host: between the engine and the ledger.
//!
//! The engine's consensus actor waits for some of the host's answers and must never be kept waiting, so
//! the actor only starts tasks: building, judging, storing and committing run beside it and reply when
//! they are done. Verdicts reach the engine as messages of their own.

mod absence;
mod abstain;
mod actor;
mod assembly;
mod blocks;
mod clock;
mod commit;
mod pace;
mod proposals;
mod serve;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use arc_malachitebft_core_consensus::ProposedValue;
use arc_malachitebft_core_types::{Round, Validity, ValueOrigin};
use arc_malachitebft_engine::consensus::{ConsensusMsg, ConsensusRef};
use tokio::sync::{Semaphore, watch};

pub(crate) use self::assembly::assemble;
pub use self::{
    assembly::{Assembly, Claim, Step, parts},
    blocks::{Blocks, Known},
};
use self::{clock::ClockWatch, pace::Pace};
use crate::{
    EngineFailure,
    application::{AppError, Application, ConsensusBlock, NextHeight},
    config::{Clock, ConsensusConfig},
    context::{Address, BlockId, CommitCertificate, ConcordatContext, Height, ValidatorSet},
    failure::Failure,
    network::Network,
    signing::{Abstention, ConsensusSigner},
};

/// Where consensus stands, for status pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub height: u64,
    pub round: u32,
    pub proposer: Option<Address>,
}

/// Answers to peers that ask for blocks that are made at once.
const SERVED_AT_ONCE: usize = 4;

/// What of the configuration the host goes by.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub connect_wait: Duration,
    pub max_block_bytes: usize,
    pub max_response_bytes: usize,
    pub clock_precision: Duration,
    pub clock: Clock,
    /// Where the engine's log is, for those who must move it away.
    pub wal_dir: PathBuf,
}

impl From<&ConsensusConfig> for Settings {
    fn from(config: &ConsensusConfig) -> Self {
        Self {
            connect_wait: config.connect_wait,
            max_block_bytes: config.max_block_bytes,
            max_response_bytes: config.max_response_bytes(),
            clock_precision: config.clock_precision,
            clock: config.clock.clone(),
            wal_dir: config.wal_dir.clone(),
        }
    }
}

/// A commit under way: `None` until it is done.
type CommitResult = watch::Receiver<Option<NextHeight>>;

struct State {
    position: Position,
    blocks: Blocks,
    /// The newest decision made in this run, and who made it.
    last_decision: Option<(CommitCertificate, ValidatorSet)>,
    commit: Option<CommitResult>,
    /// The height that waits for a reason to start; nothing happens meanwhile.
    waiting: Option<u64>,
    /// Set while this validator does not vote because it cannot know what it has signed.
    abstention: Option<Abstention>,
    clock: ClockWatch,
    /// When the present height's rounds began.
    began: BTreeMap<u32, Instant>,
    pace: Pace,
}

impl State {
    fn new(clock_precision: Duration) -> Self {
        Self {
            position: Position::default(),
            blocks: Blocks::default(),
            last_decision: None,
            commit: None,
            waiting: None,
            abstention: None,
            clock: ClockWatch::new(clock_precision),
            began: BTreeMap::new(),
            pace: Pace::default(),
        }
    }
}

/// The host's state and connections, shared by its tasks.
pub(crate) struct Host {
    pub app: Arc<dyn Application>,
    pub network: Arc<Network>,
    pub settings: Settings,
    /// What this node votes with, if it does.
    pub signer: Option<Arc<dyn ConsensusSigner>>,
    /// This node's validator address, if it votes.
    pub address: Option<Address>,
    pub failure: Failure,
    /// Set when the node stops: then tasks end and no further commit begins.
    pub stopping: watch::Sender<bool>,
    /// Held while the ledger commits, so that a shutdown can wait for it.
    pub committing: tokio::sync::Mutex<()>,
    /// Turns to make an answer to a peer that asks for blocks.
    serving: Semaphore,
    consensus: OnceLock<ConsensusRef<ConcordatContext>>,
    state: Mutex<State>,
}

impl Host {
    pub fn new(
        app: Arc<dyn Application>,
        network: Arc<Network>,
        settings: Settings,
        signer: Option<Arc<dyn ConsensusSigner>>,
        failure: Failure,
        stopping: watch::Sender<bool>,
    ) -> Self {
        Self {
            app,
            address: network.address,
            network,
            state: Mutex::new(State::new(settings.clock_precision)),
            settings,
            signer,
            failure,
            stopping,
            committing: tokio::sync::Mutex::default(),
            serving: Semaphore::new(SERVED_AT_ONCE),
            consensus: OnceLock::new(),
        }
    }

    /// Connects the host with the engine's consensus actor, which is started after it.
    pub fn attach(&self, consensus: ConsensusRef<ConcordatContext>) {
        let _ = self.consensus.set(consensus);
    }

    pub fn position(&self) -> Position {
        self.state().position.clone()
    }

    /// The height that this node waits for a reason to start, if it is idle.
    pub fn waiting(&self) -> Option<u64> {
        self.state().waiting
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops consensus for good.
    fn fail(&self, failure: EngineFailure) {
        self.failure.report(failure);
    }

    /// Runs a task until it is done or the node stops. Somebody waits for it: it must not end by a panic.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut stopping = self.stopping.subscribe();
        self.failure.spawn_critical("a task of the consensus host", async move {
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
