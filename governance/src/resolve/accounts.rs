//! Freezing accounts, members of the committee included, but never so many that it could not act.
//!
//! A freeze binds the identity: whoever names an account that was replaced means the one that acts for it now. So a
//! recovery between a proposal and its execution is no way out.

use alloy_primitives::Address;

use super::{Resolved, check_dispensable};
use crate::{
    Facts, Kind, Refusal, ResolveError,
    action::{Basis, Scope},
    effect::{Change, End, Freeze},
    facts::Frozen,
};

pub(super) fn freeze<F: Facts>(
    account: Address,
    (scope, basis): (Scope, &Basis),
    until: u64,
    facts: &mut F,
) -> Resolved<F> {
    let height = facts.height();
    if until != 0 && until <= height {
        return Err(Refusal::FreezeOver { until, height }.into());
    }
    let before = binding(account, facts)?;
    let end = if until == 0 { End::Never } else { End::At(until) };
    let after = Freeze { scope, basis: basis.clone(), end, emergency: false };
    impose(account, before, after, facts)
}

/// An emergency freezes whom nothing freezes yet, and not the same account over and over, whether the last one lapsed or
/// was lifted: who wants it frozen for longer must convince the others. It takes nobody's vote.
pub(super) fn emergency<F: Facts>(
    account: Address,
    (scope, basis): (Scope, &Basis),
    facts: &mut F,
) -> Resolved<F> {
    if binding(account, facts)?.is_some() {
        return Err(Refusal::FrozenAlready { account }.into());
    }
    let lapse = facts.rule(Kind::EmergencyFreeze).map_err(ResolveError::Facts)?.lapse_blocks;
    if let Some(last) = facts.frozen(account).map_err(ResolveError::Facts)?.filter(|last| last.emergency) {
        let from = last.until.saturating_add(lapse).saturating_add(1);
        if facts.height() < from {
            return Err(Refusal::EmergencyRepeated { account, from }.into());
        }
    }
    if scope == Scope::All {
        check_no_seat(account, facts)?;
    }
    let after = Freeze { scope, basis: basis.clone(), end: End::After(lapse), emergency: true };
    impose(account, None, after, facts)
}

/// A quarter that took the votes of others by emergencies, and withheld its own, could keep all decisions from being
/// taken: also that to lift the freeze, and, going from one member to the next, for ever.
pub(crate) fn check_no_seat<F: Facts>(account: Address, facts: &mut F) -> Result<(), ResolveError<F::Error>> {
    let holder = facts.bound(account).map_err(ResolveError::Facts)?.account;
    match facts.committee().map_err(ResolveError::Facts)?.member(&holder) {
        Some(_) => Err(Refusal::EmergencyAgainstMember { account }.into()),
        None => Ok(()),
    }
}

pub(super) fn unfreeze<F: Facts>(account: Address, facts: &mut F) -> Resolved<F> {
    match binding(account, facts)? {
        None => Err(Refusal::NotFrozen { account }.into()),
        before => Ok(Change::Freeze { account, before, after: None }.into()),
    }
}

/// The freeze that binds an account now.
fn binding<F: Facts>(account: Address, facts: &mut F) -> Result<Option<Freeze>, ResolveError<F::Error>> {
    let height = facts.height();
    let last = facts.frozen(account).map_err(ResolveError::Facts)?.filter(|last| last.binds(height));
    Ok(last.map(|Frozen { scope, basis, until, emergency }| {
        let end = if until == 0 { End::Never } else { End::At(until) };
        Freeze { scope, basis, end, emergency }
    }))
}

fn impose<F: Facts>(account: Address, before: Option<Freeze>, after: Freeze, facts: &mut F) -> Resolved<F> {
    if facts.account(account).map_err(ResolveError::Facts)?.is_none() {
        return Err(Refusal::AccountUnknown { account }.into());
    }
    if before.as_ref() == Some(&after) {
        return Err(Refusal::NothingChanges.into());
    }
    if after.scope == Scope::All {
        let holder = facts.bound(account).map_err(ResolveError::Facts)?.account;
        check_dispensable(holder, facts)?;
    }
    Ok(Change::Freeze { account, before, after: Some(after) }.into())
}
