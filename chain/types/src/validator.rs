//! Validators and the sets that CometBFT headers commit to.

use std::collections::BTreeSet;

use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use sha2::{Digest, Sha256};

use crate::OrgId;

/// A validator's consensus address: the first 20 bytes of the SHA-256 of its Ed25519 public key.
pub type ConsensusAddress = [u8; 20];

/// The most validators a set may hold. The mesh is full: every pair is a connection.
pub const MAX_VALIDATORS: usize = 128;

/// The most power that one set may hold in total, so that no sum or product in vote counting can overflow
/// (CometBFT's `MaxTotalVotingPower`, `i64::MAX / 8`).
pub const MAX_TOTAL_POWER: u64 = 1_152_921_504_606_846_975;

/// One validator as the headers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// The organisation that runs it.
    pub org: OrgId,
    /// Ed25519 public key of its votes.
    pub public_key: [u8; 32],
    /// Voting power, at least 1.
    pub power: u64,
}

impl Validator {
    /// The address that votes and headers carry.
    pub fn address(&self) -> ConsensusAddress {
        consensus_address(&self.public_key)
    }

    fn to_comet(&self) -> Option<tendermint::validator::Info> {
        let key = tendermint::PublicKey::from_raw_ed25519(&self.public_key)?;
        let power = tendermint::vote::Power::try_from(self.power).ok()?;
        Some(tendermint::validator::Info::new(key, power))
    }
}

/// The consensus address of an Ed25519 public key (CometBFT `crypto/ed25519`).
pub fn consensus_address(public_key: &[u8; 32]) -> ConsensusAddress {
    let digest: [u8; 32] = Sha256::digest(public_key).into();
    let mut address = [0u8; 20];
    for (to, from) in address.iter_mut().zip(digest) {
        *to = from;
    }
    address
}

/// Why a set of validators is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorSetError {
    /// A chain without validators cannot go on.
    #[error("a validator set needs at least one validator")]
    Empty,
    /// More than the mesh is made for.
    #[error("{count} validators are more than the {MAX_VALIDATORS} that a set may hold")]
    TooMany {
        /// How many there were.
        count: usize,
    },
    /// Power zero means removal, which is said by leaving the validator out.
    #[error("validator {address} of {org} has no voting power; leave it out to remove it")]
    ZeroPower {
        /// Its organisation.
        org: OrgId,
        /// Its consensus address in hex.
        address: String,
    },
    /// The total would overflow vote counting.
    #[error("the total voting power exceeds {MAX_TOTAL_POWER}")]
    TooMuchPower,
    /// One key may vote once.
    #[error("consensus key of address {address} stands in the set twice")]
    Duplicate {
        /// Its consensus address in hex.
        address: String,
    },
    /// The public key is no point of the curve.
    #[error("the consensus key of {org} is no Ed25519 public key")]
    BadKey {
        /// Its organisation.
        org: OrgId,
    },
    /// The bytes are no encoding of a set.
    #[error("not a validator set: {0}")]
    Encoding(String),
}

/// A validator set in CometBFT's order: power descending, then address ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet {
    validators: Vec<Validator>,
    comet: tendermint::validator::Set,
}

impl ValidatorSet {
    /// Checks the validators and puts them in order.
    pub fn new(mut validators: Vec<Validator>) -> Result<Self, ValidatorSetError> {
        check(&validators)?;
        validators.sort_by_cached_key(|v| (std::cmp::Reverse(v.power), v.address()));
        let infos = validators
            .iter()
            .map(|v| v.to_comet().ok_or_else(|| ValidatorSetError::BadKey { org: v.org.clone() }))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { validators, comet: tendermint::validator::Set::without_proposer(infos) })
    }

    /// The validators in order.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// The validator at a consensus address and its place in the order.
    pub fn by_address(&self, address: &ConsensusAddress) -> Option<(usize, &Validator)> {
        self.validators.iter().enumerate().find(|(_, v)| v.address() == *address)
    }

    /// The sum of all powers.
    pub fn total_power(&self) -> u64 {
        self.comet.total_voting_power().value()
    }

    /// The set as the independent verifiers take it.
    pub fn comet(&self) -> &tendermint::validator::Set {
        &self.comet
    }

    /// `validators_hash` of a header.
    pub fn hash(&self) -> tendermint::Hash {
        self.comet.hash()
    }

    /// The canonical bytes that the store keeps.
    pub fn encode(&self) -> Vec<u8> {
        let rows: Vec<Row> = self
            .validators
            .iter()
            .map(|v| Row { org: v.org.to_string(), public_key: v.public_key, power: v.power })
            .collect();
        let mut out = Vec::new();
        rows.encode(&mut out);
        out
    }

    /// Reads [`Self::encode`]'s bytes.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, ValidatorSetError> {
        let encoding = |reason: String| ValidatorSetError::Encoding(reason);
        let rows = Vec::<Row>::decode(&mut bytes).map_err(|e| encoding(e.to_string()))?;
        if !bytes.is_empty() {
            return Err(encoding("bytes follow the set".into()));
        }
        let validators = rows
            .into_iter()
            .map(|row| {
                let org =
                    row.org.parse().map_err(|e: crate::identity::OrgIdError| encoding(e.to_string()))?;
                Ok(Validator { org, public_key: row.public_key, power: row.power })
            })
            .collect::<Result<Vec<_>, ValidatorSetError>>()?;
        Self::new(validators)
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct Row {
    org: String,
    public_key: [u8; 32],
    power: u64,
}

