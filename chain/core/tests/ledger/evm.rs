//! Contracts on this chain: creation, calls, events, failure, and what the machine shows them.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{Revert, SolError as _, SolEvent as _, SolInterface as _};
use concordat_core::{
    BlockExecutor, ExecError, IDENTITY_REGISTRY, MARKER_CODE,
    abi::IIdentityRegistry::{self as registry, IIdentityRegistryErrors},
    account_state, code, storage,
};
use concordat_types::{
    ReadError, Role, StateKey, StateReader, VerifiedTx, receipt::Outcome, state::MemoryState,
};
use sha2::{Digest as _, Sha256};

use crate::kit::{Child, Consortium, Probe, Say, Token, bytecode, effects, token_init_code};

#[test]
fn the_artefacts_are_compiled_from_the_sources_beside_them() {
    let artefacts: serde_json::Value =
        serde_json::from_str(include_str!("../data/contracts/artefacts.json")).unwrap();
    let sources = [
        ("Token.sol", include_str!("../data/contracts/Token.sol")),
        ("Probe.sol", include_str!("../data/contracts/Probe.sol")),
        ("IdentityToken.sol", include_str!("../data/contracts/IdentityToken.sol")),
        ("TieredVault.sol", include_str!("../data/contracts/TieredVault.sol")),
        ("Versions.sol", include_str!("../data/contracts/Versions.sol")),
        ("CorrectableToken.sol", include_str!("../data/contracts/CorrectableToken.sol")),
        ("GreedyToken.sol", include_str!("../data/contracts/GreedyToken.sol")),
        ("Migrations.sol", include_str!("../data/contracts/Migrations.sol")),
        ("GovernedProxy.sol", include_str!("../../contracts/GovernedProxy.sol")),
        ("IContracts.sol", include_str!("../../contracts/IContracts.sol")),
        ("IIdentityRegistry.sol", include_str!("../../contracts/IIdentityRegistry.sol")),
    ];
    for (name, source) in sources {
        assert_eq!(
            artefacts["sha256"][name],
            hex::encode(Sha256::digest(source)),
            "{name} has changed: run compile.cjs again"
        );
    }
}

#[test]
fn a_token_is_deployed_and_transferred_with_an_event() {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(1_000));
    let to = Address::repeat_byte(0x77);
    let transfer = Token::transferCall { to, value: U256::from(40) };
    let receipt = net.one(&developer.sign(&Say::call(token, &transfer)));
    let event = Token::Transfer::decode_log(&receipt.logs[0]).unwrap();
    assert_eq!((event.address, event.from, event.to), (token, developer.address, to));
    assert_eq!(event.value, U256::from(40));
    assert_eq!(net.ask(token, &Token::balanceOfCall { owner: to }), U256::from(40));
    assert_eq!(net.ask(token, &Token::balanceOfCall { owner: developer.address }), U256::from(960));
    assert!(receipt.gas_used > 21_000 && receipt.gas_used < receipt.gas_limit);
}

#[test]
fn an_operator_may_call_what_a_developer_deployed() {
    let mut net = Consortium::new();
    let (_, token) = net.deploy(token_init_code(1_000));
    let operator = net.actor("bank-b", Role::Operator);
    let transfer = Token::transferCall { to: token, value: U256::ZERO };
    net.one(&operator.sign(&Say::call(token, &transfer)));
}

#[test]
fn a_revert_keeps_its_data_and_undoes_everything_but_the_nonce() {
    let mut net = Consortium::new();
    let (_, token) = net.deploy(token_init_code(1_000));
    let operator = net.actor("bank-b", Role::Operator);
    let transfer = Token::transferCall { to: token, value: U256::from(7) };
    let outcome = net.block(&[operator.sign(&Say::call(token, &transfer))]);
    let receipt = &outcome.receipts[0];
    assert_eq!(receipt.outcome, Outcome::Reverted);
    assert!(receipt.logs.is_empty());
    let error = Token::ERC20InsufficientBalance::abi_decode(&receipt.output).unwrap();
    assert_eq!((error.sender, error.balance, error.needed), (operator.address, U256::ZERO, U256::from(7)));
    assert_eq!(effects(&outcome), [&StateKey::account(operator.address)]);
    assert_eq!(account_state(&net.state, operator.address).unwrap().nonce, 2);
}

