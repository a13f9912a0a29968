//! The regulator's database: the chain as rows of PostgreSQL, each block with a digest, so that whoever has the chain can
//! tell whether the rows are still what the chain says.
//!
//! ```text
//!  a node's store ─▶ source ─▶ project (pure) ─▶ write ─▶ PostgreSQL
//!                       │          │                          │
//!                       └──────────┴────────▶ verify ◀────────┘
//! ```
//!
//! Invariants: one PostgreSQL transaction holds the rows of whole blocks, their digests and where the projection stands, so
//! that no end of either side leaves a gap or a row twice. Nothing here writes to the node's store, and no node depends on
//! the database. `docs/regulator.md` describes the tables.
#![deny(clippy::indexing_slicing)]

mod abi;
mod cell;
pub mod cluster;
mod database;
mod digest;
mod error;
pub mod export;
mod holdings;
mod migrations;
pub mod project;
pub mod read;
mod registered;
mod run;
mod source;
mod status;
mod tables;
mod url;
mod verify;
pub mod watch;
mod write;

pub use abi::{Abi, AbiError, MAX_ABI_BYTES};
pub use cell::{Cell, Row};
pub use database::Database;
pub use error::SqlError;
pub use registered::{Decoded, Registered, decode, register};
pub use run::{Options, Progress, run};
pub use source::Source;
pub use status::{Probe, Status, status};
pub use tables::{Column, Table, Type};
pub use verify::{Difference, Verified, verify};

/// What the fuzz targets in `fuzz/` drive without a database. No part of the interface.
#[doc(hidden)]
pub mod internals {
    /// Decodes a log by each event of an ABI: how many take it.
    pub fn decoded(abi: &crate::Abi, log: &alloy_primitives::Log) -> usize {
        abi.events.values().filter(|event| event.arguments(log).is_some()).count()
    }
}
