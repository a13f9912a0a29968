//! What rules watch.

use super::*;

#[test]
fn a_rule_on_any_contract_watches_each_of_them() {
    let mut world = World::new();
    let other =
        world.net.one(&world.developer.sign(&Say::deploy(token_init_code(50)))).contract_address.unwrap();
    let mut rule =
        serde_json::to_value(on_transfers(world.token, "any", json!({ "max_amount": "10" }))).unwrap();
    rule["contract"] = "any".into();
    set(&mut world.net, &[(serde_json::from_value(rule).unwrap(), 1)]);
    for token in [world.token, other] {
        world.net.one(&world.developer.sign(&pay(token, 10)));
        let receipt = world.net.try_one(&world.developer.sign(&pay(token, 11)));
        assert_eq!(violation(&receipt), Code::AmountAboveMax);
        assert_eq!(rules::RuleViolated::abi_decode(&receipt.output).unwrap().subject, token);
    }
    // A constructor's events are events; the contract was never made.
    let receipt = world.net.try_one(&world.developer.sign(&Say::deploy(token_init_code(11))));
    assert_eq!(violation(&receipt), Code::AmountAboveMax);
    let never = world.developer.address.create(receipt_nonce(&world));
    assert!(concordat_core::code(&world.net.state, never).unwrap().is_empty());
    world.net.one(&world.developer.sign(&Say::deploy(token_init_code(10))));
}

#[test]
fn rules_that_watch_the_same_all_count_and_the_first_violated_speaks() {
    let mut world = World::new();
    let count = |max: u64| json!({ "count": { "max": max, "window_secs": 600, "per": "account" } });
    let mut any = serde_json::to_value(on_transfers(world.token, "aa-any", count(1))).unwrap();
    any["contract"] = "any".into();
    let limits = [
        (serde_json::from_value(any).unwrap(), 1),
        (on_transfers(world.token, "bb-two", count(2)), 2),
        (on_transfers(world.token, "cc-watch", json!({ "max_amount": "0", "effect": "alert" })), 3),
    ];
    set(&mut world.net, &limits);
    let first = world.net.one(&world.developer.sign(&pay(world.token, 1)));
    assert_eq!(first.logs.len(), 2, "a transfer and an alert");
    // The rules of the contract come before those of any, so that both of these pass before the third refuses; the
    // alert that was raised is gone with the rest.
    let receipt = world.net.try_one(&world.developer.sign(&pay(world.token, 1)));
    assert_eq!(violation(&receipt), Code::TooOften);
    assert_eq!(rules::RuleViolated::abi_decode(&receipt.output).unwrap().id, "aa-any");
    for id in ["aa-any", "bb-two"] {
        let usage = rules::usageCall { id: id.into(), account: world.developer.address };
        assert_eq!(world.net.ask(RULES, &usage).count, 1, "what was undone is not counted");
    }
}

#[test]
fn a_rule_on_a_method_watches_transactions_and_calls_of_contracts() {
    let mut world = World::new();
    let router = world.deploy_rich(&hands_on(world.token, &[0xf1]));
    let fields = json!({ "amount": { "word": 1 }, "counterparty": { "word": 0 },
        "max_amount": "10", "counterparties": { "deny": [SANCTIONED] } });
    let rule = on_method(&world.token.to_string(), "transfer(address,uint256)", "method", fields);
    set(&mut world.net, &[(rule, 5)]);
    for to in [world.token, router] {
        let say = |say: Say| Say { to: TxKind::Call(to), ..say };
        let receipt = world.net.one(&world.developer.sign(&say(pay(world.token, 10))));
        assert_eq!(receipt.logs.len(), 1, "no mark is left among the events");
        let receipt = world.net.try_one(&world.developer.sign(&say(pay(world.token, 11))));
        assert_eq!(violation(&receipt), Code::AmountAboveMax);
        let denied = world.developer.sign(&say(transfer(world.token, SANCTIONED, 1)));
        assert_eq!(violation(&world.net.try_one(&denied)), Code::CounterpartyDenied);
    }
    // Another method, and too few arguments.
    let approve = Say { to: TxKind::Call(world.token), input: hex!("095ea7b3").into(), gas: 100_000 };
    assert_eq!(world.net.try_one(&world.developer.sign(&approve)).outcome, Outcome::Reverted);
    let view = Say::call(world.token, &Token::balanceOfCall { owner: SHOP });
    world.net.one(&world.developer.sign(&view));
}

