//! Identities outlive keys: recoveries by two registrars and by vote, and what goes over to the new key.

mod heritage;
mod model;
mod registrars;
mod rows;
mod votes;

use std::{collections::BTreeSet, sync::Mutex};

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::{SolCall, SolError, SolEvent as _, SolValue as _, sol};
use concordat_core::{
    BlockExecutor, CONTRACTS, CallStatus, GOVERNANCE, IDENTITY_REGISTRY, IdentityEvent, PERMISSIONS,
    Registry, abi::IIdentityRegistry as registry, contracts::abi::IContracts as contracts,
    governance::abi::IGovernance as governance, permissions::abi::IPermissions as permissions,
};
use concordat_governance::{
    Action, Kind, Rule,
    action::{Basis, Scope},
    effect::Change,
};
use concordat_pki_authority::KeyType;
use concordat_types::{
    ReadError, Receipt, Role, StateKey, StateReader, receipt::Outcome, state::MemoryState,
};
use proptest::prelude::*;

use crate::{
    kit::{Actor, Consortium, Probe, Say, bytecode, certify, key, reason},
    refusals::crl_against,
};

sol! {
    contract IdentityToken {
        event Transfer(address indexed from, address indexed to, uint256 value);
        function transfer(address to, uint256 value) external returns (bool);
        function balanceOf(address owner) external view returns (uint256);
    }
}

const YES: u8 = 1;
const WINDOW: u64 = 10_000;
/// For how many blocks a request can be objected to.
pub const NOTICE: u64 = 100;

pub fn basis() -> Basis {
    Basis { document: B256::repeat_byte(1), reference: "Order 7".into() }
}

pub fn business() -> Say {
    Say { to: TxKind::Call(Address::repeat_byte(9)), input: Bytes::new(), gas: 30_000 }
}

/// Somebody with a certificate for a name and a key of its own.
pub fn holder(net: &mut Consortium, id: &str, role: Role, name: &str, seed: &str) -> Actor {
    let now = net.time_secs;
    certify(net.authority(id), &key(KeyType::Secp256k1, seed), role, name, 30, now)
}

fn enrolled(net: &mut Consortium, id: &str, role: Role, name: &str) -> Actor {
    let actor = holder(net, id, role, name, &format!("{id} {role} {name}"));
    net.enrol(&actor);
    actor
}

/// Two registrars of bank-a, each another person.
pub fn registrars(net: &mut Consortium) -> [Actor; 2] {
    ["Rita", "Rolf"].map(|name| enrolled(net, "bank-a", Role::Registrar, name))
}

pub fn request(old: &Actor, new: &Actor) -> Say {
    Say::registry(&registry::requestRecoveryCall { oldAccount: old.address, chain: new.chain.clone() })
}

pub fn confirm(old: &Actor, new: &Actor) -> Say {
    Say::registry(&registry::confirmRecoveryCall { oldAccount: old.address, chain: new.chain.clone() })
}

fn cancel(old: &Actor) -> Say {
    Say::registry(&registry::cancelRecoveryCall { oldAccount: old.address })
}

/// Two registrars replace an account, as soon as they can.
pub fn replace(net: &mut Consortium, registrars: &[Actor; 2], old: &Actor, new: &Actor) -> Receipt {
    net.one(&registrars[0].sign(&request(old, new)));
    net.height = pending(net, old).earliest;
    net.one(&registrars[1].sign(&confirm(old, new)))
}

/// Proposes as the first member; everybody in good standing votes yes, and time passes: the proposal's number.
pub fn carry(net: &mut Consortium, members: &[Actor], action: &Action) -> u64 {
    let propose = governance::proposeCall { kind: action.kind().code(), payload: action.encode() };
    let receipt = net.one(&members[0].sign(&Say::governance(&propose)));
    let id = governance::ProposalOpened::decode_log(&receipt.logs[0]).unwrap().id;
    for member in members {
        let proposal = net.ask(GOVERNANCE, &governance::proposalCall { id });
        if proposal.closes >= net.height {
            let vote = governance::voteCall { id, choice: YES, digest: proposal.digest };
            net.try_one(&member.sign(&Say::governance(&vote)));
        }
    }
    net.height = net.height.max(net.ask(GOVERNANCE, &governance::proposalCall { id }).earliest);
    id
}

pub fn execute(id: u64) -> Say {
    Say::governance(&governance::executeCall { id })
}

/// Votes an action through.
pub fn pass(net: &mut Consortium, members: &[Actor], action: &Action) -> Receipt {
    let id = carry(net, members, action);
    let receipt = net.one(&members[0].sign(&execute(id)));
    let proposal = net.ask(GOVERNANCE, &governance::proposalCall { id });
    assert_eq!(proposal.status, 1, "{}", proposal.reason);
    receipt
}

/// The code with which a proposal is refused.
pub fn proposal_refused(net: &mut Consortium, member: &Actor, action: &Action) -> u16 {
    let propose = governance::proposeCall { kind: action.kind().code(), payload: action.encode() };
    let receipt = net.try_one(&member.sign(&Say::governance(&propose)));
    assert_eq!(receipt.outcome, Outcome::Reverted, "{receipt:?}");
    governance::Refused::abi_decode(&receipt.output).unwrap().code
}

pub fn recover(old: &Actor, new: &Actor) -> Action {
    Action::RecoverKey { account: old.address, chain: new.chain.clone(), basis: basis() }
}

/// The error with which the registry refuses.
pub fn refused<E: SolError>(net: &mut Consortium, actor: &Actor, say: &Say) -> E {
    let receipt = net.try_one(&actor.sign(say));
    assert_eq!(receipt.outcome, Outcome::Reverted, "{receipt:?}");
    E::abi_decode(&receipt.output).unwrap_or_else(|_| panic!("{}", reason(&receipt.output)))
}

fn identity_of(net: &Consortium, account: Address) -> Address {
    net.ask(IDENTITY_REGISTRY, &registry::identityOfCall { account })
}

fn account_of(net: &Consortium, identity: Address) -> Address {
    net.ask(IDENTITY_REGISTRY, &registry::accountOfCall { identity })
}

fn pending(net: &Consortium, account: &Actor) -> registry::Recovery {
    net.ask(IDENTITY_REGISTRY, &registry::recoveryCall { account: account.address })
}
