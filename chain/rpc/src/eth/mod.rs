//! Ethereum JSON-RPC.

mod args;
mod call;
mod chain;
mod filters;
mod hex;
mod json;
pub(crate) mod methods;
mod query;
mod reads;
mod service;
mod socket;

pub(crate) use service::Eth;
