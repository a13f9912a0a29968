//! The registry's tables over the rows of the state.

use std::collections::BTreeSet;

use alloy_primitives::keccak256;
use concordat_governance::facts::Bound;
use concordat_types::{
    Address, B256, Bytes, OrgId, ReadError, Validator, ValidatorSet, validator::ValidatorSetError,
};

use super::records::{
    Account, Authority, Bar, CertificateId, CrlState, Organisation, OrganisationIndex, Record, Recovery,
    Reminder, Revocation, StandingRow, ValidatorRecord,
};
use crate::{
    account::corrupt,
    system::{RowKey, Rows},
};

// The numbers are part of the state's keys and never change meaning.
const ORGANISATIONS: u8 = 0x01;
const ORGANISATION_INDEX: u8 = 0x02;
pub(crate) const STANDINGS: u8 = 0x03;
const CERTIFICATES: u8 = 0x04;
const REVOCATIONS: u8 = 0x05;
const CRLS: u8 = 0x06;
const VALIDATORS: u8 = 0x07;
const VALIDATOR_INDEX: u8 = 0x08;
const DETAILS: u8 = 0x09;
const AUTHORITIES: u8 = 0x0a;
const AUTHORITY_NUMBERS: u8 = 0x0b;
const AUTHORITY_COUNT: u8 = 0x0c;
const IDENTITIES: u8 = 0x0d;
const IDENTITY_ACCOUNTS: u8 = 0x0e;
const RECOVERIES: u8 = 0x0f;
pub(crate) const BARS: u8 = 0x10;
const BARRED_SUBJECTS: u8 = 0x11;
pub(crate) const BARRED_NODES: u8 = 0x12;
const REMINDERS: u8 = 0x13;
const FOUNDERS: u8 = 0x14;

/// Key of an organisation's row.
pub(crate) fn organisation_key(id: &OrgId) -> RowKey {
    RowKey::new(ORGANISATIONS, id.as_str().as_bytes())
}

/// Key of the row that lists all organisations.
pub(crate) fn organisation_index_key() -> RowKey {
    RowKey::new(ORGANISATION_INDEX, &[])
}

/// Key of the row of an account's standing.
pub(crate) fn standing_key(address: Address) -> RowKey {
    RowKey::new(STANDINGS, address.as_slice())
}

/// Key of the row of an account's details.
pub(crate) fn details_key(address: Address) -> RowKey {
    RowKey::new(DETAILS, address.as_slice())
}

/// Key of an authority's row.
pub(crate) fn authority_key(number: u32) -> RowKey {
    RowKey::new(AUTHORITIES, &number.to_be_bytes())
}

/// Key of the row that leads from an authority to its number.
pub(crate) fn authority_number_key(authority: &Authority) -> RowKey {
    RowKey::new(AUTHORITY_NUMBERS, keccak256(authority.to_row()).as_slice())
}

/// Key of the row that counts the authorities.
pub(crate) fn authority_count_key() -> RowKey {
    RowKey::new(AUTHORITY_COUNT, &[])
}

/// Key of the row that leads from a certificate to its account.
pub(crate) fn certificate_key(fingerprint: B256) -> RowKey {
    RowKey::new(CERTIFICATES, fingerprint.as_slice())
}

/// Key of a revocation's row.
pub(crate) fn revocation_key(id: &CertificateId) -> RowKey {
    RowKey::new(REVOCATIONS, &[id.issuer.as_slice(), &id.serial].concat())
}

/// Key of the row of an issuer's newest CRL.
pub(crate) fn crl_key(issuer: B256) -> RowKey {
    RowKey::new(CRLS, issuer.as_slice())
}

/// Key of a validator's row.
pub(crate) fn validator_key(consensus_key: B256) -> RowKey {
    RowKey::new(VALIDATORS, consensus_key.as_slice())
}

/// Key of the row that lists all validators' consensus keys.
pub(crate) fn validator_index_key() -> RowKey {
    RowKey::new(VALIDATOR_INDEX, &[])
}

