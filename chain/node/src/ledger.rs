//! The ledger behind consensus: builds, judges and commits blocks.
//!
//! One [`Ledger`] per node. Decisions are made by pure crates (`concordat-core` executes, `concordat-types`
//! hashes and checks commits); this module reads the store, keeps what was executed until it is decided,
//! and commits once, atomically.

mod activity;
mod ahead;
mod append;
pub mod application;
mod build;
mod decoded;
mod evidence;
mod join;
mod judge;
#[cfg(test)]
mod kit;
mod senders;
mod settle;
mod tip;
mod version;

use std::{
    collections::VecDeque,
    num::NonZero,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use concordat_consensus::{Evidence, SyncedBlock};
use concordat_core::{BlockEnv, BlockOutcome, ExecError, known_protocol_version};
use concordat_rpc::CommittedBlock;
use concordat_state::{Store, StoreError};
use concordat_types::{Address, B256, Block, Genesis, VerifiedTx, block::BlockError, commit::CommitError};
use tokio::sync::{broadcast, watch};

pub use append::AppendError;
pub use join::{JoinError, import_snapshot};
pub(crate) use settle::GENESIS_NOTE;
pub use settle::note_genesis;
pub use tip::Tip;

use self::{
    ahead::Ahead,
    decoded::DecodedBlocks,
    evidence::{EvidenceBook, Kept},
    senders::Senders,
};
use crate::{admission::TxPool, metrics::NodeMetrics};

/// How many executed but undecided blocks are kept. A round executes one; a few rounds may be under way.
const EXECUTED_KEPT: usize = 8;

/// A follower of committed blocks that is further behind than this misses some, and is told so.
const BLOCKS_BUFFERED: usize = 256;

/// A block and what it does, known before it is decided.
pub struct Executed {
    hash: B256,
    block: Arc<Block>,
    outcome: BlockOutcome,
    /// The nonce that each transaction's sender needs next.
    next_nonces: Vec<(Address, u64)>,
}

impl Executed {
    fn new(
        hash: B256,
        block: Arc<Block>,
        outcome: BlockOutcome,
        txs: impl IntoIterator<Item = Arc<VerifiedTx>>,
    ) -> Self {
        let next_nonces = txs.into_iter().map(|tx| (tx.sender(), tx.nonce().saturating_add(1))).collect();
        Self { hash, block, outcome, next_nonces }
    }
}

/// The ledger.
pub struct Ledger {
    store: Store,
    genesis: Arc<Genesis>,
    pool: Arc<TxPool>,
    metrics: Arc<NodeMetrics>,
    tip: watch::Sender<Arc<Tip>>,
    executed: Mutex<VecDeque<Arc<Executed>>>,
    ahead: Ahead,
    decoded: Arc<DecodedBlocks>,
    blocks: broadcast::Sender<Arc<CommittedBlock>>,
    evidence: EvidenceBook,
    identity_generation: AtomicU64,
}

/// What went wrong in the ledger. None of these is a verdict on a block.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Execution could not go on.
    #[error(transparent)]
    Execution(#[from] ExecError),
    /// A block of ours is malformed.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The store holds something that we did not write.
    #[error("the store's {what} at height {height} is damaged: {reason}; check it with `concordat db check`")]
    Damaged {
        /// What was read.
        what: &'static str,
        /// At which height.
        height: u64,
        /// What is wrong.
        reason: String,
    },
    /// The genesis document on disk is not the one that the ledger was started with.
    #[error(
        "the ledger in the data folder belongs to chain {stored:?} with genesis {have}, but genesis.json says {want:?} with {expected}; use the folder or the document of the right chain"
    )]
    OtherGenesis {
        /// Chain id of the store.
        stored: String,
        /// Genesis hash of the store.
        have: String,
        /// Chain id of the document.
        want: String,
        /// Hash of the document.
        expected: B256,
    },
    /// An import of a snapshot did not come to its end: its commit was not checked, or was wrong.
    #[error(
        "the ledger in the data folder is from an import of a snapshot that was cut off or found wrong; remove the \
         folder `ledger` there and import again"
    )]
    UnfinishedImport,
    /// The genesis document describes no state.
    #[error("genesis: {0}")]
    Genesis(#[from] concordat_core::GenesisStateError),
    /// A task of ours ended early: a panic, or the node is stopping.
    #[error("a task of the ledger ended early: {0}")]
    Task(String),
    /// Asked to build on a block that is not the tip.
    #[error("asked to build block {asked}, but the tip is {tip}")]
    NotNext {
        /// The height asked for.
        asked: u64,
        /// The tip's height.
        tip: u64,
    },
    /// The chain goes on by rules that this program does not have.
    #[error(
        "from height {height} on this chain runs protocol version {version}, and this program knows 1 to {known}; \
         nothing of that block was done. Install a newer program and start the node again"
    )]
    UnknownVersion {
        /// The first height of that version.
        height: u64,
        /// The version.
        version: u64,
        /// The highest that this program knows.
        known: u64,
    },
    /// The network decided a block that we find invalid: never go on.
    #[error(
        "the network decided block {height}, which this node finds invalid: {reason}; stop and compare versions before anything else"
    )]
    DecidedInvalid {
        /// Its height.
        height: u64,
        /// Why.
        reason: String,
    },
}

impl LedgerError {
    /// What kind of failure it is, in a word for metrics, where that says more than that it is the ledger's.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) => Some(error.kind()),
            Self::Damaged { .. } => Some("corrupt"),
            Self::UnknownVersion { .. } => Some("protocol_version"),
            _ => None,
        }
    }
}

