//! Run-time rules: limits on what contracts do, judged inside of execution (docs/rules.md, docs/adr/0035).
//!
//! ```text
//!   frames ──(calls that a rule watches)──┐
//!   EVM ─────(events)─────────────────────┴─▶ enforce ──▶ kept: counters are written with the transaction
//!                                               │  ▲  └─▶ violated: the transaction is undone, one alert stays
//!                                    decide ◀───┘  └── rows
//! ```
//!
//! | Module | Does |
//! |---|---|
//! | `limit` | a rule, and what makes it one |
//! | `form`, `wire` | its JSON and its canonical bytes |
//! | `window` | what is counted over the last seconds |
//! | `decide` | what a rule says of an event or a call; pure, reads nothing |
//! | `tables` | rows |
//! | `force` | the rules in force by what they watch, and those that this process remembers |
//! | `enforce` | holds a transaction's events and calls against the rules |
//! | `contract` | the Solidity face, which only answers |
//!
//! Rules are set and repealed by governance (as limits), which writes the rows. They never concern system contracts.

pub mod abi;
mod contract;
mod decide;
mod enforce;
mod force;
mod form;
mod limit;
pub(crate) mod tables;
mod window;
mod wire;

pub use contract::Rules;
pub use decide::{Act, Code, Counters, Decision, counterparty, decide};
pub(crate) use enforce::{Bound, SeenCall, enforce, is_mark};
pub(crate) use force::{LimitSet, changed};
pub use limit::{
    Binds, Clock, Counterparties, Cumulative, Effect, Hours, Limit, LimitError, LimitId, MAX_ADDRESSES,
    MAX_LIMIT_BYTES, MAX_LIMITS, MAX_REASON_BYTES, MAX_WINDOW_SECS, MAX_WORD, Per, Place, Subject, Velocity,
    Watched,
};
pub(crate) use limit::{check_count, read_as};
pub use tables::{EnactedLimit, rows_of};
pub use window::{MAX_PARTS, PARTS, Window};

#[cfg(test)]
mod tests;
