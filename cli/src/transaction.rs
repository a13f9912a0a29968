//! Building and signing transactions, with either curve.

use std::time::{Duration, Instant};

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, FixedBytes, Signature, TxKind};
use clap::Args;
use concordat_pki_authority::PrivateKey;
use concordat_types::tx::InstitutionalTx;
use eyre::{Result, WrapErr as _, bail, eyre};
use openssl::ecdsa::EcdsaSig;
use secp256k1::{Message, SECP256K1, SecretKey};
use serde_json::{Value, json};

use crate::{
    client::{self, Client, quantity},
    keys,
};

/// How long to wait for a block.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How many heights an institutional transaction stays valid if nothing else is said.
const WINDOW_HEIGHTS: u64 = 600;

/// How to sign without sending. What is not given is asked of the node; with all of it, no node is needed.
#[derive(Args, Clone, Debug)]
pub struct OfflineArgs {
    /// Print the signed transaction instead of sending it; `concordat submit` sends it.
    #[arg(long)]
    offline: bool,
    /// The chain's EIP-155 id.
    #[arg(long, value_name = "ID", requires = "offline")]
    chain_id: Option<u64>,
    /// The sender's next nonce.
    #[arg(long, requires = "offline")]
    nonce: Option<u64>,
    /// Gas that it may use.
    #[arg(long, requires = "offline")]
    gas: Option<u64>,
    /// The first height at which it is valid (P-256 keys).
    #[arg(long, value_name = "HEIGHT", requires = "offline")]
    valid_from: Option<u64>,
}

impl OfflineArgs {
    /// The signed transaction as JSON if it is not to be sent.
    pub fn signed(&self, client: &Client, key: &PrivateKey, act: &Act) -> Result<Option<Value>> {
        if !self.offline {
            return Ok(None);
        }
        let sender = keys::address(key)?;
        let place = Place {
            chain_id: self.chain_id.map_or_else(|| client.chain_id(), Ok)?,
            nonce: self.nonce.map_or_else(|| client.nonce(sender), Ok)?,
            gas: self.gas.or(act.gas).map_or_else(|| estimate(client, sender, act), Ok)?,
            height: self.valid_from.map_or_else(|| client.height(), Ok)?,
        };
        let raw = sign(key, act, place)?;
        Ok(Some(json!({
            "from": sender,
            "to": act.to.to(),
            "chainId": place.chain_id,
            "nonce": place.nonce,
            "gas": place.gas,
            "input": act.input,
            "hash": alloy_primitives::keccak256(&raw),
            "raw": raw,
        })))
    }
}

/// What to send.
pub struct Act {
    /// The callee, or the creation of a contract.
    pub to: TxKind,
    /// Call data or init code.
    pub input: Bytes,
    /// Gas; estimated if absent.
    pub gas: Option<u64>,
}

/// What a transaction needs to know of the chain.
#[derive(Clone, Copy)]
pub struct Place {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The sender's next nonce.
    pub nonce: u64,
    /// Gas that it may use.
    pub gas: u64,
    /// The newest height.
    pub height: u64,
}

/// Signs and submits, and waits for the receipt. A receipt that says "failed" is an error.
pub fn execute(client: &Client, key: &PrivateKey, act: &Act) -> Result<Value> {
    timed(client, key, act).map(|(receipt, _)| receipt)
}

/// As [`execute`], with the time from the submission to the receipt: until the transaction was final.
pub fn timed(client: &Client, key: &PrivateKey, act: &Act) -> Result<(Value, Duration)> {
    let sender = keys::address(key)?;
    let gas = match act.gas {
        Some(gas) => gas,
        None => estimate(client, sender, act)?,
    };
    let place =
        Place { chain_id: client.chain_id()?, nonce: client.nonce(sender)?, gas, height: client.height()? };
    let raw = sign(key, act, place)?;
    let submitted = Instant::now();
    let receipt = submit(client, &raw)?;
    Ok((receipt, submitted.elapsed()))
}

/// Submits a signed transaction and waits for the receipt. A receipt that says "failed" is an error.
pub fn submit(client: &Client, raw: &Bytes) -> Result<Value> {
    let hash = client.submit(raw)?;
    let receipt = client.wait_for(hash, PATIENCE)?;
    if receipt["status"] == json!("0x1") {
        return Ok(receipt);
    }
    let outcome = &receipt["concordatOutcome"];
    let why = client::refusal(&outcome["output"]).unwrap_or_else(|| outcome.to_string());
    bail!("transaction {hash} is in block {} but failed: {why}", quantity(&receipt["blockNumber"])?)
}

/// Gas that an act needs now, with some room.
pub fn estimate(client: &Client, from: Address, act: &Act) -> Result<u64> {
    let call = json!({ "from": from, "to": act.to.to(), "input": act.input });
    let needed = quantity(&client.call("eth_estimateGas", json!([call]))?)?;
    // The state may have moved when the transaction runs.
    Ok(needed.saturating_add(needed / 5))
}

/// The signed bytes.
pub fn sign(key: &PrivateKey, act: &Act, place: Place) -> Result<Bytes> {
    if keys::is_ethereum(key) {
        let secret = SecretKey::from_byte_array(*key.raw_secret()?)?;
        return Ok(sign_ethereum(&secret, act, place));
    }
    let Some(public_key) = uncompressed(key) else { bail!("an Ed25519 key signs votes, not transactions") };
    let tx = InstitutionalTx {
        chain_id: place.chain_id,
        nonce: place.nonce,
        gas_limit: place.gas,
        to: act.to,
        input: act.input.clone(),
        first_height: place.height,
        last_height: place.height.saturating_add(WINDOW_HEIGHTS),
        public_key,
        signature: FixedBytes::ZERO,
    };
    let signature = fixed_signature(&key.sign(&tx.signing_bytes())?)?;
    Ok(tx.with_signature(signature).encode_envelope())
}

/// An EIP-1559 transaction, signed.
pub fn sign_ethereum(secret: &SecretKey, act: &Act, place: Place) -> Bytes {
    let tx = TxEip1559 {
        chain_id: place.chain_id,
        nonce: place.nonce,
        gas_limit: place.gas,
        to: act.to,
        input: act.input.clone(),
        ..TxEip1559::default()
    };
    let digest = Message::from_digest(tx.signature_hash().0);
    let (id, compact) = SECP256K1.sign_ecdsa_recoverable(digest, secret).serialize_compact();
    let signature = Signature::from_bytes_and_parity(&compact, i32::from(id) != 0);
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

fn uncompressed(key: &PrivateKey) -> Option<FixedBytes<64>> {
    match key.public() {
        concordat_pki_verify::SubjectKey::P256(point) => Some(FixedBytes(*point)),
        _ => None,
    }
}

/// `r ‖ s` of a DER signature.
fn fixed_signature(der: &[u8]) -> Result<[u8; 64]> {
    let signature = EcdsaSig::from_der(der).wrap_err("the key made no ECDSA signature")?;
    let words = [signature.r().to_vec_padded(32)?, signature.s().to_vec_padded(32)?].concat();
    words.try_into().map_err(|_| eyre!("a P-256 signature has 64 bytes"))
}

/// The hash in a receipt.
pub fn hash_of(receipt: &Value) -> Result<B256> {
    Ok(serde_json::from_value(receipt["transactionHash"].clone())?)
}