/// Key of the row that leads from an account to its identity, where that is another address.
pub(crate) fn identity_key(account: Address) -> RowKey {
    RowKey::new(IDENTITIES, account.as_slice())
}

/// Key of the row that leads from an identity to the account that acts for it, where that is another address.
pub(crate) fn identity_account_key(identity: Address) -> RowKey {
    RowKey::new(IDENTITY_ACCOUNTS, identity.as_slice())
}

/// Key of the row of the request to replace an account.
pub(crate) fn recovery_key(account: Address) -> RowKey {
    RowKey::new(RECOVERIES, account.as_slice())
}

/// Key of the row of an identity's bar.
pub(crate) fn bar_key(identity: Address) -> RowKey {
    RowKey::new(BARS, identity.as_slice())
}

/// Key of the row that counts the bars of a subject ([`super::bars::subject`]).
pub(crate) fn barred_subject_key(subject: B256) -> RowKey {
    RowKey::new(BARRED_SUBJECTS, subject.as_slice())
}

/// Key of the row of a node's bar.
pub(crate) fn barred_node_key(node_key: B256) -> RowKey {
    RowKey::new(BARRED_NODES, node_key.as_slice())
}

/// Key of the row of the reminder that was raised last for an account.
pub(crate) fn reminder_key(account: Address) -> RowKey {
    RowKey::new(REMINDERS, account.as_slice())
}

/// Key of the row of a founding member's subject ([`super::bars::subject`]).
pub(crate) fn founder_key(account: Address) -> RowKey {
    RowKey::new(FOUNDERS, account.as_slice())
}

/// The record under a key.
pub(crate) fn read<T: Record>(rows: &mut impl Rows, key: &RowKey) -> Result<Option<T>, ReadError> {
    let Some(bytes) = rows.row(key)? else { return Ok(None) };
    T::from_row(&bytes).map(Some).ok_or_else(|| corrupt(format!("registry row {key}")))
}

/// A row that another one has named.
pub(crate) fn required<T: Record>(rows: &mut impl Rows, key: &RowKey) -> Result<T, ReadError> {
    read(rows, key)?.ok_or_else(|| corrupt(format!("registry row {key}, which another one names")))
}

pub(crate) fn organisation(rows: &mut impl Rows, id: &OrgId) -> Result<Option<Organisation>, ReadError> {
    read(rows, &organisation_key(id))
}

pub(crate) fn organisation_ids(rows: &mut impl Rows) -> Result<BTreeSet<OrgId>, ReadError> {
    let index: Option<OrganisationIndex> = read(rows, &organisation_index_key())?;
    Ok(index.unwrap_or_default().0)
}

/// What an account's transactions depend on; `None` for accounts that were never enrolled.
pub(crate) fn standing(rows: &mut impl Rows, address: Address) -> Result<Option<StandingRow>, ReadError> {
    read(rows, &standing_key(address))
}

/// The authority with this number, which some account's row has named.
pub(crate) fn authority(rows: &mut impl Rows, number: u32) -> Result<Authority, ReadError> {
    required(rows, &authority_key(number))
}

/// The number of an authority, if it has one.
pub(crate) fn authority_number(
    rows: &mut impl Rows,
    authority: &Authority,
) -> Result<Option<u32>, ReadError> {
    read(rows, &authority_number_key(authority))
}

/// How many authorities have a number: those below it.
pub(crate) fn authority_count(rows: &mut impl Rows) -> Result<u32, ReadError> {
    Ok(read(rows, &authority_count_key())?.unwrap_or_default())
}

pub(crate) fn account(rows: &mut impl Rows, address: Address) -> Result<Option<Account>, ReadError> {
    let Some(standing) = standing(rows, address)? else { return Ok(None) };
    let authority = authority(rows, standing.authority)?;
    let details = required(rows, &details_key(address))?;
    Ok(Some(Account::of(address, standing, authority, details)))
}

/// The identity that an account belongs to, or belonged to. An account nothing is known of is its own.
pub(crate) fn identity_of(rows: &mut impl Rows, account: Address) -> Result<Address, ReadError> {
    Ok(read(rows, &identity_key(account))?.unwrap_or(account))
}

