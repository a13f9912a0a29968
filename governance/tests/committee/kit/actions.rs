//! Actions on the things of these worlds.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bytes};
use concordat_governance::{
    Action,
    action::{BarTarget, Correction, ListKind, NewValidator, Scope},
    regulator::Power,
};
use concordat_types::Role;

use super::{attributes, basis, mandate, org, path, spare};

pub fn new_validator(index: u8, seed: u8, power: u64) -> Action {
    let text = |text: String| vec![Bytes::from(text.into_bytes())];
    Action::AdmitValidator(NewValidator {
        node_chain: text(org(index).to_string()),
        consensus_chain: vec![Bytes::copy_from_slice(&[seed])],
        node_address: format!("node-{seed}.example:26656"),
        power,
    })
}

pub fn freeze(account: Address) -> Action {
    Action::FreezeAccount { account, scope: Scope::All, basis: basis(), until: 0 }
}

pub fn emergency(account: Address) -> Action {
    Action::EmergencyFreeze { account, scope: Scope::All, basis: basis() }
}

pub fn seat(member: Address, weight: u64) -> Action {
    Action::SetCommitteeMember { member, weight }
}

pub fn recover(account: Address, (index, role, seed): (u8, Role, u8)) -> Action {
    let chain = path(index, role, spare(index, role, seed));
    Action::RecoverKey { account, chain, basis: basis() }
}

pub fn bar(account: Address) -> Action {
    Action::BarAccount { account, basis: basis() }
}

pub fn bar_node(seed: u8) -> Action {
    Action::BarNode { node_key: B256::repeat_byte(seed), basis: basis() }
}

pub fn lift(target: BarTarget) -> Action {
    Action::LiftBar { target, basis: basis() }
}

pub fn set_policy(id: &str, text: &str) -> Action {
    Action::SetPolicy { id: id.into(), text: text.into() }
}

pub fn repeal_policy(id: &str) -> Action {
    Action::RepealPolicy { id: id.into() }
}

pub fn freeze_contract(contract: Address) -> Action {
    Action::FreezeContract { contract, basis: basis(), until: 0 }
}

pub fn emergency_contract(contract: Address) -> Action {
    Action::EmergencyFreezeContract { contract, basis: basis() }
}

pub fn unfreeze_contract(contract: Address) -> Action {
    Action::UnfreezeContract { contract, basis: basis() }
}

pub fn retire_contract(contract: Address) -> Action {
    Action::RetireContract { contract, basis: basis() }
}

pub fn set_attributes(contract: Address, rating: u8) -> Action {
    Action::SetAttributes { contract, attributes: attributes(rating) }
}

pub fn revoke_attributes(contract: Address) -> Action {
    Action::RevokeAttributes { contract, basis: basis() }
}

pub fn upgrade(contract: Address, implementation: Address) -> Action {
    Action::UpgradeContract { contract, implementation, migration: Bytes::new() }
}

pub fn correct(contract: Address, correction: Correction) -> Action {
    Action::Correct { contract, call: correction.encode(), basis: basis() }
}

pub fn administrator(contract: Address, administrator: Address) -> Action {
    Action::SetContractAdministrator { contract, administrator }
}

/// Puts accounts on the list of who may deploy, and takes others off it.
pub fn deploy_list(kind: ListKind, add: &[Address], remove: &[Address]) -> Action {
    let ordered = |accounts: &[Address]| BTreeSet::from_iter(accounts.iter().copied()).into_iter().collect();
    Action::SetDeployList { kind, add: ordered(add), remove: ordered(remove) }
}

pub fn set_limit(id: &str, text: &str) -> Action {
    Action::SetLimit { id: id.into(), limit: Bytes::copy_from_slice(text.as_bytes()) }
}

pub fn admit_regulator(account: Address, powers: &[Power], until: u64) -> Action {
    Action::AdmitRegulator { account, mandate: mandate(powers, until) }
}

pub fn retire_regulator(account: Address) -> Action {
    Action::RetireRegulator { account }
}

pub fn repeal_limit(id: &str) -> Action {
    Action::RepealLimit { id: id.into() }
}
