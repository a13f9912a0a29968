//! Who acts on the chain: organisations and the roles that certificates carry.
//!
//! A certificate's subject names its organisation in `O`, its role in `OU` and the holder in `CN`.
//! [`OrgId`] and [`Role`] are the parsed forms of the first two.

use std::{fmt, str::FromStr};

use alloy_rlp::{BufMut, Decodable, Encodable};
use serde::{Deserialize, Serialize};

/// The identifier of a member organisation, as it stands in the `O` of its certificates.
///
/// 2 to 32 characters of `a-z`, `0-9` and `-`, starting with a letter and not ending in `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrgId(String);

/// Why a text is no [`OrgId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "organisation id {0:?} must be 2 to 32 characters of a-z, 0-9 and '-', start with a letter and not end in '-'"
)]
pub struct OrgIdError(pub String);

impl OrgId {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrgId {
    type Err = OrgIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let well_formed = (2..=32).contains(&text.len())
            && text.chars().all(allowed)
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-');
        if well_formed { Ok(Self(text.to_owned())) } else { Err(OrgIdError(text.chars().take(64).collect())) }
    }
}

impl TryFrom<String> for OrgId {
    type Error = OrgIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<OrgId> for String {
    fn from(id: OrgId) -> Self {
        id.0
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As text.
impl Encodable for OrgId {
    fn encode(&self, out: &mut dyn BufMut) {
        self.0.encode(out);
    }

    fn length(&self) -> usize {
        self.0.length()
    }
}

impl Decodable for OrgId {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        String::decode(buf)?.parse().map_err(|_| alloy_rlp::Error::Custom("no id of an organisation"))
    }
}

macro_rules! roles {
    ($( $(#[$doc:meta])* $variant:ident = $code:literal, $name:literal; )*) => {
        /// What the holder of a certificate is on the chain. Exactly one per certificate.
        ///
        /// The numbers are stored in the authenticated state and never change meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u8)]
        pub enum Role {
            $( $(#[$doc])* $variant = $code, )*
        }

        impl Role {
            /// Every role, in the order of its code.
            pub const ALL: &'static [Role] = &[$( Role::$variant, )*];

            /// The role's name as it stands in the `OU` of certificates and in configuration.
            pub const fn name(self) -> &'static str {
                match self { $( Role::$variant => $name, )* }
            }

            /// The role with this code, as stored in the state.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $( $code => Some(Role::$variant), )* _ => None }
            }
        }
    };
}

roles! {
    /// Votes in the operations committee.
    CommitteeMember = 1, "committee-member";
    /// Supervises: reads everything, orders freezes; never transacts business and never votes.
    Regulator = 2, "regulator";
    /// An organisation's own administrator of identities.
    Registrar = 3, "registrar";
    /// A business user: a person or a system that submits transactions.
    Operator = 4, "operator";
    /// Deploys contracts where the committee permits it.
    Developer = 5, "developer";
    /// Reads, for its own organisation.
    Auditor = 6, "auditor";
    /// A node that votes in consensus.
    Validator = 16, "validator";
    /// A node that follows the chain and never votes.
    Observer = 17, "observer";
    /// A regulator's node: follows and re-executes everything, never votes.
    AuditNode = 18, "audit-node";
    /// The key that signs a validator's consensus votes (Ed25519); opens no connections.
    Consensus = 32, "consensus";
    /// A server's TLS identity for applications (RPC); not a peer.
    Server = 33, "server";
}

/// What kind of holder a role belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A person or a system with an account.
    Account,
    /// A machine of the network that other nodes connect to.
    Node,
    /// A signing key of the consensus protocol.
    ConsensusKey,
    /// A TLS server that faces applications.
    Server,
}

impl Role {
    /// The role's stable code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What kind of holder this role belongs to.
    pub const fn holder(self) -> Holder {
        match self {
            Role::Validator | Role::Observer | Role::AuditNode => Holder::Node,
            Role::Consensus => Holder::ConsensusKey,
            Role::Server => Holder::Server,
            _ => Holder::Account,
        }
    }
}

/// By its code.
impl Encodable for Role {
    fn encode(&self, out: &mut dyn BufMut) {
        self.code().encode(out);
    }

    fn length(&self) -> usize {
        self.code().length()
    }
}

impl Decodable for Role {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        Role::from_code(u8::decode(buf)?).ok_or(alloy_rlp::Error::Custom("no code of a role"))
    }
}

/// The text names no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no role; roles are committee-member, regulator, registrar, operator, developer, auditor, validator, observer, audit-node, consensus and server"
)]
pub struct RoleError(pub String);

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|role| role.name() == text)
            .ok_or_else(|| RoleError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisation_ids_are_lower_case_words() {
        for good in ["bank-a", "ab", "central-bank-1"] {
            assert_eq!(good.parse::<OrgId>().unwrap().as_str(), good);
        }
        for bad in ["", "a", "Bank", "1bank", "bank-", "bank_a", "bänk", &"a".repeat(33)] {
            assert!(bad.parse::<OrgId>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn every_role_survives_its_name_and_its_code() {
        for role in Role::ALL {
            assert_eq!(role.name().parse::<Role>().unwrap(), *role);
            assert_eq!(Role::from_code(role.code()), Some(*role));
        }
        assert_eq!(Role::from_code(0), None);
    }

    #[test]
    fn ids_are_texts_and_roles_are_codes_in_rlp() {
        let id: OrgId = "bank-a".parse().unwrap();
        assert_eq!(alloy_rlp::encode(&id), b"\x86bank-a");
        assert_eq!(alloy_rlp::decode_exact(b"\x86bank-a"), Ok(id));
        assert!(alloy_rlp::decode_exact::<OrgId>(b"\x86Bank-A").is_err());
        for role in Role::ALL {
            assert_eq!(alloy_rlp::encode(role), [role.code()]);
            assert_eq!(alloy_rlp::decode_exact([role.code()]), Ok(*role));
        }
        assert!(alloy_rlp::decode_exact::<Role>([7]).is_err());
    }
}
