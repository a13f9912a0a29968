//! `concordat rollback verify`: that a rollback restored what it says, from the genesis document and proofs.

use std::{collections::BTreeMap, path::PathBuf};

use alloy_primitives::{Address, B256, Bytes, U256};
use clap::Args;
use concordat_core::{
    AccountState,
    governance::{RollbackRecord, abi::IGovernance, payload_state_key, rollback_state_key},
};
use concordat_governance::{Action, Kind, action::Rollback};
use concordat_light::{LightClient, TransactionProof, next_header, proven};
use concordat_types::{Genesis, StateKey};
use eyre::{Result, WrapErr as _, bail, eyre};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    client::{Client, NodeArgs},
    gov, output,
    verify::wrong,
};

/// Arguments of `concordat rollback verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// The number of the proposal that was executed.
    id: u64,
    /// The genesis document, compared with the other members.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// CometBFT RPC of any node.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:26657")]
    comet: String,
    #[command(flatten)]
    node: NodeArgs,
}

/// What was found right.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verified {
    proposal: u64,
    /// The height that was gone back to, and the root after it.
    height: u64,
    root: B256,
    /// The height at which that was executed, and the roots before and after it.
    executed: u64,
    root_before: B256,
    root_after: B256,
    /// How many slots were proven to hold, at each of the three heights, what the rollback says.
    slots: usize,
    /// Keccak-256 of each contract's own code, proven before the execution and after it.
    codes: BTreeMap<Address, Option<B256>>,
    transactions: Vec<TransactionProof>,
    headers_verified: u64,
    signatures_checked: u64,
}

/// Runs `concordat rollback verify`. Exit code 3: something is wrong.
pub fn run(args: &VerifyArgs, json: bool) -> Result<()> {
    let text = std::fs::read_to_string(&args.genesis)
        .wrap_err_with(|| format!("genesis {}", args.genesis.display()))?;
    let genesis = Genesis::from_json(&text)?;
    let eth = args.node.connect()?;
    let mut light = LightClient::start(&genesis, args.node.connect_to(&args.comet)?)?;
    // What the node tells is looked at first and proven last: the way goes upwards once.
    let (rollback, record) = told(&eth, args.id)?;
    let (height, executed) = (record.height, record.executed);
    let after = |slot: &concordat_governance::action::SlotChange| slot.after;
    let root = signed_root(&mut light, height)?;
    if root != rollback.root {
        return Err(wrong(format!(
            "the rollback names root {}, but the signed one is {root}",
            rollback.root
        )));
    }
    check_slots(&eth, &rollback, (height, root), after)?;
    let mut transactions = Vec::new();
    for reversed in &rollback.transactions {
        let proof = concordat_light::transaction(&mut light, reversed.hash)?;
        if proof.height != reversed.height || proof.code != 0 {
            return Err(wrong(format!(
                "transaction {} stands in block {} with code {}",
                reversed.hash, proof.height, proof.code
            )));
        }
        transactions.push(proof);
    }
    let before_execution = executed.saturating_sub(1);
    let root_before = signed_root(&mut light, before_execution)?;
    let codes = check_slots(&eth, &rollback, (before_execution, root_before), |slot| slot.before)?;
    let root_after = signed_root(&mut light, executed)?;
    if check_slots(&eth, &rollback, (executed, root_after), after)? != codes {
        return Err(wrong(format!("a contract has other code after block {executed} than before")));
    }
    prove_record(&mut light, args.id, &rollback, &record)?;
    let verified = Verified {
        proposal: args.id,
        height,
        root,
        executed,
        root_before,
        root_after,
        slots: rollback.slots.len(),
        codes,
        transactions,
        headers_verified: light.headers_verified,
        signatures_checked: light.signatures_checked,
    };
    output::show(json, &verified, describe)
}

/// The node's word on the proposal and what became of it.
fn told(eth: &Client, id: u64) -> Result<(Rollback, RollbackRecord)> {
    let record = gov::ask(eth, &IGovernance::rollbackCall { id })?;
    if record.executed == 0 {
        bail!("proposal {id} was not executed as a rollback");
    }
    let payload = gov::ask(eth, &IGovernance::payloadCall { id })?;
    let Action::RollBack(rollback) = Action::decode(Kind::RollBack, &payload)? else {
        bail!("proposal {id} is no rollback");
    };
    let record = RollbackRecord::of(&rollback, record.executed);
    Ok((rollback, record))
}

