//! The functions that only answer.

use alloy_sol_types::SolValue as _;
use concordat_governance::{
    Action, Effect, Facts as _, Kind, Proposal, Refusal, Rule, action::Parameters, facts::ProtocolFacts,
    lifecycle, regulator::Power, resolve,
};
use concordat_types::{Address, Bytes};

use super::{
    abi::IGovernance as abi,
    acts::{action, find},
    facts::ChainFacts,
    records::{AccountFreeze, RegulatorRecord, RollbackRecord},
    revert, stop, tables,
};
use crate::{
    identity,
    system::{Rows, SystemError, gas},
};

/// The most proposals that one call lists.
const MAX_LISTED: u64 = 50;

type Answer = Result<Vec<u8>, SystemError>;

/// A proposal, as it stands at this height.
pub(super) fn proposal<R: Rows>(facts: &mut ChainFacts<'_, R>, id: u64) -> Answer {
    let proposal = find(facts, id)?;
    Ok(abi_proposal(proposal, facts.height).abi_encode())
}

/// Proposals from a number on.
pub(super) fn proposals<R: Rows>(facts: &mut ChainFacts<'_, R>, from: u64, limit: u64) -> Answer {
    facts.meter.charge(gas::ROW_READ)?;
    let last = tables::proposal_count(facts.rows)?;
    let first = from.max(1);
    let end = first.saturating_add(limit.min(MAX_LISTED)).min(last.saturating_add(1));
    let mut listed = Vec::new();
    for id in first..end {
        listed.push(abi_proposal(find(facts, id)?, facts.height));
    }
    Ok(listed.abi_encode())
}

/// How many proposals there have been.
pub(super) fn proposal_count<R: Rows>(facts: &mut ChainFacts<'_, R>) -> Answer {
    facts.meter.charge(gas::ROW_READ)?;
    Ok(tables::proposal_count(facts.rows)?.abi_encode())
}

/// A proposal's payload.
pub(super) fn payload<R: Rows>(facts: &mut ChainFacts<'_, R>, id: u64) -> Answer {
    find(facts, id)?;
    facts.meter.charge(gas::ROW_READ)?;
    Ok(tables::payload(facts.rows, id)?.abi_encode())
}

/// How a proposal's ballots would be judged now.
pub(super) fn tally<R: Rows>(facts: &mut ChainFacts<'_, R>, id: u64) -> Answer {
    let proposal = find(facts, id)?;
    let committee = facts.committee()?;
    let tally = lifecycle::tally(&committee, &proposal, facts).map_err(stop)?;
    let rule = facts.rule(proposal.kind)?;
    Ok(abi::Tally {
        total: tally.total,
        voted: tally.voted,
        yes: tally.yes,
        no: tally.no,
        outstanding: tally.outstanding,
        organisations: tally.organisations,
        met: tally.meets(&rule),
    }
    .abi_encode())
}

/// What a proposal would do now.
pub(super) fn preview<R: Rows>(facts: &mut ChainFacts<'_, R>, id: u64) -> Answer {
    let proposal = find(facts, id)?;
    let action = action(facts, &proposal)?;
    let effect = resolve(&action, facts).map_err(stop)?;
    Ok(abi_effect(&effect))
}

/// What an action would do now.
pub(super) fn preview_action<R: Rows>(facts: &mut ChainFacts<'_, R>, code: u8, payload: &[u8]) -> Answer {
    let kind = kind(code)?;
    let action = Action::decode(kind, payload).map_err(|error| revert(&error.into()))?;
    let effect = resolve(&action, facts).map_err(stop)?;
    Ok(abi_effect(&effect))
}

/// All seats.
pub(super) fn committee<R: Rows>(facts: &mut ChainFacts<'_, R>) -> Answer {
    let committee = facts.committee()?;
    let seats = committee.members().iter().map(|member| abi::Member {
        member: member.address,
        organisation: member.organisation.to_string(),
        weight: member.weight,
    });
    Ok(seats.collect::<Vec<_>>().abi_encode())
}

