//! Organisations come, rest, return and leave.

use alloy_primitives::Bytes;
use concordat_types::OrgId;

use super::{Outcome, Resolved, check_capable, unable};
use crate::{
    Facts, Refusal, ResolveError,
    action::Admission,
    effect::{Change, Seat},
    facts::{Membership, OrganisationFacts, ValidatorFacts},
    quorum::{Quorum, check_safe, check_set},
};

pub(super) fn admit<F: Facts>(admission: &Admission, facts: &mut F) -> Resolved<F> {
    let Admission { id, name, roots, roles } = admission;
    if let Some(known) = facts.organisation(id).map_err(ResolveError::Facts)? {
        return Err(Refusal::OrganisationExists { id: id.clone(), membership: known.membership }.into());
    }
    let roots = check_roots(id, roots, facts)?;
    let membership = Membership::Active;
    let after = OrganisationFacts { name: name.clone(), membership, roles: roles.clone(), roots };
    Ok(Change::Organisation { id: id.clone(), before: None, after: Some(after) }.into())
}

pub(super) fn suspend<F: Facts>(id: &OrgId, facts: &mut F) -> Resolved<F> {
    let before = standing(id, &[Membership::Active], facts)?;
    check_not_last(id, facts)?;
    let committee = facts.committee().map_err(ResolveError::Facts)?;
    if !committee.is_empty() {
        let mut unable = unable(&committee, facts)?;
        let own = committee.members().iter().filter(|member| member.organisation == *id);
        unable.extend(own.map(|member| member.address));
        check_capable(&committee, &unable, facts)?;
    }
    let mut outcome = without_validators(id, facts)?;
    outcome.changes.insert(0, stands(id, before, Membership::Suspended));
    Ok(outcome)
}

pub(super) fn reinstate<F: Facts>(id: &OrgId, facts: &mut F) -> Resolved<F> {
    let before = standing(id, &[Membership::Suspended], facts)?;
    Ok(stands(id, before, Membership::Active).into())
}

pub(super) fn expel<F: Facts>(id: &OrgId, facts: &mut F) -> Resolved<F> {
    let before = standing(id, &[Membership::Active, Membership::Suspended], facts)?;
    check_not_last(id, facts)?;
    let committee = facts.committee().map_err(ResolveError::Facts)?;
    let rest = committee.without_organisation(id);
    let unable = unable(&rest, facts)?;
    check_capable(&rest, &unable, facts)?;
    let mut outcome = without_validators(id, facts)?;
    outcome.changes.insert(0, stands(id, before, Membership::Expelled));
    let own = committee.members().iter().filter(|member| member.organisation == *id);
    outcome.changes.extend(own.map(|member| Change::Seat {
        member: member.address,
        before: Some(Seat { organisation: id.clone(), weight: member.weight }),
        after: None,
    }));
    Ok(outcome)
}

/// Where a root goes, certificates below it hold no more, those of validators' nodes among them: which ones is
/// not known here, so that all of the organisation's are taken for cut off.
pub(super) fn set_authorities<F: Facts>(id: &OrgId, roots: &[Bytes], facts: &mut F) -> Resolved<F> {
    let before = standing(id, &[Membership::Active, Membership::Suspended], facts)?;
    let roots = check_roots(id, roots, facts)?;
    if roots == before.roots {
        return Err(Refusal::NothingChanges.into());
    }
    let validators = facts.validators().map_err(ResolveError::Facts)?;
    let (own, rest): (Vec<_>, Vec<_>) = validators.iter().cloned().partition(|v| v.organisation == *id);
    let removes = before.roots.iter().any(|root| !roots.contains(root));
    if removes && !own.is_empty() {
        let recent = facts.recent_signers().map_err(ResolveError::Facts)?;
        check_safe(&rest, Some(&validators), &recent)?;
    }
    let quorum = (!own.is_empty()).then(|| [Quorum::of(&validators); 2]);
    let after = OrganisationFacts { roots, ..before.clone() };
    let change = Change::Organisation { id: id.clone(), before: Some(before), after: Some(after) };
    Ok(Outcome { changes: vec![change], quorum })
}

fn stands(id: &OrgId, before: OrganisationFacts, membership: Membership) -> Change {
    let after = OrganisationFacts { membership, ..before.clone() };
    Change::Organisation { id: id.clone(), before: Some(before), after: Some(after) }
}

/// The organisation, if it stands in one of these ways.
fn standing<F: Facts>(
    id: &OrgId,
    allowed: &[Membership],
    facts: &mut F,
) -> Result<OrganisationFacts, ResolveError<F::Error>> {
    let found = facts.organisation(id).map_err(ResolveError::Facts)?;
    let found = found.ok_or_else(|| Refusal::OrganisationUnknown { id: id.clone() })?;
    if !allowed.contains(&found.membership) {
        let membership = found.membership;
        return Err(Refusal::OrganisationStands { id: id.clone(), membership }.into());
    }
    Ok(found)
}

fn check_not_last<F: Facts>(id: &OrgId, facts: &mut F) -> Result<(), ResolveError<F::Error>> {
    let all = facts.memberships().map_err(ResolveError::Facts)?;
    let others = all.iter().any(|(other, membership)| other != id && *membership == Membership::Active);
    if others { Ok(()) } else { Err(Refusal::LastOrganisation { id: id.clone() }.into()) }
}

fn check_roots<F: Facts>(
    id: &OrgId,
    roots: &[Bytes],
    facts: &mut F,
) -> Result<Vec<alloy_primitives::B256>, ResolveError<F::Error>> {
    let checked = facts.check_roots(id, roots).map_err(ResolveError::Facts)?;
    Ok(checked.map_err(|reason| Refusal::Certificates { reason })?)
}

/// An organisation's validators go. Its nodes are cut off at once, two heights before the set without them decides.
fn without_validators<F: Facts>(id: &OrgId, facts: &mut F) -> Resolved<F> {
    let before = facts.validators().map_err(ResolveError::Facts)?;
    let (own, after): (Vec<_>, Vec<_>) = before.iter().cloned().partition(|v| v.organisation == *id);
    if !own.is_empty() {
        check_set(&after)?;
        let recent = facts.recent_signers().map_err(ResolveError::Facts)?;
        check_safe(&after, Some(&before), &recent)?;
    }
    let gone = |v: ValidatorFacts| Change::Validator {
        consensus_key: v.consensus_key,
        before: Some(v),
        after: None,
    };
    let quorum = [Quorum::of(&before), Quorum::of(&after)];
    Ok(Outcome { changes: own.into_iter().map(gone).collect(), quorum: Some(quorum) })
}
