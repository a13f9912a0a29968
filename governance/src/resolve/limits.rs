//! Run-time rules are set, changed and repealed, as long as execution can judge by those that result.

use alloy_primitives::Bytes;

use super::Resolved;
use crate::{Facts, Refusal, ResolveError, effect::Change};

pub(super) fn set<F: Facts>(id: &str, limit: &Bytes, facts: &mut F) -> Resolved<F> {
    let before = in_force(id, facts)?;
    if before.as_ref() == Some(limit) {
        return Err(Refusal::NothingChanges.into());
    }
    changed(id, before, Some(limit), facts)
}

pub(super) fn repeal<F: Facts>(id: &str, facts: &mut F) -> Resolved<F> {
    match in_force(id, facts)? {
        None => Err(Refusal::LimitUnknown { id: id.to_owned() }.into()),
        before => changed(id, before, None, facts),
    }
}

/// The rule that an earlier proposal set under an id.
fn in_force<F: Facts>(id: &str, facts: &mut F) -> Result<Option<Bytes>, ResolveError<F::Error>> {
    Ok(facts.limit(id).map_err(ResolveError::Facts)?.map(|facts| facts.limit))
}

fn changed<F: Facts>(id: &str, before: Option<Bytes>, after: Option<&Bytes>, facts: &mut F) -> Resolved<F> {
    let verdict = facts.check_limits(id, after.map(AsRef::as_ref)).map_err(ResolveError::Facts)?;
    verdict.map_err(|reason| Refusal::LimitInvalid { id: id.to_owned(), reason })?;
    Ok(Change::Limit { id: id.to_owned(), before, after: after.cloned() }.into())
}
