//! What validators sign: CometBFT's canonical votes and proposals.
//!
//! Source: CometBFT v0.38 `proto/tendermint/types/canonical.proto` and `types/canonical.go`. The type, the
//! chain's name, height and round are inside, so no signature is good for anything else. A vote's timestamp
//! is the block's time (see [`BlockId`]); a vote for nil has the Unix epoch.

use arc_malachitebft_core_types::{NilOrVal, Round, VoteType};
use prost::Message;
use tendermint_proto::{
    google::protobuf::Timestamp,
    v0_38::types::{
        CanonicalBlockId, CanonicalPartSetHeader, CanonicalProposal, CanonicalVote, SignedMsgType,
    },
};

use crate::context::{BlockId, BlockTime, Proposal, Vote};

/// Produces the bytes to sign on one chain.
#[derive(Clone, Debug)]
pub struct SignBytes {
    chain_id: String,
}

impl SignBytes {
    /// For the chain with this name.
    pub fn new(chain_id: impl Into<String>) -> Self {
        Self { chain_id: chain_id.into() }
    }

    /// The bytes that a vote's signature covers.
    pub fn vote(&self, vote: &Vote) -> Vec<u8> {
        let kind = match vote.vote_type {
            VoteType::Prevote => SignedMsgType::Prevote,
            VoteType::Precommit => SignedMsgType::Precommit,
        };
        let (block_id, time) = match &vote.value {
            NilOrVal::Nil => (None, BlockTime::default()),
            NilOrVal::Val(id) => (Some(canonical_id(id)), id.time),
        };
        CanonicalVote {
            r#type: kind.into(),
            height: signed(vote.height.0),
            round: vote.round.as_i64(),
            block_id,
            timestamp: Some(timestamp(time)),
            chain_id: self.chain_id.clone(),
        }
        .encode_length_delimited_to_vec()
    }

    /// The bytes that a proposal's signature covers.
    pub fn proposal(&self, proposal: &Proposal) -> Vec<u8> {
        CanonicalProposal {
            r#type: SignedMsgType::Proposal.into(),
            height: signed(proposal.height.0),
            round: proposal.round.as_i64(),
            pol_round: round_or_minus_one(proposal.pol_round),
            block_id: Some(canonical_id(&proposal.block_id)),
            timestamp: Some(timestamp(proposal.block_id.time)),
            chain_id: self.chain_id.clone(),
        }
        .encode_length_delimited_to_vec()
    }
}

fn canonical_id(id: &BlockId) -> CanonicalBlockId {
    let part_set_header = CanonicalPartSetHeader { total: id.parts_total, hash: id.parts_hash.to_vec() };
    CanonicalBlockId { hash: id.hash.to_vec(), part_set_header: Some(part_set_header) }
}

fn timestamp(time: BlockTime) -> Timestamp {
    Timestamp { seconds: time.seconds, nanos: i32::try_from(time.nanos).unwrap_or(i32::MAX) }
}

/// Heights are checked on decoding to fit; saturating keeps the function total.
fn signed(height: u64) -> i64 {
    i64::try_from(height).unwrap_or(i64::MAX)
}

fn round_or_minus_one(round: Round) -> i64 {
    round.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Address, Height};

    fn vote(vote_type: VoteType, value: NilOrVal<BlockId>) -> Vote {
        Vote { vote_type, height: Height(1), round: Round::new(1), value, validator: Address([1; 20]) }
    }

    /// CometBFT v0.38 `types/vote_test.go`, `TestVoteSignBytesTestVectors`, with our zero time: the
    /// vectors there have Go's zero time (year 1), the rest of the bytes is the same.
    #[test]
    fn nil_votes_have_cometbft_s_layout() {
        let bytes = SignBytes::new("").vote(&vote(VoteType::Precommit, NilOrVal::Nil));
        let expected =
            [0x16, 0x8, 0x2, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x19, 1, 0, 0, 0, 0, 0, 0, 0, 0x2a, 0x0];
        // Length 22: type, height, round, empty timestamp; an empty chain id is left out.
        assert_eq!(bytes, expected);
    }

    #[test]
    fn sign_bytes_are_those_of_tendermint_rs() {
        use tendermint::vote::{CanonicalVote as Reference, Type};
        let id = BlockId {
            hash: [7; 32],
            parts_total: 3,
            parts_hash: [9; 32],
            time: BlockTime { seconds: 1_700_000_000, nanos: 5 },
        };
        let ours = SignBytes::new("bank-chain").vote(&vote(VoteType::Prevote, NilOrVal::Val(id)));
        let reference = Reference {
            vote_type: Type::Prevote,
            height: 1u32.into(),
            round: 1u16.into(),
            block_id: Some(super::super::commit::tendermint_id(&id).unwrap()),
            timestamp: Some(tendermint::Time::from_unix_timestamp(1_700_000_000, 5).unwrap()),
            chain_id: "bank-chain".parse().unwrap(),
        };
        let raw: CanonicalVote = reference.into();
        assert_eq!(ours, raw.encode_length_delimited_to_vec());
    }

    #[test]
    fn every_field_changes_the_bytes() {
        let id = BlockId { hash: [7; 32], parts_total: 3, parts_hash: [9; 32], time: BlockTime::default() };
        let sign = SignBytes::new("a");
        let base = vote(VoteType::Prevote, NilOrVal::Val(id));
        let mut seen = std::collections::BTreeSet::from([sign.vote(&base)]);
        let mut later = id;
        later.time.nanos = 1;
        for other in [
            Vote { vote_type: VoteType::Precommit, ..base.clone() },
            Vote { height: Height(2), ..base.clone() },
            Vote { round: Round::new(0), ..base.clone() },
            Vote { value: NilOrVal::Nil, ..base.clone() },
            Vote { value: NilOrVal::Val(later), ..base.clone() },
        ] {
            assert!(seen.insert(sign.vote(&other)), "{other:?}");
        }
        assert!(seen.insert(SignBytes::new("b").vote(&base)));
        let proposal = Proposal {
            height: Height(1),
            round: Round::new(1),
            block_id: id,
            pol_round: Round::Nil,
            proposer: Address([1; 20]),
        };
        assert!(seen.insert(sign.proposal(&proposal)));
        assert!(seen.insert(sign.proposal(&Proposal { pol_round: Round::new(0), ..proposal })));
    }
}
