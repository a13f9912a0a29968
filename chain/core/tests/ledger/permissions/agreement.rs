//! Traces, executors and explanations agree with what execution does.

use super::*;

#[test]
fn a_trace_shows_what_execution_did() {
    let mut net = Consortium::new();
    let (developer, target) = net.deploy(bytecode("Probe").into());
    let router = deploy(&mut net, &developer, caller(0xf1, target));
    enact(&mut net, &[forbid("call", target)]);
    let inner =
        developer.sign(&Say { to: TxKind::Call(router), ..Say::call(target, &Probe::counterCall {}) });
    let direct = developer.sign(&Say::call(target, &Probe::counterCall {}));
    let trace = |preceding: &[VerifiedTx], tx: &VerifiedTx| {
        trace_transaction(&net.state, net.env(), preceding, tx, 1 << 20).unwrap()
    };
    let traces = [trace(&[], &inner), trace(std::slice::from_ref(&inner), &direct)];
    let receipts = net.block(&[inner, direct]).receipts;
    assert_eq!(traces[0].calls[0].output, receipts[0].output);
    let asking = [gas::PERMISSION, gas::ROW_READ, gas::POLICY];
    assert_eq!(traces[0].calls[0].gas_used.to::<u64>(), asking.iter().sum::<u64>());
    for (trace, receipt) in traces.iter().zip(&receipts) {
        assert_eq!((&trace.output, trace.gas_used.to::<u64>()), (&receipt.output, receipt.gas_used));
        assert!(trace.error.is_some());
    }
}

#[test]
fn a_set_that_cannot_be_loaded_is_no_verdict_and_never_a_permit() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-b", Role::Operator);
    let tx = operator.sign(&to(Address::repeat_byte(9)));
    let [row, list, digest] = [(0x30, "not-there".as_bytes()), (0x31, &[]), (0x32, &[])]
        .map(|(table, key)| StateKey::system(table, key));
    // Another contract for each, or the set would be known by its digest.
    for (number, key) in [(1, &row), (2, &list), (3, &digest)] {
        enact(&mut net, &[forbid("call", Address::repeat_byte(number))]);
        for bytes in [Some(vec![0xff]), None] {
            let mut broken = net.state.clone();
            match &bytes {
                Some(bytes) => drop(broken.values.insert(key.clone(), bytes.clone())),
                None if *key == digest => continue,
                None => drop(broken.values.remove(key)),
            }
            let mut executor = concordat_core::BlockExecutor::new(&broken, net.env()).unwrap();
            let error = executor.execute(&tx).unwrap_err();
            assert!(matches!(error, ExecError::State(ReadError::Store { .. })), "{error:?}");
            assert!(matches!(admission(&broken, &tx, &net.env()), Err(ExecError::State(_))));
        }
    }
    // Bytes that are in their form, but of no policy.
    enact(&mut net, &[policy("no-policy", "nonsense", 1)]);
    assert!(matches!(asked(&net, &tx), Err(ExecError::State(_))));
}

#[test]
fn two_executors_come_to_the_same_state() {
    let mut net = Consortium::new();
    let (developer, target) = net.deploy(bytecode("Probe").into());
    let router = deploy(&mut net, &developer, caller(0xf1, target));
    let operator = net.actor("bank-b", Role::Operator);
    enact(&mut net, &[forbid("call", target)]);
    let txs = [
        developer.sign(&Say { to: TxKind::Call(router), ..Say::call(target, &Probe::counterCall {}) }),
        operator.sign(&to(target)),
        operator.sign(&to(Address::repeat_byte(9))),
        developer.sign(&to(target)),
    ];
    let execute = |net: &Consortium| -> BlockOutcome {
        let mut executor = net.executor();
        txs.iter().for_each(|tx| drop(executor.execute(tx).unwrap().clone()));
        executor.finish().unwrap()
    };
    let one = execute(&net);
    // Other sets in between drive this one out of what the process remembers.
    for number in 10..20 {
        let mut other = Consortium::start(vec![], net.genesis.clone());
        other.state = net.state.clone();
        (other.height, other.time_secs) = (net.height, net.time_secs);
        enact(&mut other, &[forbid("call", Address::repeat_byte(number))]);
        execute(&other);
    }
    let other = execute(&net);
    assert_eq!(one, other);
    assert_eq!(digest(&one.changes), digest(&other.changes));
}

/// A world for random questions: accounts of every role, contracts that call each other, and policies.
struct World {
    net: Consortium,
    actors: Vec<(Role, Actor)>,
    targets: [Address; 2],
    /// By opcode and target.
    routers: Vec<(u8, Address, Address)>,
    creator: Address,
}

impl World {
    fn new() -> Self {
        let mut net = Consortium::new();
        let (developer, probe) = net.deploy(bytecode("Probe").into());
        let token = deploy(&mut net, &developer, token_init_code(5));
        let mut routers = Vec::new();
        for target in [probe, token] {
            for opcode in [0xf1, 0xf4, 0xfa] {
                routers.push((opcode, target, deploy(&mut net, &developer, caller(opcode, target))));
            }
        }
        let creator = deploy(&mut net, &developer, creator(0xf0));
        let accounts = Role::ALL.iter().filter(|role| role.holder() == concordat_types::Holder::Account);
        let mut actors = Vec::new();
        for (role, org) in accounts.flat_map(|role| [(*role, "bank-a"), (*role, "bank-b")]) {
            let actor = net.stranger(org, role, "of the world");
            net.enrol(&actor);
            actors.push((role, actor));
        }
        Self { net, actors, targets: [probe, token], routers, creator }
    }

