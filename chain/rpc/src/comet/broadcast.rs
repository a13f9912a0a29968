//! Handing in transactions, and the pool.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{B256, Bytes, keccak256};
use concordat_types::Receipt;
use futures::future::{BoxFuture, FutureExt as _};
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    Comet,
    args::Args,
    json::{self as convert, CODESPACE, base64, hex_upper, integer},
};
use crate::{
    CommittedBlock, SubmitError,
    jsonrpc::{RpcError, RpcResult},
};

/// Waiting transactions listed where the caller does not say (CometBFT `rpc/core`).
const DEFAULT_LISTED: usize = 30;
/// Most waiting transactions that are listed.
const MAX_LISTED: usize = 100;

/// ABCI `CheckTx` codes of refusals. They are ours and never change.
const fn check_code(error: &SubmitError) -> u32 {
    match error {
        SubmitError::Transaction(_) => 64,
        SubmitError::Invalid(_) => 65,
        SubmitError::AlreadyKnown => 66,
        SubmitError::NonceTooFar { .. } => 67,
        SubmitError::NonceHeld { .. } => 68,
        SubmitError::PoolFull { .. } => 69,
        SubmitError::SenderFull { .. } => 70,
        SubmitError::Unavailable(_) => 71,
    }
}

fn broadcast_answer(hash: B256, refusal: Option<&SubmitError>) -> Value {
    json!({
        "code": refusal.map_or(0, check_code),
        "data": "",
        "log": refusal.map(ToString::to_string).unwrap_or_default(),
        "codespace": refusal.map_or("", |_| CODESPACE),
        "hash": hex_upper(hash),
    })
}

pub(super) fn asynchronous(comet: Arc<Comet>, args: Args) -> BoxFuture<'static, RpcResult> {
    async move {
        let tx = Bytes::from(args.bytes("tx")?);
        let hash = keccak256(&tx);
        tokio::spawn(async move {
            if let Err(refusal) = comet.api.submit(tx).await {
                tracing::debug!(%hash, %refusal, "a transaction handed in without waiting was refused");
            }
        });
        Ok(broadcast_answer(hash, None))
    }
    .boxed()
}

pub(super) fn synchronous(comet: Arc<Comet>, args: Args) -> BoxFuture<'static, RpcResult> {
    async move {
        let tx = Bytes::from(args.bytes("tx")?);
        let hash = keccak256(&tx);
        let refusal = comet.api.submit(tx).await.err();
        Ok(broadcast_answer(hash, refusal.as_ref()))
    }
    .boxed()
}

pub(super) fn committed(comet: Arc<Comet>, args: Args) -> BoxFuture<'static, RpcResult> {
    async move {
        let tx = Bytes::from(args.bytes("tx")?);
        let hash = keccak256(&tx);
        // Before it is handed in, so that its block cannot be missed.
        let mut blocks = comet.api.subscribe_blocks();
        if let Err(refusal) = comet.api.submit(tx).await {
            return Ok(commit_answer(hash, Some(&refusal), None));
        }
        let limit_ms = comet.limits.broadcast_commit_timeout_ms;
        let wait = included(&comet, &mut blocks, hash);
        match tokio::time::timeout(Duration::from_millis(limit_ms), wait).await {
            Ok(found) => found.map(|(height, receipt)| commit_answer(hash, None, Some((height, &receipt)))),
            Err(_) => Err(RpcError::server(format!(
                "timed out waiting for tx {hash} to be included in a block ({limit_ms} ms); it may still be"
            ))),
        }
    }
    .boxed()
}

/// Waits for the block that has the transaction.
async fn included(
    comet: &Arc<Comet>,
    blocks: &mut Receiver<Arc<CommittedBlock>>,
    hash: B256,
) -> Result<(u64, Receipt), RpcError> {
    loop {
        match blocks.recv().await {
            Ok(block) => {
                if let Some(receipt) = block.receipts.iter().find(|receipt| receipt.tx_hash == hash) {
                    return Ok((block.block.height(), receipt.clone()));
                }
            }
            Err(RecvError::Lagged(_)) => {
                if let Some(found) = stored(Arc::clone(comet), hash).await? {
                    return Ok(found);
                }
            }
            Err(RecvError::Closed) => return Err(RpcError::server("the node is stopping")),
        }
    }
}

/// Looks the transaction up, where blocks came faster than they were looked at.
async fn stored(comet: Arc<Comet>, hash: B256) -> Result<Option<(u64, Receipt)>, RpcError> {
    let lookup = move || {
        let Some(at) = comet.store.tx(&hash)? else { return Ok(None) };
        Ok(comet.store.receipt(at)?.map(|receipt| (at.height, receipt)))
    };
    let found: Result<_, concordat_state::StoreError> =
        tokio::task::spawn_blocking(lookup).await.map_err(RpcError::internal)?;
    found.map_err(super::service::store_error)
}

fn commit_answer(hash: B256, refusal: Option<&SubmitError>, found: Option<(u64, &Receipt)>) -> Value {
    let empty = || json!({ "code": 0, "data": "", "log": "", "info": "", "gas_wanted": "0", "gas_used": "0", "events": [], "codespace": "" });
    let mut check = empty();
    if let (Some(refusal), Some(fields)) = (refusal, check.as_object_mut()) {
        fields.insert("code".into(), json!(check_code(refusal)));
        fields.insert("log".into(), json!(refusal.to_string()));
        fields.insert("codespace".into(), json!(CODESPACE));
    }
    json!({
        "check_tx": check,
        "tx_result": found.map_or_else(empty, |(_, receipt)| convert::tx_result(receipt)),
        "hash": hex_upper(hash),
        "height": integer(found.map_or(0, |(height, _)| height)),
    })
}

pub(super) fn unconfirmed(comet: &Comet, args: &Args) -> RpcResult {
    let limit = match args.integer("limit")? {
        Some(limit) if limit > 0 => usize::try_from(limit).unwrap_or(MAX_LISTED).min(MAX_LISTED),
        _ => DEFAULT_LISTED,
    };
    let waiting = comet.api.pool_content(limit);
    let txs: Vec<Value> = waiting.iter().map(|waiting| base64(waiting.tx.raw())).collect();
    Ok(pool_answer(comet, txs.len() as u64, Some(txs)))
}

pub(super) fn num_unconfirmed(comet: &Comet, _: &Args) -> RpcResult {
    let status = comet.api.pool_status();
    Ok(pool_answer(comet, status.pending.saturating_add(status.queued), None))
}

fn pool_answer(comet: &Comet, listed: u64, txs: Option<Vec<Value>>) -> Value {
    let status = comet.api.pool_status();
    json!({
        "n_txs": integer(listed),
        "total": integer(status.pending.saturating_add(status.queued)),
        "total_bytes": integer(status.bytes),
        "txs": txs,
    })
}
