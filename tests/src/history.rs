//! What must hold of everything that the nodes of a network ever said, whatever happened to them meanwhile.
//!
//! Pure bookkeeping: the caller asks the nodes and tells the answers; the first answer that contradicts an
//! earlier one is a [`Violation`].

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use crate::chain::Told;

/// Something that no fault may cause.
#[derive(Clone, Debug, PartialEq)]
pub enum Violation {
    /// A receipt was given to somebody, and a node that has its block does not know it.
    ReceiptLost {
        /// The transaction.
        tx: String,
        /// Who gave the receipt.
        promised_by: usize,
        /// Who does not know it.
        node: usize,
    },
    /// Two answers about one transaction differ.
    ReceiptChanged {
        /// The transaction.
        tx: String,
        /// Who said what first.
        first: Box<(usize, Value)>,
        /// Who said what then.
        then: Box<(usize, Value)>,
    },
    /// A receipt names a block that is not the chain's at that height.
    ReceiptElsewhere {
        /// The transaction.
        tx: String,
        /// The height in the receipt.
        height: u64,
        /// The block in the receipt.
        block: String,
        /// The block of the chain.
        chain: String,
    },
    /// Two blocks, or two state roots, at one height.
    Fork {
        /// The height.
        height: u64,
        /// Who said what first.
        first: (usize, Told),
        /// Who said what then.
        then: (usize, Told),
    },
    /// A node came back with less than it had told before.
    WentBack {
        /// The node.
        node: usize,
        /// The height that it told.
        told: u64,
        /// The height that it tells now.
        now: u64,
    },
    /// Payments that left a payer and those that arrived are not the same number.
    Unaccounted {
        /// Who was asked.
        node: usize,
        /// The payer.
        payer: String,
        /// Payments by the payer's nonce.
        sent: u64,
        /// Payments that the receiver holds.
        received: u64,
        /// Payments of which a receipt was given.
        promised: u64,
    },
    /// A validator signed two things for one place.
    DoubleSigned {
        /// Who saw it.
        node: usize,
        /// The metric that counts it.
        metric: &'static str,
        /// How often.
        count: u64,
    },
    /// The chain, or a node, did not go on.
    Stalled {
        /// What was waited for.
        what: String,
        /// For how long, in milliseconds.
        waited_ms: u64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReceiptLost { tx, promised_by, node } => {
                write!(f, "node {promised_by} gave a receipt of {tx}, which node {node} does not know")
            }
            Self::ReceiptChanged { tx, first, then } => {
                let ((a, first), (b, then)) = (first.as_ref(), then.as_ref());
                write!(f, "node {a} said of {tx}: {first}\nnode {b} says: {then}")
            }
            Self::ReceiptElsewhere { tx, height, block, chain } => {
                write!(f, "the receipt of {tx} names block {block} at height {height}; the chain has {chain}")
            }
            Self::Fork { height, first: (a, first), then: (b, then) } => {
                write!(f, "at height {height} node {a} said {first:?}, node {b} says {then:?}")
            }
            Self::WentBack { node, told, now } => {
                write!(f, "node {node} told height {told} and came back with {now}")
            }
            Self::Unaccounted { node, payer, sent, received, promised } => write!(
                f,
                "by node {node}, {payer} sent {sent} payments, of which {received} arrived; receipts were given \
                 of {promised}"
            ),
            Self::DoubleSigned { node, metric, count } => write!(f, "node {node} says {metric} {count}"),
            Self::Stalled { what, waited_ms } => write!(f, "waited {waited_ms} ms in vain for: {what}"),
        }
    }
}

/// What was said so far.
#[derive(Default)]
pub struct History {
    receipts: BTreeMap<String, (usize, Value)>,
    headers: BTreeMap<u64, (usize, Told)>,
    heights: BTreeMap<usize, u64>,
}

impl History {
    /// How many transactions have a receipt.
    pub fn promises(&self) -> usize {
        self.receipts.len()
    }

    /// Every transaction of which a receipt was given.
    pub fn transactions(&self) -> Vec<String> {
        self.receipts.keys().cloned().collect()
    }

    /// How many heights are known.
    pub fn blocks(&self) -> usize {
        self.headers.len()
    }

    /// A node gave the receipt of a transaction, unasked for or for the first time.
    pub fn receipt_given(&mut self, node: usize, tx: &str, receipt: Value) -> Result<(), Violation> {
        let (first_node, first) =
            self.receipts.entry(tx.to_owned()).or_insert_with(|| (node, receipt.clone()));
        if *first == receipt {
            return Ok(());
        }
        let first = Box::new((*first_node, first.clone()));
        Err(Violation::ReceiptChanged { tx: tx.to_owned(), first, then: Box::new((node, receipt)) })
    }

    /// A node that must have the transaction's block was asked for its receipt.
    pub fn receipt_asked(&mut self, node: usize, tx: &str, answer: Option<Value>) -> Result<(), Violation> {
        match (answer, self.receipts.get(tx)) {
            (Some(receipt), _) => self.receipt_given(node, tx, receipt),
            (None, None) => Ok(()),
            (None, Some((promised_by, _))) => {
                Err(Violation::ReceiptLost { tx: tx.to_owned(), promised_by: *promised_by, node })
            }
        }
    }

    /// A node told what stands at a height.
    pub fn header_told(&mut self, node: usize, height: u64, told: Told) -> Result<(), Violation> {
        let (first_node, first) = self.headers.entry(height).or_insert_with(|| (node, told.clone()));
        if *first == told {
            return Ok(());
        }
        Err(Violation::Fork { height, first: (*first_node, first.clone()), then: (node, told) })
    }

