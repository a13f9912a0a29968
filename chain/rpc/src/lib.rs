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
mod jsonrpc;

pub use api::{
    CommittedBlock, ConsensusView, NodeApi, NodeInfo, PeerInfo, PoolStatus, PoolTx, SubmitError, SyncStatus,
};
pub use config::{ConfigError, Limits, ListenerConfig, RpcConfig};
pub use edge::{
    ClientAuthorizer, ClientRefusal, RpcMetrics, RpcParts, RpcServers, ServeError, ServerIdentity, TlsEdge,
    serve,
};
