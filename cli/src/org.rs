//! `concordat org`: the organisations of the consortium at a glance.

use clap::Subcommand;
use concordat_core::abi::IIdentityRegistry::{
    OrganisationSummary, Validator, organisationPageCall, organisationSummaryCall, validatorsCall,
};
use concordat_types::OrgId;
use eyre::Result;
use serde_json::{Value, json};

use crate::{
    account::ask,
    client::{Client, NodeArgs},
    output,
};

/// How many organisations one call asks for.
const PAGE: u64 = 50;

/// Subcommands of `concordat org`.
#[derive(Subcommand)]
pub enum OrgCommand {
    /// All organisations, those that were expelled included.
    List {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// One organisation with its validators.
    Show {
        /// The organisation's id.
        organisation: OrgId,
        #[command(flatten)]
        node: NodeArgs,
    },
}

/// Runs `concordat org`.
pub fn run(command: OrgCommand, json: bool) -> Result<()> {
    match command {
        OrgCommand::List { node } => list(&node.connect()?, json),
        OrgCommand::Show { organisation, node } => show(&node.connect()?, &organisation, json),
    }
}

fn list(client: &Client, json: bool) -> Result<()> {
    let mut found: Vec<OrganisationSummary> = Vec::new();
    loop {
        let from = u64::try_from(found.len())?;
        let answer = ask(client, &organisationPageCall { from, limit: PAGE })?;
        if answer.page.is_empty() {
            break;
        }
        found.extend(answer.page);
    }
    let said: Vec<Value> = found.iter().map(summary_json).collect();
    output::show(json, &said, |_| found.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn show(client: &Client, organisation: &OrgId, json: bool) -> Result<()> {
    let id = organisation.to_string();
    let summary = ask(client, &organisationSummaryCall { id: id.clone() })?;
    let validators = ask(client, &validatorsCall {})?;
    let own: Vec<&Validator> = validators.iter().filter(|validator| validator.organisation == id).collect();
    let mut said = summary_json(&summary);
    said["validatorList"] = own.iter().map(|validator| validator_json(validator)).collect();
    output::show(json, &said, |_| {
        let validator =
            |v: &&Validator| format!("  validator {} power {} at {}", v.consensusKey, v.power, v.nodeAddress);
        let lines: Vec<String> = own.iter().map(validator).collect();
        let roles = format!("  may grant {}", summary.roles.join(", "));
        format!("{}\n{roles}\n{}", line(&summary), lines.join("\n"))
    })
}

fn line(summary: &OrganisationSummary) -> String {
    format!(
        "{:<20} {:<10} {} validators of power {}, {} seats of weight {}  {:?}",
        summary.id,
        membership(summary),
        summary.validators,
        summary.power,
        summary.seats,
        summary.weight,
        summary.name
    )
}

const fn membership(summary: &OrganisationSummary) -> &'static str {
    match summary.membership {
        0 => "suspended",
        1 => "active",
        2 => "expelled",
        _ => "unknown",
    }
}

fn summary_json(summary: &OrganisationSummary) -> Value {
    json!({
        "id": summary.id,
        "name": summary.name,
        "membership": membership(summary),
        "roles": summary.roles,
        "admittedHeight": summary.admittedHeight,
        "validators": summary.validators,
        "power": summary.power,
        "seats": summary.seats,
        "weight": summary.weight,
    })
}

fn validator_json(validator: &Validator) -> Value {
    json!({
        "consensusKey": validator.consensusKey,
        "power": validator.power,
        "nodeKeyHash": validator.nodeKeyHash,
        "nodeAddress": validator.nodeAddress,
        "admittedHeight": validator.admittedHeight,
    })
}
