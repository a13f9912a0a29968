//! The validator set of a height, and the order in which its members propose.

use std::{collections::BTreeSet, sync::Arc};

use arc_malachitebft_core_types as core;
use arc_malachitebft_signing_ed25519::PublicKey;

use super::{Address, ConcordatContext, Height};

/// The most voting power that a set may have, as in CometBFT. Far below what would overflow in
/// threshold arithmetic.
pub const MAX_TOTAL_POWER: u64 = (i64::MAX / 8) as u64;

/// A member of the validator set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    address: Address,
    public_key: PublicKey,
    power: u64,
    org: String,
}

impl Validator {
    /// A validator of the organisation `org` with an Ed25519 public key and a voting power.
    ///
    /// # Errors
    /// If the key is not a point of the curve or the power is zero.
    pub fn new(org: impl Into<String>, public_key: [u8; 32], power: u64) -> Result<Self, ValidatorSetError> {
        let org = org.into();
        let address = Address::of_public_key(&public_key);
        let Ok(public_key) = PublicKey::from_bytes(public_key) else {
            return Err(ValidatorSetError::BadKey { org });
        };
        if power == 0 {
            return Err(ValidatorSetError::NoPower { org });
        }
        Ok(Self { address, public_key, power, org })
    }

    /// The organisation that runs this validator.
    pub fn org(&self) -> &str {
        &self.org
    }

    /// The validator's address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The validator's Ed25519 consensus key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The validator's voting power.
    pub fn power(&self) -> u64 {
        self.power
    }
}

impl core::Validator<ConcordatContext> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn voting_power(&self) -> u64 {
        self.power
    }
}

/// The order in which validators propose. The node derives it from the chain, alike on every node.
///
/// Round `r` of height `h` belongs to the `r`-th of the active validators, rotated by `h`; the standby
/// ones, which missed the latest commits, only follow after all active ones. So a validator that is down
/// costs nothing until it proposes again by voting again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProposerOrder {
    /// Validators that take part, in rotation order. Members of the set only; others are ignored.
    pub active: Vec<Address>,
}

/// Why a validator set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorSetError {
    /// There is no validator.
    #[error("the validator set is empty")]
    Empty,
    /// A public key is not on the curve.
    #[error("the consensus key of {org} is not a valid Ed25519 public key")]
    BadKey {
        /// The organisation.
        org: String,
    },
    /// A voting power of zero.
    #[error("the voting power of {org} is zero; leave it out of the set instead")]
    NoPower {
        /// The organisation.
        org: String,
    },
    /// Two validators have one key.
    #[error("the consensus key with address {address} appears twice")]
    Duplicate {
        /// The address of the key.
        address: Address,
    },
    /// The sum of powers is too large.
    #[error("the total voting power is above {MAX_TOTAL_POWER}")]
    TooMuchPower,
}

#[derive(Debug, PartialEq, Eq)]
struct Members {
    validators: Vec<Validator>,
    total_power: u64,
    /// Indices into `validators`: the active ones.
    active: Vec<usize>,
    /// Indices into `validators`: the others.
    standby: Vec<usize>,
}

/// The validators of a height, in CometBFT's order: by power, descending, then by address.
///
/// Cheap to clone; the engine does so for every certificate that it checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet(Arc<Members>);

impl ValidatorSet {
    /// Orders the validators as CometBFT does, and takes the proposers' order.
    ///
    /// # Errors
    /// If the set is empty, has a key twice, or more than [`MAX_TOTAL_POWER`].
    pub fn new(mut validators: Vec<Validator>, order: &ProposerOrder) -> Result<Self, ValidatorSetError> {
        validators.sort_by(|a, b| b.power.cmp(&a.power).then(a.address.cmp(&b.address)));
        let mut seen = BTreeSet::new();
        let mut total_power = 0u64;
        for validator in &validators {
            if !seen.insert(validator.address) {
                return Err(ValidatorSetError::Duplicate { address: validator.address });
            }
            total_power = total_power
                .checked_add(validator.power)
                .filter(|total| *total <= MAX_TOTAL_POWER)
                .ok_or(ValidatorSetError::TooMuchPower)?;
        }
        if validators.is_empty() {
            return Err(ValidatorSetError::Empty);
        }
        let (active, standby) = rotation(&validators, order);
        Ok(Self(Arc::new(Members { validators, total_power, active, standby })))
    }

    /// The chain's validator set, with the proposers' order.
    ///
    /// # Errors
    /// If a key is no Ed25519 key; the set itself was checked when it was made.
    pub fn of(set: &concordat_types::ValidatorSet, order: &ProposerOrder) -> Result<Self, ValidatorSetError> {
        let validator = |validator: &concordat_types::Validator| {
            Validator::new(validator.org.as_str(), validator.public_key, validator.power)
        };
        Self::new(set.validators().iter().map(validator).collect::<Result<_, _>>()?, order)
    }

