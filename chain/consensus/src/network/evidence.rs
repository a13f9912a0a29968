//! Equivocation: a validator that signs two different messages for one step.
//!
//! The engine forgets what concerns past heights; here late messages are compared too, within a window.

use std::{collections::HashMap, fmt};

use arc_malachitebft_core_consensus::{MAX_FUTURE_ROUND_LOOKAHEAD, SignedConsensusMsg};
use arc_malachitebft_core_types::{NilOrVal, Round, VoteType};
use bytes::Bytes;

use crate::{
    codec::{CodecError, decode_evidence, encode_consensus, encode_evidence},
    context::{Address, BlockId, ConcordatContext, Height, SignedProposal, SignedVote, Vote},
    signing::SignStep,
};

/// Two conflicting messages of one validator, both with good signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Two votes of one type in one round.
    Votes {
        /// The vote that was seen first.
        first: SignedVote,
        /// The conflicting one.
        second: SignedVote,
    },
    /// Two proposals in one round.
    Proposals {
        /// The proposal that was seen first.
        first: SignedProposal,
        /// The conflicting one.
        second: SignedProposal,
    },
}

impl Evidence {
    /// Who equivocated.
    pub fn validator(&self) -> Address {
        match self {
            Evidence::Votes { first, .. } => first.message.validator,
            Evidence::Proposals { first, .. } => first.message.proposer,
        }
    }

    /// At which height.
    pub fn height(&self) -> Height {
        match self {
            Evidence::Votes { first, .. } => first.message.height,
            Evidence::Proposals { first, .. } => first.message.height,
        }
    }

    /// In which round.
    pub fn round(&self) -> Round {
        match self {
            Evidence::Votes { first, .. } => first.message.round,
            Evidence::Proposals { first, .. } => first.message.round,
        }
    }

    /// At which step.
    pub fn step(&self) -> SignStep {
        match self {
            Evidence::Votes { first, .. } => match first.message.vote_type {
                VoteType::Prevote => SignStep::Prevote,
                VoteType::Precommit => SignStep::Precommit,
            },
            Evidence::Proposals { .. } => SignStep::Propose,
        }
    }

    /// The two messages.
    pub(crate) fn pair(&self) -> [SignedConsensusMsg<ConcordatContext>; 2] {
        match self.clone() {
            Evidence::Votes { first, second } => [first, second].map(SignedConsensusMsg::Vote),
            Evidence::Proposals { first, second } => [first, second].map(SignedConsensusMsg::Proposal),
        }
    }

    /// The two messages as on the wire, and the block that each is for, if any.
    ///
    /// # Errors
    /// If a message has no defined round, which no verified one lacks.
    pub fn messages(&self) -> Result<Vec<(Bytes, Option<BlockId>)>, CodecError> {
        let block = |message: &SignedConsensusMsg<ConcordatContext>| match message {
            SignedConsensusMsg::Vote(vote) => match vote.message.value {
                NilOrVal::Nil => None,
                NilOrVal::Val(id) => Some(id),
            },
            SignedConsensusMsg::Proposal(proposal) => Some(proposal.message.block_id),
        };
        self.pair().iter().map(|message| Ok((encode_consensus(message)?, block(message)))).collect()
    }

    /// The evidence's bytes, to keep it.
    ///
    /// # Errors
    /// If a message has no defined round, which no verified one lacks.
    pub fn encode(&self) -> Result<Bytes, CodecError> {
        encode_evidence(self)
    }

    /// Reads what [`encode`](Self::encode) wrote. That the signatures are good is not checked.
    ///
    /// # Errors
    /// If the bytes are none of ours, or the messages are not about one step of one validator.
    pub fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        decode_evidence(bytes)
    }

    /// Puts two messages together, if they are a vote or proposal of one step each.
    pub(crate) fn of(
        first: SignedConsensusMsg<ConcordatContext>,
        second: SignedConsensusMsg<ConcordatContext>,
    ) -> Option<Self> {
        let same_step = |a: &Self, b: &Self| {
            (a.validator(), a.height(), a.round(), a.step())
                == (b.validator(), b.height(), b.round(), b.step())
        };
        let alone = |message: &SignedConsensusMsg<ConcordatContext>| match message.clone() {
            SignedConsensusMsg::Vote(vote) => Evidence::Votes { first: vote.clone(), second: vote },
            SignedConsensusMsg::Proposal(proposal) => {
                Evidence::Proposals { first: proposal.clone(), second: proposal }
            }
        };
        if !same_step(&alone(&first), &alone(&second)) {
            return None;
        }
        match (first, second) {
            (SignedConsensusMsg::Vote(first), SignedConsensusMsg::Vote(second)) => {
                Some(Evidence::Votes { first, second })
            }
            (SignedConsensusMsg::Proposal(first), SignedConsensusMsg::Proposal(second)) => {
                Some(Evidence::Proposals { first, second })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (step, round) = (self.step(), self.round());
        write!(f, "two {step:?} messages of {} at height {} round {round}", self.validator(), self.height())
    }
}

/// How many rounds ahead of the present one messages are taken: as many as the engine takes.
pub const ROUNDS_AHEAD: u32 = MAX_FUTURE_ROUND_LOOKAHEAD;
/// How many past rounds of a height are watched for equivocation.
pub const ROUNDS_BEHIND: u32 = 21;

/// What a noted message turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// The first of its step.
    New,
    /// Of a step that is known, with nothing new to prove.
    Known,
    /// It conflicts with the first one.
    Conflict(Box<Evidence>),
    /// Its round or height is not watched.
    Unwatched,
}

