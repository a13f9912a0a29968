//! Blocks, commits, transactions and the searches for them.

use alloy_primitives::B256;
use concordat_state::TxLocation;
use concordat_types::{Block, Receipt, block as types};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Comet,
    args::Args,
    info::Page,
    json::{self as convert, base64, hex_upper, integer},
    merkle,
    query::{Query, Range},
    service::store_error,
};
use crate::jsonrpc::{Budget, RpcError, RpcResult};

/// Most headers that `blockchain` answers (CometBFT `rpc/core`).
const BLOCKCHAIN_HEADERS: u64 = 20;
/// Most heights that one search looks through.
const SEARCH_HEIGHTS: u64 = 1_000;

pub(super) fn block(comet: &Comet, args: &Args) -> RpcResult {
    block_at(comet, comet.height(args, 0)?)
}

/// Where there is no such block, the fields are empty, as CometBFT answers.
pub(super) fn block_by_hash(comet: &Comet, args: &Args) -> RpcResult {
    match height_by_hash(comet, args)? {
        Some(height) => block_at(comet, height),
        None => Ok(json!({
            "block_id": { "hash": "", "parts": { "total": 0, "hash": "" } },
            "block": Value::Null,
        })),
    }
}

fn block_at(comet: &Comet, height: u64) -> RpcResult {
    let block = required_block(comet, height)?;
    Ok(json!({
        "block_id": convert::block_id(&comet.block_id(height)?)?,
        "block": convert::block(&block)?,
    }))
}

pub(super) fn header(comet: &Comet, args: &Args) -> RpcResult {
    Ok(json!({ "header": header_at(comet, comet.height(args, 0)?)? }))
}

pub(super) fn header_by_hash(comet: &Comet, args: &Args) -> RpcResult {
    let height = height_by_hash(comet, args)?;
    let header = height.map(|height| header_at(comet, height)).transpose()?;
    Ok(json!({ "header": header }))
}

fn header_at(comet: &Comet, height: u64) -> RpcResult {
    let header = comet.store.header(height).map_err(store_error)?;
    convert::header(&header.ok_or_else(|| missing("header", height))?)
}

fn height_by_hash(comet: &Comet, args: &Args) -> Result<Option<u64>, RpcError> {
    comet.store.height_by_hash(&hash_argument(args)?).map_err(store_error)
}

/// The `hash` parameter: base64 in JSON, `0x…` in a URI.
fn hash_argument(args: &Args) -> Result<B256, RpcError> {
    let bytes = args.bytes("hash")?;
    B256::try_from(bytes.as_slice())
        .map_err(|_| RpcError::invalid_params(format!("hash has {} bytes, a hash has 32", bytes.len())))
}

fn required_block(comet: &Comet, height: u64) -> Result<Block, RpcError> {
    comet.store.block(height).map_err(store_error)?.ok_or_else(|| missing("block", height))
}

fn required_receipts(comet: &Comet, height: u64) -> Result<Vec<Receipt>, RpcError> {
    comet.store.receipts(height).map_err(store_error)?.ok_or_else(|| missing("results", height))
}

fn missing(what: &str, height: u64) -> RpcError {
    RpcError::server(format!("the {what} of height {height} is not available"))
}

/// The commit in the next block is canonical; the newest block has only the one this node saw.
pub(super) fn commit(comet: &Comet, args: &Args) -> RpcResult {
    let height = comet.height(args, 0)?;
    let canonical = height < comet.tip()?.height;
    // Where the next block's body is pruned, the commit seen at the time still stands.
    let next = if canonical { comet.store.block(height.saturating_add(1)).ok().flatten() } else { None };
    let commit = match next.and_then(|next| next.last_commit) {
        Some(commit) => commit,
        None => comet.seen_commit(height)?,
    };
    Ok(json!({
        "signed_header": { "header": header_at(comet, height)?, "commit": convert::commit(Some(&commit))? },
        "canonical": canonical,
    }))
}

pub(super) fn block_results(comet: &Comet, args: &Args) -> RpcResult {
    let height = comet.height(args, 0)?;
    let receipts = required_receipts(comet, height)?;
    let root = comet.store.state_root(height).map_err(store_error)?.unwrap_or_default();
    Ok(json!({
        "height": integer(height),
        "txs_results": receipts.iter().map(convert::tx_result).collect::<Vec<_>>(),
        "finalize_block_events": [],
        "validator_updates": [],
        "consensus_param_updates": comet.updated_params(height)?.as_ref().map(convert::consensus_params),
        "app_hash": hex_upper(root),
    }))
}

pub(super) fn blockchain(comet: &Comet, args: &Args) -> RpcResult {
    let tip = comet.tip()?;
    let (base, tip) = (comet.base(&tip), tip.height);
    let bound =
        |name| Ok::<_, RpcError>(args.integer(name)?.filter(|height| *height > 0).map(i64::unsigned_abs));
    let max = bound("maxHeight")?.unwrap_or(tip).min(tip);
    let lowest = max.saturating_sub(BLOCKCHAIN_HEADERS.saturating_sub(1)).max(base);
    let min = bound("minHeight")?.unwrap_or(base).max(lowest);
    if min > max {
        return Err(RpcError::server(format!("min height {min} can't be greater than max height {max}")));
    }
    let metas = (min..=max).rev().map(|height| block_meta(comet, height)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "last_height": integer(tip), "block_metas": metas }))
}

fn block_meta(comet: &Comet, height: u64) -> RpcResult {
    let block = required_block(comet, height)?;
    Ok(json!({
        "block_id": convert::block_id(&comet.block_id(height)?)?,
        "block_size": integer(block.encode().len()),
        "header": convert::header(&block.header)?,
        "num_txs": integer(block.txs.len()),
    }))
}

