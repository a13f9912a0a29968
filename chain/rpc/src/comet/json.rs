//! From the ledger's types to CometBFT's JSON. Pure: values in, values out.
//!
//! Hashes are upper-case hexadecimal, bytes are base64, 64-bit integers are strings.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use concordat_types::{Block, Genesis, Receipt, ValidatorSet, genesis::ChainParams};
use serde_json::{Value, json};
use tendermint::{
    block::{Commit, Header, Id},
    merkle::Proof,
};

use crate::{NodeInfo, PeerInfo, jsonrpc::RpcError};

/// The CometBFT version whose RPC this is. cosmjs and tendermint-rs choose their parsers by it.
pub(crate) const COMETBFT_VERSION: &str = "0.38.17";

/// CometBFT's peer-to-peer protocol version. Ours differs, and no tool looks at it.
const P2P_VERSION: &str = "8";

/// Bytes in base64.
pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(STANDARD.encode(bytes))
}

/// Bytes in upper-case hexadecimal.
pub(crate) fn hex_upper(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(hex::encode_upper(bytes))
}

/// A 64-bit integer.
pub(crate) fn integer(number: impl std::fmt::Display) -> Value {
    Value::String(number.to_string())
}

/// A type of the `tendermint` crate, which knows its JSON.
fn known(value: &impl serde::Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(RpcError::internal)
}

/// The id of no block: the predecessor of the first. cosmjs wants an object there too.
fn no_block_id() -> Value {
    json!({ "hash": "", "parts": { "total": 0, "hash": "" } })
}

/// A header.
pub(crate) fn header(header: &Header) -> Result<Value, RpcError> {
    let mut value = known(header)?;
    if let Some(id) = value.get_mut("last_block_id").filter(|id| id.is_null()) {
        *id = no_block_id();
    }
    Ok(value)
}

/// A block id.
pub(crate) fn block_id(id: &Id) -> Result<Value, RpcError> {
    known(id)
}

/// A commit; the first block's is empty.
pub(crate) fn commit(commit: Option<&Commit>) -> Result<Value, RpcError> {
    match commit {
        Some(commit) => known(commit),
        None => Ok(json!({ "height": "0", "round": 0, "block_id": no_block_id(), "signatures": [] })),
    }
}

/// A block without its id.
pub(crate) fn block(block: &Block) -> Result<Value, RpcError> {
    Ok(json!({
        "header": header(&block.header)?,
        "data": { "txs": block.txs.iter().map(base64).collect::<Vec<_>>() },
        "evidence": { "evidence": [] },
        "last_commit": commit(block.last_commit.as_ref())?,
    }))
}

/// What became of a transaction (ABCI `ExecTxResult`).
pub(crate) fn tx_result(receipt: &Receipt) -> Value {
    let result = receipt.comet_result();
    let log = if receipt.outcome.succeeded() { "" } else { receipt.outcome.describe() };
    json!({
        "code": result.code,
        "data": base64(&result.data),
        "log": log,
        "info": "",
        "gas_wanted": integer(result.gas_wanted),
        "gas_used": integer(result.gas_used),
        "events": [],
        "codespace": if receipt.outcome.succeeded() { "" } else { CODESPACE },
    })
}

/// Whose result codes these are.
pub(crate) const CODESPACE: &str = "concordat";

/// A Merkle proof that a transaction is in a block.
pub(crate) fn tx_proof(root: &[u8], tx: &[u8], proof: &Proof) -> Result<Value, RpcError> {
    Ok(json!({ "root_hash": hex_upper(root), "data": base64(tx), "proof": known(proof)? }))
}

/// One page of a validator set.
pub(crate) fn validators(set: &ValidatorSet, skip: usize, take: usize) -> Result<Vec<Value>, RpcError> {
    let page = set.comet().validators().iter().skip(skip).take(take);
    page.map(|validator| {
        Ok(json!({
            "address": known(&validator.address)?,
            "pub_key": known(&validator.pub_key)?,
            "voting_power": integer(validator.power.value()),
            "proposer_priority": "0",
        }))
    })
    .collect()
}

