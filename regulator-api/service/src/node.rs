//! The node beside the service: what permissions are explained from, what proves that packages are whole, and to whom orders are
//! handed.

use std::{path::Path, sync::Arc, time::Duration};

use concordat_evidence::{EvidenceError, Roots, Seal, roots};
use concordat_light::{LightError, Rpc};
use concordat_types::Genesis;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use ureq::Agent;

use crate::{
    config::{Config, NodeConfig, SealConfig},
    problem::{Kind, Problem},
};

/// How long the node may take to say where it stands.
const GLANCE: Duration = Duration::from_secs(2);

/// How long one answer of the node may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The largest answer of the node.
const MOST_BYTES: u64 = 64 << 20;

/// Explanations, packages and orders at a time, each: what they take is the node's time, and memory. No order waits for what
/// others read.
const EXPLANATIONS: usize = 8;
const PACKAGES: usize = 2;
const ORDERS: usize = 8;

/// Looks at where the node stands at a time.
const LOOKS: usize = 4;

/// Why the node, or whoever signs packages, is not usable.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The genesis document.
    #[error("node.genesis, {path}: {reason}")]
    Genesis {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The key, its certificate, or the roots.
    #[error("seal: {0}")]
    Seal(#[from] Box<EvidenceError>),
}

/// A node's interface on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    agent: Agent,
    url: String,
}

/// The node, as far as the configuration names it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) ethereum: Interface,
    pub(crate) comet: Interface,
    /// The same as `comet`, for what is answered at once or not at all.
    pub(crate) quick: Interface,
    pub(crate) genesis: Genesis,
}

/// Who signs packages, and whom that certificate chains to.
#[derive(Debug)]
pub(crate) struct Sealer {
    pub(crate) seal: Seal,
    pub(crate) roots: Roots,
}

/// What needs a node.
#[derive(Debug)]
pub(crate) struct Beside {
    node: Option<Arc<Node>>,
    sealer: Option<Arc<Sealer>>,
    explanations: Arc<Semaphore>,
    packages: Arc<Semaphore>,
    orders: Arc<Semaphore>,
    looks: Arc<Semaphore>,
}

/// What a node answers.
#[derive(Debug)]
pub(crate) enum Answered {
    /// What was asked for.
    Told(Value),
    /// A refusal: its words, and its data.
    Refused { message: String, data: Value },
}

impl Beside {
    /// What the configuration names. No node is asked yet: it may start later.
    pub(crate) fn open(config: &Config, passphrase: &[u8]) -> Result<Self, NodeError> {
        let node = config.node.as_ref().map(Node::open).transpose()?;
        let sealer = match (&config.seal, &node) {
            (Some(seal), Some(node)) => Some(Sealer::open(seal, &node.genesis, passphrase)?),
            _ => None,
        };
        Ok(Self {
            node: node.map(Arc::new),
            sealer: sealer.map(Arc::new),
            explanations: Arc::new(Semaphore::new(EXPLANATIONS)),
            packages: Arc::new(Semaphore::new(PACKAGES)),
            orders: Arc::new(Semaphore::new(ORDERS)),
            looks: Arc::new(Semaphore::new(LOOKS)),
        })
    }

    /// The node, for an explanation, which holds the permit until it is there.
    pub(crate) fn explains(&self) -> Result<(Arc<Node>, OwnedSemaphorePermit), Problem> {
        Ok((self.node()?, one_of(&self.explanations)?))
    }

    /// The node, for an order, which holds the permit until it is handed on.
    pub(crate) fn takes_orders(&self) -> Result<(Arc<Node>, OwnedSemaphorePermit), Problem> {
        Ok((self.node()?, one_of(&self.orders)?))
    }

    /// The node, for a look at where it stands, which holds the permit; nothing where none is configured.
    pub(crate) fn looks(&self) -> Option<Result<(Arc<Node>, OwnedSemaphorePermit), Problem>> {
        let node = self.node.clone()?;
        Some(one_of(&self.looks).map(|permit| (node, permit)))
    }

    /// The node and who signs, for a package, which holds the permit until it is there.
    pub(crate) fn packs(&self) -> Result<(Arc<Node>, Arc<Sealer>, OwnedSemaphorePermit), Problem> {
        let node = self.node()?;
        let sealer = self.sealer.clone().ok_or_else(|| unnamed("[seal]"))?;
        Ok((node, sealer, one_of(&self.packages)?))
    }

    fn node(&self) -> Result<Arc<Node>, Problem> {
        self.node.clone().ok_or_else(|| unnamed("[node]"))
    }
}

fn one_of(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    let busy = |_| Problem::new(Kind::TooMany, "others are being made; try again when one has ended");
    permits.clone().try_acquire_owned().map_err(busy)
}

fn unnamed(key: &str) -> Problem {
    let detail =
        format!("whoever operates the service names {key} in its configuration (docs/regulator-api.md)");
    Problem::new(Kind::NotConfigured, detail)
}

impl Node {
    fn open(config: &NodeConfig) -> Result<Self, NodeError> {
        let interface = |url: &str, patience: Duration| {
            let agent = Agent::config_builder().timeout_global(Some(patience)).http_status_as_error(false);
            Interface { agent: agent.build().into(), url: url.to_owned() }
        };
        let (ethereum, comet) = (interface(&config.ethereum, PATIENCE), interface(&config.comet, PATIENCE));
        let quick = interface(&config.comet, GLANCE);
        Ok(Self { ethereum, comet, quick, genesis: genesis(&config.genesis)? })
    }
}

