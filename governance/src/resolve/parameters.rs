//! The chain's parameters, and the step to the next protocol version.

use super::Resolved;
use crate::{
    Facts, Refusal, ResolveError,
    action::Parameters,
    effect::Change,
    facts::{ProtocolFacts, Upgrade},
    upgrade::MIN_NOTICE_BLOCKS,
};

pub(super) fn set<F: Facts>(after: Parameters, facts: &mut F) -> Resolved<F> {
    let before = facts.parameters().map_err(ResolveError::Facts)?;
    if before == after {
        return Err(Refusal::NothingChanges.into());
    }
    Ok(Change::Parameters { before, after }.into())
}

/// One version after the other, so that each block's rules are those that its program was tested with.
pub(super) fn schedule<F: Facts>(upgrade: Upgrade, facts: &mut F) -> Resolved<F> {
    let ProtocolFacts { running, upgrade: before } = facts.protocol().map_err(ResolveError::Facts)?;
    let Upgrade { version, height } = upgrade;
    if running.checked_add(1) != Some(version) {
        return Err(Refusal::VersionNotNext { version, running }.into());
    }
    let from = facts.height().checked_add(MIN_NOTICE_BLOCKS).ok_or(Refusal::HeightOverflow)?;
    if height < from {
        return Err(Refusal::UpgradeTooSoon { height, from }.into());
    }
    if before == Some(upgrade) {
        return Err(Refusal::NothingChanges.into());
    }
    Ok(Change::Protocol { running, before, after: Some(upgrade) }.into())
}

/// The version that runs goes on running.
pub(super) fn stay<F: Facts>(version: u64, facts: &mut F) -> Resolved<F> {
    let ProtocolFacts { running, upgrade: before } = facts.protocol().map_err(ResolveError::Facts)?;
    if version != running {
        return Err(Refusal::VersionNotNext { version, running }.into());
    }
    if before.is_none() {
        return Err(Refusal::NothingChanges.into());
    }
    Ok(Change::Protocol { running, before, after: None }.into())
}
