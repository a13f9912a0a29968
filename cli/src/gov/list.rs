//! What `concordat gov` lists: proposals, seats, regulators, freezes, bars.

use alloy_primitives::{Address, B256};
use clap::{Args, ValueEnum};
use concordat_core::{
    CONTRACTS, GOVERNANCE, IDENTITY_REGISTRY, ListedTable, abi::IIdentityRegistry as registry,
    contracts::abi::IContracts, governance::abi::IGovernance as abi,
};
use concordat_governance::{Kind, action::Scope, regulator::Power};
use concordat_types::OrgId;
use eyre::Result;
use serde_json::json;

use super::{ask, show};
use crate::{
    client::NodeArgs,
    list::{Entry, Page, PageArgs},
    table::AsOf,
};

/// How many proposals one call asks for.
const PAGE: u64 = 50;

/// Arguments of `concordat gov list`.
#[derive(Args)]
pub struct ProposalsArgs {
    /// Only those of this kind.
    #[arg(long)]
    kind: Option<Kind>,
    /// Only those of this status.
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Only those of this proposer.
    #[arg(long, value_name = "ADDRESS")]
    proposer: Option<Address>,
    /// Only those of which the last height of execution is below this one.
    #[arg(long, value_name = "HEIGHT")]
    expiring_before: Option<u64>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// What has become of a proposal, in the order of the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Status {
    /// Nothing yet.
    Open,
    /// It has done what it was for.
    Executed,
    /// That was no longer possible.
    Failed,
    /// The ballots did not suffice.
    Rejected,
    /// Nobody came in time.
    Expired,
    /// Its proposer took it back.
    Revoked,
    /// A regulator forbade it.
    Vetoed,
    /// Its effect would have been another one.
    Void,
}

impl Status {
    /// The name of the status of this code.
    pub(super) fn name(code: u8) -> String {
        let known = Self::value_variants().get(usize::from(code)).and_then(ValueEnum::to_possible_value);
        known.map_or_else(|| "unknown".to_owned(), |known| known.get_name().to_owned())
    }
}

