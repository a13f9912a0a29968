//! The rows of the system contracts over time.

mod orders;

use concordat_core::{
    contracts::{Contract, ContractAttributes, ContractHalt, ContractState},
    governance::{AccountFreeze, RollbackRecord},
    identity::{Bar, CertificateId, Organisation},
    rows::{Authority, Details, Standing, SystemRow, system_row},
};
use concordat_governance::{Kind, Proposal};
use concordat_state::Change;
use concordat_types::Address;
use serde_json::{Value, json};

use super::{BlockData, ProjectError};
use crate::{
    cell::{Cell, Row},
    digest::Rows,
    tables::Table,
};

pub(super) fn project(data: &BlockData, rows: &mut Rows) -> Result<(), ProjectError> {
    for Change { key, before, after } in &data.changes {
        let removed = after.is_none();
        let Some(value) = after.as_ref().or(before.as_ref()) else { continue };
        let failed = |reason| ProjectError::Row { height: data.height, reason };
        let Some(row) = system_row(key, value).map_err(failed)? else { continue };
        for (table, cells) in cells(row, data.height) {
            let rows = rows.entry(table).or_default();
            let mut row = vec![Cell::int(data.height), Cell::int(rows.len()), Cell::Bool(removed)];
            row.extend(cells);
            rows.push(row);
        }
    }
    Ok(())
}

/// The rows that a row of the state becomes, mostly one, without their positions.
fn cells(row: SystemRow, height: u64) -> Vec<(Table, Row)> {
    let (table, cells) = match row {
        SystemRow::Committee(committee) => return seats(&committee),
        SystemRow::Proposal(proposal) => return with_ballots(&proposal, height),
        SystemRow::Organisation(org) => (Table::Organisations, organisation(&org)),
        SystemRow::Standing(account, told) => (Table::AccountStandings, standing(account, &told)),
        SystemRow::Details(account, told) => (Table::AccountDetails, details(account, told)),
        SystemRow::Authority(number, told) => (Table::Authorities, authority(number, &told)),
        SystemRow::Revocation(id, told) => (
            Table::Revocations,
            vec![
                Cell::bytes(id.issuer),
                Cell::bytes(&id.serial),
                Cell::int(told.reason),
                number(told.revoked_at),
            ],
        ),
        SystemRow::Crl(issuer, told) => {
            (Table::RevocationLists, vec![Cell::bytes(issuer), number(told.number), number(told.this_update)])
        }
        SystemRow::Validator(told) => (
            Table::Validators,
            vec![
                Cell::bytes(told.consensus_key),
                Cell::text(told.org.to_string()),
                number(told.power),
                Cell::bytes(told.node_spki),
                Cell::text(told.node_address),
                Cell::int(told.admitted_height),
            ],
        ),
        SystemRow::Identity(account, identity) => {
            (Table::Identities, vec![Cell::bytes(account), Cell::bytes(identity)])
        }
        SystemRow::Recovery(account, told) => (
            Table::Recoveries,
            vec![
                Cell::bytes(account),
                Cell::bytes(told.new_account),
                Cell::bytes(told.requester),
                Cell::int(told.requested),
                Cell::bytes(told.digest),
            ],
        ),
        SystemRow::IdentityBar(identity, told) => (Table::Bars, bar("identity", identity.as_slice(), told)),
        SystemRow::NodeBar(node, told) => (Table::Bars, bar("node", node.as_slice(), told)),
        SystemRow::Rule(kind, rule) => (
            Table::VotingRules,
            vec![Cell::int(kind.code()), Cell::text(kind.to_string()), Cell::json(document(&rule))],
        ),
        SystemRow::Payload(id, payload) => (Table::Payloads, vec![Cell::int(id), Cell::bytes(payload)]),
        SystemRow::Freeze(identity, told) => (Table::Freezes, freeze(identity, told)),
        SystemRow::Regulator(identity, told) => (
            Table::Regulators,
            vec![
                Cell::bytes(identity),
                Cell::text(told.facts.organisation.to_string()),
                Cell::json(document(&told.facts.mandate)),
                Cell::int(told.since),
                Cell::int(told.proposal),
            ],
        ),
        SystemRow::Consent(id, told) => (
            Table::Consents,
            vec![Cell::int(id), Cell::bytes(told.account), Cell::bytes(told.digest), Cell::int(told.height)],
        ),
        SystemRow::Rollback(id, told) => (Table::Rollbacks, rollback(id, &told)),
        SystemRow::Policy(told) => (
            Table::Policies,
            vec![Cell::text(told.id.to_string()), Cell::text(told.text), Cell::int(told.proposal)],
        ),
        SystemRow::Limit(told) => (
            Table::Rules,
            vec![
                Cell::text(told.limit.id.to_string()),
                Cell::text(told.limit.reason.clone()),
                Cell::json(document(&told.limit)),
                Cell::int(told.proposal),
            ],
        ),
        SystemRow::Contract(address, told) => (Table::Contracts, contract(address, told)),
        SystemRow::Halt(address, told) => (Table::ContractHalts, halt(address, told)),
        SystemRow::Attributes(address, told) => (Table::ContractAttributes, attributes(address, told)),
        SystemRow::Version(proxy, told) => (
            Table::ContractVersions,
            vec![
                Cell::bytes(proxy),
                number(told.number),
                Cell::bytes(told.implementation),
                Cell::bytes(told.code),
                Cell::int(told.since),
                Cell::int(told.proposal),
            ],
        ),
        SystemRow::Order(told) => (Table::Orders, orders::order(&told, height)),
        SystemRow::ReadAnchor(organisation, told) => {
            (Table::ReadAnchors, orders::anchor(&organisation, &told))
        }
    };
    vec![(table, cells)]
}

