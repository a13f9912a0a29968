//! The node's interfaces for applications: Ethereum JSON-RPC and CometBFT RPC, over HTTP and WebSockets.
//!
//! Layers, each using only those below it:
//!
//! | Module | Does |
//! |---|---|
//! | `edge` | listeners, TLS, limits, who may call, counting |
//! | `eth`, `comet` | the methods: a table each, handlers, conversions into JSON |
//! | `jsonrpc` | requests, batches, answers, errors. Pure |
//! | [`NodeApi`] | what the interfaces need of the node around them |
//!
//! Architecture invariants: nothing here decides about the chain; committed data comes from the store and
//! execution from core. No key of a user is ever held. Whatever a client sends is bounded before it is read,
//! and work that may block never runs on a thread that serves connections. `docs/rpc.md` describes the
//! interfaces for their users.
#![deny(clippy::indexing_slicing)]

mod api;
mod comet;
mod config;
mod edge;
mod eth;
#[cfg(test)]
mod golden;
mod jsonrpc;
mod origin;
mod params;

pub use api::{
    CommittedBlock, ConsensusView, NodeApi, NodeInfo, PeerInfo, PoolStatus, PoolTx, SubmitError, SyncStatus,
};
pub use config::{ConfigError, Limits, ListenerConfig, RpcConfig};
pub use edge::{
    ClientAuthorizer, ClientRefusal, ReadDenied, RpcMetrics, RpcParts, RpcServers, ServeError,
    ServerIdentity, TlsEdge, serve,
};

/// What the fuzz targets in `fuzz/` drive without sockets. No part of the interface.
#[doc(hidden)]
pub mod internals {
    /// Reads a request body as a listener does: how many calls it holds, or the error that it gets.
    pub fn read_request(body: &[u8]) -> Result<usize, String> {
        let body = crate::jsonrpc::parse_body(body, &crate::Limits::default());
        body.map(|body| body.calls()).map_err(|error| format!("{error:?}"))
    }

    /// Reads the query of a page in each way in which a method asks for an argument: in how many it is one.
    pub fn read_query(query: &str, name: &str) -> usize {
        let args = crate::comet::Args::from_uri(query);
        let asked = [
            args.integer(name).is_ok(),
            args.flag(name).is_ok(),
            args.text(name).is_ok(),
            args.bytes(name).is_ok(),
            args.hex_bytes(name).is_ok(),
        ];
        asked.into_iter().filter(|read| *read).count()
    }

    /// Reads what a subscription or a search asks for.
    pub fn read_search(text: &str) -> Result<(), String> {
        crate::comet::Query::parse(text).map(|_| ())
    }
}
