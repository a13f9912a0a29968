//! The committee: who votes, for which organisation, with which weight.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_types::OrgId;
use serde::Serialize;

use crate::wire;

/// The most seats.
pub const MAX_MEMBERS: usize = 64;

/// The most weight of one seat, so that no sum of weights can overflow.
pub const MAX_WEIGHT: u64 = 1_000_000;

/// A seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, RlpEncodable, RlpDecodable)]
pub struct Member {
    /// The account that votes.
    pub address: Address,
    /// The organisation that it votes for.
    pub organisation: OrgId,
    /// Its weight, 1 to [`MAX_WEIGHT`].
    pub weight: u64,
}

/// Why members make no committee.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// More seats than there may be.
    #[error("{count} members are more than the {MAX_MEMBERS} that a committee may have")]
    TooMany {
        /// How many there were.
        count: usize,
    },
    /// A weight out of range.
    #[error("the weight of {member} is {weight}; it must lie between 1 and {MAX_WEIGHT}")]
    Weight {
        /// Whose.
        member: Address,
        /// What it was.
        weight: u64,
    },
    /// One account, one seat.
    #[error("{member} has two seats")]
    Duplicate {
        /// Who.
        member: Address,
    },
}

/// All seats, in the order of their addresses. A chain that was started without a committee has an empty one,
/// which decides nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Committee {
    members: Vec<Member>,
}

impl Committee {
    /// Checks the seats and puts them in order.
    pub fn new(mut members: Vec<Member>) -> Result<Self, CommitteeError> {
        if members.len() > MAX_MEMBERS {
            return Err(CommitteeError::TooMany { count: members.len() });
        }
        members.sort_by_key(|member| member.address);
        for (member, next) in members.iter().zip(members.iter().skip(1)) {
            if member.address == next.address {
                return Err(CommitteeError::Duplicate { member: member.address });
            }
        }
        match members.iter().find(|member| !(1..=MAX_WEIGHT).contains(&member.weight)) {
            Some(member) => Err(CommitteeError::Weight { member: member.address, weight: member.weight }),
            None => Ok(Self { members }),
        }
    }

    /// The seats in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether there is nobody to decide anything.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The seat of an account.
    pub fn member(&self, address: &Address) -> Option<&Member> {
        self.members.iter().find(|member| member.address == *address)
    }

    /// The sum of all weights: at most 64,000,000.
    pub fn total_weight(&self) -> u64 {
        weight(&self.members)
    }

    /// The organisations that have a seat.
    pub fn organisations(&self) -> BTreeSet<&OrgId> {
        self.members.iter().map(|member| &member.organisation).collect()
    }

    /// The committee with one seat new or changed.
    pub fn with(&self, seat: Member) -> Result<Self, CommitteeError> {
        let mut members = self.without(&seat.address).members;
        members.push(seat);
        Self::new(members)
    }

    /// The committee without an account's seat.
    pub fn without(&self, address: &Address) -> Self {
        self.keep(|member| member.address != *address)
    }

    /// The committee without an organisation's seats.
    pub fn without_organisation(&self, organisation: &OrgId) -> Self {
        self.keep(|member| member.organisation != *organisation)
    }

    fn keep(&self, keep: impl Fn(&Member) -> bool) -> Self {
        Self { members: self.members.iter().filter(|member| keep(member)).cloned().collect() }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(&self.members)
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let committee = Self::new(wire::decode(bytes)?).ok()?;
        (committee.encode() == bytes).then_some(committee)
    }
}

/// The sum of weights; no committee's overflows.
pub(crate) fn weight<'a>(members: impl IntoIterator<Item = &'a Member>) -> u64 {
    members.into_iter().fold(0, |sum, member| sum.saturating_add(member.weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(seed: u8, weight: u64) -> Member {
        Member { address: Address::repeat_byte(seed), organisation: "bank-a".parse().unwrap(), weight }
    }

    #[test]
    fn seats_are_in_order_whatever_order_they_come_in() {
        let one = Committee::new(vec![member(2, 1), member(1, 5)]).unwrap();
        let other = Committee::new(vec![member(1, 5), member(2, 1)]).unwrap();
        assert_eq!(one, other);
        assert_eq!((one.total_weight(), one.organisations().len()), (6, 1));
        assert_eq!(Committee::decode(&one.encode()), Some(one));
    }

    #[test]
    fn no_account_has_two_seats_and_no_weight_is_out_of_range() {
        let twice = Committee::new(vec![member(1, 1), member(1, 2)]);
        assert_eq!(twice, Err(CommitteeError::Duplicate { member: Address::repeat_byte(1) }));
        for weight in [0, MAX_WEIGHT + 1, u64::MAX] {
            assert!(matches!(Committee::new(vec![member(1, weight)]), Err(CommitteeError::Weight { .. })));
        }
        let many: Vec<Member> = (0..=64).map(|seed| member(seed, 1)).collect();
        assert_eq!(Committee::new(many), Err(CommitteeError::TooMany { count: 65 }));
    }

    #[test]
    fn rows_are_golden_and_have_one_form() {
        let committee = Committee::new(vec![member(1, 3)]).unwrap();
        let row = format!("dedd94{}8662616e6b2d6103", "01".repeat(20));
        assert_eq!(hex::encode(committee.encode()), row);
        assert_eq!(Committee::default().encode(), [0xc0]);
        assert_eq!(Committee::decode(&[0xc0]), Some(Committee::default()));
        assert_eq!(Committee::decode(b"no rows"), None);
    }
}
