//! Deployments that are approved by vote, and what their reviewers say.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use concordat_types::Role;

use super::Resolved;
use crate::{
    Action, Facts, Refusal, ResolveError,
    action::Deployment,
    effect::Change,
    facts::{Ability, AccountFacts, Bound},
};

pub(super) fn approve<F: Facts>(deployment: &Deployment, facts: &mut F) -> Resolved<F> {
    let (until, height) = (deployment.until, facts.height());
    if until <= height {
        return Err(Refusal::ApprovalOver { until, height }.into());
    }
    let (deployer, known) = enrolled(deployment.deployer, facts)?;
    if known.role != Role::Developer {
        let (account, role) = (deployment.deployer, known.role);
        return Err(Refusal::NotDeveloper { account, role }.into());
    }
    if known.ability != Ability::Now {
        return Err(Refusal::NotInGoodStanding { sender: deployment.deployer }.into());
    }
    check_reviewers(deployment, deployer, &known, facts)?;
    let code = deployment.code;
    let before = facts.approval(code, deployer.identity).map_err(ResolveError::Facts)?;
    let after = Some(until);
    if before == after {
        return Err(Refusal::NothingChanges.into());
    }
    Ok(Change::Approval { code, deployer: deployer.identity, before, after }.into())
}

pub(super) fn require<F: Facts>(required: bool, facts: &mut F) -> Resolved<F> {
    let before = facts.approval_required().map_err(ResolveError::Facts)?;
    if before == required {
        return Err(Refusal::NothingChanges.into());
    }
    Ok(Change::ApprovalRule { before, after: required }.into())
}

/// Reviewers are other people than the deployer, each of them once, and one of them looks from outside.
fn check_reviewers<F: Facts>(
    deployment: &Deployment,
    deployer: Bound,
    known: &AccountFacts,
    facts: &mut F,
) -> Result<(), ResolveError<F::Error>> {
    let (mut seen, mut outside) = (BTreeSet::from([deployer.identity]), false);
    for account in &deployment.reviewers {
        let (reviewer, facts) = enrolled(*account, facts)?;
        if !seen.insert(reviewer.identity) {
            return Err(Refusal::ReviewerConcerned { account: *account }.into());
        }
        outside |= facts.organisation != known.organisation;
    }
    let organisation = known.organisation.clone();
    if outside { Ok(()) } else { Err(Refusal::ReviewersOfOne { organisation }.into()) }
}

/// The identity of an account, and what is known of the account that acts for it now.
fn enrolled<F: Facts>(
    account: Address,
    facts: &mut F,
) -> Result<(Bound, AccountFacts), ResolveError<F::Error>> {
    let bound = facts.bound(account).map_err(ResolveError::Facts)?;
    let known = facts.account(bound.account).map_err(ResolveError::Facts)?;
    let known = known.ok_or(Refusal::AccountUnknown { account })?;
    Ok((bound, known))
}

/// Nobody reviews what it proposes itself.
pub(crate) fn check_proposer<F: Facts>(
    action: &Action,
    proposer: Address,
    facts: &mut F,
) -> Result<(), ResolveError<F::Error>> {
    let Action::DeployContract(deployment) = action else { return Ok(()) };
    let proposer = facts.bound(proposer).map_err(ResolveError::Facts)?.identity;
    for account in &deployment.reviewers {
        if facts.bound(*account).map_err(ResolveError::Facts)?.identity == proposer {
            return Err(Refusal::ReviewerConcerned { account: *account }.into());
        }
    }
    Ok(())
}

/// What the reviewers of a proposal say: an objection, which ends it, or nothing. While a review is missing there is no
/// decision: whoever asks for an execution too early must not end the proposal.
pub(crate) fn objection<F: Facts>(
    action: &Action,
    id: u64,
    facts: &mut F,
) -> Result<Option<Refusal>, ResolveError<F::Error>> {
    let Action::DeployContract(deployment) = action else { return Ok(None) };
    let mut missing = Vec::new();
    for account in &deployment.reviewers {
        let reviewer = facts.bound(*account).map_err(ResolveError::Facts)?.identity;
        match facts.review(id, reviewer).map_err(ResolveError::Facts)? {
            Some(true) => {}
            Some(false) => return Ok(Some(Refusal::ReviewObjects { id, account: *account })),
            None => missing.push(*account),
        }
    }
    if missing.is_empty() { Ok(None) } else { Err(Refusal::ReviewsMissing { id, missing }.into()) }
}
