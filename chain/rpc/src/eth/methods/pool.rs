//! What waits in the pool.

use alloy_primitives::Address;
use serde_json::{Map, Value, json};

use crate::{
    PoolTx,
    eth::{
        Eth,
        args::Args,
        hex::quantity,
        json::{inspect as inspect_line, transaction},
    },
    jsonrpc::RpcResult,
};

/// Most transactions that one answer lists.
const MAX_LISTED: usize = 4096;

pub(super) fn status(eth: &Eth, _: &Args) -> RpcResult {
    let status = eth.api.pool_status();
    Ok(json!({ "pending": quantity(status.pending), "queued": quantity(status.queued) }))
}

pub(super) fn content(eth: &Eth, _: &Args) -> RpcResult {
    Ok(by_sender(&eth.api.pool_content(MAX_LISTED), full))
}

pub(super) fn inspect(eth: &Eth, _: &Args) -> RpcResult {
    Ok(by_sender(&eth.api.pool_content(MAX_LISTED), |waiting| inspect_line(&waiting.tx)))
}

pub(super) fn content_from(eth: &Eth, args: &Args) -> RpcResult {
    let waiting = eth.api.pool_txs_of(&args.required::<Address>(0)?);
    let of = |executable| by_nonce(waiting.iter().filter(|waiting| waiting.executable == executable), full);
    Ok(json!({ "pending": of(true), "queued": of(false) }))
}

fn full(waiting: &PoolTx) -> Value {
    transaction(&waiting.tx, waiting.tx.sender(), None)
}

fn by_nonce<'a>(waiting: impl Iterator<Item = &'a PoolTx>, show: fn(&PoolTx) -> Value) -> Map<String, Value> {
    waiting.map(|waiting| (waiting.tx.nonce().to_string(), show(waiting))).collect()
}

/// go-ethereum's shape: pending or queued, then sender, then nonce in decimal.
fn by_sender(waiting: &[PoolTx], show: fn(&PoolTx) -> Value) -> Value {
    let of = |executable| {
        let mut senders = Map::new();
        for waiting in waiting.iter().filter(|waiting| waiting.executable == executable) {
            let sender = waiting.tx.sender().to_string();
            if let Value::Object(nonces) = senders.entry(sender).or_insert_with(|| json!({})) {
                nonces.insert(waiting.tx.nonce().to_string(), show(waiting));
            }
        }
        senders
    };
    json!({ "pending": of(true), "queued": of(false) })
}
