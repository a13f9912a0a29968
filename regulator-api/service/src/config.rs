//! The configuration.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use concordat_types::OrgId;
use serde::Deserialize;

/// The configuration: a TOML file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where supervisors connect.
    pub listen: SocketAddr,
    /// Where operations ask for metrics and health, without TLS: on loopback alone.
    pub operations: SocketAddr,
    /// PEM of the server's certificate, the leaf first.
    pub certificate: PathBuf,
    /// PEM of its key, PKCS #8.
    pub key: PathBuf,
    /// The folder of keys that tokens are signed with, P-256 in PKCS #8 as PEM. The newest file signs; tokens of the others
    /// are taken until their files are gone.
    pub token_keys: PathBuf,
    /// A file with the passphrase of encrypted keys.
    #[serde(default)]
    pub passphrase_file: Option<PathBuf>,
    /// The name by which tokens call the service.
    pub issuer: String,
    /// Connections to the database.
    #[serde(default = "connections")]
    pub connections: u32,
    /// How long a token lives.
    #[serde(default = "token_seconds")]
    pub token_seconds: u64,
    /// How far the newest block may lie back before tokens are refused: a revocation might have been missed.
    #[serde(default = "stale_seconds")]
    pub stale_seconds: u64,
    /// Requests of one certificate within a second, on average.
    #[serde(default = "requests_per_second")]
    pub requests_per_second: u32,
    /// Streams and exports at a time.
    #[serde(default = "streams")]
    pub streams: usize,
    /// What may be read for.
    #[serde(default = "purposes")]
    pub purposes: BTreeSet<String>,
    /// Organisations whose auditors see the whole log of reads; others see their own organisation's.
    #[serde(default)]
    pub oversight: BTreeSet<OrgId>,
    /// The node beside the service. Without it no permission is explained, and no package made.
    #[serde(default)]
    pub node: Option<NodeConfig>,
    /// Who signs packages. Without it none is made.
    #[serde(default)]
    pub seal: Option<SealConfig>,
}

/// The node beside the service, an audit node's best.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Its Ethereum JSON-RPC, `http://` with an address and a port on loopback.
    pub ethereum: String,
    /// Its CometBFT RPC, likewise.
    pub comet: String,
    /// The genesis document, compared with the members.
    pub genesis: PathBuf,
}

/// Who signs packages: a key of the service's own, which opens nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealConfig {
    /// PEM of the key, encrypted PKCS #8.
    pub key: PathBuf,
    /// PEM of its certificate and of the authorities above, the leaf first, the root left out.
    pub certificate: PathBuf,
    /// A folder with PEM of the roots that it chains to; those of the genesis document if absent.
    #[serde(default)]
    pub roots: Option<PathBuf>,
}

impl NodeConfig {
    fn check(&self) -> Result<(), ConfigError> {
        for (name, url) in [("node.ethereum", &self.ethereum), ("node.comet", &self.comet)] {
            let address =
                url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/').parse::<SocketAddr>());
            if !address.is_some_and(|address| address.is_ok_and(|address| address.ip().is_loopback())) {
                return Err(ConfigError::Node { name, have: url.clone() });
            }
        }
        Ok(())
    }
}

const fn connections() -> u32 {
    8
}

const fn token_seconds() -> u64 {
    600
}

const fn stale_seconds() -> u64 {
    60
}

const fn requests_per_second() -> u32 {
    50
}

const fn streams() -> usize {
    32
}

fn purposes() -> BTreeSet<String> {
    ["supervision", "investigation", "court-order", "audit", "statistics"].map(String::from).into()
}

