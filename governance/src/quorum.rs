//! Quorum-safe changes: after each one, validators that signed lately must still be able to decide.
//!
//! CometBFT decides with more than two thirds of the power. A change of the set that leaves no more than that of
//! validators which the last commits show might stop the chain, and nobody could change it back.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use concordat_types::{
    OrgId, Validator, ValidatorSet,
    validator::{ConsensusAddress, consensus_address},
};
use serde::Serialize;

use crate::{Refusal, facts::ValidatorFacts};

/// A validator that did not sign lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The organisation that runs it.
    pub organisation: OrgId,
    /// The key of its votes.
    pub consensus_key: B256,
    /// Its power.
    pub power: u64,
}

impl Missing {
    /// Names them for people.
    pub fn list(missing: &[Self]) -> String {
        let one = |m: &Self| format!("{} of {} (power {})", m.consensus_key, m.organisation, m.power);
        missing.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// What a set needs to decide. Who signs changes from block to block, so that this says nothing of it: a ballot
/// binds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quorum {
    /// How many validators.
    pub validators: u64,
    /// Power of all.
    pub total: u64,
    /// The least power that decides.
    pub need: u64,
}

impl Quorum {
    /// The quorum of validators.
    pub fn of(validators: &[ValidatorFacts]) -> Self {
        let total = power(validators);
        let count = u64::try_from(validators.len()).unwrap_or(u64::MAX);
        Self { validators: count, total, need: need(total) }
    }
}

/// The least power above two thirds.
fn need(total: u64) -> u64 {
    let thirds = u128::from(total).saturating_mul(2).div_euclid(3).saturating_add(1);
    u64::try_from(thirds).unwrap_or(u64::MAX)
}

fn power<'a>(validators: impl IntoIterator<Item = &'a ValidatorFacts>) -> u64 {
    validators.into_iter().fold(0, |sum, validator| sum.saturating_add(validator.power))
}

/// Checks the set that a change would leave.
pub fn check_set(validators: &[ValidatorFacts]) -> Result<(), Refusal> {
    let validator = |v: &ValidatorFacts| Validator {
        org: v.organisation.clone(),
        public_key: v.consensus_key.0,
        power: v.power,
    };
    match ValidatorSet::new(validators.iter().map(validator).collect()) {
        Ok(_) => Ok(()),
        Err(error) => Err(Refusal::ValidatorSet { reason: error.to_string() }),
    }
}

/// Checks that those of `after` who signed lately can decide. Where the nodes of whoever goes are cut off at once,
/// while the set that has them decides for two heights more, `still` is that set.
pub fn check_safe(
    after: &[ValidatorFacts],
    still: Option<&[ValidatorFacts]>,
    recent: &BTreeSet<ConsensusAddress>,
) -> Result<(), Refusal> {
    let signs = |v: &&ValidatorFacts| recent.contains(&consensus_address(&v.consensus_key.0));
    let signing = power(after.iter().filter(signs));
    for set in [Some(after), still].into_iter().flatten() {
        let Quorum { total, need, .. } = Quorum::of(set);
        if signing < need {
            let left = |v: &&ValidatorFacts| after.iter().any(|a| a.consensus_key == v.consensus_key);
            let missing = set.iter().filter(|v| !signs(v) || !left(v)).map(missing).collect();
            return Err(Refusal::QuorumUnsafe { signing, total, need, missing });
        }
    }
    Ok(())
}

fn missing(validator: &ValidatorFacts) -> Missing {
    let ValidatorFacts { organisation, consensus_key, power, .. } = validator;
    Missing { organisation: organisation.clone(), consensus_key: *consensus_key, power: *power }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validators(powers: &[u64]) -> Vec<ValidatorFacts> {
        let one = |(seed, power): (u8, &u64)| ValidatorFacts {
            organisation: format!("bank-{}", char::from(b'a'.wrapping_add(seed))).parse().unwrap(),
            consensus_key: B256::repeat_byte(seed),
            power: *power,
            node_key: B256::ZERO,
            node_address: "a:1".into(),
        };
        (0..).zip(powers).map(one).collect()
    }

    fn signers(of: &[ValidatorFacts]) -> BTreeSet<ConsensusAddress> {
        of.iter().map(|v| consensus_address(&v.consensus_key.0)).collect()
    }

    #[test]
    fn two_thirds_are_not_enough() {
        for (total, least) in
            [(1, 1), (2, 2), (3, 3), (4, 3), (30, 21), (31, 21), (u64::MAX, 12297829382473034411)]
        {
            assert_eq!(need(total), least, "{total}");
        }
    }

    #[test]
    fn an_admission_while_one_of_four_is_down_is_refused_and_names_who_is_missing() {
        let five = validators(&[10, 10, 10, 10, 10]);
        assert_eq!(check_safe(&five, None, &signers(&five[..4])), Ok(()));
        let Err(Refusal::QuorumUnsafe { signing, total, need, missing }) =
            check_safe(&five, None, &signers(&five[..3]))
        else {
            panic!("accepted")
        };
        assert_eq!((signing, total, need), (30, 50, 34));
        let named: Vec<&str> = missing.iter().map(|m| m.organisation.as_str()).collect();
        assert_eq!(named, ["bank-d", "bank-e"]);
    }

    #[test]
    fn who_is_cut_off_at_once_is_missed_by_the_set_that_still_decides() {
        let three = validators(&[10, 10, 10]);
        assert_eq!(check_safe(&three[1..], None, &signers(&three)), Ok(()));
        let error = check_safe(&three[1..], Some(&three), &signers(&three)).unwrap_err();
        let Refusal::QuorumUnsafe { signing: 20, total: 30, need: 21, missing } = error else {
            panic!("{error}")
        };
        assert_eq!(missing.len(), 1);
    }

    #[test]
    fn nobody_known_to_sign_means_no_change() {
        assert!(check_safe(&validators(&[1]), None, &BTreeSet::new()).is_err());
    }
}