/// Why a block breaks the rules.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBlock {
    /// Not a block, or not consistent in itself.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A header field differs from what the chain so far demands.
    #[error("header differs from what follows from the chain: {0}")]
    Header(String),
    /// The time does not grow, or is too far from ours.
    #[error("block time {0}")]
    Time(String),
    /// The commit of the previous block does not hold.
    #[error("last commit: {0}")]
    LastCommit(#[from] CommitError),
    /// A transaction may not stand in a block.
    #[error("transaction {index}: {reason}")]
    Transaction {
        /// Its place.
        index: usize,
        /// Why not.
        reason: String,
    },
    /// Too large for this chain.
    #[error("{size} bytes exceed the chain's limit of {limit}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The chain's limit.
        limit: u64,
    },
}

/// A failed judgement: either the block's fault or ours.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The block breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidBlock),
    /// We could not judge.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Ledger {
    /// Opens the ledger in `store`, making the genesis state if the store is empty.
    pub fn open(
        store: Store,
        genesis: Arc<Genesis>,
        pool: Arc<TxPool>,
        metrics: Arc<NodeMetrics>,
    ) -> Result<Self, LedgerError> {
        settle::start_or_match_genesis(&store, &genesis)?;
        let tip = Arc::new(Tip::load(&store, &genesis)?);
        let known = known_protocol_version();
        version::tell(&tip.next, known);
        version::check(&tip.next, tip.next_height(), known)?;
        concordat_core::prepare(store.state()?)?;
        metrics.height.set(tip.height as i64);
        metrics.protocol(&tip.next);
        let chain_id = genesis.evm_chain_id;
        let task = |error: &dyn std::error::Error| LedgerError::Task(error.to_string());
        let decoded = Arc::new(DecodedBlocks::default());
        let blocks = decoded.clone();
        let senders = Senders::default();
        let check = move |block: &SyncedBlock| {
            senders.check(&*blocks.decode(&block.bytes).ok()?, &block.senders, chain_id)
        };
        let cores = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        let ahead = Ahead::start(cores, check).map_err(|error| task(&error))?;
        let evidence = EvidenceBook::load(store.clone())?;
        metrics.evidence_kept.set(evidence.count() as i64);
        Ok(Self {
            store,
            genesis,
            pool,
            metrics,
            tip: watch::Sender::new(tip),
            executed: Mutex::default(),
            ahead,
            decoded,
            blocks: broadcast::Sender::new(BLOCKS_BUFFERED),
            evidence,
            identity_generation: AtomicU64::new(0),
        })
    }

    /// The newest committed block and what follows from it.
    pub fn tip(&self) -> Arc<Tip> {
        self.tip.borrow().clone()
    }

    /// Changes whenever a block changed identities: certificates, revocations, validators.
    pub fn identity_generation(&self) -> u64 {
        self.identity_generation.load(Ordering::SeqCst)
    }

    /// Evidence of validators that signed conflicting messages, as this node has ever seen it.
    pub fn evidence(&self) -> Vec<serde_json::Value> {
        self.evidence.report(&self.tip().validators)
    }

    /// Keeps evidence durably, unless it is known.
    fn keep_evidence(&self, evidence: Evidence) {
        let text = evidence.to_string();
        match self.evidence.keep(evidence) {
            Ok(Kept::New) => {
                self.metrics.equivocations.inc();
                self.metrics.evidence_kept.set(self.evidence.count() as i64);
                tracing::error!(
                    evidence = text,
                    "a validator contradicted itself; see /evidence, tell the committee"
                );
            }
            Ok(Kept::Known) => {}
            Ok(Kept::Enough) => self.metrics.equivocations.inc(),
            Err(error) => tracing::error!(evidence = text, %error, "evidence is not kept"),
        }
    }

    /// Follows committed blocks.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<CommittedBlock>> {
        self.blocks.subscribe()
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The genesis document.
    pub fn genesis(&self) -> &Arc<Genesis> {
        &self.genesis
    }

    /// The environment in which the block after `tip` executes, if its time is `time`.
    fn env(&self, tip: &Tip, time: tendermint::Time) -> BlockEnv {
        BlockEnv {
            chain_id: self.genesis.evm_chain_id,
            height: tip.next_height(),
            time_secs: u64::try_from(time.unix_timestamp()).unwrap_or(0),
            params: tip.next.params,
            recent_signers: tip.activity.signers(),
        }
    }

    fn remember(&self, executed: Arc<Executed>) {
        let mut kept = lock(&self.executed);
        if kept.iter().any(|other| other.hash == executed.hash) {
            return;
        }
        if kept.len() >= EXECUTED_KEPT {
            kept.pop_front();
        }
        kept.push_back(executed);
    }

    fn remembered(&self, hash: &B256) -> Option<Arc<Executed>> {
        lock(&self.executed).iter().find(|executed| executed.hash == *hash).cloned()
    }

    /// Signatures of a block's transactions: checked ahead, or known to the pool, or checked on all cores.
    fn verify_transactions(&self, block: &Block) -> Result<Vec<Arc<VerifiedTx>>, InvalidBlock> {
        if let Some(txs) = self.ahead.take(block.height(), &block.txs) {
            return Ok(txs);
        }
        let known = self.pool.lookup(&block.txs);
        let unknown = self.pool.verify_missing(&block.txs, known);
        unknown.map_err(|(index, error)| InvalidBlock::Transaction { index, reason: error.to_string() })
    }
}

/// Locks, even after a panic elsewhere: everything behind our locks is replaced whole, never half.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Observes how long `work` takes, in seconds.
fn timed<T>(histogram: &prometheus::Histogram, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    histogram.observe(start.elapsed().as_secs_f64());
    result
}
