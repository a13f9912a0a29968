//! `concordat account recover`: an identity gets another key, by two registrars of its organisation.

use std::path::PathBuf;

use alloy_primitives::Address;
use alloy_sol_types::SolCall as _;
use clap::{Args, Subcommand};
use concordat_core::abi::IIdentityRegistry;
use eyre::Result;
use serde_json::{Value, json};

use super::{ask, read_chain, send, text};
use crate::{
    client::{Client, NodeArgs},
    keys::KeyArgs,
    output,
};

/// Subcommands of `concordat account recover`.
#[derive(Subcommand)]
pub enum RecoverCommand {
    /// Ask for it, as a registrar. It lapses 10,000 blocks later.
    Request(ReplaceArgs),
    /// Confirm it, as another registrar, with the same certificate: from then on the new key acts.
    Confirm(ReplaceArgs),
    /// Take the request back: as a registrar, or as the account itself.
    Cancel {
        /// The account that would be replaced.
        account: Address,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// The identity of an account, the account that acts for it, and the request to replace it.
    Show {
        /// An account of the identity.
        account: Address,
        #[command(flatten)]
        node: NodeArgs,
    },
}

/// Which account, by which key, and who says so.
#[derive(Args)]
pub struct ReplaceArgs {
    /// The account of the lost key.
    account: Address,
    /// PEM chain of the new key's certificate, leaf first, root left out.
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// Runs `concordat account recover`.
pub fn run(command: RecoverCommand, json: bool) -> Result<()> {
    match command {
        RecoverCommand::Request(args) => {
            let (account, chain) = (args.account, read_chain(&args.certificate)?);
            let call = IIdentityRegistry::requestRecoveryCall { oldAccount: account, chain };
            let client = args.node.connect()?;
            let receipt = send(&client, &args.key, call.abi_encode())?;
            let request = ask(&client, &IIdentityRegistry::recoveryCall { account })?;
            output::show(json, &said(account, &receipt), |_| {
                let (from, through) = (request.earliest, request.expires);
                format!("requested: another registrar confirms it at heights {from} to {through}")
            })
        }
        RecoverCommand::Confirm(args) => {
            let (account, chain) = (args.account, read_chain(&args.certificate)?);
            let call = IIdentityRegistry::confirmRecoveryCall { oldAccount: account, chain };
            let client = args.node.connect()?;
            let receipt = send(&client, &args.key, call.abi_encode())?;
            let acts = ask(&client, &IIdentityRegistry::accountOfCall { identity: account })?;
            output::show(json, &said(account, &receipt), |_| format!("{account} is replaced by {acts}"))
        }
        RecoverCommand::Cancel { account, key, node } => {
            let call = IIdentityRegistry::cancelRecoveryCall { oldAccount: account };
            let receipt = send(&node.connect()?, &key, call.abi_encode())?;
            output::show(json, &said(account, &receipt), |said| {
                format!("cancelled in block {}", text(&said["block"]))
            })
        }
        RecoverCommand::Show { account, node } => show(&node.connect()?, account, json),
    }
}

fn said(account: Address, receipt: &Value) -> Value {
    json!({
        "address": account,
        "block": receipt["blockNumber"],
        "transaction": receipt["transactionHash"],
    })
}

fn show(client: &Client, account: Address, json: bool) -> Result<()> {
    let identity = ask(client, &IIdentityRegistry::identityOfCall { account })?;
    let acts = ask(client, &IIdentityRegistry::accountOfCall { identity })?;
    let request = ask(client, &IIdentityRegistry::recoveryCall { account: acts })?;
    let pending = request.pending.then(|| {
        json!({
            "digest": request.digest,
            "newAccount": request.newAccount,
            "requester": request.requester,
            "requested": request.requested,
            "earliest": request.earliest,
            "expires": request.expires,
        })
    });
    let said = json!({ "address": account, "identity": identity, "account": acts, "pending": pending });
    output::show(json, &said, |said| format!("{said:#}"))
}
