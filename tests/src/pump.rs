//! An account that pays without a pause, what the pool said and what blocks made of it: to count what got through after
//! it was forbidden.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use alloy_primitives::Address;
use serde_json::{Value, json};

use crate::{Network, Wallet, call, history::quantity};

/// Pays until it is stopped, and lets nothing wait for a receipt.
pub struct Pump {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Offer>>,
}

/// A transaction that the pool of node 1 was offered.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// How far the node had come before that.
    pub height: u64,
    /// Whether it took the transaction.
    pub taken: bool,
}

impl Pump {
    /// Starts paying nothing to somebody, by node 1. The account has done nothing but enrol.
    pub fn start(network: &Network, account: &str, token: Address) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (wallet, url) = (Wallet::of(network, account), network.url(1, "ethereum"));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut nonce, mut offers) = (1, Vec::new());
            while !stopped.load(Ordering::SeqCst) {
                let raw = wallet.transfer(nonce, token, Address::repeat_byte(0xbb), 0);
                let height = call(&url, "eth_blockNumber", json!([])).as_ref().map_or(0, quantity);
                let taken = call(&url, "eth_sendRawTransaction", json!([raw])).is_ok();
                offers.push(Offer { height, taken });
                match taken {
                    true => nonce += 1,
                    false => std::thread::sleep(Duration::from_millis(5)),
                }
            }
            offers
        });
        Self { stop, thread }
    }

    /// Stops paying. All that was offered.
    pub fn stop(self) -> Vec<Offer> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// What became of a transaction.
#[derive(Clone, Debug)]
pub struct Fate {
    /// Its block.
    pub height: u64,
    /// How it ended: the stable number of the outcome.
    pub code: u64,
    /// What its receipt says of that.
    pub outcome: Value,
}

/// Every transaction of an account in the blocks of node 0 from one height to another.
pub fn fates(network: &Network, account: Address, from: u64, upto: u64) -> Vec<Fate> {
    let mut found = Vec::new();
    for height in from..=upto {
        let receipts = network.eth(0, "eth_getBlockReceipts", json!([format!("{height:#x}")])).unwrap();
        let own = receipts
            .as_array()
            .unwrap()
            .iter()
            .filter(|receipt| receipt["from"].as_str().unwrap().parse::<Address>().unwrap() == account)
            .map(|receipt| &receipt["concordatOutcome"]);
        found.extend(own.map(|outcome| {
            let code = outcome["code"].as_u64().unwrap();
            Fate { height, code, outcome: outcome.clone() }
        }));
    }
    found
}
