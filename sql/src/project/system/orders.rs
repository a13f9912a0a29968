//! Orders of regulators and the anchors of their logs of reads.

use concordat_core::orders::ReadAnchor;
use concordat_governance::order::{By, Mark, Order, Target};
use concordat_types::OrgId;

use crate::cell::{Cell, Row};

/// An order as a step at a height has left it.
pub(super) fn order(told: &Order, height: u64) -> Row {
    let terms = &told.terms;
    let (account, contract, organisation) = match &terms.target {
        Target::Account(account) => (Some(*account), terms.measure.contract(), None),
        Target::Contract(contract) => (None, Some(*contract), None),
        Target::Organisation(id) => (None, None, Some(id.to_string())),
    };
    let [confirmed_at, confirmed_by, confirmed_by_proposal, _] = step(told.confirmed.as_ref());
    let ended = told.ended.as_ref();
    let [ended_at, ended_by, ended_by_proposal, superseded_by] = step(ended.map(|ended| &ended.mark));
    vec![
        Cell::int(told.id),
        Cell::text(terms.measure.name()),
        Cell::text(told.status(height).name()),
        Cell::maybe_bytes(account),
        Cell::maybe_bytes(contract),
        organisation.map_or(Cell::Null, Cell::text),
        Cell::bytes(terms.basis.document),
        Cell::text(terms.basis.reference.clone()),
        super::number(terms.until),
        Cell::bytes(told.issuer),
        Cell::text(told.organisation.to_string()),
        Cell::int(told.issued),
        super::number(told.lapses),
        Cell::bytes(told.digest()),
        confirmed_at,
        confirmed_by,
        confirmed_by_proposal,
        ended_at,
        ended_by,
        ended_by_proposal,
        superseded_by,
        ended.map_or(Cell::Null, |ended| Cell::bytes(ended.basis.document)),
        ended.map_or(Cell::Null, |ended| Cell::text(ended.basis.reference.clone())),
    ]
}

/// When a step was taken, and by whom: an identity, a proposal, a later order.
fn step(mark: Option<&Mark>) -> [Cell; 4] {
    let Some(Mark { by, height }) = mark else { return [Cell::Null, Cell::Null, Cell::Null, Cell::Null] };
    let height = Cell::int(*height);
    match by {
        By::Identity(identity) => [height, Cell::bytes(identity), Cell::Null, Cell::Null],
        By::Proposal(id) => [height, Cell::Null, Cell::int(*id), Cell::Null],
        By::Order(id) => [height, Cell::Null, Cell::Null, Cell::int(*id)],
    }
}

pub(super) fn anchor(organisation: &OrgId, told: &ReadAnchor) -> Row {
    vec![
        Cell::text(organisation.to_string()),
        Cell::bytes(told.head),
        super::number(told.count),
        Cell::int(told.height),
        Cell::bytes(told.account),
    ]
}
