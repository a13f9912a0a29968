//! Configuration of the interfaces, and the checks that need no socket.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Configuration of both interfaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Ethereum JSON-RPC (HTTP and WebSocket); absent: not offered.
    pub ethereum: Option<ListenerConfig>,
    /// CometBFT RPC (HTTP and WebSocket); absent: not offered.
    pub cometbft: Option<ListenerConfig>,
    /// Bounds on what a client may ask.
    pub limits: Limits,
    /// Ethereum methods that are switched off, by name (`debug_traceTransaction`) or name space (`debug_*`).
    pub disabled_methods: Vec<String>,
    /// Threads of each interface.
    pub workers: usize,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            ethereum: None,
            cometbft: None,
            limits: Limits::default(),
            disabled_methods: Vec::new(),
            workers: 2,
        }
    }
}

/// Where and how one interface listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Serves without TLS. Refused unless the address is a loopback one.
    #[serde(default)]
    pub plaintext: bool,
    /// Browser origins that may call (`https://console.bank-a.example`), exactly as browsers send them.
    /// Empty: none.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// Host names, besides `localhost` and addresses, that a plaintext listener answers to. The check keeps
    /// web pages from reaching it by DNS rebinding.
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
}

/// Bounds on what a client may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest request body or WebSocket message, in bytes.
    pub body_bytes: usize,
    /// Deepest nesting of JSON.
    pub json_depth: usize,
    /// Most calls in one batch.
    pub batch_calls: usize,
    /// Largest answer to one request, a batch counted as a whole, in bytes.
    pub response_bytes: usize,
    /// Most heights that one log query may span.
    pub log_range_blocks: u64,
    /// Most logs that one query answers.
    pub log_results: usize,
    /// Gas that `eth_call`, `eth_estimateGas` and `eth_createAccessList` may use.
    pub call_gas: u64,
    /// Calls that execute code at the same time; others wait their turn.
    pub concurrent_calls: usize,
    /// Calls of one interface that read the store at the same time; others wait their turn.
    pub concurrent_reads: usize,
    /// How long a request may take, waiting included, in milliseconds.
    pub request_timeout_ms: u64,
    /// Open connections of each interface.
    pub connections: usize,
    /// Subscriptions of one WebSocket connection.
    pub subscriptions: usize,
    /// Installed filters of the whole node.
    pub filters: usize,
    /// A filter that nobody asks is dropped after this time, in milliseconds.
    pub filter_idle_ms: u64,
    /// Requests per second and client address, each call of a batch counted; 0: no limit.
    pub requests_per_second: u32,
    /// Requests that a client may save up for a burst.
    pub request_burst: u32,
    /// How long `broadcast_tx_commit` waits for the block, in milliseconds.
    pub broadcast_commit_timeout_ms: u64,
    /// A WebSocket client that takes longer than this to take a message is cut off, in milliseconds.
    pub send_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 2 * 1024 * 1024,
            json_depth: 32,
            batch_calls: 100,
            response_bytes: 25 * 1024 * 1024,
            log_range_blocks: 10_000,
            log_results: 10_000,
            call_gas: 50_000_000,
            concurrent_calls: 4,
            concurrent_reads: 32,
            request_timeout_ms: 10_000,
            connections: 2_000,
            subscriptions: 64,
            filters: 1_000,
            filter_idle_ms: 300_000,
            requests_per_second: 0,
            request_burst: 1_000,
            broadcast_commit_timeout_ms: 10_000,
            send_timeout_ms: 30_000,
        }
    }
}

/// Why a configuration cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Plaintext where others could read or change it.
    #[error(
        "{interface} RPC is set to plaintext on {address}, which is no loopback address; listen on 127.0.0.1 \
         or [::1], or remove `plaintext = true` to serve TLS with client certificates"
    )]
    PlaintextBeyondLoopback {
        /// Which interface.
        interface: &'static str,
        /// Where it should listen.
        address: SocketAddr,
    },
    /// TLS without a certificate to show.
    #[error(
        "{interface} RPC on {address} serves TLS, but the node brings no TLS identity; configure one, or set `plaintext = true` on a loopback address"
    )]
    NoTlsIdentity {
        /// Which interface.
        interface: &'static str,
        /// Where it should listen.
        address: SocketAddr,
    },
    /// A limit that would refuse everything.
    #[error("limit {name} must be at least 1")]
    ZeroLimit {
        /// Its name.
        name: &'static str,
    },
    /// A method that does not exist cannot be switched off: most likely a typing mistake.
    #[error("disabled_methods names {0:?}, which is no method or name space of this node")]
    UnknownMethod(String),
}

