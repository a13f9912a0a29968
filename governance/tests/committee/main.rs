//! Committees at work over a state in memory: every refusal, the defects of another ledger that this one must not
//! have, and random interleavings against an independent model.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod attributes;
mod contracts;
mod corrections;
mod defects;
mod deployments;
mod identities;
mod interleavings;
mod kit;
mod lifecycle;
mod limits;
mod orders;
mod parameters;
mod policies;
mod regulators;
mod resolve;
mod rollbacks;
mod upgrades;