/// The rule of a kind.
pub(super) fn rule<R: Rows>(facts: &mut ChainFacts<'_, R>, code: u8) -> Answer {
    let rule = facts.rule(kind(code)?)?;
    Ok(abi_rule(&rule).abi_encode())
}

/// The freeze of an account's identity.
pub(super) fn freeze<R: Rows>(facts: &mut ChainFacts<'_, R>, account: Address) -> Answer {
    facts.charge_rows(2)?;
    let identity = identity::tables::identity_of(facts.rows, account)?;
    let freeze = tables::freeze(facts.rows, identity)?;
    Ok(abi_freeze(freeze, facts.height).abi_encode())
}

/// The entry of a regulator, by any account of its identity.
pub(super) fn regulator<R: Rows>(facts: &mut ChainFacts<'_, R>, account: Address) -> Answer {
    facts.charge_rows(3)?;
    let bound = identity::tables::bound(facts.rows, account)?;
    let Some(record) = tables::regulator(facts.rows, bound.identity)? else {
        return Ok(no_regulator().abi_encode());
    };
    Ok(abi_regulator((bound.identity, bound.account), record, facts.height).abi_encode())
}

/// All regulators.
pub(super) fn regulators<R: Rows>(facts: &mut ChainFacts<'_, R>) -> Answer {
    facts.charge_rows(1)?;
    let index = tables::regulator_index(facts.rows)?;
    facts.charge_rows(index.0.len().saturating_mul(3))?;
    let mut listed = Vec::new();
    for (identity, record) in tables::regulators(facts.rows, index)? {
        let account = identity::tables::bound(facts.rows, identity)?.account;
        listed.push(abi_regulator((identity, account), record, facts.height));
    }
    Ok(listed.abi_encode())
}

/// The consent that was given last to a proposal.
pub(super) fn consent<R: Rows>(facts: &mut ChainFacts<'_, R>, id: u64) -> Answer {
    find(facts, id)?;
    let given = facts.consent(id)?;
    Ok(abi::Consent {
        given: given.is_some(),
        account: given.map(|given| given.account).unwrap_or_default(),
        digest: given.map(|given| given.digest).unwrap_or_default(),
        height: given.map_or(0, |given| given.height),
    }
    .abi_encode())
}

/// The chain's parameters, as the next block has them.
pub(super) fn parameters<R: Rows>(facts: &mut ChainFacts<'_, R>) -> Answer {
    let Parameters {
        block_max_bytes,
        block_gas_limit,
        empty_block_interval_ms,
        clock_precision_ms,
        message_delay_ms,
    } = facts.parameters()?;
    Ok(abi::Parameters {
        blockMaxBytes: block_max_bytes,
        blockGasLimit: block_gas_limit,
        emptyBlockIntervalMs: empty_block_interval_ms,
        clockPrecisionMs: clock_precision_ms,
        messageDelayMs: message_delay_ms,
    }
    .abi_encode())
}

/// The protocol version that runs, and what is to come.
pub(super) fn protocol<R: Rows>(facts: &mut ChainFacts<'_, R>) -> Answer {
    let ProtocolFacts { running, upgrade } = facts.protocol()?;
    Ok(abi::Protocol {
        running,
        next: upgrade.map_or(0, |upgrade| upgrade.version),
        height: upgrade.map_or(0, |upgrade| upgrade.height),
    }
    .abi_encode())
}

/// The highest version that an organisation has announced.
pub(super) fn announced_version<R: Rows>(facts: &mut ChainFacts<'_, R>, organisation: &str) -> Answer {
    let Ok(organisation) = organisation.parse() else { return Ok(0u64.abi_encode()) };
    Ok(facts.announced(&organisation)?.abi_encode())
}

/// The rollback that a proposal was executed as.
pub(super) fn rollback<R: Rows>(facts: &mut ChainFacts<'_, R>, id: u64) -> Answer {
    find(facts, id)?;
    facts.charge_rows(1)?;
    Ok(abi_rollback(tables::rollback(facts.rows, id)?).abi_encode())
}

fn kind(code: u8) -> Result<Kind, SystemError> {
    Kind::from_code(code).ok_or_else(|| revert(&Refusal::UnknownKind { code }))
}