/// The root of the state after a block, which the next header signs.
fn signed_root(light: &mut LightClient, height: u64) -> Result<B256> {
    let header = next_header(light, height)?;
    B256::try_from(header.app_hash.as_bytes()).map_err(|_| wrong(format!("header {height} carries no root")))
}

/// Proves what each slot held after a block, and which code each contract had.
fn check_slots(
    eth: &Client,
    rollback: &Rollback,
    (height, root): (u64, B256),
    word: impl Fn(&concordat_governance::action::SlotChange) -> U256,
) -> Result<BTreeMap<Address, Option<B256>>> {
    let mut codes = BTreeMap::new();
    let mut by_contract: BTreeMap<Address, Vec<(U256, U256)>> = BTreeMap::new();
    for slot in &rollback.slots {
        by_contract.entry(slot.contract).or_default().push((slot.slot, word(slot)));
    }
    for (contract, slots) in by_contract {
        let asked: Vec<U256> = slots.iter().map(|(slot, _)| *slot).collect();
        let answer = eth.call("eth_getProof", json!([contract, asked, format!("{height:#x}")]))?;
        let proofs = answer["storageProof"].as_array().cloned().unwrap_or_default();
        if proofs.len() != slots.len() {
            return Err(eyre!("the node proved {} of {} slots of {contract}", proofs.len(), slots.len()));
        }
        codes.insert(contract, proven_code(contract, root, &answer)?);
        for ((slot, want), proof) in slots.iter().zip(&proofs) {
            let have = proven_word((contract, *slot), root, proof)?;
            if have != *want {
                return Err(wrong(format!(
                    "slot {slot:#x} of {contract} held {have:#x} after block {height}, not {want:#x}; if another \
                     transaction of that block wrote it, concordat_getBlockAccess tells"
                )));
            }
        }
    }
    Ok(codes)
}

fn bytes(value: &Value) -> Bytes {
    serde_json::from_value::<Option<Bytes>>(value.clone()).unwrap_or_default().unwrap_or_default()
}

/// Keccak-256 of the code that a proof of an account shows.
fn proven_code(contract: Address, root: B256, answer: &Value) -> Result<Option<B256>> {
    let (value, path) = (bytes(&answer["concordatProof"]["value"]), bytes(&answer["accountProof"][0]));
    if !proven(&path, root, &StateKey::account(contract), &value) {
        return Err(wrong(format!("the proof of account {contract} does not lead to the signed root")));
    }
    Ok(AccountState::decode(&value).and_then(|account| account.code_hash))
}

/// The word that a proof shows.
fn proven_word((contract, slot): (Address, U256), root: B256, proof: &Value) -> Result<U256> {
    let (value, path) = (bytes(&proof["concordatValue"]), bytes(&proof["proof"][0]));
    let key = StateKey::storage(contract, slot.into());
    if !proven(&path, root, &key, &value) {
        return Err(wrong(format!(
            "the proof of slot {slot:#x} of {contract} does not lead to the signed root"
        )));
    }
    U256::try_from_be_slice(&value)
        .ok_or_else(|| wrong(format!("slot {slot:#x} of {contract} holds no word")))
}

/// Proves that the chain keeps this payload under the proposal, and has recorded its execution.
fn prove_record(
    light: &mut LightClient,
    id: u64,
    rollback: &Rollback,
    record: &RollbackRecord,
) -> Result<()> {
    let rows = [
        (payload_state_key(id), Action::RollBack(rollback.clone()).encode()),
        (rollback_state_key(id), record.encode()),
    ];
    for (key, row) in rows {
        let proof = concordat_light::state(light, &key)?;
        if proof.value != Some(hex::encode(&row)) {
            return Err(wrong(format!("the chain keeps another row under {}", proof.key)));
        }
    }
    Ok(())
}

fn describe(verified: &Verified) -> String {
    let Verified { proposal, height, root, executed, root_before, root_after, slots, .. } = verified;
    let mut out = format!(
        "proposal {proposal} is right: {slots} slots held after block {executed} what they held after block {height}\n\
         root after block {height}: {root}\nroot before block {executed}: {root_before}\n\
         root after block {executed}: {root_after}\n"
    );
    for (contract, code) in &verified.codes {
        let code = code.unwrap_or_default();
        out.push_str(&format!("contract {contract} had code {code} before and after\n"));
    }
    for TransactionProof { hash, height, receipt_digest, .. } in &verified.transactions {
        out.push_str(&format!("reversed: transaction {hash} of block {height}, receipt {receipt_digest}\n"));
    }
    out.push_str(&format!(
        "{} headers, {} signatures, from the genesis document on",
        verified.headers_verified, verified.signatures_checked
    ));
    out
}