/// Why the configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Metrics without TLS would leave the machine.
    #[error("operations must be on loopback, {0} is not; it has no TLS")]
    Operations(SocketAddr),
    /// A number that is out of its range.
    #[error("{name} is {have}; it is {least} to {most}")]
    Range {
        /// The field.
        name: &'static str,
        /// What it is.
        have: u64,
        /// At least.
        least: u64,
        /// At most.
        most: u64,
    },
    /// Nothing may be read for anything.
    #[error("purposes is empty: name what may be read for, each 1 to 32 of a-z, 0-9 and -")]
    Purposes,
    /// A node's interfaces without TLS belong on its machine.
    #[error(
        "{name} is {have:?}; it is http:// with an address and a port on loopback, such as http://127.0.0.1:8545"
    )]
    Node {
        /// The field.
        name: &'static str,
        /// What it is.
        have: String,
    },
    /// A signer without what it would sign.
    #[error("there is [seal], but no [node]: packages rest on what a node proves; name both, or none")]
    SealAlone,
}

impl Config {
    /// Checks everything that needs no file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.operations.ip().is_loopback() {
            return Err(ConfigError::Operations(self.operations));
        }
        let streams = u64::try_from(self.streams).unwrap_or(u64::MAX);
        let ranges = [
            ("connections", u64::from(self.connections), 1, 100),
            ("token_seconds", self.token_seconds, 10, 3600),
            ("stale_seconds", self.stale_seconds, 5, 86_400),
            ("requests_per_second", u64::from(self.requests_per_second), 1, 10_000),
            ("streams", streams, 1, 1000),
        ];
        for (name, have, least, most) in ranges {
            if have < least || have > most {
                return Err(ConfigError::Range { name, have, least, most });
            }
        }
        let is_name = |text: &String| {
            let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            (1..=32).contains(&text.len()) && text.bytes().all(known)
        };
        if self.purposes.is_empty() || !self.purposes.iter().all(is_name) {
            return Err(ConfigError::Purposes);
        }
        if self.seal.is_some() && self.node.is_none() {
            return Err(ConfigError::SealAlone);
        }
        self.node.as_ref().map_or(Ok(()), NodeConfig::check)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn config() -> Config {
        Config {
            listen: ([127, 0, 0, 1], 8443).into(),
            operations: ([127, 0, 0, 1], 9464).into(),
            certificate: "server.crt".into(),
            key: "server.key".into(),
            token_keys: "keys".into(),
            passphrase_file: None,
            issuer: "test".into(),
            connections: connections(),
            token_seconds: token_seconds(),
            stale_seconds: stale_seconds(),
            requests_per_second: requests_per_second(),
            streams: streams(),
            purposes: purposes(),
            oversight: BTreeSet::new(),
            node: None,
            seal: None,
        }
    }

    #[test]
    fn a_node_is_asked_on_this_machine_alone_and_a_signer_needs_one() {
        let with = |ethereum: &str| {
            let (comet, genesis) = ("http://127.0.0.1:26657/".to_owned(), "genesis.json".into());
            let node = NodeConfig { ethereum: ethereum.to_owned(), comet, genesis };
            Config { node: Some(node), ..config() }.check()
        };
        assert!(with("http://127.0.0.1:8545").is_ok() && with("http://[::1]:8545/").is_ok());
        for url in
            ["http://192.0.2.1:8545", "https://127.0.0.1:8545", "http://127.0.0.1", "http://node:8545", ""]
        {
            let refused = with(url).unwrap_err().to_string();
            assert!(refused.contains("node.ethereum") && refused.contains("loopback"), "{url}: {refused}");
        }
        let seal = SealConfig { key: "seal.key".into(), certificate: "seal.crt".into(), roots: None };
        let alone = Config { seal: Some(seal), ..config() };
        assert!(matches!(alone.check(), Err(ConfigError::SealAlone)));
    }

    #[test]
    fn metrics_stay_on_the_machine_and_numbers_in_their_ranges() {
        assert!(config().check().is_ok());
        let operations = ([0, 0, 0, 0], 1).into();
        assert!(matches!(Config { operations, ..config() }.check(), Err(ConfigError::Operations(_))));
        let wrong = Config { token_seconds: 7200, ..config() };
        assert!(wrong.check().unwrap_err().to_string().contains("token_seconds is 7200"));
        let wrong = Config { purposes: ["To look".to_owned()].into(), ..config() };
        assert!(matches!(wrong.check(), Err(ConfigError::Purposes)));
    }
}
