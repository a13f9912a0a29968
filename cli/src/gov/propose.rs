//! `concordat gov propose`: one subcommand per kind, each with its arguments and what they become where its topic is.

mod accounts;
mod args;
mod committee;
mod contracts;
mod deployments;
mod limits;
mod organisations;
mod parameters;
mod policies;
mod regulators;
mod repairs;
mod validators;

use alloy_sol_types::SolEvent as _;
use clap::Subcommand;
use concordat_core::governance::abi::IGovernance;
use concordat_governance::{Action, Effect};
use eyre::{Result, eyre};
use serde_json::{Value, json};

use super::ANY;
use crate::{
    output, rule,
    sender::{Done, SenderArgs, show_signed},
};
pub(crate) use args::BasisArgs;
pub(super) use args::document;
pub(crate) use policies::PolicyArgs;

/// Subcommands of `concordat gov propose`, by topics.
#[derive(Subcommand)]
pub enum ProposeCommand {
    #[command(flatten)]
    Organisation(organisations::OrganisationCommand),
    #[command(flatten)]
    Validator(validators::ValidatorCommand),
    #[command(flatten)]
    Committee(committee::CommitteeCommand),
    #[command(flatten)]
    Account(accounts::AccountCommand),
    #[command(flatten)]
    Regulator(regulators::RegulatorCommand),
    #[command(flatten)]
    Policy(policies::PolicyCommand),
    #[command(flatten)]
    Contract(contracts::ContractCommand),
    #[command(flatten)]
    Deployment(deployments::DeploymentCommand),
    #[command(flatten)]
    Limit(limits::LimitCommand),
    #[command(flatten)]
    Parameter(parameters::ParameterCommand),
    #[command(flatten)]
    Repair(repairs::RepairCommand),
}

/// Runs `concordat gov propose`.
pub fn run(command: ProposeCommand, json: bool) -> Result<()> {
    match command {
        ProposeCommand::Organisation(command) => command.run(json),
        ProposeCommand::Validator(command) => command.run(json),
        ProposeCommand::Committee(command) => command.run(json),
        ProposeCommand::Account(command) => command.run(json),
        ProposeCommand::Regulator(command) => command.run(json),
        ProposeCommand::Policy(command) => command.run(json),
        ProposeCommand::Contract(command) => command.run(json),
        ProposeCommand::Deployment(command) => command.run(json),
        ProposeCommand::Limit(command) => command.run(json),
        ProposeCommand::Parameter(command) => command.run(json),
        ProposeCommand::Repair(command) => command.run(json),
    }
}

/// Checks, sends, and says the proposal's number and what it would do.
fn submit(sender: &SenderArgs, action: &Action, json: bool) -> Result<()> {
    action.validate()?;
    let call = IGovernance::proposeCall { kind: action.kind().code(), payload: action.encode() };
    let client = sender.node.connect()?;
    let receipt = match sender.act(&client, ANY, &call)? {
        Done::Signed(signed) => return show_signed(&signed, json),
        Done::Executed(receipt) => receipt,
    };
    let opened = opened(&receipt)?;
    let effect = super::effect(&client, opened.id)?;
    let said = said(&opened, &effect, &receipt);
    output::show(json, &said, |_| {
        format!(
            "proposal {} is open through height {}\n{}",
            opened.id,
            opened.closes,
            rule::in_words(&effect)
        )
    })
}

fn said(opened: &IGovernance::ProposalOpened, effect: &Effect, receipt: &Value) -> Value {
    json!({
        "id": opened.id,
        "kind": effect.kind,
        "digest": opened.digest,
        "closes": opened.closes,
        "effect": effect,
        "block": receipt["blockNumber"],
        "transaction": receipt["transactionHash"],
    })
}

/// The event of a proposal's receipt.
fn opened(receipt: &Value) -> Result<IGovernance::ProposalOpened> {
    let logs: Vec<alloy_primitives::Log> = serde_json::from_value(receipt["logs"].clone())?;
    let mut events = logs.iter().filter_map(|log| IGovernance::ProposalOpened::decode_log(log).ok());
    let event = events.next().ok_or_else(|| eyre!("the receipt has no ProposalOpened event"))?;
    Ok(event.data)
}
