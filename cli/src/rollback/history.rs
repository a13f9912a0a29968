//! A node's history, as plans read it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolCall as _;
use concordat_core::{CONTRACTS, contracts::abi::IContracts, is_system};
use eyre::{Result, WrapErr as _, bail, eyre};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    client::{Client, quantity},
    output,
};

/// How many blocks one question about changes spans.
const WINDOW_BLOCKS: u64 = 1_000;

/// After how many blocks the way is told.
const PROGRESS_BLOCKS: u64 = 100;

/// What a transaction did to storage.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Access {
    /// The transaction.
    pub hash: B256,
    /// Contracts that it made.
    pub made: Vec<Address>,
    /// The slots that it read or wrote.
    pub slots: Vec<Slot>,
}

/// A slot, before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Slot {
    /// Whose.
    pub contract: Address,
    /// Which.
    pub slot: U256,
    /// The word before the transaction.
    pub before: U256,
    /// The word after it.
    pub after: U256,
}

impl Slot {
    /// Which slot of which contract.
    pub const fn place(&self) -> (Address, U256) {
        (self.contract, self.slot)
    }

    /// Whether it was written, and not only read.
    pub fn is_written(&self) -> bool {
        self.before != self.after
    }
}

/// A slot that differs after two blocks.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Changed {
    slot: U256,
    before: U256,
    after: U256,
}

/// Where a transaction stands that can be reversed.
pub fn height_of(client: &Client, hash: B256) -> Result<u64> {
    let receipt = client.receipt(hash)?.ok_or_else(|| eyre!("there is no transaction {hash} in a block"))?;
    if receipt["status"] != json!("0x1") {
        bail!("transaction {hash} failed: it did nothing that could be reversed");
    }
    let to: Option<Address> = serde_json::from_value(receipt["to"].clone())?;
    if let Some(to) = to.filter(is_system) {
        bail!(
            "transaction {hash} calls {to}, a contract of the chain itself: propose what undoes its change"
        );
    }
    quantity(&receipt["blockNumber"])
}

/// Who sent a transaction.
pub fn sender_of(client: &Client, hash: B256) -> Result<Address> {
    Ok(serde_json::from_value(client.call("eth_getTransactionByHash", json!([hash]))?["from"].clone())?)
}

/// The root of the state after a block.
pub fn root_after(client: &Client, height: u64) -> Result<B256> {
    let block = client.call("eth_getBlockByNumber", json!([format!("{height:#x}"), false]))?;
    if block.is_null() {
        bail!("the node has no block {height}");
    }
    Ok(serde_json::from_value(block["stateRoot"].clone())?)
}

/// Whether there was code at an address after a block.
pub fn has_code(client: &Client, address: Address, height: u64) -> Result<bool> {
    let code: Bytes =
        serde_json::from_value(client.call("eth_getCode", json!([address, format!("{height:#x}")]))?)?;
    Ok(!code.is_empty())
}

/// Keccak-256 of the code at an address after a block.
pub fn code_hash(client: &Client, address: Address, height: u64) -> Result<B256> {
    let code: Bytes =
        serde_json::from_value(client.call("eth_getCode", json!([address, format!("{height:#x}")]))?)?;
    Ok(keccak256(code))
}

/// What a governed proxy handed its calls on to after a block; `None` for other contracts.
pub fn implementation(client: &Client, contract: Address, height: u64) -> Result<Option<Address>> {
    let ask = |input: Vec<u8>| -> Result<Bytes> {
        let request = json!({ "to": CONTRACTS, "input": Bytes::from(input) });
        Ok(serde_json::from_value(client.call("eth_call", json!([request, format!("{height:#x}")]))?)?)
    };
    let decided = IContracts::implementationCall { contractAddress: contract };
    let decided = IContracts::implementationCall::abi_decode_returns(&ask(decided.abi_encode())?)?;
    if !decided.is_zero() {
        return Ok(Some(decided));
    }
    let first = IContracts::versionsCall { contractAddress: contract, from: 1, limit: 1 };
    let first = IContracts::versionsCall::abi_decode_returns(&ask(first.abi_encode())?)?;
    Ok(first.first().map(|version| version.implementation))
}

/// Every block of a range with what its transactions did, one question a block.
pub fn walk(
    client: &Client,
    (from, to): (u64, u64),
    json: bool,
    mut see: impl FnMut(u64, &Access),
) -> Result<()> {
    for height in from..=to {
        let done = height.saturating_sub(from);
        if done > 0 && done % PROGRESS_BLOCKS == 0 {
            output::progress(json, format!("block {height} of {to}"));
        }
        let answer = client.call("concordat_getBlockAccess", json!([format!("{height:#x}")]))?;
        let all: Vec<Access> = serde_json::from_value(answer["transactions"].clone())
            .wrap_err_with(|| format!("the node's access of block {height} is malformed"))?;
        all.iter().for_each(|access| see(height, access));
    }
    Ok(())
}

/// The slots of a contract whose words after two blocks differ, with both words.
pub fn changes(
    client: &Client,
    contract: Address,
    (from, to): (u64, u64),
) -> Result<BTreeMap<U256, (U256, U256)>> {
    let mut all: BTreeMap<U256, (U256, U256)> = BTreeMap::new();
    let mut start = from;
    while start < to {
        let end = start.saturating_add(WINDOW_BLOCKS).min(to);
        let asked = json!([contract, format!("{start:#x}"), format!("{end:#x}")]);
        let answer: Value = client.call("concordat_getStorageChanges", asked)?;
        let changed: Vec<Changed> = serde_json::from_value(answer["slots"].clone())
            .wrap_err("the node's changes of storage are malformed")?;
        for Changed { slot, before, after } in changed {
            all.entry(slot).and_modify(|known| known.1 = after).or_insert((before, after));
        }
        start = end;
    }
    all.retain(|_, (before, after)| before != after);
    Ok(all)
}
