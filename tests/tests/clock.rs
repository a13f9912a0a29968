//! A validator whose clock is minutes wrong: the chain goes on, in right time, and the node says whose clock it is.

use std::{
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use concordat_tests::{Network, chain, chaos::BUSY, clock, program};
use serde_json::json;

const NODES: usize = 4;
/// The validator with the wrong clock.
const WRONG: usize = 3;

#[test]
fn one_wrong_clock_neither_stops_the_chain_nor_moves_its_time() {
    for offset in ["+5m", "-5m"] {
        let mut command = Command::new(program());
        if let Err(reason) = clock::set(&mut command, offset) {
            return eprintln!("SKIPPED: {reason}");
        }
        let mut network = Network::init(NODES, &BUSY);
        for node in (0..NODES).filter(|node| *node != WRONG) {
            network.start_node(node);
        }
        network.start_node_as(WRONG, command);
        // Every validator has its turn to propose, the wrong one too.
        for node in 0..NODES {
            network.wait_for_height(node, 2 * NODES as u64);
        }
        let upto = chain::assert_one_chain(&network);
        times_are_right(&network, upto);
        chain::assert_no_double_signing(&network);
        let told = log_of_clock(&network);
        eprintln!("{offset}: the node itself says: {}", told.as_deref().unwrap_or("nothing yet"));
    }
}

/// No block time is ahead of a right clock, or minutes behind it.
fn times_are_right(network: &Network, upto: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for height in 2..=upto {
        let block = network.eth(0, "eth_getBlockByNumber", json!([format!("{height:#x}"), false])).unwrap();
        let time = concordat_tests::history::quantity(&block["timestamp"]);
        assert!((now - 200..=now + 5).contains(&time), "block {height} says {time}, it is {now}");
    }
}

/// What the node with the wrong clock logs about it.
fn log_of_clock(network: &Network) -> Option<String> {
    let log = network.log(WRONG);
    log.lines().find(|line| line.to_lowercase().contains("clock")).map(ToOwned::to_owned)
}
