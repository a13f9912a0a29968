//! Organisations, accounts and certificates, and what was imposed on identities.

use concordat_core::{
    governance::AccountFreeze,
    identity::{Bar, CertificateId, CrlState, Organisation, Recovery, Revocation, ValidatorRecord},
    rows::{Authority, Details, Standing},
};
use concordat_types::{Address, B256};
use serde_json::{Value, json};

use super::number;
use crate::cell::{Cell, Row};

pub(super) fn organisation(told: &Organisation) -> Row {
    let status = match (told.expelled, told.active) {
        (true, _) => "expelled",
        (false, true) => "active",
        (false, false) => "suspended",
    };
    let roles: Vec<&str> = told.roles.iter().map(|role| role.name()).collect();
    let certificates: Vec<String> = told.ca_certificates.iter().map(hex::encode).collect();
    vec![
        Cell::text(told.id.to_string()),
        Cell::text(told.name.clone()),
        Cell::text(status),
        Cell::text(roles.join(",")),
        Cell::int(told.admitted_height),
        number(told.power_budget),
        Cell::json(json!(certificates)),
    ]
}

pub(super) fn standing(account: Address, told: &Standing) -> Row {
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

pub(super) fn details(account: Address, told: Details) -> Row {
    vec![
        Cell::bytes(account),
        Cell::text(told.common_name),
        Cell::bytes(told.fingerprint),
        number(told.not_before),
        Cell::int(told.enrolled_height),
    ]
}

pub(super) fn authority(number: u32, told: &Authority) -> Row {
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

pub(super) fn revocation(id: &CertificateId, told: &Revocation) -> Row {
    vec![Cell::bytes(id.issuer), Cell::bytes(&id.serial), Cell::int(told.reason), number(told.revoked_at)]
}

pub(super) fn list(issuer: B256, told: &CrlState) -> Row {
    vec![Cell::bytes(issuer), number(told.number), number(told.this_update)]
}

pub(super) fn validator(told: ValidatorRecord) -> Row {
    vec![
        Cell::bytes(told.consensus_key),
        Cell::text(told.org.to_string()),
        number(told.power),
        Cell::bytes(told.node_spki),
        Cell::text(told.node_address),
        Cell::int(told.admitted_height),
    ]
}

pub(super) fn identity(account: Address, identity: Address) -> Row {
    vec![Cell::bytes(account), Cell::bytes(identity)]
}

pub(super) fn recovery(account: Address, told: &Recovery) -> Row {
    vec![
        Cell::bytes(account),
        Cell::bytes(told.new_account),
        Cell::bytes(told.requester),
        Cell::int(told.requested),
        Cell::bytes(told.digest),
    ]
}

pub(super) fn bar(subject: &str, barred: &[u8], told: Bar) -> Row {
    vec![
        Cell::text(subject),
        Cell::bytes(barred),
        Cell::bytes(told.document),
        Cell::text(told.reference),
        number(told.since),
        Cell::int(told.proposal),
    ]
}

pub(super) fn freeze(identity: Address, told: AccountFreeze) -> Row {
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