fn number(number: u64) -> Cell {
    Cell::Number(number.to_string())
}

/// A record as its own JSON form has it.
fn document(record: &impl serde::Serialize) -> Value {
    serde_json::to_value(record).unwrap_or(Value::Null)
}

fn organisation(org: &Organisation) -> Row {
    let status = match (org.expelled, org.active) {
        (true, _) => "expelled",
        (false, true) => "active",
        (false, false) => "suspended",
    };
    let roles: Vec<&str> = org.roles.iter().map(|role| role.name()).collect();
    let certificates: Vec<String> = org.ca_certificates.iter().map(hex::encode).collect();
    vec![
        Cell::text(org.id.to_string()),
        Cell::text(org.name.clone()),
        Cell::text(status),
        Cell::text(roles.join(",")),
        Cell::int(org.admitted_height),
        number(org.power_budget),
        Cell::json(json!(certificates)),
    ]
}

fn standing(account: Address, told: &Standing) -> Row {
    vec![
        Cell::bytes(account),
        Cell::text(told.to_string()),
        Cell::text(told.role.name()),
        Cell::Bool(told.rebound),
        Cell::int(told.not_after),
        Cell::int(told.authority),
        Cell::bytes(&told.serial),
    ]
}

fn details(account: Address, told: Details) -> Row {
    vec![
        Cell::bytes(account),
        Cell::text(told.common_name),
        Cell::bytes(told.fingerprint),
        number(told.not_before),
        Cell::int(told.enrolled_height),
    ]
}

fn authority(number: u32, told: &Authority) -> Row {
    let id =
        |id: &CertificateId| json!({ "issuer": hex::encode(id.issuer), "serial": hex::encode(&id.serial) });
    let path: Vec<Value> = told.path.iter().map(id).collect();
    vec![
        Cell::int(number),
        Cell::text(told.org.to_string()),
        Cell::bytes(told.key),
        Cell::json(Value::Array(path)),
    ]
}