/// The parameters that all nodes share.
pub(crate) fn consensus_params(params: &ChainParams) -> Value {
    json!({
        "block": {
            "max_bytes": integer(params.block_max_bytes),
            "max_gas": integer(params.block_gas_limit),
        },
        "evidence": { "max_age_num_blocks": "100000", "max_age_duration": "172800000000000", "max_bytes": "0" },
        "validator": { "pub_key_types": ["ed25519"] },
        "version": { "app": integer(params.protocol_version) },
        "abci": { "vote_extensions_enable_height": "0" },
    })
}

/// The genesis document in CometBFT's form; ours stands whole in `app_state`.
pub(crate) fn genesis(
    genesis: &Genesis,
    initial_height: u64,
    validators: &ValidatorSet,
    app_hash: &[u8],
) -> Result<Value, RpcError> {
    let time = tendermint::Time::from_unix_timestamp(genesis.genesis_time, 0).map_err(RpcError::internal)?;
    let set = validators.comet().validators().iter().zip(validators.validators());
    let rows = set.map(|(validator, ours)| {
        Ok(json!({
            "address": known(&validator.address)?,
            "pub_key": known(&validator.pub_key)?,
            "power": integer(validator.power.value()),
            "name": ours.org.as_str(),
        }))
    });
    Ok(json!({
        "genesis_time": known(&time)?,
        "chain_id": genesis.chain_id,
        "initial_height": integer(initial_height),
        "consensus_params": consensus_params(&genesis.params),
        "validators": rows.collect::<Result<Vec<_>, RpcError>>()?,
        "app_hash": hex_upper(app_hash),
        "app_state": known(genesis)?,
    }))
}

/// The node as `status` shows it.
pub(crate) fn node_info(node: &NodeInfo, chain_id: &str, app_version: u64) -> Value {
    node_record(&node.node_id, &node.moniker, &node.listen_address, chain_id, app_version)
}

fn node_record(id: &[u8; 20], moniker: &str, listen: &str, chain_id: &str, app_version: u64) -> Value {
    json!({
        "protocol_version": { "p2p": P2P_VERSION, "block": integer(concordat_types::block::BLOCK_PROTOCOL), "app": integer(app_version) },
        "id": hex::encode(id),
        "listen_addr": format!("tcp://{listen}"),
        "network": chain_id,
        "version": COMETBFT_VERSION,
        "channels": "",
        "moniker": moniker,
        "other": { "tx_index": "on", "rpc_address": "" },
    })
}

/// A peer as `net_info` shows it. Its counters are in the node's metrics, not here.
pub(crate) fn peer(peer: &PeerInfo, chain_id: &str, app_version: u64) -> Value {
    let address = peer.address.map(|address| address.to_string()).unwrap_or_default();
    let ip = peer.address.map_or_else(|| "0.0.0.0".to_owned(), |address| address.ip().to_string());
    let mut node = node_record(&peer.node_id, &peer.moniker, &address, chain_id, app_version);
    if let Some(other) = node.get_mut("other").and_then(Value::as_object_mut) {
        other.insert("organisation".into(), json!(peer.organisation.as_str()));
    }
    json!({
        "node_info": node,
        "is_outbound": peer.outbound,
        "connection_status": {
            "Duration": "0",
            "SendMonitor": monitor(),
            "RecvMonitor": monitor(),
            "Channels": [],
        },
        "remote_ip": ip,
    })
}

fn monitor() -> Value {
    json!({
        "Active": true, "Start": "1970-01-01T00:00:00Z", "Duration": "0", "Idle": "0", "Bytes": "0",
        "Samples": "0", "InstRate": "0", "CurRate": "0", "AvgRate": "0", "PeakRate": "0", "BytesRem": "0",
        "TimeRem": "0", "Progress": 0,
    })
}
