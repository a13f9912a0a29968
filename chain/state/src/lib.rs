//! The ledger's memory: authenticated state, blocks, receipts, their indexes and the history of every change.
//!
//! State is a flat map in RocksDB. A sparse Merkle tree over it ([`smt`]) is held in memory and gives the
//! root that headers commit to, and proofs of presence and absence that any ICS 23 verifier checks; a file
//! of its leaves makes starting quick. One atomic, synced write per block carries everything that the block brings about, so that at any instant
//! the disk holds a whole number of blocks.
//!
//! Everything here blocks the calling thread; asynchronous callers use their runtime's blocking threads.
//!
//! Architecture invariants: this is the only crate on the embedded database, and it never interprets
//! state: a key and its value are bytes. `docs/state.md` describes the layout.
#![deny(clippy::indexing_slicing)]

mod activity;
mod check;
mod checkpoint;
mod commit;
mod consensus;
mod db;
mod error;
mod follow;
mod logs;
mod newest;
mod past;
mod proof;
mod prune;
mod read;
mod schema;
pub mod smt;
pub mod snapshot;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod values;

pub use check::{CheckLevel, CheckReport};
pub use checkpoint::Opening;
pub use commit::{CommitBatch, Committed, GenesisBatch, OnDisk, ValidatorsFrom};
pub use error::{StoreError, faults};
pub use follow::Follower;
pub use logs::{LogFilter, LogHit};
pub use proof::Proof;
pub use prune::{Prune, PruneReport};
pub use read::{Change, Stats};
pub use state::State;
pub use store::{Store, StoreOptions, Tip, TxLocation};
