//! How far the other validators are: wakes this node when it is idle and they are not.
//!
//! One validator's word is no reason to start a height: it could make the network produce empty blocks at
//! full speed. What counts is what validators with at least a third of the power claim, for then one of them
//! is honest. A claim is a signed message for a height, or a node's word about its newest block; the latter
//! counts for the organisation that the node's certificate names.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use arc_malachitebft_peer::PeerId;
use concordat_types::OrgId;
use tokio::sync::watch;

use crate::context::{Address, Validator, ValidatorSet};

/// What the validators have claimed, and what may be believed of it.
#[derive(Debug, Default)]
pub struct Claims {
    validators: Option<ValidatorSet>,
    /// The highest height with a verified message of each validator.
    signed: HashMap<Address, u64>,
    /// The newest block that each validator node says it has. Forgotten when it leaves.
    tips: HashMap<PeerId, (OrgId, u64)>,
    /// The highest height that is proven to be decided.
    proven: u64,
    /// Whether any validator's word is enough: a node that does not vote makes no blocks.
    credulous: bool,
}

impl Claims {
    /// Claims are weighed by these validators from now on. `votes` says whether this node is one of them.
    pub fn advance(&mut self, validators: ValidatorSet, votes: bool) {
        self.signed.retain(|address, _| validators.get(address).is_some());
        self.validators = Some(validators);
        self.credulous = !votes;
    }

    /// A message that this validator signed for `height` was verified. Gives whether that is news.
    pub fn signed(&mut self, validator: Address, height: u64) -> bool {
        let highest = self.signed.entry(validator).or_default();
        let news = height > *highest;
        *highest = height.max(*highest);
        news
    }

    /// A validator's node says that its newest block is `tip`.
    pub fn tip(&mut self, peer: PeerId, org: OrgId, tip: u64) {
        self.tips.insert(peer, (org, tip));
    }

    /// A node is gone.
    pub fn gone(&mut self, peer: &PeerId) {
        self.tips.remove(peer);
    }

    /// A commit of `height` was verified.
    pub fn proven(&mut self, height: u64) {
        self.proven = self.proven.max(height);
    }

    /// The highest height that an honest validator has started, as far as can be known.
    pub fn started(&self) -> u64 {
        let Some(set) = &self.validators else { return 0 };
        let claims = set.validators().iter().map(|validator| {
            let signed = self.signed.get(&validator.address()).copied().unwrap_or(0);
            (signed.max(self.tip_of(validator.org()).unwrap_or(0)), validator.power())
        });
        let enough = if self.credulous { 1 } else { set.total_power().div_ceil(3) };
        believable(claims.collect(), enough).max(self.proven)
    }

    /// The highest block that an honest validator has, judged by the connected ones alone.
    pub fn common_tip(&self) -> u64 {
        let Some(set) = &self.validators else { return 0 };
        let claim = |v: &Validator| self.tip_of(v.org()).map(|tip| (tip, v.power()));
        let claims: Vec<_> = set.validators().iter().filter_map(claim).collect();
        let connected: u64 = claims.iter().map(|(_, power)| power).sum();
        believable(claims, connected / 3 + 1)
    }

    /// The newest block that this validator's node says it has, if it has said so.
    pub fn tip_of(&self, org: &str) -> Option<u64> {
        self.tips.values().filter(|(of, _)| of.as_str() == org).map(|(_, tip)| *tip).max()
    }
}

/// The highest height that validators with at least the power `enough` claim to have reached.
fn believable(mut claims: Vec<(u64, u64)>, enough: u64) -> u64 {
    claims.sort_unstable_by(|a, b| b.cmp(a));
    let mut power = 0u64;
    let reached = claims.into_iter().find(|(_, own)| {
        power = power.saturating_add(*own);
        power >= enough
    });
    reached.map_or(0, |(height, _)| height)
}

/// [`Claims`] that can be waited for.
#[derive(Debug)]
pub struct Progress {
    claims: Mutex<Claims>,
    started: watch::Sender<u64>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { claims: Mutex::default(), started: watch::Sender::new(0) }
    }
}

impl Progress {
    /// Notes a validator's verified message for `height`. Most say what is known.
    pub fn signed(&self, validator: Address, height: u64) {
        let mut claims = self.claims();
        if claims.signed(validator, height) {
            self.wake(&claims);
        }
    }

    /// Notes what else was claimed, and wakes who waits for it.
    pub fn note(&self, change: impl FnOnce(&mut Claims)) {
        let mut claims = self.claims();
        change(&mut claims);
        self.wake(&claims);
    }

    fn wake(&self, claims: &Claims) {
        let started = claims.started();
        self.started.send_if_modified(|value| std::mem::replace(value, started) != started);
    }

    /// [`Claims::common_tip`].
    pub fn common_tip(&self) -> u64 {
        self.claims().common_tip()
    }

