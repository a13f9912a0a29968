//! Calls that only ask: `eth_call`, estimates, access lists, traces.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall as _;
use concordat_core::{
    AccountOverride, CallRequest, CallStatus, EstimateError, ExecError, IDENTITY_REGISTRY, TxInvalid,
    abi::IIdentityRegistry as registry, call, create_access_list, estimate_gas, trace_call,
    trace_transaction,
};
use concordat_types::{Role, receipt::Outcome};

use crate::kit::{Consortium, Probe, Say, Token, bytecode, token_init_code};

/// Room for any trace here.
const LARGE: usize = 1 << 20;

fn request(from: Address, say: &Say) -> CallRequest {
    CallRequest { from, to: say.to.to().copied(), input: say.input.clone(), ..CallRequest::default() }
}

#[test]
fn anyone_may_ask_and_nothing_changes() {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(1_000));
    let transfer = Say::call(token, &Token::transferCall { to: token, value: U256::from(1) });
    let outcome = call(&net.state, &net.env(), &request(developer.address, &transfer)).unwrap();
    assert_eq!((outcome.status, outcome.logs.len()), (CallStatus::Success, 1));
    let stranger = call(&net.state, &net.env(), &request(Address::repeat_byte(1), &transfer)).unwrap();
    assert_eq!(stranger.status, CallStatus::Reverted);
    assert_eq!(net.ask(token, &Token::balanceOfCall { owner: token }), U256::ZERO);
}

#[test]
fn even_a_contract_may_be_the_caller() {
    let mut net = Consortium::new();
    let (_, token) = net.deploy(token_init_code(1_000));
    let view = Say::call(token, &Token::balanceOfCall { owner: token });
    let outcome = call(&net.state, &net.env(), &request(token, &view)).unwrap();
    assert_eq!(outcome.status, CallStatus::Success);
}

#[test]
fn halts_are_told_in_the_words_of_geth() {
    let mut net = Consortium::new();
    let (_, probe) = net.deploy(bytecode("Probe").into());
    let burn =
        CallRequest { gas: Some(100_000), ..request(Address::ZERO, &Say::call(probe, &Probe::burnCall {})) };
    let outcome = call(&net.state, &net.env(), &burn).unwrap();
    assert_eq!(outcome.status, CallStatus::Halted("out of gas".into()));
    let poor = CallRequest { gas: Some(20_000), ..burn };
    let error = call(&net.state, &net.env(), &poor).unwrap_err();
    assert!(matches!(error, ExecError::Invalid(TxInvalid::IntrinsicGas { have: 20_000, .. })), "{error}");
}

#[test]
fn an_estimate_suffices_and_a_little_less_does_not_help_much() {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(1_000));
    let says = [
        Say::call(token, &Token::transferCall { to: token, value: U256::from(1) }),
        Say::deploy(token_init_code(5)),
    ];
    for say in says {
        let gas = estimate_gas(&net.state, &net.env(), &request(developer.address, &say)).unwrap();
        let receipt = net.one(&developer.sign(&say.gas(gas)));
        assert!(gas - receipt.gas_used <= gas / 64 + 1, "estimate {gas}, used {}", receipt.gas_used);
    }
}

#[test]
fn an_enrolment_can_be_estimated_before_anyone_knows_the_sender() {
    let mut net = Consortium::new();
    let alice = net.stranger("bank-a", Role::Operator, "Alice");
    let gas = estimate_gas(&net.state, &net.env(), &request(alice.address, &alice.enrolment())).unwrap();
    net.one(&alice.sign(&alice.enrolment().gas(gas)));
}

#[test]
fn an_enrolment_short_of_gas_halts_and_enrols_nobody() {
    let mut net = Consortium::new();
    let alice = net.stranger("bank-a", Role::Operator, "Alice");
    let short = alice.enrolment().gas(120_000);
    assert_eq!(net.try_one(&alice.sign(&short)).outcome, Outcome::Halted);
    assert!(!net.ask(IDENTITY_REGISTRY, &registry::isEnrolledCall { account: alice.address }));
    net.enrol(&alice);
}

#[test]
fn an_estimate_of_what_fails_says_why() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let fail = Say::call(probe, &Probe::failCall { why: "no".into() });
    let error = estimate_gas(&net.state, &net.env(), &request(developer.address, &fail)).unwrap_err();
    assert!(matches!(error, EstimateError::Reverted { output } if !output.is_empty()));
    let burn = Say::call(probe, &Probe::burnCall {});
    let error = estimate_gas(&net.state, &net.env(), &request(developer.address, &burn)).unwrap_err();
    assert_eq!(error.to_string(), "out of gas");
}

