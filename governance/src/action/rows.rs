//! Payloads: RLP lists of an action's fields.

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use concordat_types::OrgId;

use super::{Action, Admission, Attributes, BarTarget, Basis, ListKind, Scope};
use crate::{Kind, regulator::MandateRow, rule::Rule, wire};

pub(super) fn decode(kind: Kind, payload: &[u8]) -> Option<Action> {
    Some(match kind {
        Kind::AdmitOrganisation => Action::AdmitOrganisation(row::<AdmissionRow>(payload)?.admission()?),
        Kind::SuspendOrganisation => Action::SuspendOrganisation(decode_id(payload)?),
        Kind::ReinstateOrganisation => Action::ReinstateOrganisation(decode_id(payload)?),
        Kind::ExpelOrganisation => Action::ExpelOrganisation(decode_id(payload)?),
        Kind::SetAuthorities => {
            let AuthoritiesRow { id, roots } = row(payload)?;
            Action::SetAuthorities { id: wire::org(&id)?, roots }
        }
        Kind::RecoverKey => {
            let RecoverRow { account, chain, basis } = row(payload)?;
            Action::RecoverKey { account, chain, basis }
        }
        Kind::AdmitValidator => Action::AdmitValidator(row(payload)?),
        Kind::SetValidatorPower => {
            let PowerRow { consensus_key, power } = row(payload)?;
            Action::SetValidatorPower { consensus_key, power }
        }
        Kind::RetireValidator => Action::RetireValidator { consensus_key: only(row(payload)?)? },
        Kind::SetCommitteeMember => {
            let SeatRow { member, weight } = row(payload)?;
            Action::SetCommitteeMember { member, weight }
        }
        Kind::SetRule => {
            let RuleRow { kind, rule } = row(payload)?;
            Action::SetRule { kind: Kind::from_code(kind)?, rule }
        }
        Kind::FreezeAccount => {
            let FreezeRow { account, scope, basis, until } = row(payload)?;
            Action::FreezeAccount { account, scope: Scope::from_code(scope)?, basis, until }
        }
        Kind::EmergencyFreeze => {
            let EmergencyRow { account, scope, basis } = row(payload)?;
            Action::EmergencyFreeze { account, scope: Scope::from_code(scope)?, basis }
        }
        Kind::UnfreezeAccount => {
            let UnfreezeRow { account, basis } = row(payload)?;
            Action::UnfreezeAccount { account, basis }
        }
        Kind::BarAccount => {
            let BarRow { account, basis } = row(payload)?;
            Action::BarAccount { account, basis }
        }
        Kind::LiftBar => {
            let LiftRow { target, basis } = row(payload)?;
            Action::LiftBar { target: BarTarget::from_bytes(&target)?, basis }
        }
        Kind::BarNode => {
            let NodeRow { node_key, basis } = row(payload)?;
            Action::BarNode { node_key, basis }
        }
        Kind::AdmitRegulator => {
            let RegulatorRow { account, mandate } = row(payload)?;
            Action::AdmitRegulator { account, mandate: mandate.mandate()? }
        }
        Kind::RetireRegulator => Action::RetireRegulator { account: only(row(payload)?)? },
        Kind::SetPolicy => {
            let PolicyRow { id, text } = row(payload)?;
            Action::SetPolicy { id, text }
        }
        Kind::RepealPolicy => Action::RepealPolicy { id: only(row(payload)?)? },
        Kind::SetDeployList => {
            let DeployListRow { kind, add, remove } = row(payload)?;
            Action::SetDeployList { kind: ListKind::from_code(kind)?, add, remove }
        }
        Kind::FreezeContract => {
            let FreezeContractRow { contract, basis, until } = row(payload)?;
            Action::FreezeContract { contract, basis, until }
        }
        Kind::UnfreezeContract => {
            let ContractRow { contract, basis } = row(payload)?;
            Action::UnfreezeContract { contract, basis }
        }
        Kind::RetireContract => {
            let ContractRow { contract, basis } = row(payload)?;
            Action::RetireContract { contract, basis }
        }
        Kind::SetContractAdministrator => {
            let [contract, administrator] = *row::<Vec<Address>>(payload)?.as_slice() else { return None };
            Action::SetContractAdministrator { contract, administrator }
        }
        Kind::EmergencyFreezeContract => {
            let ContractRow { contract, basis } = row(payload)?;
            Action::EmergencyFreezeContract { contract, basis }
        }
        Kind::SetAttributes => {
            let AttributesRow { contract, attributes } = row(payload)?;
            Action::SetAttributes { contract, attributes }
        }
        Kind::RevokeAttributes => {
            let ContractRow { contract, basis } = row(payload)?;
            Action::RevokeAttributes { contract, basis }
        }
        Kind::DeployContract => Action::DeployContract(row(payload)?),
        Kind::RequireApproval => Action::RequireApproval { required: only(row(payload)?)? },
        Kind::SetLimit => {
            let LimitRow { id, limit } = row(payload)?;
            Action::SetLimit { id, limit }
        }
        Kind::RepealLimit => Action::RepealLimit { id: only(row(payload)?)? },
        Kind::SetParameters => Action::SetParameters(row(payload)?),
        Kind::SetProtocolVersion => {
            let [version, height] = *row::<Vec<u64>>(payload)?.as_slice() else { return None };
            Action::SetProtocolVersion { version, height }
        }
        Kind::RollBack => Action::RollBack(row(payload)?),
        Kind::UpgradeContract => {
            let UpgradeRow { contract, implementation, migration } = row(payload)?;
            Action::UpgradeContract { contract, implementation, migration }
        }
        Kind::Correct => {
            let CorrectionRow { contract, call, basis } = row(payload)?;
            Action::Correct { contract, call, basis }
        }
    })
}

