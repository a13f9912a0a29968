//! The authority's log: one line for everything it ever signed or revoked.

use std::{collections::BTreeMap, fmt, str::FromStr};

use concordat_pki_verify::{RevocationReason, Serial};
use serde::{Deserialize, Serialize};

/// Which of the two authorities acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// The offline root.
    Root,
    /// The issuing authority.
    Issuing,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Issuing => "issuing",
        })
    }
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "root" => Ok(Self::Root),
            "issuing" => Ok(Self::Issuing),
            _ => Err(format!("{text:?} is no authority; use root or issuing")),
        }
    }
}

/// One line of the log. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LogEntry {
    /// A certificate was signed.
    Issued {
        /// When.
        at: i64,
        /// By which authority.
        by: Tier,
        /// The certificate's serial number.
        serial: Serial,
        /// Its subject.
        subject: String,
        /// The end of its validity.
        not_after: i64,
        /// SHA-256 of the certificate, in hexadecimal.
        sha256: String,
    },
    /// A certificate was revoked; the next CRL will list it.
    Revoked {
        /// When.
        at: i64,
        /// By which authority.
        by: Tier,
        /// The certificate's serial number.
        serial: Serial,
        /// Why.
        reason: RevocationReason,
    },
    /// A CRL was signed.
    CrlIssued {
        /// When.
        at: i64,
        /// By which authority.
        by: Tier,
        /// The CRL's number.
        number: u64,
        /// When the next one is due.
        next_update: i64,
    },
}

/// A revoked certificate, why, and since when.
pub(crate) type Revoked<'a> = (&'a Serial, RevocationReason, i64);

/// The certificates that `tier` has revoked, in order of revocation.
pub(crate) fn revocations(log: &[LogEntry], tier: Tier) -> impl DoubleEndedIterator<Item = Revoked<'_>> {
    log.iter().filter_map(move |entry| match entry {
        LogEntry::Revoked { at, by, serial, reason } if *by == tier => Some((serial, *reason, *at)),
        _ => None,
    })
}

/// The certificates that `tier`'s next CRL must list, in order of revocation: all revoked ones, but those that had
/// expired already when a CRL listed them (RFC 5280 section 3.3).
pub(crate) fn still_listed(log: &[LogEntry], tier: Tier) -> Vec<Revoked<'_>> {
    let expiry: BTreeMap<&Serial, i64> = log
        .iter()
        .filter_map(|entry| match entry {
            LogEntry::Issued { serial, not_after, .. } => Some((serial, *not_after)),
            _ => None,
        })
        .collect();
    let mut last_crl = None;
    let mut listed = Vec::new();
    for entry in log.iter().rev() {
        match entry {
            LogEntry::CrlIssued { at, by, .. } if *by == tier => last_crl = last_crl.max(Some(*at)),
            LogEntry::Revoked { at, by, serial, reason } if *by == tier => {
                let is_done = expiry.get(serial).is_some_and(|not_after| last_crl > Some(*not_after));
                listed.extend((!is_done).then_some((serial, *reason, *at)));
            }
            _ => {}
        }
    }
    listed.reverse();
    listed
}

/// Who signed each certificate: the tier, and the serial number of the issuing authority in office then,
/// which for the root's own certificates says nothing.
pub(crate) fn signers(log: &[LogEntry]) -> BTreeMap<&Serial, (Tier, Option<&Serial>)> {
    let mut in_office = None;
    let mut signers = BTreeMap::new();
    for entry in log {
        let LogEntry::Issued { by, serial, .. } = entry else { continue };
        signers.insert(serial, (*by, in_office));
        // The root signs itself once and then only issuing authorities, of which the newest is in office.
        if *by == Tier::Root {
            in_office = Some(serial);
        }
    }
    signers
}

/// The number of the next CRL of `tier`: one more than the greatest so far.
pub(crate) fn next_crl_number(log: &[LogEntry], tier: Tier) -> u64 {
    let numbers = log.iter().filter_map(|entry| match entry {
        LogEntry::CrlIssued { by, number, .. } if *by == tier => Some(*number),
        _ => None,
    });
    numbers.max().unwrap_or(0).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_log_have_a_stable_form() {
        let serial: Serial = "0a01".parse().unwrap();
        let entry =
            LogEntry::Revoked { at: 5, by: Tier::Issuing, serial, reason: RevocationReason::KeyCompromise };
        let line = serde_json::to_string(&entry).unwrap();
        assert_eq!(
            line,
            r#"{"event":"revoked","at":5,"by":"issuing","serial":"0a01","reason":"key-compromise"}"#
        );
        assert_eq!(serde_json::from_str::<LogEntry>(&line).unwrap(), entry);
    }
}
