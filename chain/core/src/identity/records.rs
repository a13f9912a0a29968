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
    /// Whether it has left for good.
    pub expelled: bool,
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
    /// Whether it is in good standing; false while its identity is barred.
    pub active: bool,
    /// Whether a freeze was imposed on it and not lifted; it may have lapsed.
    pub frozen: bool,
    /// Whether orders of regulators were imposed on it and not released; they may have lapsed.
    pub ordered: bool,
    /// Whether it acts for an identity whose first key was another one.
    pub rebound: bool,
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

plain_records!(Revocation, CrlState, Details, Address, Vec<B256>, u32, u64, Recovery, Bar, Reminder, B256);

#[derive(RlpEncodable, RlpDecodable)]
struct OrganisationRow {
    id: String,
    name: String,
    ca_certificates: Vec<Bytes>,
    roles: Bytes,
    /// 0 suspended, 1 active, 2 expelled.
    membership: u8,
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
            membership: if self.expelled { 2 } else { u8::from(self.active) },
            admitted_height: self.admitted_height,
            power_budget: self.power_budget,
        })
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let row: OrganisationRow = decode(bytes)?;
        let roles: BTreeSet<Role> =
            row.roles.iter().map(|code| Role::from_code(*code)).collect::<Option<_>>()?;
        // One form only: a set in another order is no encoding of it.
        let in_order = roles.iter().map(|role| role.code()).eq(row.roles.iter().copied());
        (in_order && row.membership <= 2).then_some(Self {
            id: row.id.parse().ok()?,
            name: row.name,
            ca_certificates: row.ca_certificates,
            roles,
            active: row.membership == 1,
            expelled: row.membership == 2,
            admitted_height: row.admitted_height,
            power_budget: row.power_budget,
        })
    }
}

/// What an account's transactions depend on. Each of them reads it, several times on its way: so it is kept
/// apart from [`Details`], and short enough to stand in the state's tree itself.
///
/// `active ‖ frozen ‖ role (1) ‖ rebound ‖ not after (5) ‖ authority (4) ‖ serial (1 to 20)`, all big-endian; `active`
/// is the first byte's highest bit, `frozen` its second, `rebound` the second byte's highest, `ordered` its second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StandingRow {
    /// [`Account::active`].
    pub(crate) active: bool,
    /// [`Account::frozen`].
    pub(crate) frozen: bool,
    /// [`Account::ordered`].
    pub(crate) ordered: bool,
    /// [`Account::rebound`].
    pub(crate) rebound: bool,
    /// [`Account::role`].
    pub(crate) role: Role,
    /// [`Account::not_after`]; certificates end before the year 10000, which takes 38 bits.
    pub(crate) not_after: u64,
    /// The number of the [`Authority`] that issued its certificate.
    pub(crate) authority: u32,
    /// Its certificate's serial number, big-endian without leading zeros.
    pub(crate) serial: Bytes,
}

impl StandingRow {
    const ACTIVE: u8 = 0x80;
    const FROZEN: u8 = 0x40;
    const REBOUND: u8 = 0x80;
    const ORDERED: u8 = 0x40;
    const LATEST: u64 = (1 << 38) - 1;
}

impl Record for StandingRow {
    fn to_row(&self) -> Bytes {
        let active = if self.active { Self::ACTIVE } else { 0 };
        let frozen = if self.frozen { Self::FROZEN } else { 0 };
        let rebound = if self.rebound { Self::REBOUND } else { 0 };
        let ordered = if self.ordered { Self::ORDERED } else { 0 };
        let [_, _, _, latest, not_after @ ..] = self.not_after.min(Self::LATEST).to_be_bytes();
        let authority = self.authority.to_be_bytes();
        let head = [active | frozen | self.role.code(), rebound | ordered | latest];
        [head.as_slice(), &not_after, &authority, &self.serial].concat().into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let (&[first, a, b, c, d, e], rest) = bytes.split_first_chunk()?;
        let (authority, serial) = rest.split_first_chunk()?;
        let not_after = u64::from_be_bytes([0, 0, 0, a & !(Self::REBOUND | Self::ORDERED), b, c, d, e]);
        // One form only: no certificate is valid for longer.
        (not_after <= Self::LATEST).then_some(())?;
        Some(Self {
            active: first & Self::ACTIVE != 0,
            frozen: first & Self::FROZEN != 0,
            ordered: a & Self::ORDERED != 0,
            rebound: a & Self::REBOUND != 0,
            role: Role::from_code(first & !(Self::ACTIVE | Self::FROZEN))?,
            not_after,
            authority: u32::from_be_bytes(*authority),
            serial: Bytes::copy_from_slice(serial),
        })
    }
}

