//! `concordat verify`: trusts the genesis document and arithmetic, no node.
//!
//! Headers are verified by `tendermint-light-client-verifier`, state by `ics23`, both made by others. On
//! top, every signature of every commit that is looked at must be right and in its validator's place.

use std::path::PathBuf;

use alloy_primitives::{Address, B256, keccak256};
use clap::Args;
use concordat_light::{LightClient, StateProof, TransactionProof};
use concordat_types::{Genesis, StateKey};
use eyre::{Result, WrapErr as _, bail};
use serde::Serialize;

use crate::{
    client::TlsArgs,
    output::{self, FoundWrong},
};

/// Verification failed: exit code 3.
pub fn wrong(text: impl Into<String>) -> eyre::Report {
    FoundWrong(text.into()).into()
}

/// Arguments of `concordat verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// The genesis document, compared with the other members.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// CometBFT RPC of any node.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:26657")]
    comet: String,
    #[command(flatten)]
    tls: TlsArgs,
    /// Verify up to this height; the newest if absent.
    #[arg(long)]
    height: Option<u64>,
    /// Verify every height on the way, not only as many as trust needs.
    #[arg(long)]
    every: bool,
    /// Prove a transaction (its hash) and its result.
    #[arg(long, value_name = "HASH")]
    transaction: Option<B256>,
    /// Prove an account's entry, or that there is none.
    #[arg(long, value_name = "ADDRESS")]
    account: Option<Address>,
    /// Prove a storage slot: CONTRACT SLOT.
    #[arg(long, num_args = 2, value_names = ["CONTRACT", "SLOT"])]
    storage: Option<Vec<String>>,
    /// Prove an entry of a Solidity mapping(address => ...): CONTRACT SLOT KEY. An OpenZeppelin ERC-20 keeps
    /// balances in slot 0.
    #[arg(long, num_args = 3, value_names = ["CONTRACT", "SLOT", "KEY"])]
    mapping: Option<Vec<String>>,
}

/// What was found right.
#[derive(Serialize)]
struct Verified {
    chain_id: String,
    height: u64,
    hash: String,
    headers_verified: u64,
    signatures_checked: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<TransactionProof>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    state: Vec<StateProof>,
}

/// Runs `concordat verify`. Exit code 3: something is wrong.
pub fn run(args: VerifyArgs, json: bool) -> Result<()> {
    let text = std::fs::read_to_string(&args.genesis)
        .wrap_err_with(|| format!("genesis {}", args.genesis.display()))?;
    let genesis = Genesis::from_json(&text)?;
    let mut client = LightClient::start(&genesis, args.tls.connect(&args.comet)?)?;
    let target = match args.height {
        Some(height) => height,
        None => client.newest_height()?,
    };
    client.advance_to(target, args.every)?;
    let (height, hash) = client.trusted();
    let mut state = Vec::new();
    for key in args.keys()? {
        state.push(concordat_light::state(&mut client, &key)?);
    }
    let transaction =
        args.transaction.map(|hash| concordat_light::transaction(&mut client, hash)).transpose()?;
    let verified = Verified {
        chain_id: genesis.chain_id,
        height,
        hash,
        headers_verified: client.headers_verified,
        signatures_checked: client.signatures_checked,
        transaction,
        state,
    };
    output::show(json, &verified, describe)
}

impl VerifyArgs {
    fn keys(&self) -> Result<Vec<StateKey>> {
        let mut keys: Vec<StateKey> =
            self.account.iter().map(|address| StateKey::account(*address)).collect();
        if let Some([contract, slot]) = self.storage.as_deref() {
            let contract: Address = contract.parse().wrap_err("CONTRACT is no address")?;
            keys.push(StateKey::storage(contract, parse_slot(slot)?));
        }
        if let Some([contract, slot, key]) = self.mapping.as_deref() {
            let contract: Address = contract.parse().wrap_err("CONTRACT is no address")?;
            let key: Address = key.parse().wrap_err("KEY is no address")?;
            keys.push(StateKey::storage(contract, mapping_slot(key, parse_slot(slot)?)));
        }
        Ok(keys)
    }
}

/// A slot as 32 bytes of hex, or as a number.
fn parse_slot(text: &str) -> Result<B256> {
    match text.parse::<alloy_primitives::U256>() {
        Ok(number) => Ok(number.into()),
        Err(_) => bail!("{text:?} is no storage slot; write a number, or 0x and hex"),
    }
}

/// Where Solidity keeps `mapping[key]`: keccak256 of the padded key and the mapping's slot (Solidity
/// documentation, "Layout of state variables in storage").
fn mapping_slot(key: Address, slot: B256) -> B256 {
    keccak256([key.into_word().as_slice(), slot.as_slice()].concat())
}

fn describe(verified: &Verified) -> String {
    let mut out = format!(
        "chain {}: block {} {} is right\n{} headers, {} signatures, from the genesis document on\n",
        verified.chain_id,
        verified.height,
        verified.hash,
        verified.headers_verified,
        verified.signatures_checked
    );
    for proof in &verified.state {
        let value = proof.value.as_deref().unwrap_or("nothing (proved absent)");
        out.push_str(&format!("state after block {}: {} = {value}\n", proof.height, proof.key));
    }
    if let Some(proof) = &verified.transaction {
        out.push_str(&format!(
            "transaction {} is number {} of block {}, result code {}\n",
            proof.hash, proof.index, proof.height, proof.code
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256};

    use super::*;

    #[test]
    fn mapping_entries_are_where_solidity_puts_them() {
        // `cast index address 0x…01 0`
        assert_eq!(
            mapping_slot(address!("0000000000000000000000000000000000000001"), B256::ZERO),
            b256!("ada5013122d395ba3c54772283fb069b10426056ef8ca54750cb9bb552a59e7d")
        );
    }
}