/// Arguments of `concordat gov committee`.
#[derive(Args)]
pub struct CommitteeArgs {
    /// Only seats of this organisation.
    #[arg(long, value_name = "ORGANISATION")]
    organisation: Option<OrgId>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// Arguments of `concordat gov regulators`.
#[derive(Args)]
pub struct RegulatorsArgs {
    /// Only those that this organisation vouches for.
    #[arg(long, value_name = "ORGANISATION")]
    organisation: Option<OrgId>,
    /// Only those whose mandate holds, or is over.
    #[arg(long, value_enum)]
    status: Option<Force>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// Arguments of `concordat gov freezes`.
#[derive(Args)]
pub struct FreezesArgs {
    /// Only freezes of these.
    #[arg(long, value_enum)]
    kind: Option<Frozen>,
    /// Only those that bind, or that are over: emergencies that have lapsed, or were lifted.
    #[arg(long, value_enum)]
    status: Option<Force>,
    /// As the state stood after this block; the newest if absent.
    #[arg(long)]
    height: Option<u64>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// Arguments of `concordat gov bars`.
#[derive(Args)]
pub struct BarsArgs {
    /// Only bars of these.
    #[arg(long, value_enum)]
    kind: Option<Barred>,
    /// As the state stood after this block; the newest if absent.
    #[arg(long)]
    height: Option<u64>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// Whether something binds still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Force {
    /// It does.
    InForce,
    /// Not any more.
    Over,
}

/// What is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Frozen {
    /// Accounts.
    Account,
    /// Contracts, retired ones among them.
    Contract,
}

/// What is barred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Barred {
    /// Identities.
    Account,
    /// Keys of nodes.
    Node,
}

fn wanted(force: Option<Force>, binds: bool) -> bool {
    force.is_none_or(|force| binds == (force == Force::InForce))
}

/// Runs `concordat gov list`.
pub(super) fn proposals(args: &ProposalsArgs, json: bool) -> Result<()> {
    let client = args.node.connect()?;
    let mut from = args.page.after::<u64>()?.map_or(1, |after| after.saturating_add(1));
    let mut page = Page::default();
    loop {
        let found = ask(&client, &abi::proposalsCall { from, limit: PAGE })?;
        let Some(last) = found.last() else { break };
        from = last.id.saturating_add(1);
        let mut taken = found.iter().filter(|proposal| args.takes(proposal)).map(show::entry);
        if !taken.all(|entry| page.push(entry, &args.page)) {
            break;
        }
    }
    page.show(json, "no proposal matches")
}

impl ProposalsArgs {
    fn takes(&self, proposal: &abi::Proposal) -> bool {
        self.kind.is_none_or(|kind| kind.code() == proposal.kind)
            && self.status.is_none_or(|status| usize::from(proposal.status) == status as usize)
            && self.proposer.is_none_or(|proposer| proposer == proposal.proposer)
            && self.expiring_before.is_none_or(|height| proposal.latest < height)
    }
}

/// Runs `concordat gov committee`.
pub(super) fn committee(args: &CommitteeArgs, json: bool) -> Result<()> {
    let seats = ask(&args.node.connect()?, &abi::committeeCall {})?;
    let key = |seat: &abi::Member| seat.member.to_string();
    let of =
        |seat: &abi::Member| args.organisation.as_ref().is_none_or(|id| id.as_str() == seat.organisation);
    let page = args.page.cut(seats, key, |seat| {
        let abi::Member { member, organisation, weight } = seat;
        let said = json!({ "member": member, "organisation": organisation, "weight": weight });
        let line = format!("{member}  {organisation:<16} {weight}");
        of(seat).then(|| Entry { key: key(seat), said, line })
    })?;
    page.show(json, "no seat matches")
}

/// Runs `concordat gov regulators`.
pub(super) fn regulators(args: &RegulatorsArgs, json: bool) -> Result<()> {
    let regulators = ask(&args.node.connect()?, &abi::regulatorsCall {})?;
    let key = |regulator: &abi::Regulator| regulator.account.to_string();
    let page = args.page.cut(regulators, key, |regulator| {
        let of = args.organisation.as_ref().is_none_or(|id| id.as_str() == regulator.organisation);
        (of && wanted(args.status, regulator.inForce)).then(|| regulator_entry(regulator))
    })?;
    page.show(json, "no regulator matches")
}

fn regulator_entry(regulator: &abi::Regulator) -> Entry {
    let state = if regulator.inForce { "in force" } else { "over" };
    let abi::Regulator { account, organisation, jurisdiction, .. } = regulator;
    let powers: Vec<&str> =
        Power::ALL.into_iter().filter(|power| regulator.powers & power.bit() != 0).map(Power::name).collect();
    let line = format!("{account}  {organisation:<16} {state:<8} {jurisdiction:?}: {}", powers.join(", "));
    let said = json!({
        "identity": regulator.identity,
        "account": account,
        "organisation": organisation,
        "jurisdiction": jurisdiction,
        "organisations": (!regulator.allOrganisations).then_some(&regulator.organisations),
        "contracts": (!regulator.allContracts).then_some(&regulator.contracts),
        "powers": powers,
        "until": regulator.until,
        "inForce": regulator.inForce,
        "since": regulator.since,
        "proposal": regulator.proposalId,
    });
    Entry { key: account.to_string(), said, line }
}

/// Runs `concordat gov freezes`: accounts, then contracts.
pub(super) fn freezes(args: &FreezesArgs, json: bool) -> Result<()> {
    let client = args.node.connect()?;
    let chain = AsOf::new(&client, args.height)?;
    let mut entries = Vec::new();
    if args.kind.is_none_or(|kind| kind == Frozen::Account) {
        let freeze = |account| abi::freezeCall { account };
        chain.each((ListedTable::Freezes, GOVERNANCE), None, freeze, |account, freeze| {
            entries.extend(wanted(args.status, freeze.binds).then(|| freeze_entry(account, &freeze)));
            true
        })?;
    }
    if args.kind.is_none_or(|kind| kind == Frozen::Contract) {
        let halt = |contract| IContracts::haltCall { contractAddress: contract };
        chain.each((ListedTable::Halts, CONTRACTS), None, halt, |contract, halt| {
            entries.extend(wanted(args.status, halt.binds).then(|| halt_entry(contract, &halt)));
            true
        })?;
    }
    let page = args.page.cut(entries, |entry| entry.key.clone(), |entry| Some(entry.clone()))?;
    page.show(json, "nothing is frozen")
}

fn freeze_entry(account: Address, freeze: &abi::Freeze) -> Entry {
    let scope = Scope::from_code(freeze.scope).map(|scope| scope.to_string());
    let said = json!({
        "kind": "account",
        "address": account,
        "inForce": freeze.binds,
        "scope": scope,
        "document": freeze.document,
        "reference": freeze.documentReference,
        "until": freeze.until,
        "emergency": freeze.emergency,
        "since": freeze.since,
        "proposal": freeze.proposalId,
    });
    let what = format!("account, {}", scope.unwrap_or_default());
    let line = order_line(account, &what, freeze.binds, (freeze.since, freeze.until, freeze.proposalId));
    Entry { key: account.to_string(), said, line: format!("{line}  {:?}", freeze.documentReference) }
}

fn halt_entry(contract: Address, halt: &IContracts::Halt) -> Entry {
    let said = json!({
        "kind": "contract",
        "address": contract,
        "inForce": halt.binds,
        "retired": halt.retired,
        "document": halt.document,
        "reference": halt.documentReference,
        "until": halt.until,
        "emergency": halt.emergency,
        "since": halt.since,
        "proposal": halt.proposalId,
    });
    let what = if halt.retired { "contract, retired" } else { "contract" };
    let line = order_line(contract, what, halt.binds, (halt.since, halt.until, halt.proposalId));
    Entry { key: contract.to_string(), said, line: format!("{line}  {:?}", halt.documentReference) }
}

fn order_line(
    address: Address,
    what: &str,
    binds: bool,
    (since, until, proposal): (u64, u64, u64),
) -> String {
    let state = if binds { "in force" } else { "over" };
    let end = if until == 0 { "until it is lifted".to_owned() } else { format!("through {until}") };
    format!("{address}  {what:<18} {state:<8} since {since}, {end}, by proposal {proposal}")
}

/// Runs `concordat gov bars`: identities, then nodes.
pub(super) fn bars(args: &BarsArgs, json: bool) -> Result<()> {
    let client = args.node.connect()?;
    let chain = AsOf::new(&client, args.height)?;
    let mut entries = Vec::new();
    if args.kind.is_none_or(|kind| kind == Barred::Account) {
        let bar = |account| registry::barCall { account };
        let take = |account: Address, bar| {
            entries.push(bar_entry("account", account.to_string(), &bar));
            true
        };
        chain.each((ListedTable::IdentityBars, IDENTITY_REGISTRY), None, bar, take)?;
    }
    if args.kind.is_none_or(|kind| kind == Barred::Node) {
        let bar = |node| registry::nodeBarCall { nodeKeyHash: node };
        let take = |node: B256, bar| {
            entries.push(bar_entry("node", node.to_string(), &bar));
            true
        };
        chain.each((ListedTable::NodeBars, IDENTITY_REGISTRY), None, bar, take)?;
    }
    let page = args.page.cut(entries, |entry| entry.key.clone(), |entry| Some(entry.clone()))?;
    page.show(json, "nobody is barred")
}

fn bar_entry(kind: &str, barred: String, bar: &registry::Bar) -> Entry {
    let said = json!({
        "kind": kind,
        "barred": barred,
        "document": bar.document,
        "reference": bar.documentReference,
        "since": bar.since,
        "proposal": bar.proposalId,
    });
    let line = format!(
        "{barred}  {kind:<8} since {}, by proposal {}  {:?}",
        bar.since, bar.proposalId, bar.documentReference
    );
    Entry { key: barred, said, line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_status_are_those_that_the_filter_takes() {
        let names: Vec<String> = (0..9).map(Status::name).collect();
        let known =
            ["open", "executed", "failed", "rejected", "expired", "revoked", "vetoed", "void", "unknown"];
        assert_eq!(names, known);
    }
}
