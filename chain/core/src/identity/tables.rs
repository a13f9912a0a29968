//! The registry's tables over the rows of the state.

use std::collections::BTreeSet;

use concordat_types::{
    Address, B256, Bytes, OrgId, ReadError, Validator, ValidatorSet, validator::ValidatorSetError,
};

use super::records::{
    Account, CertificateId, CrlState, Organisation, OrganisationIndex, Record, Revocation, ValidatorRecord,
};
use crate::{
    account::corrupt,
    system::{RowKey, Rows},
};

// The numbers are part of the state's keys and never change meaning.
const ORGANISATIONS: u8 = 0x01;
const ORGANISATION_INDEX: u8 = 0x02;
const ACCOUNTS: u8 = 0x03;
const CERTIFICATES: u8 = 0x04;
const REVOCATIONS: u8 = 0x05;
const CRLS: u8 = 0x06;
const VALIDATORS: u8 = 0x07;
const VALIDATOR_INDEX: u8 = 0x08;

/// Key of an organisation's row.
pub(crate) fn organisation_key(id: &OrgId) -> RowKey {
    RowKey::new(ORGANISATIONS, id.as_str().as_bytes())
}

/// Key of the row that lists all organisations.
pub(crate) fn organisation_index_key() -> RowKey {
    RowKey::new(ORGANISATION_INDEX, &[])
}

/// Key of an account's row.
pub(crate) fn account_key(address: Address) -> RowKey {
    RowKey::new(ACCOUNTS, address.as_slice())
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

fn read<T: Record>(rows: &mut impl Rows, key: &RowKey) -> Result<Option<T>, ReadError> {
    let Some(bytes) = rows.row(key)? else { return Ok(None) };
    T::from_row(&bytes).map(Some).ok_or_else(|| corrupt(format!("registry row {key}")))
}

pub(crate) fn organisation(rows: &mut impl Rows, id: &OrgId) -> Result<Option<Organisation>, ReadError> {
    read(rows, &organisation_key(id))
}

pub(crate) fn organisation_ids(rows: &mut impl Rows) -> Result<BTreeSet<OrgId>, ReadError> {
    let index: Option<OrganisationIndex> = read(rows, &organisation_index_key())?;
    Ok(index.unwrap_or_default().0)
}

pub(crate) fn account(rows: &mut impl Rows, address: Address) -> Result<Option<Account>, ReadError> {
    read(rows, &account_key(address))
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
