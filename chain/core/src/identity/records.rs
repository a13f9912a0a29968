//! The registry's entries and their stored form, RLP.

use std::collections::BTreeSet;

use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use concordat_types::{Address, B256, Bytes, OrgId, Role};

/// A member organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// Its identifier.
    pub id: OrgId,
    /// Its name for people.
    pub name: String,
    /// Its root CA certificates, DER.
    pub ca_certificates: Vec<Bytes>,
    /// The roles that its CA may grant.
    pub roles: BTreeSet<Role>,
    /// Whether it is in good standing.
    pub active: bool,
    /// Height at which it was admitted; 0 for founding members.
    pub admitted_height: u64,
    /// The most voting power that its validators may have together.
    pub power_budget: u64,
}

/// A certificate among all certificates: who issued it and under which number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, RlpEncodable, RlpDecodable)]
pub struct CertificateId {
    /// SHA-256 of the issuer's SubjectPublicKeyInfo.
    pub issuer: B256,
    /// Serial number, big-endian without leading zeros.
    pub serial: Bytes,
}

/// An enrolled account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its address.
    pub address: Address,
    /// Its organisation.
    pub org: OrgId,
    /// Its role.
    pub role: Role,
    /// The common name of its certificate.
    pub common_name: String,
    /// The certificates that vouch for it, its own first, the root left out.
    pub path: Vec<CertificateId>,
    /// SHA-256 of its certificate.
    pub fingerprint: B256,
    /// Its certificate is valid from here, Unix seconds.
    pub not_before: u64,
    /// The last second at which the whole path is valid, Unix seconds.
    pub not_after: u64,
    /// Height at which it enrolled.
    pub enrolled_height: u64,
    /// Whether it is in good standing.
    pub active: bool,
}

/// A revoked certificate.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Revocation {
    /// RFC 5280 section 5.3.1 reason code.
    pub reason: u8,
    /// Since when, as its CA says, Unix seconds.
    pub revoked_at: u64,
    /// Height from which the chain knows.
    pub height: u64,
}

/// The newest CRL of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct CrlState {
    /// Its number.
    pub number: u64,
    /// When it was made, Unix seconds.
    pub this_update: u64,
    /// Height at which it was taken in.
    pub height: u64,
}

/// A validator's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorRecord {
    /// The organisation that runs it.
    pub org: OrgId,
    /// Ed25519 key of its votes.
    pub consensus_key: [u8; 32],
    /// Its voting power.
    pub power: u64,
    /// SHA-256 of its node certificate's SubjectPublicKeyInfo.
    pub node_spki: B256,
    /// Where nodes reach it, `host:port`.
    pub node_address: String,
    /// Height at which it was admitted; 0 for founding validators.
    pub admitted_height: u64,
}

/// An entry in its stored form.
pub(crate) trait Record: Sized {
    /// The bytes of the row.
    fn to_row(&self) -> Bytes;
    /// Reads [`Self::to_row`]'s bytes; `None` for anything else.
    fn from_row(bytes: &[u8]) -> Option<Self>;
}

fn encode(row: &impl Encodable) -> Bytes {
    let mut out = Vec::with_capacity(row.length());
    row.encode(&mut out);
    out.into()
}

fn decode<T: Decodable>(mut bytes: &[u8]) -> Option<T> {
    let row = T::decode(&mut bytes).ok()?;
    bytes.is_empty().then_some(row)
}

macro_rules! plain_records {
    ($($record:ty),*) => { $(
        impl Record for $record {
            fn to_row(&self) -> Bytes {
                encode(self)
            }

            fn from_row(bytes: &[u8]) -> Option<Self> {
                decode(bytes)
            }
        }
    )* };
}

plain_records!(Revocation, CrlState, Address, Vec<B256>);

#[derive(RlpEncodable, RlpDecodable)]
struct OrganisationRow {
    id: String,
    name: String,
    ca_certificates: Vec<Bytes>,
    roles: Bytes,
    active: bool,
    admitted_height: u64,
    power_budget: u64,
}

impl Record for Organisation {
    fn to_row(&self) -> Bytes {
        encode(&OrganisationRow {
            id: self.id.to_string(),
            name: self.name.clone(),
            ca_certificates: self.ca_certificates.clone(),
            roles: self.roles.iter().map(|role| role.code()).collect::<Vec<u8>>().into(),
            active: self.active,
            admitted_height: self.admitted_height,
            power_budget: self.power_budget,
        })
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let row: OrganisationRow = decode(bytes)?;
        Some(Self {
            id: row.id.parse().ok()?,
            name: row.name,
            ca_certificates: row.ca_certificates,
            roles: row.roles.iter().map(|code| Role::from_code(*code)).collect::<Option<_>>()?,
            active: row.active,
            admitted_height: row.admitted_height,
            power_budget: row.power_budget,
        })
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct AccountRow {
    address: Address,
    org: String,
    role: u8,
    common_name: String,
    path: Vec<CertificateId>,
    fingerprint: B256,
    not_before: u64,
    not_after: u64,
    enrolled_height: u64,
    active: bool,
}

impl Record for Account {
    fn to_row(&self) -> Bytes {
        encode(&AccountRow {
            address: self.address,
            org: self.org.to_string(),
            role: self.role.code(),
            common_name: self.common_name.clone(),
            path: self.path.clone(),
            fingerprint: self.fingerprint,
            not_before: self.not_before,
            not_after: self.not_after,
            enrolled_height: self.enrolled_height,
            active: self.active,
        })
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let row: AccountRow = decode(bytes)?;
        Some(Self {
            address: row.address,
            org: row.org.parse().ok()?,
            role: Role::from_code(row.role)?,
            common_name: row.common_name,
            path: row.path,
            fingerprint: row.fingerprint,
            not_before: row.not_before,
            not_after: row.not_after,
            enrolled_height: row.enrolled_height,
            active: row.active,
        })
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct ValidatorRow {
    org: String,
    consensus_key: B256,
    power: u64,
    node_spki: B256,
    node_address: String,
    admitted_height: u64,
}

impl Record for ValidatorRecord {
    fn to_row(&self) -> Bytes {
        encode(&ValidatorRow {
            org: self.org.to_string(),
            consensus_key: self.consensus_key.into(),
            power: self.power,
            node_spki: self.node_spki,
            node_address: self.node_address.clone(),
            admitted_height: self.admitted_height,
        })
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let row: ValidatorRow = decode(bytes)?;
        Some(Self {
            org: row.org.parse().ok()?,
            consensus_key: row.consensus_key.0,
            power: row.power,
            node_spki: row.node_spki,
            node_address: row.node_address,
            admitted_height: row.admitted_height,
        })
    }
}

/// The ids of all organisations, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrganisationIndex(pub(crate) BTreeSet<OrgId>);

impl Record for OrganisationIndex {
    fn to_row(&self) -> Bytes {
        encode(&self.0.iter().map(ToString::to_string).collect::<Vec<String>>())
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let ids: Vec<String> = decode(bytes)?;
        ids.into_iter().map(|id| id.parse().ok()).collect::<Option<_>>().map(Self)
    }
}
