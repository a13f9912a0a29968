//! What `concordat gov` shows.

use alloy_primitives::Address;
use concordat_core::governance::abi::IGovernance as abi;
use concordat_governance::{Choice, Kind, Rule, regulator::Power};
use eyre::Result;
use serde_json::{Value, json};

use super::ask;
use crate::{client::Client, output};

/// How many proposals one call asks for.
const PAGE: u64 = 50;

const STATUSES: [&str; 8] =
    ["open", "executed", "failed", "rejected", "expired", "revoked", "vetoed", "void"];

/// Which proposals to list.
pub(super) struct Wanted {
    pub(super) kind: Option<Kind>,
    pub(super) status: Option<String>,
    pub(super) proposer: Option<Address>,
}

impl Wanted {
    fn takes(&self, proposal: &abi::Proposal) -> bool {
        self.kind.is_none_or(|kind| kind.code() == proposal.kind)
            && self.status.as_deref().is_none_or(|wanted| wanted == status(proposal))
            && self.proposer.is_none_or(|proposer| proposer == proposal.proposer)
    }
}

pub(super) fn list(client: &Client, wanted: &Wanted, json: bool) -> Result<()> {
    let mut found = Vec::new();
    let mut from = 1;
    loop {
        let page = ask(client, &abi::proposalsCall { from, limit: PAGE })?;
        let Some(last) = page.last() else { break };
        from = last.id.saturating_add(1);
        found.extend(page.into_iter().filter(|proposal| wanted.takes(proposal)));
    }
    let said: Vec<Value> = found.iter().map(proposal_json).collect();
    output::show(json, &said, |_| found.iter().map(line).collect::<Vec<_>>().join("\n"))
}

pub(super) fn proposal(client: &Client, id: u64, json: bool) -> Result<()> {
    let proposal = ask(client, &abi::proposalCall { id })?;
    let tally = ask(client, &abi::tallyCall { id })?;
    let mut said = proposal_json(&proposal);
    said["tally"] = json!({
        "total": tally.total,
        "voted": tally.voted,
        "yes": tally.yes,
        "no": tally.no,
        "outstanding": tally.outstanding,
        "organisations": tally.organisations,
        "met": tally.met,
    });
    output::show(json, &said, |_| {
        let heights = format!(
            "made at {} by {}; ballots through {}, execution from {} through {}",
            proposal.created, proposal.proposer, proposal.closes, proposal.earliest, proposal.latest
        );
        let ballots: Vec<String> = proposal.ballots.iter().map(ballot_line).collect();
        let judged = format!(
            "now: weight {} of {} has voted, {} yes and {} no count, {} organisations say yes: {}",
            tally.voted,
            tally.total,
            tally.yes,
            tally.no,
            tally.organisations,
            if tally.met { "enough" } else { "not enough" }
        );
        format!("{}\n{heights}\n{}\n{judged}", status_line(&proposal), ballots.join("\n"))
    })
}

