//! The node: the pool, the building of blocks, and the wiring of consensus, ledger and interfaces.
//!
//! Everything that decides lives in the crates below; this one reads clocks, opens sockets and files, and
//! starts and stops the parts in order.
//!
//! It must never decide what is valid, who may connect, or what a transaction does: it asks
//! `concordat-core`.

pub mod admission;
pub mod api;
pub mod archive;
pub mod authorizer;
pub mod config;
mod last_end;
pub mod ledger;
pub mod metrics;
pub mod operations;
pub mod pool;
mod run;
mod workers;

pub use config::NodeConfig;
pub use run::{Endpoints, NodeError, NodeKeys, RunningNode, begin_guard, start};
