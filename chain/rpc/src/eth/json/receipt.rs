//! Receipts.

use alloy_primitives::B256;
use concordat_types::{Block, Receipt, SignedTx};
use serde_json::{Value, json};

use super::{LogPlace, log};
use crate::eth::hex::{address_or_null, data, quantity};

/// What the receipts before one add up to.
#[derive(Clone, Copy, Default)]
struct Before {
    gas: u64,
    logs: usize,
}

impl Before {
    fn and(self, receipt: &Receipt) -> Self {
        Self {
            gas: self.gas.saturating_add(receipt.gas_used),
            logs: self.logs.saturating_add(receipt.logs.len()),
        }
    }
}

/// All receipts of a block, in order.
pub(crate) fn receipts(block: &Block, hash: B256, receipts: &[Receipt]) -> Vec<Value> {
    let mut before = Before::default();
    let mut rows = Vec::with_capacity(receipts.len());
    for (index, receipt) in receipts.iter().enumerate() {
        rows.extend(row(block, hash, (index, receipt), before));
        before = before.and(receipt);
    }
    rows
}

/// The receipt of the transaction at `index`; `None` where there is none.
pub(crate) fn receipt(block: &Block, hash: B256, receipts: &[Receipt], index: usize) -> Option<Value> {
    let before = receipts.get(..index)?.iter().fold(Before::default(), Before::and);
    row(block, hash, (index, receipts.get(index)?), before)
}

/// `effectiveGasPrice` is zero: gas meters, nobody pays. `concordatOutcome` tells refusals by the registry,
/// which Ethereum does not know, from failures of the contract.
fn row(block: &Block, hash: B256, (index, receipt): (usize, &Receipt), before: Before) -> Option<Value> {
    let to = SignedTx::parse(block.txs.get(index)?.clone()).ok().and_then(|tx| tx.kind().to().copied());
    let first = LogPlace {
        block_hash: hash,
        height: block.height(),
        tx_hash: receipt.tx_hash,
        tx_index: index as u64,
        log_index: before.logs as u64,
    };
    Some(json!({
        "transactionHash": data(receipt.tx_hash),
        "transactionIndex": quantity(index as u64),
        "blockHash": data(hash),
        "blockNumber": quantity(block.height()),
        "from": data(receipt.sender),
        "to": address_or_null(to),
        "contractAddress": address_or_null(receipt.contract_address),
        "cumulativeGasUsed": quantity(before.gas.saturating_add(receipt.gas_used)),
        "gasUsed": quantity(receipt.gas_used),
        "effectiveGasPrice": quantity(0),
        "logs": logs(receipt, first),
        "logsBloom": data(receipt.bloom()),
        "status": quantity(u64::from(receipt.outcome.succeeded())),
        "type": quantity(u64::from(receipt.tx_type)),
        "concordatOutcome": {
            "code": receipt.outcome.code(),
            "message": receipt.outcome.describe(),
            "output": data(&receipt.output),
        },
    }))
}

fn logs(receipt: &Receipt, first: LogPlace) -> Vec<Value> {
    let places = (first.log_index..).map(|log_index| LogPlace { log_index, ..first });
    receipt.logs.iter().zip(places).map(|(entry, place)| log(entry, &place)).collect()
}