pub(super) fn committee(client: &Client, json: bool) -> Result<()> {
    let seats = ask(client, &abi::committeeCall {})?;
    let said: Vec<Value> = seats
        .iter()
        .map(
            |seat| json!({ "member": seat.member, "organisation": seat.organisation, "weight": seat.weight }),
        )
        .collect();
    output::show(json, &said, |_| {
        let line = |seat: &abi::Member| format!("{}  {:<16} {}", seat.member, seat.organisation, seat.weight);
        seats.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

pub(super) fn regulators(client: &Client, json: bool) -> Result<()> {
    let regulators = ask(client, &abi::regulatorsCall {})?;
    let said: Vec<Value> = regulators.iter().map(regulator_json).collect();
    output::show(json, &said, |_| regulators.iter().map(regulator_line).collect::<Vec<_>>().join("\n"))
}

fn regulator_line(regulator: &abi::Regulator) -> String {
    let state = if regulator.inForce { "in force" } else { "over" };
    let (account, organisation, jurisdiction) =
        (regulator.account, &regulator.organisation, &regulator.jurisdiction);
    format!("{account}  {organisation:<16} {state:<8} {jurisdiction:?}: {}", powers(regulator).join(", "))
}

fn regulator_json(regulator: &abi::Regulator) -> Value {
    let organisations = (!regulator.allOrganisations).then_some(&regulator.organisations);
    let contracts = (!regulator.allContracts).then_some(&regulator.contracts);
    json!({
        "identity": regulator.identity,
        "account": regulator.account,
        "organisation": regulator.organisation,
        "jurisdiction": regulator.jurisdiction,
        "organisations": organisations,
        "contracts": contracts,
        "powers": powers(regulator),
        "until": regulator.until,
        "inForce": regulator.inForce,
        "since": regulator.since,
        "proposal": regulator.proposalId,
    })
}

fn powers(regulator: &abi::Regulator) -> Vec<&'static str> {
    let held = Power::ALL.into_iter().filter(|power| regulator.powers & power.bit() != 0);
    held.map(Power::name).collect()
}

pub(super) fn rules(client: &Client, kind: Option<Kind>, json: bool) -> Result<()> {
    let kinds: Vec<Kind> = kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]);
    let mut rules = Vec::new();
    for kind in kinds {
        rules.push((kind, rule_of(&ask(client, &abi::ruleCall { kind: kind.code() })?)));
    }
    let said: Vec<Value> = rules.iter().map(|(kind, rule)| json!({ "kind": kind, "rule": rule })).collect();
    output::show(json, &said, |_| {
        rules.iter().map(|(kind, rule)| format!("{kind:<24} {rule}")).collect::<Vec<_>>().join("\n")
    })
}

/// A rule as the program's crates know it.
pub(super) fn rule_of(rule: &abi::Rule) -> Rule {
    Rule {
        participation: rule.participation,
        approval: rule.approval,
        organisations: rule.organisations,
        voting_blocks: rule.votingBlocks,
        timelock_blocks: rule.timelockBlocks,
        window_blocks: rule.windowBlocks,
        veto: rule.veto,
        proposer_counts: rule.proposerCounts,
        lapse_blocks: rule.lapseBlocks,
    }
}

/// One line on what became of a proposal.
pub(super) fn status_line(proposal: &abi::Proposal) -> String {
    let why = if proposal.reason.is_empty() { String::new() } else { format!(": {}", proposal.reason) };
    format!("proposal {} ({}) is {}{why}", proposal.id, kind(proposal), status(proposal))
}

fn line(proposal: &abi::Proposal) -> String {
    let (kind, status) = (kind(proposal), status(proposal));
    format!("{:>6}  {kind:<24} {status:<9} {} ballots", proposal.id, proposal.ballots.len())
}

fn ballot_line(ballot: &abi::Ballot) -> String {
    format!("  {} voted {} at {}", ballot.member, choice(ballot), ballot.height)
}

fn kind(proposal: &abi::Proposal) -> String {
    Kind::from_code(proposal.kind).map_or_else(|| format!("kind {}", proposal.kind), |kind| kind.to_string())
}

fn status(proposal: &abi::Proposal) -> &'static str {
    STATUSES.get(usize::from(proposal.status)).copied().unwrap_or("unknown")
}

fn choice(ballot: &abi::Ballot) -> String {
    Choice::from_code(ballot.choice).map_or_else(|| ballot.choice.to_string(), |choice| choice.to_string())
}

fn proposal_json(proposal: &abi::Proposal) -> Value {
    let ballot = |ballot: &abi::Ballot| json!({ "member": ballot.member, "choice": choice(ballot), "height": ballot.height });
    json!({
        "id": proposal.id,
        "kind": kind(proposal),
        "digest": proposal.digest,
        "proposer": proposal.proposer,
        "created": proposal.created,
        "closes": proposal.closes,
        "earliest": proposal.earliest,
        "latest": proposal.latest,
        "status": status(proposal),
        "decided": proposal.decided,
        "refusal": proposal.refusal,
        "reason": proposal.reason,
        "note": proposal.note,
        "ballots": proposal.ballots.iter().map(ballot).collect::<Vec<_>>(),
    })
}
