//! What questions cost.

use super::*;

#[test]
fn each_question_of_a_contract_costs_gas_once_more_than_again() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    let nobody = Address::repeat_byte(9);
    let cost = |net: &mut Consortium, times: usize| {
        // Calls an empty account so many times.
        let mut code = Vec::new();
        for _ in 0..times {
            code.extend_from_slice(&[0x5f, 0x5f, 0x5f, 0x5f, 0x73]);
            code.extend_from_slice(nobody.as_slice());
            code.extend_from_slice(&[0x5a, 0xfa, 0x50]);
        }
        code.push(0x00);
        code.extend_from_slice(&RETURN_OR_REVERT);
        let router = deploy(net, &developer, deployment(&code));
        net.one(&developer.sign(&to(router))).gas_used
    };
    let [none, once, twice] = [0, 1, 2].map(|times| cost(&mut net, times));
    // Five pushes, GAS and POP; a cold account is 2,600, a warm one 100. The contract's row is read once.
    let asking = gas::PERMISSION + gas::ROW_READ;
    assert_eq!(once - none, 4 * 2 + 3 + 2 + 2 + 2_600 + asking);
    assert_eq!(twice - once, 4 * 2 + 3 + 2 + 2 + 100 + gas::PERMISSION_AGAIN);
}

/// Policies on all calls of a contract: so many, each with a condition of three terms that never holds.
fn conditions(on: Address, count: u64) -> Vec<EnactedPolicy> {
    let rule = |number: u64| {
        let scope = format!("principal, action == Action::\"call\", resource == {}", contract(on));
        policy(
            &format!("rule-{number}"),
            &format!("forbid ({scope}) when {{ context.method == \"\" }};"),
            number,
        )
    };
    (1..=count).map(rule).collect()
}

/// `context.method == ""`: a comparison, an attribute of a variable, and a text.
const CONDITION_TERMS: u64 = 4;

#[test]
fn questions_cost_more_the_more_enacted_policies_they_concern() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let router = deploy(&mut net, &developer, caller(0xf1, probe));
    let direct = Say::call(probe, &Probe::counterCall {});
    let through = Say { to: TxKind::Call(router), ..direct.clone() };
    let cost = |net: &mut Consortium, say: &Say| net.one(&developer.sign(say)).gas_used;
    let [free, free_through] = [&direct, &through].map(|say| cost(&mut net, say));
    let one = gas::POLICY + CONDITION_TERMS * gas::POLICY_TERM;
    for count in [1, 5] {
        enact(&mut net, &conditions(probe, count));
        assert_eq!(cost(&mut net, &direct), free + count * one, "a transaction of its own");
        assert_eq!(cost(&mut net, &through), free_through + count * one, "a call out of a contract");
    }
    // Policies about other contracts cost nothing, nor do all of them where a contract of the chain is called.
    enact(&mut net, &conditions(Address::repeat_byte(9), 50));
    assert_eq!(cost(&mut net, &direct), free);
    let version = Say::call(PERMISSIONS, &permissions::versionCall {});
    let before = cost(&mut net, &version);
    let all = "forbid (principal, action == Action::\"call\", resource) when { context.method == \"\" };";
    enact(&mut net, &[policy("all", all, 1)]);
    assert_eq!((cost(&mut net, &version), cost(&mut net, &direct)), (before, free + one));
}

