//! Actions on accounts, nodes and regulators.

use super::*;

#[test]
fn a_bar_is_lifted_from_an_account_or_a_node_and_from_nothing_else() {
    let lift = |target: &[u8]| {
        Action::decode(Kind::LiftBar, &wire::list(&[&Bytes::copy_from_slice(target), &basis()]))
    };
    let node = BarTarget::Node(B256::repeat_byte(3));
    assert_eq!(lift(&[3; 32]), Ok(Action::LiftBar { target: node, basis: basis() }));
    for length in [0, 1, 19, 21, 31, 33] {
        assert_eq!(lift(&vec![3; length]), Err(ActionError::Malformed(Kind::LiftBar)), "{length}");
    }
}

#[test]
fn recoveries_and_bars_name_where_their_reason_is_found() {
    let basis = Basis { document: B256::ZERO, reference: String::new() };
    let (account, chain) = (Address::ZERO, vec![Bytes::from_static(b"der")]);
    refused(Action::RecoverKey { account, chain, basis: basis.clone() });
    refused(Action::RecoverKey { account, chain: vec![], basis: self::basis() });
    refused(Action::BarAccount { account, basis: basis.clone() });
    refused(Action::BarNode { node_key: B256::ZERO, basis: basis.clone() });
    refused(Action::LiftBar { target: BarTarget::Account(account), basis });
}

#[test]
fn an_unknown_scope_is_no_freeze() {
    let payload = wire::list(&[&Address::ZERO, &3u8, &basis()]);
    let decoded = Action::decode(Kind::EmergencyFreeze, &payload);
    assert_eq!(decoded, Err(ActionError::Malformed(Kind::EmergencyFreeze)));
    assert!("most".parse::<Scope>().is_err() && Scope::from_code(0).is_none());
}

#[test]
fn a_mandate_that_is_none_is_no_payload() {
    let account = Address::repeat_byte(7);
    let admit = |mandate| Action::AdmitRegulator { account, mandate };
    let idle = Mandate { powers: BTreeSet::new(), ..mandate(account) };
    assert_eq!(refused(admit(idle)), ActionError::NoPowerOfRegulator);
    let nowhere = Mandate {
        organisations: Some(BTreeSet::new()),
        contracts: Some(BTreeSet::new()),
        ..mandate(account)
    };
    assert_eq!(refused(admit(nowhere)), ActionError::CoversNothing);
    let lawless = Mandate { jurisdiction: String::new(), ..mandate(account) };
    assert_eq!(refused(admit(lawless)), ActionError::Text("the jurisdiction"));
    let payload = hex::encode(admit(mandate(account)).encode());
    for (good, bad) in [("098201f4", "208201f4"), ("098201f4", "a98201f4")] {
        let bytes = hex::decode(payload.replace(good, bad)).unwrap();
        let malformed = Err(ActionError::Malformed(Kind::AdmitRegulator));
        assert_eq!(Action::decode(Kind::AdmitRegulator, &bytes), malformed, "an unknown power");
    }
}