#[test]
fn solidity_reasons_survive_in_receipts_up_to_the_limit() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let short = net.try_one(&developer.sign(&Say::call(probe, &Probe::failCall { why: "not today".into() })));
    assert_eq!(Revert::abi_decode(&short.output).unwrap().reason, "not today");
    let long = net.try_one(&developer.sign(&Say::call(probe, &Probe::failCall { why: "x".repeat(5_000) })));
    assert_eq!(long.outcome, Outcome::Reverted);
    assert_eq!(long.output.len(), 4_096);
}

#[test]
fn running_out_of_gas_halts_and_uses_all_of_it() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let receipt = net.try_one(&developer.sign(&Say::call(probe, &Probe::burnCall {}).gas(200_000)));
    assert_eq!((receipt.outcome, receipt.gas_used), (Outcome::Halted, 200_000));
    assert!(receipt.output.is_empty() && receipt.logs.is_empty());
    assert_eq!(net.ask(probe, &Probe::counterCall {}), U256::ZERO);
}

#[test]
fn factories_create_contracts_by_both_schemes() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    net.one(&developer.sign(&Say::call(probe, &Probe::makeCall { value: U256::from(5) })));
    let child = probe.create(1);
    assert_eq!(net.ask(child, &Child::valueCall {}), U256::from(5));
    net.one(&developer.sign(&Say::call(probe, &Probe::make2Call { value: U256::from(6) })));
    let init_code = [bytecode("Child"), U256::from(6).to_be_bytes_vec()].concat();
    let child = probe.create2(B256::from(U256::from(6)), keccak256(init_code));
    assert_eq!(net.ask(child, &Child::valueCall {}), U256::from(6));
}

#[test]
fn a_contract_that_dies_where_it_was_born_leaves_nothing() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let outcome = net.block(&[developer.sign(&Say::call(probe, &Probe::mayflyCall {}))]);
    assert!(outcome.receipts[0].outcome.succeeded());
    let mayfly = probe.create(1);
    assert!(outcome.changes.keys().all(|key| *key != StateKey::account(mayfly)));
    assert!(code(&net.state, mayfly).unwrap().is_empty());
}

#[test]
fn a_slot_set_back_to_zero_is_gone_from_the_state() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    net.one(&developer.sign(&Say::call(probe, &Probe::nestedCall {})));
    assert_eq!(storage(&net.state, probe, B256::ZERO).unwrap(), B256::from(U256::from(1)));
    let outcome = net.block(&[developer.sign(&Say::call(probe, &Probe::clearCall {}))]);
    assert_eq!(outcome.changes.get(&StateKey::storage(probe, B256::ZERO)), Some(&None));
}

#[test]
fn what_a_block_changes_and_changes_back_is_no_change() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let there_and_back = [
        developer.sign(&Say::call(probe, &Probe::nestedCall {})),
        developer.sign(&Say::call(probe, &Probe::clearCall {})),
    ];
    let outcome = net.block(&there_and_back);
    assert_eq!(effects(&outcome), [&StateKey::account(developer.address)]);
}

#[test]
fn contracts_read_the_registry_and_an_inner_revert_undoes_only_the_inner_call() {
    let mut net = Consortium::new();
    let (_, probe) = net.deploy(bytecode("Probe").into());
    let operator = net.actor("bank-b", Role::Operator);
    net.one(&operator.sign(&Say::call(probe, &Probe::onlyEnrolledCall {})));
    assert_eq!(net.ask(probe, &Probe::lastRoleCall {}), "operator");
    net.one(&operator.sign(&Say::call(probe, &Probe::nestedCall {})));
    assert_eq!(net.ask(probe, &Probe::counterCall {}), U256::from(1));
}

