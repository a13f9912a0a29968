//! What somebody did, proven to be all of it, and packed for a court: records, the proof that they are whole, what the proof
//! rests on, and a signature over a manifest of all of it.
//!
//! ```text
//!  node ─▶ activity with its proof ─┐
//!                                   ├─▶ files ─▶ manifest ─▶ signature ─▶ ZIP
//!  database ─▶ records ─────────────┘
//! ```
//!
//! `concordat audit evidence` and the service of supervisors make packages by this crate, and `concordat audit
//! verify-evidence` checks those of both.
//!
//! Invariant: whoever verifies needs the genesis document, no node and no database. What is handed on was checked before as
//! whoever verifies checks it.
// JSON is indexed by name, which gives null for what is not there.
#![deny(clippy::arithmetic_side_effects)]

mod activity;
mod archive;
mod case;
mod check;
mod error;
mod manifest;
mod obtain;
mod package;
mod readme;
mod records;
mod signature;
mod summary;

pub use activity::{ActivityFile, Checked};
pub use archive::{Files, read, unpack, write};
pub use case::{Case, SignedBy};
pub use check::{Found, check};
pub use error::EvidenceError;
pub use obtain::{Limits, Wanted, obtain};
pub use package::{Package, check_reference};
pub use signature::{Roots, Seal, Signer, roots};
