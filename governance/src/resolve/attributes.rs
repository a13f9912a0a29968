//! What is attested of contracts.

use alloy_primitives::Address;

use super::{Resolved, contracts::known, upgrades::check_runs};
use crate::{Facts, Refusal, ResolveError, action::Attributes, effect::Change, facts::Attested};

/// Attributes are about the code that is there: with other code they say nothing.
pub(super) fn set<F: Facts>(contract: Address, attributes: &Attributes, facts: &mut F) -> Resolved<F> {
    let (until, time) = (attributes.valid_until, facts.time_secs());
    if !attributes.holds(time) {
        return Err(Refusal::AttributesOver { until, time }.into());
    }
    let code = known(contract, facts)?.code;
    check_runs(contract, facts)?;
    let before = facts.attributes(contract).map_err(ResolveError::Facts)?;
    let after = Some(Attested { code, attributes: attributes.clone() });
    if before == after {
        return Err(Refusal::NothingChanges.into());
    }
    Ok(Change::Attributes { contract, before, after }.into())
}

/// Whether the contract still answers is of no matter: what is wrong about it must not stand.
pub(super) fn revoke<F: Facts>(contract: Address, facts: &mut F) -> Resolved<F> {
    match facts.attributes(contract).map_err(ResolveError::Facts)? {
        None => Err(Refusal::AttributesUnknown { contract }.into()),
        before => Ok(Change::Attributes { contract, before, after: None }.into()),
    }
}
