//! The boundary to the node: what consensus asks of the ledger.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_malachitebft_core_types::LinearTimeouts;
use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    context::{Address, BlockId, ValidatorSet},
    network::Evidence,
};

/// The ledger behind consensus: builds, judges, stores and commits blocks.
///
/// Every call runs in its own task, so an implementation may take its time without stalling the engine;
/// CPU-heavy work belongs on `spawn_blocking`. An `Err` from [`commit`](Self::commit) or
/// [`start`](Self::start) stops consensus for good and is reported by
/// [`ConsensusHandle::failed`](crate::ConsensusHandle::failed); other errors lose one round at most.
#[async_trait]
pub trait Application: Send + Sync + 'static {
    /// Where the chain stands: the height after the last committed one, and its parameters.
    async fn start(&self) -> Result<NextHeight, AppError>;

    /// Resolves when `height` should start: there is something to propose, or the interval between empty
    /// blocks has passed. Dropped unfinished as soon as a peer is seen to have started the height.
    async fn wait_to_start(&self, height: u64);

    /// Builds the block to propose. Called on the proposer only, at most once per (height, round).
    async fn propose(&self, request: ProposalRequest) -> Result<ProposedBlock, AppError>;

    /// Computes the identity of an encoded block from its bytes: header hash, part set, header time.
    /// Pure; an error means that the bytes are no block.
    fn identify(&self, bytes: &Bytes) -> Result<BlockId, AppError>;

    /// Judges a block in full: statelessly, by execution, and (for [`Origin::Proposal`] only) its time.
    /// `block.id` is already known to match `block.bytes`.
    async fn validate(&self, block: Arc<ConsensusBlock>, origin: Origin) -> Verdict;

    /// Commits durably. Called once per height, in order. After a crash the block may not have been
    /// validated in this run: then execute it here.
    /// Undecided blocks of this height and below may be forgotten with the same write.
    async fn commit(&self, decided: DecidedBlock) -> Result<NextHeight, AppError>;

    /// Stores an undecided block durably (synced to disk before it returns): consensus' own log holds
    /// block ids only. Storing the same block again is no error.
    async fn store_undecided(&self, block: Arc<ConsensusBlock>) -> Result<(), AppError>;

    /// All undecided blocks stored for `height`.
    async fn load_undecided(&self, height: u64) -> Result<Vec<ConsensusBlock>, AppError>;

    /// A committed block, for peers that catch up. `None` if it is unknown or pruned.
    async fn decided(&self, height: u64) -> Result<Option<StoredBlock>, AppError>;

    /// Blocks, by height, that a peer sent as decided: most likely they will be judged next, in
    /// order. Only a hint, so that what takes long may begin; returns at once.
    fn expect(&self, _blocks: Vec<(u64, SyncedBlock)>) {}

    /// The lowest height that [`decided`](Self::decided) can serve.
    async fn earliest_height(&self) -> u64;

    /// A validator signed two conflicting messages. Both are attached, signatures verified.
    fn on_evidence(&self, evidence: Evidence);
}

/// What a proposer is asked for.
#[derive(Clone, Debug)]
pub struct ProposalRequest {
    /// The height to build for.
    pub height: u64,
    /// The round to propose in.
    pub round: u32,
    /// This node's validator address.
    pub proposer: Address,
    /// How long the others wait for the proposal; the block must have arrived by then.
    pub timeout: Duration,
    /// The commit of the height before, with every precommit that arrived since the decision, so that
    /// slow validators count as present. `None` after a restart: use the stored one.
    pub last_commit: Option<tendermint::block::Commit>,
}

/// A block that this node proposes.
#[derive(Clone)]
pub struct ProposedBlock {
    /// The block's identity.
    pub id: BlockId,
    /// The encoded block.
    pub bytes: Bytes,
}

/// A block under consideration.
#[derive(Clone, PartialEq, Eq)]
pub struct ConsensusBlock {
    /// The height it is proposed for.
    pub height: u64,
    /// The round in which it was (last) proposed.
    pub round: u32,
    /// The validator that proposed it in that round.
    pub proposer: Address,
    /// Its identity.
    pub id: BlockId,
    /// The encoded block.
    pub bytes: Bytes,
}

/// How a block came to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Freshly proposed: its time must be close to ours.
    Proposal {
        /// When its last part arrived.
        received_at: SystemTime,
    },
    /// Said to be proposed again, because two thirds accepted it before, or known from before a restart. The
    /// sender's word alone: its time may be old, but must not be ahead of ours, and any validator may have made
    /// it first.
    Reproposal {
        /// When it arrived.
        received_at: SystemTime,
    },
    /// Already decided by the network; we are catching up.
    Synced,
}

