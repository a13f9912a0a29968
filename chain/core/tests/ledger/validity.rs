//! What may not stand in a block (docs/adr/0003), and what the mempool says about it.

use alloy_primitives::{Address, Bytes, TxKind};
use concordat_core::{BlockEnv, BlockExecutor, EnvError, ExecError, MAX_TX_GAS, TxInvalid, admission};
use concordat_pki_authority::KeyType;
use concordat_types::{ChainParams, Role, StateKey};

use crate::kit::{BLOCK_GAS, Consortium, Say, refused_gas};

fn nothing() -> Say {
    Say { to: TxKind::Call(Address::repeat_byte(9)), input: Bytes::new(), gas: 21_000 }
}

#[test]
fn nonces_count_up_by_one_and_nothing_else() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-a", Role::Operator);
    let low = operator.sign_at(&nothing(), 0);
    assert_eq!(net.invalid(&low), TxInvalid::NonceTooLow { next: 1, tx: 0 });
    assert_eq!(net.invalid(&low).to_string(), "nonce too low: next nonce 1, tx nonce 0");
    let high = operator.sign_at(&nothing(), 2);
    assert_eq!(net.invalid(&high), TxInvalid::NonceTooHigh { next: 1, tx: 2 });
    let last = operator.sign_at(&nothing(), u64::MAX);
    assert_eq!(net.invalid(&last), TxInvalid::NonceMax);
}

#[test]
fn one_block_takes_many_transactions_of_one_sender_in_order() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-a", Role::Operator);
    let txs: Vec<_> = (0..5).map(|_| operator.sign(&nothing())).collect();
    assert_eq!(net.block(&txs).receipts.len(), 5);
}

#[test]
fn an_invalid_transaction_in_between_does_not_disturb_the_block() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-a", Role::Operator);
    let (first, gap, second) =
        (operator.sign_at(&nothing(), 1), operator.sign_at(&nothing(), 9), operator.sign_at(&nothing(), 2));
    let mut executor = net.executor();
    executor.execute(&first).unwrap();
    assert!(matches!(executor.execute(&gap), Err(ExecError::Invalid(TxInvalid::NonceTooHigh { .. }))));
    executor.execute(&second).unwrap();
    let disturbed = executor.finish().unwrap();
    assert_eq!(disturbed, net.block(&[first, second]));
}

#[test]
fn gas_must_fit_the_transaction_cap_and_the_rest_of_the_block() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-a", Role::Operator);
    let greedy = operator.sign_at(&nothing().gas(MAX_TX_GAS + 1), 1);
    assert_eq!(net.invalid(&greedy), TxInvalid::GasAboveCap { have: MAX_TX_GAS + 1, cap: MAX_TX_GAS });
    let env = net.env();
    let params = ChainParams { block_gas_limit: 50_000, ..env.params };
    let env = BlockEnv { params, ..env };
    let mut executor = BlockExecutor::new(&net.state, env).unwrap();
    executor.execute(&operator.sign_at(&nothing(), 1)).unwrap();
    let error = executor.execute(&operator.sign_at(&nothing().gas(29_001), 2)).unwrap_err();
    assert_eq!(error, TxInvalid::GasAboveBlock { have: 29_001, left: 29_000 }.into());
    executor.execute(&operator.sign_at(&nothing().gas(29_000), 2)).unwrap();
}

#[test]
fn gas_must_cover_the_bytes_of_the_transaction() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-a", Role::Operator);
    let poor = operator.sign_at(&nothing().gas(20_999), 1);
    assert_eq!(net.invalid(&poor), TxInvalid::IntrinsicGas { have: 20_999, want: 21_000 });
    // EIP-7623: 100 non-zero bytes cost 16 each, but at the least 40 each.
    let data = Say { input: vec![1; 100].into(), ..nothing() };
    let floor = operator.sign_at(&data.clone().gas(24_999), 1);
    assert_eq!(net.invalid(&floor), TxInvalid::FloorGas { have: 24_999, want: 25_000 });
    net.one(&operator.sign_at(&data.gas(25_000), 1));
}

#[test]
fn init_code_is_limited_to_48_kibibytes() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    let tx = developer.sign_at(&Say::deploy(vec![0; 49_153].into()).gas(10_000_000), 1);
    assert_eq!(net.invalid(&tx), TxInvalid::InitCodeTooLarge { size: 49_153, limit: 49_152 });
}

#[test]
fn institutional_transactions_stand_only_within_their_window() {
    let mut net = Consortium::new();
    let hsm = net.stranger_with(KeyType::P256, "bank-a", Role::Operator, "hsm", 30);
    net.enrol(&hsm);
    let height = net.height;
    let early = hsm.sign_institutional(&nothing(), 1, (height + 1, height + 2));
    assert_eq!(net.invalid(&early), TxInvalid::NotYetValid { first: height + 1, height });
    let late = hsm.sign_institutional(&nothing(), 1, (0, height - 1));
    assert_eq!(net.invalid(&late), TxInvalid::NoLongerValid { last: height - 1, height });
    net.one(&hsm.sign_institutional(&nothing(), 1, (height, height)));
}

