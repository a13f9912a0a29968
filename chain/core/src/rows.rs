//! The rows of the system contracts, told apart and decoded, for whoever reads the state from outside of execution:
//! the database of a regulator, a report.
//!
//! Lists, counters and what can be made from other rows are left out.

use std::fmt;

use alloy_primitives::hex;
use concordat_governance::{Committee, Kind, Proposal, Rule, order::Order, regulator::Consent};
use concordat_permissions::EnactedPolicy;
use concordat_types::{Address, B256, Bytes, OrgId, Role, StateKey};

use crate::{
    contracts::{Contract, ContractAttributes, ContractHalt, Version},
    governance::{AccountFreeze, RegulatorRecord, RollbackRecord},
    identity::{
        AuthorityRecord, Bar, CertificateId, CrlState, DetailsRecord, Organisation, Record, Recovery,
        Revocation, StandingRow, ValidatorRecord,
    },
    orders::ReadAnchor,
    rules::EnactedLimit,
};

/// What all keys of these rows begin with.
pub const SYSTEM_PREFIX: [u8; 1] = [0x10];

/// A row of a system contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemRow {
    /// A member organisation.
    Organisation(Organisation),
    /// What an account's transactions depend on.
    Standing(Address, Standing),
    /// What is known of an account besides.
    Details(Address, Details),
    /// An authority that issues accounts' certificates, by its number.
    Authority(u32, Authority),
    /// A revoked certificate.
    Revocation(CertificateId, Revocation),
    /// The newest CRL of an issuer.
    Crl(B256, CrlState),
    /// A validator.
    Validator(ValidatorRecord),
    /// An account's identity, where that is another address.
    Identity(Address, Address),
    /// The request to replace an account.
    Recovery(Address, Recovery),
    /// The bar of an identity.
    IdentityBar(Address, Bar),
    /// The bar of a node, by the hash of its key.
    NodeBar(B256, Bar),
    /// The committee.
    Committee(Committee),
    /// The rule of a kind of proposals.
    Rule(Kind, Rule),
    /// A proposal with its ballots.
    Proposal(Proposal),
    /// A proposal's payload.
    Payload(u64, Bytes),
    /// The freeze of an identity.
    Freeze(Address, AccountFreeze),
    /// A regulator, by its identity.
    Regulator(Address, RegulatorRecord),
    /// The consent to a proposal.
    Consent(u64, Consent),
    /// A rollback, by its proposal.
    Rollback(u64, RollbackRecord),
    /// An enacted policy.
    Policy(EnactedPolicy),
    /// A run-time rule.
    Limit(EnactedLimit),
    /// A contract.
    Contract(Address, Contract),
    /// What stops a contract.
    Halt(Address, ContractHalt),
    /// What is attested of a contract.
    Attributes(Address, ContractAttributes),
    /// A version of a proxy.
    Version(Address, Version),
    /// An order of a regulator.
    Order(Box<Order>),
    /// The newest anchor of an organisation's log of reads.
    ReadAnchor(OrgId, ReadAnchor),
}

/// What an account's transactions depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is in good standing.
    pub active: bool,
    /// Whether a freeze was imposed on it and not lifted.
    pub frozen: bool,
    /// Whether orders were imposed on it and not released; they may have lapsed.
    pub ordered: bool,
    /// Whether it acts for an identity whose first key was another one.
    pub rebound: bool,
    /// Its role.
    pub role: Role,
    /// The last second at which its certificates are valid, Unix.
    pub not_after: u64,
    /// The number of the authority that issued its certificate.
    pub authority: u32,
    /// Its certificate's serial number, big-endian.
    pub serial: Bytes,
}

/// What is known of an account besides its standing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// The common name of its certificate.
    pub common_name: String,
    /// SHA-256 of its certificate.
    pub fingerprint: B256,
    /// Its certificate is valid from here, Unix seconds.
    pub not_before: u64,
    /// The height at which it enrolled.
    pub enrolled_height: u64,
}

/// An authority that issues accounts' certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The organisation that it belongs to.
    pub org: OrgId,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub key: B256,
    /// The certificates that vouch for it, its own first, the root left out.
    pub path: Vec<CertificateId>,
}

/// A row that is none of this program's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {table:02x}/{key} of the system contracts is malformed; it is a newer program's, or damaged")]
pub struct MalformedRow {
    /// Its table.
    pub table: u8,
    /// Its key within the table, in hex.
    pub key: String,
}

