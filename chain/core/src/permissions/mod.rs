//! Permissions in execution: `concordat-permissions` decides by the policies that stand in the state.
//!
//! | Module | Does |
//! |---|---|
//! | `tables` | rows |
//! | `force` | the set of policies in force, and the sets and decisions that this process remembers |
//! | `ask` | what transactions and calls ask, and how refusals are told |
//! | `contract` | the Solidity face, which only answers |
//!
//! Policies are enacted and repealed by governance, which writes the rows.

pub mod abi;
mod ask;
mod contract;
mod force;
pub(crate) mod tables;

pub use ask::Denial;
pub(crate) use ask::{Asker, Deed, Sender};
pub use contract::Permissions;
pub(crate) use force::{Policies, changed};
pub use tables::{Enacted, rows_of};
