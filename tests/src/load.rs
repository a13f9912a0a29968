//! Load: payers who send signed token transfers to all nodes in turn, and remember every receipt they get.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, Bytes, keccak256};
use serde_json::{Value, json};

use crate::{Network, Wallet, call_all, history::quantity, token};

/// Payments that a payer has under way at once.
const AT_ONCE: u64 = 8;

/// How long a payer waits for receipts before it sends again, to the next node.
const AGAIN_AFTER: Duration = Duration::from_millis(700);

/// How often a payer asks for receipts.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Tokens that each payer gets: more than it can spend.
const FUNDS: u64 = 100_000_000;

/// A receipt that a client was given.
pub struct Promise {
    /// Which node gave it.
    pub node: usize,
    /// The transaction.
    pub tx: String,
    /// The receipt, whole.
    pub receipt: Value,
}

/// One payer's books.
pub struct Account {
    /// Whose operator it is, such as `bank-a/operator`.
    pub name: String,
    /// The payer.
    pub payer: Address,
    /// Who gets this payer's payments, and nobody else's.
    pub receiver: Address,
    /// The nonce of the first payment.
    first_nonce: u64,
    receipts: AtomicU64,
}

impl Account {
    /// Payments of which a receipt was given.
    pub fn promised(&self) -> u64 {
        self.receipts.load(Ordering::SeqCst)
    }

    /// Payments sent and received, as a node sees it now.
    pub fn books(&self, network: &Network, node: usize, token: Address) -> Option<(u64, u64)> {
        let nonce = network.eth(node, "eth_getTransactionCount", json!([self.payer, "latest"])).ok()?;
        let received = token::balance(network, node, token, self.receiver, "latest").ok()?;
        Some((quantity(&nonce).checked_sub(self.first_nonce)?, received))
    }
}

/// Payers at work. Dropping it stops them.
pub struct Load {
    /// The token that is paid with.
    pub token: Address,
    /// Every payer's books.
    pub accounts: Vec<Arc<Account>>,
    stop: Arc<AtomicBool>,
    payers: Vec<JoinHandle<()>>,
    promises: Receiver<Promise>,
}

impl Load {
    /// Deploys a token, enrols and funds one payer of each bank, and lets them pay.
    pub fn start(network: &Network) -> Self {
        let token = token::deploy(network, "bank-a/developer", FUNDS * network.count() as u64);
        let developer = Wallet::of(network, "bank-a/developer");
        let stop = Arc::new(AtomicBool::new(false));
        let urls: Vec<String> = (0..network.count()).map(|node| network.url(node, "ethereum")).collect();
        let (sender, promises) = channel();
        let (mut accounts, mut payers) = (Vec::new(), Vec::new());
        // There may be more nodes than banks: those that never vote.
        let names = network.info["accounts"].as_array().unwrap().iter().map(|account| &account["name"]);
        let operators =
            names.filter_map(|name| name.as_str()).filter(|name| name.ends_with("/operator")).count();
        for (at, letter) in (b'a'..).take(operators).enumerate() {
            let name = format!("bank-{}/operator", char::from(letter));
            network.enrol(&name, 0);
            let wallet = Wallet::of(network, &name);
            // The developer has enrolled and deployed.
            let raw = developer.transfer(2 + at as u64, token, wallet.address(), FUNDS);
            assert_eq!(network.execute(0, &raw)["status"], "0x1");
            let account = Arc::new(Account {
                name,
                payer: wallet.address(),
                receiver: Address::repeat_byte(0xa0 + at as u8),
                // The payer has enrolled.
                first_nonce: 1,
                receipts: AtomicU64::new(0),
            });
            accounts.push(account.clone());
            let (stop, urls, sender) = (stop.clone(), urls.clone(), sender.clone());
            let payer = Payer { account, wallet, token, urls, node: at, sender, stop };
            payers.push(std::thread::spawn(move || payer.pay()));
        }
        Self { token, accounts, stop, payers, promises }
    }

    /// The receipts that payers got since this was last asked.
    pub fn promises(&self) -> Vec<Promise> {
        self.promises.try_iter().collect()
    }

    /// Lets the payers stop where they are. What they sent may still become final.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for payer in self.payers.drain(..) {
            payer.join().expect("a payer got an answer that makes no sense");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for payer in self.payers.drain(..) {
            let _ = payer.join();
        }
    }
}

struct Payer {
    account: Arc<Account>,
    wallet: Wallet,
    token: Address,
    urls: Vec<String>,
    /// The node that is asked next.
    node: usize,
    sender: Sender<Promise>,
    stop: Arc<AtomicBool>,
}

impl Payer {
    /// Pays in small batches, each sent again until every payment has a receipt.
    fn pay(mut self) {
        let mut nonce = self.account.first_nonce;
        while !self.stopped() {
            let sign = |nonce| self.wallet.transfer(nonce, self.token, self.account.receiver, 1);
            let mut open: Vec<(String, Bytes)> =
                (nonce..nonce + AT_ONCE).map(sign).map(|raw| (keccak256(&raw).to_string(), raw)).collect();
            nonce += AT_ONCE;
            while !open.is_empty() && !self.stopped() {
                self.send(&open);
                let until = Instant::now() + AGAIN_AFTER;
                while !open.is_empty() && !self.stopped() && Instant::now() < until {
                    std::thread::sleep(ASK_EVERY);
                    if !self.collect(&mut open) {
                        break;
                    }
                }
                if !open.is_empty() {
                    self.node = (self.node + 1) % self.urls.len();
                }
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// What is known already, or final, is refused, and that is well.
    fn send(&self, open: &[(String, Bytes)]) {
        let calls = open.iter().map(|(_, raw)| ("eth_sendRawTransaction", json!([raw])));
        let _ = call_all(&self.urls[self.node], calls);
    }

    /// Takes the receipts that have come; `false` if the node does not answer.
    fn collect(&self, open: &mut Vec<(String, Bytes)>) -> bool {
        let calls = open.iter().map(|(tx, _)| ("eth_getTransactionReceipt", json!([tx])));
        let Ok(answers) = call_all(&self.urls[self.node], calls) else { return false };
        let mut answers = answers.into_iter();
        open.retain(|(tx, _)| match answers.next() {
            Some(Ok(receipt)) if !receipt.is_null() => {
                assert_eq!(receipt["status"], "0x1", "{receipt}");
                self.account.receipts.fetch_add(1, Ordering::SeqCst);
                // Whoever listened has gone: the payer is about to be stopped.
                let _ = self.sender.send(Promise { node: self.node, tx: tx.clone(), receipt });
                false
            }
            _ => true,
        });
        true
    }
}
