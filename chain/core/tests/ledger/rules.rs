//! Run-time rules on real contracts: what they watch, what they undo, what they count, and what is left of it.

use alloy_primitives::{Address, Bytes, TxKind, U256, hex, keccak256};
use alloy_sol_types::{SolCall as _, SolError as _, SolEvent as _};
use concordat_core::{
    BlockExecutor, BlockOutcome, CallRequest, CallStatus, EstimateError, ExecError, GOVERNANCE,
    IDENTITY_REGISTRY, RULES, call, estimate_gas, gas,
    rules::{Code, EnactedLimit, Limit, abi::IRules as rules},
    trace_call, trace_transaction,
};
use concordat_types::{ReadError, Receipt, Role, StateKey, VerifiedTx, receipt::Outcome};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    kit::{Actor, Consortium, Probe, Say, Token, bytecode, digest, effects, is_activity, token_init_code},
    recovery::{holder, pass, proposal_refused, registrars, replace, request as request_recovery},
};

/// What moves in every transfer of these tests goes to here.
const SHOP: Address = Address::repeat_byte(0x55);
const SANCTIONED: Address = Address::repeat_byte(0x66);

/// Puts rules in force as if governance had set them. The bytes of rows are those of the state: golden.
pub(crate) fn set(net: &mut Consortium, limits: &[(Limit, u64)]) {
    let mut limits = limits.to_vec();
    limits.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
    net.state.values.retain(|key, _| !matches!(key.as_bytes(), [0x10, 0x50..=0x52, ..]));
    if limits.is_empty() {
        return;
    }
    let ids: Vec<String> = limits.iter().map(|(limit, _)| limit.id.to_string()).collect();
    let enacted = limits.into_iter().map(|(limit, proposal)| EnactedLimit { limit, proposal });
    let rows: Vec<Bytes> = enacted.map(|enacted| enacted.encode().into()).collect();
    for (id, row) in ids.iter().zip(&rows) {
        net.state.values.insert(StateKey::system(0x50, id.as_bytes()), row.to_vec());
    }
    net.state.values.insert(StateKey::system(0x51, &[]), alloy_rlp::encode(ids));
    let digest = Sha256::digest(alloy_rlp::encode(rows)).to_vec();
    net.state.values.insert(StateKey::system(0x52, &[]), digest);
}

/// A rule on transfers of a token, with these fields besides.
pub(crate) fn on_transfers(token: Address, id: &str, fields: Value) -> Limit {
    let mut rule = json!({
        "id": id, "reason": "a test", "contract": token, "event": "Transfer(address,address,uint256)",
        "amount": { "word": 0 }, "counterparty": { "topic": 2 },
    });
    rule.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(rule).unwrap()
}

/// A rule on a method of a contract.
fn on_method(contract: &str, method: &str, id: &str, fields: Value) -> Limit {
    let mut rule = json!({ "id": id, "reason": "a test", "contract": contract, "method": method });
    rule.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(rule).unwrap()
}

fn transfer(token: Address, to: Address, value: u64) -> Say {
    Say::call(token, &Token::transferCall { to, value: U256::from(value) })
}

fn pay(token: Address, value: u64) -> Say {
    transfer(token, SHOP, value)
}

fn balance(net: &Consortium, token: Address, owner: Address) -> u64 {
    net.ask(token, &Token::balanceOfCall { owner }).to()
}

/// A chain with a token, a developer of bank-a who has all of it, and a colleague and an operator of bank-b with 10,000.
struct World {
    net: Consortium,
    developer: Actor,
    colleague: Actor,
    stranger: Actor,
    token: Address,
}

impl World {
    fn new() -> Self {
        let mut net = Consortium::new();
        let (developer, token) = net.deploy(token_init_code(1_000_000));
        let colleague = net.stranger("bank-a", Role::Operator, "colleague");
        net.enrol(&colleague);
        let stranger = net.actor("bank-b", Role::Operator);
        for actor in [&colleague, &stranger] {
            net.one(&developer.sign(&transfer(token, actor.address, 10_000)));
        }
        Self { net, developer, colleague, stranger, token }
    }

