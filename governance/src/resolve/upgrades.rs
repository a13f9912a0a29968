//! What governed proxies hand their calls on to.

use alloy_primitives::{Address, Bytes};

use super::{Resolved, contracts::known};
use crate::{
    Facts, Refusal, ResolveError,
    effect::Change,
    facts::{Halted, Implementation},
    refusal::UnfitImplementation as Unfit,
};

/// A frozen proxy can be given another implementation: that is how what is wrong with it is mended.
/// Whether the storage can be migrated shows when the proxy is called.
pub(super) fn upgrade<F: Facts>(
    contract: Address,
    implementation: Address,
    migration: &Bytes,
    facts: &mut F,
) -> Resolved<F> {
    known(contract, facts)?;
    let before = facts.implementation(contract).map_err(ResolveError::Facts)?;
    let before = before.ok_or(Refusal::NotProxy { contract })?;
    if before.address == implementation {
        return Err(Refusal::NothingChanges.into());
    }
    let after = fit(implementation, facts)?;
    let mut changes = vec![Change::Implementation { contract, before, after }];
    if !migration.is_empty() {
        changes.push(Change::Migration { contract, code: after.code, call: migration.clone() });
    }
    Ok(changes.into())
}

/// Checks that a contract, if it is a proxy, has somebody to hand its calls on to. Code that is there stays for good, but
/// where there is none yet, anybody could put some that nobody has voted for.
pub(super) fn check_runs<F: Facts>(contract: Address, facts: &mut F) -> Result<(), ResolveError<F::Error>> {
    let Some(Implementation { address: implementation, code }) =
        facts.implementation(contract).map_err(ResolveError::Facts)?
    else {
        return Ok(());
    };
    let unfit = |reason| Refusal::ImplementationUnfit { implementation, reason };
    if code.is_zero() {
        return Err(unfit(Unfit::NoCode).into());
    }
    // The first one, which a proxy is made with, may be a proxy of code that is not there yet.
    match facts.implementation(implementation).map_err(ResolveError::Facts)? {
        Some(_) => Err(unfit(Unfit::Proxy).into()),
        None => Ok(()),
    }
}

/// A contract that a proxy can hand its calls on to: one that is there and answers, no part of the chain, no proxy.
fn fit<F: Facts>(implementation: Address, facts: &mut F) -> Result<Implementation, ResolveError<F::Error>> {
    let unfit = |reason| Refusal::ImplementationUnfit { implementation, reason };
    let known = facts.contract(implementation).map_err(ResolveError::Facts)?;
    let known = known.ok_or_else(|| unfit(Unfit::NoCode))?;
    if known.system {
        return Err(unfit(Unfit::OfChain).into());
    }
    match known.halted.filter(|halted| halted.binds(facts.height())) {
        Some(Halted::Frozen { .. }) => return Err(unfit(Unfit::Frozen).into()),
        Some(Halted::Retired { .. }) => return Err(unfit(Unfit::Retired).into()),
        None => {}
    }
    if facts.implementation(implementation).map_err(ResolveError::Facts)?.is_some() {
        return Err(unfit(Unfit::Proxy).into());
    }
    Ok(Implementation { address: implementation, code: known.code })
}
