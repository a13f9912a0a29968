//! Governance as a system contract: `concordat-governance` decides over the rows of the state, and what it decides
//! is written here.
//!
//! | Module | Does |
//! |---|---|
//! | `records`, `tables` | rows |
//! | `facts` | what decisions read, charged for before it is read |
//! | `acts` | the functions that change something |
//! | `apply` | an effect becomes rows, Solidity events and events for the node |
//! | `parameters` | the chain's parameters and protocol version: rows, and what holds at a height |
//! | `views` | the functions that only answer |
//! | `contract` | the Solidity face |

pub mod abi;
mod acts;
mod apply;
mod contract;
mod facts;
pub(crate) mod parameters;
mod records;
pub(crate) mod tables;
mod views;

use alloy_sol_types::SolError as _;
use concordat_governance::{Proposal, Refusal, ResolveError};
use concordat_types::{Bytes, ReadError, StateKey, StateReader};

pub use concordat_governance::facts::Upgrade;
pub use contract::Governance;
pub(crate) use facts::{ChainFacts, validator_facts};
pub use parameters::{InForce, in_force};
pub use records::{AccountFreeze, RegulatorRecord, RollbackRecord};

use crate::{
    overlay::Overlay,
    system::{SystemError, gas},
};

use abi::IGovernance;

/// Where the state keeps a proposal's payload, for whoever has it proven.
pub fn payload_state_key(proposal: u64) -> StateKey {
    tables::payload_key(proposal).state_key()
}

/// Where the state keeps what a proposal rolled back, for whoever has it proven.
pub fn rollback_state_key(proposal: u64) -> StateKey {
    tables::rollback_key(proposal).state_key()
}

/// A proposal as the state keeps it, for whoever reads that from elsewhere; `None` where there is none.
///
/// # Errors
/// Where the state cannot be read.
pub fn proposal_in(reader: impl StateReader, id: u64) -> Result<Option<Proposal>, ReadError> {
    tables::proposal(&mut Overlay::new(reader), id)
}

/// A refusal as the contract tells it.
pub(crate) fn revert(refusal: &Refusal) -> SystemError {
    let error = IGovernance::Refused { code: refusal.code(), reason: refusal.to_string() };
    SystemError::Revert(error.abi_encode().into())
}

/// What an execution reverts with whose call ran out of gas inside.
pub(crate) fn starved() -> Bytes {
    let refusal = Refusal::CallStarved { gas: gas::DECIDED_CALL };
    IGovernance::Refused { code: refusal.code(), reason: refusal.to_string() }.abi_encode().into()
}

/// A failed decision as the contract tells it.
pub(crate) fn stop(error: ResolveError<SystemError>) -> SystemError {
    match error {
        ResolveError::Refused(refusal) => revert(&refusal),
        ResolveError::Facts(error) => error,
    }
}
