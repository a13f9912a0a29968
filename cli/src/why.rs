//! `concordat why`: may this account do that, and why; decided on this machine by the functions that blocks are
//! executed with.
//!
//! The entries of the state that the decision rests on come from a node: by its word, at any height that it keeps, or
//! each with a proof under headers that a quorum signed.

mod state;

use std::path::PathBuf;

use alloy_primitives::{Address, FixedBytes, TxKind};
use clap::Args;
use concordat_core::{Grounds, Wish, explain};
use concordat_types::Genesis;
use eyre::{Result, WrapErr as _};
use serde_json::{Value, json};

use crate::{client::TlsArgs, contract, output};
use state::RemoteState;

/// How often entries are proved anew if blocks that come meanwhile change some of them.
const ATTEMPTS: usize = 3;

/// Arguments of `concordat why`.
#[derive(Args)]
pub struct WhyArgs {
    /// Who would sign.
    account: Address,
    /// The contract that it would call.
    #[arg(required_unless_present = "deploy", conflicts_with = "deploy")]
    contract: Option<Address>,
    /// The method, `transfer(address,uint256)` or `0xa9059cbb`; a call without data if absent.
    #[arg(value_parser = contract::parse_method)]
    method: Option<FixedBytes<4>>,
    /// To make a contract, instead of calling one.
    #[arg(long)]
    deploy: bool,
    /// As the state stood after this block; the newest if absent.
    #[arg(long)]
    height: Option<u64>,
    /// Prove each entry that the decision rests on, from this genesis document on; at the newest height only.
    #[arg(long, value_name = "FILE", conflicts_with = "height")]
    genesis: Option<PathBuf>,
    /// CometBFT RPC of any node.
    #[arg(long, value_name = "URL", env = "CONCORDAT_COMET", default_value = "http://127.0.0.1:26657")]
    comet: String,
    #[command(flatten)]
    tls: TlsArgs,
}

/// Runs `concordat why`. Exit code 3: what the node says is not what was signed.
pub fn run(args: &WhyArgs, json: bool) -> Result<()> {
    let (state, grounds) = args.grounds()?;
    let said = told(args, &state, grounds.as_ref())?;
    output::show(json, &said, |_| format!("{}\n{}", describe(args, grounds.as_ref()), state.describe()))
}

impl WhyArgs {
    /// The grounds of the decision, `None` for an account that has never enrolled, and the state behind them.
    fn grounds(&self) -> Result<(RemoteState, Option<Grounds>)> {
        let mut attempts = 1;
        loop {
            let state = self.state()?;
            let env = state.next_block()?;
            match explain(&state, &env, &self.wish()) {
                Ok(grounds) => return Ok((state, grounds)),
                // Entries of different blocks may contradict each other.
                Err(_) if attempts < ATTEMPTS && state.spans_blocks() => attempts += 1,
                Err(error) => return Err(state.take_failure().unwrap_or_else(|| error.into())),
            }
        }
    }

    fn state(&self) -> Result<RemoteState> {
        let client = self.tls.connect(&self.comet)?;
        let Some(file) = &self.genesis else { return RemoteState::told(client, self.height) };
        let text = std::fs::read_to_string(file).wrap_err_with(|| format!("genesis {}", file.display()))?;
        RemoteState::proved(client, &Genesis::from_json(&text)?)
    }

    fn wish(&self) -> Wish<'_> {
        let kind = self.contract.map_or(TxKind::Create, TxKind::Call);
        Wish {
            account: self.account,
            kind,
            input: self.method.as_ref().map_or(&[], |method| method.as_slice()),
        }
    }
}

fn told(args: &WhyArgs, state: &RemoteState, grounds: Option<&Grounds>) -> Result<Value> {
    let refused = grounds.and_then(|grounds| grounds.refused);
    let (from, upto) = state.heights();
    Ok(json!({
        "account": args.account,
        "contract": args.contract,
        "method": args.method,
        "heights": [from, upto],
        "proved": state.is_proved(),
        "entries": state.entries(),
        "enrolled": grounds.is_some(),
        "executed": grounds.is_some() && refused.is_none(),
        "refused": refused.map(|outcome| json!({ "code": outcome.code(), "message": outcome.describe() })),
        "standing": grounds.map(standing),
        "permission": serde_json::to_value(grounds.map(|grounds| &grounds.permission))?,
    }))
}

fn standing(grounds: &Grounds) -> Value {
    let standing = &grounds.standing;
    json!({
        "identity": grounds.identity,
        "organisation": grounds.organisation,
        "role": standing.role,
        "active": standing.active,
        "organisationActive": standing.organisation_active,
        "revoked": standing.revoked,
        "notAfter": standing.not_after,
        "freeze": standing.freeze.map(|freeze| json!({ "scope": freeze.scope, "until": freeze.until })),
    })
}

fn describe(args: &WhyArgs, grounds: Option<&Grounds>) -> String {
    let Some(grounds) = grounds else {
        return format!(
            "{} has never enrolled: it may do nothing but that (concordat account enrol)",
            args.account
        );
    };
    let answer = grounds.refused.map_or("it would be executed", |outcome| outcome.describe());
    format!("{answer}\n{}", grounds.permission)
}