#[test]
fn nobody_transacts_before_enrolling() {
    let mut net = Consortium::new();
    let stranger = net.stranger("bank-a", Role::Operator, "stranger");
    let tx = stranger.sign_at(&nothing(), 0);
    assert_eq!(net.invalid(&tx), TxInvalid::NotEnrolled { sender: stranger.address });
}

#[test]
fn an_account_with_code_cannot_send() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-a", Role::Operator);
    let contract =
        concordat_core::AccountState { nonce: 1, last_active: 0, code_hash: Some(Default::default()) };
    net.state.values.insert(StateKey::account(operator.address), contract.encode());
    let tx = operator.sign_at(&nothing(), 1);
    assert_eq!(net.invalid(&tx), TxInvalid::SenderHasCode { sender: operator.address });
}

#[test]
fn unknown_protocol_versions_are_not_executed() {
    let net = Consortium::new();
    let env = net.env();
    let params = ChainParams { protocol_version: 3, ..env.params };
    let env = BlockEnv { params, ..env };
    let error = BlockExecutor::new(&net.state, env).err();
    assert_eq!(error, Some(EnvError::UnknownProtocolVersion { have: 3, known: 2 }));
}

#[test]
fn the_pool_takes_what_a_block_will_take_and_waits_for_missing_nonces() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-a", Role::Operator);
    for nonce in [1, 2, 100] {
        let admitted = admission(&net.state, &operator.sign_at(&nothing(), nonce), &net.env()).unwrap();
        assert_eq!((admitted.state_nonce, admitted.enrolling), (1, false));
    }
    let low = admission(&net.state, &operator.sign_at(&nothing(), 0), &net.env());
    assert_eq!(low, Err(TxInvalid::NonceTooLow { next: 1, tx: 0 }.into()));
    let stranger = net.stranger("bank-a", Role::Operator, "stranger");
    let enrolment = admission(&net.state, &stranger.sign_at(&stranger.enrolment(), 0), &net.env()).unwrap();
    assert!(enrolment.enrolling);
}

#[test]
fn the_pool_turns_away_what_a_block_would_only_refuse() {
    let mut net = Consortium::new();
    let auditor = net.actor("bank-a", Role::Auditor);
    let error = admission(&net.state, &auditor.sign_at(&nothing(), 1), &net.env()).unwrap_err();
    let ExecError::Invalid(invalid) = error else { panic!("{error}") };
    assert_eq!(invalid.kind(), "not_permitted");
    assert_eq!(
        invalid.to_string(),
        "refused: not permitted: call is forbidden: exclusive-roles: only operators and developers do business: committee, regulators, registrars and auditors never do (catalogue)"
    );
}

#[test]
fn what_is_refused_uses_gas_for_its_place_so_that_nobody_fills_blocks_for_nothing() {
    let mut net = Consortium::new();
    let auditor = net.actor("bank-a", Role::Auditor);
    let data = Say { input: vec![1; 100].into(), ..nothing().gas(30_000) };
    let mut env = net.env();
    env.params.block_gas_limit = 60_000;
    let mut executor = BlockExecutor::new(&net.state, env).unwrap();
    // Not permitted; the second one at the floor for its data.
    let first = executor.execute(&auditor.sign(&nothing())).unwrap().gas_used;
    let second = executor.execute(&auditor.sign(&data)).unwrap().gas_used;
    assert_eq!((first, second, second), (21_000, refused_gas(&data.input, 0), 25_000));
    assert_eq!((executor.gas_used(), executor.gas_left()), (46_000, 14_000));
    let third = auditor.sign(&nothing());
    let full = TxInvalid::GasAboveBlock { have: 21_000, left: 14_000 };
    assert_eq!(executor.execute(&third), Err(full.into()));
    let outcome = executor.finish().unwrap();
    assert_eq!(outcome.gas_used, outcome.receipts.iter().map(|receipt| receipt.gas_used).sum::<u64>());
    assert!(outcome.receipts.iter().all(|receipt| receipt.outcome.refused()));
}

#[test]
fn the_gas_of_a_block_is_the_sum_of_its_receipts() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-a", Role::Operator);
    let txs: Vec<_> = (0..3).map(|_| operator.sign(&nothing())).collect();
    let mut executor = net.executor();
    for tx in &txs {
        executor.execute(tx).unwrap();
    }
    assert_eq!((executor.gas_used(), executor.gas_left()), (63_000, BLOCK_GAS - 63_000));
    assert_eq!(executor.finish().unwrap().gas_used, 63_000);
}
