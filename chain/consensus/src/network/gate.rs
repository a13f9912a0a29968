//! Which messages are admitted: the window of heights, and who may speak at each.

use std::collections::BTreeMap;

use arc_malachitebft_core_types::{CommitSignature, Round};

use super::evidence::{HeightRecord, Noted, ROUNDS_AHEAD};
use crate::context::{
    Address, BlockId, CommitCertificate, Height, SignedProposal, SignedVote, ValidatorSet, Vote,
};

/// How many heights ahead of ours messages are admitted; a node further behind syncs anyway.
pub const AHEAD: u64 = 2;
/// How many past heights are watched for equivocation.
pub const BEHIND: u64 = 16;

/// What to do with a message of some height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Check it against these validators, then give it to the engine.
    Live(ValidatorSet),
    /// The same, but the height has not begun: the order in which these validators propose is not known.
    Early(ValidatorSet),
    /// Check it against these validators for evidence only.
    Late(ValidatorSet),
    /// Drop it, for this reason.
    Outside(&'static str),
}

/// The heights that messages are admitted for.
#[derive(Debug, Default)]
pub struct Gate {
    current: Option<Height>,
    /// The height that the engine is at; the one before `current` while it waits to start that.
    entered: Option<Height>,
    sets: BTreeMap<Height, ValidatorSet>,
    /// Who votes at the next height. Its order of proposers is not known yet.
    upcoming: Option<ValidatorSet>,
    records: BTreeMap<Height, HeightRecord>,
}

impl Gate {
    /// Moves on to `height`, decided by `validators`; the members of `upcoming` decide the one after.
    pub fn advance(&mut self, height: Height, validators: ValidatorSet, upcoming: ValidatorSet) {
        self.current = Some(height);
        self.upcoming = Some(upcoming);
        self.sets.insert(height, validators);
        let oldest = Height(height.0.saturating_sub(BEHIND));
        self.sets = self.sets.split_off(&oldest);
        self.records = self.records.split_off(&oldest);
    }

    /// The height that messages are expected for.
    pub fn current(&self) -> Option<Height> {
        self.current
    }

    /// The validators of the current height.
    pub fn validators(&self) -> Option<&ValidatorSet> {
        self.sets.get(&self.current?)
    }

    /// Whether this validator proposes in this round. Never known of future heights.
    pub fn is_turn_of(&self, height: Height, round: u32, proposer: &Address) -> bool {
        self.sets.get(&height).is_some_and(|set| set.proposer(height, round).address() == *proposer)
    }

    /// What to do with a message of `height`. The members of the next height's set are known; they stand in
    /// for those of the heights after, and the engine checks again when it gets there.
    pub fn place(&self, height: Height) -> Place {
        let Some(current) = self.current else { return Place::Outside("not_started") };
        if height > Height(current.0.saturating_add(AHEAD)) {
            return Place::Outside("height_ahead");
        }
        let known = if height > current { self.upcoming.as_ref() } else { self.sets.get(&height) };
        match known.cloned() {
            None => Place::Outside("height_behind"),
            Some(set) if height > current => Place::Early(set),
            Some(set) if height == current => Place::Live(set),
            Some(set) => Place::Late(set),
        }
    }

    /// The engine has come to this round of this height.
    pub fn enter_round(&mut self, height: Height, round: u32) {
        self.entered = Some(height);
        if let Some(record) = self.record(height) {
            record.enter_round(round);
        }
    }

    /// Whether a vote, not verified yet, is one more of a step in which its signer has contradicted itself.
    pub fn is_idle_talk(&self, vote: &Vote) -> bool {
        self.records.get(&vote.height).is_some_and(|record| record.is_idle_talk(vote))
    }

    /// Notes a verified vote.
    pub fn note_vote(&mut self, vote: &SignedVote) -> Noted {
        self.record(vote.message.height).map_or(Noted::Unwatched, |record| record.vote(vote))
    }

    /// Notes a verified proposal.
    pub fn note_proposal(&mut self, proposal: &SignedProposal) -> Noted {
        self.record(proposal.message.height).map_or(Noted::Unwatched, |record| record.proposal(proposal))
    }

