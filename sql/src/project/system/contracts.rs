//! Contracts: who stands behind them, whether they answer, what is attested of them, their versions.

use concordat_core::contracts::{Contract, ContractAttributes, ContractHalt, ContractState, Version};
use concordat_types::Address;

use super::{document, number};
use crate::cell::{Cell, Row};

pub(super) fn contract(address: Address, told: Contract) -> Row {
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

pub(super) fn halt(address: Address, told: ContractHalt) -> Row {
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

pub(super) fn attributes(address: Address, told: ContractAttributes) -> Row {
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

pub(super) fn version(proxy: Address, told: &Version) -> Row {
    vec![
        Cell::bytes(proxy),
        number(told.number),
        Cell::bytes(told.implementation),
        Cell::bytes(told.code),
        Cell::int(told.since),
        Cell::int(told.proposal),
        Cell::bytes(told.migration),
    ]
}