/// Reads a row. `None` for keys outside of the system contracts, and for lists, counters and the like.
///
/// # Errors
/// [`MalformedRow`] for bytes that no row of a table told here has.
pub fn system_row(key: &StateKey, value: &[u8]) -> Result<Option<SystemRow>, MalformedRow> {
    let [0x10, table, key @ ..] = key.as_bytes() else { return Ok(None) };
    match read(*table, key, value) {
        Reading::Told(row) => {
            row.map(Some).ok_or_else(|| MalformedRow { table: *table, key: hex::encode(key) })
        }
        Reading::LeftOut => Ok(None),
    }
}

#[expect(clippy::large_enum_variant, reason = "one at a time, made and taken apart at once")]
enum Reading {
    /// A table that is told, and its row, if it is one.
    Told(Option<SystemRow>),
    LeftOut,
}

/// The numbers of tables are part of the state's keys and never change meaning.
fn read(table: u8, key: &[u8], value: &[u8]) -> Reading {
    let row = match (table, key.len()) {
        (0x01, _) => from(value, SystemRow::Organisation),
        (0x03, 20) => keyed(address(key), value, |at, row| SystemRow::Standing(at, Standing::of(row))),
        (0x05, 33..) => revocation(key, value),
        (0x06, 32) => keyed(word(key), value, SystemRow::Crl),
        (0x07, _) => from(value, SystemRow::Validator),
        (0x09, 20) => keyed(address(key), value, |at, row| SystemRow::Details(at, Details::of(row))),
        (0x0a, 4) => keyed(number32(key), value, |at, row| SystemRow::Authority(at, Authority::of(row))),
        (0x0d, 20) => keyed(address(key), value, SystemRow::Identity),
        (0x0f, 20) => keyed(address(key), value, SystemRow::Recovery),
        (0x10, 20) => keyed(address(key), value, SystemRow::IdentityBar),
        (0x12, 32) => keyed(word(key), value, SystemRow::NodeBar),
        (0x20, 0) => from(value, SystemRow::Committee),
        (0x21, 1) => keyed(key.first().and_then(|code| Kind::from_code(*code)), value, SystemRow::Rule),
        (0x22, 8) => from(value, SystemRow::Proposal),
        (0x23, 8) => number64(key).map(|id| SystemRow::Payload(id, Bytes::copy_from_slice(value))),
        (0x25, 20) => keyed(address(key), value, SystemRow::Freeze),
        (0x27, 20) => keyed(address(key), value, SystemRow::Regulator),
        (0x27, 8) => keyed(number64(key), value, SystemRow::Consent),
        (0x30, _) => EnactedPolicy::decode(value).map(SystemRow::Policy),
        (0x40, 20) => keyed(address(key), value, SystemRow::Contract),
        (0x44, 20) => keyed(address(key), value, SystemRow::Halt),
        (0x45, 20) => keyed(address(key), value, SystemRow::Attributes),
        // The version in force stands under the proxy alone, and once more under its number.
        (0x48, 28) => keyed(key.get(..20).and_then(address), value, SystemRow::Version),
        (0x49, 8) => keyed(number64(key), value, SystemRow::Rollback),
        (0x50, _) => EnactedLimit::decode(value).map(SystemRow::Limit),
        (0x70, 8) => from(value, |order| SystemRow::Order(Box::new(order))),
        (0x77, _) => keyed(organisation(key), value, SystemRow::ReadAnchor),
        _ => return Reading::LeftOut,
    };
    Reading::Told(row)
}

fn from<T: Record>(value: &[u8], row: impl Fn(T) -> SystemRow) -> Option<SystemRow> {
    T::from_row(value).map(row)
}

fn keyed<K, T: Record>(key: Option<K>, value: &[u8], row: impl Fn(K, T) -> SystemRow) -> Option<SystemRow> {
    Some(row(key?, T::from_row(value)?))
}

fn revocation(key: &[u8], value: &[u8]) -> Option<SystemRow> {
    let (issuer, serial) = key.split_first_chunk::<32>()?;
    let id = CertificateId { issuer: issuer.into(), serial: Bytes::copy_from_slice(serial) };
    Some(SystemRow::Revocation(id, Record::from_row(value)?))
}

fn address(key: &[u8]) -> Option<Address> {
    Address::try_from(key).ok()
}

fn word(key: &[u8]) -> Option<B256> {
    B256::try_from(key).ok()
}

fn organisation(key: &[u8]) -> Option<OrgId> {
    str::from_utf8(key).ok()?.parse().ok()
}

