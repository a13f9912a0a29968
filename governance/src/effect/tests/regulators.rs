//! Regulators.

use super::*;

fn regulator_effect(before: Option<u8>, after: Option<u8>) -> Effect {
    use crate::regulator::{Mandate, Power};
    let facts = |powers: u8| RegulatorFacts {
        organisation: "bank-e".parse().unwrap(),
        mandate: Mandate {
            jurisdiction: "DE".into(),
            organisations: None,
            contracts: Some(BTreeSet::from([Address::repeat_byte(7)])),
            powers: Power::from_bits(powers).unwrap(),
            until: 500,
        },
    };
    let (identity, before, after) = (Address::repeat_byte(5), before.map(facts), after.map(facts));
    Effect {
        kind: Kind::AdmitRegulator,
        action: B256::repeat_byte(9),
        changes: vec![Change::Regulator { identity, before, after }],
        quorum: None,
    }
}

#[test]
fn the_bytes_of_a_regulators_effect_are_golden_and_have_one_form() {
    let effect = regulator_effect(None, Some(9));
    let (key, contract) = (format!("94{}", "05".repeat(20)), format!("94{}", "07".repeat(20)));
    let after = format!("a8e78662616e6b2d65df824445c0d6d5{contract}098201f4");
    let bytes = format!("f8680138a0{}f842f84010{key}80{after}c0", "09".repeat(32));
    assert_eq!(hex::encode(effect.encode()), bytes);
    for effect in [effect, regulator_effect(Some(9), Some(1)), regulator_effect(Some(31), None)] {
        check_form(&effect);
    }
}

#[test]
fn people_and_machines_read_what_a_regulator_may() {
    let effect = regulator_effect(Some(1), Some(9));
    let text = effect.to_string();
    for line in [
        "  regulator 0x0505050505050505050505050505050505050505\n    - of bank-e, jurisdiction \"DE\", may observe;",
        "may observe, veto; organisations: all; contracts: 0x0707070707070707070707070707070707070707; through height 500",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    let json = serde_json::to_value(&effect).unwrap();
    let change = &json["changes"][0];
    assert_eq!((&change["what"], &change["after"]["powers"][1]), (&"regulator".into(), &"veto".into()));
    assert_eq!(
        (&change["after"]["organisations"], &change["after"]["until"]),
        (&serde_json::Value::Null, &500.into())
    );
}

fn order_effect(after: OrderStage) -> Effect {
    use crate::order::{Measure, Target, Terms};
    let basis = Basis { document: B256::repeat_byte(4), reference: "Order 7".into() };
    let target = Target::Account(Address::repeat_byte(5));
    let terms = Terms { measure: Measure::FreezeAll, target, basis, until: 500 };
    let side = |stage| OrderSide { terms: terms.clone(), issuer: Address::repeat_byte(6), stage };
    Effect {
        kind: Kind::ConfirmOrder,
        action: B256::repeat_byte(9),
        changes: vec![Change::Order { id: 7, before: side(OrderStage::Provisional), after: side(after) }],
        quorum: None,
    }
}

#[test]
fn the_bytes_of_a_vote_on_an_order_are_golden_and_have_one_form() {
    let effect = order_effect(OrderStage::Confirmed);
    assert_eq!(
        effect.digest().to_string(),
        "0x4085bcd84c9500cb2ac3a735de3d4c2bbad902503007746896c4d7699aebfdb8"
    );
    for effect in [effect, order_effect(OrderStage::Lifted), order_effect(OrderStage::InForce)] {
        check_form(&effect);
    }
}

#[test]
fn people_read_which_order_of_whom_is_confirmed() {
    let text = order_effect(OrderStage::Confirmed).to_string();
    let terms = "freeze-all of account 0x0505050505050505050505050505050505050505, through height 500; basis \"Order 7\"";
    assert!(text.contains(&format!("  order 7\n    - provisional: {terms}")), "{text}");
    assert!(text.contains(&format!("    + confirmed: {terms}")), "{text}");
    assert!(text.contains("; by regulator 0x0606060606060606060606060606060606060606"), "{text}");
}
