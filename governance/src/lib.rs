//! How a consortium decides: a committee's proposals, ballots and their effects.
//!
//! ```text
//!   payload ──▶ action ──validate──▶ resolve ◀── Facts (the state, read only)
//!                (no state)             │
//!                                       ▼
//!                        effect: before and after, and its digest ◀── a ballot binds it
//!                                       │
//!   lifecycle: proposal ─ ballots ─ execution ──▶ new records and events, which the caller writes
//! ```
//!
//! | Module | Does |
//! |---|---|
//! | `kind`, `action` | what can be proposed, its canonical bytes, checks without state |
//! | `rule`, `committee`, `tally` | who decides, by which shares of weight |
//! | `resolve`, `quorum` | what an action would do now, or why it must not happen |
//! | `effect` | the answer, for people and machines, and the digest that ballots bind |
//! | `proposal`, `lifecycle` | records, and the decisions that lead to exactly one outcome |
//! | `regulator`, `consent` | mandates of regulators, and what needs their consent |
//! | `order` | orders of regulators: who imposes, confirms and releases which |
//! | `upgrade` | who is ready for the next protocol version |
//!
//! Invariant: this crate is pure. The same facts and inputs give the same decision everywhere: no clock, file,
//! socket, environment, randomness or unordered map. It writes nothing: the caller applies what was decided.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod action;
pub mod committee;
pub mod consent;
pub mod effect;
pub mod facts;
pub mod kind;
pub mod lifecycle;
pub mod order;
pub mod proposal;
pub mod quorum;
pub mod refusal;
pub mod regulator;
pub mod resolve;
pub mod rule;
pub mod tally;
pub mod upgrade;
mod wire;

pub use action::Action;
pub use committee::{Committee, Member};
pub use effect::Effect;
pub use facts::Facts;
pub use kind::Kind;
pub use lifecycle::Decision;
pub use proposal::{Ballot, Choice, Proposal, Status};
pub use refusal::{Refusal, ResolveError};
pub use resolve::resolve;
pub use rule::Rule;