    /// Whether the engine should get a message of a live height that turned out to be `noted`. It drops what
    /// is many rounds ahead. What is for a height that it has not started it keeps unread, so much per height
    /// and no more: one validator must not fill that with repetitions.
    ///
    /// # Errors
    /// Why not.
    pub fn delivers(&self, height: Height, round: Round, noted: &Noted) -> Result<(), &'static str> {
        let now = self.records.get(&height).map_or(0, HeightRecord::now);
        if round > Round::new(now.saturating_add(ROUNDS_AHEAD)) {
            return Err("round_ahead");
        }
        let early = self.entered.is_none_or(|entered| height > entered);
        if early && *noted != Noted::New { Err("repeated_early") } else { Ok(()) }
    }

    /// The certificate with the precommits that arrived since it was made.
    ///
    /// Only of members of `validators`, the height's own set: votes that came early were checked against
    /// the set before it.
    pub fn complete(
        &self,
        mut certificate: CommitCertificate,
        validators: &ValidatorSet,
    ) -> CommitCertificate {
        let Some(record) = self.records.get(&certificate.height) else { return certificate };
        for vote in record.precommits(certificate.round, &certificate.value_id) {
            let address = vote.message.validator;
            let missing = certificate.commit_signatures.iter().all(|signature| signature.address != address);
            if missing && validators.validators().iter().any(|member| member.address() == address) {
                certificate.commit_signatures.push(CommitSignature::new(address, vote.signature));
            }
        }
        certificate
    }

    /// Whether a signed proposal of this block is known.
    pub fn proposed(&self, height: Height, proposer: Address, round: Round, id: &BlockId) -> bool {
        self.records.get(&height).is_some_and(|record| record.proposed(proposer, round, id))
    }

    fn record(&mut self, height: Height) -> Option<&mut HeightRecord> {
        match self.place(height) {
            Place::Outside(_) => None,
            Place::Live(_) | Place::Early(_) | Place::Late(_) => {
                Some(self.records.entry(height).or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{ProposerOrder, Validator};

    fn set(seed: u8) -> ValidatorSet {
        let key = ed25519_zebra::SigningKey::from([seed; 32]);
        let public = ed25519_zebra::VerificationKey::from(&key).into();
        let validator = Validator::new("bank", public, 1).unwrap();
        ValidatorSet::new(vec![validator], &ProposerOrder::default()).unwrap()
    }

    #[test]
    fn window_spans_a_few_heights_around_the_current_one() {
        let mut gate = Gate::default();
        assert_eq!(gate.place(Height(1)), Place::Outside("not_started"));
        for height in 1..=100 {
            gate.advance(Height(height), set(height as u8), set(height as u8 + 1));
        }
        assert_eq!(gate.place(Height(100)), Place::Live(set(100)));
        assert_eq!(gate.place(Height(101)), Place::Early(set(101)), "the next height's members are known");
        assert_eq!(gate.place(Height(100 + AHEAD)), Place::Early(set(101)));
        assert_eq!(gate.place(Height(101 + AHEAD)), Place::Outside("height_ahead"));
        assert_eq!(gate.place(Height(u64::MAX)), Place::Outside("height_ahead"));
        assert_eq!(gate.place(Height(99)), Place::Late(set(99)));
        assert_eq!(gate.place(Height(100 - BEHIND)), Place::Late(set((100 - BEHIND) as u8)));
        assert_eq!(gate.place(Height(99 - BEHIND)), Place::Outside("height_behind"));
        assert_eq!(gate.place(Height(0)), Place::Outside("height_behind"));
        assert!(gate.sets.len() as u64 <= BEHIND + 1);
    }

    #[test]
    fn engine_gets_each_early_message_once_and_none_of_rounds_far_ahead() {
        let mut gate = Gate::default();
        gate.advance(Height(5), set(5), set(5));
        let (near, far) = (Round::new(ROUNDS_AHEAD), Round::new(ROUNDS_AHEAD + 1));
        assert_eq!(gate.delivers(Height(5), near, &Noted::New), Ok(()));
        assert_eq!(gate.delivers(Height(5), near, &Noted::Known), Err("repeated_early"), "not started yet");
        gate.enter_round(Height(5), 0);
        assert_eq!(gate.delivers(Height(5), near, &Noted::New), Ok(()));
        assert_eq!(gate.delivers(Height(5), near, &Noted::Known), Ok(()), "it may have been lost");
        assert_eq!(gate.delivers(Height(5), far, &Noted::Unwatched), Err("round_ahead"));
        gate.enter_round(Height(5), 1);
        assert_eq!(gate.delivers(Height(5), far, &Noted::New), Ok(()));
        assert_eq!(gate.delivers(Height(6), near, &Noted::New), Ok(()));
        assert_eq!(gate.delivers(Height(6), far, &Noted::Unwatched), Err("round_ahead"));
        assert_eq!(gate.delivers(Height(6), near, &Noted::Known), Err("repeated_early"));
    }
}