    /// Some set of policies, by a number.
    fn policies(&self, number: u64) -> Vec<EnactedPolicy> {
        let contracts = self.targets.map(contract);
        let all = [
            format!("forbid (principal in Organisation::\"bank-b\", action == Action::\"call\", resource == {});", contracts[0]),
            "permit (principal in Role::\"operator\", action == Action::\"create\", resource);".to_owned(),
            format!("forbid (principal, action in [Action::\"staticcall\", Action::\"delegatecall\"], resource == {}) when {{ context.internal }};", contracts[1]),
            "forbid (principal, action == Action::\"call\", resource) when { context.method == \"\" };".to_owned(),
            format!("forbid (principal == Account::\"{}\", action in [Action::\"deploy\", Action::\"call\"], resource);", hex_address(self.actors[6].1.address)),
            "forbid (principal, action == Action::\"call\", resource) when { context.internal && (if context.method == \"\" then 1 else 9223372036854775807) + 1 > 0 };".to_owned(),
            "forbid (principal, action == Action::\"deploy\", resource) when { context.time.toTime() >= duration(\"12h\") };".to_owned(),
            format!("forbid (principal in Role::\"developer\", action == Action::\"call\", resource) when {{ context.caller == \"{}\" }};", hex_address(self.routers[0].2)),
        ];
        let chosen = all.iter().enumerate().filter(|(place, _)| number >> place & 1 == 1);
        chosen.map(|(place, rule)| policy(&format!("rule-{place}"), rule, 100 + place as u64)).collect()
    }
}

/// What somebody tries, and what would be asked about it, in the order of asking.
fn attempt(world: &World, what: usize, method: &[u8]) -> (Say, Vec<(Action, Address, Address)>) {
    let say = |to: TxKind| Say { to, input: Bytes::copy_from_slice(method), gas: 300_000 };
    match what {
        0 => (Say::deploy(Bytes::new()), vec![(Action::Deploy, Address::ZERO, Address::ZERO)]),
        1 => {
            let questions = vec![
                (Action::Call, world.creator, Address::ZERO),
                (Action::Create, Address::ZERO, world.creator),
            ];
            (say(TxKind::Call(world.creator)), questions)
        }
        2 => (say(TxKind::Call(PERMISSIONS)), vec![(Action::SystemCall, PERMISSIONS, Address::ZERO)]),
        3 | 4 => {
            let target = world.targets[what - 3];
            (say(TxKind::Call(target)), vec![(Action::Call, target, Address::ZERO)])
        }
        router => {
            let (opcode, target, router) = world.routers[router - 5];
            let action = match opcode {
                0xf1 => Action::Call,
                0xf4 => Action::DelegateCall,
                _ => Action::StaticCall,
            };
            (say(TxKind::Call(router)), vec![(Action::Call, router, Address::ZERO), (action, target, router)])
        }
    }
}

#[test]
fn explanations_agree_with_execution() {
    let mut world = World::new();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let cases =
        (0..12_usize, 0..11_usize, 0..256_u64, prop::sample::select(vec![0_usize, 4, 36]), any::<bool>());
    let mut seen = std::collections::BTreeMap::<&str, u32>::new();
    for _ in 0..2_000 {
        let (who, what, set, length, late) = Strategy::new_tree(&cases, &mut runner).unwrap().current();
        let policies = world.policies(set);
        enact(&mut world.net, &policies);
        let day = world.net.time_secs - world.net.time_secs % 86_400;
        world.net.time_secs = day + if late { 13 * 3_600 } else { 11 * 3_600 } + 86_400 * u64::from(day == 0);
        let method = [&Probe::counterCall::SELECTOR[..], &[0; 32]].concat();
        let (say, questions) = attempt(&world, what, &method[..length]);
        let (role, actor) = &world.actors[who];
        let first_no = questions.iter().find_map(|(action, to, caller)| {
            let explained = world.net.ask(
                PERMISSIONS,
                &permissions::explainInputCall {
                    account: actor.address,
                    action: action.code(),
                    contractAddress: *to,
                    input: say.input.clone(),
                    caller: *caller,
                },
            );
            (!explained.allowed)
                .then(|| (action.code(), explained.code, explained.policyId, explained.proposal))
        });
        let mut executor = world.net.executor();
        let nonce = concordat_core::account_state(&world.net.state, actor.address).unwrap().nonce;
        let receipt = executor.execute(&actor.sign_at(&say, nonce)).unwrap().clone();
        let refused = permissions::NotPermitted::abi_decode(&receipt.output).is_ok();
        let wish = Wish { account: actor.address, kind: say.to, input: &say.input };
        let grounds = explain(&world.net.state, &world.net.env(), &wish).unwrap().unwrap();
        assert_eq!(grounds.refused, Some(receipt.outcome).filter(|outcome| outcome.refused()));
        assert_eq!(grounds.permission.decision.allowed, grounds.refused.is_none());
        let case = format!("{role} does {what} under {set:#b} with {length} bytes, late {late}: {receipt:?}");
        match first_no {
            Some(no) => {
                assert!(refused, "{case}");
                assert_eq!(told(&receipt.output), no, "{case}");
                *seen.entry("refused").or_default() += 1;
            }
            None => {
                assert!(!refused && receipt.outcome != Outcome::NotPermitted, "{case}");
                *seen.entry("permitted").or_default() += 1;
            }
        }
    }
    assert!(seen.values().all(|count| *count > 150) && seen.len() == 2, "{seen:?}");
}