#[test]
fn state_can_be_pretended() {
    let net = Consortium::new();
    let at = Address::repeat_byte(0x55);
    // PUSH0 SLOAD PUSH0 MSTORE PUSH1 32 PUSH0 RETURN: gives slot 0 back.
    let code = Bytes::from_static(&[0x5f, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
    let word = B256::repeat_byte(7);
    let pretended = AccountOverride {
        code: Some(code),
        state_diff: [(B256::ZERO, word)].into(),
        ..AccountOverride::default()
    };
    let asked =
        CallRequest { to: Some(at), overrides: [(at, pretended.clone())].into(), ..CallRequest::default() };
    assert_eq!(call(&net.state, &net.env(), &asked).unwrap().output, word.to_vec());
    let emptied = AccountOverride { state: Some(Default::default()), state_diff: [].into(), ..pretended };
    let asked = CallRequest { overrides: [(at, emptied)].into(), ..asked };
    assert_eq!(call(&net.state, &net.env(), &asked).unwrap().output, vec![0; 32]);
}

#[test]
fn access_lists_name_the_slots_that_a_call_touches() {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(1_000));
    let transfer = Say::call(token, &Token::transferCall { to: token, value: U256::from(1) });
    let outcome = create_access_list(&net.state, &net.env(), &request(developer.address, &transfer)).unwrap();
    assert_eq!((outcome.access_list.0.len(), outcome.error), (1, None));
    let item = &outcome.access_list.0[0];
    assert_eq!((item.address, item.storage_keys.len()), (token, 2));
}

#[test]
fn a_transaction_is_traced_after_those_before_it() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let first = developer.sign(&Say::call(probe, &Probe::makeCall { value: U256::from(1) }));
    let second = developer.sign(&Say::call(probe, &Probe::makeCall { value: U256::from(2) }));
    let frame =
        trace_transaction(&net.state, net.env(), std::slice::from_ref(&first), &second, LARGE).unwrap();
    let receipts = net.block(&[first, second.clone()]).receipts;
    assert_eq!(frame.gas_used.to::<u64>(), receipts[1].gas_used);
    assert_eq!((frame.kind, frame.to), ("CALL", Some(probe)));
    assert_eq!((frame.calls[0].kind, frame.calls[0].to), ("CREATE", Some(probe.create(2))));
    let json = serde_json::to_value(&frame).unwrap();
    assert_eq!(json["type"], "CALL");
    assert_eq!(json["gas"], format!("{:#x}", second.gas_limit()));
    assert_eq!(json["gasUsed"], format!("{:#x}", receipts[1].gas_used));
    assert_eq!(json["value"], "0x0");
    assert!(json.get("error").is_none() && json.get("logs").is_none());
}

#[test]
fn traces_tell_why_inner_calls_failed() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let nested = Say::call(probe, &Probe::nestedCall {});
    let frame = trace_call(&net.state, &net.env(), &request(developer.address, &nested), LARGE).unwrap();
    let inner = &frame.calls[0];
    assert_eq!((frame.error.as_deref(), inner.error.as_deref()), (None, Some("execution reverted")));
    assert_eq!(inner.revert_reason.as_deref(), Some("undone"));
    let view = &inner.calls[0];
    assert_eq!((view.kind, view.to, view.value), ("STATICCALL", Some(IDENTITY_REGISTRY), None));
    assert!(registry::accountCall::abi_decode(&view.input).is_ok());
}

#[test]
fn traces_carry_events_and_refusals() {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(1_000));
    let transfer = Say::call(token, &Token::transferCall { to: token, value: U256::from(1) });
    let frame = trace_transaction(&net.state, net.env(), &[], &developer.sign(&transfer), LARGE).unwrap();
    assert_eq!((frame.logs.len(), frame.logs[0].address), (1, token));
    let auditor = net.actor("bank-a", Role::Auditor);
    let frame = trace_transaction(&net.state, net.env(), &[], &auditor.sign(&transfer), LARGE).unwrap();
    assert_eq!(frame.error.as_deref(), Some("refused: not permitted"));
}

#[test]
fn a_trace_that_grows_too_large_is_given_up() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let nested = request(developer.address, &Say::call(probe, &Probe::nestedCall {}));
    let frame = trace_call(&net.state, &net.env(), &nested, LARGE).unwrap();
    let text = serde_json::to_vec(&frame).unwrap().len();
    assert_eq!(trace_call(&net.state, &net.env(), &nested, text).unwrap(), frame, "what fits is collected");
    // Given up in the outer call, in an inner one, and by what the last one answered.
    for limit_bytes in [100, 500, 700] {
        let error = trace_call(&net.state, &net.env(), &nested, limit_bytes).unwrap_err();
        assert!(matches!(error, ExecError::TraceTooLarge { .. }), "{error}");
    }
}