fn bar(subject: &str, barred: &[u8], told: Bar) -> Row {
    vec![
        Cell::text(subject),
        Cell::bytes(barred),
        Cell::bytes(told.document),
        Cell::text(told.reference),
        number(told.since),
        Cell::int(told.proposal),
    ]
}

fn seats(committee: &concordat_governance::Committee) -> Vec<(Table, Row)> {
    let seat = |member: &concordat_governance::Member| {
        let organisation = Cell::text(member.organisation.to_string());
        (Table::Seats, vec![Cell::bytes(member.address), organisation, number(member.weight)])
    };
    committee.members().iter().map(seat).collect()
}

/// A proposal, and the ballots that came in this block.
fn with_ballots(proposal: &Proposal, height: u64) -> Vec<(Table, Row)> {
    let kind: Kind = proposal.kind;
    let cells = vec![
        Cell::int(proposal.id),
        Cell::int(kind.code()),
        Cell::text(kind.to_string()),
        Cell::bytes(proposal.digest),
        Cell::bytes(proposal.proposer),
        Cell::int(proposal.created),
        number(proposal.closes),
        number(proposal.earliest),
        number(proposal.latest),
        Cell::text(proposal.status.name()),
        Cell::int(proposal.status.refusal_code()),
        Cell::text(proposal.status.reason()),
        Cell::bytes(proposal.status.hash()),
        Cell::int(proposal.decided),
        Cell::int(proposal.ballots.len()),
    ];
    let new = proposal.ballots.iter().filter(|ballot| ballot.height == height);
    let ballots = new.map(|ballot| {
        let cells =
            vec![Cell::int(proposal.id), Cell::bytes(ballot.member), Cell::text(ballot.choice.to_string())];
        (Table::Ballots, cells)
    });
    std::iter::once((Table::Proposals, cells)).chain(ballots).collect()
}

fn freeze(identity: Address, told: AccountFreeze) -> Row {
    vec![
        Cell::bytes(identity),
        Cell::text(told.frozen.scope.to_string()),
        Cell::bytes(told.frozen.basis.document),
        Cell::text(told.frozen.basis.reference),
        number(told.frozen.until),
        Cell::Bool(told.frozen.emergency),
        Cell::int(told.since),
        Cell::int(told.proposal),
    ]
}

fn rollback(id: u64, told: &RollbackRecord) -> Row {
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

fn contract(address: Address, told: Contract) -> Row {
    let (status, until) = match told.state {
        ContractState::Active => ("active", 0),
        ContractState::Frozen { until } => ("frozen", until),
        ContractState::Retired => ("retired", 0),
    };
    vec![
        Cell::bytes(address),
        Cell::maybe_bytes(told.creator),
        told.organisation.map_or(Cell::Null, |org| Cell::text(org.to_string())),
        Cell::maybe_bytes(told.administrator),
        Cell::int(told.created),
        Cell::text(status),
        number(until),
        Cell::text(told.list.name()),
        Cell::int(told.method_lists),
        told.approval.map_or(Cell::Null, Cell::int),
    ]
}

fn halt(address: Address, told: ContractHalt) -> Row {
    vec![
        Cell::bytes(address),
        Cell::bytes(told.basis.document),
        Cell::text(told.basis.reference),
        number(told.until),
        Cell::Bool(told.emergency),
        Cell::int(told.since),
        Cell::int(told.proposal),
    ]
}

fn attributes(address: Address, told: ContractAttributes) -> Row {
    let attributes = told.attested.attributes;
    vec![
        Cell::bytes(address),
        Cell::bytes(told.attested.code),
        Cell::text(attributes.auditor),
        Cell::bytes(attributes.report),
        Cell::int(attributes.rating),
        Cell::json(document(&attributes.properties)),
        Cell::bytes(attributes.source),
        Cell::text(attributes.compiler),
        number(attributes.valid_until),
        Cell::int(told.since),
        Cell::int(told.proposal),
    ]
}
