//! Run-time rules on real contracts: what they watch, what they undo, what they count, and what is left of it.

mod costs;
mod counting;
mod model;
mod parties;
mod watching;

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

/// The nonce of the developer's last transaction.
fn receipt_nonce(world: &World) -> u64 {
    world.developer.nonce.get() - 1
}

fn request(world: &World, say: Say) -> CallRequest {
    let to = say.to.to().copied();
    CallRequest { from: world.developer.address, to, input: say.input, ..CallRequest::default() }
}

fn execute(net: &Consortium, txs: &[VerifiedTx]) -> BlockOutcome {
    let mut executor = net.executor();
    txs.iter().for_each(|tx| drop(executor.execute(tx).unwrap().clone()));
    executor.finish().unwrap()
}