impl Noted {
    /// What it proves.
    pub fn evidence(self) -> Option<Evidence> {
        match self {
            Noted::Conflict(evidence) => Some(*evidence),
            Noted::New | Noted::Known | Noted::Unwatched => None,
        }
    }
}

/// What the validators signed at one height, in the rounds around the present one.
///
/// The window of rounds bounds the memory: a validator cannot fill it with far rounds, and so cannot push
/// out what it said in near ones.
#[derive(Clone, Debug, Default)]
pub struct HeightRecord {
    votes: HashMap<(Address, u32, VoteType), (SignedVote, bool)>,
    proposals: HashMap<(Address, u32), (SignedProposal, bool)>,
    now: u32,
}

impl HeightRecord {
    /// The height has come to this round.
    pub fn enter_round(&mut self, round: u32) {
        self.now = round;
        self.votes.retain(|(_, round, _), _| watched(self.now, *round));
        self.proposals.retain(|(_, round), _| watched(self.now, *round));
    }

    /// The round that the height has come to.
    pub fn now(&self) -> u32 {
        self.now
    }

    /// Notes a verified vote. Evidence comes once per step.
    pub fn vote(&mut self, vote: &SignedVote) -> Noted {
        let Some(round) = self.watched(vote.message.round) else { return Noted::Unwatched };
        let key = (vote.message.validator, round, vote.message.vote_type);
        let Some((first, proven)) = self.votes.get_mut(&key) else {
            self.votes.insert(key, (vote.clone(), false));
            return Noted::New;
        };
        if first.message.value == vote.message.value || std::mem::replace(proven, true) {
            return Noted::Known;
        }
        Noted::Conflict(Box::new(Evidence::Votes { first: first.clone(), second: vote.clone() }))
    }

    /// Notes a verified proposal. Evidence comes once per round.
    pub fn proposal(&mut self, proposal: &SignedProposal) -> Noted {
        let Some(round) = self.watched(proposal.message.round) else { return Noted::Unwatched };
        let key = (proposal.message.proposer, round);
        let Some((first, proven)) = self.proposals.get_mut(&key) else {
            self.proposals.insert(key, (proposal.clone(), false));
            return Noted::New;
        };
        if first.message == proposal.message || std::mem::replace(proven, true) {
            return Noted::Known;
        }
        Noted::Conflict(Box::new(Evidence::Proposals { first: first.clone(), second: proposal.clone() }))
    }

    /// Whether this vote is one more of a step in which its signer has contradicted itself: that is proven, and
    /// it could sign others for ever.
    pub fn is_idle_talk(&self, vote: &Vote) -> bool {
        let known =
            self.votes.get(&(vote.validator, vote.round.as_u32().unwrap_or(u32::MAX), vote.vote_type));
        known.is_some_and(|(first, proven)| *proven && first.message.value != vote.value)
    }

    /// Whether this validator is known to have proposed this block in this round.
    pub fn proposed(&self, proposer: Address, round: Round, id: &BlockId) -> bool {
        let round = round.as_u32().unwrap_or(u32::MAX);
        self.proposals.get(&(proposer, round)).is_some_and(|(first, _)| first.message.block_id == *id)
    }

    /// All precommits for one block in one round.
    pub fn precommits(&self, round: Round, id: &BlockId) -> impl Iterator<Item = &SignedVote> {
        self.votes.values().map(|(vote, _)| vote).filter(move |vote| {
            vote.message.vote_type == VoteType::Precommit
                && vote.message.round == round
                && vote.message.value == NilOrVal::Val(*id)
        })
    }

    fn watched(&self, round: Round) -> Option<u32> {
        round.as_u32().filter(|round| watched(self.now, *round))
    }
}

fn watched(now: u32, round: u32) -> bool {
    (now.saturating_sub(ROUNDS_BEHIND)..=now.saturating_add(ROUNDS_AHEAD)).contains(&round)
}

#[cfg(test)]
mod tests {
    use arc_malachitebft_core_types::{Round, SignedMessage};
    use arc_malachitebft_signing_ed25519::Signature;

    use super::*;
    use crate::context::{BlockTime, Proposal, Vote};

    fn id(byte: u8) -> BlockId {
        BlockId { hash: [byte; 32], parts_total: 1, parts_hash: [0; 32], time: BlockTime::default() }
    }

