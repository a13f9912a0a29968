//! What rules cost, and what those who only ask are told.

use super::*;

#[test]
fn what_rules_cost_is_charged_and_other_rules_cost_nothing() {
    let mut world = World::new();
    // What comes first makes balances warm in no way; each transfer is to somebody who has some already.
    world.net.one(&world.developer.sign(&pay(world.token, 1)));
    let mut cost = |limits: &[(Limit, u64)]| {
        set(&mut world.net, limits);
        world.net.one(&world.developer.sign(&pay(world.token, 1))).gas_used
    };
    let token = world.token;
    let count = json!({ "count": { "max": 9, "window_secs": 60, "per": "account" } });
    let free = cost(&[]);
    assert_eq!(cost(&[(on_transfers(SHOP, "elsewhere", count.clone()), 1)]), free);
    assert_eq!(cost(&[(on_transfers(token, "amount", json!({ "max_amount": "5" })), 1)]), free + gas::RULE);
    let row = gas::ROW_READ + gas::ROW_WRITE;
    assert_eq!(cost(&[(on_transfers(token, "count", count.clone()), 1)]), free + gas::RULE + row);
    let alert = on_transfers(token, "alert", json!({ "max_amount": "0", "effect": "alert" }));
    assert_eq!(cost(&[(alert, 1)]), free + gas::RULE + gas::EVENT);
    let method = on_method(&token.to_string(), "transfer(address,uint256)", "method", count);
    assert_eq!(cost(&[(method, 2)]), free + gas::RULE + row);
    let others = json!({ "max_amount": "0", "binds": { "organisation": "bank-b" } });
    assert_eq!(cost(&[(on_transfers(token, "others", others), 1)]), free + gas::RULE);
}

#[test]
fn who_cannot_pay_for_the_rules_runs_out_of_gas_and_an_estimate_suffices() {
    let count = json!({ "max": 9, "window_secs": 60, "per": "account" });
    let mut world = World::with(json!({ "count": count }));
    world.net.one(&world.developer.sign(&pay(world.token, 1)));
    let used = world.net.one(&world.developer.sign(&pay(world.token, 1))).gas_used;
    let outcome = world.net.block(&[world.developer.sign(&pay(world.token, 1).gas(used - 1))]);
    let receipt = &outcome.receipts[0];
    assert_eq!((receipt.outcome, receipt.gas_used, receipt.logs.len()), (Outcome::Halted, used - 1, 0));
    assert_eq!(effects(&outcome), [&StateKey::account(world.developer.address)]);
    world.net.one(&world.developer.sign(&pay(world.token, 1).gas(used)));
    let request = request(&world, pay(world.token, 1));
    let gas = estimate_gas(&world.net.state, &world.net.env(), &request).unwrap();
    assert!((used..used + used / 32).contains(&gas), "{gas} for {used}");
    world.net.one(&world.developer.sign(&pay(world.token, 1).gas(gas)));
    // A frame that cannot pay for being watched runs out of gas as well.
    let rule =
        on_method(&world.token.to_string(), "transfer(address,uint256)", "method", json!({ "count": count }));
    set(&mut world.net, &[(rule, 1)]);
    let receipt = world.net.try_one(&world.developer.sign(&pay(world.token, 1).gas(22_900)));
    assert_eq!((receipt.outcome, receipt.gas_used), (Outcome::Halted, 22_900));
}

