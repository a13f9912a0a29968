//! The ledger's rules, exercised through the crate's public face: certificates of real authorities,
//! contracts compiled by solc, blocks one after the other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod activity;
mod authorisation;
mod bars;
mod calls;
mod contracts;
mod corrections;
mod evm;
mod genesis;
mod governance;
mod identity;
mod kit;
mod lifecycle;
mod migrations;
mod orders;
mod organisations;
mod parameters;
mod permissions;
mod reading;
mod recovery;
mod refusals;
mod regulators;
mod reminders;
mod replay;
mod rollback;
mod rules;
mod upgrades;
mod validators;
mod validity;
