//! The node's configuration file, `concordat.toml`.
//!
//! Unknown keys are refused. Paths are relative to the folder that the file stands in. [`TEMPLATE`] is the
//! file that `concordat node init` writes: every key with its meaning and its default.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use concordat_rpc::{Limits, ListenerConfig, RpcConfig};
use serde::{Deserialize, Serialize};

use crate::pool::PoolLimits;

/// The documented configuration file.
pub const TEMPLATE: &str = include_str!("concordat.toml");

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The genesis document that all members compared the hash of.
    pub genesis: PathBuf,
    /// Where the ledger and the engine's log are kept.
    #[serde(default = "default_data")]
    pub data: PathBuf,
    /// Who this node is.
    pub identity: IdentityConfig,
    /// The mesh of nodes.
    pub p2p: P2pConfig,
    /// Interfaces for applications.
    #[serde(default)]
    pub rpc: RpcSection,
    /// Interface for operations: `/healthz`, `/readyz`, `/metrics`.
    #[serde(default)]
    pub operations: OperationsConfig,
    /// Bounds of the transaction pool.
    #[serde(default)]
    pub pool: PoolLimits,
    /// Memory of the ledger's database.
    #[serde(default)]
    pub store: StoreConfig,
    /// What the log says and how.
    #[serde(default)]
    pub log: LogConfig,
}

/// Certificates and keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// PEM chain of the node's certificate, leaf first, root left out.
    pub certificate: PathBuf,
    /// Encrypted PKCS#8 key of that certificate.
    pub key: PathBuf,
    /// Encrypted PKCS#8 Ed25519 key of the votes; only for validators.
    #[serde(default)]
    pub consensus_key: Option<PathBuf>,
    /// File that holds the passphrase of the keys.
    pub passphrase_file: PathBuf,
    /// PEM chain of the certificate that TLS interfaces show to applications (role `server`).
    #[serde(default)]
    pub server_certificate: Option<PathBuf>,
    /// Its key.
    #[serde(default)]
    pub server_key: Option<PathBuf>,
}

/// The mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct P2pConfig {
    /// Where this node listens for other nodes.
    pub listen: SocketAddr,
    /// Where the other nodes listen, `host:port`.
    #[serde(default)]
    pub peers: Vec<String>,
}

/// The interfaces for applications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RpcSection {
    /// Ethereum JSON-RPC; absent: not offered.
    #[serde(default)]
    pub ethereum: Option<ListenerConfig>,
    /// CometBFT RPC; absent: not offered.
    #[serde(default)]
    pub cometbft: Option<ListenerConfig>,
    /// Bounds on what a client may ask.
    #[serde(default)]
    pub limits: Limits,
    /// Methods that are switched off.
    #[serde(default)]
    pub disabled_methods: Vec<String>,
    /// Threads of each interface; absent: 2.
    #[serde(default)]
    pub workers: Option<usize>,
}

impl RpcSection {
    /// The form that the interfaces take.
    pub fn to_rpc(&self) -> RpcConfig {
        let defaults = RpcConfig::default();
        RpcConfig {
            ethereum: self.ethereum.clone(),
            cometbft: self.cometbft.clone(),
            limits: self.limits.clone(),
            disabled_methods: self.disabled_methods.clone(),
            workers: self.workers.unwrap_or(defaults.workers),
        }
    }
}

/// The interface for operations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperationsConfig {
    /// Where `/healthz`, `/readyz` and `/metrics` are served, in plaintext and without secrets.
    pub listen: SocketAddr,
}

impl Default for OperationsConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9464)) }
    }
}

/// Memory of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Block cache, in MiB.
    pub block_cache_mib: usize,
    /// Write buffers, in MiB.
    pub write_buffer_mib: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { block_cache_mib: 48, write_buffer_mib: 48 }
    }
}

/// What the log says and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,concordat_consensus=debug`.
    pub filter: String,
    /// `text` for people, `json` for machines.
    pub format: concordat_monitoring::LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".into(), format: concordat_monitoring::LogFormat::Text }
    }
}

fn default_data() -> PathBuf {
    PathBuf::from("data")
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}; write one with `concordat node init`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, a key missing, unknown or of the wrong type. The message names line and key.
    #[error("{path} is no valid configuration: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
}

