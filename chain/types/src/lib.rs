//! The vocabulary of the ledger: identities, transactions, blocks, receipts, state keys and their
//! canonical encodings.
//!
//! Everything that is hashed, signed or stored is defined here, once.
//!
//! Invariant: this crate is pure. It never reads a clock, a file, a socket, the environment or
//! randomness, and it never panics on bytes from outside.
#![deny(clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod activity;
pub mod block;
pub mod commit;
pub mod genesis;
pub mod identity;
pub mod receipt;
pub mod state;
pub mod tx;
pub mod validator;

pub use alloy_primitives::{Address, B256, Bytes, Log, U256};
pub use block::Block;
pub use genesis::{ChainParams, Genesis, MAX_TX_GAS};
pub use identity::{Holder, OrgId, Role};
pub use receipt::Receipt;
pub use state::{ChangeSet, ReadError, StateKey, StateReader};
pub use tx::{SignedTx, VerifiedTx};
pub use validator::{Validator, ValidatorSet};
