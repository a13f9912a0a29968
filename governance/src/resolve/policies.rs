//! Policies are enacted, changed and repealed, as long as the policy engine accepts the set that results.

use super::Resolved;
use crate::{Facts, Refusal, ResolveError, effect::Change};

pub(super) fn set<F: Facts>(id: &str, text: &str, facts: &mut F) -> Resolved<F> {
    let before = enacted(id, facts)?;
    if before.as_deref() == Some(text) {
        return Err(Refusal::NothingChanges.into());
    }
    changed(id, before, Some(text), facts)
}

pub(super) fn repeal<F: Facts>(id: &str, facts: &mut F) -> Resolved<F> {
    match enacted(id, facts)? {
        None => Err(Refusal::PolicyUnknown { id: id.to_owned() }.into()),
        before => changed(id, before, None, facts),
    }
}

/// The text that an earlier proposal enacted under an id.
fn enacted<F: Facts>(id: &str, facts: &mut F) -> Result<Option<String>, ResolveError<F::Error>> {
    Ok(facts.policy(id).map_err(ResolveError::Facts)?.map(|policy| policy.text))
}

fn changed<F: Facts>(id: &str, before: Option<String>, after: Option<&str>, facts: &mut F) -> Resolved<F> {
    let verdict = facts.check_policies(id, after).map_err(ResolveError::Facts)?;
    verdict.map_err(|reason| Refusal::PolicyInvalid { id: id.to_owned(), reason })?;
    Ok(Change::Policy { id: id.to_owned(), before, after: after.map(str::to_owned) }.into())
}
