//! What lists are made of: the keys of a system contract's table, page by page. Contracts cannot ask for them, since a
//! block must not read a range; what a key stands for is asked of the contract's views.

use alloy_primitives::Bytes;
use concordat_types::StateKey;
use serde_json::{Value, json};

use super::state::read_error;
use crate::{
    eth::{
        Eth,
        args::{Args, BlockTag},
        hex::{data, quantity},
    },
    jsonrpc::{RpcError, RpcResult},
};

/// The most keys of a page.
const MAX_KEYS: u64 = 1_000;

/// Bytes of a row's key in the state before the key within its table: what it is, and the table.
const PREFIX_BYTES: usize = 2;

pub(super) fn keys(eth: &Eth, args: &Args) -> RpcResult {
    let table = table(args.required(0)?)?;
    let after = args.optional::<Bytes>(1)?.map(|after| StateKey::system(table, &after));
    let limit = args.optional::<u64>(2)?.unwrap_or(MAX_KEYS);
    if !(1..=MAX_KEYS).contains(&limit) {
        return Err(RpcError::invalid_params(format!(
            "invalid argument 2: {limit} keys, of 1 to {MAX_KEYS}"
        )));
    }
    let height = recent(eth, args.or_default(3)?)?;
    let state = eth.state(BlockTag::Height(height).into())?;
    let limit = usize::try_from(limit).map_err(RpcError::internal)?;
    let prefix = StateKey::system(table, &[]);
    // One more than asked for tells whether there are more.
    let found = state.scan_after(prefix.as_bytes(), after.as_ref(), limit.saturating_add(1));
    let found = found.map_err(read_error)?;
    let key = |key: &StateKey| data(key.as_bytes().get(PREFIX_BYTES..).unwrap_or_default());
    let keys: Vec<Value> = found.iter().take(limit).map(|(row, _)| key(row)).collect();
    Ok(json!({ "block": quantity(height), "keys": keys, "more": found.len() > limit }))
}

fn table(number: u64) -> Result<u8, RpcError> {
    u8::try_from(number).map_err(|_| {
        RpcError::invalid_params(format!("invalid argument 0: table {number:#x} of 0x0 to 0xff"))
    })
}

/// The height that is asked about. What changed since is looked through, so that it must not be long past.
fn recent(eth: &Eth, tag: BlockTag) -> Result<u64, RpcError> {
    let height = eth.resolve_tag(tag)?.ok_or_else(|| RpcError::server("header not found"))?;
    let (tip, limit) = (eth.tip()?.height, eth.limits.log_range_blocks);
    if tip.saturating_sub(height) > limit {
        return Err(RpcError::limit_exceeded(format!(
            "block range too large: from {height} to the newest, {tip}, limit {limit} blocks; ask about a later one"
        )));
    }
    Ok(height)
}
