//! The committee changes itself and its rules, but never so that it could not change them back.

use alloy_primitives::Address;
use concordat_types::Role;

use super::{Resolved, check_capable, unable};
use crate::{
    Committee, Facts, Kind, Member, Refusal, ResolveError, Rule,
    effect::{Change, Seat},
    facts::{Ability, AccountFacts},
};

pub(super) fn set_member<F: Facts>(member: Address, weight: u64, facts: &mut F) -> Resolved<F> {
    let committee = facts.committee().map_err(ResolveError::Facts)?;
    let before = committee.member(&member).map(seat);
    let next = match weight {
        0 => committee.without(&member),
        _ => committee.with(new_seat(member, weight, facts)?).map_err(Refusal::from)?,
    };
    let after = next.member(&member).map(seat);
    if before == after {
        return Err(Refusal::NothingChanges.into());
    }
    let unable = unable(&next, facts)?;
    check_capable(&next, &unable, facts)?;
    Ok(Change::Seat { member, before, after }.into())
}

/// Whoever gets a seat has shown the certificate of a committee member. It can have no other role, so that nobody
/// who decides here does business.
fn new_seat<F: Facts>(
    address: Address,
    weight: u64,
    facts: &mut F,
) -> Result<Member, ResolveError<F::Error>> {
    let account = facts.account(address).map_err(ResolveError::Facts)?;
    let AccountFacts { organisation, role, ability } =
        account.ok_or(Refusal::AccountUnknown { account: address })?;
    if role != Role::CommitteeMember {
        return Err(Refusal::NotCommitteeRole { account: address, role }.into());
    }
    if ability != Ability::Now {
        return Err(Refusal::NotInGoodStanding { sender: address }.into());
    }
    Ok(Member { address, organisation, weight })
}

fn seat(member: &Member) -> Seat {
    Seat { organisation: member.organisation.clone(), weight: member.weight }
}

pub(super) fn set_rule<F: Facts>(kind: Kind, after: Rule, facts: &mut F) -> Resolved<F> {
    let before = facts.rule(kind).map_err(ResolveError::Facts)?;
    if before == after {
        return Err(Refusal::NothingChanges.into());
    }
    let committee: Committee = facts.committee().map_err(ResolveError::Facts)?;
    let unable = unable(&committee, facts)?;
    after.check_reachable(&committee, &unable).map_err(|reason| Refusal::RuleUnreachable { kind, reason })?;
    Ok(Change::Rule { kind, before, after }.into())
}
