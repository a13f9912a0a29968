//! Golden bytes and words of effects.

use std::collections::BTreeSet;

use concordat_types::Role;

use super::*;
use crate::facts::Membership;

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
    let (effect, bytes) = (effect(), effect().encode());
    assert_eq!(Effect::decode(&bytes), Some(effect.clone()));
    for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut other = bytes.clone();
        other[at] ^= 1 << bit;
        if let Some(read) = Effect::decode(&other) {
            assert_ne!(read, effect);
            assert_eq!(read.encode(), other);
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