impl ListenerConfig {
    /// Plaintext on a loopback address, for local tools and tests.
    pub fn loopback(port: u16) -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            plaintext: true,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
        }
    }
}

impl RpcConfig {
    /// Checks all that needs no socket.
    pub(crate) fn check(&self, has_tls_identity: bool) -> Result<(), ConfigError> {
        let listeners = [("Ethereum", &self.ethereum), ("CometBFT", &self.cometbft)];
        for (interface, listener) in listeners {
            let Some(listener) = listener else { continue };
            let address = listener.address;
            if listener.plaintext && !address.ip().is_loopback() {
                return Err(ConfigError::PlaintextBeyondLoopback { interface, address });
            }
            if !listener.plaintext && !has_tls_identity {
                return Err(ConfigError::NoTlsIdentity { interface, address });
            }
        }
        self.limits.check(self.workers)?;
        match self.disabled_methods.iter().find(|pattern| !crate::eth::methods::is_known_pattern(pattern)) {
            Some(unknown) => Err(ConfigError::UnknownMethod(unknown.clone())),
            None => Ok(()),
        }
    }
}

impl Limits {
    fn check(&self, workers: usize) -> Result<(), ConfigError> {
        let counts = [
            ("body_bytes", self.body_bytes),
            ("json_depth", self.json_depth),
            ("batch_calls", self.batch_calls),
            ("response_bytes", self.response_bytes),
            ("log_results", self.log_results),
            ("concurrent_calls", self.concurrent_calls),
            ("concurrent_reads", self.concurrent_reads),
            ("connections", self.connections),
            ("workers", workers),
        ];
        let amounts = [
            ("log_range_blocks", self.log_range_blocks),
            ("call_gas", self.call_gas),
            ("request_timeout_ms", self.request_timeout_ms),
            ("filter_idle_ms", self.filter_idle_ms),
            ("broadcast_commit_timeout_ms", self.broadcast_commit_timeout_ms),
            ("send_timeout_ms", self.send_timeout_ms),
            ("request_burst", u64::from(self.request_burst)),
        ];
        let zero_count = counts.into_iter().find(|(_, value)| *value == 0).map(|(name, _)| name);
        let zero_amount = amounts.into_iter().find(|(_, value)| *value == 0).map(|(name, _)| name);
        match zero_count.or(zero_amount) {
            Some(name) => Err(ConfigError::ZeroLimit { name }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving(address: &str, plaintext: bool) -> RpcConfig {
        let listener =
            ListenerConfig { address: address.parse().unwrap(), plaintext, ..ListenerConfig::loopback(0) };
        RpcConfig { ethereum: Some(listener), ..RpcConfig::default() }
    }

    #[test]
    fn plaintext_is_served_on_loopback_alone() {
        assert_eq!(serving("127.0.0.1:0", true).check(false), Ok(()));
        assert_eq!(serving("[::1]:0", true).check(false), Ok(()));
        let refused = serving("0.0.0.0:8545", true).check(true).unwrap_err();
        assert!(matches!(refused, ConfigError::PlaintextBeyondLoopback { interface: "Ethereum", .. }));
        assert!(refused.to_string().contains("0.0.0.0:8545"), "{refused}");
    }

    #[test]
    fn tls_needs_an_identity() {
        assert!(matches!(
            serving("127.0.0.1:0", false).check(false),
            Err(ConfigError::NoTlsIdentity { interface: "Ethereum", .. })
        ));
        assert_eq!(serving("0.0.0.0:0", false).check(true), Ok(()));
    }

    #[test]
    fn a_limit_of_zero_is_refused_by_name() {
        let mut config = serving("127.0.0.1:0", true);
        config.limits.batch_calls = 0;
        assert_eq!(config.check(false), Err(ConfigError::ZeroLimit { name: "batch_calls" }));
    }

    #[test]
    fn only_methods_that_exist_can_be_switched_off() {
        let mut config = serving("127.0.0.1:0", true);
        config.disabled_methods = vec!["debug_*".into(), "eth_getProof".into()];
        assert_eq!(config.check(false), Ok(()));
        config.disabled_methods = vec!["eth_getPoof".into()];
        assert_eq!(config.check(false), Err(ConfigError::UnknownMethod("eth_getPoof".into())));
    }

    #[test]
    fn unknown_keys_are_refused() {
        let unknown = serde_json::from_str::<RpcConfig>(r#"{"limits":{"bodybytes":1}}"#);
        assert!(unknown.unwrap_err().to_string().contains("bodybytes"));
    }
}