fn number32(key: &[u8]) -> Option<u32> {
    key.try_into().ok().map(u32::from_be_bytes)
}

fn number64(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

impl Standing {
    fn of(row: StandingRow) -> Self {
        let StandingRow { active, frozen, ordered, rebound, role, not_after, authority, serial } = row;
        Self { active, frozen, ordered, rebound, role, not_after, authority, serial }
    }
}

impl Details {
    fn of(row: DetailsRecord) -> Self {
        let DetailsRecord { common_name, fingerprint, not_before, enrolled_height } = row;
        Self { common_name, fingerprint, not_before, enrolled_height }
    }
}

impl Authority {
    fn of(row: AuthorityRecord) -> Self {
        let AuthorityRecord { org, key, path } = row;
        Self { org, key, path }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.active, self.frozen) {
            (true, false) => "active",
            (true, true) => "frozen",
            (false, _) => "inactive",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contracts, governance, identity::tables, orders, permissions, rules};

    /// The key of a row, with the bytes of one that no table has.
    fn told(key: crate::system::RowKey) -> Result<Option<SystemRow>, MalformedRow> {
        system_row(&key.state_key(), &[0xff, 0xff])
    }

    #[test]
    fn every_table_that_is_told_is_found_under_the_key_that_execution_writes() {
        let (account, word) = (Address::repeat_byte(1), B256::repeat_byte(2));
        let certificate = CertificateId { issuer: word, serial: Bytes::from_static(&[5]) };
        let keys = [
            tables::organisation_key(&"bank-a".parse().unwrap()),
            tables::standing_key(account),
            tables::details_key(account),
            tables::authority_key(1),
            tables::revocation_key(&certificate),
            tables::crl_key(word),
            tables::validator_key(word),
            tables::identity_key(account),
            tables::recovery_key(account),
            tables::bar_key(account),
            tables::barred_node_key(word),
            governance::tables::committee_key(),
            governance::tables::rule_key(Kind::ALL[0]),
            governance::tables::proposal_key(1),
            governance::tables::freeze_key(account),
            governance::tables::regulator_key(account),
            governance::tables::consent_key(1),
            governance::tables::rollback_key(1),
            permissions::tables::policy_key(&"policy".parse().unwrap()),
            rules::tables::limit_key(&"rule".parse().unwrap()),
            contracts::tables::contract_key(account),
            contracts::tables::halt_key(account),
            contracts::tables::attributes_key(account),
            contracts::tables::version_key(account, 1),
            orders::tables::order_key(1),
            orders::tables::anchor_key(&"bank-a".parse().unwrap()),
        ];
        for key in keys {
            assert!(told(key.clone()).is_err(), "{key} is told, and these are not its bytes");
        }
        let payload = told(governance::tables::payload_key(7));
        assert_eq!(payload, Ok(Some(SystemRow::Payload(7, Bytes::from_static(&[0xff, 0xff])))));
    }

    #[test]
    fn lists_and_counters_and_the_state_of_contracts_are_left_out() {
        let account = Address::repeat_byte(1);
        let left_out = [
            tables::organisation_index_key(),
            tables::validator_index_key(),
            tables::certificate_key(B256::repeat_byte(2)),
            governance::tables::proposal_count_key(),
            governance::tables::regulator_index_key(),
            permissions::tables::ids_key(),
            rules::tables::digest_key(),
            contracts::tables::version_in_force_key(account),
            orders::tables::order_count_key(),
            orders::tables::binding_key(account),
            orders::tables::tokens_key(),
        ];
        for key in left_out {
            assert_eq!(told(key), Ok(None));
        }
        assert_eq!(system_row(&StateKey::account(account), &[1]), Ok(None));
    }

    #[test]
    fn a_row_is_told_with_its_key() {
        let state = Standing {
            active: true,
            frozen: true,
            ordered: false,
            rebound: false,
            role: Role::ALL[0],
            not_after: 9,
            authority: 3,
            serial: Bytes::from_static(&[5]),
        };
        let Standing { active, frozen, ordered, rebound, role, not_after, authority, serial } = state.clone();
        let row =
            StandingRow { active, frozen, ordered, rebound, role, not_after, authority, serial }.to_row();
        let account = Address::repeat_byte(1);
        let key = tables::standing_key(account).state_key();
        assert_eq!(system_row(&key, &row), Ok(Some(SystemRow::Standing(account, state.clone()))));
        assert_eq!(state.to_string(), "frozen");
    }
}
