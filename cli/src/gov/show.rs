//! What `concordat gov` shows.

use concordat_core::governance::abi::IGovernance as abi;
use concordat_governance::{Choice, Kind, Rule};
use eyre::Result;
use serde_json::{Value, json};

use super::{ask, list::Status};
use crate::{client::Client, list::Entry, output};

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

/// A proposal in a list.
pub(super) fn entry(proposal: &abi::Proposal) -> Entry {
    let (kind, status) = (kind(proposal), status(proposal));
    let line = format!("{:>6}  {kind:<24} {status:<9} {} ballots", proposal.id, proposal.ballots.len());
    Entry { key: proposal.id.to_string(), said: proposal_json(proposal), line }
}

fn ballot_line(ballot: &abi::Ballot) -> String {
    format!("  {} voted {} at {}", ballot.member, choice(ballot), ballot.height)
}

fn kind(proposal: &abi::Proposal) -> String {
    Kind::from_code(proposal.kind).map_or_else(|| format!("kind {}", proposal.kind), |kind| kind.to_string())
}

fn status(proposal: &abi::Proposal) -> String {
    Status::name(proposal.status)
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
