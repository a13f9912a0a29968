//! Identities get new keys, and are shut out; so are nodes.
//!
//! An identity is the address of its first key. What binds it stays with it whatever keys it gets: freezes, bars,
//! seats. A proposal may name any account that it ever had, apart from a recovery, which names the one to be replaced.

use alloy_primitives::{Address, B256, Bytes};

use super::{Resolved, check_dispensable};
use crate::{
    Facts, Refusal, ResolveError,
    action::{BarTarget, Basis},
    effect::{Change, Seat},
    facts::{Bound, KeyFacts},
};

/// The committee can do no less afterwards: the same seat has a key that works. So nothing is asked about that, lest
/// a committee that lost keys could not get them back.
pub(super) fn recover<F: Facts>(account: Address, chain: &[Bytes], facts: &mut F) -> Resolved<F> {
    let before = facts.key(account).map_err(ResolveError::Facts)?;
    let before = before.ok_or(Refusal::AccountUnknown { account })?;
    let Bound { identity, account: by } = facts.bound(account).map_err(ResolveError::Facts)?;
    if by != account {
        return Err(Refusal::AccountReplaced { account, by }.into());
    }
    check_unbarred(BarTarget::Account(identity), facts)?;
    let checked = facts.check_key(chain).map_err(ResolveError::Facts)?;
    let after = checked.map_err(|reason| Refusal::Certificates { reason })?;
    check_holder(&before, &after)?;
    let committee = facts.committee().map_err(ResolveError::Facts)?;
    let enrolled = facts.account(after.account).map_err(ResolveError::Facts)?.is_some();
    if enrolled || committee.member(&after.account).is_some() {
        return Err(Refusal::KeyInUse { account: after.account }.into());
    }
    let new = after.account;
    if let Some(by) = facts.naming(new).map_err(ResolveError::Facts)? {
        return Err(Refusal::KeyNamed { account: new, by }.into());
    }
    let mut changes = vec![Change::Identity { identity, before, after }];
    if let Some(member) = committee.member(&account) {
        let seat = Some(Seat { organisation: member.organisation.clone(), weight: member.weight });
        changes.push(Change::Seat { member: account, before: seat.clone(), after: None });
        changes.push(Change::Seat { member: new, before: None, after: seat });
    }
    Ok(changes.into())
}

/// The name may become another one, as the voters are shown.
fn check_holder(holder: &KeyFacts, new: &KeyFacts) -> Result<(), Refusal> {
    if new.organisation == holder.organisation && new.role == holder.role {
        return Ok(());
    }
    let (organisation, role) = (new.organisation.clone(), new.role);
    Err(Refusal::OtherHolder { organisation, role, holder: holder.organisation.clone(), held: holder.role })
}

pub(super) fn bar_account<F: Facts>(account: Address, basis: &Basis, facts: &mut F) -> Resolved<F> {
    let Bound { identity, account: holder } = facts.bound(account).map_err(ResolveError::Facts)?;
    if facts.account(holder).map_err(ResolveError::Facts)?.is_none() {
        return Err(Refusal::AccountUnknown { account }.into());
    }
    let target = BarTarget::Account(identity);
    check_unbarred(target, facts)?;
    check_dispensable(holder, facts)?;
    Ok(Change::Bar { target, before: None, after: Some(basis.clone()) }.into())
}

/// A validator's node is cut off only after the validator has gone, which is quorum-safe.
pub(super) fn bar_node<F: Facts>(node_key: B256, basis: &Basis, facts: &mut F) -> Resolved<F> {
    let target = BarTarget::Node(node_key);
    check_unbarred(target, facts)?;
    let validators = facts.validators().map_err(ResolveError::Facts)?;
    if let Some(validator) = validators.iter().find(|validator| validator.node_key == node_key) {
        let consensus_key = validator.consensus_key;
        return Err(Refusal::NodeOfValidator { node_key, consensus_key }.into());
    }
    Ok(Change::Bar { target, before: None, after: Some(basis.clone()) }.into())
}

pub(super) fn lift<F: Facts>(target: BarTarget, facts: &mut F) -> Resolved<F> {
    let target = match target {
        BarTarget::Account(account) => {
            BarTarget::Account(facts.bound(account).map_err(ResolveError::Facts)?.identity)
        }
        BarTarget::Node(_) => target,
    };
    match facts.barred(&target).map_err(ResolveError::Facts)? {
        None => Err(Refusal::NotBarred { target }.into()),
        before => Ok(Change::Bar { target, before, after: None }.into()),
    }
}

fn check_unbarred<F: Facts>(target: BarTarget, facts: &mut F) -> Result<(), ResolveError<F::Error>> {
    match facts.barred(&target).map_err(ResolveError::Facts)? {
        None => Ok(()),
        Some(_) => Err(Refusal::Barred { target }.into()),
    }
}
