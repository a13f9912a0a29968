//! Explanations agree with what execution does.

use super::*;

/// A contract's row, as it stands in the state.
#[derive(alloy_rlp::RlpEncodable)]
struct Row {
    creator: Bytes,
    organisation: String,
    administrator: Bytes,
    created: u64,
    state: u8,
    until: u64,
    list: u8,
    method_lists: u32,
}

/// Lists and freezes of one random case.
#[derive(Clone, Debug)]
struct Case {
    state: (u8, u64),
    list: (u8, bool),
    method: (u8, bool),
    deploy: (u8, bool),
    administrator: Option<usize>,
}

fn cases() -> impl Strategy<Value = Case> {
    let state = prop_oneof![4 => Just((0, 0)), 1 => Just((1, 0)), 1 => Just((1, 1)), 1 => Just((2, 0))];
    let list = || (0..3_u8, any::<bool>());
    (state, list(), list(), list(), prop::option::of(0..4_usize)).prop_map(
        |(state, list, method, deploy, administrator)| Case { state, list, method, deploy, administrator },
    )
}

/// Puts a case in the state as if it had been decided. The bytes are those of the state: golden.
fn arrange(net: &mut Consortium, contract: Address, actors: &[Actor], who: &Actor, case: &Case) {
    net.state.values.retain(|key, _| !matches!(key.as_bytes(), [0x10, 0x41..=0x43, ..]));
    let administrator =
        case.administrator.map(|place| Bytes::copy_from_slice(actors[place].address.as_slice()));
    let row = Row {
        creator: Bytes::new(),
        organisation: "bank-a".into(),
        administrator: administrator.unwrap_or_default(),
        created: 0,
        state: case.state.0,
        // A freeze that has lapsed is none.
        until: case.state.1,
        list: case.list.0,
        method_lists: u32::from(case.method.0 > 0),
    };
    let method = [contract.as_slice(), &Probe::counterCall::SELECTOR].concat();
    let member = |list: &[u8]| StateKey::system(0x42, &[list, who.address.as_slice()].concat());
    let mut put = |key: StateKey, row: Vec<u8>| drop(net.state.values.insert(key, row));
    put(StateKey::system(0x40, contract.as_slice()), alloy_rlp::encode(row));
    if case.method.0 > 0 {
        put(StateKey::system(0x41, &method), vec![case.method.0]);
    }
    if case.deploy.0 > 0 {
        put(StateKey::system(0x43, &[]), vec![case.deploy.0]);
    }
    for (listed, key) in [
        (case.list.1, member(contract.as_slice())),
        (case.method.1, member(&method)),
        (case.deploy.1, member(&[])),
    ] {
        if listed {
            put(key, vec![1]);
        }
    }
}

/// Random cases in which explanations are compared with execution.
const CASES: usize = 100_000;

#[test]
fn explanations_agree_with_execution_whatever_is_listed_and_frozen() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let routers = [(0xf1, Wanted::Call), (0xf4, Wanted::DelegateCall), (0xfa, Wanted::StaticCall)]
        .map(|(opcode, action)| (deploy(&mut net, &developer, caller(opcode, probe)), action));
    let factory = deploy(&mut net, &developer, creator(0xf5));
    let second = net.actor("bank-b", Role::Developer);
    let actors =
        [developer, second, net.actor("bank-a", Role::Operator), net.actor("bank-b", Role::Operator)];
    let rules = [
        policy(
            "own-people",
            "forbid (principal, action == Action::\"staticcall\", resource) when { resource has administrator && resource.administrator != principal };",
            1,
        ),
        policy(
            "no-business-with-bank-a",
            "forbid (principal in Organisation::\"bank-b\", action == Action::\"delegatecall\", resource in Organisation::\"bank-a\") when { context.contractList == List::\"none\" };",
            2,
        ),
    ];
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let cases = (cases(), 0..4_usize, 0..6_usize, any::<bool>(), any::<bool>());
    let mut seen = std::collections::BTreeMap::<&str, u32>::new();
    for _ in 0..CASES {
        let (case, who, what, with_method, enacted) = cases.new_tree(&mut runner).unwrap().current();
        enact(&mut net, if enacted { &rules } else { &[] });
        let actor = &actors[who];
        arrange(&mut net, probe, &actors, actor, &case);
        let input = if with_method { Bytes::from(Probe::counterCall {}.abi_encode()) } else { Bytes::new() };
        let call = |address| Say { to: TxKind::Call(address), input: input.clone(), gas: 300_000 };
        let zero = Address::ZERO;
        let (say, questions) = match what {
            0 => (call(probe), vec![(Wanted::Call, probe, zero)]),
            1 => (Say::deploy(Bytes::new()), vec![(Wanted::Deploy, zero, zero)]),
            2 => (call(factory), vec![(Wanted::Call, factory, zero), (Wanted::Create, zero, factory)]),
            place => {
                let (router, action) = routers[place - 3];
                (call(router), vec![(Wanted::Call, router, zero), (action, probe, router)])
            }
        };
        let first_no = questions.iter().find_map(|(action, address, caller)| {
            if *address == probe && info(&net, probe).status > 0 {
                return Some(None);
            }
            let explained = net.ask(
                PERMISSIONS,
                &permissions::explainInputCall {
                    account: actor.address,
                    action: action.code(),
                    contractAddress: *address,
                    input: say.input.clone(),
                    caller: *caller,
                },
            );
            let no = (action.code(), explained.code, explained.policyId, explained.proposal);
            (!explained.allowed).then_some(Some(no))
        });
        let mut executor = net.executor();
        let nonce = concordat_core::account_state(&net.state, actor.address).unwrap().nonce;
        let receipt = executor.execute(&actor.sign_at(&say, nonce)).unwrap().clone();
        let wish = Wish { account: actor.address, kind: say.to, input: &say.input };
        let grounds = explain(&net.state, &net.env(), &wish).unwrap().unwrap();
        assert_eq!(grounds.refused, Some(receipt.outcome).filter(|outcome| outcome.refused()), "{case:?}");
        let halted = contracts::ContractFrozen::abi_decode(&receipt.output).is_ok()
            || contracts::ContractRetired::abi_decode(&receipt.output).is_ok();
        let denied = permissions::NotPermitted::abi_decode(&receipt.output).is_ok();
        let case =
            format!("{who} does {what} with method {with_method}, rules {enacted}: {case:?} {receipt:?}");
        let ended = match first_no {
            Some(None) => {
                assert!(halted, "{case}");
                assert_eq!(receipt.outcome == Outcome::ContractFrozen, what == 0, "{case}");
                "frozen"
            }
            Some(Some(no)) => {
                assert_eq!((denied, told(&receipt.output)), (true, no), "{case}");
                "refused"
            }
            None => {
                assert!(!halted && !denied && !receipt.outcome.refused(), "{case}");
                "permitted"
            }
        };
        *seen.entry(ended).or_default() += 1;
    }
    assert!(seen.values().all(|count| *count > 80) && seen.len() == 3, "{seen:?}");
}
