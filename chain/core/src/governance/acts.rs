//! The functions that change something.

use alloy_primitives::LogData;
use alloy_sol_types::{SolEvent as _, SolValue as _};
use concordat_governance::{
    Action, Choice, Decision, Proposal, Refusal, consent,
    lifecycle::{self, Event},
};
use concordat_types::{Address, B256, Bytes};

use super::{abi::IGovernance as abi, apply, facts::ChainFacts, revert, stop, tables};
use crate::{
    identity::Record as _,
    system::{Effects, Reply, Rows, SystemError, gas},
};

/// Makes a proposal.
pub(super) fn propose<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    sender: Address,
    kind: u8,
    payload: &Bytes,
) -> Result<Reply, SystemError> {
    facts.meter.charge(gas::ROW_READ)?;
    let id = tables::proposal_count(facts.rows)?.checked_add(1);
    let id = id.ok_or_else(|| revert(&Refusal::HeightOverflow))?;
    let decision = lifecycle::decide_proposal(facts, id, sender, kind, payload).map_err(stop)?;
    let mut effects = record(&decision);
    effects.writes.push((tables::payload_key(id), Some(payload.clone())));
    effects.writes.push((tables::proposal_count_key(), Some(id.to_row())));
    Ok(Reply { output: id.abi_encode().into(), effects: Some(effects) })
}

/// Casts a ballot.
pub(super) fn vote<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    sender: Address,
    (id, choice, digest): (u64, u8, B256),
) -> Result<Reply, SystemError> {
    let proposal = find(facts, id)?;
    let choice = Choice::from_code(choice).ok_or_else(|| revert(&Refusal::UnknownChoice { code: choice }))?;
    let decision = lifecycle::decide_ballot(facts, &proposal, sender, choice, digest).map_err(stop)?;
    Ok(Reply { output: Bytes::new(), effects: Some(record(&decision)) })
}

/// Takes a proposal back.
pub(super) fn revoke<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    sender: Address,
    id: u64,
) -> Result<Reply, SystemError> {
    let proposal = find(facts, id)?;
    let decision = lifecycle::decide_revocation(facts, &proposal, sender).map_err(stop)?;
    Ok(Reply { output: Bytes::new(), effects: Some(record(&decision)) })
}

/// Forbids a proposal.
pub(super) fn veto<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    sender: Address,
    id: u64,
    basis: B256,
) -> Result<Reply, SystemError> {
    let proposal = find(facts, id)?;
    let decision = lifecycle::decide_veto(facts, &proposal, sender, basis).map_err(stop)?;
    Ok(Reply { output: Bytes::new(), effects: Some(record(&decision)) })
}

/// Keeps a regulator's consent.
pub(super) fn consent<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    sender: Address,
    id: u64,
    digest: B256,
) -> Result<Reply, SystemError> {
    let proposal = find(facts, id)?;
    let action = action(facts, &proposal)?;
    let given = consent::decide_consent(facts, &proposal, &action, sender, digest).map_err(stop)?;
    let log = abi::ConsentGiven { id, account: given.account, digest: given.digest };
    let effects = Effects {
        writes: vec![(tables::consent_key(id), Some(given.to_row()))],
        logs: vec![log.encode_log_data()],
        ..Effects::default()
    };
    Ok(Reply { output: Bytes::new(), effects: Some(effects) })
}

/// Gives a proposal its outcome.
pub(super) fn execute<R: Rows>(facts: &mut ChainFacts<'_, R>, id: u64) -> Result<Reply, SystemError> {
    let proposal = find(facts, id)?;
    let action = action(facts, &proposal)?;
    let decision = lifecycle::decide_execution(facts, &proposal, &action).map_err(stop)?;
    let mut effects = record(&decision);
    if let Some(effect) = &decision.effect {
        apply::apply(facts, id, &action, effect, &mut effects)?;
    }
    let status = decision.proposal.status.code();
    Ok(Reply { output: u64::from(status).abi_encode().into(), effects: Some(effects) })
}

/// The proposal with this number.
pub(super) fn find<R: Rows>(facts: &mut ChainFacts<'_, R>, id: u64) -> Result<Proposal, SystemError> {
    facts.meter.charge(gas::ROW_READ)?;
    tables::proposal(facts.rows, id)?.ok_or_else(|| revert(&Refusal::UnknownProposal { id }))
}

/// What a proposal would do.
pub(super) fn action<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    proposal: &Proposal,
) -> Result<Action, SystemError> {
    facts.meter.charge(gas::ROW_READ)?;
    let payload = tables::payload(facts.rows, proposal.id)?;
    // It was one when it was proposed, and payloads never change.
    Action::decode(proposal.kind, &payload).map_err(|error| revert(&error.into()))
}

/// The row of a decision's proposal, and its events.
fn record(decision: &Decision) -> Effects {
    let Decision { proposal, events, .. } = decision;
    Effects {
        writes: vec![(tables::proposal_key(proposal.id), Some(proposal.to_row()))],
        logs: events.iter().map(|event| log(proposal, event)).collect(),
        ..Effects::default()
    }
}

fn log(proposal: &Proposal, event: &Event) -> LogData {
    let id = proposal.id;
    match event {
        Event::Opened => abi::ProposalOpened {
            id,
            kind: proposal.kind.code(),
            proposer: proposal.proposer,
            digest: proposal.digest,
            closes: proposal.closes,
        }
        .encode_log_data(),
        Event::Voted(ballot) => abi::BallotCast {
            id,
            member: ballot.member,
            choice: ballot.choice.code(),
            digest: proposal.digest,
        }
        .encode_log_data(),
        Event::ClosedEarly => {
            abi::VotingClosedEarly { id, earliest: proposal.earliest, latest: proposal.latest }
                .encode_log_data()
        }
        Event::Decided => abi::ProposalDecided {
            id,
            status: proposal.status.code(),
            refusal: proposal.status.refusal_code(),
            reason: proposal.status.reason().to_owned(),
            note: proposal.status.hash(),
        }
        .encode_log_data(),
    }
}
