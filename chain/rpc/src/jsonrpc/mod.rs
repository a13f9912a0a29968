//! JSON-RPC 2.0, the parts that both interfaces share: requests, batches, answers and their limits.
//!
//! Everything here is pure: bytes in, values out.

mod budget;
mod error;
mod request;
mod response;

pub(crate) use budget::Budget;
pub(crate) use error::RpcError;
pub(crate) use request::{Body, Call, NoCall, Params, parse_body};
pub(crate) use response::{Answer, Reply};

/// What a method answers.
pub(crate) type RpcResult = Result<serde_json::Value, RpcError>;
