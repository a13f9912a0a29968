//! What rollbacks are planned from: how storage changed, and what each transaction of a block did to it. Ethereum has no
//! such methods; they stand in a name space of our own.

use alloy_primitives::{Address, B256, U256};
use concordat_core::{SlotAccess, TxAccess};
use concordat_state::Change;
use concordat_types::{SignedTx, StateKey};
use serde_json::{Value, json};

use super::execution::execution_error;
use crate::{
    eth::{
        Eth,
        args::{Args, BlockTag},
        chain::store_error,
        hex::{data, quantity, quantity_u256},
    },
    jsonrpc::{RpcError, RpcResult},
};

/// The most slots of one contract that an answer looks at.
const MAX_SLOTS: usize = 10_000;

/// Bytes of a slot's key in the state before the slot: what it is, and the contract.
const SLOT_PREFIX_BYTES: usize = 21;

pub(super) fn storage_changes(eth: &Eth, args: &Args) -> RpcResult {
    let contract = args.required::<Address>(0)?;
    let from = height(eth, args.required(1)?)?;
    let to = height(eth, args.or_default(2)?)?;
    let (blocks, limit) = (to.saturating_sub(from), eth.limits.log_range_blocks);
    if from > to || blocks > limit {
        return Err(RpcError::limit_exceeded(format!(
            "block range too large: from {from} to {to}, limit {limit} blocks upwards; ask for less at a time"
        )));
    }
    let key = StateKey::storage(contract, B256::ZERO);
    let prefix = key.as_bytes().get(..SLOT_PREFIX_BYTES).unwrap_or_default();
    let changes = eth.store.changes_between(prefix, (from, to), MAX_SLOTS).map_err(store_error)?;
    let slots: Vec<Value> = changes.iter().map(slot_change).collect::<Result<_, _>>()?;
    Ok(json!({
        "contract": data(contract),
        "fromBlock": quantity(from),
        "fromStateRoot": root(eth, from)?,
        "toBlock": quantity(to),
        "toStateRoot": root(eth, to)?,
        "slots": slots,
    }))
}

pub(super) fn block_access(eth: &Eth, args: &Args) -> RpcResult {
    let height = height(eth, args.required(0)?)?;
    let loaded = eth.load(height)?.ok_or_else(|| RpcError::server("header not found"))?;
    let verify = |raw: &alloy_primitives::Bytes| {
        SignedTx::parse(raw.clone()).and_then(|tx| tx.verify(eth.genesis.evm_chain_id))
    };
    let txs = loaded.block.txs.iter().map(verify).collect::<Result<Vec<_>, _>>();
    let txs = txs.map_err(RpcError::internal)?;
    let before = height.saturating_sub(1);
    let parent = eth.store.state_at(before).map_err(store_error)?;
    let env = eth.env_with_signers(height, before)?;
    let access = concordat_core::block_access(parent, env, &txs, eth.limits.response_bytes);
    let access = access.map_err(execution_error)?;
    Ok(
        json!({ "block": quantity(height), "transactions": access.iter().map(transaction).collect::<Vec<_>>() }),
    )
}

fn height(eth: &Eth, tag: BlockTag) -> Result<u64, RpcError> {
    eth.resolve_tag(tag)?.ok_or_else(|| RpcError::server("header not found"))
}

fn root(eth: &Eth, height: u64) -> RpcResult {
    Ok(eth.store.state_root(height).map_err(store_error)?.map_or(Value::Null, data))
}

fn slot_change(change: &Change) -> RpcResult {
    let malformed = || RpcError::internal("a slot is stored malformed");
    let slot = change.key.as_bytes().get(SLOT_PREFIX_BYTES..).and_then(U256::try_from_be_slice);
    let word = |value: &Option<Vec<u8>>| match value {
        None => Some(U256::ZERO),
        Some(bytes) => U256::try_from_be_slice(bytes),
    };
    let (slot, before, after) = (slot.ok_or_else(malformed)?, word(&change.before), word(&change.after));
    Ok(json!({
        "slot": quantity_u256(slot),
        "before": quantity_u256(before.ok_or_else(malformed)?),
        "after": quantity_u256(after.ok_or_else(malformed)?),
    }))
}

fn transaction(access: &TxAccess) -> Value {
    let TxAccess { hash, made, slots } = access;
    json!({
        "hash": data(hash),
        "made": made.iter().map(data).collect::<Vec<_>>(),
        "slots": slots.iter().map(slot_access).collect::<Vec<_>>(),
    })
}

fn slot_access(access: &SlotAccess) -> Value {
    let SlotAccess { contract, slot, before, after } = access;
    json!({
        "contract": data(contract),
        "slot": quantity_u256(*slot),
        "before": quantity_u256(*before),
        "after": quantity_u256(*after),
    })
}
