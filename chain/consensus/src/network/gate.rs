//! Which messages are admitted: the window of heights, and who may speak at each.

use std::collections::BTreeMap;

use arc_malachitebft_core_types::CommitSignature;

use super::evidence::{Evidence, HeightRecord};
use crate::context::{Address, BlockId, CommitCertificate, Height, SignedProposal, SignedVote, ValidatorSet};

/// How many heights ahead of ours messages are admitted; a node further behind syncs anyway.
pub const AHEAD: u64 = 2;
/// How many past heights are watched for equivocation.
pub const BEHIND: u64 = 16;

/// What to do with a message of some height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Check it against these validators, then give it to the engine.
    Live(ValidatorSet),
    /// Check it against these validators for evidence only.
    Late(ValidatorSet),
    /// Drop it, for this reason.
    Outside(&'static str),
}

/// The heights that messages are admitted for.
#[derive(Debug, Default)]
pub struct Gate {
    current: Option<Height>,
    sets: BTreeMap<Height, ValidatorSet>,
    records: BTreeMap<Height, HeightRecord>,
}

impl Gate {
    /// Moves on to `height`, decided by `validators`.
    pub fn advance(&mut self, height: Height, validators: ValidatorSet) {
        self.current = Some(height);
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

    /// What to do with a message of `height`. The set of a future height is not known yet: the current one
    /// stands in for it, and the engine checks again when it gets there.
    pub fn place(&self, height: Height) -> Place {
        let Some(current) = self.current else { return Place::Outside("not_started") };
        if height > Height(current.0.saturating_add(AHEAD)) {
            return Place::Outside("height_ahead");
        }
        let known = if height > current { current } else { height };
        match self.sets.get(&known) {
            Some(set) if height >= current => Place::Live(set.clone()),
            Some(set) => Place::Late(set.clone()),
            None => Place::Outside("height_behind"),
        }
    }

    /// Notes a verified vote.
    pub fn note_vote(&mut self, vote: &SignedVote) -> Option<Evidence> {
        self.record(vote.message.height)?.vote(vote)
    }

    /// Notes a verified proposal.
    pub fn note_proposal(&mut self, proposal: &SignedProposal) -> Option<Evidence> {
        self.record(proposal.message.height)?.proposal(proposal)
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
        for vote in record.precommits(certificate.round.as_i64(), &certificate.value_id) {
            let address = vote.message.validator;
            let missing = certificate.commit_signatures.iter().all(|signature| signature.address != address);
            if missing && validators.validators().iter().any(|member| member.address() == address) {
                certificate.commit_signatures.push(CommitSignature::new(address, vote.signature));
            }
        }
        certificate
    }

    /// Whether a signed proposal of this block is known.
    pub fn proposed(&self, height: Height, proposer: Address, round: i64, id: &BlockId) -> bool {
        self.records.get(&height).is_some_and(|record| record.proposed(proposer, round, id))
    }

    fn record(&mut self, height: Height) -> Option<&mut HeightRecord> {
        match self.place(height) {
            Place::Outside(_) => None,
            Place::Live(_) | Place::Late(_) => Some(self.records.entry(height).or_default()),
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
            gate.advance(Height(height), set(height as u8));
        }
        assert_eq!(gate.place(Height(100)), Place::Live(set(100)));
        assert_eq!(gate.place(Height(100 + AHEAD)), Place::Live(set(100)));
        assert_eq!(gate.place(Height(101 + AHEAD)), Place::Outside("height_ahead"));
        assert_eq!(gate.place(Height(u64::MAX)), Place::Outside("height_ahead"));
        assert_eq!(gate.place(Height(99)), Place::Late(set(99)));
        assert_eq!(gate.place(Height(100 - BEHIND)), Place::Late(set((100 - BEHIND) as u8)));
        assert_eq!(gate.place(Height(99 - BEHIND)), Place::Outside("height_behind"));
        assert_eq!(gate.place(Height(0)), Place::Outside("height_behind"));
        assert!(gate.sets.len() as u64 <= BEHIND + 1);
    }
}