#[test]
fn who_cannot_pay_for_the_policies_is_asked_for_more_and_estimates_suffice() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let router = deploy(&mut net, &developer, caller(0xf1, probe));
    enact(&mut net, &conditions(probe, 40));
    let asking = 40 * (gas::POLICY + CONDITION_TERMS * gas::POLICY_TERM);
    let want = refused_gas(&[], 0) + asking;
    let poor = developer.sign_at(&to(probe).gas(want - 1), developer.nonce.get());
    assert_eq!(net.invalid(&poor), TxInvalid::IntrinsicGas { have: want - 1, want });
    let error = asked(&net, &poor).unwrap_err();
    assert_eq!(error, TxInvalid::IntrinsicGas { have: want - 1, want }.into());
    // It begins, and has nothing left for what it does.
    let receipt = net.try_one(&developer.sign(&to(probe).gas(want)));
    assert!(receipt.gas_used >= want, "{receipt:?}");
    for callee in [probe, router] {
        let input: Bytes = Probe::counterCall {}.abi_encode().into();
        let request = concordat_core::CallRequest {
            from: developer.address,
            to: Some(callee),
            input: input.clone(),
            ..Default::default()
        };
        let gas = concordat_core::estimate_gas(&net.state, &net.env(), &request).unwrap();
        let receipt = net.one(&developer.sign(&Say { to: TxKind::Call(callee), input, gas }));
        let called = concordat_core::call(&net.state, &net.env(), &request).unwrap();
        assert_eq!(called.gas_used, receipt.gas_used);
        // Who is not enrolled has no policies to ask.
        let stranger = concordat_core::CallRequest { from: Address::repeat_byte(7), ..request };
        let called = concordat_core::call(&net.state, &net.env(), &stranger).unwrap();
        assert_eq!(called.gas_used, receipt.gas_used - asking);
    }
    let creation =
        "forbid (principal, action == Action::\"deploy\", resource) when { context.method == \"x\" };";
    enact(&mut net, &[policy("creation", creation, 1)]);
    let want = 53_000 + gas::CONTRACT_MADE + gas::POLICY + CONDITION_TERMS * gas::POLICY_TERM;
    let poor = developer.sign_at(&Say::deploy(Bytes::new()).gas(want - 1), developer.nonce.get());
    assert_eq!(net.invalid(&poor), TxInvalid::IntrinsicGas { have: want - 1, want });
    assert_eq!(net.one(&developer.sign(&Say::deploy(Bytes::new()).gas(want))).gas_used, want);
}

#[test]
fn a_frame_that_cannot_pay_for_its_question_runs_out_of_gas() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    // staticcall(2999, 0x0909…) and returns its success.
    let mut code = vec![0x5f, 0x5f, 0x5f, 0x5f, 0x73];
    code.extend_from_slice(Address::repeat_byte(9).as_slice());
    code.extend_from_slice(&[0x61, 0x0b, 0xb7, 0xfa]);
    code.extend_from_slice(&RETURN_OR_REVERT);
    let router = deploy(&mut net, &developer, deployment(&code));
    let receipt = net.try_one(&developer.sign(&to(router)));
    assert_eq!((receipt.outcome, receipt.output.len()), (Outcome::Reverted, 0));
}

#[test]
fn reads_are_open_and_estimates_suffice() {
    let mut net = Consortium::new();
    let (developer, target) = net.deploy(bytecode("Probe").into());
    let router = deploy(&mut net, &developer, caller(0xf1, target));
    let request = concordat_core::CallRequest {
        from: developer.address,
        to: Some(router),
        input: Probe::counterCall {}.abi_encode().into(),
        ..Default::default()
    };
    let gas = concordat_core::estimate_gas(&net.state, &net.env(), &request).unwrap();
    let say = Say { to: TxKind::Call(router), input: request.input.clone(), gas };
    net.one(&developer.sign(&say));
    enact(&mut net, &[forbid("call", target)]);
    let outcome = concordat_core::call(&net.state, &net.env(), &request).unwrap();
    assert_eq!(outcome.status, CallStatus::Success);
}

#[test]
fn a_precompile_that_a_transaction_calls_gets_what_paying_for_the_policies_leaves() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    let sha256 = Address::with_last_byte(2);
    enact(&mut net, &conditions(sha256, 40));
    let asking = 40 * (gas::POLICY + CONDITION_TERMS * gas::POLICY_TERM);
    let input: Bytes = vec![1, 2, 3, 4].into();
    let say = |gas| Say { to: TxKind::Call(sha256), input: input.clone(), gas };
    let (want, work) = (refused_gas(&input, asking), 60 + 12);
    let poor = developer.sign_at(&say(want - 1), developer.nonce.get());
    assert_eq!(net.invalid(&poor), TxInvalid::IntrinsicGas { have: want - 1, want });
    // Before it paid first, a limit that covers either of the two sufficed for both.
    let short = net.try_one(&developer.sign(&say(want + work - 1)));
    assert_eq!((short.outcome, short.gas_used), (Outcome::Halted, want + work - 1));
    assert_eq!(net.one(&developer.sign(&say(want + work))).gas_used, want + work);
    assert_eq!(net.one(&developer.sign(&say(100_000))).gas_used, want + work, "the rest comes back");
}
