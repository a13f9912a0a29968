//! Who took part lately: decides who proposes first.
//!
//! A validator that none of the last [`WINDOW`] blocks' commits shows is most likely down. It is put last
//! in the order of proposers, so that its turns cost no timeout. The window is read from committed blocks
//! alone, so every node knows the same. A single absence says nothing: a commit is made as soon as two
//! thirds have signed, and the slowest is often missing.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use concordat_state::Store;
use concordat_types::{ValidatorSet, validator::ConsensusAddress};
use tendermint::block::Commit;

use super::LedgerError;

/// Blocks that are looked at: so few that one of four validators has one turn after it died, not several. A
/// live one that is missing from all of them by chance loses nothing but a turn (docs/adr/0021).
const WINDOW: usize = 3;

/// The signers of the commits in the newest blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity {
    commits: VecDeque<HashSet<ConsensusAddress>>,
    /// A node that joined from a snapshot does not have the bodies of all blocks of the window.
    incomplete: bool,
}

impl Activity {
    /// Reads the window that ends at `height`.
    pub(super) fn load(store: &Store, height: u64) -> Result<Self, LedgerError> {
        let mut activity = Self::default();
        let first = height.saturating_sub(WINDOW as u64 - 1).max(store.initial_height()?.unwrap_or(1));
        for height in first..=height {
            let block = match store.block(height) {
                Ok(block) => block,
                // A node that joined from a snapshot has no bodies of before: it starts with a short window.
                Err(concordat_state::StoreError::Pruned { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            match block {
                Some(block) => activity.record(block.last_commit.as_ref()),
                None => activity.incomplete = true,
            }
        }
        Ok(activity)
    }

    /// Adds the commit that a block carries.
    pub(super) fn record(&mut self, last_commit: Option<&Commit>) {
        let signers = last_commit.into_iter().flat_map(|commit| &commit.signatures);
        let addresses = signers.filter(|s| s.is_commit()).filter_map(|s| s.validator_address());
        let addresses = addresses.filter_map(|a| <ConsensusAddress>::try_from(a.as_bytes()).ok());
        self.commits.push_back(addresses.collect());
        if self.commits.len() > WINDOW {
            self.commits.pop_front();
        }
        if self.commits.len() == WINDOW {
            self.incomplete = false;
        }
    }

    /// Who may propose first: everyone seen in the window, and everyone while the window is short.
    pub(super) fn active(&self, validators: &ValidatorSet) -> Vec<ConsensusAddress> {
        let seen = |address: &ConsensusAddress| {
            self.commits.len() < WINDOW || self.commits.iter().any(|signers| signers.contains(address))
        };
        validators.validators().iter().map(|v| v.address()).filter(|address| seen(address)).collect()
    }

    /// Who signed lately, sorted: what changes of validators depend on, so that all nodes must know the same.
    /// `None` on one that does not know the whole window.
    pub(super) fn signers(&self) -> Option<Arc<[ConsensusAddress]>> {
        let signers = || self.commits.iter().flatten().copied().collect::<BTreeSet<_>>();
        (!self.incomplete).then(|| signers().into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use concordat_types::Validator;
    use tendermint::{Time, account, block::CommitSig};

    use super::*;

    fn set() -> ValidatorSet {
        let member = |seed: u8| {
            let key = ed25519_zebra::SigningKey::from([seed; 32]);
            let public_key = ed25519_zebra::VerificationKey::from(&key).into();
            Validator { org: "bank-a".parse().unwrap(), public_key, power: 1 }
        };
        ValidatorSet::new((1..=4).map(member).collect()).unwrap()
    }

    fn commit(without: usize) -> Commit {
        let sign = |(place, validator): (usize, &Validator)| match place == without {
            true => CommitSig::BlockIdFlagAbsent,
            false => CommitSig::BlockIdFlagCommit {
                validator_address: account::Id::new(validator.address()),
                timestamp: Time::unix_epoch(),
                signature: None,
            },
        };
        Commit {
            height: 1u32.into(),
            round: 0u16.into(),
            block_id: Default::default(),
            signatures: set().validators().iter().enumerate().map(sign).collect(),
        }
    }

    #[test]
    fn who_misses_the_whole_window_proposes_last_until_it_signs_again() {
        let (set, mut activity) = (set(), Activity::default());
        let down = set.validators()[2].address();
        for _ in 0..WINDOW {
            assert_eq!(activity.active(&set).len(), 4, "a short window judges nobody");
            activity.record(Some(&commit(2)));
        }
        assert!(!activity.active(&set).contains(&down));
        assert_eq!(activity.active(&set).len(), 3);
        activity.record(Some(&commit(0)));
        assert_eq!(activity.active(&set).len(), 4);
    }

    #[test]
    fn who_signed_lately_is_known_from_a_whole_window_alone() {
        let (set, mut activity) = (set(), Activity::default());
        assert_eq!(activity.signers().as_deref(), Some(&[][..]), "before the first block: nobody, for sure");
        activity.record(None);
        activity.record(Some(&commit(0)));
        assert_eq!(activity.signers().unwrap().len(), 3);
        activity.record(Some(&commit(1)));
        let mut all: Vec<_> = set.validators().iter().map(|v| v.address()).collect();
        all.sort_unstable();
        assert_eq!(activity.signers().as_deref(), Some(&all[..]));

        let mut joined = Activity { incomplete: true, ..Activity::default() };
        for _ in 1..WINDOW {
            joined.record(Some(&commit(2)));
            assert_eq!(joined.signers(), None, "blocks of the window are missing");
        }
        joined.record(Some(&commit(2)));
        assert_eq!(joined.signers().unwrap().len(), 3);
    }
}
