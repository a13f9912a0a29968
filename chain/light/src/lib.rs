//! A light client: what a node says, checked by the genesis document and the validators' signatures.
//!
//! ```text
//!  genesis document ─▶ headers ─▶ state root ─▶ ICS 23 proofs of entries ─▶ decisions by the chain's own functions
//! ```
//!
//! Headers are verified by `tendermint-light-client-verifier`, state by `ics23`, both made by others. On top, every signature
//! of every commit that is looked at must be right and in its validator's place.
//!
//! Invariant: no node is believed, but where the caller asks for its word ([`RemoteState::told`]). How a node is asked is the
//! caller's matter ([`Rpc`]); this crate opens no connection.
// JSON is indexed by name, which gives null for what is not there.
#![deny(clippy::arithmetic_side_effects)]

mod client;
mod error;
mod explanation;
mod order;
mod proof;
mod remote;

use serde_json::Value;

pub use client::{LightBlock, LightClient, integer, replay};
pub use concordat_core::ORDERS;
pub use error::{LightError, wrong};
pub use explanation::{Question, describe, explanation, told};
pub use order::{describe_order, refusal};
pub use proof::{StateProof, TransactionProof, next_header, proven, state, transaction};
pub use remote::RemoteState;

/// One of a node's interfaces over JSON-RPC.
pub trait Rpc: Send + Sync {
    /// Calls a method.
    ///
    /// # Errors
    /// [`LightError::Node`] where there is no answer, or a refusal.
    fn call(&self, method: &str, params: Value) -> Result<Value, LightError>;
}
