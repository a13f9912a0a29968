//! What the chain began with, on nodes too that joined later and never held that state.

use alloy_primitives::B256;
use concordat_core::genesis_state;
use concordat_state::{
    Store,
    smt::{Tree, Update},
};
use concordat_types::{Genesis, ValidatorSet};

use crate::jsonrpc::RpcError;

/// The genesis document's state.
pub(crate) struct Origin {
    pub validators: ValidatorSet,
    pub state_root: B256,
}

impl Origin {
    /// As the store keeps it; where it does not, made from the document again.
    pub fn read(store: &Store, genesis: &Genesis) -> Result<Self, RpcError> {
        let initial = store.initial_height().map_err(RpcError::internal)?.unwrap_or(1);
        let validators = store.validators(initial).map_err(RpcError::internal)?;
        let state_root = store.state_root(initial.saturating_sub(1)).map_err(RpcError::internal)?;
        if let (Some(encoded), Some(state_root)) = (validators, state_root) {
            let validators = ValidatorSet::decode(&encoded).map_err(RpcError::internal)?;
            return Ok(Self { validators, state_root });
        }
        let state = genesis_state(genesis).map_err(RpcError::internal)?;
        let update = |(key, value): (&concordat_types::StateKey, &Option<Vec<u8>>)| {
            Update::new(key.as_bytes(), value.as_deref())
        };
        let state_root = Tree::new().update(state.changes.iter().map(update).collect()).into();
        Ok(Self { validators: state.validators, state_root })
    }
}