impl NodeConfig {
    /// Reads a file and makes its paths absolute.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let config: Self = toml::from_str(&text)
            .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        Ok(config.relative_to(path.parent().unwrap_or(Path::new("."))))
    }

    fn relative_to(mut self, folder: &Path) -> Self {
        let identity = &mut self.identity;
        let required = [
            &mut self.genesis,
            &mut self.data,
            &mut identity.certificate,
            &mut identity.key,
            &mut identity.passphrase_file,
        ];
        let optional =
            [&mut identity.consensus_key, &mut identity.server_certificate, &mut identity.server_key];
        for path in required.into_iter().chain(optional.into_iter().flatten()) {
            *path = folder.join(&*path);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_valid_and_shows_the_defaults() {
        let config: NodeConfig = toml::from_str(TEMPLATE).unwrap();
        assert_eq!(config.pool, PoolLimits::default());
        assert_eq!(config.rpc.limits, Limits::default());
        assert_eq!(config.store, StoreConfig::default());
        assert_eq!(config.log, LogConfig::default());
        assert_eq!(config.operations, OperationsConfig::default());
    }

    /// The template by section: the name of each and its lines. What comes before the first has no name.
    fn sections() -> Vec<(&'static str, Vec<&'static str>)> {
        let mut sections = vec![("", Vec::new())];
        for line in TEMPLATE.lines() {
            match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                Some(name) => sections.push((name, Vec::new())),
                None => sections.last_mut().unwrap().1.push(line),
            }
        }
        sections
    }

    /// All keys that a section takes, those that may be left out among them: a key that it does not take is refused with
    /// their names.
    fn keys_of(section: &str) -> Vec<String> {
        let heading = format!("[{section}]");
        let text = match section {
            "" => format!("colour = 1\n{TEMPLATE}"),
            _ => TEMPLATE.replacen(&heading, &format!("{heading}\ncolour = 1"), 1),
        };
        let error = toml::from_str::<NodeConfig>(&text).unwrap_err();
        let (refused, known) = error.message().split_once("expected").unwrap_or_else(|| panic!("{error}"));
        assert!(refused.contains("`colour`"), "{error}");
        known.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn the_template_documents_every_key() {
        let sections = sections();
        let mut seen = 0;
        for (section, lines) in &sections {
            for key in keys_of(section) {
                let below = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
                if sections.iter().any(|(name, _)| *name == below) {
                    continue;
                }
                let at = lines.iter().position(|line| {
                    line.trim_start_matches("# ")
                        .strip_prefix(&key)
                        .is_some_and(|rest| rest.starts_with(" ="))
                });
                let at = at.unwrap_or_else(|| panic!("{below} is missing from the template"));
                assert!(at > 0 && lines[at - 1].starts_with("# "), "{below} has no explanation");
                seen += 1;
            }
        }
        assert!(seen > 40, "{seen}");
    }

    #[test]
    fn what_the_template_leaves_out_can_be_switched_on_as_it_stands() {
        let mut text = TEMPLATE.to_owned();
        for key in ["server_certificate", "server_key", "workers"] {
            let line = format!("# {key} = ");
            assert!(text.contains(&line), "{key} is not in the template");
            text = text.replace(&line, &format!("{key} = "));
        }
        let config: NodeConfig = toml::from_str(&text).unwrap();
        assert_eq!(config.identity.server_certificate.as_deref(), Some(Path::new("server.crt")));
        assert_eq!(config.identity.server_key.as_deref(), Some(Path::new("server.key")));
        assert_eq!(config.rpc.workers, Some(2));
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let text = TEMPLATE.replace("[p2p]", "[p2p]\ncolour = 1");
        let error = toml::from_str::<NodeConfig>(&text).unwrap_err().to_string();
        assert!(error.contains("colour"), "{error}");
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("concordat.toml");
        std::fs::write(&file, TEMPLATE).unwrap();
        let config = NodeConfig::load(&file).unwrap();
        assert_eq!(config.genesis, folder.path().join("genesis.json"));
    }

    #[test]
    fn a_missing_file_says_how_to_make_one() {
        let error = NodeConfig::load(Path::new("/nowhere/concordat.toml")).unwrap_err().to_string();
        assert!(error.contains("concordat node init"), "{error}");
    }
}
