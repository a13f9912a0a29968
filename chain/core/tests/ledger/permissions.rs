//! Policies bind transactions, and what contracts do on their senders' behalf.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::{SolCall as _, SolError as _};
use concordat_core::{
    Admission, BlockOutcome, CallStatus, ExecError, PERMISSIONS, TxInvalid, Wish, admission, explain, gas,
    permissions::abi::IPermissions as permissions, trace_transaction,
};
use concordat_permissions::{Action, Code, EnactedPolicy};
use concordat_types::{ReadError, Receipt, Role, StateKey, VerifiedTx, receipt::Outcome};
use proptest::{prelude::*, strategy::ValueTree as _};
use sha2::{Digest as _, Sha256};

use crate::kit::{
    Actor, Consortium, Probe, Say, Token, bytecode, digest, effects, refused_gas, token_init_code,
};

/// An enacted policy of this id.
pub(crate) fn policy(id: &str, rule: &str, proposal: u64) -> EnactedPolicy {
    let text = format!("@id(\"{id}\")\n@reason(\"a test\")\n{rule}");
    EnactedPolicy { id: id.parse().unwrap(), text, proposal }
}

/// Puts policies in force as if governance had enacted them. The bytes of rows are those of the state: golden.
pub(crate) fn enact(net: &mut Consortium, policies: &[EnactedPolicy]) {
    let mut policies = policies.to_vec();
    policies.sort_by(|one, other| one.id.cmp(&other.id));
    net.state.values.retain(|key, _| !matches!(key.as_bytes(), [0x10, 0x30..=0x32, ..]));
    if policies.is_empty() {
        return;
    }
    let ids: Vec<String> = policies.iter().map(|policy| policy.id.to_string()).collect();
    let rows: Vec<Bytes> = policies.iter().map(|policy| policy.encode().into()).collect();
    for (policy, row) in policies.iter().zip(&rows) {
        net.state.values.insert(StateKey::system(0x30, policy.id.as_str().as_bytes()), row.to_vec());
    }
    net.state.values.insert(StateKey::system(0x31, &[]), alloy_rlp::encode(ids));
    let digest = Sha256::digest(alloy_rlp::encode(rows)).to_vec();
    net.state.values.insert(StateKey::system(0x32, &[]), digest);
}

fn contract(address: Address) -> String {
    format!("Contract::\"{}\"", hex_address(address))
}

pub(crate) fn hex_address(address: Address) -> String {
    format!("0x{}", hex::encode(address))
}

/// The forbidding policy on an action and a contract.
fn forbid(action: &str, to: Address) -> EnactedPolicy {
    let rule = format!("forbid (principal, action == Action::\"{action}\", resource == {});", contract(to));
    policy("not-there", &rule, 41)
}

pub(crate) fn told(output: &Bytes) -> (u8, u8, String, u64) {
    let error = permissions::NotPermitted::abi_decode(output).unwrap();
    (error.action, error.code, error.policy, error.proposal)
}

fn refusal(action: Action, code: Code, policy: &str, proposal: u64) -> (u8, u8, String, u64) {
    (action.code(), code.code(), policy.to_owned(), proposal)
}

pub(crate) fn to(address: Address) -> Say {
    Say { to: TxKind::Call(address), input: Bytes::new(), gas: 200_000 }
}

/// Code that calls `target` by an opcode and hands on what comes back, a revert as a revert.
pub(crate) fn caller(opcode: u8, target: Address) -> Bytes {
    // CALL and CALLCODE take a value, the others do not.
    let value: &[u8] = if matches!(opcode, 0xf1 | 0xf2) { &[0x5f] } else { &[] };
    let code = [
        // calldatacopy(0, 0, calldatasize), so that the method is the caller's.
        &[0x36, 0x5f, 0x5f, 0x37, 0x5f, 0x5f, 0x36, 0x5f][..],
        value,
        &[0x73],
        target.as_slice(),
        &[0x5a, opcode],
        &RETURN_OR_REVERT,
    ]
    .concat();
    deployment(&code)
}

/// returndatacopy(0, 0, returndatasize); on success return, else revert.
pub(crate) const RETURN_OR_REVERT: [u8; 15] =
    [0x3d, 0x5f, 0x5f, 0x3e, 0x60, 0, 0x57, 0x3d, 0x5f, 0xfd, 0x5b, 0x3d, 0x5f, 0xf3, 0x00];

/// Init code that leaves this code behind, after its jump's target has been set.
pub(crate) fn deployment(code: &[u8]) -> Bytes {
    let mut code = code.to_vec();
    let tail = code.len() - RETURN_OR_REVERT.len();
    code[tail + 5] = u8::try_from(tail + 10).unwrap();
    let length = u8::try_from(code.len()).unwrap();
    // codecopy(0, 10, length); return(0, length)
    [&[0x60, length, 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3, 0x00][..], &code].concat().into()
}

