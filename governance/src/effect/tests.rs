//! Golden bytes and words of effects.
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

mod accounts;
mod contracts;
mod parameters;
mod policies;
mod regulators;
mod repairs;

use std::collections::BTreeSet;

use accounts::identity_effect;
use concordat_types::Role;
use contracts::{approval_effect, attributes_effect, contract_effects};
use policies::policy_effect;

use super::*;
use crate::{
    action::{Attributes, Parameters, Property, Reversed},
    facts::{Membership, Upgrade},
};

fn effect() -> Effect {
    let organisation = OrganisationFacts {
        name: "Bank E".into(),
        membership: Membership::Active,
        roles: BTreeSet::from([Role::Operator]),
        roots: vec![B256::repeat_byte(1)],
    };
    let validator = ValidatorFacts {
        organisation: "bank-e".parse().unwrap(),
        consensus_key: B256::repeat_byte(2),
        power: 10,
        node_key: B256::repeat_byte(3),
        node_address: "e:1".into(),
    };
    let basis = Basis { document: B256::repeat_byte(4), reference: "Order 7".into() };
    let freeze = |end, emergency| Freeze { scope: Scope::All, basis: basis.clone(), end, emergency };
    let rule = Rule::initial(Kind::SetRule, 1);
    let suspended = OrganisationFacts { membership: Membership::Suspended, ..organisation.clone() };
    let id: OrgId = "bank-e".parse().unwrap();
    let account = Address::repeat_byte(5);
    let quorum = |validators, total, need| Quorum { validators, total, need };
    Effect {
        kind: Kind::SuspendOrganisation,
        action: B256::repeat_byte(9),
        changes: vec![
            Change::Organisation { id: id.clone(), before: Some(organisation), after: Some(suspended) },
            Change::Validator {
                consensus_key: validator.consensus_key,
                before: Some(validator),
                after: None,
            },
            Change::Seat { member: account, before: None, after: Some(Seat { organisation: id, weight: 2 }) },
            Change::Rule { kind: Kind::SetRule, before: rule, after: Rule { veto: true, ..rule } },
            Change::Freeze {
                account,
                before: Some(freeze(End::At(9), false)),
                after: Some(freeze(End::After(20), true)),
            },
            Change::Freeze { account, before: Some(freeze(End::Never, false)), after: None },
        ],
        quorum: Some([quorum(5, 50, 34), quorum(4, 40, 27)]),
    }
}

#[test]
fn the_digest_of_an_effect_is_golden() {
    assert_eq!(
        effect().digest().to_string(),
        "0xfe2de9f8db9d889845ee8a33d73d0e0744878f648308ac5cc1511dfea76264df"
    );
}

#[test]
fn effects_survive_their_bytes_and_have_one_form() {
    for effect in [
        effect(),
        policy_effect(Some("one"), Some("two")),
        policy_effect(None, Some("")),
        policy_effect(Some("x"), None),
    ] {
        check_form(&effect);
    }
}

fn check_form(effect: &Effect) {
    let bytes = effect.encode();
    assert_eq!(Effect::decode(&bytes).as_ref(), Some(effect));
    for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut other = bytes.clone();
        other[at] ^= 1 << bit;
        if let Some(read) = Effect::decode(&other) {
            assert_ne!(read, *effect);
            assert_eq!(read.encode(), other);
        }
    }
}

/// Numbers that are the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    /// Some bytes with several changes: other values, parts that go, come twice, or come from elsewhere.
    fn mutate(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..1 + self.below(4) {
            let (at, value) = (self.below(bytes.len()), self.below(256));
            let end = (at + 1 + self.below(8)).min(bytes.len());
            let from = self.below(other.len());
            let part = &other[from..(from + 1 + self.below(8)).min(other.len())];
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] = u8::try_from(value).unwrap(),
                1 => drop(bytes.drain(at.min(end)..end)),
                2 => bytes = [&bytes[..end], &bytes[at.min(end)..]].concat(),
                3 => drop(bytes.splice(at.min(end)..end, part.iter().copied())),
                _ => bytes.truncate(end),
            }
        }
        bytes
    }
}

// The fuzz target `proposals` does the same, guided by coverage.
#[test]
fn mutated_proposals_and_effects_are_none_or_have_one_form_and_can_be_read_by_people() {
    let actions = crate::action::tests::golden();
    let payloads: Vec<(Kind, Vec<u8>)> =
        actions.iter().map(|(action, _)| (action.kind(), action.encode().to_vec())).collect();
    let effects: Vec<Vec<u8>> =
        [vec![effect(), identity_effect(), attributes_effect(), approval_effect()], contract_effects()]
            .concat()
            .iter()
            .map(Effect::encode)
            .collect();
    let mut draw = Draw(20_261_126);
    for _ in 0..400 {
        for (kind, payload) in &payloads {
            let (_, other) = &payloads[draw.below(payloads.len())];
            let bytes = draw.mutate(payload, other);
            match Action::decode(*kind, &bytes) {
                Ok(action) => assert_eq!((action.kind(), action.encode()), (*kind, bytes.into())),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        for sound in &effects {
            let other = effects[draw.below(effects.len())].clone();
            let bytes = draw.mutate(sound, &other);
            if let Some(effect) = Effect::decode(&bytes) {
                assert_eq!(effect.encode(), bytes);
                assert!(!effect.to_string().chars().any(|c| c.is_control() && c != '\n'));
            }
        }
    }
}

#[test]
fn people_read_who_gains_and_who_loses_what() {
    let text = effect().to_string();
    for line in [
        "  organisation bank-e\n    - \"Bank E\", active; may grant operator;",
        "    + \"Bank E\", suspended;",
        "    - of bank-e, power 10, at e:1,",
        "  committee seat of 0x0505050505050505050505050505050505050505\n    - none\n    + weight 2 for bank-e",
        "    - scope all, through height 9; basis \"Order 7\"",
        "    + emergency, scope all, for 20 blocks;",
        "    - 5 validators of power 50; 34 decide\n    + 4 validators of power 40; 27 decide",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
}

#[test]
fn machines_read_names() {
    let json = serde_json::to_value(effect()).unwrap();
    assert_eq!(json["kind"], "suspend-organisation");
    assert_eq!(json["changes"][0]["after"]["membership"], "suspended");
    assert_eq!(json["changes"][4]["after"]["end"]["after"], 20);
}
