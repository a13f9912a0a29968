//! Policies decide on transactions, in the block and in the pool.

use super::*;

#[test]
fn an_enacted_policy_refuses_a_transaction_in_the_block_and_in_the_pool() {
    let mut net = Consortium::new();
    let (_, token) = net.deploy(token_init_code(10));
    let operator = net.actor("bank-b", Role::Operator);
    enact(&mut net, &[forbid("call", token)]);
    let tx = operator.sign(&Say::call(token, &Token::balanceOfCall { owner: token }));
    let Err(ExecError::Invalid(invalid)) = asked(&net, &tx) else { panic!("the pool took it") };
    assert_eq!(invalid.kind(), "not_permitted");
    assert_eq!(
        invalid.to_string(),
        "refused: not permitted: call is forbidden: not-there: a test (proposal 41)"
    );
    let receipt = net.try_one(&tx);
    assert_eq!(receipt.outcome, Outcome::NotPermitted);
    assert_eq!(receipt.gas_used, refused_gas(tx.input(), gas::POLICY));
    assert_eq!(told(&receipt.output), refusal(Action::Call, Code::Forbidden, "not-there", 41));
    assert_eq!(Receipt::decode(&receipt.encode()).unwrap(), receipt);
    // Its nonce is used up, and another contract is not meant.
    net.one(&operator.sign(&to(Address::repeat_byte(9))));
}

#[test]
fn a_policy_of_the_catalogue_that_is_switched_off_leaves_nothing_that_permits() {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(10));
    let operator = net.actor("bank-b", Role::Operator);
    let off =
        "permit (principal in Role::\"operator\", action == Action::\"call\", resource) when { false };";
    enact(&mut net, &[policy("operators-call", off, 7)]);
    let receipt = net.try_one(&operator.sign(&to(token)));
    assert_eq!(told(&receipt.output), refusal(Action::Call, Code::NotPermitted, "", 0));
    let off = "permit (principal, action == Action::\"deploy\", resource) when { false };";
    enact(&mut net, &[policy("developers-deploy", off, 8)]);
    let receipt = net.try_one(&developer.sign(&Say::deploy(token_init_code(1))));
    assert_eq!(told(&receipt.output), refusal(Action::Deploy, Code::NotPermitted, "", 0));
    let Err(ExecError::Invalid(TxInvalid::NotPermitted { denial })) =
        asked(&net, &developer.sign(&Say::deploy(token_init_code(1))))
    else {
        panic!("the pool took it")
    };
    assert_eq!(denial.to_string(), "no policy permits deploy");
}

#[test]
fn a_policy_on_a_method_lets_the_other_methods_be() {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(10));
    let rule = format!(
        "forbid (principal, action == Action::\"call\", resource == {}) when {{ context.method == \"0x{}\" }};",
        contract(token),
        hex::encode(Token::transferCall::SELECTOR)
    );
    enact(&mut net, &[policy("no-transfers", &rule, 3)]);
    let transfer = Token::transferCall { to: token, value: U256::from(1) };
    let receipt = net.try_one(&developer.sign(&Say::call(token, &transfer)));
    assert_eq!(told(&receipt.output), refusal(Action::Call, Code::Forbidden, "no-transfers", 3));
    net.one(&developer.sign(&Say::call(token, &Token::balanceOfCall { owner: token })));
}

#[test]
fn a_window_of_time_opens_and_closes_by_the_time_of_the_block() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-b", Role::Operator);
    let desk = Address::repeat_byte(9);
    let rule = format!(
        "forbid (principal, action == Action::\"call\", resource == {}) unless {{ context.time.toTime() >= \
         duration(\"8h\") && context.time.toTime() < duration(\"18h\") }};",
        contract(desk)
    );
    enact(&mut net, &[policy("office-hours", &rule, 41)]);
    let midnight = net.time_secs - net.time_secs % 86_400 + 86_400;
    for (seconds, open) in
        [(8 * 3_600 - 1, false), (8 * 3_600, true), (18 * 3_600 - 1, true), (18 * 3_600, false)]
    {
        net.time_secs = midnight + seconds;
        let receipt = net.try_one(&operator.sign(&to(desk)));
        let outcome = if open { Outcome::Success } else { Outcome::NotPermitted };
        assert_eq!(receipt.outcome, outcome, "{seconds} s after midnight");
    }
}