/// What the ledger thinks of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The block may be decided.
    Valid,
    /// The block breaks a rule.
    Invalid {
        /// Which rule, for the log.
        reason: String,
    },
    /// This node cannot tell now: its store failed, or it is stopping. Not the block's fault.
    Undecidable {
        /// Why, for the log.
        reason: String,
    },
}

/// A decided block, to be committed.
#[derive(Clone)]
pub struct DecidedBlock {
    /// The block. Its `round` and `proposer` are those of the deciding round.
    pub block: Arc<ConsensusBlock>,
    /// The decision in CometBFT's form, signatures in the set's order: goes into the next block. Keep it for
    /// [`Application::decided`] as well.
    pub commit: tendermint::block::Commit,
    /// The validators that signed.
    pub validators: ValidatorSet,
}

/// The height that follows, and its parameters.
#[derive(Clone, Debug)]
pub struct NextHeight {
    /// The height to start.
    pub height: u64,
    /// The validators of that height.
    pub validators: ValidatorSet,
    /// The validators of the height after it. Only who they are counts: in which order they propose depends on
    /// this height's block.
    pub upcoming: ValidatorSet,
    /// The engine's timeouts for that height.
    pub timeouts: LinearTimeouts,
    /// How far two correct validators' clocks may be apart from that height on; `None` leaves what the configuration
    /// says.
    pub clock_precision: Option<Duration>,
    /// Why this node cannot take part in that height, if it cannot: consensus stops before it, with everything until
    /// then committed.
    pub blocked: Option<AppError>,
}

/// A decided block as it travels to a node that catches up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncedBlock {
    /// The encoded block.
    pub bytes: Bytes,
    /// Who is said to have sent its transactions: 20 bytes for each, in order; empty if it is not said. A peer's
    /// word, which nothing proves. Whoever checks signatures may start from it.
    pub senders: Bytes,
}

impl SyncedBlock {
    /// As the engine carries it, which knows one string of bytes only: the block, who sent its transactions, and how
    /// long the latter is.
    pub fn join(&self) -> Bytes {
        let length = self.senders.len() as u64;
        [&self.bytes[..], &self.senders[..], &length.to_be_bytes()[..]].concat().into()
    }

    /// What was joined. Bytes that are not of that form are a block of which nothing is said.
    pub fn split(joined: &Bytes) -> Self {
        let parts = || {
            let (rest, length) = joined.split_last_chunk::<8>()?;
            let senders = usize::try_from(u64::from_be_bytes(*length)).ok()?;
            Some((rest.len().checked_sub(senders)?, rest.len()))
        };
        let Some((block, end)) = parts() else {
            return Self { bytes: joined.clone(), senders: Bytes::new() };
        };
        Self { bytes: joined.slice(..block), senders: joined.slice(block..end) }
    }
}

/// A committed block as peers receive it.
#[derive(Clone)]
pub struct StoredBlock {
    /// The block.
    pub block: SyncedBlock,
    /// [`DecidedBlock::commit`], unchanged.
    pub commit: tendermint::block::Commit,
}

/// The ledger could not do what consensus asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct AppError {
    text: String,
    kind: Option<&'static str>,
}

impl AppError {
    /// In words.
    pub fn say(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: None }
    }

    /// The same, of a kind that whoever looks into the end of a node tells apart.
    pub fn of_kind(self, kind: Option<&'static str>) -> Self {
        Self { kind, ..self }
    }

    /// Of which kind it is, if the ledger said so.
    pub const fn kind(&self) -> Option<&'static str> {
        self.kind
    }

    /// Wraps any error, with its sources.
    pub fn new(error: impl std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        Self::say(text)
    }
}

// Block bodies must never reach a log: `Debug` shows sizes only.

impl fmt::Debug for ProposedBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProposedBlock({}, {} bytes)", self.id, self.bytes.len())
    }
}

impl fmt::Debug for ConsensusBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { height, round, id, bytes, .. } = self;
        write!(f, "ConsensusBlock({height}/{round} {id}, {} bytes)", bytes.len())
    }
}

impl fmt::Debug for DecidedBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "DecidedBlock({:?}, {} signatures)",
            self.block,
            self.commit.signatures.iter().filter(|entry| entry.is_commit()).count()
        )
    }
}

impl fmt::Debug for StoredBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredBlock({} bytes)", self.block.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_joined_is_split_and_what_was_not_is_a_block() {
        for (bytes, senders) in [("a block", "its senders"), ("a block", ""), ("", "")] {
            let block = SyncedBlock { bytes: bytes.into(), senders: senders.into() };
            assert_eq!(SyncedBlock::split(&block.join()), block);
        }
        for bytes in [&b"short"[..], &[0xff; 40]] {
            let bytes = Bytes::from_static(bytes);
            assert_eq!(SyncedBlock::split(&bytes), SyncedBlock { bytes, senders: Bytes::new() });
        }
    }
}
