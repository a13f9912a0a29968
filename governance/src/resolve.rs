//! What an action would do in the state as it is, or why it must not happen. Reads only.
//!
//! The same function answers when a proposal is made, when it is previewed and when it is executed. Whether two
//! proposals contradict each other shows when the second one is executed: its action is refused, or its effect is
//! another one than its ballots were for.

mod accounts;
mod attributes;
mod committee;
mod contracts;
mod corrections;
mod deployments;
mod identities;
mod limits;
mod orders;
mod organisations;
mod parameters;
mod policies;
mod regulators;
mod rollbacks;
mod upgrades;
mod validators;

use std::collections::BTreeSet;

pub(crate) use accounts::check_no_seat;
use alloy_primitives::Address;
pub(crate) use contracts::known;
pub(crate) use deployments::{check_proposer, objection};

use crate::{
    Action, Committee, Effect, Facts, Kind, Member, Refusal, ResolveError,
    effect::Change,
    facts::{Ability, Membership, Upgrade},
    quorum::Quorum,
};

type Resolved<F> = Result<Outcome, ResolveError<<F as Facts>::Error>>;

/// What changes, and the quorum of consensus around it where that is touched.
struct Outcome {
    changes: Vec<Change>,
    quorum: Option<[Quorum; 2]>,
}

impl From<Vec<Change>> for Outcome {
    fn from(changes: Vec<Change>) -> Self {
        Self { changes, quorum: None }
    }
}

impl From<Change> for Outcome {
    fn from(change: Change) -> Self {
        vec![change].into()
    }
}

/// What an action would do now.
pub fn resolve<F: Facts>(action: &Action, facts: &mut F) -> Result<Effect, ResolveError<F::Error>> {
    action.validate().map_err(Refusal::from)?;
    let Outcome { changes, quorum } = match action {
        Action::AdmitOrganisation(admission) => organisations::admit(admission, facts),
        Action::SuspendOrganisation(id) => organisations::suspend(id, facts),
        Action::ReinstateOrganisation(id) => organisations::reinstate(id, facts),
        Action::ExpelOrganisation(id) => organisations::expel(id, facts),
        Action::SetAuthorities { id, roots } => organisations::set_authorities(id, roots, facts),
        Action::RecoverKey { account, chain, .. } => identities::recover(*account, chain, facts),
        Action::AdmitValidator(new) => validators::admit(new, facts),
        Action::SetValidatorPower { consensus_key, power } => {
            validators::set_power(*consensus_key, *power, facts)
        }
        Action::RetireValidator { consensus_key } => validators::retire(*consensus_key, facts),
        Action::SetCommitteeMember { member, weight } => committee::set_member(*member, *weight, facts),
        Action::SetRule { kind, rule } => committee::set_rule(*kind, *rule, facts),
        Action::FreezeAccount { account, scope, basis, until } => {
            accounts::freeze(*account, (*scope, basis), *until, facts)
        }
        Action::EmergencyFreeze { account, scope, basis } => {
            accounts::emergency(*account, (*scope, basis), facts)
        }
        Action::UnfreezeAccount { account, .. } => accounts::unfreeze(*account, facts),
        Action::BarAccount { account, basis } => identities::bar_account(*account, basis, facts),
        Action::LiftBar { target, .. } => identities::lift(*target, facts),
        Action::BarNode { node_key, basis } => identities::bar_node(*node_key, basis, facts),
        Action::AdmitRegulator { account, mandate } => regulators::admit(*account, mandate, facts),
        Action::RetireRegulator { account } => regulators::retire(*account, facts),
        Action::SetPolicy { id, text } => policies::set(id, text, facts),
        Action::RepealPolicy { id } => policies::repeal(id, facts),
        Action::SetDeployList { kind, add, remove } => contracts::set_deploy_list(*kind, add, remove, facts),
        Action::FreezeContract { contract, basis, until } => {
            contracts::freeze(*contract, basis, *until, facts)
        }
        Action::UnfreezeContract { contract, .. } => contracts::unfreeze(*contract, facts),
        Action::RetireContract { contract, basis } => contracts::retire(*contract, basis, facts),
        Action::SetContractAdministrator { contract, administrator } => {
            contracts::set_administrator(*contract, *administrator, facts)
        }
        Action::EmergencyFreezeContract { contract, basis } => contracts::emergency(*contract, basis, facts),
        Action::SetAttributes { contract, attributes } => attributes::set(*contract, attributes, facts),
        Action::RevokeAttributes { contract, .. } => attributes::revoke(*contract, facts),
        Action::DeployContract(deployment) => deployments::approve(deployment, facts),
        Action::RequireApproval { required } => deployments::require(*required, facts),
        Action::SetLimit { id, limit } => limits::set(id, limit, facts),
        Action::RepealLimit { id } => limits::repeal(id, facts),
        Action::SetParameters(parameters) => parameters::set(*parameters, facts),
        Action::SetProtocolVersion { version, height: 0 } => parameters::stay(*version, facts),
        Action::SetProtocolVersion { version, height } => {
            parameters::schedule(Upgrade { version: *version, height: *height }, facts)
        }
        Action::RollBack(rollback) => rollbacks::roll_back(rollback, facts),
        Action::UpgradeContract { contract, implementation, migration } => {
            upgrades::upgrade(*contract, *implementation, migration, facts)
        }
        Action::Correct { contract, call, .. } => corrections::correct(*contract, call, facts),
        Action::ConfirmOrder { order, .. } => orders::confirm(*order, facts),
        Action::LiftOrder { order, .. } => orders::lift(*order, facts),
    }?;
    Ok(Effect::new(action, changes, quorum))
}

