//! Answers about the node and the network.

use alloy_primitives::{Bytes, keccak256};
use serde_json::{Value, json};

use crate::{
    eth::{
        Eth,
        args::Args,
        hex::{data, quantity},
        methods::METHODS,
    },
    jsonrpc::RpcResult,
};

pub(super) fn client_version(eth: &Eth, _: &Args) -> RpcResult {
    Ok(Value::String(eth.api.node_info().client_version))
}

pub(super) fn sha3(_: &Eth, args: &Args) -> RpcResult {
    Ok(data(keccak256(args.required::<Bytes>(0)?)))
}

pub(super) fn net_version(eth: &Eth, _: &Args) -> RpcResult {
    Ok(Value::String(eth.genesis.evm_chain_id.to_string()))
}

pub(super) fn listening(_: &Eth, _: &Args) -> RpcResult {
    Ok(Value::Bool(true))
}

pub(super) fn peer_count(eth: &Eth, _: &Args) -> RpcResult {
    Ok(quantity(eth.api.peers().len() as u64))
}

pub(super) fn modules(_: &Eth, _: &Args) -> RpcResult {
    let spaces = METHODS.iter().filter_map(|method| method.name.split_once('_')).map(|(space, _)| space);
    Ok(Value::Object(spaces.map(|space| (space.to_owned(), json!("1.0"))).collect()))
}

pub(super) fn chain_id(eth: &Eth, _: &Args) -> RpcResult {
    Ok(quantity(eth.genesis.evm_chain_id))
}

/// Ethereum's wire protocol 65, as nodes answered when the method was given up.
pub(super) fn protocol_version(_: &Eth, _: &Args) -> RpcResult {
    Ok(quantity(65))
}

pub(super) fn syncing(eth: &Eth, _: &Args) -> RpcResult {
    let status = eth.api.sync_status();
    if !status.catching_up {
        return Ok(Value::Bool(false));
    }
    let current = eth.tip()?.height;
    Ok(json!({
        "startingBlock": quantity(status.starting_height),
        "currentBlock": quantity(current),
        "highestBlock": quantity(status.highest_height.max(current)),
    }))
}

pub(super) fn accounts(_: &Eth, _: &Args) -> RpcResult {
    Ok(json!([]))
}

pub(super) fn mining(_: &Eth, _: &Args) -> RpcResult {
    Ok(Value::Bool(false))
}

pub(super) fn zero(_: &Eth, _: &Args) -> RpcResult {
    Ok(quantity(0))
}
