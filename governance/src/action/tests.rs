//! Golden payloads, limits, and what is no payload.

mod accounts;
mod contracts;
mod golden;
mod parameters;
mod policies;
mod repairs;

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256};
use concordat_types::{ChainParams, MAX_TX_GAS, OrgId, Role};
pub(crate) use golden::golden;

use super::*;
use crate::{committee::MAX_WEIGHT, regulator::Mandate, rule::Rule, wire};

fn account() -> Address {
    Address::repeat_byte(7)
}

fn hash() -> B256 {
    B256::repeat_byte(3)
}

fn org() -> OrgId {
    "bank-e".parse().unwrap()
}

fn basis() -> Basis {
    Basis { document: B256::repeat_byte(9), reference: "Order 7".into() }
}

fn attributes() -> Attributes {
    let hash = hash();
    Attributes {
        auditor: "Lab".into(),
        report: hash,
        properties: vec![Property { text: "no reentrancy".into(), proof: hash }],
        rating: 90,
        source: hash,
        compiler: "solc".into(),
        valid_until: 500,
    }
}

fn deployment() -> Deployment {
    let (hash, account) = (hash(), account());
    Deployment {
        code: hash,
        source: hash,
        compiler: "solc".into(),
        reports: vec![hash],
        deployer: account,
        reviewers: vec![account],
        until: 500,
    }
}

pub(crate) fn rollback() -> Rollback {
    let (hash, contract) = (hash(), account());
    let slot = |slot: u64, before: u64, after: u64| SlotChange {
        contract,
        slot: U256::from(slot),
        before: U256::from(before),
        after: U256::from(after),
    };
    Rollback {
        basis: basis(),
        height: 500,
        root: hash,
        transactions: vec![Reversed { height: 501, hash }],
        slots: vec![slot(0, 2, 5), slot(256, 0, 7)],
    }
}

fn correction() -> Correction {
    Correction::Mint { to: account(), amount: U256::from(100) }
}

#[test]
fn payloads_are_golden() {
    let all = golden();
    let mut kinds: Vec<Kind> = all.iter().map(|(action, _)| action.kind()).collect();
    // Some have several forms.
    kinds.dedup();
    assert_eq!(kinds, Kind::ALL);
    for (action, payload) in all {
        assert_eq!(hex::encode(action.encode()), payload, "{}", action.kind());
        assert_eq!(Action::decode(action.kind(), &action.encode()), Ok(action));
    }
}

#[test]
fn mutated_payloads_are_other_actions_or_none() {
    for (action, _) in golden() {
        let payload = action.encode();
        for (at, bit) in (0..payload.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = payload.to_vec();
            bytes[at] ^= 1 << bit;
            if let Ok(other) = Action::decode(action.kind(), &bytes) {
                assert_ne!(other, action);
                assert_eq!(other.encode(), bytes);
            }
        }
        let longer = [&payload[..], &[0]].concat();
        assert_eq!(Action::decode(action.kind(), &longer), Err(ActionError::Malformed(action.kind())));
        assert!(Action::decode(action.kind(), &[]).is_err());
    }
}

fn refused(action: Action) -> ActionError {
    Action::decode(action.kind(), &action.encode()).unwrap_err()
}

#[test]
fn what_exceeds_a_limit_is_refused() {
    let long = vec![0u8; MAX_PAYLOAD_BYTES + 1];
    assert!(matches!(Action::decode(Kind::SetRule, &long), Err(ActionError::TooLong { .. })));
    let roots = |count: usize, bytes: usize| vec![Bytes::from(vec![1; bytes]); count];
    for (count, bytes) in [(0, 1), (5, 1), (1, MAX_CERTIFICATE_BYTES + 1)] {
        refused(Action::SetAuthorities { id: org(), roots: roots(count, bytes) });
    }
    let admission =
        Admission { id: org(), name: "E".into(), roots: roots(1, 1), roles: BTreeSet::from([Role::Auditor]) };
    for name in ["", " E", "E\n", &"e".repeat(101)] {
        refused(Action::AdmitOrganisation(Admission { name: name.into(), ..admission.clone() }));
    }
    let roleless = Admission { roles: BTreeSet::new(), ..admission };
    assert_eq!(refused(Action::AdmitOrganisation(roleless)), ActionError::NoRole);
    let member = Address::repeat_byte(1);
    for weight in [MAX_WEIGHT + 1, u64::MAX] {
        let action = Action::SetCommitteeMember { member, weight };
        assert_eq!(refused(action), ActionError::Weight { have: weight });
    }
    let powerless = Action::SetValidatorPower { consensus_key: B256::ZERO, power: 0 };
    assert_eq!(refused(powerless), ActionError::NoPower);
    let rule = Rule { participation: 0, ..Rule::initial(Kind::SetRule, 1) };
    assert!(matches!(refused(Action::SetRule { kind: Kind::SetRule, rule }), ActionError::Rule { .. }));
    let reference = "x".repeat(MAX_REFERENCE_BYTES + 1);
    let basis = Basis { document: B256::ZERO, reference };
    refused(Action::UnfreezeAccount { account: member, basis });
}

fn mandate(contract: Address) -> Mandate {
    Mandate {
        jurisdiction: "DE".into(),
        organisations: None,
        contracts: Some(BTreeSet::from([contract])),
        powers: crate::regulator::Power::from_bits(9).unwrap(),
        until: 500,
    }
}
