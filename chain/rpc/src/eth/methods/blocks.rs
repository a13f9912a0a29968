//! Blocks.

use serde_json::{Value, json};

use crate::{
    eth::{
        Eth,
        args::{Args, BlockRef, BlockTag},
        chain::store_error,
        hex::quantity,
        json::{self as convert, Bodies},
    },
    jsonrpc::{RpcError, RpcResult},
};

/// Most blocks that one fee history covers; more is cut, as go-ethereum does.
const MAX_FEE_HISTORY: u64 = 128;
/// Most percentiles of one fee history (go-ethereum `eth/gasprice`).
const MAX_PERCENTILES: usize = 100;

pub(super) fn block_number(eth: &Eth, _: &Args) -> RpcResult {
    Ok(quantity(eth.tip()?.height))
}

pub(super) fn by_number(eth: &Eth, args: &Args) -> RpcResult {
    eth.block_json(eth.resolve_tag(args.required(0)?)?, bodies(args)?)
}

pub(super) fn by_hash(eth: &Eth, args: &Args) -> RpcResult {
    eth.block_json(eth.resolve(BlockRef::Hash(args.required(0)?))?, bodies(args)?)
}

fn bodies(args: &Args) -> Result<Bodies, RpcError> {
    Ok(if args.or_default(1)? { Bodies::Full } else { Bodies::Hashes })
}

pub(super) fn count_by_number(eth: &Eth, args: &Args) -> RpcResult {
    count(eth, BlockRef::Tag(args.required(0)?))
}

pub(super) fn count_by_hash(eth: &Eth, args: &Args) -> RpcResult {
    count(eth, BlockRef::Hash(args.required(0)?))
}

fn count(eth: &Eth, block: BlockRef) -> RpcResult {
    let Some(height) = eth.resolve(block)? else { return Ok(Value::Null) };
    let receipts = eth.store.receipts(height).map_err(store_error)?;
    Ok(quantity(receipts.map_or(0, |receipts| receipts.len() as u64)))
}

pub(super) fn uncle_count_by_number(eth: &Eth, args: &Args) -> RpcResult {
    Ok(eth.resolve(BlockRef::Tag(args.required(0)?))?.map_or(Value::Null, |_| quantity(0)))
}

pub(super) fn uncle_count_by_hash(eth: &Eth, args: &Args) -> RpcResult {
    Ok(eth.resolve(BlockRef::Hash(args.required(0)?))?.map_or(Value::Null, |_| quantity(0)))
}

pub(super) fn no_uncle(_: &Eth, args: &Args) -> RpcResult {
    args.required::<BlockRef>(0)?;
    args.required::<u64>(1)?;
    Ok(Value::Null)
}

pub(super) fn receipts(eth: &Eth, args: &Args) -> RpcResult {
    let Some(height) = eth.resolve(args.required::<BlockRef>(0)?)? else { return Ok(Value::Null) };
    let loaded = eth.load(height)?;
    let receipts = loaded.map(|loaded| convert::receipts(&loaded.block, loaded.hash, &loaded.receipts));
    Ok(Value::Array(receipts.unwrap_or_default()))
}

/// Fees are zero; what clients get out of it is how full blocks are.
pub(super) fn fee_history(eth: &Eth, args: &Args) -> RpcResult {
    let count = args.required::<FeeHistoryCount>(0)?.0.min(MAX_FEE_HISTORY);
    let newest = args.required::<BlockTag>(1)?;
    let percentiles = args.optional::<Vec<Value>>(2)?;
    let rewards = percentiles.as_deref().map(check_percentiles).transpose()?;
    let newest = eth.resolve_tag(newest)?.ok_or_else(|| {
        RpcError::server("request beyond head block: the newest block asked for does not exist")
    })?;
    if count == 0 {
        return Ok(json!({ "oldestBlock": quantity(0), "gasUsedRatio": [] }));
    }
    let oldest = newest.saturating_sub(count.saturating_sub(1)).max(eth.genesis_height);
    let ratios =
        (oldest..=newest).map(|height| gas_used_ratio(eth, height)).collect::<Result<Vec<_>, _>>()?;
    let zeros = |count: usize| vec![quantity(0); count];
    let mut history = json!({
        "oldestBlock": quantity(oldest),
        "baseFeePerGas": zeros(ratios.len().saturating_add(1)),
        "gasUsedRatio": ratios,
    });
    if let (Some(rewards), Some(fields)) = (rewards, history.as_object_mut()) {
        fields.insert("reward".into(), json!(vec![zeros(rewards); ratios.len()]));
    }
    Ok(history)
}

fn gas_used_ratio(eth: &Eth, height: u64) -> Result<f64, RpcError> {
    let receipts = eth.store.receipts(height).map_err(store_error)?.unwrap_or_default();
    let used: u64 = receipts.iter().map(|receipt| receipt.gas_used).fold(0, u64::saturating_add);
    Ok(used as f64 / eth.params(height)?.block_gas_limit as f64)
}

/// How many percentiles there are, all of them sound.
fn check_percentiles(percentiles: &[Value]) -> Result<usize, RpcError> {
    if percentiles.len() > MAX_PERCENTILES {
        return Err(RpcError::invalid_params(format!(
            "over the query limit {MAX_PERCENTILES} of percentiles"
        )));
    }
    let mut previous = 0.0;
    for (index, value) in percentiles.iter().enumerate() {
        let percentile = value.as_f64().filter(|p| (0.0..=100.0).contains(p));
        let percentile = percentile.ok_or_else(|| {
            RpcError::invalid_params(format!(
                "invalid reward percentile #{index}: {value} is not between 0 and 100"
            ))
        })?;
        if percentile < previous {
            return Err(RpcError::invalid_params(format!(
                "invalid reward percentile: #{index} ({percentile}) is below the one before it"
            )));
        }
        previous = percentile;
    }
    Ok(percentiles.len())
}

/// A count of blocks: a quantity, or a plain number as web3.js and others send it.
struct FeeHistoryCount(u64);

impl crate::eth::args::FromArg for FeeHistoryCount {
    fn from_arg(value: &Value) -> Result<Self, String> {
        match value.as_u64() {
            Some(number) => Ok(Self(number)),
            None => u64::from_arg(value).map(Self),
        }
    }
}
