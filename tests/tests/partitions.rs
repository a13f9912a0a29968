//! Links between nodes are cut, one way or both, and mended: no fork, no loss, and everyone catches up.

use std::time::{Duration, Instant};

use alloy_primitives::Address;
use concordat_tests::{
    Network, Wallet, chain,
    chaos::{BUSY, ms},
    get,
    relay::Links,
    token,
};
use serde_json::{Value, json};

const NODES: usize = 4;
const ALL: [usize; NODES] = [0, 1, 2, 3];

#[test]
fn partitions_cost_time_but_neither_blocks_nor_receipts() {
    let mut network = Network::init(NODES, &BUSY);
    let links = Links::of(&network);
    for node in ALL {
        network.start_node(node);
    }
    all_ready(&network, "the network's start");
    let mut town = Town::found(&network);
    town.one_of_four_is_cut_off(&links);
    town.two_and_two_do_not_hear_each_other(&links);
    town.one_is_heard_by_nobody(&links);
    town.every_link_is_slow(&links);
    chain::assert_one_chain(&network);
    chain::assert_no_double_signing(&network);
}

/// A network with somebody who pays.
struct Town<'a> {
    network: &'a Network,
    token: Address,
    payer: Wallet,
    nonce: u64,
    receipts: Vec<(String, Value)>,
}

impl<'a> Town<'a> {
    fn found(network: &'a Network) -> Self {
        let token = token::deploy(network, "bank-a/developer", 1_000);
        let payer = Wallet::of(network, "bank-a/developer");
        // The developer has enrolled and deployed.
        Self { network, token, payer, nonce: 2, receipts: Vec::new() }
    }

    /// Submits a payment to a node.
    fn submit(&mut self, node: usize) -> String {
        let raw = self.payer.transfer(self.nonce, self.token, Address::repeat_byte(7), 1);
        self.nonce += 1;
        self.network.submit(node, &raw).unwrap_or_else(|e| panic!("node {node} refuses: {e}"))
    }

    /// Pays through a node, and keeps the receipt.
    fn pay(&mut self, node: usize) {
        let tx = self.submit(node);
        let receipt = self.network.wait_for_receipt(node, &tx);
        self.receipts.push((tx, receipt));
    }

    /// After a partition: all nodes are ready again, at one height, with every receipt. How long it took.
    fn healed(&mut self, links: &Links, what: &str) {
        let highest = ALL.iter().filter_map(|node| self.network.height(*node)).max().unwrap();
        links.heal();
        let since = Instant::now();
        for node in ALL {
            self.network.wait_for_height(node, highest + 1);
        }
        let caught_up = ms(since);
        all_ready(self.network, what);
        eprintln!("{what}: caught up {caught_up} ms after healing, all ready after {} ms", ms(since));
        self.pay(0);
        chain::assert_one_chain(self.network);
        for (tx, receipt) in &self.receipts {
            for node in ALL {
                assert_eq!(self.network.wait_for_receipt(node, tx), *receipt, "node {node} after {what}");
            }
        }
    }

    fn one_of_four_is_cut_off(&mut self, links: &Links) {
        links.part(&[3], &[0, 1, 2]);
        // The others go on, and no client of theirs notices.
        for node in [0, 1, 2] {
            self.pay(node);
        }
        self.says_that_it_is_alone(3);
        let late = self.submit(3);
        assert_eq!(receipt(self.network, 3, &late), Value::Null, "one of four decided alone");
        let behind = self.network.height(3).unwrap();
        self.network.wait_for_height(0, behind + 5);
        assert_eq!(self.network.height(3), Some(behind), "a node alone made blocks");
        self.healed(links, "one of four cut off");
        // What it took while it was alone gets into a block now.
        let receipt = self.network.wait_for_receipt(3, &late);
        self.receipts.push((late, receipt));
    }

    fn two_and_two_do_not_hear_each_other(&mut self, links: &Links) {
        links.part(&[0, 1], &[2, 3]);
        for node in ALL {
            not_ready(self.network, node);
        }
        let heights = ALL.map(|node| self.network.height(node).unwrap());
        let left = self.submit(0);
        // Blocks are due twice a second; none may come.
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            assert_eq!(ALL.map(|node| self.network.height(node).unwrap()), heights, "half the power decided");
        }
        assert_eq!(receipt(self.network, 0, &left), Value::Null, "half the power decided");
        self.healed(links, "two and two");
        let receipt = self.network.wait_for_receipt(2, &left);
        self.receipts.push((left, receipt));
    }

    /// What node 3 says reaches nobody, while it hears all others.
    fn one_is_heard_by_nobody(&mut self, links: &Links) {
        for node in [0, 1, 2] {
            links.hold(3, node);
        }
        for node in [0, 1, 2] {
            self.pay(node);
        }
        // The others hear no ping and part; connections need both directions.
        self.says_that_it_is_alone(3);
        self.pay(0);
        self.healed(links, "one direction of one node's links held");
    }

    fn every_link_is_slow(&mut self, links: &Links) {
        links.delay(Duration::from_millis(50));
        for node in ALL {
            self.pay(node);
        }
        links.delay(Duration::ZERO);
        self.healed(links, "50 ms on every link");
    }

    /// Reads still work on a node that is cut off; readiness says that they are old.
    fn says_that_it_is_alone(&self, node: usize) {
        self.network.wait("a node alone says so", || {
            let (status, said) = readiness(self.network, node);
            (status, &said["reachable_power"], &said["total_power"]) == (503, &json!(10), &json!(40))
        });
        let balance = token::balance(self.network, node, self.token, self.payer.address(), "latest");
        assert!(balance.is_ok(), "{balance:?}");
    }
}

fn receipt(network: &Network, node: usize, tx: &str) -> Value {
    network.eth(node, "eth_getTransactionReceipt", json!([tx])).unwrap()
}

fn readiness(network: &Network, node: usize) -> (u16, Value) {
    let (status, body) = get(&format!("{}/readyz", network.url(node, "operations")));
    (status, serde_json::from_str(&body).unwrap())
}

fn not_ready(network: &Network, node: usize) {
    network.wait("a node without a quorum in reach is not ready", || readiness(network, node).0 == 503);
}

fn all_ready(network: &Network, what: &str) {
    for node in ALL {
        network.wait(what, || {
            // Before its start, a node does not answer at all.
            network.height(node).is_some() && readiness(network, node).0 == 200
        });
    }
}