    fn with(fields: Value) -> Self {
        let mut world = Self::new();
        let limit = on_transfers(world.token, "limit", fields);
        set(&mut world.net, &[(limit, 41)]);
        world
    }

    fn deploy(&mut self, code: &[u8]) -> Address {
        self.net.one(&self.developer.sign(&Say::deploy(deployment(code)))).contract_address.unwrap()
    }

    /// A contract with 1,000 tokens.
    fn deploy_rich(&mut self, code: &[u8]) -> Address {
        let address = self.deploy(code);
        self.net.one(&self.developer.sign(&transfer(self.token, address, 1_000)));
        address
    }
}

/// Init code that leaves this code behind.
fn deployment(code: &[u8]) -> Bytes {
    let length = u8::try_from(code.len()).unwrap();
    // codecopy(0, 10, length); return(0, length)
    [&[0x60, length, 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3, 0x00][..], code].concat().into()
}

/// Code that hands its input on to a contract by each of these opcodes in turn, whatever comes back.
fn hands_on(target: Address, opcodes: &[u8]) -> Vec<u8> {
    let mut code = vec![0x36, 0x5f, 0x5f, 0x37];
    for opcode in opcodes {
        code.extend([0x5f, 0x5f, 0x36, 0x5f]);
        // CALL and CALLCODE take a value.
        code.extend(matches!(opcode, 0xf1 | 0xf2).then_some(0x5f));
        code.push(0x73);
        code.extend(target);
        code.extend([0x5a, *opcode, 0x50]);
    }
    code
}

/// The same, and then reverts.
fn hands_on_and_reverts(target: Address) -> Vec<u8> {
    [&hands_on(target, &[0xf1])[..], &[0x5f, 0x5f, 0xfd]].concat()
}

/// How a transaction violated a rule: the code, and what stands of it.
fn violation(receipt: &Receipt) -> Code {
    assert_eq!(receipt.outcome, Outcome::RuleViolated, "{receipt:?}");
    let error = rules::RuleViolated::abi_decode(&receipt.output).unwrap();
    let [log] = &receipt.logs[..] else { panic!("one alert: {receipt:?}") };
    let alert = rules::Alert::decode_log(log).unwrap();
    assert_eq!((log.address, alert.account), (RULES, receipt.sender));
    assert_eq!((&alert.rule, alert.id), (&error.id, keccak256(&error.id)));
    assert_eq!(
        (alert.proposal, alert.code, alert.contractAddress),
        (error.proposal, error.code, error.subject)
    );
    assert_eq!(receipt.contract_address, None);
    Code::from_code(error.code).unwrap()
}

#[test]
fn a_transfer_above_its_limit_leaves_a_nonce_a_receipt_and_an_alert() {
    let mut world = World::with(json!({ "max_amount": "500" }));
    let tx = world.developer.sign(&pay(world.token, 501));
    let outcome = world.net.block(&[tx]);
    let receipt = &outcome.receipts[0];
    assert_eq!(violation(receipt), Code::AmountAboveMax);
    let error = rules::RuleViolated::abi_decode(&receipt.output).unwrap();
    assert_eq!((error.id.as_str(), error.proposal, error.subject), ("limit", 41, world.token));
    assert_eq!(rules::Alert::decode_log(&receipt.logs[0]).unwrap().organisation, "bank-a");
    assert_eq!(effects(&outcome), [&StateKey::account(world.developer.address)]);
    assert!(receipt.gas_used > 30_000, "it ran: {}", receipt.gas_used);
    assert_eq!(Receipt::decode(&receipt.encode()).unwrap(), *receipt);
    assert_eq!(balance(&world.net, world.token, SHOP), 0);
    // The nonce is used up, and the next transfer stands.
    world.net.one(&world.developer.sign(&pay(world.token, 500)));
    assert_eq!(balance(&world.net, world.token, SHOP), 500);
}

