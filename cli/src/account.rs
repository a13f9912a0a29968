//! `concordat account`: enrol a certificate, renew it, recover a key, look an account up.

pub(crate) mod list;
mod recover;

use std::path::{Path, PathBuf};

use alloy_primitives::{Address, Bytes, TxKind};
use alloy_sol_types::{SolCall, SolEvent as _};
use clap::{Args, Subcommand};
use concordat_core::{IDENTITY_REGISTRY, abi::IIdentityRegistry, governance::abi::IGovernance};
use concordat_governance::action::Scope;
use eyre::{Result, WrapErr as _};
use serde_json::{Value, json};

use crate::{
    client::{Client, NodeArgs},
    keys::{self, KeyArgs},
    output,
    transaction::{self, Act},
};

/// Subcommands of `concordat account`.
#[derive(Subcommand)]
pub enum AccountCommand {
    /// Present a certificate on chain: the account's first act.
    Enrol(CertificateArgs),
    /// Present a renewed certificate of the same key.
    Renew(CertificateArgs),
    /// Print the address of a key.
    Address(KeyArgs),
    /// The accounts that have enrolled, in the order of their addresses: organisation, role, status, end of validity.
    List(list::ListArgs),
    /// What the registry knows of an account.
    Show {
        /// The account.
        address: Address,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Whether an account is frozen: by which proposal, why, until when.
    FreezeStatus {
        /// The account.
        address: Address,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Replace the lost or stolen key of an account: two registrars of its organisation do it.
    #[command(subcommand)]
    Recover(recover::RecoverCommand),
    /// Raise the reminders that are due: 30, 7 and 1 days before certificates end, each once.
    Remind {
        /// At most 100 accounts; those for which none is due are passed over.
        #[arg(value_name = "ACCOUNT", required = true)]
        accounts: Vec<Address>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Submit an authority's CRL; its revocations bind from the next transaction on.
    SubmitCrl {
        #[command(flatten)]
        key: KeyArgs,
        /// The CRL, PEM or DER; all of them, if the file holds several.
        #[arg(long, value_name = "FILE")]
        crl: PathBuf,
        /// PEM chain of the authority that signed it, root left out; the issuing authority's for most. Leave it out for a
        /// CRL that the root signed.
        #[arg(long, value_name = "FILE")]
        issuer: Option<PathBuf>,
        #[command(flatten)]
        node: NodeArgs,
    },
}

/// A certificate, its key, and where to send it.
#[derive(Args)]
pub struct CertificateArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// PEM chain of the certificate, leaf first, root left out.
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
}

/// Runs `concordat account`.
pub fn run(command: AccountCommand, json: bool) -> Result<()> {
    match command {
        AccountCommand::Enrol(args) => present(&args, enrol_call(&args.certificate)?, "enrolled", json),
        AccountCommand::Renew(args) => {
            let chain = read_chain(&args.certificate)?;
            present(&args, IIdentityRegistry::renewCall { chain }.abi_encode(), "renewed", json)
        }
        AccountCommand::Address(key) => {
            let address = keys::address(&key.open()?)?;
            output::show(json, &json!({ "address": address }), |_| address.to_string())
        }
        AccountCommand::List(args) => list::list(&args, json),
        AccountCommand::Show { address, node } => {
            let account = lookup(&node.connect()?, address)?;
            output::show(json, &account, |account| format!("{account:#}"))
        }
        AccountCommand::FreezeStatus { address, node } => freeze_status(&node.connect()?, address, json),
        AccountCommand::Recover(command) => recover::run(command, json),
        AccountCommand::Remind { accounts, key, node } => remind(&node.connect()?, &key, accounts, json),
        AccountCommand::SubmitCrl { key, crl, issuer, node } => {
            let issuer = issuer.as_deref().map(read_chain).transpose()?.unwrap_or_default();
            let lists = keys::crls(&crl)?;
            let receipt = submit_crls(&node.connect()?, &key, &lists, &issuer)?;
            output::show(json, &receipt, |_| match lists.len() {
                1 => "the CRL is accepted; it binds from now on".into(),
                count => format!("all {count} CRLs are accepted; they bind from now on"),
            })
        }
    }
}

/// The call data that enrols the certificate in a PEM file.
pub fn enrol_call(certificate: &Path) -> Result<Vec<u8>> {
    Ok(IIdentityRegistry::enrolCall { chain: read_chain(certificate)? }.abi_encode())
}

fn read_chain(path: &Path) -> Result<Vec<Bytes>> {
    Ok(keys::certificates(path)?.into_iter().map(Bytes::from).collect())
}

/// Raises the reminders that are due and tells whose. Where none is, there is nothing to send: a daily job is done.
fn remind(client: &Client, key: &KeyArgs, accounts: Vec<Address>, json: bool) -> Result<()> {
    let mut waiting = Vec::new();
    for account in accounts {
        if ask(client, &IIdentityRegistry::renewalCall { account })?.due {
            waiting.push(account);
        }
    }
    if waiting.is_empty() {
        return output::show(json, &json!({ "reminded": [] }), |_| "no reminder is due".to_owned());
    }
    let receipt = send(client, key, IIdentityRegistry::remindCall { accounts: waiting }.abi_encode())?;
    let logs: Vec<alloy_primitives::Log> = serde_json::from_value(receipt["logs"].clone())?;
    let events = logs.iter().filter_map(|log| IIdentityRegistry::RenewalDue::decode_log(log).ok());
    let due: Vec<IIdentityRegistry::RenewalDue> = events.map(|event| event.data).collect();
    let row = |due: &IIdentityRegistry::RenewalDue| json!({ "account": due.account, "notAfter": due.notAfter, "daysLeft": due.daysLeft });
    let said = json!({
        "reminded": due.iter().map(row).collect::<Vec<Value>>(),
        "block": receipt["blockNumber"],
        "transaction": receipt["transactionHash"],
    });
    output::show(json, &said, |_| {
        let line = |due: &IIdentityRegistry::RenewalDue| {
            format!("{} has {} days left: renew its certificate", due.account, due.daysLeft)
        };
        due.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

/// Submits CRLs one after the other; the last one's receipt.
fn submit_crls(client: &Client, key: &KeyArgs, lists: &[Vec<u8>], issuer: &[Bytes]) -> Result<Value> {
    let mut receipt = Value::Null;
    for (index, crl) in lists.iter().enumerate() {
        let call = IIdentityRegistry::submitCrlCall {
            crl: Bytes::copy_from_slice(crl),
            issuerChain: issuer.to_vec(),
        };
        receipt = send(client, key, call.abi_encode()).wrap_err_with(|| {
            let (at, of) = (index.saturating_add(1), lists.len());
            format!("CRL {at} of {of}; if others were accepted already, sign all anew: concordat pki crl")
        })?;
    }
    Ok(receipt)
}

fn present(args: &CertificateArgs, call: Vec<u8>, done: &str, json: bool) -> Result<()> {
    let receipt = send(&args.node.connect()?, &args.key, call)?;
    let said = json!({ "address": receipt["from"], "block": receipt["blockNumber"], "transaction": receipt["transactionHash"] });
    output::show(json, &said, |said| {
        format!("{done}: account {} in block {}", text(&said["address"]), text(&said["block"]))
    })
}

fn send(client: &Client, key: &KeyArgs, call: Vec<u8>) -> Result<Value> {
    let act = Act { to: TxKind::Call(IDENTITY_REGISTRY), input: call.into(), gas: None };
    transaction::execute(client, &key.open()?, &act)
}

/// The answer of one of the registry's views.
pub fn ask<C: SolCall>(client: &Client, call: &C) -> Result<C::Return> {
    let request = json!({ "to": IDENTITY_REGISTRY, "input": Bytes::from(call.abi_encode()) });
    let output: Bytes = serde_json::from_value(client.call("eth_call", json!([request, "latest"]))?)?;
    Ok(C::abi_decode_returns(&output)?)
}

fn lookup(client: &Client, address: Address) -> Result<Value> {
    let found = ask(client, &IIdentityRegistry::accountCall { account: address })?;
    Ok(json!({
        "address": address,
        "organisation": found.organisation,
        "role": found.role,
        "commonName": found.commonName,
        "notBefore": found.notBefore,
        "notAfter": found.notAfter,
        "enrolledHeight": found.enrolledHeight,
        "active": found.active,
    }))
}

fn freeze_status(client: &Client, account: Address, json: bool) -> Result<()> {
    let freeze = crate::gov::ask(client, &IGovernance::freezeCall { account })?;
    let scope = Scope::from_code(freeze.scope).map(|scope| scope.to_string());
    let said = json!({
        "address": account,
        "frozen": freeze.binds,
        "scope": scope,
        "document": freeze.document,
        "reference": freeze.documentReference,
        "until": freeze.until,
        "emergency": freeze.emergency,
        "since": freeze.since,
        "proposal": freeze.proposalId,
    });
    output::show(json, &said, |said| match freeze.binds {
        false => format!("{account} is not frozen"),
        true => format!("{account} is frozen\n{said:#}"),
    })
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
