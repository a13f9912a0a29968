//! Transactions.

use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_primitives::{Address, B256, U256};
use concordat_types::{
    SignedTx,
    tx::{InstitutionalTx, TxPayload},
};
use serde_json::{Map, Value, json};

use crate::eth::hex::{address_or_null, data, quantity, quantity_u256};

/// Where a transaction stands in the chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inclusion {
    pub block_hash: B256,
    pub height: u64,
    /// The block's time, in seconds since 1970.
    pub time_secs: u64,
    pub index: u64,
}

/// A transaction; `None` as its place while it waits in the pool.
pub(crate) fn transaction(tx: &SignedTx, sender: Address, place: Option<Inclusion>) -> Value {
    let mut fields = match json!({
        "blockHash": place.map_or(Value::Null, |place| data(place.block_hash)),
        "blockNumber": place.map_or(Value::Null, |place| quantity(place.height)),
        "blockTimestamp": place.map_or(Value::Null, |place| quantity(place.time_secs)),
        "transactionIndex": place.map_or(Value::Null, |place| quantity(place.index)),
        "hash": data(tx.hash()),
        "from": data(sender),
        "to": address_or_null(tx.kind().to().copied()),
        "nonce": quantity(tx.nonce()),
        "gas": quantity(tx.gas_limit()),
        "value": quantity_u256(tx.value()),
        "input": data(tx.input()),
        "type": quantity(u64::from(tx.tx_type())),
        "chainId": tx.chain_id().map_or(Value::Null, quantity),
    }) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    match tx.payload() {
        TxPayload::Ethereum(envelope) => add_ethereum(&mut fields, envelope, place.is_some()),
        TxPayload::Institutional(tx) => add_institutional(&mut fields, tx),
    }
    Value::Object(fields)
}

/// Fees as signed, and the secp256k1 signature.
fn add_ethereum(fields: &mut Map<String, Value>, envelope: &TxEnvelope, included: bool) {
    let fee_cap = quantity_u256(U256::from(envelope.max_fee_per_gas()));
    if let Some(tip) = envelope.max_priority_fee_per_gas() {
        // Ethereum shows the price paid once a transaction of type 2 is included: here nothing.
        let price = if included { quantity(0) } else { fee_cap.clone() };
        fields.insert("gasPrice".into(), price);
        fields.insert("maxFeePerGas".into(), fee_cap);
        fields.insert("maxPriorityFeePerGas".into(), quantity_u256(U256::from(tip)));
    } else {
        fields.insert("gasPrice".into(), fee_cap);
    }
    if let Some(list) = envelope.access_list() {
        fields.insert("accessList".into(), access_list(list));
    }
    let signature = envelope.signature();
    let parity = u64::from(signature.v());
    let v = match (envelope, envelope.chain_id()) {
        // EIP-155.
        (TxEnvelope::Legacy(_), Some(chain)) => {
            chain.saturating_mul(2).saturating_add(35).saturating_add(parity)
        }
        _ => parity,
    };
    if !matches!(envelope, TxEnvelope::Legacy(_)) {
        fields.insert("yParity".into(), quantity(parity));
    }
    fields.insert("v".into(), quantity(v));
    fields.insert("r".into(), quantity_u256(signature.r()));
    fields.insert("s".into(), quantity_u256(signature.s()));
}

/// The P-256 key and signature. Ethereum's libraries insist on a `v`; it means nothing here.
fn add_institutional(fields: &mut Map<String, Value>, tx: &InstitutionalTx) {
    let (r, s) = tx.signature.split_at(32);
    fields.insert("gasPrice".into(), quantity(0));
    fields.insert("firstHeight".into(), quantity(tx.first_height));
    fields.insert("lastHeight".into(), quantity(tx.last_height));
    fields.insert("publicKey".into(), data(tx.public_key));
    fields.insert("v".into(), quantity(0));
    fields.insert("yParity".into(), quantity(0));
    fields.insert("r".into(), quantity_u256(U256::from_be_slice(r)));
    fields.insert("s".into(), quantity_u256(U256::from_be_slice(s)));
}

/// An EIP-2930 access list.
pub(crate) fn access_list(list: &alloy_eips::eip2930::AccessList) -> Value {
    list.iter()
        .map(|item| {
            let keys: Vec<Value> = item.storage_keys.iter().map(data).collect();
            json!({ "address": data(item.address), "storageKeys": keys })
        })
        .collect()
}

/// The line of `txpool_inspect` (go-ethereum `eth/api_backend.go`).
pub(crate) fn inspect(tx: &SignedTx) -> Value {
    let price = match tx.payload() {
        TxPayload::Ethereum(envelope) => envelope.max_fee_per_gas(),
        TxPayload::Institutional(_) => 0,
    };
    let gas = tx.gas_limit();
    Value::String(match tx.kind().to() {
        Some(to) => format!("{to:#x}: 0 wei + {gas} gas × {price} wei"),
        None => format!("contract creation: 0 wei + {gas} gas × {price} wei"),
    })
}
