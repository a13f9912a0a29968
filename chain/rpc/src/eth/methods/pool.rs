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
    jsonrpc::{Budget, RpcError, RpcResult},
};

/// Most transactions that one answer lists.
const MAX_LISTED: usize = 4096;

pub(super) fn status(eth: &Eth, _: &Args) -> RpcResult {
    let status = eth.api.pool_status();
    Ok(json!({ "pending": quantity(status.pending), "queued": quantity(status.queued) }))
}

pub(super) fn content(eth: &Eth, _: &Args) -> RpcResult {
    by_sender(eth, full)
}

pub(super) fn inspect(eth: &Eth, _: &Args) -> RpcResult {
    by_sender(eth, |waiting| inspect_line(&waiting.tx))
}

pub(super) fn content_from(eth: &Eth, args: &Args) -> RpcResult {
    let waiting = eth.api.pool_txs_of(&args.required::<Address>(0)?);
    let mut budget = Budget::new(eth.limits.response_bytes);
    let mut of = |executable| {
        let chosen = waiting.iter().filter(|waiting| waiting.executable == executable);
        let rows = chosen.map(|waiting| Ok((waiting.tx.nonce().to_string(), budget.admit(full(waiting))?)));
        rows.collect::<Result<Map<_, _>, RpcError>>()
    };
    Ok(json!({ "pending": of(true)?, "queued": of(false)? }))
}

fn full(waiting: &PoolTx) -> Value {
    transaction(&waiting.tx, waiting.tx.sender(), None)
}

/// go-ethereum's shape: pending or queued, then sender, then nonce in decimal.
fn by_sender(eth: &Eth, show: fn(&PoolTx) -> Value) -> RpcResult {
    let mut budget = Budget::new(eth.limits.response_bytes);
    let (mut pending, mut queued) = (Map::new(), Map::new());
    for waiting in eth.api.pool_content(MAX_LISTED) {
        let senders = if waiting.executable { &mut pending } else { &mut queued };
        let sender = waiting.tx.sender().to_string();
        if let Value::Object(nonces) = senders.entry(sender).or_insert_with(|| json!({})) {
            nonces.insert(waiting.tx.nonce().to_string(), budget.admit(show(&waiting))?);
        }
    }
    Ok(json!({ "pending": pending, "queued": queued }))
}
