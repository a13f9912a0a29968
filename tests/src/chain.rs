//! What must be the same on every node.

use serde_json::{Value, json};

use crate::Network;

/// A header as one node tells it: block hash and state root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Hash of the block.
    pub hash: String,
    /// State root before the block.
    pub app_hash: String,
}

/// All headers up to a height, as a node tells them; the first is that of height 1.
pub fn headers(network: &Network, node: usize, upto: u64) -> Vec<Told> {
    let mut told = Vec::new();
    // CometBFT answers at most 20 headers, newest first.
    for from in (1..=upto).step_by(20) {
        let (low, high) = (from.to_string(), upto.min(from + 19).to_string());
        let answer = network.comet(node, "blockchain", json!({ "minHeight": low, "maxHeight": high }));
        let answer = answer.unwrap_or_else(|e| panic!("node {node} gives no headers {low} to {high}: {e}"));
        told.extend(answer["block_metas"].as_array().unwrap().iter().rev().map(header));
    }
    assert_eq!(told.len() as u64, upto, "node {node} leaves headers out");
    told
}

fn header(meta: &Value) -> Told {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Told { hash: text(&meta["block_id"]["hash"]), app_hash: text(&meta["header"]["app_hash"]) }
}

/// All nodes have one chain: the same block and state root at each height. Waits until all have reached
/// the height of the highest.
pub fn assert_one_chain(network: &Network) -> u64 {
    let heights = (0..network.count()).filter_map(|node| network.height(node));
    let highest = heights.max().expect("a node answers");
    for node in 0..network.count() {
        network.wait_for_height(node, highest);
    }
    let reference = headers(network, 0, highest);
    for node in 1..network.count() {
        let other = headers(network, node, highest);
        for (height, (left, right)) in (1u64..).zip(reference.iter().zip(&other)) {
            assert_eq!(left, right, "nodes 0 and {node} differ at height {height}");
        }
    }
    highest
}

/// No node has seen a validator sign two things for one place.
pub fn assert_no_double_signing(network: &Network) {
    for node in 0..network.count() {
        for metric in ["concordat_equivocations_total", "concordat_consensus_evidence_total"] {
            let found = network.metric(node, metric);
            assert!(found == 0.0, "node {node} says {metric} {found}");
        }
    }
}
