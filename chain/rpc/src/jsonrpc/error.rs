//! Errors as clients parse them: the codes of JSON-RPC 2.0 and those that go-ethereum added.

use serde::Serialize;
use serde_json::Value;

/// A JSON-RPC error object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct RpcError {
    pub code: i64,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl RpcError {
    /// Not JSON.
    pub const PARSE: i64 = -32700;
    /// JSON, but no request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// Wrong parameters.
    pub const INVALID_PARAMS: i64 = -32602;
    /// Our fault.
    pub const INTERNAL: i64 = -32603;
    /// Whatever has no code of its own (go-ethereum `rpc/errors.go`).
    pub const SERVER: i64 = -32000;
    /// Took too long.
    pub const TIMEOUT: i64 = -32002;
    /// The answer would be too large.
    pub const RESPONSE_TOO_LARGE: i64 = -32003;
    /// Asked too much (EIP-1474).
    pub const LIMIT_EXCEEDED: i64 = -32005;
    /// The policies do not let this client read it; `data` names the policy.
    pub const READ_REFUSED: i64 = -32010;
    /// A contract reverted; `data` holds what it said.
    pub const REVERTED: i64 = 3;
    /// History that this node no longer keeps.
    pub const PRUNED: i64 = 4444;

    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub fn with_data(self, data: impl Into<Value>) -> Self {
        Self { data: Some(data.into()), ..self }
    }

    pub fn parse(message: impl Into<String>) -> Self {
        Self::new(Self::PARSE, message)
    }

    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(Self::INVALID_REQUEST, message)
    }

    /// The text is the one that viem, ethers and Hardhat look for.
    pub fn method_not_found(method: &str) -> Self {
        let shown: String = method.chars().take(64).collect();
        Self::new(Self::METHOD_NOT_FOUND, format!("the method {shown} does not exist/is not available"))
    }

    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(Self::INVALID_PARAMS, message)
    }

    pub fn server(message: impl Into<String>) -> Self {
        Self::new(Self::SERVER, message)
    }

    /// Our fault. The cause goes to the log, not to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "an RPC request failed inside the node");
        Self::new(Self::INTERNAL, "internal error; the node's log says more")
    }

    pub fn timeout(limit_ms: u64) -> Self {
        Self::new(Self::TIMEOUT, format!("request timed out after {limit_ms} ms"))
    }

    pub fn response_too_large(limit_bytes: usize) -> Self {
        Self::new(
            Self::RESPONSE_TOO_LARGE,
            format!("response too large: the limit is {limit_bytes} bytes; ask for less at a time"),
        )
    }

    pub fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::new(Self::LIMIT_EXCEEDED, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_methods_get_the_text_that_clients_fall_back_on() {
        let error = RpcError::method_not_found("eth_fillTransaction");
        assert_eq!(error.code, -32601);
        assert_eq!(error.message, "the method eth_fillTransaction does not exist/is not available");
    }

    #[test]
    fn a_long_method_name_is_not_echoed_in_full() {
        assert!(RpcError::method_not_found(&"x".repeat(10_000)).message.len() < 200);
    }

    #[test]
    fn data_is_left_out_where_there_is_none() {
        let plain = serde_json::to_string(&RpcError::server("no")).unwrap();
        assert_eq!(plain, r#"{"code":-32000,"message":"no"}"#);
        let with = serde_json::to_string(&RpcError::server("no").with_data("0x")).unwrap();
        assert_eq!(with, r#"{"code":-32000,"message":"no","data":"0x"}"#);
    }
}