    /// A node told its height.
    pub fn height_told(&mut self, node: usize, now: u64) -> Result<(), Violation> {
        let told = self.heights.entry(node).or_insert(now);
        if now < *told {
            return Err(Violation::WentBack { node, told: *told, now });
        }
        *told = now;
        Ok(())
    }

    /// A node told how often a validator signed two things for one place.
    pub fn double_signings_told(
        &self,
        node: usize,
        metric: &'static str,
        count: u64,
    ) -> Result<(), Violation> {
        if count == 0 { Ok(()) } else { Err(Violation::DoubleSigned { node, metric, count }) }
    }

    /// A node told how many payments a payer has sent and a receiver, who gets them from nobody else, holds.
    pub fn payments_told(
        &self,
        node: usize,
        payer: &str,
        (sent, received): (u64, u64),
        promised: u64,
    ) -> Result<(), Violation> {
        if sent == received && promised <= received {
            return Ok(());
        }
        Err(Violation::Unaccounted { node, payer: payer.to_owned(), sent, received, promised })
    }

    /// Every receipt names the block that the chain has at its height.
    pub fn receipts_fit_the_chain(&self) -> Result<(), Violation> {
        for (tx, (_, receipt)) in &self.receipts {
            let height = quantity(&receipt["blockNumber"]);
            let block = receipt["blockHash"].as_str().unwrap_or_default().to_lowercase();
            let Some((_, told)) = self.headers.get(&height) else { continue };
            let chain = format!("0x{}", told.hash.to_lowercase());
            if block != chain {
                return Err(Violation::ReceiptElsewhere { tx: tx.clone(), height, block, chain });
            }
        }
        Ok(())
    }
}

/// A number as Ethereum's JSON-RPC writes it; zero if it is none.
pub fn quantity(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(hash: &str, app_hash: &str) -> Told {
        Told { hash: hash.into(), app_hash: app_hash.into() }
    }

    fn receipt(block: &str, height: u64) -> Value {
        json!({ "status": "0x1", "blockHash": block, "blockNumber": format!("{height:#x}") })
    }

    #[test]
    fn a_history_without_contradiction_passes() {
        let mut history = History::default();
        for node in 0..4 {
            history.header_told(node, 7, told("AA", "R1")).unwrap();
            history.receipt_asked(node, "0x01", Some(receipt("0xaa", 7))).unwrap();
            history.receipt_asked(node, "0x02", None).unwrap();
            history.height_told(node, 7).unwrap();
            history.height_told(node, 9).unwrap();
            history.double_signings_told(node, "m", 0).unwrap();
            history.payments_told(node, "a", (3, 3), 2).unwrap();
        }
        history.receipts_fit_the_chain().unwrap();
        assert_eq!((history.promises(), history.blocks()), (1, 1));
    }

    #[test]
    fn a_lost_receipt_is_found() {
        let mut history = History::default();
        history.receipt_given(0, "0x01", receipt("0xaa", 7)).unwrap();
        let lost = history.receipt_asked(2, "0x01", None).unwrap_err();
        assert_eq!(lost, Violation::ReceiptLost { tx: "0x01".into(), promised_by: 0, node: 2 });
        assert!(lost.to_string().contains("node 2"));
    }

    #[test]
    fn a_receipt_that_changes_is_found_on_another_and_on_the_same_node() {
        for node in [0, 3] {
            let mut history = History::default();
            history.receipt_given(0, "0x01", receipt("0xaa", 7)).unwrap();
            let mut failed = receipt("0xaa", 7);
            failed["status"] = json!("0x0");
            let changed = history.receipt_asked(node, "0x01", Some(failed));
            assert!(matches!(changed, Err(Violation::ReceiptChanged { .. })), "{changed:?}");
        }
    }

    #[test]
    fn two_blocks_or_two_roots_at_one_height_are_found() {
        for other in [told("BB", "R1"), told("AA", "R2")] {
            let mut history = History::default();
            history.header_told(0, 7, told("AA", "R1")).unwrap();
            history.header_told(1, 8, other.clone()).unwrap();
            let fork = history.header_told(1, 7, other);
            assert!(matches!(fork, Err(Violation::Fork { height: 7, .. })), "{fork:?}");
        }
    }

    #[test]
    fn a_receipt_of_a_block_that_the_chain_does_not_have_is_found() {
        let mut history = History::default();
        history.receipt_given(0, "0x01", receipt("0xaa", 7)).unwrap();
        history.receipts_fit_the_chain().unwrap();
        history.header_told(0, 7, told("BB", "R1")).unwrap();
        let elsewhere = history.receipts_fit_the_chain();
        assert!(matches!(elsewhere, Err(Violation::ReceiptElsewhere { height: 7, .. })), "{elsewhere:?}");
    }

    #[test]
    fn a_node_that_forgot_blocks_is_found() {
        let mut history = History::default();
        history.height_told(1, 9).unwrap();
        history.height_told(2, 3).unwrap();
        assert_eq!(history.height_told(1, 8), Err(Violation::WentBack { node: 1, told: 9, now: 8 }));
    }

    #[test]
    fn payments_that_vanish_or_double_are_found() {
        let history = History::default();
        for ((sent, received), promised) in [((3, 2), 2), ((3, 4), 3), ((3, 3), 4)] {
            let found = history.payments_told(0, "a", (sent, received), promised);
            assert!(matches!(found, Err(Violation::Unaccounted { .. })), "{found:?}");
        }
    }

    #[test]
    fn double_signing_is_found() {
        let found = History::default().double_signings_told(0, "m", 1);
        assert_eq!(found, Err(Violation::DoubleSigned { node: 0, metric: "m", count: 1 }));
    }
}
