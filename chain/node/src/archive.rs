//! Archives: blocks, with the commits that decided them, in files of a folder. Whoever may not let anybody connect to its
//! node, as a supervisor behind a one-way link, has the files carried in, and nothing out.
//!
//! An archive is trusted no more than a peer is: who imports it checks every signature of every commit, and executes every
//! block. It must never fill a gap, or go on after a block that it found wrong.

mod export;
mod file;
mod folder;
mod import;

use std::path::PathBuf;

use concordat_state::StoreError;
use concordat_types::B256;

pub use export::{Exporter, Limits, Written};
pub use file::{ArchivedBlock, Blocks, MAX_FILE_BYTES};
pub use folder::{Folder, Range};
pub use import::{Imported, Importer};

use crate::ledger::{AppendError, LedgerError};

/// Of which chain an archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainOf {
    /// The chain's CometBFT id.
    pub chain_id: String,
    /// The hash of its genesis document.
    pub genesis: B256,
}

/// Why an archive is not written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file or folder.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not the bytes that an archive's file has.
    #[error("{} is damaged: {reason}; bring the file again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What gives it away.
        reason: String,
    },
    /// Files of another chain.
    #[error("{} is of chain {have}, not of {want}; use the folder of the right chain", .path.display())]
    OtherChain {
        /// The file.
        path: PathBuf,
        /// Its chain and genesis hash.
        have: String,
        /// Those expected.
        want: String,
    },
    /// The folder's files do not follow on one another.
    #[error("the archive lacks block {missing}: after it, {} begins at {next}; bring the files in between", .path.display())]
    Gap {
        /// The first block that is missing.
        missing: u64,
        /// Where the archive goes on.
        next: u64,
        /// In this file.
        path: PathBuf,
    },
    /// The node does not have what comes next.
    #[error(
        "the node holds nothing below block {floor}, and block {next} comes next; name the data of a node that never pruned"
    )]
    Pruned {
        /// The lowest height that the node has.
        floor: u64,
        /// The next height.
        next: u64,
    },
    /// The store has no block, not even the genesis.
    #[error("the node's store is empty; start the node first")]
    EmptyStore,
    /// A block of a file is none that follows.
    #[error("block {height} in {}: {reason}; nothing of it was taken. Somebody has altered the archive, or made it on a false chain", .path.display())]
    Refused {
        /// The height.
        height: u64,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: Box<AppendError>,
    },
    /// The node's store.
    #[error("the node's store: {0}")]
    Store(#[from] StoreError),
    /// The ledger that is filled.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl ArchiveError {
    /// A closure that says what was being done to which file.
    fn at(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }

    fn damaged(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::Damaged { path: path.into(), reason: reason.to_string() }
    }
}