#[test]
fn a_contract_cannot_change_the_registry_for_anyone() {
    let mut net = Consortium::new();
    let (_, probe) = net.deploy(bytecode("Probe").into());
    let operator = net.actor("bank-b", Role::Operator);
    let victim = net.stranger("bank-b", Role::Operator, "victim");
    let call = Probe::enrolFromHereCall { chain: victim.chain.clone() };
    let receipt = net.try_one(&operator.sign(&Say::call(probe, &call)));
    assert_eq!(receipt.outcome, Outcome::Reverted);
    let error = IIdentityRegistryErrors::abi_decode(&receipt.output).unwrap();
    assert!(matches!(error, IIdentityRegistryErrors::OnlyDirectTransaction(_)));
}

#[test]
fn contracts_see_the_block_and_neither_fees_nor_balances() {
    let mut net = Consortium::new();
    let (_, probe) = net.deploy(bytecode("Probe").into());
    let seen = net.ask(probe, &Probe::environmentCall {});
    assert_eq!(seen.height, U256::from(net.height));
    assert_eq!(seen.time, U256::from(net.time_secs));
    assert_eq!(seen.chain, U256::from(crate::kit::CHAIN_ID));
    let zeros = [seen.fee, seen.price, seen.random, seen.balance];
    assert_eq!(zeros, [U256::ZERO; 4]);
    assert_eq!(seen.coinbase, Address::ZERO);
    assert_eq!(Some(&seen.parent), net.state.block_hashes.get(&(net.height - 1)));
}

#[test]
fn system_contracts_show_code_so_that_solidity_calls_them() {
    let net = Consortium::new();
    assert_eq!(code(&net.state, IDENTITY_REGISTRY).unwrap(), Bytes::from_static(MARKER_CODE));
}

/// A store that fails on some keys.
struct Broken<'a> {
    state: &'a MemoryState,
    fails: fn(&[u8]) -> bool,
}

impl StateReader for Broken<'_> {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ReadError> {
        if (self.fails)(key.as_bytes()) {
            return Err(ReadError::Store { what: "a key".into(), reason: "disk on fire".into() });
        }
        self.state.get(key)
    }

    fn block_hash(&self, height: u64) -> Result<Option<B256>, ReadError> {
        self.state.block_hash(height)
    }
}

/// Which keys of a state cannot be read.
type KeyFilter = fn(&[u8]) -> bool;

#[test]
fn an_unreadable_state_is_no_verdict_on_a_transaction() {
    let mut net = Consortium::new();
    let (_, probe) = net.deploy(bytecode("Probe").into());
    let operator = net.actor("bank-b", Role::Operator);
    let call = operator.sign(&Say::call(probe, &Probe::onlyEnrolledCall {}));
    let view = operator.sign_at(&Say::registry(&registry::organisationsCall {}), call.nonce());
    // Accounts, slots, code, the sender's entry, and rows that only the system call reads.
    let failures: [(&VerifiedTx, KeyFilter); 5] = [
        (&call, |key| key[0] == 0x01),
        (&call, |key| key[0] == 0x02),
        (&call, |key| key[0] == 0x03),
        (&call, |key| key.starts_with(&[0x10, 0x03])),
        (&view, |key| key.starts_with(&[0x10, 0x02])),
    ];
    for (tx, fails) in failures {
        let mut executor = BlockExecutor::new(Broken { state: &net.state, fails }, net.env()).unwrap();
        let error = executor.execute(tx).unwrap_err();
        assert!(matches!(error, ExecError::State(ReadError::Store { .. })), "{error}");
    }
}

#[test]
fn corrupt_values_are_read_errors_too() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-b", Role::Operator);
    let call = operator.sign(&Say::registry(&registry::versionCall {}));
    net.state.values.insert(StateKey::account(operator.address), vec![1, 2, 3]);
    assert!(matches!(net.executor().execute(&call), Err(ExecError::State(_))));
}