    /// [`Claims::tip_of`].
    pub fn tip_of(&self, org: &str) -> Option<u64> {
        self.claims().tip_of(org)
    }

    /// Waits until an honest validator is known to have started `height`.
    pub async fn wait_for(&self, height: u64) {
        let mut started = self.started.subscribe();
        if started.wait_for(|started| *started >= height).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        context::{ProposerOrder, Validator},
        transport::peer_id_of_spki,
    };

    /// Validators of one organisation each, `bank-0` and so on, with these powers.
    fn claims(powers: &[u64], votes: bool) -> (Claims, Vec<Address>) {
        let member = |(index, power): (usize, &u64)| {
            let key = ed25519_zebra::SigningKey::from([index as u8 + 1; 32]);
            let public = ed25519_zebra::VerificationKey::from(&key).into();
            Validator::new(format!("bank-{index}"), public, *power).unwrap()
        };
        let members: Vec<_> = powers.iter().enumerate().map(member).collect();
        let addresses = members.iter().map(Validator::address).collect();
        let mut claims = Claims::default();
        claims.advance(ValidatorSet::new(members, &ProposerOrder::default()).unwrap(), votes);
        (claims, addresses)
    }

    fn say(claims: &mut Claims, bank: usize, node: &str, tip: u64) {
        let peer = peer_id_of_spki(format!("{bank}/{node}").as_bytes());
        claims.tip(peer, format!("bank-{bank}").parse().unwrap(), tip);
    }

    #[test]
    fn one_validator_of_four_wakes_nobody_whatever_it_signs_or_says() {
        let (mut claims, who) = claims(&[1; 4], true);
        claims.signed(who[3], 9);
        say(&mut claims, 3, "a", u64::MAX);
        say(&mut claims, 3, "b", u64::MAX);
        assert_eq!(claims.started(), 0, "one organisation counts once");
        claims.signed(who[2], 5);
        assert_eq!(claims.started(), 5, "two are more than may lie");
        say(&mut claims, 1, "a", 7);
        assert_eq!(claims.started(), 7);
    }

    #[test]
    fn claims_are_weighed_by_power() {
        let (mut claims, who) = claims(&[60, 10, 10, 10], true);
        claims.signed(who[1], 4);
        claims.signed(who[2], 4);
        assert_eq!(claims.started(), 0, "20 of 90");
        claims.signed(who[3], 3);
        assert_eq!(claims.started(), 3, "30 of 90 cannot all be lying");
        claims.signed(who[0], 8);
        assert_eq!(claims.started(), 8);
    }

    #[test]
    fn strangers_claims_count_nothing_and_those_of_former_validators_end() {
        let (mut claims, who) = claims(&[1; 4], true);
        say(&mut claims, 7, "a", 100);
        say(&mut claims, 8, "a", 100);
        claims.signed(Address([9; 20]), 100);
        assert_eq!(claims.started(), 0);
        claims.signed(who[0], 50);
        claims.signed(who[1], 50);
        assert_eq!(claims.started(), 50);
        let set = claims.validators.clone().unwrap();
        let rest = set.validators().iter().filter(|v| v.address() != who[1]).cloned().collect();
        claims.advance(ValidatorSet::new(rest, &ProposerOrder::default()).unwrap(), true);
        assert_eq!(claims.signed.len(), 1);
    }

    #[test]
    fn observer_follows_any_validator_and_a_proof_convinces_everybody() {
        let (mut observer, _) = claims(&[1; 4], false);
        say(&mut observer, 2, "a", 6);
        assert_eq!(observer.started(), 6);
        let (mut validator, _) = claims(&[1; 4], true);
        validator.proven(6);
        assert_eq!(validator.started(), 6);
    }

    #[test]
    fn lie_about_the_tip_ends_with_the_connection() {
        let (mut claims, _) = claims(&[1], true);
        say(&mut claims, 0, "liar", u64::MAX);
        assert_eq!(claims.started(), u64::MAX);
        claims.gone(&peer_id_of_spki(b"0/liar"));
        assert_eq!(claims.started(), 0);
    }

    #[test]
    fn common_tip_is_not_moved_by_one_liar_of_three() {
        let (mut claims, _) = claims(&[1; 4], true);
        assert_eq!(claims.common_tip(), 0);
        for (bank, tip) in [(0, 7), (1, 8), (2, u64::MAX)] {
            say(&mut claims, bank, "a", tip);
        }
        assert_eq!(claims.common_tip(), 8);
    }

    #[tokio::test]
    async fn believable_claim_wakes_who_waits() {
        let (waiting, who) = claims(&[1], true);
        let progress = Progress::default();
        progress.note(|claims| *claims = waiting);
        progress.signed(who[0], 3);
        progress.wait_for(3).await;
    }
}