/// Code that makes an empty contract by CREATE or CREATE2.
pub(crate) fn creator(opcode: u8) -> Bytes {
    let salt: &[u8] = if opcode == 0xf5 { &[0x5f] } else { &[] };
    deployment(&[salt, &[0x5f, 0x5f, 0x5f, opcode], &RETURN_OR_REVERT].concat())
}

pub(crate) fn deploy(net: &mut Consortium, developer: &Actor, init_code: Bytes) -> Address {
    net.one(&developer.sign(&Say::deploy(init_code))).contract_address.unwrap()
}

pub(crate) fn asked(net: &Consortium, tx: &VerifiedTx) -> Result<Admission, ExecError> {
    admission(&net.state, tx, &net.env())
}

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
fn calls_of_each_kind_out_of_a_contract_are_refused_with_the_reason_as_revert_data() {
    let mut net = Consortium::new();
    let (developer, target) = net.deploy(bytecode("Probe").into());
    let kinds = [
        (0xf1, Action::Call, "call"),
        (0xf2, Action::DelegateCall, "delegatecall"),
        (0xf4, Action::DelegateCall, "delegatecall"),
        (0xfa, Action::StaticCall, "staticcall"),
    ];
    for (opcode, action, name) in kinds {
        enact(&mut net, &[]);
        let router = deploy(&mut net, &developer, caller(opcode, target));
        let say = Say { to: TxKind::Call(router), ..Say::call(target, &Probe::counterCall {}) };
        net.one(&developer.sign(&say));
        enact(&mut net, &[forbid(name, target)]);
        let receipt = net.try_one(&developer.sign(&say));
        assert_eq!(receipt.outcome, Outcome::Reverted, "{name} by {opcode:#x}");
        assert_eq!(told(&receipt.output), refusal(action, Code::Forbidden, "not-there", 41));
        assert!(receipt.gas_used < 40_000, "the frame's gas came back: {}", receipt.gas_used);
    }
}

#[test]
fn an_operator_cannot_make_contracts_by_way_of_a_factory_unless_that_is_enacted() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    let operator = net.actor("bank-b", Role::Operator);
    for opcode in [0xf0, 0xf5] {
        enact(&mut net, &[]);
        let (factory, other) =
            (deploy(&mut net, &developer, creator(opcode)), deploy(&mut net, &developer, creator(opcode)));
        net.one(&developer.sign(&to(factory)));
        let block = net.block(&[operator.sign(&to(factory))]);
        // The factory hides the failure, as CREATE's result is zero: but there is the reason in its return data.
        assert_eq!(told(&block.receipts[0].output), refusal(Action::Create, Code::NotPermitted, "", 0));
        assert_eq!(effects(&block), [&StateKey::account(operator.address)]);
        let rule = format!(
            "permit (principal in Role::\"operator\", action == Action::\"create\", resource) \
             when {{ context.caller == \"{}\" }};",
            hex_address(factory)
        );
        enact(&mut net, &[policy("operators-open-pairs", &rule, 12)]);
        if opcode == 0xf0 {
            net.one(&operator.sign(&to(factory)));
        }
        let receipt = net.try_one(&operator.sign(&to(other)));
        assert_eq!(told(&receipt.output), refusal(Action::Create, Code::NotPermitted, "", 0));
    }
}

#[test]
fn a_caller_that_catches_a_refusal_goes_on() {
    let mut net = Consortium::new();
    let (developer, target) = net.deploy(bytecode("Probe").into());
    // Calls the target, and stops whatever came of it.
    let mut code = vec![0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x73];
    code.extend_from_slice(target.as_slice());
    code.extend_from_slice(&[0x5a, 0xf1, 0x00]);
    code.extend_from_slice(&RETURN_OR_REVERT);
    let router = deploy(&mut net, &developer, deployment(&code));
    enact(&mut net, &[forbid("call", target)]);
    net.one(&developer.sign(&to(router)));
}

#[test]
fn precompiles_and_system_contracts_are_open_to_contracts() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    let rule = "forbid (principal, action in [Action::\"staticcall\", Action::\"delegatecall\"], resource);";
    for target in [Address::with_last_byte(4), PERMISSIONS] {
        enact(&mut net, &[]);
        let router = deploy(&mut net, &developer, caller(0xfa, target));
        enact(&mut net, &[policy("nothing", rule, 1)]);
        let say = Say { to: TxKind::Call(router), ..Say::call(target, &permissions::versionCall {}) };
        net.one(&developer.sign(&say));
    }
}

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
