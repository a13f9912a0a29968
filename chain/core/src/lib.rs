//! The rules of the ledger: which transactions may stand in a block, what they do, and who may do it.
//!
//! ```text
//!             VerifiedTx                         call / estimate / trace
//!                 │                                        │
//!  admission ─▶ validity ─▶ standing ─▶ executor ──────▶ evm (revm)
//!  (mempool)    (form,      (role ×     (one block)        │
//!                nonce)      action)        │          system contracts ─▶ identity registry, governance
//!                                           ▼                                  │
//!                                        overlay ◀───────── rows ──────────────┘
//!                                           │
//!                                           ▼
//!                                       ChangeSet
//! ```
//!
//! [`BlockExecutor`] is the transition function; [`admission`] and [`call`] answer questions about it. What a transaction
//! did is held against the run-time rules ([`rules`]) before it is kept.
//! docs/execution.md describes the rules, docs/adr/0003 why they are so.
//!
//! Invariant: this crate is pure. The same state, environment and transactions give the same outcome on
//! every machine: no clock, file, socket, environment or randomness, no floating point, and no iteration
//! in the order of a hash map that leaves this crate.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod access;
mod account;
mod activity;
mod admission;
mod call;
pub mod contracts;
mod env;
mod error;
mod evm;
mod executor;
mod explain;
mod frames;
mod genesis;
pub mod governance;
pub mod identity;
mod listing;
pub mod orders;
mod overlay;
pub mod permissions;
mod reading;
pub mod rows;
pub mod rules;
mod standing;
mod system;
mod trace;
mod validity;

pub use access::{SlotAccess, TxAccess, block_access};
pub use account::{AccountState, account_state, code, storage};
pub use activity::last_active;
pub use admission::{Admission, admission, prepare};
pub use call::{
    AccessList, AccessListItem, AccessListOutcome, AccountOverride, CallOutcome, CallRequest, CallStatus,
    EstimateError, StateOverrides, call, create_access_list, estimate_gas,
};
pub use env::{BlockEnv, EnvError, MAX_TX_GAS, code_limits, known_protocol_version};
pub use error::{ExecError, TxInvalid};
pub use executor::{BlockExecutor, BlockOutcome};
pub use explain::{Grounds, explain};
pub use genesis::{GenesisState, GenesisStateError, genesis_state};
pub use identity::{
    Account, AuthorizeError, CertificateId, ClientIdentity, IdentityEvent, NodeIdentity, Organisation,
    Registry, RegistryError, Revocation, ValidatorRecord, abi,
};
pub use listing::ListedTable;
pub use reading::{ReadAt, ReadRefusal, Readable, may_read};
pub use standing::{Action, Freeze, Standing, decide_sender};
pub use system::{
    CONTRACTS, GOVERNANCE, IDENTITY_REGISTRY, MARKER_CODE, ORDERS, PERMISSIONS, RULES, SYSTEM_CONTRACTS,
    asks_who_signed, gas, is_system,
};
pub use trace::{CallFrame, CallLog, trace_call, trace_transaction};
pub use validity::Wish;