fn row<T: Decodable>(payload: &[u8]) -> Option<T> {
    wire::decode(payload)
}

fn only<T>(list: Vec<T>) -> Option<T> {
    let mut list = list.into_iter();
    list.next().filter(|_| list.next().is_none())
}

fn decode_id(payload: &[u8]) -> Option<OrgId> {
    wire::org(&only(row::<Vec<String>>(payload)?)?)
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct AdmissionRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) roots: Vec<Bytes>,
    pub(super) roles: Bytes,
}

impl From<&Admission> for AdmissionRow {
    fn from(admission: &Admission) -> Self {
        let Admission { id, name, roots, roles } = admission;
        let roles = wire::role_codes(roles);
        Self { id: id.to_string(), name: name.clone(), roots: roots.clone(), roles }
    }
}

impl AdmissionRow {
    fn admission(self) -> Option<Admission> {
        let Self { id, name, roots, roles } = self;
        Some(Admission { id: wire::org(&id)?, name, roots, roles: wire::roles(&roles)? })
    }
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct AuthoritiesRow {
    pub(super) id: String,
    pub(super) roots: Vec<Bytes>,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct PowerRow {
    pub(super) consensus_key: B256,
    pub(super) power: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct SeatRow {
    pub(super) member: Address,
    pub(super) weight: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct RuleRow {
    pub(super) kind: u8,
    pub(super) rule: Rule,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct FreezeRow {
    pub(super) account: Address,
    pub(super) scope: u8,
    pub(super) basis: Basis,
    pub(super) until: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct EmergencyRow {
    pub(super) account: Address,
    pub(super) scope: u8,
    pub(super) basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct UnfreezeRow {
    pub(super) account: Address,
    pub(super) basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct RecoverRow {
    pub(super) account: Address,
    pub(super) chain: Vec<Bytes>,
    pub(super) basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct BarRow {
    pub(super) account: Address,
    pub(super) basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct LiftRow {
    pub(super) target: Bytes,
    pub(super) basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct NodeRow {
    pub(super) node_key: B256,
    pub(super) basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct RegulatorRow {
    pub(super) account: Address,
    pub(super) mandate: MandateRow,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct PolicyRow {
    pub(super) id: String,
    pub(super) text: String,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct DeployListRow {
    pub(super) kind: u8,
    pub(super) add: Vec<Address>,
    pub(super) remove: Vec<Address>,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct FreezeContractRow {
    pub(super) contract: Address,
    pub(super) basis: Basis,
    pub(super) until: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct ContractRow {
    pub(super) contract: Address,
    pub(super) basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct AttributesRow {
    pub(super) contract: Address,
    pub(super) attributes: Attributes,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct LimitRow {
    pub(super) id: String,
    pub(super) limit: Bytes,
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct CorrectionRow {
    pub(super) contract: Address,
    pub(super) call: Bytes,
    pub(super) basis: Basis,
}

/// Without a migration, its field is left out.
#[derive(RlpEncodable, RlpDecodable)]
#[rlp(trailing)]
pub(super) struct UpgradeRow {
    pub(super) contract: Address,
    pub(super) implementation: Address,
    pub(super) migration: Option<Bytes>,
}
