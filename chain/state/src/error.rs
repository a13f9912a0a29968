//! Why the store refuses or fails.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use alloy_primitives::B256;
use concordat_types::ReadError;

/// The failures that are counted: damage, and a disk that does not do what it should.
const FAULTS: [&str; 3] = ["corrupt", "database", "disk_full"];

static COUNTED: [AtomicU64; FAULTS.len()] = [const { AtomicU64::new(0) }; FAULTS.len()];

/// How many failures of the disk, and of what it holds, the stores of this process have met, by
/// [`StoreError::kind`].
pub fn faults() -> impl Iterator<Item = (&'static str, u64)> {
    FAULTS.into_iter().zip(COUNTED.iter().map(|count| count.load(Ordering::Relaxed)))
}

/// Why the store refuses or fails. Each message says what to do where there is something to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process, or another handle of this one, has the store open.
    #[error("the store at {path} is in use; stop the node that runs on it first")]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// The directory holds something that no store of ours wrote.
    #[error("{path} is not a state store: {reason}; name an empty directory or an existing store")]
    NotAStore {
        /// The directory.
        path: PathBuf,
        /// What gives it away.
        reason: String,
    },
    /// The store was written by a newer program.
    #[error(
        "the store at {path} has schema {found}, this program knows schemas up to {supported}; upgrade the program"
    )]
    NewerSchema {
        /// The store's directory.
        path: PathBuf,
        /// The schema stamped on the store.
        found: u32,
        /// The newest schema that this program reads.
        supported: u32,
    },
    /// The operating system refused a file.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database failed.
    #[error("the database failed to {doing}: {reason}")]
    Database {
        /// What was being done.
        doing: String,
        /// What the database said.
        reason: String,
    },
    /// There is no room left.
    #[error(
        "the disk is full: the database failed to {doing}: {reason}; free space there and start the node again, \
         nothing that it acknowledged is lost"
    )]
    DiskFull {
        /// What was being done.
        doing: String,
        /// What the database said, with the file.
        reason: String,
    },
    /// Stored bytes are not what was written.
    #[error(
        "the store is damaged ({what}): {reason}; restore it from a snapshot or let the node sync into an empty one"
    )]
    Corrupt {
        /// Which record.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The stored state does not hash to the root that was committed with it.
    #[error(
        "the state at height {height} hashes to {computed}, its block committed {expected}: the store is damaged; \
         restore it from a snapshot or let the node sync into an empty one"
    )]
    RootMismatch {
        /// The store's height.
        height: u64,
        /// The root committed with the block.
        expected: B256,
        /// The root of what is stored now.
        computed: B256,
    },
    /// A write failed earlier; what is on disk is known only after reopening.
    #[error(
        "the store takes no more writes since one failed ({reason}); mend the cause and restart the node"
    )]
    Poisoned {
        /// The first failure.
        reason: String,
    },
    /// Nothing has been stored yet.
    #[error("the store is empty; initialise it from the genesis or from a snapshot")]
    NotInitialised,
    /// Genesis or a snapshot go into an empty store only.
    #[error("the store already stands at height {height}; name an empty directory")]
    AlreadyInitialised {
        /// The store's height.
        height: u64,
    },
    /// Blocks are committed one after the other.
    #[error("block {height} cannot be committed: the next height is {expected}")]
    WrongHeight {
        /// The block's height.
        height: u64,
        /// The only height that can be committed now.
        expected: u64,
    },
    /// The block does not fit the chain or its results.
    #[error("block {height} does not fit the store: {field} is {have}, expected {want}")]
    Unfit {
        /// The block's height.
        height: u64,
        /// What does not fit.
        field: &'static str,
        /// What the block has.
        have: String,
        /// What the store expects.
        want: String,
    },
    /// ICS 23 cannot prove an empty value; absence is said by deleting the key.
    #[error("state key 0x{key} is given an empty value; delete it instead")]
    EmptyValue {
        /// The key in hex.
        key: String,
    },
    /// A state key outside the limits.
    #[error("a state key of {bytes} bytes is outside 1 to {limit}")]
    KeyLength {
        /// The key's length.
        bytes: usize,
        /// The most a key may have.
        limit: usize,
    },
    /// Pruned away.
    #[error("{what} of height {height} is pruned; the lowest kept height is {floor}")]
    Pruned {
        /// State or block body.
        what: &'static str,
        /// The height asked for.
        height: u64,
        /// The lowest height that is kept.
        floor: u64,
    },
    /// Still to come.
    #[error("height {height} is still to come; the newest is {tip}")]
    Future {
        /// The height asked for.
        height: u64,
        /// The store's height.
        tip: u64,
    },
    /// The filter matches more logs than the caller wants.
    #[error(
        "the filter matches more than {cap} logs; {cap} were found by height {reached}: narrow the range"
    )]
    TooManyLogs {
        /// The caller's limit.
        cap: usize,
        /// The height at which the limit was passed.
        reached: u64,
    },
    /// The logs that the filter matches carry more data than the caller wants.
    #[error("the logs found by height {reached} carry more than {cap_bytes} bytes: narrow the range")]
    LogsTooLarge {
        /// The caller's limit.
        cap_bytes: usize,
        /// The height at which the limit was passed.
        reached: u64,
    },
    /// More has changed than the caller wants to look through.
    #[error(
        "more than {cap} keys of the state changed by height {reached}: ask for a shorter range, or a later height"
    )]
    TooManyChanges {
        /// The caller's limit.
        cap: usize,
        /// The height at which the limit was passed.
        reached: u64,
    },
    /// A state read failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl StoreError {
    pub(crate) fn corrupt(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Corrupt { what: what.into(), reason: reason.to_string() }.counted()
    }

    /// Counts a failure of the disk where it is born: some who get it only log it.
    pub(crate) fn counted(self) -> Self {
        let place = FAULTS.iter().position(|kind| *kind == self.kind());
        if let Some(count) = place.and_then(|place| COUNTED.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self
    }

    /// What kind of failure this is, in a word for metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } => "corrupt",
            Self::RootMismatch { .. } => "root_mismatch",
            Self::Database { .. } => "database",
            Self::DiskFull { .. } => "disk_full",
            Self::File { .. } => "file",
            Self::Poisoned { .. } => "closed",
            _ => "refused",
        }
    }

    /// The same failure as a state reader reports it.
    pub(crate) fn into_read(self, what: &str) -> ReadError {
        ReadError::Store { what: what.to_owned(), reason: self.to_string() }
    }
}
