//! What a certificate shall say, and which roles may have which keys.

use std::{fmt, net::IpAddr, str::FromStr};

use concordat_pki_verify::{Purpose, SubjectKey, name::is_host_name};
use concordat_types::identity::{Holder, Role};
use serde::Serialize;

use crate::error::AuthorityError;

/// A subject alternative name of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum San {
    /// A host name, in lower case.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
}

/// The text is no alternative name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no alternative name; write dns:HOST or ip:ADDRESS, without wildcards")]
pub struct SanError(pub String);

impl FromStr for San {
    type Err = SanError;

    /// Reads `dns:HOST`, `ip:ADDRESS`, or a bare host or address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || SanError(text.chars().take(64).collect());
        let dns =
            |host: &str| is_host_name(host).then(|| San::Dns(host.to_ascii_lowercase())).ok_or_else(refuse);
        let ip = |address: &str| address.parse().map(San::Ip).map_err(|_| refuse());
        match text.split_once(':') {
            Some(("dns", host)) => dns(host),
            Some(("ip", address)) => ip(address),
            _ => ip(text).or_else(|_| dns(text)),
        }
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            San::Dns(host) => write!(f, "dns:{host}"),
            San::Ip(address) => write!(f, "ip:{address}"),
        }
    }
}

/// What a holder's certificate shall say beside its organisation and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The role.
    pub role: Role,
    /// The holder's name, unique within the organisation by its own care.
    pub common_name: String,
    /// The names under which a machine is reached; empty for people and keys.
    pub sans: Vec<San>,
    /// For how many days.
    pub days: u32,
}

/// Refuses combinations that the ledger would refuse, before anything is signed.
pub(crate) fn check(profile: &Profile, key: &SubjectKey) -> Result<(), AuthorityError> {
    let role = profile.role;
    let key_fits = Purpose::of(role.holder()).accepts_key(key.key_type());
    if !key_fits {
        return Err(AuthorityError::KeyForRole { role, key: *key });
    }
    match (role.holder(), profile.sans.is_empty()) {
        (Holder::Node | Holder::Server, true) => Err(AuthorityError::NoSan(role)),
        (Holder::Account | Holder::ConsensusKey, false) => Err(AuthorityError::SanForRole(role)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternative_names_are_read_with_and_without_their_kind() {
        for (text, read) in [
            ("dns:Node.Bank.example", "dns:node.bank.example"),
            ("localhost", "dns:localhost"),
            ("127.0.0.1", "ip:127.0.0.1"),
            ("ip:::1", "ip:::1"),
            ("2001:db8::1", "ip:2001:db8::1"),
        ] {
            assert_eq!(text.parse::<San>().unwrap().to_string(), read);
        }
        for bad in ["", "dns:", "dns:*.bank.example", "ip:host", "dns:127.0.0.1", "mailto:a@b.example"] {
            assert!(bad.parse::<San>().is_err(), "{bad:?}");
        }
    }
}
