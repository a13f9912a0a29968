//! `concordat contract`: deploy, send, call, verify. Foundry, Hardhat and ethers deploy, send and call too.

mod encoding;
mod list;
mod verify;

mod versions;

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, Bytes, FixedBytes, TxKind};
use alloy_sol_types::SolCall;
use clap::{Args, Subcommand};
use concordat_core::{CONTRACTS, contracts::abi::IContracts};
use concordat_governance::action::ListKind;
use eyre::{Result, WrapErr as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    client::{Client, NodeArgs},
    keys::KeyArgs,
    list::PageArgs,
    output,
    transaction::{self, Act},
};
use encoding::{TargetArgs, show_values};
pub use encoding::{encode_call, init_code, parse_method, read_hex};

/// Subcommands of `concordat contract`.
#[derive(Subcommand)]
pub enum ContractCommand {
    /// Deploy a compiled contract. The sender's role must be developer.
    Deploy {
        #[command(flatten)]
        key: KeyArgs,
        /// JSON artefact with `abi` and `bytecode` (Hardhat, Foundry or solc standard output of one contract).
        #[arg(long, value_name = "FILE")]
        artefact: PathBuf,
        /// Arguments of the constructor.
        #[arg(value_name = "ARGUMENT")]
        arguments: Vec<String>,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Send a transaction to a contract and wait for its receipt. `--json` adds to it `finality_ms`, the time from
    /// the submission to the receipt.
    Send {
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Read from a contract, at the newest or at a past height.
    Call {
        #[command(flatten)]
        target: TargetArgs,
        /// The height; the newest if absent.
        #[arg(long)]
        height: Option<u64>,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// The contracts that there are, in the order of their addresses; of those that were there before the first block, the
    /// ones that something was decided about.
    List(list::ListArgs),
    /// Who made a contract, who administers it, how its list binds, and whether it is frozen or retired.
    Info {
        /// The contract.
        contract: Address,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// What is attested of a contract, and whether it holds: audit, proven properties, rating, source, compiler.
    Attributes {
        /// The contract.
        contract: Address,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// What a governed proxy has handed its calls on to; the version in force is marked.
    Versions {
        /// The proxy.
        contract: Address,
        #[command(flatten)]
        page: PageArgs,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Approve of a proposal to deploy, or object to it, as one of its reviewers. A review is final.
    Review {
        /// The proposal's number.
        proposal: u64,
        /// approve, or object.
        #[arg(value_parser = ["approve", "object"])]
        verdict: String,
        /// The report, of which the SHA-256 is kept.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Say how a contract's list of who may call it binds, or that of one of its methods, as its administrator.
    SetList {
        /// The contract.
        contract: Address,
        /// none: it binds nobody; allow: only who is on it may call; deny: who is on it may not.
        kind: ListKind,
        #[command(flatten)]
        listing: ListingArgs,
    },
    /// Put accounts on a contract's list, or on that of one of its methods, as its administrator.
    ListAdd {
        /// The contract.
        contract: Address,
        /// At most 100 accounts.
        #[arg(value_name = "ACCOUNT", required = true)]
        accounts: Vec<Address>,
        #[command(flatten)]
        listing: ListingArgs,
    },
    /// Take accounts off a contract's list, or off that of one of its methods, as its administrator.
    ListRemove {
        /// The contract.
        contract: Address,
        /// At most 100 accounts.
        #[arg(value_name = "ACCOUNT", required = true)]
        accounts: Vec<Address>,
        #[command(flatten)]
        listing: ListingArgs,
    },
    /// Hand a contract's lists over to another operator or developer, as its administrator.
    Admin {
        /// The contract.
        contract: Address,
        /// Who keeps its lists from then on.
        administrator: Address,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Whether code is what a source compiles to: of a contract, of a proposal to deploy, or init code. Looks for
    /// instructions that do not belong into it, and has proved what can be proved. Exit code 3: it is not, or they do.
    Verify(Box<verify::VerifyArgs>),
}

/// Which list, and who changes it.
#[derive(Args)]
pub struct ListingArgs {
    /// The method, `transfer(address,uint256)` or `0xa9059cbb`; without, the contract's own list.
    #[arg(long, value_parser = parse_method)]
    method: Option<FixedBytes<4>>,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// Runs `concordat contract`.
pub fn run(command: ContractCommand, json: bool) -> Result<()> {
    match command {
        ContractCommand::Deploy { key, artefact, arguments, node } => {
            let input = init_code(&artefact, &arguments)?;
            let act = Act { to: TxKind::Create, input, gas: None };
            let receipt = transaction::execute(&node.connect()?, &key.open()?, &act)?;
            let said = json!({ "contract": receipt["contractAddress"], "transaction": receipt["transactionHash"], "block": receipt["blockNumber"] });
            output::show(json, &said, |said| said["contract"].as_str().unwrap_or_default().to_owned())
        }
        ContractCommand::Send { key, target, node } => {
            let (_, input) = target.encode()?;
            let act = Act { to: TxKind::Call(target.to), input, gas: None };
            let (mut said, took) = transaction::timed(&node.connect()?, &key.open()?, &act)?;
            let hash = transaction::hash_of(&said)?;
            said["finality_ms"] = json!(u64::try_from(took.as_millis())?);
            output::show(json, &said, |_| format!("{hash} succeeded, final after {} ms", took.as_millis()))
        }
        ContractCommand::Call { target, height, node } => {
            let (function, input) = target.encode()?;
            let at = height.map_or(json!("latest"), |height| json!(format!("{height:#x}")));
            let request = json!([{ "to": target.to, "input": input }, at]);
            let answer: Bytes = serde_json::from_value(node.connect()?.call("eth_call", request)?)?;
            show_values(json, &function, &answer)
        }
        ContractCommand::List(args) => list::list(&args, json),
        ContractCommand::Info { contract, node } => info(&node.connect()?, contract, json),
        ContractCommand::Attributes { contract, node } => attributes(&node.connect()?, contract, json),
        ContractCommand::Versions { contract, page, node } => {
            versions::versions(&node.connect()?, contract, &page, json)
        }
        ContractCommand::Review { proposal, verdict, report, key, node } => {
            let call = IContracts::reviewCall {
                id: proposal,
                approves: verdict == "approve",
                report: report.as_deref().map(fingerprint).transpose()?.unwrap_or_default(),
            };
            administer(&key, &node, call.abi_encode(), json)
        }
        ContractCommand::SetList { contract, kind, listing } => {
            let input = list_call(contract, listing.method, kind);
            administer(&listing.key, &listing.node, input, json)
        }
        ContractCommand::ListAdd { contract, accounts, listing } => {
            let input = members_call(contract, listing.method, accounts, true);
            administer(&listing.key, &listing.node, input, json)
        }
        ContractCommand::ListRemove { contract, accounts, listing } => {
            let input = members_call(contract, listing.method, accounts, false);
            administer(&listing.key, &listing.node, input, json)
        }
        ContractCommand::Admin { contract, administrator, key, node } => {
            let call = IContracts::setAdministratorCall { contractAddress: contract, administrator };
            administer(&key, &node, call.abi_encode(), json)
        }
        ContractCommand::Verify(args) => verify::run(&args, json),
    }
}

/// The call data that say how a list binds.
fn list_call(contract: Address, method: Option<FixedBytes<4>>, kind: ListKind) -> Vec<u8> {
    let kind = kind.code();
    match method {
        None => IContracts::setContractListCall { contractAddress: contract, kind }.abi_encode(),
        Some(method) => {
            IContracts::setMethodListCall { contractAddress: contract, method, kind }.abi_encode()
        }
    }
}

/// The call data that put accounts on a list, or take them off it.
fn members_call(
    contract: Address,
    method: Option<FixedBytes<4>>,
    accounts: Vec<Address>,
    listed: bool,
) -> Vec<u8> {
    match (method, listed) {
        (None, true) => {
            IContracts::addToContractListCall { contractAddress: contract, accounts }.abi_encode()
        }
        (None, false) => {
            IContracts::removeFromContractListCall { contractAddress: contract, accounts }.abi_encode()
        }
        (Some(method), true) => {
            IContracts::addToMethodListCall { contractAddress: contract, method, accounts }.abi_encode()
        }
        (Some(method), false) => {
            IContracts::removeFromMethodListCall { contractAddress: contract, method, accounts }.abi_encode()
        }
    }
}

/// Sends a call to the registry of contracts. It binds from the next transaction on.
fn administer(key: &KeyArgs, node: &NodeArgs, input: Vec<u8>, json: bool) -> Result<()> {
    let act = Act { to: TxKind::Call(CONTRACTS), input: input.into(), gas: None };
    let receipt = transaction::execute(&node.connect()?, &key.open()?, &act)?;
    let hash = transaction::hash_of(&receipt)?;
    output::show(json, &receipt, |_| format!("{hash} succeeded; it binds from now on"))
}

/// Asks the registry of contracts, at the newest height.
fn ask<C: SolCall>(client: &Client, call: &C) -> Result<C::Return> {
    let request = json!({ "to": CONTRACTS, "input": Bytes::from(call.abi_encode()) });
    let answer: Bytes = serde_json::from_value(client.call("eth_call", json!([request, "latest"]))?)?;
    C::abi_decode_returns(&answer).wrap_err("the node does not answer as the registry of contracts does")
}

fn info(client: &Client, contract: Address, json: bool) -> Result<()> {
    let known = ask(client, &IContracts::contractInfoCall { contractAddress: contract })?;
    let halt = ask(client, &IContracts::haltCall { contractAddress: contract })?;
    let status = list::Status::from_code(known.status).map(list::Status::name);
    let said = json!({
        "contract": contract,
        "exists": known.exists,
        "creator": known.creator,
        "organisation": known.organisation,
        "administrator": known.administrator,
        "created": known.created,
        "status": status,
        "list": ListKind::from_code(known.list).map(|kind| kind.to_string()),
        "methodLists": known.methodLists,
        "halt": halt.binds.then(|| json!({
            "document": halt.document,
            "reference": halt.documentReference,
            "until": halt.until,
            "emergency": halt.emergency,
            "since": halt.since,
            "proposal": halt.proposalId,
        })),
    });
    output::show(json, &said, |said| format!("{said:#}"))
}

/// SHA-256 of a file.
fn fingerprint(file: &Path) -> Result<B256> {
    let bytes = fs::read(file).wrap_err_with(|| file.display().to_string())?;
    Ok(B256::from_slice(&Sha256::digest(bytes)))
}

fn attributes(client: &Client, contract: Address, json: bool) -> Result<()> {
    let known = ask(client, &IContracts::attributesCall { contractAddress: contract })?;
    let properties: Vec<Value> = known
        .properties
        .iter()
        .map(|property| json!({ "text": property.text, "proof": property.proof }))
        .collect();
    let said = json!({
        "contract": contract,
        "holds": known.holds,
        "code": known.codeHash,
        "auditor": known.auditor,
        "report": known.report,
        "properties": properties,
        "rating": known.rating,
        "source": known.source,
        "compiler": known.compiler,
        "validUntil": known.validUntil,
        "since": known.since,
        "proposal": known.proposalId,
    });
    output::show(json, &said, |said| format!("{said:#}"))
}
