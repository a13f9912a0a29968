//! Joining from a snapshot instead of from the first block.

use std::path::Path;

use concordat_core::ExecError;
use concordat_state::{
    Store,
    snapshot::{self, SnapshotError, Trust},
};
use concordat_types::{Genesis, StateReader as _, activity::Peaks, block::to_b256, commit::verify_commit};
use tendermint::block::Header;

use super::{
    LedgerError,
    settle::{INITIAL_HEIGHT, note_genesis},
    tip::{damaged, read_commit, read_validators, results_note},
};

/// Why a node cannot join from a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The snapshot is damaged, incomplete, or not what the header says.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The store.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The header cannot vouch for a snapshot.
    #[error("header {0} vouches for no snapshot: it is the chain's first, or has no state root")]
    Header(u64),
    /// The commit in the snapshot is not that of its block. Everything else was right.
    #[error(
        "the snapshot's commit of block {height} is wrong: {reason}; remove the folder `ledger` in the data folder and take a snapshot from another member"
    )]
    Commit {
        /// The snapshot's height.
        height: u64,
        /// What is wrong.
        reason: String,
    },
}

/// Keeps the peaks of the history so far, out of which later nodes and paths are made. The state that holds them was
/// verified.
fn keep_history(store: &Store, height: u64) -> Result<(), LedgerError> {
    let Some(row) = store.state()?.get(&Peaks::state_key()).map_err(ExecError::from)? else { return Ok(()) };
    let peaks = Peaks::decode(&row).ok_or_else(|| damaged("history", height, "its peaks are malformed"))?;
    Ok(store.put_history_nodes(&peaks.nodes())?)
}

/// Fills an empty store from a snapshot. `next` is the header after the snapshot's height, which the caller
/// has verified: a quorum's signatures stand behind it.
pub fn import_snapshot(
    directory: &Path,
    store: &Store,
    genesis: &Genesis,
    next: &Header,
) -> Result<u64, JoinError> {
    let trust = Trust::from_next_header(next, INITIAL_HEIGHT)
        .ok_or_else(|| JoinError::Header(next.height.value()))?;
    let height = snapshot::import(directory, store, &trust)?.height;
    let commit = read_commit(store, height)?.ok_or_else(|| damaged("commit", height, "missing"))?;
    let signed = next.last_block_id.ok_or(JoinError::Header(next.height.value()))?;
    verify_commit(&commit, &genesis.chain_id, height, &signed, &read_validators(store, height)?)
        .map_err(|error| JoinError::Commit { height, reason: error.to_string() })?;
    // The receipts of the snapshot's block stay behind; the next header says what their hash is.
    let results = to_b256(next.last_results_hash.unwrap_or_default());
    store.put_note(&results_note(height), results.as_slice()).map_err(LedgerError::from)?;
    keep_history(store, height)?;
    note_genesis(store, genesis)?;
    Ok(height)
}
