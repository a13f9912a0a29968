//! The application's side: its state, by key, with proofs.

use concordat_types::{StateKey, StateReader as _};
use serde_json::{Value, json};

use super::{
    Comet,
    args::Args,
    json::{CODESPACE, base64, integer},
    service::store_error,
};
use crate::jsonrpc::{RpcError, RpcResult};

/// Longest state key that is looked for, in bytes.
const MAX_KEY_BYTES: usize = 256;

pub(super) fn info(comet: &Comet, _: &Args) -> RpcResult {
    let tip = comet.store.latest().ok_or_else(|| RpcError::server("this node holds no state yet"))?;
    Ok(json!({
        "response": {
            "data": "concordat",
            "version": comet.api.node_info().client_version,
            "app_version": integer(comet.app_version()),
            "last_block_height": integer(tip.height),
            "last_block_app_hash": base64(tip.state_root),
        }
    }))
}

/// What a query found.
struct Found {
    height: u64,
    value: Option<Vec<u8>>,
    /// Protobuf of an ICS 23 `CommitmentProof`.
    proof: Option<Vec<u8>>,
}

/// A state entry. The proof of height H is checked against `app_hash` of header H + 1.
pub(super) fn query(comet: &Comet, args: &Args) -> RpcResult {
    let path = args.text("path")?;
    if !matches!(path.as_str(), "" | "/" | "/store" | "/key") {
        return Ok(refused(format!("unknown path {path:?}; state entries are at \"/store\"")));
    }
    let key = args.hex_bytes("data")?;
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Ok(refused(format!(
            "the key in data has {} bytes; it must have 1 to {MAX_KEY_BYTES}",
            key.len()
        )));
    }
    let asked = args.integer("height")?.filter(|height| *height != 0);
    let asked = asked.map(|height| u64::try_from(height).unwrap_or(u64::MAX));
    let key = StateKey::from_stored(&key);
    let found = match args.flag("prove")? {
        true => match prove(comet, &key, asked)? {
            Ok(found) => found,
            Err(why) => return Ok(refused(why)),
        },
        false => read(comet, &key, asked)?,
    };
    Ok(answer(&key, found))
}

fn read(comet: &Comet, key: &StateKey, height: Option<u64>) -> Result<Found, RpcError> {
    let state = match height {
        Some(height) => comet.store.state_at(height),
        None => comet.store.state(),
    }
    .map_err(store_error)?;
    let value = state.get(key).map_err(RpcError::internal)?;
    Ok(Found { height: state.height(), value, proof: None })
}

/// Proofs are made at the newest height alone; the inner error is for the caller.
fn prove(comet: &Comet, key: &StateKey, asked: Option<u64>) -> Result<Result<Found, String>, RpcError> {
    let proof = comet.store.prove(key).map_err(store_error)?;
    let newest = proof.height;
    if let Some(asked) = asked.filter(|asked| *asked != newest) {
        return Ok(Err(format!(
            "proofs are made at the newest height alone: {asked} was asked for, the newest is {newest}"
        )));
    }
    let encoded = proof.encode();
    Ok(Ok(Found { height: newest, value: proof.value, proof: Some(encoded) }))
}

fn answer(key: &StateKey, found: Found) -> Value {
    let ops = found
        .proof
        .map(|proof| json!({ "ops": [{ "type": "ics23:smt", "key": base64(key), "data": base64(proof) }] }));
    json!({
        "response": {
            "code": 0,
            "log": if found.value.is_some() { "exists" } else { "does not exist" },
            "info": "",
            "index": "0",
            "key": base64(key),
            "value": base64(found.value.unwrap_or_default()),
            "proofOps": ops,
            "height": integer(found.height),
            "codespace": "",
        }
    })
}

fn refused(log: String) -> Value {
    json!({
        "response": {
            "code": 1, "log": log, "info": "", "index": "0", "key": "", "value": "", "proofOps": Value::Null,
            "height": "0", "codespace": CODESPACE,
        }
    })
}
