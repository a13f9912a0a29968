//! Checks that need no state.

use alloy_primitives::{Address, Bytes};

use super::{
    Action, ActionError, Admission, Basis, Correction, MAX_CERTIFICATE_BYTES, MAX_CERTIFICATES,
    MAX_CORRECTION_BYTES, MAX_LIMIT_BYTES, MAX_LISTED_ACCOUNTS, MAX_MIGRATION_BYTES, MAX_NAME_BYTES,
    MAX_NODE_ADDRESS_BYTES, MAX_POLICY_ID_BYTES, MAX_POLICY_TEXT_BYTES, MAX_REFERENCE_BYTES, NewValidator,
};
use crate::committee::MAX_WEIGHT;

pub(super) fn check(action: &Action) -> Result<(), ActionError> {
    match action {
        Action::AdmitOrganisation(admission) => check_admission(admission),
        Action::SetAuthorities { roots, .. } => check_certificates("the list of roots", roots),
        Action::RecoverKey { chain, basis, .. } => {
            check_certificates("the new key's path", chain)?;
            check_basis(basis)
        }
        Action::AdmitValidator(validator) => check_validator(validator),
        Action::SetValidatorPower { power, .. } => check_power(*power),
        Action::SetCommitteeMember { weight, .. } => check_weight(*weight),
        Action::SetRule { kind, rule } => {
            rule.validate(*kind).map_err(|reason| ActionError::Rule { kind: *kind, reason })
        }
        Action::FreezeAccount { basis, .. }
        | Action::EmergencyFreeze { basis, .. }
        | Action::UnfreezeAccount { basis, .. }
        | Action::BarAccount { basis, .. }
        | Action::LiftBar { basis, .. }
        | Action::BarNode { basis, .. }
        | Action::FreezeContract { basis, .. }
        | Action::UnfreezeContract { basis, .. }
        | Action::RetireContract { basis, .. }
        | Action::EmergencyFreezeContract { basis, .. }
        | Action::RevokeAttributes { basis, .. }
        | Action::ConfirmOrder { basis, .. }
        | Action::LiftOrder { basis, .. } => check_basis(basis),
        Action::AdmitRegulator { mandate, .. } => mandate.validate(),
        Action::SetPolicy { id, text } => {
            check_policy_id(id)?;
            check_policy_text(text)
        }
        Action::RepealPolicy { id } => check_policy_id(id),
        Action::SetDeployList { add, remove, .. } => check_accounts(add, remove),
        Action::SetLimit { id, limit } => {
            check_limit_id(id)?;
            check_limit(limit)
        }
        Action::RepealLimit { id } => check_limit_id(id),
        Action::SetAttributes { attributes, .. } => attributes.validate(),
        Action::DeployContract(deployment) => deployment.validate(),
        Action::RollBack(rollback) => rollback.validate(),
        Action::UpgradeContract { migration, .. } => check_migration(migration),
        Action::Correct { call, basis, .. } => {
            check_correction(call)?;
            check_basis(basis)
        }
        Action::SetParameters(parameters) => parameters.validate(),
        // Every value of these can be proposed.
        Action::SuspendOrganisation(_)
        | Action::ReinstateOrganisation(_)
        | Action::ExpelOrganisation(_)
        | Action::RetireValidator { .. }
        | Action::RetireRegulator { .. }
        | Action::SetContractAdministrator { .. }
        | Action::RequireApproval { .. }
        | Action::SetProtocolVersion { .. } => Ok(()),
    }
}

pub(super) fn check_length(what: &'static str, have: usize, most: usize) -> Result<(), ActionError> {
    if have > most { Err(ActionError::TooLong { what, have, most }) } else { Ok(()) }
}

pub(crate) fn check_text(what: &'static str, text: &str, most: usize) -> Result<(), ActionError> {
    check_length(what, text.len(), most)?;
    let readable = !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control);
    if readable { Ok(()) } else { Err(ActionError::Text(what)) }
}

fn check_basis(basis: &Basis) -> Result<(), ActionError> {
    check_text("the reference", &basis.reference, MAX_REFERENCE_BYTES)
}

fn check_admission(admission: &Admission) -> Result<(), ActionError> {
    check_text("the name", &admission.name, MAX_NAME_BYTES)?;
    check_certificates("the list of roots", &admission.roots)?;
    if admission.roles.is_empty() { Err(ActionError::NoRole) } else { Ok(()) }
}

