//! Rows of governance that its own crate does not define.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_governance::{
    Committee, Proposal, Rule,
    action::{Basis, Reversed, Rollback, Scope},
    facts::Frozen,
    regulator::{Consent, Mandate, RegulatorFacts},
};
use concordat_types::{Address, Bytes};

use crate::identity::Record;

/// A freeze of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFreeze {
    /// What it refuses, why and until when.
    pub frozen: Frozen,
    /// The height at which it was imposed.
    pub since: u64,
    /// The proposal that imposed it.
    pub proposal: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct FreezeRow {
    scope: u8,
    document: B256,
    reference: String,
    until: u64,
    emergency: bool,
    since: u64,
    proposal: u64,
}

impl Record for AccountFreeze {
    fn to_row(&self) -> Bytes {
        let Frozen { scope, basis, until, emergency } = &self.frozen;
        alloy_rlp::encode(FreezeRow {
            scope: scope.code(),
            document: basis.document,
            reference: basis.reference.clone(),
            until: *until,
            emergency: *emergency,
            since: self.since,
            proposal: self.proposal,
        })
        .into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let row: FreezeRow = alloy_rlp::decode_exact(bytes).ok()?;
        let FreezeRow { scope, document, reference, until, emergency, since, proposal } = row;
        let basis = Basis { document, reference };
        let frozen = Frozen { scope: Scope::from_code(scope)?, basis, until, emergency };
        Some(Self { frozen, since, proposal })
    }
}

/// A regulator's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegulatorRecord {
    /// What it may do, where, and until when.
    pub facts: RegulatorFacts,
    /// The height of its mandate.
    pub since: u64,
    /// The proposal that gave it.
    pub proposal: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct RegulatorRow {
    organisation: String,
    mandate: Bytes,
    since: u64,
    proposal: u64,
}

impl Record for RegulatorRecord {
    fn to_row(&self) -> Bytes {
        let Self { facts: RegulatorFacts { organisation, mandate }, since, proposal } = self;
        let (organisation, mandate) = (organisation.to_string(), mandate.encode().into());
        alloy_rlp::encode(RegulatorRow { organisation, mandate, since: *since, proposal: *proposal }).into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let RegulatorRow { organisation, mandate, since, proposal } = alloy_rlp::decode_exact(bytes).ok()?;
        let (organisation, mandate) = (organisation.parse().ok()?, Mandate::decode(&mandate)?);
        Some(Self { facts: RegulatorFacts { organisation, mandate }, since, proposal })
    }
}

/// The identities of all regulators, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RegulatorIndex(pub(crate) BTreeSet<Address>);

impl Record for RegulatorIndex {
    fn to_row(&self) -> Bytes {
        alloy_rlp::encode(self.0.iter().copied().collect::<Vec<Address>>()).into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let all: Vec<Address> = alloy_rlp::decode_exact(bytes).ok()?;
        // One form only: in order, each once.
        all.is_sorted_by(|one, other| one < other).then(|| Self(all.into_iter().collect()))
    }
}

/// A rollback that was executed.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct RollbackRecord {
    /// The height after whose block the slots held what they hold since.
    pub height: u64,
    /// The root of the state after that block.
    pub root: B256,
    /// The height at which it was executed. The header of this height carries the root before it.
    pub executed: u64,
    /// How many slots it changed.
    pub slots: u64,
    /// SHA-256 of their RLP, as they stand in the proposal's payload.
    pub slots_digest: B256,
    /// The transactions that are reversed.
    pub transactions: Vec<Reversed>,
}

impl RollbackRecord {
    /// What is kept of a rollback that is executed at a height.
    pub fn of(rollback: &Rollback, executed: u64) -> Self {
        Self {
            height: rollback.height,
            root: rollback.root,
            executed,
            slots: u64::try_from(rollback.slots.len()).unwrap_or(u64::MAX),
            slots_digest: rollback.slots_digest(),
            transactions: rollback.transactions.clone(),
        }
    }

    /// The bytes that the state keeps.
    pub fn encode(&self) -> Bytes {
        alloy_rlp::encode(self).into()
    }
}

impl Record for RollbackRecord {
    fn to_row(&self) -> Bytes {
        self.encode()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        alloy_rlp::decode_exact(bytes).ok()
    }
}

macro_rules! own_records {
    ($($record:ty),*) => { $(
        impl Record for $record {
            fn to_row(&self) -> Bytes {
                self.encode().into()
            }

            fn from_row(bytes: &[u8]) -> Option<Self> {
                Self::decode(bytes)
            }
        }
    )* };
}

own_records!(Committee, Rule, Proposal, Consent);

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    #[test]
    fn freezes_are_golden() {
        let basis = Basis { document: B256::repeat_byte(9), reference: "Order 7".into() };
        let frozen = Frozen { scope: Scope::Outgoing, basis, until: 500, emergency: true };
        let freeze = AccountFreeze { frozen, since: 3, proposal: 2 };
        let golden = format!("f002a0{}874f7264657220378201f4010302", "09".repeat(32));
        assert_eq!(hex::encode(freeze.to_row()), golden);
        assert_eq!(AccountFreeze::from_row(&freeze.to_row()), Some(freeze));
        assert_eq!(AccountFreeze::from_row(&[0xc0]), None);
    }

    #[test]
    fn regulators_are_golden() {
        let mandate = Mandate {
            jurisdiction: "DE".into(),
            organisations: None,
            contracts: Some(BTreeSet::new()),
            powers: concordat_governance::regulator::Power::from_bits(9).unwrap(),
            until: 500,
        };
        let facts = RegulatorFacts { organisation: "bank-a".parse().unwrap(), mandate };
        let record = RegulatorRecord { facts, since: 3, proposal: 2 };
        assert_eq!(hex::encode(record.to_row()), "d58662616e6b2d618bca824445c0c1c0098201f40302");
        assert_eq!(RegulatorRecord::from_row(&record.to_row()), Some(record));
        let index = RegulatorIndex([Address::repeat_byte(2), Address::repeat_byte(1)].into());
        let (one, two) = (format!("94{}", "01".repeat(20)), format!("94{}", "02".repeat(20)));
        assert_eq!(hex::encode(index.to_row()), format!("ea{one}{two}"));
        assert_eq!(RegulatorIndex::from_row(&index.to_row()), Some(index));
        let reversed = hex::decode(format!("ea{two}{one}")).unwrap();
        assert_eq!(RegulatorIndex::from_row(&reversed), None);
    }
    #[test]
    fn rollbacks_are_golden() {
        let (root, hash) = (B256::repeat_byte(3), B256::repeat_byte(4));
        let transactions = vec![Reversed { height: 501, hash }];
        let record =
            RollbackRecord { height: 500, root, executed: 600, slots: 2, slots_digest: hash, transactions };
        let (root, hash) = (format!("a0{}", "03".repeat(32)), format!("a0{}", "04".repeat(32)));
        let golden = format!("f86f8201f4{root}82025802{hash}e5e48201f5{hash}");
        assert_eq!(hex::encode(record.to_row()), golden);
        assert_eq!(RollbackRecord::from_row(&record.to_row()), Some(record));
        assert_eq!(RollbackRecord::from_row(&[0xc0]), None);
    }
}