#[test]
fn calls_that_reverted_were_never_made_and_delegated_ones_are_none() {
    let mut world = World::new();
    let reverting = world.deploy(&hands_on_and_reverts(world.token));
    let swallowing = world.deploy(&hands_on(reverting, &[0xf1]));
    let delegating = world.deploy(&hands_on(world.token, &[0xf4, 0xf2]));
    let reading = world.deploy(&hands_on(world.token, &[0xfa]));
    let count = json!({ "count": { "max": 0, "window_secs": 60, "per": "account" } });
    let rule = on_method(&world.token.to_string(), "balanceOf(address)", "reads", count);
    set(&mut world.net, &[(rule, 5)]);
    let say =
        |to: Address| Say { to: TxKind::Call(to), ..Say::call(to, &Token::balanceOfCall { owner: SHOP }) };
    world.net.one(&world.developer.sign(&say(swallowing)));
    world.net.one(&world.developer.sign(&say(delegating)));
    violation(&world.net.try_one(&world.developer.sign(&say(reading))));
    violation(&world.net.try_one(&world.developer.sign(&say(world.token))));
    // Where nobody is, nobody is called.
    let nobody = Address::repeat_byte(3);
    let count = json!({ "count": { "max": 0, "window_secs": 60, "per": "account" } });
    set(&mut world.net, &[(on_method(&nobody.to_string(), "balanceOf(address)", "reads", count), 5)]);
    world.net.one(&world.developer.sign(&say(nobody)));
}

/// Code that stops if the input begins with a selector; otherwise it hands its input without the first four bytes on to
/// itself by DELEGATECALL, as a multicall does.
fn multicall(selector: [u8; 4]) -> Vec<u8> {
    let head = [&hex!("5f3560e01c63")[..], &selector].concat();
    // eq; jumpi; calldatacopy(0, 4, size - 4); delegatecall(gas, this, 0, size - 4, 0, 0)
    let tail = hex!("146021576004360360045f375f5f600436035f305af4005b00");
    [&head[..], &tail].concat()
}

#[test]
fn a_contract_that_delegates_to_itself_calls_its_own_method() {
    let mut world = World::new();
    let selector = Token::balanceOfCall::SELECTOR;
    let contract = world.deploy(&multicall(selector));
    let count = json!({ "count": { "max": 0, "window_secs": 60, "per": "account" } });
    set(&mut world.net, &[(on_method(&contract.to_string(), "balanceOf(address)", "reads", count), 5)]);
    let direct = Say { to: TxKind::Call(contract), input: selector.into(), gas: 100_000 };
    violation(&world.net.try_one(&world.developer.sign(&direct)));
    let wrapped = Say { input: [&[0; 4][..], &selector].concat().into(), ..direct };
    violation(&world.net.try_one(&world.developer.sign(&wrapped)));
}

