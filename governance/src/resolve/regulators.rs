//! Regulators are registered, get other mandates and go. Whether they consent is judged at execution
//! ([`crate::consent`]).

use alloy_primitives::Address;
use concordat_types::{OrgId, Role};

use super::Resolved;
use crate::{
    Facts, Refusal, ResolveError,
    effect::Change,
    facts::{Ability, AccountFacts, Bound, Membership},
    refusal::Unfit,
    regulator::{MAX_REGULATORS, Mandate, RegulatorFacts},
};

pub(super) fn admit<F: Facts>(account: Address, mandate: &Mandate, facts: &mut F) -> Resolved<F> {
    let holder = fit(account, mandate, facts)?;
    let Bound { identity, account: by } = facts.bound(account).map_err(ResolveError::Facts)?;
    if by != account {
        return Err(Refusal::AccountReplaced { account, by }.into());
    }
    for id in mandate.organisations.iter().flatten() {
        check_organisation(id, facts)?;
    }
    for contract in mandate.contracts.iter().flatten().copied() {
        if facts.contract(contract).map_err(ResolveError::Facts)?.is_none() {
            return Err(Refusal::ContractUnknown { contract }.into());
        }
    }
    let all = facts.regulators().map_err(ResolveError::Facts)?;
    let before = all.get(&identity).cloned();
    let after = RegulatorFacts { organisation: holder.organisation, mandate: mandate.clone() };
    if before.as_ref() == Some(&after) {
        return Err(Refusal::NothingChanges.into());
    }
    if before.is_none() && all.len() >= MAX_REGULATORS {
        return Err(Refusal::RegulatorUnfit { account, reason: Unfit::TooMany { have: all.len() } }.into());
    }
    Ok(Change::Regulator { identity, before, after: Some(after) }.into())
}

pub(super) fn retire<F: Facts>(account: Address, facts: &mut F) -> Resolved<F> {
    let identity = facts.bound(account).map_err(ResolveError::Facts)?.identity;
    let before = facts.regulators().map_err(ResolveError::Facts)?.get(&identity).cloned();
    match before {
        None => Err(Refusal::RegulatorUnknown { account }.into()),
        before => Ok(Change::Regulator { identity, before, after: None }.into()),
    }
}

/// The account, if it could use such a mandate from now on.
fn fit<F: Facts>(
    account: Address,
    mandate: &Mandate,
    facts: &mut F,
) -> Result<AccountFacts, ResolveError<F::Error>> {
    let holder = facts.account(account).map_err(ResolveError::Facts)?;
    let holder = holder.ok_or(Refusal::AccountUnknown { account })?;
    if holder.role != Role::Regulator {
        return Err(Refusal::RegulatorUnfit { account, reason: Unfit::Role(holder.role) }.into());
    }
    if holder.ability != Ability::Now {
        return Err(Refusal::NotInGoodStanding { sender: account }.into());
    }
    let (until, height) = (mandate.until, facts.height());
    if until != 0 && until <= height {
        return Err(Refusal::RegulatorUnfit { account, reason: Unfit::Over { until, height } }.into());
    }
    Ok(holder)
}

fn check_organisation<F: Facts>(id: &OrgId, facts: &mut F) -> Result<(), ResolveError<F::Error>> {
    let found = facts.organisation(id).map_err(ResolveError::Facts)?;
    let membership = found.ok_or_else(|| Refusal::OrganisationUnknown { id: id.clone() })?.membership;
    if membership == Membership::Expelled {
        return Err(Refusal::OrganisationStands { id: id.clone(), membership }.into());
    }
    Ok(())
}
