//! Transactions and receipts.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use concordat_types::SignedTx;
use futures::future::{BoxFuture, FutureExt as _};
use serde_json::Value;

use crate::{
    SubmitError,
    eth::{
        Eth,
        args::{Args, BlockRef},
        chain::Loaded,
        hex::data,
        json::{self as convert, Inclusion},
    },
    jsonrpc::{Params, RpcError, RpcResult},
};

pub(super) fn by_hash(eth: &Eth, args: &Args) -> RpcResult {
    let hash = args.required::<B256>(0)?;
    if let Some((at, loaded)) = eth.locate(&hash)? {
        return Ok(transaction_at(&loaded, at.index as usize));
    }
    let waiting = eth.api.pool_tx(&hash);
    Ok(waiting.map_or(Value::Null, |waiting| convert::transaction(&waiting.tx, waiting.tx.sender(), None)))
}

pub(super) fn by_number_and_index(eth: &Eth, args: &Args) -> RpcResult {
    let height = eth.resolve_tag(args.required(0)?)?;
    by_place(eth, height, args.required(1)?)
}

pub(super) fn by_hash_and_index(eth: &Eth, args: &Args) -> RpcResult {
    let height = eth.resolve(BlockRef::Hash(args.required(0)?))?;
    by_place(eth, height, args.required(1)?)
}

fn by_place(eth: &Eth, height: Option<u64>, index: u64) -> RpcResult {
    let loaded = height.map(|height| eth.load(height)).transpose()?.flatten();
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    Ok(loaded.map_or(Value::Null, |loaded| transaction_at(&loaded, index)))
}

fn transaction_at(loaded: &Loaded, index: usize) -> Value {
    let found = loaded.block.txs.get(index).zip(loaded.receipts.get(index));
    let parsed = found.and_then(|(raw, receipt)| Some((SignedTx::parse(raw.clone()).ok()?, receipt.sender)));
    let place = Inclusion {
        block_hash: loaded.hash,
        height: loaded.block.height(),
        time_secs: convert::time_secs(&loaded.block),
        index: index as u64,
    };
    parsed.map_or(Value::Null, |(tx, sender)| convert::transaction(&tx, sender, Some(place)))
}

pub(super) fn raw_by_hash(eth: &Eth, args: &Args) -> RpcResult {
    let hash = args.required::<B256>(0)?;
    let raw = match eth.locate(&hash)? {
        Some((at, loaded)) => loaded.block.txs.get(at.index as usize).cloned(),
        None => eth.api.pool_tx(&hash).map(|waiting| waiting.tx.raw().clone()),
    };
    Ok(raw.map_or(Value::Null, data))
}

pub(super) fn receipt(eth: &Eth, args: &Args) -> RpcResult {
    let located = eth.locate(&args.required(0)?)?;
    let receipt = located.and_then(|(at, loaded)| {
        convert::receipt(&loaded.block, loaded.hash, &loaded.receipts, at.index as usize)
    });
    Ok(receipt.unwrap_or(Value::Null))
}

pub(super) fn send_raw(eth: Arc<Eth>, args: Args) -> BoxFuture<'static, RpcResult> {
    async move {
        let raw = args.required::<Bytes>(0)?;
        eth.api.submit(raw).await.map(data).map_err(refusal)
    }
    .boxed()
}

/// The transactions of a batch, by the parameters of each call; the answers in the same order.
pub(crate) async fn send_raw_all(eth: &Eth, params: Vec<Params>) -> Vec<RpcResult> {
    let read = |params| Args::new(params, 1).and_then(|args| args.required::<Bytes>(0));
    let mut raws = Vec::with_capacity(params.len());
    let wrong: Vec<Option<RpcError>> =
        params.into_iter().map(|params| read(params).map(|raw| raws.push(raw)).err()).collect();
    let mut answers = eth.api.submit_all(raws).await.into_iter();
    let mut next = || match answers.next() {
        Some(answer) => answer.map(data).map_err(refusal),
        None => Err(RpcError::internal("the node did not answer each transaction of a batch")),
    };
    wrong.into_iter().map(|wrong| wrong.map_or_else(&mut next, Err)).collect()
}

/// All refusals are -32000 with texts that clients look into, as go-ethereum's are.
fn refusal(error: SubmitError) -> RpcError {
    RpcError::server(error.to_string())
}
