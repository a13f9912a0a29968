//! Validators come, change and go, as long as those who signed lately can decide.

use alloy_primitives::B256;

use super::{Outcome, Resolved};
use crate::{
    Facts, Refusal, ResolveError,
    action::NewValidator,
    effect::Change,
    facts::ValidatorFacts,
    quorum::{Quorum, check_safe, check_set},
};

pub(super) fn admit<F: Facts>(new: &NewValidator, facts: &mut F) -> Resolved<F> {
    let checked = facts.check_validator(new).map_err(ResolveError::Facts)?;
    let admitted = checked.map_err(|reason| Refusal::Certificates { reason })?;
    let before = facts.validators().map_err(ResolveError::Facts)?;
    let ValidatorFacts { consensus_key, node_key, .. } = admitted;
    if before.iter().any(|v| v.consensus_key == consensus_key) {
        return Err(Refusal::ValidatorExists { consensus_key }.into());
    }
    if before.iter().any(|v| v.node_key == node_key) {
        return Err(Refusal::NodeShared { node_key }.into());
    }
    let after = before.iter().cloned().chain([admitted.clone()]).collect();
    let change = Change::Validator { consensus_key, before: None, after: Some(admitted) };
    changed(change, &before, after, facts)
}

pub(super) fn set_power<F: Facts>(consensus_key: B256, power: u64, facts: &mut F) -> Resolved<F> {
    let (before, validator) = find(consensus_key, facts)?;
    if validator.power == power {
        return Err(Refusal::NothingChanges.into());
    }
    let other = ValidatorFacts { power, ..validator.clone() };
    let after = before.iter().map(|v| if *v == validator { other.clone() } else { v.clone() }).collect();
    let change = Change::Validator { consensus_key, before: Some(validator), after: Some(other) };
    changed(change, &before, after, facts)
}

pub(super) fn retire<F: Facts>(consensus_key: B256, facts: &mut F) -> Resolved<F> {
    let (before, validator) = find(consensus_key, facts)?;
    let after = before.iter().filter(|v| **v != validator).cloned().collect();
    let change = Change::Validator { consensus_key, before: Some(validator), after: None };
    changed(change, &before, after, facts)
}

/// All validators, and the one with this key.
fn find<F: Facts>(
    consensus_key: B256,
    facts: &mut F,
) -> Result<(Vec<ValidatorFacts>, ValidatorFacts), ResolveError<F::Error>> {
    let all = facts.validators().map_err(ResolveError::Facts)?;
    let found = all.iter().find(|v| v.consensus_key == consensus_key).cloned();
    let found = found.ok_or(Refusal::ValidatorUnknown { consensus_key })?;
    Ok((all, found))
}

fn changed<F: Facts>(
    change: Change,
    before: &[ValidatorFacts],
    after: Vec<ValidatorFacts>,
    facts: &mut F,
) -> Resolved<F> {
    check_set(&after)?;
    let recent = facts.recent_signers().map_err(ResolveError::Facts)?;
    check_safe(&after, None, &recent)?;
    let quorum = [Quorum::of(before), Quorum::of(&after)];
    Ok(Outcome { changes: vec![change], quorum: Some(quorum) })
}