#[test]
fn the_receipt_of_a_violation_is_golden() {
    assert_eq!(Outcome::RuleViolated.code(), 24);
    let mut world = World::with(json!({ "max_amount": "0" }));
    let receipt = world.net.try_one(&world.developer.sign(&pay(world.token, 1)));
    let words = |text: &str| format!("{text:0>64}");
    let id = format!("{}{}", words("5"), "6c696d6974".to_owned() + &"0".repeat(54));
    let subject = words(&hex::encode(world.token));
    let selector = hex::encode(&keccak256("RuleViolated(string,uint64,uint8,address)")[..4]);
    let output = [selector, words("80"), words("29"), words("5"), subject, id].concat();
    assert_eq!(hex::encode(&receipt.output), output);
    let signature = "Alert(string,address,string,string,address,uint8,uint64)";
    let topics = [keccak256(signature), keccak256("limit"), world.developer.address.into_word()];
    assert_eq!(receipt.logs[0].topics(), topics);
}

#[test]
fn a_total_counts_an_organisations_people_together_within_a_block_and_across_blocks() {
    let total = json!({ "max": "1000", "window_secs": 86_400, "per": "organisation" });
    let World { mut net, developer, colleague, stranger, token } = World::with(json!({ "total": total }));
    let txs = [
        developer.sign(&pay(token, 600)),
        colleague.sign(&pay(token, 401)),
        colleague.sign(&pay(token, 300)),
        stranger.sign(&pay(token, 1_000)),
    ];
    let receipts = net.block(&txs).receipts;
    let succeeded: Vec<bool> = receipts.iter().map(|receipt| receipt.outcome.succeeded()).collect();
    assert_eq!(succeeded, [true, false, true, true]);
    assert_eq!(violation(&receipts[1]), Code::TotalAboveMax);
    assert_eq!(violation(&net.try_one(&developer.sign(&pay(token, 101)))), Code::TotalAboveMax);
    net.one(&developer.sign(&pay(token, 100)));
    let usage = |net: &Consortium, account| net.ask(RULES, &rules::usageCall { id: "limit".into(), account });
    let used = usage(&net, colleague.address);
    assert_eq!((used.amount, used.count, used.countFreesAt), (U256::from(1_000), 0, 0));
    assert_eq!(usage(&net, stranger.address).amount, U256::from(1_000));
    // A day and an hour later nothing of it counts any more.
    let frees = used.amountFreesAt;
    assert!(frees > net.time_secs + 82_000 && frees < net.time_secs + 86_400 + 3_600);
    net.time_secs = frees - 1;
    assert_eq!(violation(&net.try_one(&developer.sign(&pay(token, 1)))), Code::TotalAboveMax);
    net.time_secs = frees;
    net.one(&developer.sign(&pay(token, 1_000)));
}

#[test]
fn a_velocity_counts_each_account_by_itself() {
    let count = json!({ "max": 2, "window_secs": 3_600, "per": "account" });
    let World { mut net, developer, colleague, token, .. } = World::with(json!({ "count": count }));
    for _ in 0..2 {
        net.one(&developer.sign(&pay(token, 1)));
    }
    assert_eq!(violation(&net.try_one(&developer.sign(&pay(token, 1)))), Code::TooOften);
    net.one(&colleague.sign(&pay(token, 1)));
    let used = net.ask(RULES, &rules::usageCall { id: "limit".into(), account: developer.address });
    assert_eq!((used.amount, used.count), (U256::ZERO, 2));
    net.time_secs = used.countFreesAt;
    net.one(&developer.sign(&pay(token, 1)));
}

#[test]
fn a_changed_rule_counts_anew() {
    let count = json!({ "max": 1, "window_secs": 3_600, "per": "account" });
    let World { mut net, developer, token, .. } = World::with(json!({ "count": count }));
    net.one(&developer.sign(&pay(token, 1)));
    assert_eq!(violation(&net.try_one(&developer.sign(&pay(token, 1)))), Code::TooOften);
    set(&mut net, &[(on_transfers(token, "limit", json!({ "count": count })), 42)]);
    net.one(&developer.sign(&pay(token, 1)));
}

