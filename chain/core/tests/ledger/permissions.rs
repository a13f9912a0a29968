//! Policies bind transactions, and what contracts do on their senders' behalf.

mod agreement;
mod costs;
mod frames;
mod transactions;

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
