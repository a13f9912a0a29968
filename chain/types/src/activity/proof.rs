//! The proof that nothing of a subject's activity is missing between two heights.
//!
//! It goes from the newest block downwards. The signed state says in which block the subject was active last; that
//! block's activity, proven, says in which one before; and so on, until a block below the range, or none. Between two
//! blocks of the chain there is nothing, or the later one would name it.

use alloy_primitives::{B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

use super::{Activity, BlockRecord, Part, Peaks, Subject, merkle};
use crate::Receipt;

/// What is to be proven, and what a signed state root says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose activity.
    pub subject: Subject,
    /// The first height.
    pub from: u64,
    /// The last height.
    pub to: u64,
    /// The height of the block in which the subject was active last; zero if in none.
    pub last: u64,
    /// The history.
    pub peaks: Peaks,
}

/// A block in which the subject had a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProvenBlock {
    /// What the history holds of it.
    pub record: BlockRecord,
    /// The record's place in the history.
    pub place: u64,
    /// The path to the peak.
    pub path: Vec<B256>,
    /// The subject's activity.
    pub activity: Activity,
    /// The activity's place among those of the block.
    pub activity_place: u32,
    /// The path to the block's activity root.
    pub activity_path: Vec<B256>,
    /// One for each part, in their order; none of a block outside of the range.
    pub transactions: Vec<ProvenTransaction>,
}

/// A transaction in which the subject had a part, with its receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProvenTransaction {
    /// Its EIP-2718 bytes.
    pub raw: Bytes,
    /// Its receipt's canonical bytes.
    pub receipt: Bytes,
    /// The path of its result to the block's results hash.
    pub path: Vec<B256>,
}

/// A transaction that was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Height and Unix seconds of its block.
    pub block: (u64, u64),
    /// Its place, and what the subject was to it.
    pub part: Part,
    /// What became of it.
    pub receipt: Receipt,
}

/// What of a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// No range.
    #[error(
        "heights {from} to {to} are no range: it begins at 1 or later, and ends where it begins or later"
    )]
    Range {
        /// Its begin.
        from: u64,
        /// Its end.
        to: u64,
    },
    /// A block of the chain is not where it belongs.
    #[error("block {want} is missing: the subject was active in it, and the proof goes on with block {have}")]
    Skipped {
        /// What stands there.
        have: u64,
        /// What belongs there.
        want: u64,
    },
    /// The proof ends too early.
    #[error("block {want} is missing: the subject was active in it, and the proof ends before it")]
    Cut {
        /// The block that comes next.
        want: u64,
    },
    /// The proof does not end where it should.
    #[error("block {have} is one too many: the chain has left the range, or has ended, before it")]
    Surplus {
        /// What stands there.
        have: u64,
    },
    /// The history does not hold it.
    #[error(
        "the record of block {height} is not in the history that the state commits to: it was altered, or is of another chain"
    )]
    Record {
        /// Its height.
        height: u64,
    },
    /// Somebody else's.
    #[error("block {height} tells the activity of {have}, not of {want}")]
    Subject {
        /// The height.
        height: u64,
        /// Whose it tells.
        have: Subject,
        /// Whose was asked for.
        want: Subject,
    },
    /// The block says something else.
    #[error(
        "the activity told of block {height} is not the one that the block's record commits to: it was altered"
    )]
    Activity {
        /// The height.
        height: u64,
    },
    /// A chain goes downwards.
    #[error("the activity of block {height} names block {previous} as the one before")]
    Pointer {
        /// The height.
        height: u64,
        /// What it names.
        previous: u64,
    },
    /// One for each part.
    #[error("block {height} is told with {have} transactions, and the subject had a part in {want}")]
    Transactions {
        /// The height.
        height: u64,
        /// How many are told.
        have: usize,
        /// How many there are.
        want: usize,
    },
    /// The results do not hold it.
    #[error(
        "the receipt of transaction {index} of block {height} is not the one that the block's record commits to: it was altered"
    )]
    Receipt {
        /// The height.
        height: u64,
        /// The transaction's place.
        index: u32,
    },
    /// The receipt is of another one.
    #[error("transaction {index} of block {height} is not the one that its receipt names: it was altered")]
    Transaction {
        /// The height.
        height: u64,
        /// Its place.
        index: u32,
    },
}

impl Claim {
    /// Verifies the chain through `blocks`, the newest first. Gives every transaction of the range in which the subject
    /// had a part, the newest block's first: there are no others.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify<'a>(
        &self,
        blocks: impl IntoIterator<Item = &'a ProvenBlock>,
    ) -> Result<Vec<Seen>, ProofError> {
        if self.from == 0 || self.from > self.to {
            return Err(ProofError::Range { from: self.from, to: self.to });
        }
        let (mut seen, mut want) = (Vec::new(), self.last);
        for block in blocks {
            let height = block.record.height;
            if want < self.from {
                return Err(ProofError::Surplus { have: height });
            }
            if height != want {
                return Err(ProofError::Skipped { have: height, want });
            }
            self.check_block(block)?;
            seen.extend(self.transactions(block)?);
            want = block.activity.previous;
        }
        // What comes next lies below the range, or the proof is not whole.
        if want < self.from { Ok(seen) } else { Err(ProofError::Cut { want }) }
    }

    fn check_block(&self, block: &ProvenBlock) -> Result<(), ProofError> {
        let ProvenBlock { record, activity, .. } = block;
        let height = record.height;
        if activity.subject != self.subject {
            let (have, want) = (activity.subject.clone(), self.subject.clone());
            return Err(ProofError::Subject { height, have, want });
        }
        if !self.peaks.hold(block.place, record.leaf(), &block.path) {
            return Err(ProofError::Record { height });
        }
        let place = (block.activity_place, record.subjects);
        if !merkle::holds(record.activity_root, place, activity.leaf(), &block.activity_path) {
            return Err(ProofError::Activity { height });
        }
        if activity.previous >= height {
            return Err(ProofError::Pointer { height, previous: activity.previous });
        }
        Ok(())
    }

    fn transactions(&self, block: &ProvenBlock) -> Result<Vec<Seen>, ProofError> {
        let (record, told) = (&block.record, &block.transactions);
        let inside = (self.from..=self.to).contains(&record.height);
        let parts = if inside { block.activity.parts.as_slice() } else { &[] };
        if told.len() != parts.len() {
            let (height, have, want) = (record.height, told.len(), parts.len());
            return Err(ProofError::Transactions { height, have, want });
        }
        parts.iter().zip(told).map(|(part, told)| told.check(record, *part)).collect()
    }
}

impl ProvenTransaction {
    fn check(&self, record: &BlockRecord, part: Part) -> Result<Seen, ProofError> {
        let (height, index) = (record.height, part.index);
        let altered = ProofError::Receipt { height, index };
        let receipt = Receipt::decode(&self.receipt).map_err(|_| altered.clone())?;
        let place = (index, record.transactions);
        // What is hashed is the canonical form of what these bytes say.
        if !merkle::holds(record.results_hash, place, receipt.result_leaf(), &self.path) {
            return Err(altered);
        }
        if keccak256(&self.raw) != receipt.tx_hash {
            return Err(ProofError::Transaction { height, index });
        }
        Ok(Seen { block: (height, record.time_secs), part, receipt })
    }
}
