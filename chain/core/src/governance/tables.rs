//! Governance's tables over the rows of the state.

use std::collections::BTreeMap;

use concordat_governance::{Committee, Kind, Proposal, Rule, regulator::Consent};
use concordat_types::{Address, Bytes, OrgId, ReadError};

use super::records::{AccountFreeze, RegulatorIndex, RegulatorRecord, RollbackRecord};
use crate::{
    account::corrupt,
    identity::tables::{read, required},
    system::{RowKey, Rows},
};

// The numbers are part of the state's keys and never change meaning.
const COMMITTEE: u8 = 0x20;
const RULES: u8 = 0x21;
const PROPOSALS: u8 = 0x22;
const PAYLOADS: u8 = 0x23;
const PROPOSAL_COUNT: u8 = 0x24;
pub(crate) const FREEZES: u8 = 0x25;
/// Regulators by identity, their list under no key, and consents by proposal: keys of 20, 0 and 8 bytes.
const REGULATORS: u8 = 0x27;
const PARAMETERS: u8 = 0x28;
const ANNOUNCED: u8 = 0x29;
const PROTOCOL: u8 = 0x2a;
const ROLLBACKS: u8 = 0x49;

/// Key of the committee's row.
pub(crate) fn committee_key() -> RowKey {
    RowKey::new(COMMITTEE, &[])
}

/// Key of a rule's row.
pub(crate) fn rule_key(kind: Kind) -> RowKey {
    RowKey::new(RULES, &[kind.code()])
}

/// Key of a proposal's row.
pub(crate) fn proposal_key(id: u64) -> RowKey {
    RowKey::new(PROPOSALS, &id.to_be_bytes())
}

/// Key of the row of a proposal's payload.
pub(crate) fn payload_key(id: u64) -> RowKey {
    RowKey::new(PAYLOADS, &id.to_be_bytes())
}

/// Key of the row that counts proposals.
pub(crate) fn proposal_count_key() -> RowKey {
    RowKey::new(PROPOSAL_COUNT, &[])
}

/// Key of the row of an identity's freeze.
pub(crate) fn freeze_key(identity: Address) -> RowKey {
    RowKey::new(FREEZES, identity.as_slice())
}

/// Key of a regulator's row.
pub(crate) fn regulator_key(identity: Address) -> RowKey {
    RowKey::new(REGULATORS, identity.as_slice())
}

/// Key of the row that lists all regulators.
pub(crate) fn regulator_index_key() -> RowKey {
    RowKey::new(REGULATORS, &[])
}

/// Key of the row of the consent to a proposal.
pub(crate) fn consent_key(proposal: u64) -> RowKey {
    RowKey::new(REGULATORS, &proposal.to_be_bytes())
}

/// Key of the row of the parameters that the committee has set.
pub(crate) fn parameters_key() -> RowKey {
    RowKey::new(PARAMETERS, &[])
}

/// Key of the row of what an organisation says of its nodes' program.
pub(crate) fn announced_key(organisation: &OrgId) -> RowKey {
    RowKey::new(ANNOUNCED, organisation.as_str().as_bytes())
}

/// Key of the row of what the committee has decided about protocol versions.
pub(crate) fn protocol_key() -> RowKey {
    RowKey::new(PROTOCOL, &[])
}

/// The committee; empty on a chain that was started without one.
pub(crate) fn committee(rows: &mut impl Rows) -> Result<Committee, ReadError> {
    Ok(read(rows, &committee_key())?.unwrap_or_default())
}

/// The rule of a kind. A chain with a committee has one for each; without, the initial one is told.
pub(crate) fn rule(rows: &mut impl Rows, kind: Kind) -> Result<Rule, ReadError> {
    Ok(read(rows, &rule_key(kind))?.unwrap_or_else(|| Rule::initial(kind, 0)))
}

pub(crate) fn proposal(rows: &mut impl Rows, id: u64) -> Result<Option<Proposal>, ReadError> {
    read(rows, &proposal_key(id))
}

/// The payload of a proposal that there is.
pub(crate) fn payload(rows: &mut impl Rows, id: u64) -> Result<Bytes, ReadError> {
    rows.row(&payload_key(id))?.ok_or_else(|| corrupt(format!("the payload of proposal {id}")))
}

/// How many proposals there have been.
pub(crate) fn proposal_count(rows: &mut impl Rows) -> Result<u64, ReadError> {
    Ok(read(rows, &proposal_count_key())?.unwrap_or_default())
}

/// The freeze that was last imposed on an identity and not lifted.
pub(crate) fn freeze(rows: &mut impl Rows, identity: Address) -> Result<Option<AccountFreeze>, ReadError> {
    read(rows, &freeze_key(identity))
}

/// The same for one whose account is marked as frozen.
pub(crate) fn marked_freeze(rows: &mut impl Rows, identity: Address) -> Result<AccountFreeze, ReadError> {
    required(rows, &freeze_key(identity))
}

/// The identities of all regulators.
pub(crate) fn regulator_index(rows: &mut impl Rows) -> Result<RegulatorIndex, ReadError> {
    Ok(read(rows, &regulator_index_key())?.unwrap_or_default())
}

/// A regulator's entry.
pub(crate) fn regulator(
    rows: &mut impl Rows,
    identity: Address,
) -> Result<Option<RegulatorRecord>, ReadError> {
    read(rows, &regulator_key(identity))
}

/// The entries of all regulators, by their identities.
pub(crate) fn regulators(
    rows: &mut impl Rows,
    index: RegulatorIndex,
) -> Result<BTreeMap<Address, RegulatorRecord>, ReadError> {
    let entry = |identity| Ok((identity, required(rows, &regulator_key(identity))?));
    index.0.into_iter().map(entry).collect()
}

/// The consent that was given last to a proposal.
pub(crate) fn consent(rows: &mut impl Rows, proposal: u64) -> Result<Option<Consent>, ReadError> {
    read(rows, &consent_key(proposal))
}

/// Key of the row of a rollback.
pub(crate) fn rollback_key(proposal: u64) -> RowKey {
    RowKey::new(ROLLBACKS, &proposal.to_be_bytes())
}

/// The rollback that a proposal was executed as.
pub(crate) fn rollback(rows: &mut impl Rows, proposal: u64) -> Result<Option<RollbackRecord>, ReadError> {
    read(rows, &rollback_key(proposal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_regulators_and_consents_are_golden_and_never_the_same() {
        let keys = [regulator_key(Address::repeat_byte(1)), regulator_index_key(), consent_key(258)];
        let golden = [format!("27/{}", "01".repeat(20)), "27/".to_owned(), "27/0000000000000102".to_owned()];
        assert_eq!(keys.map(|key| key.to_string()), golden);
    }
    #[test]
    fn keys_of_rollbacks_are_golden() {
        assert_eq!(rollback_key(258).to_string(), "49/0000000000000102");
    }
}
