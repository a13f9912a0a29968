//! What a proposal may do to a regulator's entry only with that regulator's own consent.
//!
//! A consent names the effect by its digest, as a ballot does, and counts as one does: if the account that gave it acts
//! for its identity and is in good standing when the proposal is executed. A proposal that waits for a consent is not
//! executed, but neither does it fail: else whoever executed it too early would decide for the regulator.

use alloy_primitives::{Address, B256};

use crate::{
    Action, Facts, Proposal, Refusal, ResolveError,
    facts::Ability,
    lifecycle::check_open,
    regulator::{Consent, Power},
};

type Checked<F, T = ()> = Result<T, ResolveError<<F as Facts>::Error>>;

/// Decides a consent: that of the regulator whose entry a proposal is about, until its outcome is known. The caller
/// keeps it beside the proposal.
pub fn decide_consent<F: Facts>(
    facts: &mut F,
    proposal: &Proposal,
    action: &Action,
    sender: Address,
    digest: B256,
) -> Checked<F, Consent> {
    let (id, height) = (proposal.id, facts.height());
    check_open(proposal, height)?;
    let Some(regulator) = subject(action) else { return Err(Refusal::ConsentNotAsked { id, sender }.into()) };
    if facts.bound(regulator).map_err(ResolveError::Facts)?.account != sender {
        return Err(Refusal::ConsentNotAsked { id, sender }.into());
    }
    if !is_able(sender, facts)? {
        return Err(Refusal::NotInGoodStanding { sender }.into());
    }
    if digest != proposal.digest {
        return Err(Refusal::OtherEffect { id, have: proposal.digest, presented: digest }.into());
    }
    let before = facts.consent(id).map_err(ResolveError::Facts)?;
    if before.is_some_and(|before| before.account == sender) {
        return Err(Refusal::NothingChanges.into());
    }
    Ok(Consent { account: sender, digest, height })
}

/// Checks that a proposal has the consent that its action needs now.
pub(crate) fn check_given<F: Facts>(proposal: &Proposal, action: &Action, facts: &mut F) -> Checked<F> {
    let Some(regulator) = needed(action, facts)? else { return Ok(()) };
    let (id, digest) = (proposal.id, proposal.digest);
    let regulator = facts.bound(regulator).map_err(ResolveError::Facts)?.account;
    let given = facts.consent(id).map_err(ResolveError::Facts)?;
    let counts = given.is_some_and(|given| given.account == regulator && given.digest == digest);
    if counts && is_able(regulator, facts)? {
        return Ok(());
    }
    Err(Refusal::NoConsent { id, regulator, digest }.into())
}

/// Checks that somebody may use a power: while no regulator is registered, whoever has the role may.
pub(crate) fn check_power<F: Facts>(sender: Address, power: Power, facts: &mut F) -> Checked<F> {
    let regulators = facts.regulators().map_err(ResolveError::Facts)?;
    if regulators.is_empty() {
        return Ok(());
    }
    let height = facts.height();
    let identity = facts.bound(sender).map_err(ResolveError::Facts)?.identity;
    let entry = regulators.get(&identity);
    if entry.is_some_and(|entry| entry.mandate.gives(power, height)) {
        return Ok(());
    }
    Err(Refusal::NotEmpowered { sender, power }.into())
}

/// The regulator whose entry an action is about.
const fn subject(action: &Action) -> Option<Address> {
    match action {
        Action::AdmitRegulator { account, .. } | Action::RetireRegulator { account } => Some(*account),
        _ => None,
    }
}

/// Whose consent an action needs: a mandate is never imposed, and the last one never taken.
fn needed<F: Facts>(action: &Action, facts: &mut F) -> Checked<F, Option<Address>> {
    match action {
        Action::AdmitRegulator { account, .. } => Ok(Some(*account)),
        Action::RetireRegulator { account } => Ok(is_last(*account, facts)?.then_some(*account)),
        _ => Ok(None),
    }
}

/// Whether no other regulator's mandate holds.
fn is_last<F: Facts>(account: Address, facts: &mut F) -> Checked<F, bool> {
    let height = facts.height();
    let identity = facts.bound(account).map_err(ResolveError::Facts)?.identity;
    let regulators = facts.regulators().map_err(ResolveError::Facts)?;
    Ok(!regulators.iter().any(|(other, entry)| *other != identity && entry.mandate.holds(height)))
}

fn is_able<F: Facts>(account: Address, facts: &mut F) -> Checked<F, bool> {
    let account = facts.account(account).map_err(ResolveError::Facts)?;
    Ok(account.is_some_and(|account| account.ability == Ability::Now))
}
