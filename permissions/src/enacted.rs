//! An enacted policy as it stands in the state, and its canonical bytes.

use std::{fmt, str::FromStr};

use alloy_rlp::{RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

use crate::wire;

/// The longest policy text, in bytes.
pub const MAX_TEXT_BYTES: usize = 8 * 1024;

/// The most enacted policies of a set.
pub const MAX_POLICIES: usize = 1_000;

/// The longest texts of all enacted policies of a set together, in bytes.
pub const MAX_TOTAL_BYTES: usize = 1024 * 1024;

/// The longest id of a policy, in bytes.
pub const MAX_ID_BYTES: usize = 64;

/// The longest canonical bytes: of the longest id and text, a proposal, and the lengths of all that.
pub const MAX_ENCODED_BYTES: usize = MAX_TEXT_BYTES + MAX_ID_BYTES + 24;

/// The id of a policy.
///
/// 2 to 64 characters of `a-z`, `0-9` and `-`, starting with a letter and not ending in `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PolicyId(String);

/// Why a text is no [`PolicyId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "policy id {0:?} must be 2 to 64 characters of a-z, 0-9 and '-', start with a letter and not end in '-'"
)]
pub struct PolicyIdError(pub String);

impl PolicyId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PolicyId {
    type Err = PolicyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let well_formed = (2..=MAX_ID_BYTES).contains(&text.len())
            && text.chars().all(allowed)
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-');
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(PolicyIdError(text.chars().take(MAX_ID_BYTES).collect()))
        }
    }
}

impl TryFrom<String> for PolicyId {
    type Error = PolicyIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PolicyId> for String {
    fn from(id: PolicyId) -> Self {
        id.0
    }
}

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A policy that the committee has enacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnactedPolicy {
    /// Its id.
    pub id: PolicyId,
    /// Its text, at most [`MAX_TEXT_BYTES`].
    pub text: String,
    /// The proposal that enacted it.
    pub proposal: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Record {
    id: String,
    text: String,
    proposal: u64,
}

impl EnactedPolicy {
    /// The canonical bytes: the RLP list of id, text and proposal.
    pub fn encode(&self) -> Vec<u8> {
        let Self { id, text, proposal } = self;
        wire::encode(&Record { id: id.0.clone(), text: text.clone(), proposal: *proposal })
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else, and for ids and texts that may not be.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_ENCODED_BYTES {
            return None;
        }
        let Record { id, text, proposal } = wire::decode(bytes)?;
        let fits = text.len() <= MAX_TEXT_BYTES;
        fits.then_some(Self { id: id.parse().ok()?, text, proposal })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn enacted(id: &str, text: &str, proposal: u64) -> EnactedPolicy {
        EnactedPolicy { id: id.parse().unwrap(), text: text.to_owned(), proposal }
    }

    #[test]
    fn ids_are_lower_case_words() {
        for good in ["ab", "office-hours", &"a".repeat(64)] {
            assert_eq!(good.parse::<PolicyId>().unwrap().as_str(), good);
        }
        for bad in ["", "a", "Ab", "1a", "a-", "a_b", "ä-b", &"a".repeat(65)] {
            assert!(bad.parse::<PolicyId>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn enacted_policies_are_golden() {
        let policy = enacted("no-one", "forbid (principal, action, resource);", 300);
        let golden = "f0866e6f2d6f6e65a5666f7262696420287072696e636970616c2c20616374696f6e2c207265736f75726365293b82012c";
        assert_eq!(hex::encode(policy.encode()), golden);
        assert_eq!(EnactedPolicy::decode(&policy.encode()), Some(policy));
    }

    #[test]
    fn the_longest_policy_fits_and_a_longer_one_does_not() {
        let (id, text) = ("a".repeat(MAX_ID_BYTES), "x".repeat(MAX_TEXT_BYTES));
        let longest = enacted(&id, &text, u64::MAX);
        assert!(longest.encode().len() <= MAX_ENCODED_BYTES);
        assert_eq!(EnactedPolicy::decode(&longest.encode()), Some(longest));
        let longer = enacted("ab", &format!("{text}x"), 1);
        assert_eq!(EnactedPolicy::decode(&longer.encode()), None);
    }

    #[test]
    fn truncated_extended_and_other_bytes_are_refused() {
        let bytes = enacted("no-one", "forbid (principal, action, resource);", 300).encode();
        for end in 0..bytes.len() {
            assert_eq!(EnactedPolicy::decode(&bytes[..end]), None, "{end} bytes were accepted");
        }
        let trailing = [bytes.as_slice(), &[0]].concat();
        assert_eq!(EnactedPolicy::decode(&trailing), None);
        // A number with a leading zero has another form already.
        let padded = hex::decode("c78261628161820001").unwrap();
        assert_eq!(EnactedPolicy::decode(&padded), None);
        let bad_id = wire::encode(&Record { id: "NO".to_owned(), text: String::new(), proposal: 1 });
        assert_eq!(EnactedPolicy::decode(&bad_id), None);
        assert_eq!(EnactedPolicy::decode(&vec![0xff; MAX_ENCODED_BYTES]), None);
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(policy) = EnactedPolicy::decode(&bytes) {
                prop_assert_eq!(policy.encode(), bytes);
            }
        }

        #[test]
        fn every_policy_survives_its_bytes(
            id in "[a-z][a-z0-9]{1,63}", text in "\\PC{0,80}", proposal: u64, flip: prop::sample::Index
        ) {
            let policy = enacted(&id, &text, proposal);
            let mut bytes = policy.encode();
            prop_assert_eq!(EnactedPolicy::decode(&bytes), Some(policy));
            *flip.get_mut(&mut bytes) ^= 1;
            if let Some(other) = EnactedPolicy::decode(&bytes) {
                prop_assert_eq!(other.encode(), bytes);
            }
        }
    }
}