fn genesis(path: &Path) -> Result<Genesis, NodeError> {
    let failed = |reason: String| NodeError::Genesis { path: path.display().to_string(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Genesis::from_json(&text).map_err(|error| failed(error.to_string()))
}

impl Sealer {
    fn open(config: &SealConfig, genesis: &Genesis, passphrase: &[u8]) -> Result<Self, NodeError> {
        let seal = Seal::read(&config.key, &config.certificate, passphrase).map_err(Box::new)?;
        Ok(Self { seal, roots: roots(config.roots.as_deref(), genesis).map_err(Box::new)? })
    }
}

impl Interface {
    /// Calls a method: what it answers, be it a refusal.
    pub(crate) fn ask(&self, method: &str, params: Value) -> Result<Answered, LightError> {
        let away = |error: ureq::Error| LightError::Node(error.into());
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut response = self.agent.post(&self.url).send_json(&request).map_err(away)?;
        let body = response.body_mut().with_config().limit(MOST_BYTES).read_to_string().map_err(away)?;
        let malformed = LightError::because(format!("{} answers {method} with no JSON", self.url));
        let mut answer: Value = serde_json::from_str(&body).map_err(malformed)?;
        let Some(error) = answer.get_mut("error").map(Value::take).filter(|error| !error.is_null()) else {
            return Ok(Answered::Told(answer.get_mut("result").map(Value::take).unwrap_or_default()));
        };
        let message = error.get("message").and_then(Value::as_str).unwrap_or("it gives no reason").to_owned();
        let data = error.get("data").cloned().unwrap_or_default();
        Ok(Answered::Refused { message, data })
    }
}

impl Rpc for Interface {
    fn call(&self, method: &str, params: Value) -> Result<Value, LightError> {
        match self.ask(method, params)? {
            Answered::Told(result) => Ok(result),
            Answered::Refused { message, data } => {
                Err(LightError::Unable(format!("{method}: {message} {data}")))
            }
        }
    }
}

/// What comes of a node that gives no answer, or one that does not hold. Its words go to the log of operations.
pub(crate) fn failed(error: &LightError) -> Problem {
    tracing::warn!(%error, "the node failed");
    match error.is_wrong() {
        true => Problem::new(
            Kind::Contradiction,
            "the node tells what does not hold; the service's log says what",
        ),
        false => Problem::new(
            Kind::NodeAway,
            "it does not answer, or keeps no state of that height: try again in a while, or ask for a later height",
        ),
    }
}

/// The node must be of the database's chain.
pub(crate) fn check_chain(of_node: &str, of_database: &str) -> Result<(), Problem> {
    if of_node == of_database {
        return Ok(());
    }
    tracing::error!(of_node, of_database, "the node is of another chain than the database");
    Err(Problem::new(Kind::Contradiction, "the node is of another chain than the database"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::config;

    #[test]
    fn what_is_not_configured_is_told_with_the_key_that_is_missing() {
        let beside = Beside::open(&config(), &[]).unwrap();
        let refused = beside.explains().unwrap_err();
        assert_eq!(refused.kind, Kind::NotConfigured);
        assert!(refused.detail.contains("[node]"), "{}", refused.detail);
        let unsigned = Beside { node: Some(Arc::new(node())), ..beside };
        assert!(unsigned.packs().unwrap_err().detail.contains("[seal]"));
        assert!(unsigned.explains().is_ok() && unsigned.takes_orders().is_ok());
    }

    /// A node where nobody answers.
    fn node() -> Node {
        let nowhere = Interface { agent: Agent::new_with_defaults(), url: "http://127.0.0.1:1".to_owned() };
        let genesis = Genesis {
            chain_id: "c".into(),
            evm_chain_id: 1,
            genesis_time: 0,
            params: concordat_types::ChainParams::default(),
            organisations: vec![],
        };
        Node { ethereum: nowhere.clone(), quick: nowhere.clone(), comet: nowhere, genesis }
    }

    #[test]
    fn no_more_are_made_at_a_time_than_may_be() {
        let beside = Beside { node: Some(Arc::new(node())), ..Beside::open(&config(), &[]).unwrap() };
        let held: Vec<_> = (0..EXPLANATIONS).map(|_| beside.explains().unwrap()).collect();
        assert_eq!(beside.explains().unwrap_err().kind, Kind::TooMany);
        assert!(beside.takes_orders().is_ok(), "no order waits for them");
        drop(held);
        assert!(beside.explains().is_ok());
    }

    #[test]
    fn a_node_of_another_chain_contradicts_the_database() {
        assert!(check_chain("one", "one").is_ok());
        assert_eq!(check_chain("one", "two").unwrap_err().kind, Kind::Contradiction);
    }

    #[test]
    fn a_node_that_is_away_is_told_apart_from_one_that_tells_what_does_not_hold() {
        let away = node().comet.call("status", json!({})).unwrap_err();
        assert_eq!(failed(&away).kind, Kind::NodeAway);
        assert_eq!(failed(&concordat_light::wrong("forged")).kind, Kind::Contradiction);
    }
}
