//! The parameters of a block, present or past.

use concordat_core::governance::in_force;
use concordat_state::{Store, StoreError};
use concordat_types::{ChainParams, Genesis, ReadError};

/// Why the parameters of a block are not told.
#[derive(Debug)]
pub(crate) enum ParamsError {
    /// The state before it is not kept, or the store failed.
    Store(StoreError),
    /// The state could not be read.
    Read(ReadError),
}

/// The parameters of the block at `height`, at most one above the newest: what the state before it says.
///
/// Where that state is not kept any more, the parameters at the oldest height that is, or the genesis document's, are
/// those of the block if its header commits to them; otherwise the state counts as pruned.
pub(crate) fn at(store: &Store, genesis: &Genesis, height: u64) -> Result<ChainParams, ParamsError> {
    let initial = store.initial_height().map_err(ParamsError::Store)?.unwrap_or(1);
    let Some(before) = height.checked_sub(1).filter(|_| height >= initial) else {
        return Ok(genesis.params);
    };
    match store.state_at(before) {
        Ok(state) => said(in_force(state, &genesis.params, height)),
        Err(pruned @ StoreError::Pruned { .. }) => {
            committed(store, genesis, height)?.ok_or(ParamsError::Store(pruned))
        }
        Err(error) => Err(ParamsError::Store(error)),
    }
}

fn said(found: Result<concordat_core::governance::InForce, ReadError>) -> Result<ChainParams, ParamsError> {
    found.map(|found| found.params).map_err(ParamsError::Read)
}

/// The parameters that the header at a height commits to, among those that are known.
fn committed(store: &Store, genesis: &Genesis, height: u64) -> Result<Option<ChainParams>, ParamsError> {
    let Some(header) = store.header(height).map_err(ParamsError::Store)? else { return Ok(None) };
    let oldest = store.state_at(store.history_floor()).map_err(ParamsError::Store)?;
    let oldest = said(in_force(oldest, &genesis.params, height))?;
    let same =
        [oldest, genesis.params].into_iter().find(|params| params.consensus_hash() == header.consensus_hash);
    Ok(same.map(|params| ChainParams { protocol_version: header.version.app, ..params }))
}