/// The members who cannot vote unless others consent.
fn unable<F: Facts>(
    committee: &Committee,
    facts: &mut F,
) -> Result<BTreeSet<Address>, ResolveError<F::Error>> {
    let mut unable = BTreeSet::new();
    for member in committee.members() {
        let able = match facts.account(member.address).map_err(ResolveError::Facts)? {
            Some(account) => account.ability != Ability::Not,
            None => may_enrol(member, facts)?,
        };
        if !able {
            unable.insert(member.address);
        }
    }
    Ok(unable)
}

/// A founding member that has not enrolled yet can do so at any time, unless others have to lift something first.
fn may_enrol<F: Facts>(member: &Member, facts: &mut F) -> Result<bool, ResolveError<F::Error>> {
    let organisation = facts.organisation(&member.organisation).map_err(ResolveError::Facts)?;
    let active = organisation.is_some_and(|organisation| organisation.membership == Membership::Active);
    Ok(active && !facts.founder_barred(member.address).map_err(ResolveError::Facts)?)
}

/// Checks that the committee could still change its rules and itself, if an account could not vote.
fn check_dispensable<F: Facts>(account: Address, facts: &mut F) -> Result<(), ResolveError<F::Error>> {
    let committee = facts.committee().map_err(ResolveError::Facts)?;
    if committee.member(&account).is_none() {
        return Ok(());
    }
    let mut unable = unable(&committee, facts)?;
    unable.insert(account);
    check_capable(&committee, &unable, facts)
}

/// Checks that a committee could still change its rules and itself, if these members could not vote.
fn check_capable<F: Facts>(
    committee: &Committee,
    unable: &BTreeSet<Address>,
    facts: &mut F,
) -> Result<(), ResolveError<F::Error>> {
    if committee.is_empty() {
        return Err(Refusal::CommitteeEmpty.into());
    }
    for kind in [Kind::SetRule, Kind::SetCommitteeMember] {
        let rule = facts.rule(kind).map_err(ResolveError::Facts)?;
        rule.check_reachable(committee, unable)
            .map_err(|reason| Refusal::RuleUnreachable { kind, reason })?;
    }
    Ok(())
}
