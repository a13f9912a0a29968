//! Who is ready for the next protocol version. A program that does not know a version stops where it begins, so that
//! a chain whose validators are not ready would stop with it.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use concordat_types::{OrgId, Role};

use crate::{
    Action, Facts, Refusal, ResolveError,
    facts::{Ability, ProtocolFacts},
};

/// An upgrade begins at least so many blocks after its proposal is executed: time to install the program where it is
/// missing, and to vote against it again.
pub const MIN_NOTICE_BLOCKS: u64 = 100;

/// What an organisation says of the program on its validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Whose.
    pub organisation: OrgId,
    /// The highest protocol version that it knows.
    pub version: u64,
}

/// Decides an announcement: that of a registrar, who answers for the organisation's validators elsewhere too. A lower
/// version than before is told by whoever has gone back to an older program.
pub fn decide_announcement<F: Facts>(
    facts: &mut F,
    sender: Address,
    version: u64,
) -> Result<Announcement, ResolveError<F::Error>> {
    let account = facts.account(sender).map_err(ResolveError::Facts)?;
    let account = account.ok_or(Refusal::AccountUnknown { account: sender })?;
    if account.role != Role::Registrar {
        return Err(Refusal::NotRegistrar { sender, role: account.role }.into());
    }
    if account.ability != Ability::Now {
        return Err(Refusal::NotInGoodStanding { sender }.into());
    }
    let organisation = account.organisation;
    let validators = facts.validators().map_err(ResolveError::Facts)?;
    if !validators.iter().any(|validator| validator.organisation == organisation) {
        return Err(Refusal::NoValidators { organisation }.into());
    }
    let ProtocolFacts { running, .. } = facts.protocol().map_err(ResolveError::Facts)?;
    if version < running {
        return Err(Refusal::VersionPast { version, running }.into());
    }
    if facts.announced(&organisation).map_err(ResolveError::Facts)? == version {
        return Err(Refusal::NothingChanges.into());
    }
    Ok(Announcement { organisation, version })
}

/// Checks that organisations with more than two thirds of the voting power have said that they are ready for what an
/// action schedules. Until then there is no decision: whoever asks too early must not end the proposal.
pub(crate) fn check_ready<F: Facts>(action: &Action, facts: &mut F) -> Result<(), ResolveError<F::Error>> {
    let Action::SetProtocolVersion { version, height: 1.. } = *action else { return Ok(()) };
    let mut powers: BTreeMap<OrgId, u64> = BTreeMap::new();
    for validator in facts.validators().map_err(ResolveError::Facts)? {
        let power = powers.entry(validator.organisation).or_default();
        *power = power.saturating_add(validator.power);
    }
    let total = powers.values().copied().fold(0, u64::saturating_add);
    let (mut ready, mut missing) = (0u64, Vec::new());
    for (organisation, power) in powers {
        if facts.announced(&organisation).map_err(ResolveError::Facts)? >= version {
            ready = ready.saturating_add(power);
        } else {
            missing.push(organisation);
        }
    }
    if u128::from(ready).saturating_mul(3) > u128::from(total).saturating_mul(2) {
        return Ok(());
    }
    Err(Refusal::NotReady { version, ready, total, missing }.into())
}
