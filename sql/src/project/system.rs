//! The rows of the system contracts over time.

mod committee;
mod contracts;
mod members;
mod orders;

use concordat_core::rows::{SystemRow, system_row};
use concordat_state::Change;
use serde_json::Value;

use super::{BlockData, ProjectError, acts::Acts};
use crate::{
    cell::{Cell, Row},
    digest::Rows,
    tables::Table,
};

pub(super) fn project(data: &BlockData, rows: &mut Rows) -> Result<(), ProjectError> {
    let acts = Acts::of(&data.receipts);
    for Change { key, before, after } in &data.changes {
        let removed = after.is_none();
        let Some(value) = after.as_ref().or(before.as_ref()) else { continue };
        let failed = |reason| ProjectError::Row { height: data.height, reason };
        let Some(row) = system_row(key, value).map_err(failed)? else { continue };
        let act = acts.changed(&row, before.is_none()).map_or(Cell::Null, Cell::int);
        for (table, cells) in cells(row, data.height) {
            let rows = rows.entry(table).or_default();
            let mut row =
                vec![Cell::int(data.height), Cell::int(rows.len()), act.clone(), Cell::Bool(removed)];
            row.extend(cells);
            rows.push(row);
        }
    }
    Ok(())
}

/// The rows that a row of the state becomes, mostly one, without their positions.
fn cells(row: SystemRow, height: u64) -> Vec<(Table, Row)> {
    let (table, cells) = match row {
        SystemRow::Committee(committee) => return committee::seats(&committee),
        SystemRow::Proposal(proposal) => return committee::with_ballots(&proposal, height),
        SystemRow::Organisation(told) => (Table::Organisations, members::organisation(&told)),
        SystemRow::Standing(account, told) => (Table::AccountStandings, members::standing(account, &told)),
        SystemRow::Details(account, told) => (Table::AccountDetails, members::details(account, told)),
        SystemRow::Authority(number, told) => (Table::Authorities, members::authority(number, &told)),
        SystemRow::Revocation(id, told) => (Table::Revocations, members::revocation(&id, &told)),
        SystemRow::Crl(issuer, told) => (Table::RevocationLists, members::list(issuer, &told)),
        SystemRow::Validator(told) => (Table::Validators, members::validator(told)),
        SystemRow::Identity(account, identity) => (Table::Identities, members::identity(account, identity)),
        SystemRow::Recovery(account, told) => (Table::Recoveries, members::recovery(account, &told)),
        SystemRow::IdentityBar(id, told) => (Table::Bars, members::bar("identity", id.as_slice(), told)),
        SystemRow::NodeBar(id, told) => (Table::Bars, members::bar("node", id.as_slice(), told)),
        SystemRow::Rule(kind, rule) => (Table::VotingRules, committee::rule(kind, &rule)),
        SystemRow::Payload(id, payload) => (Table::Payloads, committee::payload(id, &payload)),
        SystemRow::Freeze(identity, told) => (Table::Freezes, members::freeze(identity, told)),
        SystemRow::Regulator(identity, told) => (Table::Regulators, committee::regulator(identity, &told)),
        SystemRow::Consent(id, told) => (Table::Consents, committee::consent(id, &told)),
        SystemRow::Rollback(id, told) => (Table::Rollbacks, committee::rollback(id, &told)),
        SystemRow::Policy(told) => (Table::Policies, committee::policy(&told.id, told.text, told.proposal)),
        SystemRow::Limit(told) => (Table::Rules, committee::limit(&told)),
        SystemRow::Contract(address, told) => (Table::Contracts, contracts::contract(address, told)),
        SystemRow::Halt(address, told) => (Table::ContractHalts, contracts::halt(address, told)),
        SystemRow::Attributes(address, told) => {
            (Table::ContractAttributes, contracts::attributes(address, told))
        }
        SystemRow::Version(proxy, told) => (Table::ContractVersions, contracts::version(proxy, &told)),
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

#[cfg(test)]
mod tests {
    use concordat_types::{B256, StateKey};

    use super::*;

    /// The payload of a proposal: a row that needs no record.
    fn change(before: Option<&[u8]>, after: Option<&[u8]>) -> Change {
        let key = StateKey::system(0x23, &7_u64.to_be_bytes());
        Change { key, before: before.map(Into::into), after: after.map(Into::into) }
    }

    fn told(change: Change) -> Vec<String> {
        let data = BlockData {
            height: 5,
            hash: B256::ZERO,
            block: None,
            receipts: vec![],
            changes: vec![change],
            reversed: vec![],
        };
        let mut rows = Rows::new();
        project(&data, &mut rows).unwrap();
        rows[&Table::Payloads][0].iter().map(Cell::show).collect()
    }

    #[test]
    fn a_row_is_told_as_what_it_became_and_a_removed_one_as_what_it_was() {
        assert_eq!(told(change(None, Some(&[1]))), ["5", "0", "null", "false", "7", "0x01"]);
        assert_eq!(told(change(Some(&[1]), None)), ["5", "0", "null", "true", "7", "0x01"]);
    }

    #[test]
    fn a_row_of_another_program_is_refused_by_name() {
        let key = StateKey::system(0x22, &7_u64.to_be_bytes());
        let change = Change { key, before: None, after: Some(vec![0xff, 0xff]) };
        let (receipts, changes) = (vec![], vec![change]);
        let data =
            BlockData { height: 5, hash: B256::ZERO, block: None, receipts, changes, reversed: vec![] };
        let refused = project(&data, &mut Rows::new()).unwrap_err().to_string();
        assert!(refused.contains("block 5") && refused.contains("22/0000000000000007"), "{refused}");
    }
}
