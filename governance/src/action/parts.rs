//! What actions are made of.

use std::{collections::BTreeSet, fmt, str::FromStr};

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{BufMut, Decodable, Encodable, RlpDecodable, RlpEncodable};
use concordat_types::{OrgId, Role};
use serde::{Deserialize, Serialize};

use crate::wire;

/// What a freeze refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Scope {
    /// Whatever the account sends, renewals and ballots included.
    All = 1,
    /// Its business: deployments and calls of contracts. It may still renew its certificate, and vote.
    Outgoing = 2,
}

impl Scope {
    /// The scope's stable code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The scope with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::All),
            2 => Some(Self::Outgoing),
            _ => None,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::All => "all",
            Scope::Outgoing => "outgoing",
        })
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "outgoing" => Ok(Self::Outgoing),
            other => Err(format!("{other:?} is no scope; scopes are all and outgoing")),
        }
    }
}

/// How a list binds. Policies have the same, which this crate does not use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ListKind {
    /// There is none.
    #[default]
    None = 0,
    /// Only who is on it may.
    Allow = 1,
    /// Who is on it may not.
    Deny = 2,
}

impl ListKind {
    /// Every kind.
    pub const ALL: [ListKind; 3] = [ListKind::None, ListKind::Allow, ListKind::Deny];

    /// The kind's stable code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for ListKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ListKind::None => "none",
            ListKind::Allow => "allow",
            ListKind::Deny => "deny",
        })
    }
}

impl FromStr for ListKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|kind| kind.to_string() == text);
        named.ok_or_else(|| format!("{text:?} is no kind of list; kinds are none, allow and deny"))
    }
}

wire::by_code!(Scope, ListKind);

/// Why an order is lawful: the hash of the document that orders it, and where that is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, RlpEncodable, RlpDecodable)]
pub struct Basis {
    /// SHA-256 of the document.
    pub document: B256,
    /// Where it is found, at most [`MAX_REFERENCE_BYTES`].
    pub reference: String,
}

/// Whom a bar shuts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BarTarget {
    /// An identity, by one of its accounts.
    Account(Address),
    /// A node, by the SHA-256 of its SubjectPublicKeyInfo.
    Node(B256),
}

impl BarTarget {
    /// Its bytes, whose number tells what it is.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Account(account) => account.as_slice(),
            Self::Node(key) => key.as_slice(),
        }
    }

    /// Reads [`Self::as_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let account = || Address::try_from(bytes).ok().map(Self::Account);
        B256::try_from(bytes).ok().map(Self::Node).or_else(account)
    }
}

impl fmt::Display for BarTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(f, "account {account}"),
            Self::Node(key) => write!(f, "node key {key}"),
        }
    }
}

impl Encodable for BarTarget {
    fn encode(&self, out: &mut dyn BufMut) {
        self.as_bytes().encode(out);
    }

    fn length(&self) -> usize {
        self.as_bytes().length()
    }
}

impl Decodable for BarTarget {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        let bytes = Bytes::decode(buf)?;
        Self::from_bytes(&bytes).ok_or(alloy_rlp::Error::Custom("neither an account nor a node key"))
    }
}

/// A new member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Its identifier, as in the O of its certificates.
    pub id: OrgId,
    /// Its name for people.
    pub name: String,
    /// Its root CA certificates, DER.
    pub roots: Vec<Bytes>,
    /// The roles that they may grant.
    pub roles: BTreeSet<Role>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct AdmissionRow {
    id: OrgId,
    name: String,
    roots: Vec<Bytes>,
    roles: Bytes,
}

impl From<&Admission> for AdmissionRow {
    fn from(admission: &Admission) -> Self {
        let Admission { id, name, roots, roles } = admission;
        Self { id: id.clone(), name: name.clone(), roots: roots.clone(), roles: wire::role_codes(roles) }
    }
}

impl AdmissionRow {
    fn admission(self) -> Option<Admission> {
        let Self { id, name, roots, roles } = self;
        Some(Admission { id, name, roots, roles: wire::roles(&roles)? })
    }
}

wire::by_row!(Admission, AdmissionRow, AdmissionRow::admission);

/// A new validator.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct NewValidator {
    /// Certification path of its node's TLS key, role validator, DER, leaf first.
    pub node_chain: Vec<Bytes>,
    /// Certification path of the key of its votes, role consensus.
    pub consensus_chain: Vec<Bytes>,
    /// Where nodes reach it, `host:port`.
    pub node_address: String,
    /// Its voting power.
    pub power: u64,
}
