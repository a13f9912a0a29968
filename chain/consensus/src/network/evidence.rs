//! Equivocation: a validator that signs two different messages for one step.
//!
//! The engine forgets what concerns past heights; here late messages are compared too, within a window.

use std::{collections::HashMap, fmt};

use arc_malachitebft_core_types::{NilOrVal, VoteType};

use crate::context::{Address, BlockId, Height, SignedProposal, SignedVote};

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
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, round) = match self {
            Evidence::Votes { first, .. } => (format!("{:?}s", first.message.vote_type), first.message.round),
            Evidence::Proposals { first, .. } => ("Proposals".to_owned(), first.message.round),
        };
        write!(f, "{what} of {} at height {} round {round}", self.validator(), self.height())
    }
}

/// How many rounds of a height are compared per validator; a flood of rounds cannot fill the memory.
const MAX_ROUNDS: usize = 32;

/// What the validators signed at one height.
#[derive(Clone, Debug, Default)]
pub struct HeightRecord {
    votes: HashMap<(Address, i64, VoteType), (SignedVote, bool)>,
    proposals: HashMap<(Address, i64), (SignedProposal, bool)>,
    rounds: HashMap<Address, usize>,
}

impl HeightRecord {
    /// Notes a verified vote. Returns the evidence if it conflicts, once per step.
    pub fn vote(&mut self, vote: &SignedVote) -> Option<Evidence> {
        let key = (vote.message.validator, vote.message.round.as_i64(), vote.message.vote_type);
        if let Some((first, proven)) = self.votes.get_mut(&key) {
            let conflict = first.message.value != vote.message.value && !*proven;
            *proven |= conflict;
            return conflict.then(|| Evidence::Votes { first: first.clone(), second: vote.clone() });
        }
        if self.has_room(vote.message.validator) {
            self.votes.insert(key, (vote.clone(), false));
        }
        None
    }

    /// Notes a verified proposal. Returns the evidence if it conflicts, once per round.
    pub fn proposal(&mut self, proposal: &SignedProposal) -> Option<Evidence> {
        let key = (proposal.message.proposer, proposal.message.round.as_i64());
        if let Some((first, proven)) = self.proposals.get_mut(&key) {
            let conflict = first.message != proposal.message && !*proven;
            *proven |= conflict;
            return conflict.then(|| Evidence::Proposals { first: first.clone(), second: proposal.clone() });
        }
        if self.has_room(proposal.message.proposer) {
            self.proposals.insert(key, (proposal.clone(), false));
        }
        None
    }

    /// Whether this validator is known to have proposed this block in this round.
    pub fn proposed(&self, proposer: Address, round: i64, id: &BlockId) -> bool {
        self.proposals.get(&(proposer, round)).is_some_and(|(first, _)| first.message.block_id == *id)
    }

    /// All precommits for one block in one round.
    pub fn precommits(&self, round: i64, id: &BlockId) -> impl Iterator<Item = &SignedVote> {
        self.votes.values().map(|(vote, _)| vote).filter(move |vote| {
            vote.message.vote_type == VoteType::Precommit
                && vote.message.round.as_i64() == round
                && vote.message.value == NilOrVal::Val(*id)
        })
    }

    fn has_room(&mut self, validator: Address) -> bool {
        let entries = self.rounds.entry(validator).or_default();
        let room = *entries < 3 * MAX_ROUNDS;
        *entries += usize::from(room);
        room
    }
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
        assert_eq!(record.vote(&first), None);
        assert_eq!(record.vote(&first), None, "a repetition is none");
        assert_eq!(record.vote(&second), Some(Evidence::Votes { first, second: second.clone() }));
        assert_eq!(record.vote(&second), None, "proven already");
    }

    #[test]
    fn votes_of_other_steps_and_rounds_are_no_evidence() {
        let mut record = HeightRecord::default();
        for round in 0..3 {
            assert_eq!(record.vote(&vote(VoteType::Prevote, round, NilOrVal::Val(id(round as u8)))), None);
            assert_eq!(record.vote(&vote(VoteType::Precommit, round, NilOrVal::Nil)), None);
        }
    }

    #[test]
    fn two_proposals_in_a_round_are_evidence() {
        let mut record = HeightRecord::default();
        assert_eq!(record.proposal(&proposal(1)), None);
        assert!(matches!(record.proposal(&proposal(2)), Some(Evidence::Proposals { .. })));
    }

    #[test]
    fn flood_of_rounds_is_bounded() {
        let mut record = HeightRecord::default();
        for round in 0..10_000 {
            record.vote(&vote(VoteType::Prevote, round, NilOrVal::Nil));
        }
        assert!(record.votes.len() <= 3 * MAX_ROUNDS);
    }
}
