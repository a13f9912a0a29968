//! `concordat why`: may this account do that, and why; decided on this machine by the functions that blocks are
//! executed with.
//!
//! The entries of the state that the decision rests on come from a node: by its word, at any height that it keeps, or
//! each with a proof under headers that a quorum signed.

use alloy_primitives::{Address, FixedBytes, TxKind};
use clap::Args;
use concordat_core::{Grounds, Wish, explain};
use eyre::Result;
use serde_json::{Value, json};

use crate::{
    contract, output,
    remote::{RemoteState, StateArgs},
};

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
    #[command(flatten)]
    state: StateArgs,
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
        self.state.read(|state| -> Result<_> {
            let env = state.next_block()?;
            Ok(explain(state, &env, &self.wish())?)
        })
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
        "order": grounds.and_then(|grounds| grounds.order.as_ref()).map(|order| json!({
            "id": order.id,
            "measure": order.measure,
            "reference": order.reference,
            "until": order.until,
        })),
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
    let order = grounds.order.as_ref().map(|order| format!(": {order}")).unwrap_or_default();
    format!("{answer}{order}\n{}", grounds.permission)
}
