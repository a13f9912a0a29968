//! Full audits of a CometBFT commit.
//!
//! The independent light-client verifier stops at two thirds and takes signatures in any order. Where we
//! judge a commit ourselves, everything in it must be right: each place, each address, each signature.

use ed25519_zebra::{Signature, VerificationKey};
use tendermint::{
    block::{Commit, CommitSig, Id},
    chain,
    vote::{self, SignedVote, Vote},
};

use crate::{Validator, ValidatorSet};

/// What is wrong with a commit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// One place for each validator.
    #[error("the commit has {have} places, the validator set {want} members")]
    Places {
        /// Places in the commit.
        have: usize,
        /// Members of the set.
        want: usize,
    },
    /// A signature stands in another validator's place.
    #[error("place {place} of the commit is signed by {have}, but belongs to {want}")]
    Order {
        /// Index in the validator set.
        place: usize,
        /// The address in the commit.
        have: String,
        /// The address in the set.
        want: String,
    },
    /// A signature that is none, or not of this block.
    #[error("the signature in place {place} of the commit does not verify")]
    Signature {
        /// Index in the validator set.
        place: usize,
    },
    /// A vote for nothing, which never stands in our commits.
    #[error("place {place} of the commit holds a vote for nil")]
    Nil {
        /// Index in the validator set.
        place: usize,
    },
    /// Too little power behind it.
    #[error("{have} of {total} voting power signed; more than two thirds are needed")]
    Quorum {
        /// Power that signed.
        have: u64,
        /// Power of the set.
        total: u64,
    },
    /// It is about something else.
    #[error("the commit is for {what} {have}, not {want}")]
    OtherBlock {
        /// Height or block id.
        what: &'static str,
        /// The commit's.
        have: String,
        /// The expected one.
        want: String,
    },
    /// The chain id cannot stand in a vote.
    #[error("chain id {0:?} is no CometBFT chain id")]
    ChainId(String),
}

/// Checks a commit of block `id` at `height` in full: every place in the set's order, every signature, and
/// more than two thirds of the power. Gives the power that signed.
pub fn verify_commit(
    commit: &Commit,
    chain_id: &str,
    height: u64,
    id: &Id,
    validators: &ValidatorSet,
) -> Result<u64, CommitError> {
    let other = |what, have: String, want: String| Err(CommitError::OtherBlock { what, have, want });
    if commit.height.value() != height {
        return other("height", commit.height.to_string(), height.to_string());
    }
    if commit.block_id != *id {
        return other("block", commit.block_id.to_string(), id.to_string());
    }
    let members = validators.validators();
    if commit.signatures.len() != members.len() {
        return Err(CommitError::Places { have: commit.signatures.len(), want: members.len() });
    }
    let chain: chain::Id = chain_id.parse().map_err(|_| CommitError::ChainId(chain_id.to_owned()))?;
    let mut signed = 0u64;
    for (place, (signature, member)) in commit.signatures.iter().zip(members).enumerate() {
        let power = check_place(commit, &chain, place, signature, member)?;
        signed = signed.saturating_add(power);
    }
    let total = validators.total_power();
    // Powers are bounded by MAX_TOTAL_POWER, so that neither product overflows.
    if signed.saturating_mul(3) <= total.saturating_mul(2) {
        return Err(CommitError::Quorum { have: signed, total });
    }
    Ok(signed)
}

/// The power that one place adds: none if its validator is absent.
fn check_place(
    commit: &Commit,
    chain: &chain::Id,
    place: usize,
    signature: &CommitSig,
    member: &Validator,
) -> Result<u64, CommitError> {
    let (validator_address, timestamp, signature) = match signature {
        CommitSig::BlockIdFlagAbsent => return Ok(0),
        CommitSig::BlockIdFlagNil { .. } => return Err(CommitError::Nil { place }),
        CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature } => {
            (*validator_address, *timestamp, signature.clone())
        }
    };
    if validator_address.as_bytes() != member.address() {
        let (have, want) = (validator_address.to_string(), hex::encode_upper(member.address()));
        return Err(CommitError::Order { place, have, want });
    }
    let wrong = CommitError::Signature { place };
    let vote = Vote {
        vote_type: vote::Type::Precommit,
        height: commit.height,
        round: commit.round,
        block_id: Some(commit.block_id),
        timestamp: Some(timestamp),
        validator_address,
        validator_index: vote::ValidatorIndex::try_from(place).map_err(|_| wrong.clone())?,
        signature,
        extension: Vec::new(),
        extension_signature: None,
    };
    let signed = SignedVote::from_vote(vote, chain.clone()).ok_or_else(|| wrong.clone())?;
    let signature = Signature::from_slice(signed.signature().as_bytes()).map_err(|_| wrong.clone())?;
    VerificationKey::try_from(member.public_key)
        .and_then(|key| key.verify(&signature, &signed.sign_bytes()))
        .map_err(|_| wrong)?;
    Ok(member.power)
}

