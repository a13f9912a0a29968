//! From a proposal to its one outcome: each act decides, and returns the record to keep and what to announce.
//!
//! ```text
//!  created ──voting──▶ closes ──timelock──▶ earliest ──window──▶ latest
//!     │ ballots, early close once certain      │ executed, failed, void, rejected   │ expired
//!     └──────────── revoked by its proposer, vetoed by a regulator ────────────────┘
//! ```
//!
//! Shares of weight are judged by the committee and the rule as they are when they are judged; the heights are
//! fixed by the rule as it was when the proposal was made.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};
use concordat_types::Role;

use crate::{
    Action, Ballot, Choice, Committee, Effect, Facts, Kind, Proposal, Refusal, ResolveError, Status, consent,
    facts::Ability,
    proposal::MAX_REASON_BYTES,
    regulator::Power,
    resolve::{check_proposer, objection, resolve},
    tally::Tally,
    upgrade,
};

/// What is to be announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A proposal was made.
    Opened,
    /// A member has voted.
    Voted(Ballot),
    /// Voting is over before its time: no ballot could change the outcome any more.
    ClosedEarly,
    /// The outcome is known.
    Decided,
}

/// What an act leads to. The caller keeps the record and applies the effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The proposal as it is to be kept.
    pub proposal: Proposal,
    /// What is to be announced, in order.
    pub events: Vec<Event>,
    /// The effect of an execution that takes place.
    pub effect: Option<Effect>,
}

impl Decision {
    fn of(proposal: Proposal, event: Event) -> Self {
        Self { proposal, events: vec![event], effect: None }
    }
}

type Decided<F, T = Decision> = Result<T, ResolveError<<F as Facts>::Error>>;

/// Decides whether somebody may make a proposal, and what its effect would be. `payload` is the action's; the
/// caller keeps it beside the record.
pub fn decide_proposal<F: Facts>(
    facts: &mut F,
    id: u64,
    sender: Address,
    code: u8,
    payload: &[u8],
) -> Decided<F> {
    check_member(&committee(facts)?, sender, facts)?;
    let kind = Kind::from_code(code).ok_or(Refusal::UnknownKind { code })?;
    let action = Action::decode(kind, payload).map_err(Refusal::from)?;
    let digest = resolve(&action, facts)?.digest();
    check_proposer(&action, sender, facts)?;
    let rule = facts.rule(kind).map_err(ResolveError::Facts)?;
    let created = facts.height();
    let closes = later(created, rule.voting_blocks)?;
    let earliest = later(later(closes, 1)?, rule.timelock_blocks)?;
    let proposal = Proposal {
        id,
        kind,
        digest,
        proposer: sender,
        created,
        closes,
        earliest,
        latest: later(earliest, rule.window_blocks)?,
        status: Status::Open,
        decided: 0,
        ballots: Vec::new(),
    };
    Ok(Decision::of(proposal, Event::Opened))
}

/// Decides a ballot. It binds `digest`, which must be that of the proposal's effect.
pub fn decide_ballot<F: Facts>(
    facts: &mut F,
    proposal: &Proposal,
    sender: Address,
    choice: Choice,
    digest: B256,
) -> Decided<F> {
    let committee = committee(facts)?;
    check_member(&committee, sender, facts)?;
    let height = facts.height();
    check_open(proposal, height)?;
    let id = proposal.id;
    if height > proposal.closes {
        return Err(Refusal::VotingClosed { id, closed: proposal.closes, height }.into());
    }
    if digest != proposal.digest {
        return Err(Refusal::OtherEffect { id, have: proposal.digest, presented: digest }.into());
    }
    if proposal.ballot(&sender).is_some() {
        return Err(Refusal::AlreadyVoted { id, sender }.into());
    }
    let ballot = Ballot { member: sender, choice, height };
    let mut proposal = proposal.clone();
    proposal.ballots.push(ballot);
    let mut events = vec![Event::Voted(ballot)];
    let rule = facts.rule(proposal.kind).map_err(ResolveError::Facts)?;
    if tally(&committee, &proposal, facts)?.is_certain(&rule) {
        proposal.closes = height;
        proposal.earliest = later(height, rule.timelock_blocks)?;
        proposal.latest = later(proposal.earliest, rule.window_blocks)?;
        events.push(Event::ClosedEarly);
    }
    Ok(Decision { proposal, events, effect: None })
}

/// Decides a revocation: the proposer's alone, until the outcome is known.
pub fn decide_revocation<F: Facts>(facts: &mut F, proposal: &Proposal, sender: Address) -> Decided<F> {
    let height = facts.height();
    check_open(proposal, height)?;
    let proposer = proposal.proposer;
    if proposer != sender && facts.bound(proposer).map_err(ResolveError::Facts)?.account != sender {
        return Err(Refusal::NotProposer { id: proposal.id, proposer }.into());
    }
    Ok(outcome(proposal, Status::Revoked, height))
}

