//! What the consensus engine is told about our chain: heights, addresses, values, votes, proposals,
//! validator sets, and who proposes when.
//!
//! A value is the [`BlockId`] of a block; the block itself travels beside consensus, in parts
//! (see [`crate::host`]). Invariant: nothing here depends on the block's contents.

mod block_id;
mod messages;
mod timeouts;
mod validators;

use std::fmt;

use arc_malachitebft_core_types as core;
use arc_malachitebft_signing_ed25519::Ed25519;
use bytes::Bytes;
use sha2::{Digest, Sha256};

pub use self::{
    block_id::{BlockId, BlockTime},
    messages::{NoPart, Proposal, Vote},
    timeouts::RoundTimeouts,
    validators::{MAX_TOTAL_POWER, ProposerOrder, Validator, ValidatorSet, ValidatorSetError},
};

/// The height of a block; the first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Height for Height {
    const ZERO: Self = Height(0);
    const INITIAL: Self = Height(1);

    fn increment_by(&self, n: u64) -> Self {
        Height(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Height)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// A validator's address: the first 20 bytes of the SHA-256 of its Ed25519 public key, as in CometBFT.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 20]);

impl Address {
    /// The address that belongs to an Ed25519 public key.
    pub fn of_public_key(public_key: &[u8; 32]) -> Self {
        let digest: [u8; 32] = Sha256::digest(public_key).into();
        let mut address = [0; 20];
        for (to, from) in address.iter_mut().zip(digest) {
            *to = from;
        }
        Address(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::Address for Address {}

/// The engine's view of this chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConcordatContext;

impl core::Context for ConcordatContext {
    type Address = Address;
    type Height = Height;
    type ProposalPart = NoPart;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = ValidatorSet;
    type Timeouts = RoundTimeouts;
    type Value = BlockId;
    type Vote = Vote;
    type Extension = Bytes;
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(
        &self,
        validator_set: &'a ValidatorSet,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        validator_set.proposer(height, round.as_u32().unwrap_or(0))
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: BlockId,
        pol_round: Round,
        proposer: Address,
    ) -> Proposal {
        Proposal { height, round, block_id: value, pol_round, proposer }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        validator: Address,
    ) -> Vote {
        Vote { vote_type: VoteType::Prevote, height, round, value, validator }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        validator: Address,
    ) -> Vote {
        Vote { vote_type: VoteType::Precommit, height, round, value, validator }
    }
}

/// The engine's words that votes and proposals are made of.
pub use arc_malachitebft_core_types::{NilOrVal, Round, SignedMessage, VoteType};
/// An Ed25519 signature, as the engine holds it.
pub use arc_malachitebft_signing_ed25519::Signature;

/// A signed vote.
pub type SignedVote = core::SignedVote<ConcordatContext>;
/// A signed proposal.
pub type SignedProposal = core::SignedProposal<ConcordatContext>;
/// The precommits that decided a block, as the engine collected them (unordered).
pub type CommitCertificate = core::CommitCertificate<ConcordatContext>;
/// A commit certificate as it travels in sync responses; we never attach extensions.
pub type ExtendedCommitCertificate = core::ExtendedCommitCertificate<ConcordatContext>;
/// More than two thirds of prevotes for one block in one round.
pub type PolkaCertificate = core::PolkaCertificate<ConcordatContext>;
/// Votes that justify entering a round.
pub type RoundCertificate = core::RoundCertificate<ConcordatContext>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_cometbft_s() {
        // From CometBFT's documentation of `sha256(pubkey)[:20]`, checked with tendermint's own code.
        let key = ed25519_zebra::SigningKey::from([7; 32]);
        let public: [u8; 32] = ed25519_zebra::VerificationKey::from(&key).into();
        let expected =
            tendermint::account::Id::from(tendermint::PublicKey::from_raw_ed25519(&public).unwrap());
        assert_eq!(Address::of_public_key(&public).0.as_slice(), expected.as_bytes());
    }

    #[test]
    fn heights_neither_wrap_nor_go_below_zero() {
        use arc_malachitebft_core_types::Height as _;
        assert_eq!(Height(u64::MAX).increment(), Height(u64::MAX));
        assert_eq!(Height(0).decrement(), None);
    }
}