#[cfg(test)]
mod tests {
    use ed25519_zebra::SigningKey;
    use tendermint::{Hash, Time, account, block::parts};

    use super::*;

    const CHAIN: &str = "concordat-test";

    fn keys() -> Vec<SigningKey> {
        (1..=4u8).map(|seed| SigningKey::from([seed; 32])).collect()
    }

    fn set() -> ValidatorSet {
        let member = |key: &SigningKey| Validator {
            org: "bank-a".parse().unwrap(),
            public_key: VerificationKey::from(key).into(),
            power: 10,
        };
        ValidatorSet::new(keys().iter().map(member).collect()).unwrap()
    }

    fn id() -> Id {
        Id {
            hash: Hash::Sha256([1; 32]),
            part_set_header: parts::Header::new(1, Hash::Sha256([2; 32])).unwrap(),
        }
    }

    fn sign(commit: &Commit, place: usize, member: &Validator, chain: &str) -> CommitSig {
        let timestamp = Time::from_unix_timestamp(1_700_000_000, 7).unwrap();
        let validator_address = account::Id::new(member.address());
        let vote = Vote {
            vote_type: vote::Type::Precommit,
            height: commit.height,
            round: commit.round,
            block_id: Some(commit.block_id),
            timestamp: Some(timestamp),
            validator_address,
            validator_index: vote::ValidatorIndex::try_from(place).unwrap(),
            signature: None,
            extension: Vec::new(),
            extension_signature: None,
        };
        let bytes = vote.into_signable_vec(chain.parse().unwrap());
        let key =
            keys().into_iter().find(|k| <[u8; 32]>::from(VerificationKey::from(k)) == member.public_key);
        let signature = <[u8; 64]>::from(key.unwrap().sign(&bytes));
        let signature = tendermint::Signature::new(signature).unwrap();
        CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature }
    }

    fn commit(chain: &str) -> Commit {
        let mut commit =
            Commit { height: 5u32.into(), round: 1u16.into(), block_id: id(), signatures: Vec::new() };
        let places = set().validators().iter().enumerate().map(|(i, v)| sign(&commit, i, v, chain)).collect();
        commit.signatures = places;
        commit
    }

    fn verify(commit: &Commit) -> Result<u64, CommitError> {
        verify_commit(commit, CHAIN, 5, &id(), &set())
    }

    #[test]
    fn a_commit_of_all_and_one_with_an_absentee_are_accepted() {
        let mut commit = commit(CHAIN);
        assert_eq!(verify(&commit), Ok(40));
        commit.signatures[2] = CommitSig::BlockIdFlagAbsent;
        assert_eq!(verify(&commit), Ok(30));
    }

    #[test]
    fn two_thirds_exactly_are_not_enough() {
        let mut commit = commit(CHAIN);
        commit.signatures[0] = CommitSig::BlockIdFlagAbsent;
        commit.signatures[1] = CommitSig::BlockIdFlagAbsent;
        assert_eq!(verify(&commit), Err(CommitError::Quorum { have: 20, total: 40 }));
    }

    #[test]
    fn signatures_out_of_order_are_refused() {
        let mut commit = commit(CHAIN);
        commit.signatures.swap(0, 1);
        assert!(matches!(verify(&commit), Err(CommitError::Order { place: 0, .. })));
    }

    #[test]
    fn one_bad_signature_spoils_a_commit_even_beyond_two_thirds() {
        let mut commit = commit(CHAIN);
        let CommitSig::BlockIdFlagCommit { signature, .. } = &mut commit.signatures[3] else { panic!() };
        *signature = tendermint::Signature::new([9; 64]).unwrap();
        assert_eq!(verify(&commit), Err(CommitError::Signature { place: 3 }));
    }

    #[test]
    fn commits_of_other_chains_heights_blocks_and_sets_are_refused() {
        assert_eq!(verify(&commit("another-chain")), Err(CommitError::Signature { place: 0 }));
        let good = commit(CHAIN);
        assert!(matches!(
            verify_commit(&good, CHAIN, 6, &id(), &set()),
            Err(CommitError::OtherBlock { what: "height", .. })
        ));
        let other = Id { hash: Hash::Sha256([3; 32]), ..id() };
        assert!(matches!(
            verify_commit(&good, CHAIN, 5, &other, &set()),
            Err(CommitError::OtherBlock { what: "block", .. })
        ));
        let three = ValidatorSet::new(set().validators()[1..].to_vec()).unwrap();
        assert_eq!(
            verify_commit(&good, CHAIN, 5, &id(), &three),
            Err(CommitError::Places { have: 4, want: 3 })
        );
    }
}
