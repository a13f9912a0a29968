//! What is kept of orders besides themselves.

use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_governance::order::{Measure, Order};
use concordat_types::{Address, B256, Bytes};

use crate::identity::Record;

impl Record for Order {
    fn to_row(&self) -> Bytes {
        self.encode().into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes)
    }
}

/// An order that stops a contract, as the contract's row tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct OrderHalt {
    /// Which.
    pub order: u64,
    /// The last height at which it binds; zero: until it is released.
    pub until: u64,
}

impl OrderHalt {
    /// Whether it binds at a height.
    pub const fn binds(&self, height: u64) -> bool {
        self.until == 0 || height <= self.until
    }
}

/// The newest anchor of an organisation's log of reads.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct ReadAnchor {
    /// The head of the log's hash chain.
    pub head: B256,
    /// How many reads it counts.
    pub count: u64,
    /// The height at which it was anchored.
    pub height: u64,
    /// The account that anchored it.
    pub account: Address,
}

/// An order that binds an account.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Entry {
    /// Which.
    pub(crate) order: u64,
    /// The code of its measure.
    measure: u8,
    /// The contract that the measure names, or the subject that it shuts out; empty otherwise.
    about: Bytes,
    /// The last height at which it binds; zero: until it is released.
    until: u64,
}

impl Entry {
    /// What is kept of an order; `subject` where it is a blacklisting.
    pub(crate) fn of(order: &Order, subject: Option<B256>) -> Self {
        let measure = order.terms.measure;
        let contract = measure.contract().map(|contract| Bytes::copy_from_slice(contract.as_slice()));
        let subject = subject.map(|subject| Bytes::copy_from_slice(subject.as_slice()));
        Self {
            order: order.id,
            measure: measure.code(),
            about: contract.or(subject).unwrap_or_default(),
            until: order.last_height().unwrap_or(0),
        }
    }

    /// What it does; `None` for bytes that no entry has.
    pub(crate) fn measure(&self) -> Option<Measure> {
        Measure::from_code(self.measure, Address::try_from(&self.about[..]).ok())
    }

    /// The subject that it shuts out.
    pub(crate) fn subject(&self) -> Option<B256> {
        B256::try_from(&self.about[..]).ok()
    }

    /// The last height at which it binds; zero: until it is released.
    pub(crate) const fn until(&self) -> u64 {
        self.until
    }

    /// Whether it binds at a height.
    pub(crate) const fn binds(&self, height: u64) -> bool {
        self.until == 0 || height <= self.until
    }
}

/// An order that keeps tokens where they are.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct TokenEntry {
    /// The token.
    pub(crate) token: Address,
    /// Whose, by its identity.
    pub(crate) holder: Address,
    /// Which order.
    pub(crate) order: u64,
    /// The last height at which it binds; zero: until it is released.
    pub(crate) until: u64,
}

impl TokenEntry {
    /// Whether it binds at a height.
    pub(crate) const fn binds(&self, height: u64) -> bool {
        self.until == 0 || height <= self.until
    }
}

/// An order that shuts a subject out.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct SubjectEntry {
    /// Which.
    pub(crate) order: u64,
    /// The last height at which it binds; zero: until it is released.
    pub(crate) until: u64,
}

impl SubjectEntry {
    /// Whether it binds at a height.
    pub(crate) const fn binds(&self, height: u64) -> bool {
        self.until == 0 || height <= self.until
    }
}

macro_rules! rlp_records {
    ($($record:ty),* $(,)?) => { $(
        impl Record for $record {
            fn to_row(&self) -> Bytes {
                alloy_rlp::encode(self).into()
            }

            fn from_row(bytes: &[u8]) -> Option<Self> {
                alloy_rlp::decode_exact(bytes).ok()
            }
        }
    )* };
}

rlp_records!(ReadAnchor, Vec<Entry>, Vec<TokenEntry>, Vec<SubjectEntry>);

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;
    use concordat_governance::{
        action::Basis,
        order::{Target, Terms},
    };

    use super::*;

    fn order(measure: Measure) -> Order {
        let basis = Basis { document: B256::repeat_byte(9), reference: "Order 7".into() };
        let target = Target::Account(Address::repeat_byte(1));
        Order {
            id: 7,
            terms: Terms { measure, target, basis, until: 0 },
            issuer: Address::repeat_byte(2),
            organisation: "regulator-a".parse().unwrap(),
            issued: 3,
            lapses: 500,
            before: 0,
            confirmed: None,
            ended: None,
        }
    }

    #[test]
    fn what_binds_an_account_is_golden() {
        let token = Measure::FreezeToken(Address::repeat_byte(5));
        let entries = vec![
            Entry::of(&order(Measure::FreezeAll), None),
            Entry::of(&order(token), None),
            Entry::of(&order(Measure::Blacklist), Some(B256::repeat_byte(6))),
        ];
        let (five, six) = (format!("94{}", "05".repeat(20)), format!("a0{}", "06".repeat(32)));
        let golden = format!("f849c60701808201f4da0704{five}8201f4e60705{six}8201f4");
        assert_eq!(hex::encode(entries.to_row()), golden);
        assert_eq!(Vec::<Entry>::from_row(&entries.to_row()), Some(entries.clone()));
        assert_eq!(entries[1].measure(), Some(token));
        assert_eq!(entries[2].measure(), Some(Measure::Blacklist));
        assert_eq!(entries[2].subject(), Some(B256::repeat_byte(6)));
        assert!(entries[0].binds(500) && !entries[0].binds(501));
    }

    #[test]
    fn anchors_and_what_tokens_and_subjects_have_are_golden() {
        let account = Address::repeat_byte(1);
        let anchor = ReadAnchor { head: B256::repeat_byte(2), count: 9, height: 3, account };
        let (one, two) = (format!("94{}", "01".repeat(20)), format!("a0{}", "02".repeat(32)));
        assert_eq!(hex::encode(anchor.to_row()), format!("f838{two}0903{one}"));
        assert_eq!(ReadAnchor::from_row(&anchor.to_row()), Some(anchor));
        let token = vec![TokenEntry { token: account, holder: account, order: 7, until: 0 }];
        assert_eq!(hex::encode(token.to_row()), format!("edec{one}{one}0780"));
        let subject = vec![SubjectEntry { order: 7, until: 500 }];
        assert_eq!(hex::encode(subject.to_row()), "c5c4078201f4");
    }
}