#[test]
fn no_rule_hinders_system_contracts() {
    let (mut net, members) = Consortium::governed();
    let count = json!({ "count": { "max": 0, "window_secs": 60, "per": "account" } });
    let mut limits = Vec::new();
    for (id, event) in [
        ("ea", "AccountEnrolled(address,string,string,bytes32)"),
        ("eb", "ProposalOpened(uint64,uint8,address,bytes32,uint64)"),
    ] {
        let mut rule = serde_json::to_value(on_transfers(SHOP, id, count.clone())).unwrap();
        (rule["contract"], rule["event"]) = ("any".into(), event.into());
        limits.push((serde_json::from_value(rule).unwrap(), 1));
    }
    for (id, method) in [("ma", "propose(uint8,bytes)"), ("mb", "enrol(bytes[])")] {
        limits.push((on_method("any", method, id, count.clone()), 1));
    }
    set(&mut net, &limits);
    let operator = net.actor("bank-a", Role::Operator);
    let action = concordat_governance::Action::RepealLimit { id: "ma".into() };
    let call = concordat_core::governance::abi::IGovernance::proposeCall {
        kind: action.kind().code(),
        payload: action.encode(),
    };
    net.one(&members[0].sign(&Say::governance(&call)));
    for contract in [IDENTITY_REGISTRY, GOVERNANCE] {
        let mut rule = serde_json::to_value(on_transfers(SHOP, "ab", json!({ "max_amount": "1" }))).unwrap();
        rule["contract"] = contract.to_string().into();
        let error = serde_json::from_value::<Limit>(rule).unwrap_err().to_string();
        assert!(error.contains("concerns the system contract"), "{error}");
    }
    net.one(&operator.sign(&Say { to: TxKind::Call(SHOP), input: Bytes::new(), gas: 30_000 }));
}

#[test]
fn the_contract_tells_rules_and_refuses_what_is_none_of_its_business() {
    let mut world = World::new();
    assert!(world.net.ask(RULES, &rules::limitsCall {}).is_empty());
    assert!(world.net.ask(RULES, &rules::digestCall {}).is_zero());
    assert_eq!(world.net.ask(RULES, &rules::versionCall {}), 1);
    let limit = on_transfers(world.token, "limit", json!({ "max_amount": "5" }));
    let other = on_transfers(world.token, "also", json!({ "max_amount": "5" }));
    set(&mut world.net, &[(limit.clone(), 41), (other, 42)]);
    assert_eq!(world.net.ask(RULES, &rules::limitsCall {}), ["also", "limit"]);
    assert!(!world.net.ask(RULES, &rules::digestCall {}).is_zero());
    let told = world.net.ask(RULES, &rules::limitCall { id: "limit".into() });
    assert_eq!(Limit::decode(&told.rule), Ok(limit));
    assert_eq!((told.reason.as_str(), told.proposal), ("a test", 41));
    for id in ["nobody-set-it", "Not an id"] {
        let outcome = world.net.ask_raw(RULES, &rules::limitCall { id: id.into() });
        assert_eq!(outcome.output[..4], rules::UnknownRule::SELECTOR);
    }
    let outcome = world.net.ask_raw(RULES, &rules::usageCall { id: "limit".into(), account: SHOP });
    assert_eq!(outcome.output[..4], rules::NotEnrolled::SELECTOR);
    for input in [vec![], vec![1, 2, 3, 4], vec![0; 2_000]] {
        let request = CallRequest { to: Some(RULES), input: input.into(), ..CallRequest::default() };
        let outcome = call(&world.net.state, &world.net.env(), &request).unwrap();
        assert_eq!(outcome.output[..4], rules::MalformedCall::SELECTOR);
    }
    // Contracts may ask as well: a router that hands the question on.
    let router = world.deploy(&hands_on(RULES, &[0xf1, 0xfa]));
    let say = Say { to: TxKind::Call(router), ..Say::call(RULES, &rules::limitsCall {}) };
    world.net.one(&world.developer.sign(&say));
}

#[test]
fn without_rules_nothing_changes_and_other_contracts_go_on() {
    let mut world = World::with(json!({ "max_amount": "0" }));
    let receipt = world.net.one(&world.developer.sign(&Say::deploy(bytecode("Probe").into())));
    let probe = receipt.contract_address.unwrap();
    world.net.one(&world.developer.sign(&Say::call(probe, &Probe::nestedCall {})));
    let fails = Say::call(probe, &Probe::failCall { why: "so".into() });
    assert_eq!(world.net.try_one(&world.developer.sign(&fails)).outcome, Outcome::Reverted);
    set(&mut world.net, &[]);
    world.net.one(&world.developer.sign(&pay(world.token, 1)));
}
