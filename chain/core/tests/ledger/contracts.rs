//! Contracts: who made and administers them, whom their lists bind, and that the frozen and retired ones do not answer.

mod administration;
mod explanations;
mod halts;
mod lists;
mod making;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::{SolCall, SolError, SolEvent as _};
use concordat_core::{
    CONTRACTS, CallStatus, ExecError, GOVERNANCE, IDENTITY_REGISTRY, PERMISSIONS, TxInvalid, Wish,
    contracts::abi::IContracts as contracts, explain, gas, governance::abi::IGovernance as governance,
    permissions::abi::IPermissions as permissions, trace_transaction,
};
use concordat_governance::{
    Action, Kind, Rule,
    action::{Basis, ListKind, Scope},
};
use concordat_permissions::Action as Wanted;
use concordat_types::{ReadError, Receipt, Role, StateKey, receipt::Outcome};
use proptest::{prelude::*, strategy::ValueTree as _};

use crate::{
    governance::{Committee, Governed, execute},
    kit::{Actor, Child, Consortium, Probe, Say, Token, bytecode, refused_gas, token_init_code},
    permissions::{asked, caller, creator, deploy, enact, hex_address, policy, to, told},
};

const NONE: u8 = 0;
const ALLOW: u8 = 1;
const DENY: u8 = 2;

fn say(call: &impl SolCall) -> Say {
    Say::call(CONTRACTS, call)
}

fn set_list(address: Address, kind: u8) -> Say {
    say(&contracts::setContractListCall { contractAddress: address, kind })
}

fn set_method_list(address: Address, method: [u8; 4], kind: u8) -> Say {
    say(&contracts::setMethodListCall { contractAddress: address, method: method.into(), kind })
}

fn add(address: Address, accounts: &[Address]) -> Say {
    say(&contracts::addToContractListCall { contractAddress: address, accounts: accounts.to_vec() })
}

fn remove(address: Address, accounts: &[Address]) -> Say {
    say(&contracts::removeFromContractListCall { contractAddress: address, accounts: accounts.to_vec() })
}

fn hand_over(address: Address, administrator: Address) -> Say {
    say(&contracts::setAdministratorCall { contractAddress: address, administrator })
}

fn info(net: &Consortium, address: Address) -> contracts::ContractInfo {
    net.ask(CONTRACTS, &contracts::contractInfoCall { contractAddress: address })
}

/// The counter of a probe, which is a call that anybody may make.
fn count(probe: Address) -> Say {
    Say::call(probe, &Probe::counterCall {})
}

/// A transaction that is refused by the registry of contracts, with this error.
fn refuses<E: SolError>(net: &mut Consortium, actor: &Actor, say: &Say) -> E {
    let receipt = net.try_one(&actor.sign(say));
    assert_eq!(receipt.outcome, Outcome::Reverted, "{receipt:?}");
    E::abi_decode(&receipt.output).unwrap_or_else(|_| panic!("{receipt:?}"))
}

fn basis() -> Basis {
    Basis { document: B256::repeat_byte(1), reference: "Order 7".into() }
}

fn freeze(contract: Address) -> Action {
    Action::FreezeContract { contract, basis: basis(), until: 0 }
}

fn unfreeze(contract: Address) -> Action {
    Action::UnfreezeContract { contract, basis: basis() }
}

fn retire(contract: Address) -> Action {
    Action::RetireContract { contract, basis: basis() }
}

fn deploy_list(kind: ListKind, add: &[Address], remove: &[Address]) -> Action {
    let ordered = |accounts: &[Address]| {
        let mut accounts = accounts.to_vec();
        accounts.sort();
        accounts
    };
    Action::SetDeployList { kind, add: ordered(add), remove: ordered(remove) }
}

/// A governed chain with a developer of bank-a, an operator of bank-b, and a probe of the developer.
struct World {
    committee: Committee,
    developer: Actor,
    operator: Actor,
    probe: Address,
}

impl World {
    fn new() -> Self {
        let mut committee = Committee::new();
        let (developer, probe) = committee.net.deploy(bytecode("Probe").into());
        let operator = committee.net.actor("bank-b", Role::Operator);
        Self { committee, developer, operator, probe }
    }

    fn calls(&mut self) -> Receipt {
        let tx = self.operator.sign(&count(self.probe));
        self.net().try_one(&tx)
    }
}

impl Governed for World {
    fn committee(&mut self) -> &mut Committee {
        &mut self.committee
    }
}

/// Takes away a contract's row, as of one that was there before the first block.
fn forget(net: &mut Consortium, address: Address) {
    assert!(net.state.values.remove(&StateKey::system(0x40, address.as_slice())).is_some());
}
