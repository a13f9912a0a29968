//! A validator whose clock is minutes wrong: the chain goes on, in right time, and the node says whose clock it is.

use std::{
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use concordat_tests::{Network, chain, chaos::BUSY, clock, program, skip};
use serde_json::json;

const NODES: usize = 4;
/// The validator with the wrong clock.
const WRONG: usize = 3;

#[test]
fn one_wrong_clock_neither_stops_the_chain_nor_moves_its_time() {
    let mut network = Network::init(NODES, &BUSY);
    for node in (0..NODES).filter(|node| *node != WRONG) {
        network.start_node(node);
    }
    for offset in ["+5m", "-5m"] {
        let mut command = Command::new(program());
        if let Err(reason) = clock::set(&mut command, offset) {
            return skip::note("faketime", &reason);
        }
        let logged = network.log(WRONG).len();
        network.start_node_as(WRONG, command);
        network.wait_for_height(WRONG, 1);
        // Every validator has its turn to propose, the wrong one too.
        let height = network.height(0).unwrap();
        for node in 0..NODES {
            network.wait_for_height(node, height + NODES as u64 + 1);
        }
        let upto = chain::assert_one_chain(&network);
        times_are_right(&network, upto);
        chain::assert_no_double_signing(&network);
        names_its_clock(&network, offset, logged);
        network.kill(WRONG);
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

/// The node with the wrong clock tells its operator where to look.
fn names_its_clock(network: &Network, offset: &str, logged: usize) {
    network.wait(&format!("the node that is {offset} off names its clock"), || {
        let log = network.log(WRONG).split_off(logged);
        log.lines().any(|line| line.contains("WARN") && line.contains("clock"))
    });
    network.wait("its metric says so", || network.metric(WRONG, "concordat_consensus_clock_off") == 1.0);
    for node in (0..NODES).filter(|node| *node != WRONG) {
        assert_eq!(network.metric(node, "concordat_consensus_clock_off"), 0.0, "node {node}");
    }
}
