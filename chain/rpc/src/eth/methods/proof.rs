//! `eth_getProof`: EIP-1186's shape around our own proofs.
//!
//! Accounts and slots live in one sparse Merkle tree, so every proof is one ICS 23 `CommitmentProof`
//! (protobuf) against the state root, which the next header carries as `app_hash`. `docs/rpc.md` shows how
//! to verify one.

use alloy_primitives::{Address, B256, U256};
use concordat_core::AccountState;
use concordat_state::Proof;
use concordat_types::StateKey;
use serde_json::{Value, json};

use crate::{
    eth::{
        Eth,
        args::{Args, BlockRef, Slot},
        chain::store_error,
        hex::{data, quantity, quantity_u256},
    },
    jsonrpc::{RpcError, RpcResult},
};

/// keccak256 of nothing: the code hash of an account without code.
const EMPTY_CODE_HASH: &str = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
/// How often a proof is tried anew because a block was committed meanwhile.
const ATTEMPTS: usize = 4;
/// The most keys of the state that may have changed since the block of a proof: undoing them keeps the tree from
/// taking in a block, for some tenths of a second.
const MAX_UNDONE: usize = 100_000;

pub(super) fn get_proof(eth: &Eth, args: &Args) -> RpcResult {
    let address = args.required::<Address>(0)?;
    let slots: Vec<B256> = args.required::<Vec<Slot>>(1)?.into_iter().map(|slot| slot.0).collect();
    let block = args.or_default::<BlockRef>(2)?;
    for _ in 0..ATTEMPTS {
        let tip = eth.tip()?.height;
        let height = eth.resolve(block)?.ok_or_else(|| RpcError::server("header not found"))?;
        if height < tip {
            return prove_earlier(eth, (address, &slots), height);
        }
        if let Some(proof) = prove_all(eth, address, &slots)? {
            return proof;
        }
    }
    Err(RpcError::server("blocks are committed faster than the proof is made; ask for fewer slots"))
}

/// Proves the account and its slots; `None` where a block was committed in between.
fn prove_all(eth: &Eth, address: Address, slots: &[B256]) -> Result<Option<RpcResult>, RpcError> {
    let account = eth.store.prove(&StateKey::account(address)).map_err(store_error)?;
    let storage = slots
        .iter()
        .map(|slot| eth.store.prove(&StateKey::storage(address, *slot)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(store_error)?;
    if storage.iter().any(|proof| proof.state_root != account.state_root || proof.height != account.height) {
        return Ok(None);
    }
    Ok(Some(assemble(address, slots, &account, &storage)))
}

/// The same after a block that is not the newest.
fn prove_earlier(eth: &Eth, (address, slots): (Address, &[B256]), height: u64) -> RpcResult {
    let mut keys = vec![StateKey::account(address)];
    keys.extend(slots.iter().map(|slot| StateKey::storage(address, *slot)));
    let proofs = eth.store.prove_at(height, &keys, MAX_UNDONE).map_err(store_error)?;
    let Some((account, storage)) = proofs.split_first() else {
        return Err(RpcError::internal("a proof is missing"));
    };
    assemble(address, slots, account, storage)
}

fn assemble(address: Address, slots: &[B256], account: &Proof, storage: &[Proof]) -> RpcResult {
    let encoded = account.value.as_deref();
    let state = match encoded {
        Some(bytes) => AccountState::decode(bytes)
            .ok_or_else(|| RpcError::internal(format!("account {address} is stored malformed")))?,
        None => AccountState::default(),
    };
    let slots: Vec<Value> = slots.iter().zip(storage).map(|(slot, proof)| slot_json(slot, proof)).collect();
    Ok(json!({
        "address": data(address),
        "balance": quantity(0),
        "nonce": quantity(state.nonce),
        "codeHash": state.code_hash.map_or_else(|| Value::String(EMPTY_CODE_HASH.into()), data),
        "storageHash": data(account.state_root),
        "accountProof": [data(account.encode())],
        "storageProof": slots,
        "concordatProof": {
            "format": "ics23:smt",
            "height": quantity(account.height),
            "headerHeight": quantity(account.height.saturating_add(1)),
            "stateRoot": data(account.state_root),
            "key": data(&account.key),
            "value": encoded.map_or(Value::Null, data),
        },
    }))
}

fn slot_json(slot: &B256, proof: &Proof) -> Value {
    let stored = proof.value.as_deref();
    json!({
        "key": data(slot),
        "value": quantity_u256(stored.and_then(U256::try_from_be_slice).unwrap_or_default()),
        "proof": [data(proof.encode())],
        "concordatKey": data(&proof.key),
        "concordatValue": stored.map_or(Value::Null, data),
    })
}
