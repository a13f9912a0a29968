//! Surveillance: rules over the stream of what happened on the ledger, and the findings that they come to.
//!
//! ```text
//!  rules (TOML) ─▶ parse ─▶ Engine ◀── blocks, in order: transfers, transactions, acts of the committee
//!                             │
//!                             └──▶ findings: graded, explained, with all their evidence
//! ```
//!
//! Invariants: what is found depends on the rules, the list of the sanctioned and the blocks alone, so that whoever judges
//! them again finds the same, under the same ids. What cannot be judged becomes a finding that says so; nothing is passed
//! over in silence. No clock, no files: time is the block's time. `docs/surveillance.md` describes the rules.
#![deny(clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod engine;
pub mod event;
pub mod finding;
pub mod list;
mod parse;
pub mod rule;
mod time;

pub use engine::{Engine, Horizon, Limits, Recalled, Unknown};
pub use event::{About, Asset, BlockEvents, Event, Party, Position, Transfer, What};
pub use finding::{Finding, Subject};
pub use list::{List, ListError};
pub use parse::{RuleError, parse};
pub use rule::{Grade, Rule};
pub use time::{Span, Stamp};