/// What is known of an account besides its standing.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Details {
    /// [`Account::common_name`].
    pub(crate) common_name: String,
    /// [`Account::fingerprint`].
    pub(crate) fingerprint: B256,
    /// [`Account::not_before`].
    pub(crate) not_before: u64,
    /// [`Account::enrolled_height`].
    pub(crate) enrolled_height: u64,
}

/// An authority that issues accounts' certificates. Many accounts share one, which has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    /// The organisation that it belongs to.
    pub(crate) org: OrgId,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub(crate) key: B256,
    /// The certificates that vouch for it, its own first, the root left out.
    pub(crate) path: Vec<CertificateId>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct AuthorityRow {
    org: String,
    key: B256,
    path: Vec<CertificateId>,
}

impl Record for Authority {
    fn to_row(&self) -> Bytes {
        encode(&AuthorityRow { org: self.org.to_string(), key: self.key, path: self.path.clone() })
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let AuthorityRow { org, key, path } = decode(bytes)?;
        Some(Self { org: org.parse().ok()?, key, path })
    }
}

impl Account {
    /// Puts together what the state keeps apart.
    pub(crate) fn of(
        address: Address,
        standing: StandingRow,
        authority: Authority,
        details: Details,
    ) -> Self {
        let own = CertificateId { issuer: authority.key, serial: standing.serial };
        Self {
            address,
            org: authority.org,
            role: standing.role,
            common_name: details.common_name,
            path: std::iter::once(own).chain(authority.path).collect(),
            fingerprint: details.fingerprint,
            not_before: details.not_before,
            not_after: standing.not_after,
            enrolled_height: details.enrolled_height,
            active: standing.active,
            frozen: standing.frozen,
            ordered: standing.ordered,
            rebound: standing.rebound,
        }
    }

    /// The authority that vouches for it; `None` without a path, which no checked certificate lacks.
    pub(crate) fn authority(&self) -> Option<Authority> {
        let (own, path) = self.path.split_first()?;
        Some(Authority { org: self.org.clone(), key: own.issuer, path: path.to_vec() })
    }

    /// What its transactions depend on, given its authority's number.
    pub(crate) fn standing(&self, authority: u32) -> StandingRow {
        let serial = self.path.first().map(|own| own.serial.clone()).unwrap_or_default();
        let Self { active, frozen, ordered, rebound, role, not_after, .. } = *self;
        StandingRow { active, frozen, ordered, rebound, role, not_after, authority, serial }
    }

    /// The rest.
    pub(crate) fn details(&self) -> Details {
        Details {
            common_name: self.common_name.clone(),
            fingerprint: self.fingerprint,
            not_before: self.not_before,
            enrolled_height: self.enrolled_height,
        }
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

/// A request to give an identity another key.
#[derive(Clone, Debug, Default, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Recovery {
    /// SHA-256 of the account to be replaced and the certification path of the new key.
    pub digest: B256,
    /// The account of the new key.
    pub new_account: Address,
    /// The registrar who asks for it.
    pub requester: Address,
    /// Height at which it was asked for.
    pub requested: u64,
}

/// A bar of an identity or a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Bar {
    /// SHA-256 of the document that orders it.
    pub document: B256,
    /// Where the document is found.
    pub reference: String,
    /// The height from which it binds.
    pub since: u64,
    /// The proposal that imposed it.
    pub proposal: u64,
    /// Which subject is barred with an identity: the key of its row; zero for nodes.
    pub subject: B256,
}

/// The reminder that was raised last for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Reminder {
    /// The end of validity that it was raised for, Unix seconds.
    pub(crate) not_after: u64,
    /// How many days before: 30, 7 or 1.
    pub(crate) days: u64,
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
        let index: BTreeSet<OrgId> = ids.iter().map(|id| id.parse().ok()).collect::<Option<_>>()?;
        index.iter().map(OrgId::as_str).eq(ids.iter().map(String::as_str)).then_some(Self(index))
    }
}
