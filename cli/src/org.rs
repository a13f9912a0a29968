//! `concordat org`: the organisations of the consortium at a glance.

use clap::{Args, Subcommand, ValueEnum};
use concordat_core::abi::IIdentityRegistry::{
    OrganisationSummary, Validator, organisationPageCall, organisationSummaryCall, validatorsCall,
};
use concordat_types::{OrgId, Role};
use eyre::Result;
use serde_json::{Value, json};

use crate::{
    account::ask,
    client::{Client, NodeArgs},
    list::{Entry, PageArgs},
    output,
};

/// How many organisations one call asks for.
const PAGE: u64 = 50;

/// Subcommands of `concordat org`.
#[derive(Subcommand)]
pub enum OrgCommand {
    /// All organisations, those that were expelled included.
    List(ListArgs),
    /// All validators, in the order of their consensus keys.
    Validators(ValidatorsArgs),
    /// One organisation with its validators.
    Show {
        /// The organisation's id.
        organisation: OrgId,
        #[command(flatten)]
        node: NodeArgs,
    },
}

/// Arguments of `concordat org list`.
#[derive(Args)]
pub struct ListArgs {
    /// Only those of this membership.
    #[arg(long, value_enum)]
    status: Option<Membership>,
    /// Only those that may grant this role.
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// Arguments of `concordat org validators`.
#[derive(Args)]
pub struct ValidatorsArgs {
    /// Only those of this organisation.
    #[arg(long, value_name = "ORGANISATION")]
    organisation: Option<OrgId>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// How an organisation belongs to the consortium, in the order of the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Membership {
    /// Its accounts and nodes are refused.
    Suspended,
    /// It acts.
    Active,
    /// It has left for good.
    Expelled,
}

/// Runs `concordat org`.
pub fn run(command: OrgCommand, json: bool) -> Result<()> {
    match command {
        OrgCommand::List(args) => list(&args, json),
        OrgCommand::Validators(args) => validators(&args, json),
        OrgCommand::Show { organisation, node } => show(&node.connect()?, &organisation, json),
    }
}

fn list(args: &ListArgs, json: bool) -> Result<()> {
    let client = args.node.connect()?;
    let mut found: Vec<OrganisationSummary> = Vec::new();
    loop {
        let from = u64::try_from(found.len())?;
        let answer = ask(&client, &organisationPageCall { from, limit: PAGE })?;
        if answer.page.is_empty() {
            break;
        }
        found.extend(answer.page);
    }
    let key = |summary: &OrganisationSummary| summary.id.clone();
    let page = args.page.cut(found, key, |summary| {
        let entry = || Entry { key: key(summary), said: summary_json(summary), line: line(summary) };
        args.takes(summary).then(entry)
    })?;
    page.show(json, "no organisation matches")
}

impl ListArgs {
    fn takes(&self, summary: &OrganisationSummary) -> bool {
        self.status.is_none_or(|status| usize::from(summary.membership) == status as usize)
            && self.role.is_none_or(|role| summary.roles.contains(&role.to_string()))
    }
}

fn validators(args: &ValidatorsArgs, json: bool) -> Result<()> {
    let validators = ask(&args.node.connect()?, &validatorsCall {})?;
    let key = |validator: &Validator| validator.consensusKey.to_string();
    let page = args.page.cut(validators, key, |validator| {
        let Validator { organisation, consensusKey, power, nodeAddress, .. } = validator;
        let wanted = args.organisation.as_ref().is_none_or(|id| id.as_str() == organisation);
        let mut said = validator_json(validator);
        said["organisation"] = json!(organisation);
        let line = format!("{consensusKey}  {organisation:<20} power {power} at {nodeAddress}");
        wanted.then(|| Entry { key: key(validator), said, line })
    })?;
    page.show(json, "no validator matches")
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

fn membership(summary: &OrganisationSummary) -> String {
    let known = Membership::value_variants().get(usize::from(summary.membership));
    let known = known.and_then(ValueEnum::to_possible_value);
    known.map_or_else(|| "unknown".to_owned(), |known| known.get_name().to_owned())
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