fn check_validator(validator: &NewValidator) -> Result<(), ActionError> {
    check_certificates("the node's path", &validator.node_chain)?;
    check_certificates("the consensus key's path", &validator.consensus_chain)?;
    check_text("the node's address", &validator.node_address, MAX_NODE_ADDRESS_BYTES)?;
    check_power(validator.power)
}

fn check_certificates(what: &'static str, list: &[Bytes]) -> Result<(), ActionError> {
    if !(1..=MAX_CERTIFICATES).contains(&list.len()) {
        return Err(ActionError::Certificates { what, have: list.len() });
    }
    list.iter().try_for_each(|der| check_length("a certificate", der.len(), MAX_CERTIFICATE_BYTES))
}

fn check_policy_id(id: &str) -> Result<(), ActionError> {
    if is_policy_id(id) {
        Ok(())
    } else {
        Err(ActionError::PolicyId(id.chars().take(MAX_POLICY_ID_BYTES).collect()))
    }
}

/// Whether a policy may be called so: 2 to [`MAX_POLICY_ID_BYTES`] characters of `a-z`, `0-9` and `-`, starting with
/// a letter and not ending in `-`.
pub(crate) fn is_policy_id(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (2..=MAX_POLICY_ID_BYTES).contains(&id.len())
        && id.chars().all(allowed)
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && !id.ends_with('-')
}

/// What it says is for the policy engine to judge.
fn check_policy_text(text: &str) -> Result<(), ActionError> {
    if text.is_empty() {
        return Err(ActionError::NoPolicyText);
    }
    check_length("the policy's text", text.len(), MAX_POLICY_TEXT_BYTES)
}

/// One form only: in order, each account once, and none that both comes and goes.
fn check_accounts(add: &[Address], remove: &[Address]) -> Result<(), ActionError> {
    let have = add.len().saturating_add(remove.len());
    if have > MAX_LISTED_ACCOUNTS {
        return Err(ActionError::TooManyAccounts { have });
    }
    for (what, list) in [("the accounts to add", add), ("the accounts to remove", remove)] {
        if !list.is_sorted_by(|one, other| one < other) {
            return Err(ActionError::Unordered { what });
        }
    }
    match add.iter().find(|account| remove.binary_search(account).is_ok()) {
        Some(account) => Err(ActionError::AddedAndRemoved { account: *account }),
        None => Ok(()),
    }
}

fn check_limit_id(id: &str) -> Result<(), ActionError> {
    if is_policy_id(id) {
        Ok(())
    } else {
        Err(ActionError::LimitId(id.chars().take(MAX_POLICY_ID_BYTES).collect()))
    }
}

/// What it says is for execution to judge.
fn check_limit(limit: &[u8]) -> Result<(), ActionError> {
    if limit.is_empty() {
        return Err(ActionError::NoLimit);
    }
    check_length("the rule", limit.len(), MAX_LIMIT_BYTES)
}

const fn check_power(power: u64) -> Result<(), ActionError> {
    if power == 0 { Err(ActionError::NoPower) } else { Ok(()) }
}

const fn check_weight(weight: u64) -> Result<(), ActionError> {
    if weight > MAX_WEIGHT { Err(ActionError::Weight { have: weight }) } else { Ok(()) }
}

/// Whether the token agrees is for the token to say.
fn check_correction(call: &[u8]) -> Result<(), ActionError> {
    check_length("the call", call.len(), MAX_CORRECTION_BYTES)?;
    Correction::decode(call).map(drop).ok_or_else(|| ActionError::NoCorrection(Bytes::copy_from_slice(call)))
}

/// `governedUpgrade(address)` of governed proxies.
const GOVERNED_UPGRADE: [u8; 4] = [0x52, 0x8b, 0x15, 0x9e];

/// Whether the contract takes the call is for the contract to say.
fn check_migration(call: &[u8]) -> Result<(), ActionError> {
    check_length("the migration", call.len(), MAX_MIGRATION_BYTES)?;
    match call.first_chunk::<4>() {
        None if call.is_empty() => Ok(()),
        None => Err(ActionError::NoMigration),
        // The proxy takes it for the chain's own word and would tell tools of another implementation.
        Some(&GOVERNED_UPGRADE) => Err(ActionError::MigrationUpgrades),
        Some(_) => Ok(()),
    }
}