    /// The validators, in the set's order.
    pub fn validators(&self) -> &[Validator] {
        &self.0.validators
    }

    /// The sum of all voting power.
    pub fn total_power(&self) -> u64 {
        self.0.total_power
    }

    /// The member with this address.
    pub fn get(&self, address: &Address) -> Option<&Validator> {
        self.0.validators.iter().find(|validator| validator.address == *address)
    }

    /// Whether this organisation runs a member.
    pub fn has_org(&self, org: &str) -> bool {
        self.0.validators.iter().any(|validator| validator.org == org)
    }

    /// Who proposes in this round of this height.
    pub fn proposer(&self, height: Height, round: u32) -> &Validator {
        let Members { validators, active, standby, .. } = &*self.0;
        let position = round as usize % validators.len();
        let index = match position.checked_sub(active.len()) {
            None => rotated(active, height, position),
            Some(position) => rotated(standby, height, position),
        };
        index.and_then(|index| validators.get(index)).expect("the rotation covers a set that is not empty")
    }
}

/// Splits the set into the active proposers, in the given order, and the rest, in the set's order.
fn rotation(validators: &[Validator], order: &ProposerOrder) -> (Vec<usize>, Vec<usize>) {
    let mut active = Vec::new();
    for address in &order.active {
        if let Some(index) = validators.iter().position(|validator| validator.address == *address)
            && !active.contains(&index)
        {
            active.push(index);
        }
    }
    let standby = (0..validators.len()).filter(|index| !active.contains(index)).collect();
    (active, standby)
}

/// The entry at `position` of `ring` after rotating it by `height`.
fn rotated(ring: &[usize], height: Height, position: usize) -> Option<usize> {
    let len = ring.len() as u64;
    let shift = height.0.checked_rem(len)?;
    ring.get(((shift + position as u64) % len) as usize).copied()
}

impl core::ValidatorSet<ConcordatContext> for ValidatorSet {
    fn count(&self) -> usize {
        self.0.validators.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.0.total_power
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.get(address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.0.validators.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator(seed: u8, power: u64) -> Validator {
        let key = ed25519_zebra::SigningKey::from([seed; 32]);
        let public: [u8; 32] = ed25519_zebra::VerificationKey::from(&key).into();
        Validator::new(format!("bank-{seed}"), public, power).unwrap()
    }

    #[test]
    fn set_is_ordered_by_power_then_address() {
        let set = ValidatorSet::new(
            vec![validator(1, 5), validator(2, 9), validator(3, 5)],
            &ProposerOrder::default(),
        )
        .unwrap();
        let order: Vec<_> = set.validators().iter().map(|v| (v.power(), v.address())).collect();
        assert_eq!(order[0].0, 9);
        assert!(order[1].1 < order[2].1);
    }

    #[test]
    fn every_validator_proposes_in_turn_and_standby_ones_last() {
        let members: Vec<_> = (1..=4).map(|seed| validator(seed, 1)).collect();
        let down = members[2].address();
        let active = members.iter().map(Validator::address).filter(|a| *a != down).collect();
        let set = ValidatorSet::new(members, &ProposerOrder { active }).unwrap();
        for height in 1..20 {
            let rounds: Vec<_> = (0..4).map(|r| set.proposer(Height(height), r).address()).collect();
            assert_eq!(rounds[3], down, "the standby validator comes last");
            assert_eq!(rounds.iter().collect::<BTreeSet<_>>().len(), 4, "everyone has a turn");
            assert_eq!(rounds[1], set.proposer(Height(height + 1), 0).address());
        }
    }

    #[test]
    fn proposer_exists_for_extreme_heights_and_rounds_and_without_an_order() {
        let set =
            ValidatorSet::new(vec![validator(1, 1), validator(2, 1)], &ProposerOrder::default()).unwrap();
        for (height, round) in [(0, 0), (u64::MAX, u32::MAX), (u64::MAX, 0)] {
            set.proposer(Height(height), round);
        }
    }

    #[test]
    fn impossible_sets_are_refused() {
        let order = ProposerOrder::default();
        assert_eq!(ValidatorSet::new(vec![], &order), Err(ValidatorSetError::Empty));
        let twice = vec![validator(1, 1), validator(1, 2)];
        assert!(matches!(ValidatorSet::new(twice, &order), Err(ValidatorSetError::Duplicate { .. })));
        let heavy = vec![validator(1, MAX_TOTAL_POWER), validator(2, 1)];
        assert_eq!(ValidatorSet::new(heavy, &order), Err(ValidatorSetError::TooMuchPower));
        assert!(matches!(
            Validator::new("x", [1; 32], 0),
            Err(ValidatorSetError::BadKey { .. } | ValidatorSetError::NoPower { .. })
        ));
        let mut off_curve = [1u8; 32];
        off_curve[31] = 0;
        assert!(matches!(Validator::new("x", off_curve, 1), Err(ValidatorSetError::BadKey { .. })));
    }
}