    fn vote(vote_type: VoteType, round: u32, value: NilOrVal<BlockId>) -> SignedVote {
        let validator = Address([1; 20]);
        let message = Vote { vote_type, height: Height(1), round: Round::new(round), value, validator };
        SignedMessage::new(message, Signature::test())
    }

    fn proposal(byte: u8) -> SignedProposal {
        let message = Proposal {
            height: Height(1),
            round: Round::new(0),
            block_id: id(byte),
            pol_round: Round::Nil,
            proposer: Address([1; 20]),
        };
        SignedMessage::new(message, Signature::test())
    }

    #[test]
    fn second_different_vote_of_a_step_is_evidence_once() {
        let mut record = HeightRecord::default();
        let first = vote(VoteType::Prevote, 0, NilOrVal::Val(id(1)));
        let second = vote(VoteType::Prevote, 0, NilOrVal::Nil);
        assert_eq!(record.vote(&first), Noted::New);
        assert_eq!(record.vote(&first), Noted::Known, "a repetition is none");
        let evidence = Evidence::Votes { first, second: second.clone() };
        assert_eq!(record.vote(&second), Noted::Conflict(Box::new(evidence)));
        assert_eq!(record.vote(&second), Noted::Known, "proven already");
    }

    #[test]
    fn whoever_has_contradicted_itself_is_heard_no_more_in_that_step() {
        let mut record = HeightRecord::default();
        let votes = [1, 2, 3].map(|byte| vote(VoteType::Prevote, 0, NilOrVal::Val(id(byte))));
        record.vote(&votes[0]);
        assert!(
            !record.is_idle_talk(&votes[1].message),
            "not known to be a contradiction before it is verified"
        );
        record.vote(&votes[1]);
        assert!(record.is_idle_talk(&votes[1].message));
        assert!(record.is_idle_talk(&votes[2].message));
        assert!(!record.is_idle_talk(&votes[0].message), "the first one may count");
        assert!(!record.is_idle_talk(&vote(VoteType::Precommit, 0, NilOrVal::Nil).message));
    }

    #[test]
    fn votes_of_other_steps_and_rounds_are_no_evidence() {
        let mut record = HeightRecord::default();
        for round in 0..3 {
            let prevote = vote(VoteType::Prevote, round, NilOrVal::Val(id(round as u8)));
            assert_eq!(record.vote(&prevote), Noted::New);
            assert_eq!(record.vote(&vote(VoteType::Precommit, round, NilOrVal::Nil)), Noted::New);
        }
    }

    #[test]
    fn two_proposals_in_a_round_are_evidence() {
        let mut record = HeightRecord::default();
        assert_eq!(record.proposal(&proposal(1)), Noted::New);
        assert!(matches!(record.proposal(&proposal(2)), Noted::Conflict(_)));
    }

    #[test]
    fn far_rounds_neither_cost_memory_nor_push_out_evidence_of_near_ones() {
        let mut record = HeightRecord::default();
        for round in 0..10_000 {
            record.vote(&vote(VoteType::Prevote, ROUNDS_AHEAD + 1 + round, NilOrVal::Nil));
        }
        assert!(record.votes.is_empty());
        record.vote(&vote(VoteType::Prevote, 0, NilOrVal::Nil));
        let second = vote(VoteType::Prevote, 0, NilOrVal::Val(id(1)));
        assert!(matches!(record.vote(&second), Noted::Conflict(_)));
    }

    #[test]
    fn window_moves_with_the_round_and_stays_as_large() {
        let mut record = HeightRecord::default();
        for now in 0..1_000 {
            record.enter_round(now);
            for round in now..=now + ROUNDS_AHEAD {
                record.vote(&vote(VoteType::Precommit, round, NilOrVal::Nil));
            }
        }
        assert_eq!(record.votes.len() as u32, ROUNDS_BEHIND + 1 + ROUNDS_AHEAD);
        let second = vote(VoteType::Precommit, 999 - ROUNDS_BEHIND, NilOrVal::Val(id(1)));
        assert!(matches!(record.vote(&second), Noted::Conflict(_)), "past rounds are still watched");
        assert_eq!(record.vote(&vote(VoteType::Precommit, 0, NilOrVal::Nil)), Noted::Unwatched);
    }

    #[test]
    fn evidence_survives_its_encoding_and_only_of_one_step() {
        let votes = [NilOrVal::Val(id(1)), NilOrVal::Nil].map(|value| vote(VoteType::Precommit, 3, value));
        let [first, second] = votes.clone();
        let evidence = Evidence::Votes { first, second };
        assert_eq!(Evidence::decode(evidence.encode().unwrap()), Ok(evidence));
        let proposals = Evidence::Proposals { first: proposal(1), second: proposal(2) };
        assert_eq!(Evidence::decode(proposals.encode().unwrap()), Ok(proposals));
        let [first, _] = votes;
        let mixed = Evidence::Votes { first, second: vote(VoteType::Precommit, 4, NilOrVal::Nil) };
        assert!(Evidence::decode(mixed.encode().unwrap()).is_err());
    }
}