fn abi_effect(effect: &Effect) -> Vec<u8> {
    (effect.digest(), Bytes::from(effect.encode())).abi_encode_params()
}

fn abi_proposal(proposal: Proposal, height: u64) -> abi::Proposal {
    let status = proposal.status_at(height);
    let ballot = |ballot: &concordat_governance::Ballot| abi::Ballot {
        member: ballot.member,
        choice: ballot.choice.code(),
        height: ballot.height,
    };
    abi::Proposal {
        id: proposal.id,
        kind: proposal.kind.code(),
        digest: proposal.digest,
        proposer: proposal.proposer,
        created: proposal.created,
        closes: proposal.closes,
        earliest: proposal.earliest,
        latest: proposal.latest,
        status: status.code(),
        decided: proposal.decided,
        refusal: status.refusal_code(),
        reason: status.reason().to_owned(),
        note: status.hash(),
        ballots: proposal.ballots.iter().map(ballot).collect(),
    }
}

fn abi_rule(rule: &Rule) -> abi::Rule {
    abi::Rule {
        participation: rule.participation,
        approval: rule.approval,
        organisations: rule.organisations,
        votingBlocks: rule.voting_blocks,
        timelockBlocks: rule.timelock_blocks,
        windowBlocks: rule.window_blocks,
        veto: rule.veto,
        proposerCounts: rule.proposer_counts,
        lapseBlocks: rule.lapse_blocks,
    }
}

fn abi_regulator(
    (identity, account): (Address, Address),
    record: RegulatorRecord,
    height: u64,
) -> abi::Regulator {
    let RegulatorRecord { facts, since, proposal } = record;
    let mandate = facts.mandate;
    abi::Regulator {
        registered: true,
        inForce: mandate.holds(height),
        identity,
        account,
        organisation: facts.organisation.to_string(),
        powers: Power::bits(&mandate.powers),
        until: mandate.until,
        allOrganisations: mandate.organisations.is_none(),
        organisations: mandate.organisations.iter().flatten().map(ToString::to_string).collect(),
        allContracts: mandate.contracts.is_none(),
        contracts: mandate.contracts.iter().flatten().copied().collect(),
        jurisdiction: mandate.jurisdiction,
        since,
        proposalId: proposal,
    }
}

const fn no_regulator() -> abi::Regulator {
    abi::Regulator {
        registered: false,
        inForce: false,
        identity: Address::ZERO,
        account: Address::ZERO,
        organisation: String::new(),
        jurisdiction: String::new(),
        allOrganisations: false,
        organisations: Vec::new(),
        allContracts: false,
        contracts: Vec::new(),
        powers: 0,
        until: 0,
        since: 0,
        proposalId: 0,
    }
}

fn abi_freeze(freeze: Option<AccountFreeze>, height: u64) -> abi::Freeze {
    let Some(AccountFreeze { frozen, since, proposal }) = freeze else {
        return abi::Freeze {
            binds: false,
            scope: 0,
            document: Default::default(),
            documentReference: String::new(),
            until: 0,
            emergency: false,
            since: 0,
            proposalId: 0,
        };
    };
    abi::Freeze {
        binds: frozen.binds(height),
        scope: frozen.scope.code(),
        document: frozen.basis.document,
        documentReference: frozen.basis.reference,
        until: frozen.until,
        emergency: frozen.emergency,
        since,
        proposalId: proposal,
    }
}

/// All zero where there was none.
fn abi_rollback(record: Option<RollbackRecord>) -> abi::Rollback {
    abi::Rollback {
        executed: record.as_ref().map_or(0, |record| record.executed),
        height: record.as_ref().map_or(0, |record| record.height),
        root: record.as_ref().map(|record| record.root).unwrap_or_default(),
        slots: record.as_ref().map_or(0, |record| record.slots),
        slotsDigest: record.as_ref().map(|record| record.slots_digest).unwrap_or_default(),
        transactions: record.iter().flat_map(|record| &record.transactions).map(|it| it.hash).collect(),
        heights: record.iter().flat_map(|record| &record.transactions).map(|it| it.height).collect(),
    }
}
