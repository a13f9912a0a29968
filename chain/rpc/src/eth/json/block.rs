//! Blocks and headers.
//!
//! A block is a CometBFT block. What Ethereum's clients look at means here:
//! `hash`, `parentHash`: hashes of CometBFT headers; `stateRoot`: root of the sparse Merkle tree after the
//! block; `transactionsRoot`: `data_hash`; `receiptsRoot`: `last_results_hash` of the next header;
//! `miner`: consensus address of the proposer. Fields of proof of work are constant.

use alloy_primitives::{B256, Bloom};
use concordat_types::{Block, Genesis, Receipt, SignedTx, block as types, receipt::results_hash};
use serde_json::{Map, Value, json};

use super::{Inclusion, transaction};
use crate::eth::hex::{data, quantity};

/// keccak256 of the RLP of an empty list (yellow paper, `KEC(RLP(()))`).
const NO_UNCLES: &str = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347";
const ZERO_NONCE: &str = "0x0000000000000000";

/// A committed block and what was computed of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockView<'a> {
    pub block: &'a Block,
    pub hash: B256,
    /// Hash of the previous block; the genesis document's for the first.
    pub parent_hash: B256,
    pub receipts: &'a [Receipt],
    /// State root after the block.
    pub state_root: B256,
    pub gas_limit: u64,
}

/// How a block shows its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bodies {
    Hashes,
    Full,
}

/// A block with its transactions.
pub(crate) fn block(view: &BlockView<'_>, bodies: Bodies) -> Value {
    let mut fields = header_fields(view);
    fields.insert("size".into(), quantity(view.block.encode().len() as u64));
    fields.insert("uncles".into(), json!([]));
    fields.insert("transactions".into(), Value::Array(transactions(view, bodies)));
    Value::Object(fields)
}

/// A header, as `newHeads` sends it.
pub(crate) fn header(view: &BlockView<'_>) -> Value {
    Value::Object(header_fields(view))
}

/// Block 0, which stands for the genesis document: indexers identify a chain by it. Its hash is the
/// document's, which all members compared.
pub(crate) fn genesis_block(genesis: &Genesis, height: u64, state_root: B256) -> Value {
    let empty = data(types::to_b256(types::empty_hash()));
    let mut fields = constants();
    fields.extend(object(json!({
        "number": quantity(height),
        "hash": data(genesis.hash()),
        "parentHash": data(B256::ZERO),
        "timestamp": quantity(u64::try_from(genesis.genesis_time).unwrap_or(0)),
        "miner": data([0u8; 20]),
        "stateRoot": data(state_root),
        "transactionsRoot": empty,
        "receiptsRoot": empty,
        "logsBloom": data(Bloom::ZERO),
        "gasLimit": quantity(genesis.params.block_gas_limit),
        "gasUsed": quantity(0),
        "size": quantity(0),
        "uncles": [],
        "transactions": [],
    })));
    Value::Object(fields)
}

/// A block's time in seconds since 1970, as Ethereum counts.
pub(crate) fn time_secs(block: &Block) -> u64 {
    u64::try_from(block.header.time.unix_timestamp()).unwrap_or(0)
}

fn header_fields(view: &BlockView<'_>) -> Map<String, Value> {
    let header = &view.block.header;
    let gas_used = view.receipts.iter().map(|receipt| receipt.gas_used).fold(0, u64::saturating_add);
    let mut bloom = Bloom::ZERO;
    view.receipts.iter().for_each(|receipt| bloom.accrue_bloom(&receipt.bloom()));
    let mut fields = constants();
    fields.extend(object(json!({
        "number": quantity(view.block.height()),
        "hash": data(view.hash),
        "parentHash": data(view.parent_hash),
        "timestamp": quantity(time_secs(view.block)),
        "miner": data(header.proposer_address),
        "stateRoot": data(view.state_root),
        "transactionsRoot": data(header.data_hash.map_or(B256::ZERO, types::to_b256)),
        "receiptsRoot": data(types::to_b256(results_hash(view.receipts))),
        "logsBloom": data(bloom),
        "gasLimit": quantity(view.gas_limit),
        "gasUsed": quantity(gas_used),
    })));
    fields
}

fn constants() -> Map<String, Value> {
    object(json!({
        "sha3Uncles": NO_UNCLES,
        "nonce": ZERO_NONCE,
        "mixHash": data(B256::ZERO),
        "difficulty": quantity(0),
        "extraData": "0x",
        "baseFeePerGas": quantity(0),
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn transactions(view: &BlockView<'_>, bodies: Bodies) -> Vec<Value> {
    let (block_hash, height, time_secs) = (view.hash, view.block.height(), time_secs(view.block));
    let place = |index| Inclusion { block_hash, height, time_secs, index };
    let numbered = (0u64..).zip(view.receipts.iter().zip(&view.block.txs));
    match bodies {
        Bodies::Hashes => view.receipts.iter().map(|receipt| data(receipt.tx_hash)).collect(),
        Bodies::Full => numbered
            .filter_map(|(index, (receipt, raw))| {
                let tx = SignedTx::parse(raw.clone()).ok()?;
                Some(transaction(&tx, receipt.sender, Some(place(index))))
            })
            .collect(),
    }
}
