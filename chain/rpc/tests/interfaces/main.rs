//! Both interfaces over real sockets, on a chain of three signed blocks and a pretended node.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod client;
mod cometbft;
mod edges;
mod ethereum;
mod fixture;
mod limits;
mod mutation;
mod parameters;
mod proofs;
mod sockets;
mod tls;
