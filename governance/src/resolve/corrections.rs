//! Corrections of tokens that have given the committee their agent's role.

use alloy_primitives::Address;

use super::{Resolved, contracts::known, upgrades::check_runs};
use crate::{
    Facts, Refusal,
    action::{ActionError, Correction},
    effect::Change,
};

/// Whether the token agrees shows when it is called: it alone knows whose agent the committee is.
pub(super) fn correct<F: Facts>(contract: Address, call: &[u8], facts: &mut F) -> Resolved<F> {
    let known = known(contract, facts)?;
    if known.halted.is_some_and(|halted| halted.binds(facts.height())) {
        return Err(Refusal::CorrectionFrozen { contract }.into());
    }
    check_runs(contract, facts)?;
    let none = || Refusal::Action(ActionError::NoCorrection(call.to_vec().into()));
    let correction = Correction::decode(call).ok_or_else(none)?;
    Ok(Change::Correction { contract, code: known.code, correction }.into())
}