#[test]
fn all_transfers_of_a_transaction_count_and_one_too_many_undoes_them_all() {
    let mut world = World::new();
    let batch = world.deploy_rich(&hands_on(world.token, &[0xf1, 0xf1, 0xf1]));
    let total = |max: &str| json!({ "total": { "max": max, "window_secs": 60, "per": "account" } });
    let say = |world: &World| Say { to: TxKind::Call(batch), ..pay(world.token, 100) };
    set(&mut world.net, &[(on_transfers(world.token, "limit", total("299")), 1)]);
    let receipt = world.net.try_one(&world.developer.sign(&say(&world)));
    assert_eq!(violation(&receipt), Code::TotalAboveMax);
    assert_eq!(balance(&world.net, world.token, SHOP), 0);
    set(&mut world.net, &[(on_transfers(world.token, "limit", total("300")), 2)]);
    let receipt = world.net.one(&world.developer.sign(&say(&world)));
    assert_eq!((receipt.logs.len(), balance(&world.net, world.token, SHOP)), (3, 300));
}

#[test]
fn an_alert_lets_the_transaction_stand_and_is_raised_once() {
    let fields = json!({ "max_amount": "99", "effect": "alert",
        "total": { "max": "100", "window_secs": 60, "per": "account" } });
    let mut world = World::new();
    let batch = world.deploy_rich(&hands_on(world.token, &[0xf1, 0xf1]));
    set(&mut world.net, &[(on_transfers(world.token, "watch", fields), 7)]);
    let say = Say { to: TxKind::Call(batch), ..pay(world.token, 100) };
    let receipt = world.net.one(&world.developer.sign(&say));
    let [first, second, alert] = &receipt.logs[..] else { panic!("{receipt:?}") };
    assert!([first, second].iter().all(|log| log.address == world.token));
    let alert = rules::Alert::decode_log(alert).unwrap();
    assert_eq!((alert.rule.as_str(), alert.code, alert.proposal), ("watch", Code::AmountAboveMax.code(), 7));
    let usage = rules::usageCall { id: "watch".into(), account: world.developer.address };
    assert_eq!(world.net.ask(RULES, &usage).amount, U256::from(200), "what stands is counted");
    let quiet = world.net.one(&world.stranger.sign(&pay(world.token, 1)));
    assert_eq!(quiet.logs.len(), 1);
}

#[test]
fn lists_of_counterparties_allow_and_deny() {
    let mut world = World::with(json!({ "counterparties": { "deny": [SANCTIONED] } }));
    let receipt = world.net.try_one(&world.developer.sign(&transfer(world.token, SANCTIONED, 1)));
    assert_eq!(violation(&receipt), Code::CounterpartyDenied);
    world.net.one(&world.developer.sign(&pay(world.token, 1)));
    let allow = on_transfers(world.token, "limit", json!({ "counterparties": { "allow": [SHOP] } }));
    set(&mut world.net, &[(allow, 1)]);
    world.net.one(&world.developer.sign(&pay(world.token, 1)));
    let receipt = world.net.try_one(&world.developer.sign(&transfer(world.token, SANCTIONED, 1)));
    assert_eq!(violation(&receipt), Code::CounterpartyNotAllowed);
}

#[test]
fn a_list_of_counterparties_binds_every_key_of_an_identity() {
    let mut world = World::new();
    let batch = world.deploy_rich(&hands_on(world.token, &[0xf1, 0xf1]));
    let registrars = registrars(&mut world.net);
    let old = world.net.actor("bank-a", Role::Operator);
    let new = holder(&mut world.net, "bank-a", Role::Operator, "someone", "new key");
    replace(&mut world.net, &registrars, &old, &new);
    let pay = |world: &mut World, to: &Actor| {
        world.net.try_one(&world.developer.sign(&transfer(world.token, to.address, 1)))
    };
    // Whichever of its accounts the list names, and whichever is paid.
    for (named, denied) in [(&old, [&old, &new].as_slice()), (&new, &[&new])] {
        let list = json!({ "counterparties": { "deny": [named.address] } });
        set(&mut world.net, &[(on_transfers(world.token, "limit", list), 1)]);
        for to in denied {
            assert_eq!(violation(&pay(&mut world, to)), Code::CounterpartyDenied);
        }
    }
    let list = json!({ "counterparties": { "allow": [old.address] } });
    set(&mut world.net, &[(on_transfers(world.token, "limit", list), 2)]);
    assert!(pay(&mut world, &new).outcome.succeeded());
    // The row that this reads is paid for, once in a transaction.
    let say = Say { to: TxKind::Call(batch), ..transfer(world.token, new.address, 1) };
    let with = world.net.one(&world.developer.sign(&say)).gas_used;
    let all = json!({ "max_amount": "5" });
    set(&mut world.net, &[(on_transfers(world.token, "limit", all), 3)]);
    let without = world.net.one(&world.developer.sign(&say)).gas_used;
    assert_eq!(with, without + gas::ROW_READ);
}