fn check(validators: &[Validator]) -> Result<(), ValidatorSetError> {
    if validators.is_empty() {
        return Err(ValidatorSetError::Empty);
    }
    if validators.len() > MAX_VALIDATORS {
        return Err(ValidatorSetError::TooMany { count: validators.len() });
    }
    let mut total = 0u64;
    let mut seen = BTreeSet::new();
    for validator in validators {
        let address = || hex::encode(validator.address());
        if validator.power == 0 {
            return Err(ValidatorSetError::ZeroPower { org: validator.org.clone(), address: address() });
        }
        total = total.checked_add(validator.power).ok_or(ValidatorSetError::TooMuchPower)?;
        if !seen.insert(validator.public_key) {
            return Err(ValidatorSetError::Duplicate { address: address() });
        }
    }
    if total > MAX_TOTAL_POWER { Err(ValidatorSetError::TooMuchPower) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator(seed: u8, power: u64) -> Validator {
        let key = ed25519_zebra::SigningKey::from([seed; 32]);
        let public_key: [u8; 32] = ed25519_zebra::VerificationKey::from(&key).into();
        Validator { org: "bank-a".parse().unwrap(), public_key, power }
    }

    #[test]
    fn sets_are_ordered_by_power_then_address_whatever_the_input_order() {
        let forward = ValidatorSet::new(vec![validator(1, 5), validator(2, 9), validator(3, 5)]).unwrap();
        let backward = ValidatorSet::new(vec![validator(3, 5), validator(2, 9), validator(1, 5)]).unwrap();
        assert_eq!(forward, backward);
        assert_eq!(forward.validators()[0].power, 9);
        assert!(forward.validators()[1].address() < forward.validators()[2].address());
        assert_eq!(forward.total_power(), 19);
    }

    #[test]
    fn sets_survive_their_encoding() {
        let set = ValidatorSet::new(vec![validator(1, 5), validator(2, 9)]).unwrap();
        assert_eq!(ValidatorSet::decode(&set.encode()).unwrap(), set);
        let mut longer = set.encode();
        longer.push(0);
        assert!(matches!(ValidatorSet::decode(&longer), Err(ValidatorSetError::Encoding(_))));
    }

    #[test]
    fn impossible_sets_are_refused() {
        assert_eq!(ValidatorSet::new(vec![]), Err(ValidatorSetError::Empty));
        assert!(matches!(ValidatorSet::new(vec![validator(1, 0)]), Err(ValidatorSetError::ZeroPower { .. })));
        assert!(matches!(
            ValidatorSet::new(vec![validator(1, 1), validator(1, 2)]),
            Err(ValidatorSetError::Duplicate { .. })
        ));
        assert_eq!(
            ValidatorSet::new(vec![validator(1, u64::MAX), validator(2, 1)]),
            Err(ValidatorSetError::TooMuchPower)
        );
        assert_eq!(
            ValidatorSet::new(vec![validator(1, MAX_TOTAL_POWER), validator(2, 1)]),
            Err(ValidatorSetError::TooMuchPower)
        );
        let many = (0..=128).map(|i| validator(i, 1)).collect();
        assert_eq!(ValidatorSet::new(many), Err(ValidatorSetError::TooMany { count: 129 }));
    }
}