/// Decides a veto: a regulator's, where the rule allows it, until the outcome is known. Once regulators are registered,
/// only those of them who may.
pub fn decide_veto<F: Facts>(facts: &mut F, proposal: &Proposal, sender: Address, basis: B256) -> Decided<F> {
    let height = facts.height();
    check_open(proposal, height)?;
    let account = facts.account(sender).map_err(ResolveError::Facts)?;
    let account = account.filter(|account| account.role == Role::Regulator);
    let account = account.ok_or(Refusal::NotRegulator { sender })?;
    if account.ability != Ability::Now {
        return Err(Refusal::NotInGoodStanding { sender }.into());
    }
    consent::check_power(sender, Power::Veto, facts)?;
    if !facts.rule(proposal.kind).map_err(ResolveError::Facts)?.veto {
        return Err(Refusal::NoVeto { kind: proposal.kind }.into());
    }
    Ok(outcome(proposal, Status::Vetoed { basis }, height))
}

/// Decides an execution, which any account in good standing may ask for. It gives every proposal whose time has
/// come its outcome: executed, rejected, failed, void or expired. One that waits for a regulator's consent, or
/// for validators that know the next protocol version, has none yet.
pub fn decide_execution<F: Facts>(facts: &mut F, proposal: &Proposal, action: &Action) -> Decided<F> {
    let (id, height) = (proposal.id, facts.height());
    if proposal.status != Status::Open {
        return Err(Refusal::NotOpen { id, status: proposal.status.clone() }.into());
    }
    if height > proposal.latest {
        return Ok(outcome(proposal, Status::Expired, height));
    }
    if height < proposal.earliest {
        return Err(Refusal::TooEarly { id, earliest: proposal.earliest, height }.into());
    }
    let committee = committee(facts)?;
    let rule = facts.rule(proposal.kind).map_err(ResolveError::Facts)?;
    if !tally(&committee, proposal, facts)?.meets(&rule) {
        return Ok(outcome(proposal, Status::Rejected, height));
    }
    if let Some(refusal) = objection(action, id, facts)? {
        return Ok(outcome(proposal, failed(&refusal), height));
    }
    match resolve(action, facts) {
        Ok(effect) if effect.digest() == proposal.digest => {
            consent::check_given(proposal, action, facts)?;
            upgrade::check_ready(action, facts)?;
            let decision = outcome(proposal, Status::Executed, height);
            Ok(Decision { effect: Some(effect), ..decision })
        }
        Ok(effect) => Ok(outcome(proposal, Status::Void { digest: effect.digest() }, height)),
        Err(ResolveError::Refused(refusal)) => Ok(outcome(proposal, failed(&refusal), height)),
        Err(error) => Err(error),
    }
}

/// Counts a proposal's ballots as they would be judged now.
pub fn tally<F: Facts>(committee: &Committee, proposal: &Proposal, facts: &mut F) -> Decided<F, Tally> {
    let mut good = BTreeSet::new();
    for ballot in &proposal.ballots {
        let account = facts.account(ballot.member).map_err(ResolveError::Facts)?;
        if account.is_some_and(|account| account.ability == Ability::Now) {
            good.insert(ballot.member);
        }
    }
    let rule = facts.rule(proposal.kind).map_err(ResolveError::Facts)?;
    let proposer = proposer(committee, proposal, facts)?;
    Ok(Tally::count(committee, &rule, proposer, &proposal.ballots, &good))
}

/// The account that acts for the proposer now: a new key makes it no judge of its own case.
fn proposer<F: Facts>(committee: &Committee, proposal: &Proposal, facts: &mut F) -> Decided<F, Address> {
    let proposer = proposal.proposer;
    // Whoever has a seat was not replaced: the seat would have gone with the key.
    if committee.member(&proposer).is_some() {
        return Ok(proposer);
    }
    Ok(facts.bound(proposer).map_err(ResolveError::Facts)?.account)
}

fn committee<F: Facts>(facts: &mut F) -> Decided<F, Committee> {
    let committee = facts.committee().map_err(ResolveError::Facts)?;
    if committee.is_empty() { Err(Refusal::NoCommittee.into()) } else { Ok(committee) }
}

fn check_member<F: Facts>(committee: &Committee, sender: Address, facts: &mut F) -> Decided<F, ()> {
    if committee.member(&sender).is_none() {
        return Err(Refusal::NotMember { sender }.into());
    }
    let account = facts.account(sender).map_err(ResolveError::Facts)?;
    match account {
        // A seat needs the role: whoever holds one under another role was never given it here.
        Some(account) if account.ability == Ability::Now && account.role == Role::CommitteeMember => Ok(()),
        _ => Err(Refusal::NotInGoodStanding { sender }.into()),
    }
}

pub(crate) fn check_open(proposal: &Proposal, height: u64) -> Result<(), Refusal> {
    match proposal.status_at(height) {
        Status::Open => Ok(()),
        status => Err(Refusal::NotOpen { id: proposal.id, status: status.clone() }),
    }
}

fn outcome(proposal: &Proposal, status: Status, height: u64) -> Decision {
    Decision::of(Proposal { status, decided: height, ..proposal.clone() }, Event::Decided)
}

fn failed(refusal: &Refusal) -> Status {
    let mut reason = refusal.to_string();
    let mut most = MAX_REASON_BYTES.min(reason.len());
    while !reason.is_char_boundary(most) {
        most = most.saturating_sub(1);
    }
    reason.truncate(most);
    Status::Failed { code: refusal.code(), reason }
}

fn later(height: u64, blocks: u64) -> Result<u64, Refusal> {
    height.checked_add(blocks).ok_or(Refusal::HeightOverflow)
}
