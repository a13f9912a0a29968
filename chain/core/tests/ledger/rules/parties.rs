//! Whom rules bind.

use super::*;

#[test]
fn lists_of_counterparties_allow_and_deny() {
    let mut world = World::with(json!({ "counterparties": { "deny": [SANCTIONED] } }));
    let receipt = world.net.try_one(&world.developer.sign(&transfer(world.token, SANCTIONED, 1)));
    assert_eq!(violation(&receipt), Code::CounterpartyDenied);
    world.net.one(&world.developer.sign(&pay(world.token, 1)));
    let allow = on_transfers(world.token, "limit", json!({ "counterparties": { "allow": [SHOP] } }));
    set(&mut world.net, &[(allow, 1)]);
    world.net.one(&world.developer.sign(&pay(world.token, 1)));
    let receipt = world.net.try_one(&world.developer.sign(&transfer(world.token, SANCTIONED, 1)));
    assert_eq!(violation(&receipt), Code::CounterpartyNotAllowed);
}

#[test]
fn a_list_of_counterparties_binds_every_key_of_an_identity() {
    let mut world = World::new();
    let batch = world.deploy_rich(&hands_on(world.token, &[0xf1, 0xf1]));
    let registrars = registrars(&mut world.net);
    let old = world.net.actor("bank-a", Role::Operator);
    let new = holder(&mut world.net, "bank-a", Role::Operator, "someone", "new key");
    replace(&mut world.net, &registrars, &old, &new);
    let pay = |world: &mut World, to: &Actor| {
        world.net.try_one(&world.developer.sign(&transfer(world.token, to.address, 1)))
    };
    // Whichever of its accounts the list names, and whichever is paid.
    for (named, denied) in [(&old, [&old, &new].as_slice()), (&new, &[&new])] {
        let list = json!({ "counterparties": { "deny": [named.address] } });
        set(&mut world.net, &[(on_transfers(world.token, "limit", list), 1)]);
        for to in denied {
            assert_eq!(violation(&pay(&mut world, to)), Code::CounterpartyDenied);
        }
    }
    let list = json!({ "counterparties": { "allow": [old.address] } });
    set(&mut world.net, &[(on_transfers(world.token, "limit", list), 2)]);
    assert!(pay(&mut world, &new).outcome.succeeded());
    // The row that this reads is paid for, once in a transaction.
    let say = Say { to: TxKind::Call(batch), ..transfer(world.token, new.address, 1) };
    let with = world.net.one(&world.developer.sign(&say)).gas_used;
    let all = json!({ "max_amount": "5" });
    set(&mut world.net, &[(on_transfers(world.token, "limit", all), 3)]);
    let without = world.net.one(&world.developer.sign(&say)).gas_used;
    assert_eq!(with, without + gas::ROW_READ);
}

#[test]
fn a_rule_that_names_a_later_key_of_an_identity_is_refused_and_told_the_identity() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = net.actor("bank-a", Role::Operator);
    let new = holder(&mut net, "bank-a", Role::Operator, "someone", "new key");
    replace(&mut net, &registrars, &old, &new);
    let proposal = |fields: Value| {
        let limit = on_transfers(SHOP, "limit", fields);
        concordat_governance::Action::SetLimit { id: "limit".into(), limit: limit.encode().into() }
    };
    for fields in [
        json!({ "max_amount": "1", "binds": { "account": new.address } }),
        json!({ "counterparties": { "deny": [SANCTIONED, new.address] } }),
    ] {
        assert_eq!(proposal_refused(&mut net, &members[0], &proposal(fields)), 76);
    }
    let fine = proposal(json!({ "max_amount": "1", "binds": { "account": old.address } }));
    let call = concordat_core::governance::abi::IGovernance::proposeCall {
        kind: fine.kind().code(),
        payload: fine.encode(),
    };
    net.one(&members[0].sign(&Say::governance(&call)));
}

#[test]
fn a_key_that_a_rule_names_in_advance_becomes_nobodys_later_key() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = net.actor("bank-a", Role::Operator);
    let new = holder(&mut net, "bank-a", Role::Operator, "someone", "new key");
    for fields in [
        json!({ "max_amount": "1", "binds": { "account": new.address } }),
        json!({ "counterparties": { "deny": [SANCTIONED, new.address] } }),
    ] {
        let limit = on_transfers(SHOP, "limit", fields);
        let set = concordat_governance::Action::SetLimit { id: "limit".into(), limit: limit.encode().into() };
        pass(&mut net, &members, &set);
        let receipt = net.try_one(&registrars[0].sign(&request_recovery(&old, &new)));
        let named = concordat_core::abi::IIdentityRegistry::KeyNamed::abi_decode(&receipt.output).unwrap();
        assert_eq!((named.account, named.by.as_str()), (new.address, "rule limit"));
    }
    pass(&mut net, &members, &concordat_governance::Action::RepealLimit { id: "limit".into() });
    replace(&mut net, &registrars, &old, &new);
}

#[test]
fn hours_go_by_the_time_of_the_block() {
    let mut world = World::with(json!({ "hours": { "from": "08:00", "to": "18:00" } }));
    let midnight = world.net.time_secs - world.net.time_secs % 86_400 + 86_400;
    for (at, open) in [(28_799, false), (28_800, true), (64_799, true), (64_800, false)] {
        world.net.time_secs = midnight + at;
        let receipt = world.net.try_one(&world.developer.sign(&pay(world.token, 1)));
        assert_eq!(receipt.outcome.succeeded(), open, "{at} s after midnight");
        assert!(open || violation(&receipt) == Code::OutsideHours);
    }
}

#[test]
fn a_rule_binds_an_organisation_or_an_account_and_nobody_else() {
    let mut world = World::with(json!({ "max_amount": "0", "binds": { "organisation": "bank-b" } }));
    world.net.one(&world.developer.sign(&pay(world.token, 1)));
    violation(&world.net.try_one(&world.stranger.sign(&pay(world.token, 1))));
    let fields = json!({ "max_amount": "0", "binds": { "account": world.developer.address } });
    set(&mut world.net, &[(on_transfers(world.token, "limit", fields), 1)]);
    violation(&world.net.try_one(&world.developer.sign(&pay(world.token, 1))));
    world.net.one(&world.colleague.sign(&pay(world.token, 1)));
    world.net.one(&world.stranger.sign(&pay(world.token, 1)));
}