#[test]
fn a_rule_that_names_a_later_key_of_an_identity_is_refused_and_told_the_identity() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = net.actor("bank-a", Role::Operator);
    let new = holder(&mut net, "bank-a", Role::Operator, "someone", "new key");
    replace(&mut net, &registrars, &old, &new);
    let proposal = |fields: Value| {
        let limit = on_transfers(SHOP, "limit", fields);
        concordat_governance::Action::SetLimit { id: "limit".into(), limit: limit.encode().into() }
    };
    for fields in [
        json!({ "max_amount": "1", "binds": { "account": new.address } }),
        json!({ "counterparties": { "deny": [SANCTIONED, new.address] } }),
    ] {
        assert_eq!(proposal_refused(&mut net, &members[0], &proposal(fields)), 76);
    }
    let fine = proposal(json!({ "max_amount": "1", "binds": { "account": old.address } }));
    let call = concordat_core::governance::abi::IGovernance::proposeCall {
        kind: fine.kind().code(),
        payload: fine.encode(),
    };
    net.one(&members[0].sign(&Say::governance(&call)));
}

#[test]
fn a_key_that_a_rule_names_in_advance_becomes_nobodys_later_key() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = net.actor("bank-a", Role::Operator);
    let new = holder(&mut net, "bank-a", Role::Operator, "someone", "new key");
    for fields in [
        json!({ "max_amount": "1", "binds": { "account": new.address } }),
        json!({ "counterparties": { "deny": [SANCTIONED, new.address] } }),
    ] {
        let limit = on_transfers(SHOP, "limit", fields);
        let set = concordat_governance::Action::SetLimit { id: "limit".into(), limit: limit.encode().into() };
        pass(&mut net, &members, &set);
        let receipt = net.try_one(&registrars[0].sign(&request_recovery(&old, &new)));
        let named = concordat_core::abi::IIdentityRegistry::KeyNamed::abi_decode(&receipt.output).unwrap();
        assert_eq!((named.account, named.by.as_str()), (new.address, "rule limit"));
    }
    pass(&mut net, &members, &concordat_governance::Action::RepealLimit { id: "limit".into() });
    replace(&mut net, &registrars, &old, &new);
}

#[test]
fn hours_go_by_the_time_of_the_block() {
    let mut world = World::with(json!({ "hours": { "from": "08:00", "to": "18:00" } }));
    let midnight = world.net.time_secs - world.net.time_secs % 86_400 + 86_400;
    for (at, open) in [(28_799, false), (28_800, true), (64_799, true), (64_800, false)] {
        world.net.time_secs = midnight + at;
        let receipt = world.net.try_one(&world.developer.sign(&pay(world.token, 1)));
        assert_eq!(receipt.outcome.succeeded(), open, "{at} s after midnight");
        assert!(open || violation(&receipt) == Code::OutsideHours);
    }
}

#[test]
fn a_rule_binds_an_organisation_or_an_account_and_nobody_else() {
    let mut world = World::with(json!({ "max_amount": "0", "binds": { "organisation": "bank-b" } }));
    world.net.one(&world.developer.sign(&pay(world.token, 1)));
    violation(&world.net.try_one(&world.stranger.sign(&pay(world.token, 1))));
    let fields = json!({ "max_amount": "0", "binds": { "account": world.developer.address } });
    set(&mut world.net, &[(on_transfers(world.token, "limit", fields), 1)]);
    violation(&world.net.try_one(&world.developer.sign(&pay(world.token, 1))));
    world.net.one(&world.colleague.sign(&pay(world.token, 1)));
    world.net.one(&world.stranger.sign(&pay(world.token, 1)));
}

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

