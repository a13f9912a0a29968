//! What must be the same on every node.

use serde_json::{Value, json};

use crate::Network;

/// The metrics that count validators that signed two things for one place.
pub const DOUBLE_SIGNING: [&str; 2] = ["concordat_equivocations_total", "concordat_consensus_evidence_total"];

/// A header as one node tells it: block hash and state root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Hash of the block.
    pub hash: String,
    /// State root before the block.
    pub app_hash: String,
}

/// All headers from one height to another, both included, as a node tells them.
pub fn headers(network: &Network, node: usize, from: u64, upto: u64) -> Vec<Told> {
    let mut told = Vec::new();
    // CometBFT answers at most 20 headers, newest first.
    for from in (from..=upto).step_by(20) {
        let (low, high) = (from.to_string(), upto.min(from + 19).to_string());
        let answer = network.comet(node, "blockchain", json!({ "minHeight": low, "maxHeight": high }));
        let answer = answer.unwrap_or_else(|e| panic!("node {node} gives no headers {low} to {high}: {e}"));
        told.extend(answer["block_metas"].as_array().unwrap().iter().rev().map(header));
    }
    assert_eq!(told.len() as u64, (upto + 1).saturating_sub(from), "node {node} leaves headers out");
    told
}

fn header(meta: &Value) -> Told {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Told { hash: text(&meta["block_id"]["hash"]), app_hash: text(&meta["header"]["app_hash"]) }
}

/// All nodes have one chain: the same block and state root at each height. Waits until all have reached
/// the height of the highest.
pub fn assert_one_chain(network: &Network) -> u64 {
    assert_one_chain_of(network, network.count())
}

/// As [`assert_one_chain`], of the first nodes alone: the others are out.
pub fn assert_one_chain_of(network: &Network, count: usize) -> u64 {
    let heights = (0..count).filter_map(|node| network.height(node));
    let highest = heights.max().expect("a node answers");
    for node in 0..count {
        network.wait_for_height(node, highest);
    }
    let reference = headers(network, 0, 1, highest);
    for node in 1..count {
        let other = headers(network, node, 1, highest);
        for (height, (left, right)) in (1u64..).zip(reference.iter().zip(&other)) {
            assert_eq!(left, right, "nodes 0 and {node} differ at height {height}");
        }
    }
    highest
}

/// No node has seen a validator sign two things for one place.
pub fn assert_no_double_signing(network: &Network) {
    for node in 0..network.count() {
        for metric in DOUBLE_SIGNING {
            let found = network.metric(node, metric);
            assert!(found == 0.0, "node {node} says {metric} {found}");
        }
    }
}
