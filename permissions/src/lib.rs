//! Who may do what: Cedar policies over the facts of the state.
//!
//! ```text
//!   catalogue (schema, default policies) ─┐
//!   enacted policies, each by a proposal ─┴▶ PolicySet ──decide──▶ Decision: yes or no, code, policies
//!                                              ▲   │                    ▲
//!   Request: who, what, to what, facts ────────┘   └── explain          └── Memo: the same, sooner
//! ```
//!
//! | Module | Does |
//! |---|---|
//! | `facts` | what is asked, and what the caller knows of it |
//! | `enacted` | a policy as it stands in the state, its canonical bytes |
//! | `text`, `policy`, `literal`, `scope` | read and check a policy: bounds, schema, names, reserved actions |
//! | `sight`, `index`, `terms` | what a policy can see; which policies concern a request; how much a policy is to evaluate |
//! | `engine` | Cedar, with the facts in its terms |
//! | `set`, `decision` | decide, and say why |
//! | `outline` | a policy in short, for lists |
//! | `memo` | decisions made before |
//!
//! Invariants: this crate is pure. The same policies and facts give the same decision on every node: no clock, file,
//! socket, environment, randomness or unordered map. It reads no state and writes none: the caller brings all facts.
//! What it cannot decide it refuses. It must never let an enacted policy decide who may `govern`, `regulate` or turn to
//! a system contract: that stays with the catalogue, so that every decision can be undone.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod decision;
pub mod enacted;
mod engine;
pub mod error;
pub mod facts;
mod index;
mod literal;
pub mod memo;
mod outline;
mod policy;
mod scope;
mod set;
mod sight;
mod terms;
mod text;
mod wire;

pub use decision::{Code, Deciding, Decision, Explanation};
pub use enacted::{EnactedPolicy, PolicyId};
pub use engine::{DEFAULT_POLICIES, SCHEMA};
pub use error::{Lockout, PolicyError};
pub use facts::{Action, Context, ContractFacts, ListKind, Listing, Principal, Request, Resource};
pub use memo::Memo;
pub use outline::Outline;
pub use policy::MAX_REASON_BYTES;
pub use set::{Load, PolicySet};
pub use text::{MAX_IFS, MAX_NESTING};

#[cfg(test)]
mod kit;