#[test]
fn whoever_asks_is_told_of_the_violation_if_it_is_enrolled() {
    let world = World::with(json!({ "max_amount": "5" }));
    let (state, env) = (&world.net.state, world.net.env());
    let asked = request(&world, pay(world.token, 6));
    let outcome = call(state, &env, &asked).unwrap();
    assert_eq!(outcome.status, CallStatus::Reverted);
    let error = rules::RuleViolated::abi_decode(&outcome.output).unwrap();
    assert_eq!(error.code, Code::AmountAboveMax.code());
    let estimated = estimate_gas(state, &env, &asked).unwrap_err();
    assert_eq!(estimated, EstimateError::Reverted { output: outcome.output.clone() });
    let trace = trace_call(state, &env, &asked, 1 << 20).unwrap();
    assert_eq!((trace.output, trace.logs.len()), (outcome.output, 0));
    assert_eq!(call(state, &env, &request(&world, pay(world.token, 5))).unwrap().status, CallStatus::Success);
    // Who is not enrolled is bound by no rule; it could not send the transaction either.
    let nobody = CallRequest { from: Address::repeat_byte(1), ..request(&world, pay(world.token, 0)) };
    assert_eq!(call(state, &env, &nobody).unwrap().status, CallStatus::Success);
}

#[test]
fn a_trace_shows_what_the_rules_did_and_no_marks() {
    let mut world = World::new();
    let router = world.deploy_rich(&hands_on(world.token, &[0xf1]));
    let fields = json!({ "amount": { "word": 1 }, "max_amount": "10" });
    let rule = on_method(&world.token.to_string(), "transfer(address,uint256)", "method", fields);
    set(&mut world.net, &[(rule, 5)]);
    let say = |value| Say { to: TxKind::Call(router), ..pay(world.token, value) };
    let txs = [world.developer.sign(&say(10)), world.developer.sign(&say(11))];
    let trace = |preceding: &[VerifiedTx], tx| {
        trace_transaction(&world.net.state, world.net.env(), preceding, tx, 1 << 20).unwrap()
    };
    let traces = [trace(&[], &txs[0]), trace(&txs[..1], &txs[1])];
    let receipts = world.net.block(&txs).receipts;
    for (trace, receipt) in traces.iter().zip(&receipts) {
        assert_eq!((&trace.output, trace.gas_used.to::<u64>()), (&receipt.output, receipt.gas_used));
    }
    assert_eq!((traces[0].logs.len(), traces[0].calls[0].logs.len()), (0, 1));
    assert_eq!(traces[0].error, None);
    violation(&receipts[1]);
    assert_eq!(traces[1].error.as_deref(), Some("undone: a run-time rule is violated"));
    assert!(traces[1].calls[0].logs.is_empty(), "events of what was undone never happened");
}

#[test]
fn rules_that_cannot_be_read_are_no_verdict() {
    let world = World::with(json!({ "count": { "max": 9, "window_secs": 60, "per": "account" } }));
    let tx = world.developer.sign(&pay(world.token, 1));
    let counter = [&41_u64.to_be_bytes()[..], &[2], world.developer.address.as_slice()].concat();
    let [row, list, digest, counter] = [(0x50, &b"limit"[..]), (0x51, &[]), (0x52, &[]), (0x53, &counter)]
        .map(|(table, key)| StateKey::system(table, key));
    let mut ran = world.net.state.clone();
    ran.apply(&execute(&world.net, std::slice::from_ref(&tx)).changes);
    assert_eq!(hex::encode(&ran.values[&counter])[..2], *"c7", "the counter's key is golden");
    for (number, key) in [(1, &row), (2, &list), (3, &digest), (4, &counter)] {
        let mut broken = Consortium::start(vec![], world.net.genesis.clone());
        broken.state = world.net.state.clone();
        (broken.height, broken.time_secs) = (world.net.height, world.net.time_secs);
        if *key != counter {
            // Another set for each, or it would be known by its digest.
            let count = json!({ "count": { "max": number, "window_secs": 77, "per": "account" } });
            set(&mut broken, &[(on_transfers(world.token, "limit", count), 41)]);
        }
        broken.state.values.insert(key.clone(), vec![0xff]);
        let mut executor = broken.executor();
        let error = executor.execute(&tx).unwrap_err();
        assert!(matches!(error, ExecError::State(ReadError::Store { .. })), "{number}: {error:?}");
    }
}
