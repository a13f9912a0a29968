//! Reading accounts.

use alloy_primitives::Address;
use concordat_types::ReadError;
use serde_json::Value;

use crate::{
    eth::{
        Eth,
        args::{Args, BlockRef, BlockTag, Slot},
        hex::{data, quantity},
    },
    jsonrpc::{RpcError, RpcResult},
};

/// A failed read as clients are told of it.
pub(super) fn read_error(error: ReadError) -> RpcError {
    RpcError::internal(error)
}

/// There is no native token; the parameters are checked all the same.
pub(super) fn balance(eth: &Eth, args: &Args) -> RpcResult {
    args.required::<Address>(0)?;
    eth.state(args.or_default(1)?)?;
    Ok(quantity(0))
}

pub(super) fn code(eth: &Eth, args: &Args) -> RpcResult {
    let address = args.required(0)?;
    let state = eth.state(args.or_default(1)?)?;
    concordat_core::code(&state, address).map(data).map_err(read_error)
}

pub(super) fn storage(eth: &Eth, args: &Args) -> RpcResult {
    let (address, slot) = (args.required(0)?, args.required::<Slot>(1)?.0);
    let state = eth.state(args.or_default(2)?)?;
    concordat_core::storage(&state, address, slot).map(data).map_err(read_error)
}

pub(super) fn nonce(eth: &Eth, args: &Args) -> RpcResult {
    let address = args.required::<Address>(0)?;
    let block = args.or_default::<BlockRef>(1)?;
    let count = concordat_core::account_state(&eth.state(block)?, address).map_err(read_error)?.nonce;
    let waiting = match block {
        BlockRef::Tag(BlockTag::Pending) => eth.api.pending_nonce(&address),
        _ => None,
    };
    let next: Value = quantity(waiting.unwrap_or(0).max(count));
    Ok(next)
}
