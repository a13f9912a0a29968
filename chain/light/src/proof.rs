//! Proofs of state and of transactions, against verified headers.

use std::time::{Duration, Instant};

use alloy_primitives::B256;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use concordat_types::{StateKey, block::to_b256};
use ics23::{CommitmentProof, HostFunctionsManager, smt_spec, verify_membership, verify_non_membership};
use prost_ics23::Message as _;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tendermint::{block::Header, merkle::simple_hash_from_byte_vectors};
use tendermint_proto::v0_38::abci::ExecTxResult;

use crate::{LightClient, LightError, client::integer, wrong};

type Result<T> = std::result::Result<T, LightError>;

/// What bytes are that are not as CometBFT writes them.
pub(crate) const NO_BASE64: &str = "not base64";

/// How long to wait for the header that signs the newest state.
const NEXT_HEADER_PATIENCE: Duration = Duration::from_secs(60);

/// A state entry that a quorum's signatures stand behind.
#[derive(Serialize)]
pub struct StateProof {
    /// The state key, in hex.
    pub key: String,
    /// The value in hex; absent where absence is what was proved.
    pub value: Option<String>,
    /// The height after which it holds.
    pub height: u64,
    /// The header that carries the state root.
    pub proved_by_header: u64,
}

/// A transaction and its result that a quorum's signatures stand behind.
#[derive(Serialize)]
pub struct TransactionProof {
    /// Its hash.
    pub hash: B256,
    /// Its block.
    pub height: u64,
    /// Its place in the block.
    pub index: usize,
    /// CometBFT code of its result; 0 is success.
    pub code: u32,
    /// keccak256 of its receipt.
    pub receipt_digest: String,
}

/// Proves a state entry at the node's newest height.
///
/// # Errors
/// [`LightError`].
pub fn state(client: &mut LightClient, key: &StateKey) -> Result<StateProof> {
    let asked = json!({ "path": "/store", "data": hex::encode(key), "prove": true });
    let answer = client.comet().call("abci_query", asked)?["response"].clone();
    let op = &answer["proofOps"]["ops"][0];
    if op.is_null() {
        return Err(LightError::Unable(format!("the node gave no proof: {}", answer["log"])));
    }
    let proof = CommitmentProof::decode(bytes(&op["data"])?.as_slice())
        .map_err(LightError::because("the proof is malformed"))?;
    let value = bytes(&answer["value"])?;
    let height = integer(&answer["height"])?;
    let (proved_by_header, root) = signed_root(client, height, &proof, key, &value)?;
    if !holds(&proof, &root, key, &value) {
        return Err(wrong(format!("the proof of {} does not lead to a signed state root", hex::encode(key))));
    }
    let value = Some(value).filter(|value| !value.is_empty()).map(hex::encode);
    Ok(StateProof { key: hex::encode(key), value, height, proved_by_header })
}

/// The state after block H is signed in header H + 1. If block H changed nothing, header H carries the
/// same root already; otherwise the next block comes at once.
fn signed_root(
    client: &mut LightClient,
    height: u64,
    proof: &CommitmentProof,
    key: &StateKey,
    value: &[u8],
) -> Result<(u64, Vec<u8>)> {
    let own = client.header_at(height)?.header.app_hash.as_bytes().to_vec();
    if holds(proof, &own, key, value) {
        return Ok((height, own));
    }
    let next = next_header(client, height)?;
    Ok((next.height.value(), next.app_hash.as_bytes().to_vec()))
}

/// The header after block `height`, which signs its state and its results. It may still have to come.
///
/// # Errors
/// [`LightError`].
pub fn next_header(client: &mut LightClient, height: u64) -> Result<Header> {
    let began = Instant::now();
    while client.newest_height()? <= height {
        if began.elapsed() > NEXT_HEADER_PATIENCE {
            let what = format!("the header after block {height}, which signs its state, has not come");
            return Err(LightError::Unable(what));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(client.header_at(height.saturating_add(1))?.header)
}

/// Whether protobuf bytes prove to a root that a key has a value, or none where that is empty.
pub fn proven(bytes: &[u8], root: B256, key: &StateKey, value: &[u8]) -> bool {
    CommitmentProof::decode(bytes).is_ok_and(|proof| holds(&proof, root.as_slice(), key, value))
}

fn holds(proof: &CommitmentProof, root: &[u8], key: &StateKey, value: &[u8]) -> bool {
    let (spec, root) = (smt_spec(), root.to_vec());
    // No value in the state is ever empty.
    if value.is_empty() {
        verify_non_membership::<HostFunctionsManager>(proof, &spec, &root, key.as_bytes())
    } else {
        verify_membership::<HostFunctionsManager>(proof, &spec, &root, key.as_bytes(), value)
    }
}

/// Proves that a transaction stands in its block, and what its result was.
///
/// # Errors
/// [`LightError`].
pub fn transaction(client: &mut LightClient, hash: B256) -> Result<TransactionProof> {
    let found = client.comet().call("tx", json!({ "hash": STANDARD.encode(hash), "prove": false }))?;
    let height = integer(&found["height"])?;
    let asked = json!({ "height": height.to_string() });
    let block = client.comet().call("block", asked.clone())?;
    let results = client.comet().call("block_results", asked)?;
    let txs = list(&block["block"]["data"]["txs"]).iter().map(bytes).collect::<Result<Vec<_>>>()?;
    let index = txs.iter().position(|raw| alloy_primitives::keccak256(raw) == hash);
    let index = index.ok_or_else(|| wrong(format!("block {height} does not hold {hash}")))?;

    let header = client.header_at(height)?.header;
    let leaves: Vec<[u8; 32]> = txs.iter().map(|raw| Sha256::digest(raw).into()).collect();
    let root = simple_hash_from_byte_vectors::<Sha256>(&leaves);
    if header.data_hash.map(to_b256) != Some(root.into()) {
        return Err(wrong(format!("the transactions of block {height} are not those that its header names")));
    }
    let results = list(&results["txs_results"]).iter().map(result).collect::<Result<Vec<_>>>()?;
    let leaves: Vec<Vec<u8>> = results.iter().map(prost::Message::encode_to_vec).collect();
    let root = simple_hash_from_byte_vectors::<Sha256>(&leaves);
    let next = next_header(client, height)?;
    if next.last_results_hash.map(to_b256) != Some(root.into()) {
        return Err(wrong(format!("the results of block {height} are not those that the next header names")));
    }
    let own = results.get(index).ok_or_else(|| wrong(format!("block {height} has a result too few")))?;
    Ok(TransactionProof { hash, height, index, code: own.code, receipt_digest: hex::encode(&own.data) })
}

fn result(value: &Value) -> Result<ExecTxResult> {
    let number = |name: &str| -> Result<i64> {
        i64::try_from(integer(&value[name])?).map_err(LightError::because("the node's result is malformed"))
    };
    Ok(ExecTxResult {
        code: value["code"].as_u64().and_then(|code| u32::try_from(code).ok()).unwrap_or_default(),
        data: bytes(&value["data"])?.into(),
        gas_wanted: number("gas_wanted")?,
        gas_used: number("gas_used")?,
        ..ExecTxResult::default()
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn bytes(value: &Value) -> Result<Vec<u8>> {
    STANDARD.decode(value.as_str().unwrap_or_default()).map_err(LightError::because(NO_BASE64))
}