#[test]
fn what_cannot_be_decided_is_refused() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-b", Role::Operator);
    let rule = "permit (principal, action == Action::\"call\", resource) when { \
                (if context.internal then 1 else 9223372036854775807) + 1 > 0 };";
    enact(&mut net, &[policy("overflows", rule, 5)]);
    let receipt = net.try_one(&operator.sign(&to(Address::repeat_byte(9))));
    assert_eq!(told(&receipt.output), refusal(Action::Call, Code::Undecidable, "overflows", 5));
}

#[test]
fn system_contracts_answer_every_role_whatever_is_enacted() {
    let mut net = Consortium::new();
    let rule = "forbid (principal, action in [Action::\"call\", Action::\"deploy\"], resource);";
    for role in Role::ALL.iter().copied().filter(|role| role.holder() == concordat_types::Holder::Account) {
        let actor = net.actor("bank-a", role);
        enact(&mut net, &[policy("nothing", rule, 1)]);
        net.one(&actor.sign(&Say::call(PERMISSIONS, &permissions::versionCall {})));
        enact(&mut net, &[]);
    }
}

#[test]
fn the_contract_tells_policies_and_refuses_what_is_none_of_its_business() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-b", Role::Operator);
    let desk = Address::repeat_byte(9);
    let there_were = net.ask(PERMISSIONS, &permissions::policiesCall {});
    assert!(there_were.contains(&"exclusive-roles".to_owned()) && there_were.is_sorted());
    assert_eq!(net.ask(PERMISSIONS, &permissions::digestCall {}), B256::ZERO);
    let rule = forbid("call", desk);
    enact(&mut net, std::slice::from_ref(&rule));
    let there_are = net.ask(PERMISSIONS, &permissions::policiesCall {});
    assert_eq!(there_are.len(), there_were.len() + 1);
    assert_ne!(net.ask(PERMISSIONS, &permissions::digestCall {}), B256::ZERO);
    let told = net.ask(PERMISSIONS, &permissions::policyCall { id: "not-there".into() });
    assert_eq!((told.text, told.proposal), (rule.text, 41));
    let told = net.ask(PERMISSIONS, &permissions::policyCall { id: "exclusive-roles".into() });
    assert!(told.text.contains("forbid") && told.proposal == 0);
    let explain = |account, action, method: [u8; 4]| permissions::explainCall {
        account,
        action,
        contractAddress: desk,
        method: method.into(),
    };
    let told = net.ask(PERMISSIONS, &explain(operator.address, Action::Call.code(), [1; 4]));
    assert_eq!((told.allowed, told.code, told.policyId.as_str(), told.proposal), (false, 2, "not-there", 41));
    let told = net.ask(PERMISSIONS, &explain(operator.address, Action::StaticCall.code(), [0; 4]));
    assert_eq!(
        (told.allowed, told.code, told.policyId.as_str(), told.proposal),
        (true, 0, "operators-call", 0)
    );
    for (account, action, selector) in [
        (desk, 3, permissions::NotEnrolled::SELECTOR),
        (operator.address, 0, permissions::UnknownAction::SELECTOR),
    ] {
        let outcome = net.ask_raw(PERMISSIONS, &explain(account, action, [0; 4]));
        assert_eq!(outcome.status, CallStatus::Reverted);
        assert_eq!(outcome.output[..4], selector);
    }
    for id in ["nobody-wrote-it", "Not an id"] {
        let outcome = net.ask_raw(PERMISSIONS, &permissions::policyCall { id: id.into() });
        assert_eq!(outcome.output[..4], permissions::UnknownPolicy::SELECTOR);
    }
    for input in [vec![], vec![1, 2, 3, 4], vec![0; 2_000]] {
        let request =
            concordat_core::CallRequest { to: Some(PERMISSIONS), input: input.into(), ..Default::default() };
        let outcome = concordat_core::call(&net.state, &net.env(), &request).unwrap();
        assert_eq!(outcome.output[..4], permissions::MalformedCall::SELECTOR);
    }
}
