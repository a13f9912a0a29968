//! CometBFT RPC, in the shapes of version 0.38 (CometBFT `rpc/openapi`), so that light clients, relayers and
//! explorers of that family work unchanged.

mod abci;
mod args;
mod blocks;
mod broadcast;
mod http;
mod info;
mod json;
mod merkle;
mod methods;
mod query;
mod service;
mod socket;

pub(crate) use args::Args;
pub(crate) use http::routes;
pub(crate) use query::Query;
pub(crate) use service::Comet;
