//! The committee, its proposals, and what it decided: rules, policies, regulators, rollbacks.

use concordat_core::{
    governance::{RegulatorRecord, RollbackRecord},
    rules::EnactedLimit,
};
use concordat_governance::{Committee, Kind, Member, Proposal, Rule, regulator::Consent};
use concordat_types::{Address, Bytes};
use serde_json::{Value, json};

use super::{document, number};
use crate::{
    cell::{Cell, Row},
    tables::Table,
};

pub(super) fn seats(committee: &Committee) -> Vec<(Table, Row)> {
    let seat = |member: &Member| {
        let organisation = Cell::text(member.organisation.to_string());
        (Table::Seats, vec![Cell::bytes(member.address), organisation, number(member.weight)])
    };
    committee.members().iter().map(seat).collect()
}

/// A proposal, and the ballots that came in this block.
pub(super) fn with_ballots(told: &Proposal, height: u64) -> Vec<(Table, Row)> {
    let new = told.ballots.iter().filter(|ballot| ballot.height == height);
    let ballots = new.map(|ballot| {
        let choice = Cell::text(ballot.choice.to_string());
        (Table::Ballots, vec![Cell::int(told.id), Cell::bytes(ballot.member), choice])
    });
    std::iter::once((Table::Proposals, proposal(told))).chain(ballots).collect()
}

fn proposal(told: &Proposal) -> Row {
    vec![
        Cell::int(told.id),
        Cell::int(told.kind.code()),
        Cell::text(told.kind.to_string()),
        Cell::bytes(told.digest),
        Cell::bytes(told.proposer),
        Cell::int(told.created),
        number(told.closes),
        number(told.earliest),
        number(told.latest),
        Cell::text(told.status.name()),
        Cell::int(told.status.refusal_code()),
        Cell::text(told.status.reason()),
        Cell::bytes(told.status.hash()),
        Cell::int(told.decided),
        Cell::int(told.ballots.len()),
    ]
}

pub(super) fn rule(kind: Kind, told: &Rule) -> Row {
    vec![Cell::int(kind.code()), Cell::text(kind.to_string()), Cell::json(document(told))]
}

pub(super) fn payload(id: u64, payload: &Bytes) -> Row {
    vec![Cell::int(id), Cell::bytes(payload)]
}

pub(super) fn regulator(identity: Address, told: &RegulatorRecord) -> Row {
    vec![
        Cell::bytes(identity),
        Cell::text(told.facts.organisation.to_string()),
        Cell::json(document(&told.facts.mandate)),
        Cell::int(told.since),
        Cell::int(told.proposal),
    ]
}

pub(super) fn consent(id: u64, told: &Consent) -> Row {
    vec![Cell::int(id), Cell::bytes(told.account), Cell::bytes(told.digest), Cell::int(told.height)]
}

pub(super) fn rollback(id: u64, told: &RollbackRecord) -> Row {
    let transactions = told.transactions.iter();
    let transactions: Vec<Value> =
        transactions.map(|tx| json!({ "height": tx.height, "hash": hex::encode(tx.hash) })).collect();
    vec![
        Cell::int(id),
        Cell::int(told.height),
        Cell::bytes(told.root),
        Cell::int(told.executed),
        number(told.slots),
        Cell::bytes(told.slots_digest),
        Cell::json(Value::Array(transactions)),
    ]
}

pub(super) fn policy(id: &impl ToString, text: String, proposal: u64) -> Row {
    vec![Cell::text(id.to_string()), Cell::text(text), Cell::int(proposal)]
}

pub(super) fn limit(told: &EnactedLimit) -> Row {
    vec![
        Cell::text(told.limit.id.to_string()),
        Cell::text(told.limit.reason.clone()),
        Cell::json(document(&told.limit)),
        Cell::int(told.proposal),
    ]
}
