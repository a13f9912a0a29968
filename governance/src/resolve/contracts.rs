//! Freezing and retiring contracts, who keeps their lists, and the list of who may deploy.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use concordat_types::Role;

use super::Resolved;
use crate::{
    Facts, Kind, Refusal, ResolveError,
    action::{Basis, ListKind},
    effect::{Change, End, Halt, Listed},
    facts::{Ability, ContractFacts, Halted},
};

/// Only what really changes stands in the effect: who is on the list already, or is not, is left out.
pub(super) fn set_deploy_list<F: Facts>(
    kind: ListKind,
    add: &[Address],
    remove: &[Address],
    facts: &mut F,
) -> Resolved<F> {
    let before = facts.deploy_list().map_err(ResolveError::Facts)?;
    let added = differing(add, false, facts)?;
    let removed = differing(remove, true, facts)?;
    if before == kind && added.is_empty() && removed.is_empty() {
        return Err(Refusal::NothingChanges.into());
    }
    let before = Listed { kind: before, accounts: removed };
    Ok(Change::DeployList { before, after: Listed { kind, accounts: added } }.into())
}

/// The identities of those accounts that are on the list, or of those that are not, in the order of their addresses. Who
/// comes on it has enrolled: another address might become a later key of an identity, and the list would not bind it.
fn differing<F: Facts>(
    accounts: &[Address],
    listed: bool,
    facts: &mut F,
) -> Result<Vec<Address>, ResolveError<F::Error>> {
    let mut differing = BTreeSet::new();
    for account in accounts {
        if !listed && facts.account(*account).map_err(ResolveError::Facts)?.is_none() {
            return Err(Refusal::AccountUnknown { account: *account }.into());
        }
        let identity = facts.bound(*account).map_err(ResolveError::Facts)?.identity;
        if facts.on_deploy_list(identity).map_err(ResolveError::Facts)? == listed {
            differing.insert(identity);
        }
    }
    Ok(differing.into_iter().collect())
}

pub(super) fn freeze<F: Facts>(contract: Address, basis: &Basis, until: u64, facts: &mut F) -> Resolved<F> {
    let height = facts.height();
    if until != 0 && until <= height {
        return Err(Refusal::FreezeOver { until, height }.into());
    }
    let before = binding(known(contract, facts)?.halted, height);
    let end = if until == 0 { End::Never } else { End::At(until) };
    let after = Halt::Frozen { basis: basis.clone(), end, emergency: false };
    if before.as_ref() == Some(&after) {
        return Err(Refusal::NothingChanges.into());
    }
    Ok(Change::ContractHalt { contract, before, after: Some(after) }.into())
}

/// An emergency freezes what nothing freezes yet, and not the same contract over and over: who wants it frozen for
/// longer must convince the others.
pub(super) fn emergency<F: Facts>(contract: Address, basis: &Basis, facts: &mut F) -> Resolved<F> {
    let (height, last) = (facts.height(), known(contract, facts)?.halted);
    if last.as_ref().is_some_and(|last| last.binds(height)) {
        return Err(Refusal::ContractFrozenAlready { contract }.into());
    }
    let lapse = facts.rule(Kind::EmergencyFreezeContract).map_err(ResolveError::Facts)?.lapse_blocks;
    if let Some(Halted::Frozen { until, emergency: true, .. }) = last {
        let from = until.saturating_add(lapse).saturating_add(1);
        if height < from {
            return Err(Refusal::ContractEmergencyRepeated { contract, from }.into());
        }
    }
    let after = Halt::Frozen { basis: basis.clone(), end: End::After(lapse), emergency: true };
    Ok(Change::ContractHalt { contract, before: None, after: Some(after) }.into())
}

pub(super) fn unfreeze<F: Facts>(contract: Address, facts: &mut F) -> Resolved<F> {
    let height = facts.height();
    match binding(known(contract, facts)?.halted, height) {
        None => Err(Refusal::ContractNotFrozen { contract }.into()),
        before => Ok(Change::ContractHalt { contract, before, after: None }.into()),
    }
}

pub(super) fn retire<F: Facts>(contract: Address, basis: &Basis, facts: &mut F) -> Resolved<F> {
    let height = facts.height();
    let before = binding(known(contract, facts)?.halted, height);
    let after = Some(Halt::Retired { basis: basis.clone() });
    Ok(Change::ContractHalt { contract, before, after }.into())
}

pub(super) fn set_administrator<F: Facts>(
    contract: Address,
    administrator: Address,
    facts: &mut F,
) -> Resolved<F> {
    let before = known(contract, facts)?.administrator;
    let account = (!administrator.is_zero()).then_some(administrator);
    let after = account.map(|account| facts.bound(account)).transpose().map_err(ResolveError::Facts)?;
    let after = after.map(|bound| bound.identity);
    if before == after {
        return Err(Refusal::NothingChanges.into());
    }
    if let Some(account) = account {
        check_administrator(account, facts)?;
    }
    Ok(Change::ContractAdministrator { contract, before, after }.into())
}

/// Whoever keeps a contract's lists does business, and is in good standing.
fn check_administrator<F: Facts>(account: Address, facts: &mut F) -> Result<(), ResolveError<F::Error>> {
    let known = facts.account(account).map_err(ResolveError::Facts)?;
    let known = known.ok_or(Refusal::AccountUnknown { account })?;
    let role = known.role;
    if !matches!(role, Role::Operator | Role::Developer) {
        return Err(Refusal::NotAdministratorRole { account, role }.into());
    }
    let (height, freeze) = (facts.height(), facts.frozen(account).map_err(ResolveError::Facts)?);
    // A freeze of business alone leaves the ability to vote.
    if known.ability != Ability::Now || freeze.is_some_and(|freeze| freeze.binds(height)) {
        return Err(Refusal::NotInGoodStanding { sender: account }.into());
    }
    Ok(())
}

/// A contract that can be stopped and administered: one that is there, no part of the chain, and not retired.
pub(crate) fn known<F: Facts>(
    contract: Address,
    facts: &mut F,
) -> Result<ContractFacts, ResolveError<F::Error>> {
    let known = facts.contract(contract).map_err(ResolveError::Facts)?;
    let known = known.ok_or(Refusal::ContractUnknown { contract })?;
    if known.system {
        return Err(Refusal::ContractOfChain { contract }.into());
    }
    if matches!(known.halted, Some(Halted::Retired { .. })) {
        return Err(Refusal::ContractRetired { contract }.into());
    }
    Ok(known)
}

/// What stops a contract now.
fn binding(halted: Option<Halted>, height: u64) -> Option<Halt> {
    Some(match halted.filter(|halted| halted.binds(height))? {
        Halted::Frozen { basis, until, emergency } => {
            let end = if until == 0 { End::Never } else { End::At(until) };
            Halt::Frozen { basis, end, emergency }
        }
        Halted::Retired { basis } => Halt::Retired { basis },
    })
}