pub(super) fn tx(comet: &Comet, args: &Args) -> RpcResult {
    let hash = hash_argument(args)?;
    let at = comet.store.tx(&hash).map_err(store_error)?;
    let at = at.ok_or_else(|| RpcError::server(format!("tx ({}) not found", hex::encode_upper(hash))))?;
    let found = TxsOfBlock::load(comet, at.height)?;
    found.row(at.index as usize, args.flag("prove")?)?.ok_or_else(|| missing("transaction", at.height))
}

/// A block's transactions with their results.
struct TxsOfBlock {
    block: Block,
    receipts: Vec<Receipt>,
}

impl TxsOfBlock {
    fn load(comet: &Comet, height: u64) -> Result<Self, RpcError> {
        Ok(Self { block: required_block(comet, height)?, receipts: required_receipts(comet, height)? })
    }

    /// The transaction at a place in the block; `None` where there is none.
    fn row(&self, index: usize, prove: bool) -> Result<Option<Value>, RpcError> {
        let Some((tx, receipt)) = self.block.txs.get(index).zip(self.receipts.get(index)) else {
            return Ok(None);
        };
        let mut row = json!({
            "hash": hex_upper(receipt.tx_hash),
            "height": integer(self.block.height()),
            "index": index,
            "tx_result": convert::tx_result(receipt),
            "tx": base64(tx),
        });
        if prove {
            let leaves: Vec<[u8; 32]> = self.block.txs.iter().map(|tx| Sha256::digest(tx).into()).collect();
            let root = types::to_b256(types::data_hash(&self.block.txs));
            if let (Some(proof), Some(fields)) = (merkle::prove(&leaves, index), row.as_object_mut()) {
                fields.insert("proof".into(), convert::tx_proof(root.as_slice(), tx, &proof)?);
            }
        }
        Ok(Some(row))
    }
}

pub(super) fn tx_search(comet: &Comet, args: &Args) -> RpcResult {
    let query = Query::parse(&args.text("query")?).map_err(RpcError::server)?;
    let prove = args.flag("prove")?;
    let mut places = match query.tx_hash {
        Some(hash) => comet.store.tx(&hash).map_err(store_error)?.into_iter().collect(),
        None => places_in(comet, &searched(comet, query.tx_height, "tx.height")?)?,
    };
    places.retain(|at| query.tx_height.contains(at.height));
    if descending(args)? {
        places.reverse();
    }
    let page = Page::read(args, places.len())?;
    let rows = rows_at(comet, places.iter().skip(page.skip).take(page.take), prove)?;
    Ok(json!({ "txs": rows, "total_count": integer(places.len()) }))
}

/// The transactions at some places. Those of one block stand together, so that each block is read once.
fn rows_at<'a>(
    comet: &Comet,
    places: impl Iterator<Item = &'a TxLocation>,
    prove: bool,
) -> Result<Vec<Value>, RpcError> {
    let mut budget = Budget::new(comet.limits.response_bytes);
    let mut held: Option<TxsOfBlock> = None;
    let mut rows = Vec::new();
    for at in places {
        let block = match held.take().filter(|block| block.block.height() == at.height) {
            Some(block) => held.insert(block),
            None => held.insert(TxsOfBlock::load(comet, at.height)?),
        };
        let row = block.row(at.index as usize, prove)?.ok_or_else(|| missing("transaction", at.height))?;
        rows.push(budget.admit(row)?);
    }
    Ok(rows)
}

fn places_in(comet: &Comet, heights: &std::ops::RangeInclusive<u64>) -> Result<Vec<TxLocation>, RpcError> {
    let mut places = Vec::new();
    for height in heights.clone() {
        let count = comet.store.receipts(height).map_err(store_error)?.map_or(0, |receipts| receipts.len());
        places.extend((0u32..).take(count).map(|index| TxLocation { height, index }));
    }
    Ok(places)
}

pub(super) fn block_search(comet: &Comet, args: &Args) -> RpcResult {
    let query = Query::parse(&args.text("query")?).map_err(RpcError::server)?;
    let mut heights: Vec<u64> = searched(comet, query.block_height, "block.height")?.collect();
    if descending(args)? {
        heights.reverse();
    }
    let page = Page::read(args, heights.len())?;
    let mut budget = Budget::new(comet.limits.response_bytes);
    let found = heights.iter().skip(page.skip).take(page.take);
    let blocks = found.map(|height| budget.admit(block_at(comet, *height)?));
    let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "blocks": blocks, "total_count": integer(heights.len()) }))
}

/// The committed heights that a search looks through, within the limit.
fn searched(comet: &Comet, range: Range, key: &str) -> Result<std::ops::RangeInclusive<u64>, RpcError> {
    if range == Range::default() {
        return Err(RpcError::server(format!("the search needs a condition on {key}")));
    }
    let (from, to) = (range.least.max(comet.initial_height), range.most.min(comet.tip()?.height));
    let count = to.saturating_add(1).saturating_sub(from);
    if count > SEARCH_HEIGHTS {
        return Err(RpcError::server(format!(
            "the search spans {count} heights, limit {SEARCH_HEIGHTS}; narrow it by {key}"
        )));
    }
    Ok(from..=to)
}

fn descending(args: &Args) -> Result<bool, RpcError> {
    match args.text("order_by")?.as_str() {
        "" | "asc" => Ok(false),
        "desc" => Ok(true),
        other => Err(RpcError::invalid_params(format!("order_by is {other:?}; it is asc or desc"))),
    }
}