/// The identity of an account, and the account that acts for it now.
pub(crate) fn bound(rows: &mut impl Rows, account: Address) -> Result<Bound, ReadError> {
    let identity = identity_of(rows, account)?;
    let account = read(rows, &identity_account_key(identity))?.unwrap_or(identity);
    Ok(Bound { identity, account })
}

/// The request to replace an account that was made last and not cancelled; it may have expired.
pub(crate) fn recovery(rows: &mut impl Rows, account: Address) -> Result<Option<Recovery>, ReadError> {
    read(rows, &recovery_key(account))
}

/// The bar of an identity.
pub(crate) fn bar(rows: &mut impl Rows, identity: Address) -> Result<Option<Bar>, ReadError> {
    read(rows, &bar_key(identity))
}

/// How many identities with this subject are barred.
pub(crate) fn barred_subject(rows: &mut impl Rows, subject: B256) -> Result<u64, ReadError> {
    Ok(read(rows, &barred_subject_key(subject))?.unwrap_or_default())
}

/// The bar of a node.
pub(crate) fn barred_node(rows: &mut impl Rows, node_key: B256) -> Result<Option<Bar>, ReadError> {
    read(rows, &barred_node_key(node_key))
}

/// The reminder that was raised last for an account.
pub(crate) fn reminder(rows: &mut impl Rows, account: Address) -> Result<Option<Reminder>, ReadError> {
    read(rows, &reminder_key(account))
}

/// The subject of the certificate that a founding member of the committee got its seat with.
pub(crate) fn founder(rows: &mut impl Rows, account: Address) -> Result<Option<B256>, ReadError> {
    read(rows, &founder_key(account))
}

pub(crate) fn certificate_account(
    rows: &mut impl Rows,
    fingerprint: B256,
) -> Result<Option<Address>, ReadError> {
    read(rows, &certificate_key(fingerprint))
}

pub(crate) fn revocation(rows: &mut impl Rows, id: &CertificateId) -> Result<Option<Revocation>, ReadError> {
    read(rows, &revocation_key(id))
}

/// The first certificate of a path that is revoked.
pub(crate) fn first_revoked<'a>(
    rows: &mut impl Rows,
    path: &'a [CertificateId],
) -> Result<Option<&'a CertificateId>, ReadError> {
    for id in path {
        if revocation(rows, id)?.is_some() {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

pub(crate) fn crl(rows: &mut impl Rows, issuer: B256) -> Result<Option<CrlState>, ReadError> {
    read(rows, &crl_key(issuer))
}

pub(crate) fn validator(
    rows: &mut impl Rows,
    consensus_key: B256,
) -> Result<Option<ValidatorRecord>, ReadError> {
    read(rows, &validator_key(consensus_key))
}

/// All validators, in the order of their consensus keys.
pub(crate) fn validators(rows: &mut impl Rows) -> Result<Vec<ValidatorRecord>, ReadError> {
    let keys: Vec<B256> = read(rows, &validator_index_key())?.unwrap_or_default();
    keys.into_iter()
        .map(|key| validator(rows, key)?.ok_or_else(|| corrupt(format!("registry row of validator {key}"))))
        .collect()
}

/// How many validators there are.
pub(crate) fn validator_count(rows: &mut impl Rows) -> Result<usize, ReadError> {
    let keys: Option<Vec<B256>> = read(rows, &validator_index_key())?;
    Ok(keys.unwrap_or_default().len())
}

/// The set that validators' entries make.
pub(crate) fn validator_set(records: &[ValidatorRecord]) -> Result<ValidatorSet, ValidatorSetError> {
    ValidatorSet::new(
        records
            .iter()
            .map(|v| Validator { org: v.org.clone(), public_key: v.consensus_key, power: v.power })
            .collect(),
    )
}

/// The row that lists validators' consensus keys, in order.
pub(crate) fn validator_index<'a>(records: impl Iterator<Item = &'a ValidatorRecord>) -> Bytes {
    let keys: BTreeSet<B256> = records.map(|v| v.consensus_key.into()).collect();
    keys.into_iter().collect::<Vec<_>>().to_row()
}