/// The nonce of the developer's last transaction.
fn receipt_nonce(world: &World) -> u64 {
    world.developer.nonce.get() - 1
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

fn request(world: &World, say: Say) -> CallRequest {
    let to = say.to.to().copied();
    CallRequest { from: world.developer.address, to, input: say.input, ..CallRequest::default() }
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

fn execute(net: &Consortium, txs: &[VerifiedTx]) -> BlockOutcome {
    let mut executor = net.executor();
    txs.iter().for_each(|tx| drop(executor.execute(tx).unwrap().clone()));
    executor.finish().unwrap()
}

#[test]
fn two_executors_come_to_the_same_state_and_so_do_many_blocks_of_one() {
    let mut world = World::new();
    let batch = world.deploy_rich(&hands_on(world.token, &[0xf1, 0xf1]));
    let both = json!({ "total": { "max": "700", "window_secs": 3_600, "per": "organisation" },
        "count": { "max": 4, "window_secs": 600, "per": "account" } });
    let limits = [
        (on_transfers(world.token, "limit", both), 1),
        (on_transfers(world.token, "watch", json!({ "max_amount": "150", "effect": "alert" })), 2),
    ];
    set(&mut world.net, &limits);
    let through = |value| Say { to: TxKind::Call(batch), ..pay(world.token, value) };
    let txs = [
        world.developer.sign(&pay(world.token, 200)),
        world.colleague.sign(&through(100)),
        world.stranger.sign(&pay(world.token, 701)),
        world.developer.sign(&through(200)),
        world.colleague.sign(&pay(world.token, 300)),
        world.stranger.sign(&pay(world.token, 700)),
    ];
    let one = execute(&world.net, &txs);
    let outcomes: Vec<u32> = one.receipts.iter().map(|receipt| receipt.outcome.code()).collect();
    assert_eq!(outcomes, [0, 0, 24, 24, 0, 0]);
    // Other sets in between drive this one out of what the process remembers.
    for number in 10..20 {
        let mut other = Consortium::start(vec![], world.net.genesis.clone());
        other.state = world.net.state.clone();
        (other.height, other.time_secs) = (world.net.height, world.net.time_secs);
        set(&mut other, &[(on_transfers(SHOP, "other", json!({ "max_amount": "1" })), number)]);
        execute(&other, &txs);
    }
    let other = execute(&world.net, &txs);
    assert_eq!(one, other);
    assert_eq!(digest(&one.changes), digest(&other.changes));
    let mut single = world.net.state.clone();
    for tx in &txs {
        let mut executor = BlockExecutor::new(&single, world.net.env()).unwrap();
        executor.execute(tx).unwrap();
        let changes = executor.finish().unwrap().changes;
        single.apply(&changes);
    }
    world.net.state.apply(&one.changes);
    // But for the history, in which each block has its record.
    for values in [&mut single.values, &mut world.net.state.values] {
        values.retain(|key, _| !is_activity(key));
    }
    assert_eq!(single.values, world.net.state.values);
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

/// The rules of the random blocks below, whose model is [`Model`].
fn five_rules(token: Address) -> Vec<(Limit, u64)> {
    let method = json!({ "amount": { "word": 1 }, "max_amount": "90" });
    let total = json!({ "total": { "max": "600", "window_secs": 86_400, "per": "organisation" } });
    let count = json!({ "count": { "max": 5, "window_secs": 3_600, "per": "account" } });
    vec![
        (on_transfers(token, "total", total), 1),
        (on_transfers(token, "count", count), 2),
        (on_transfers(token, "denied", json!({ "counterparties": { "deny": [SANCTIONED] } })), 3),
        (on_transfers(token, "watch", json!({ "max_amount": "50", "effect": "alert" })), 4),
        (on_method(&token.to_string(), "transfer(address,uint256)", "method", method), 5),
    ]
}

/// Keeps every transfer that stands: when, by whom, for which organisation, how much.
#[derive(Default)]
struct Model {
    kept: Vec<(u64, Address, u8, u64)>,
}

impl Model {
    /// Whether something counts: whether the 24th of the window that it lies in reaches into the window.
    fn counts(then: u64, at: u64, secs: u64) -> bool {
        let part = secs / 24;
        (then / part + 1) * part > at + 1 - secs
    }

    fn moved(&self, at: u64, bank: u8) -> u64 {
        let own = self.kept.iter().filter(|(then, _, of, _)| *of == bank && Self::counts(*then, at, 86_400));
        own.map(|(.., value)| value).sum()
    }

    fn times(&self, at: u64, account: Address) -> usize {
        self.kept.iter().filter(|(then, by, ..)| *by == account && Self::counts(*then, at, 3_600)).count()
    }

    /// Whether transfers of a transaction may all stand; if so they are kept.
    fn admits(&mut self, at: u64, account: Address, bank: u8, transfers: &[(Address, u64)]) -> bool {
        let before = self.kept.len();
        for (to, value) in transfers {
            let fits = self.moved(at, bank) + value <= 600 && self.times(at, account) < 5;
            if !fits || *to == SANCTIONED || *value > 90 {
                self.kept.truncate(before);
                return false;
            }
            self.kept.push((at, account, bank, *value));
        }
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_blocks_have_the_outcomes_of_a_model_that_keeps_every_transfer(
        blocks in prop::collection::vec(
            (0_u64..6_000, prop::collection::vec((0_usize..3, 0_u8..4, 1_u64..100, 0_u8..12), 1..5)),
            1..24,
        ),
    ) {
        let mut world = World::new();
        let batch = world.deploy_rich(&hands_on(world.token, &[0xf1, 0xf1]));
        world.net.one(&world.developer.sign(&transfer(world.token, batch, 50_000)));
        let reverting = world.deploy(&hands_on_and_reverts(world.token));
        let swallowing = world.deploy(&hands_on(reverting, &[0xf1]));
        let limits = five_rules(world.token);
        set(&mut world.net, &limits);
        let World { mut net, developer, colleague, stranger, token } = world;
        let (actors, mut model) = ([(&developer, 0), (&colleague, 0), (&stranger, 1)], Model::default());
        for (step, block) in blocks {
            net.time_secs += step;
            let (mut txs, mut expected) = (Vec::new(), Vec::new());
            for (who, how, value, to) in block {
                let to = if to == 0 { SANCTIONED } else { SHOP };
                let (through, times) = [(token, 1), (batch, 2), (swallowing, 0), (token, 1)][usize::from(how)];
                let (actor, bank) = actors[who];
                txs.push(actor.sign(&Say { to: TxKind::Call(through), ..transfer(token, to, value) }));
                let transfers = vec![(to, value); times];
                let stands = model.admits(net.time_secs, actor.address, bank, &transfers);
                let logs = if stands { times + usize::from(value > 50 && times > 0) } else { 1 };
                expected.push((stands, logs));
            }
            let outcome = execute(&net, &txs);
            prop_assert_eq!(&execute(&net, &txs), &outcome);
            let said = outcome.receipts.iter().map(|receipt| (receipt.outcome.succeeded(), receipt.logs.len()));
            prop_assert_eq!(said.collect::<Vec<_>>(), expected);
            net.accept(&outcome);
        }
        let at = net.time_secs;
        prop_assert_eq!(balance(&net, token, SHOP), model.kept.iter().map(|(.., value)| value).sum::<u64>());
        for (actor, bank) in actors {
            let usage = |id: &str| net.ask(RULES, &rules::usageCall { id: id.into(), account: actor.address });
            prop_assert_eq!(usage("total").amount, U256::from(model.moved(at, bank)));
            prop_assert_eq!(usage("count").count, model.times(at, actor.address) as u64);
        }
    }
}
