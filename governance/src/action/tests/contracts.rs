//! Actions on contracts: freezes, attributes, deployments.

use super::*;

#[test]
fn an_administrator_is_told_with_its_contract_and_nothing_else() {
    for count in [0, 1, 3] {
        let payload = wire::encode(&vec![Address::ZERO; count]);
        let decoded = Action::decode(Kind::SetContractAdministrator, &payload);
        assert_eq!(decoded, Err(ActionError::Malformed(Kind::SetContractAdministrator)));
    }
}

#[test]
fn orders_on_contracts_say_why() {
    let (contract, basis) = (Address::repeat_byte(7), Basis { document: B256::ZERO, reference: " ".into() });
    for action in [
        Action::FreezeContract { contract, basis: basis.clone(), until: 0 },
        Action::UnfreezeContract { contract, basis: basis.clone() },
        Action::RetireContract { contract, basis: basis.clone() },
        Action::EmergencyFreezeContract { contract, basis },
    ] {
        assert_eq!(refused(action), ActionError::Text("the reference"));
    }
}

#[test]
fn attributes_are_within_bounds_and_readable() {
    let set = |change: fn(&mut Attributes)| {
        let mut attributes = attributes();
        change(&mut attributes);
        Action::SetAttributes { contract: Address::ZERO, attributes }
    };
    let property = Property { text: "safe".into(), proof: B256::ZERO };
    let most = Attributes { properties: vec![property; MAX_PROPERTIES], rating: MAX_RATING, ..attributes() };
    assert_eq!(Action::SetAttributes { contract: Address::ZERO, attributes: most }.validate(), Ok(()));
    assert_eq!(set(|it| it.properties.clear()).validate(), Ok(()));
    assert_eq!(refused(set(|it| it.rating = 101)), ActionError::Rating { have: 101 });
    let many = set(|it| it.properties = vec![it.properties[0].clone(); 17]);
    assert_eq!(refused(many), ActionError::Properties { have: 17 });
    for (action, what) in [
        (set(|it| it.auditor = String::new()), "the auditor"),
        (set(|it| it.compiler = "solc\n".into()), "the compiler"),
        (set(|it| it.properties[0].text = " safe".into()), "a property"),
    ] {
        assert_eq!(refused(action), ActionError::Text(what));
    }
    let long = refused(set(|it| it.properties[0].text = "x".repeat(101)));
    assert_eq!(long, ActionError::TooLong { what: "a property", have: 101, most: 100 });
    let basis = Basis { document: B256::ZERO, reference: String::new() };
    let revoke = Action::RevokeAttributes { contract: Address::ZERO, basis };
    assert_eq!(refused(revoke), ActionError::Text("the reference"));
}

#[test]
fn attributes_hold_through_their_last_second() {
    let until = attributes();
    assert!(until.holds(500) && !until.holds(501));
    assert!(Attributes { valid_until: 0, ..until }.holds(u64::MAX));
}

#[test]
fn deployments_name_reviewers_in_order_and_no_more_than_may_be() {
    let with = |reviewers: std::ops::Range<u8>| {
        let reviewers = reviewers.map(Address::repeat_byte).collect();
        Action::DeployContract(Deployment { reviewers, ..deployment() })
    };
    assert_eq!(with(0..8).validate(), Ok(()));
    for (reviewers, have) in [(0..0, 0), (0..9, 9)] {
        assert_eq!(refused(with(reviewers)), ActionError::Reviewers { have });
    }
    let [one, two] = [1, 2].map(Address::repeat_byte);
    for reviewers in [vec![two, one], vec![one, one]] {
        let action = Action::DeployContract(Deployment { reviewers, ..deployment() });
        assert_eq!(refused(action), ActionError::Unordered { what: "the reviewers" });
    }
    let reports = vec![B256::ZERO; 9];
    let action = Action::DeployContract(Deployment { reports, ..deployment() });
    assert_eq!(refused(action), ActionError::Reports { have: 9 });
    let action = Action::DeployContract(Deployment { compiler: String::new(), ..deployment() });
    assert_eq!(refused(action), ActionError::Text("the compiler"));
}

#[test]
fn the_rule_on_approvals_has_one_form() {
    let required = |payload: &[u8]| Action::decode(Kind::RequireApproval, payload);
    assert_eq!(required(&[0xc1, 0x80]), Ok(Action::RequireApproval { required: false }));
    for payload in [&[0xc1, 0x00][..], &[0xc1, 0x02], &[0xc2, 0x01, 0x01], &[0xc0], &[0x01]] {
        assert_eq!(required(payload), Err(ActionError::Malformed(Kind::RequireApproval)));
    }
}
