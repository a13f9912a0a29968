//! What a proposal would do, in its canonical bytes. Everything that needs no state is checked here.

mod attributes;
mod check;
mod correction;
mod deployment;
mod error;
mod parameters;
mod parts;
mod rollback;
mod rows;

use alloy_primitives::{Address, B256, Bytes};
use concordat_types::OrgId;

pub use attributes::{Attributes, MAX_ATTRIBUTE_BYTES, MAX_PROPERTIES, MAX_RATING, Property};
pub(crate) use check::{check_text, is_policy_id};
pub use correction::{CORRECTIONS, Correction, MAX_CORRECTION_BYTES};
pub use deployment::{Deployment, MAX_REPORTS, MAX_REVIEWERS};
pub use error::ActionError;
pub use parameters::Parameters;
pub use parts::{Admission, BarTarget, Basis, ListKind, NewValidator, Scope};
pub use rollback::{MAX_REVERSED, MAX_ROLLBACK_SLOTS, Reversed, Rollback, SlotChange};

use crate::{
    Kind,
    committee::MAX_WEIGHT,
    regulator::{Mandate, MandateRow},
    rule::Rule,
    wire,
};
use check::{
    check_accounts, check_certificates, check_correction, check_length, check_limit, check_limit_id,
    check_migration, check_policy_id, check_policy_text, check_power,
};
use rows::*;

/// The longest payload, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 32 * 1024;

/// The longest call that migrates a proxy's storage, in bytes.
pub const MAX_MIGRATION_BYTES: usize = 4 * 1024;

/// The most root certificates of an organisation, and the most certificates of a path.
pub const MAX_CERTIFICATES: usize = 4;

/// The longest certificate, in bytes.
pub const MAX_CERTIFICATE_BYTES: usize = 4 * 1024;

/// The longest name of an organisation, in bytes.
pub const MAX_NAME_BYTES: usize = 100;

/// The longest reference to a document, in bytes.
pub const MAX_REFERENCE_BYTES: usize = 200;

/// The longest `host:port`, in bytes.
pub const MAX_NODE_ADDRESS_BYTES: usize = 260;

/// The longest id of a policy, in bytes.
pub const MAX_POLICY_ID_BYTES: usize = 64;

/// The longest text of a policy, in bytes.
pub const MAX_POLICY_TEXT_BYTES: usize = 8 * 1024;

/// The most accounts that a proposal puts on a list and takes off it together.
pub const MAX_LISTED_ACCOUNTS: usize = 100;
/// The longest bytes of a run-time rule.
pub const MAX_LIMIT_BYTES: usize = 8 * 1024;

/// What a proposal would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Admits an organisation.
    AdmitOrganisation(Admission),
    /// Suspends one.
    SuspendOrganisation(OrgId),
    /// Reinstates one.
    ReinstateOrganisation(OrgId),
    /// Expels one.
    ExpelOrganisation(OrgId),
    /// Replaces the list of an organisation's root certificates.
    SetAuthorities {
        /// Whose.
        id: OrgId,
        /// The new list, DER.
        roots: Vec<Bytes>,
    },
    /// Replaces the key of an identity.
    RecoverKey {
        /// The account of the lost key.
        account: Address,
        /// Certification path of the new key, of the same organisation and role, DER, leaf first.
        chain: Vec<Bytes>,
        /// Why.
        basis: Basis,
    },
    /// Admits a validator.
    AdmitValidator(NewValidator),
    /// Changes a validator's power.
    SetValidatorPower {
        /// Whose votes.
        consensus_key: B256,
        /// The new power.
        power: u64,
    },
    /// Retires a validator.
    RetireValidator {
        /// Whose votes.
        consensus_key: B256,
    },
    /// Gives, changes or takes a seat on the committee.
    SetCommitteeMember {
        /// Whose.
        member: Address,
        /// The weight; zero takes the seat.
        weight: u64,
    },
    /// Changes the rule of a kind.
    SetRule {
        /// Of which kind.
        kind: Kind,
        /// The new rule.
        rule: Rule,
    },
    /// Freezes an account.
    FreezeAccount {
        /// Which.
        account: Address,
        /// What is refused.
        scope: Scope,
        /// Why.
        basis: Basis,
        /// The last height at which it binds; zero: until it is lifted.
        until: u64,
    },
    /// Freezes an account at once, for a while.
    EmergencyFreeze {
        /// Which.
        account: Address,
        /// What is refused.
        scope: Scope,
        /// Why.
        basis: Basis,
    },
    /// Lifts a freeze.
    UnfreezeAccount {
        /// Of which account.
        account: Address,
        /// Why.
        basis: Basis,
    },
    /// Shuts an identity out.
    BarAccount {
        /// An account of it.
        account: Address,
        /// Why.
        basis: Basis,
    },
    /// Lifts a bar.
    LiftBar {
        /// Whose.
        target: BarTarget,
        /// Why.
        basis: Basis,
    },
    /// Shuts a node out.
    BarNode {
        /// SHA-256 of its SubjectPublicKeyInfo.
        node_key: B256,
        /// Why.
        basis: Basis,
    },
    /// Registers a regulator, or gives it another mandate.
    AdmitRegulator {
        /// Its account, of the role regulator.
        account: Address,
        /// What it may do, where, and until when.
        mandate: Mandate,
    },
    /// Takes a regulator from the registry.
    RetireRegulator {
        /// An account of its identity.
        account: Address,
    },
    /// Enacts a policy, or gives it another text.
    SetPolicy {
        /// Which: 2 to 64 characters of `a-z`, `0-9` and `-`, starting with a letter and not ending in `-`.
        id: String,
        /// The text, 1 to [`MAX_POLICY_TEXT_BYTES`].
        text: String,
    },
    /// Repeals a policy that was enacted.
    RepealPolicy {
        /// Which.
        id: String,
    },
    /// Changes the ledger's list of who may deploy.
    SetDeployList {
        /// How it binds from then on.
        kind: ListKind,
        /// Who comes on it, in the order of addresses.
        add: Vec<Address>,
        /// Who goes from it, in the order of addresses.
        remove: Vec<Address>,
    },
    /// Freezes a contract.
    FreezeContract {
        /// Which.
        contract: Address,
        /// Why.
        basis: Basis,
        /// The last height at which it binds; zero: until it is lifted.
        until: u64,
    },
    /// Lifts a contract's freeze.
    UnfreezeContract {
        /// Of which contract.
        contract: Address,
        /// Why.
        basis: Basis,
    },
    /// Refuses a contract's calls for good.
    RetireContract {
        /// Which.
        contract: Address,
        /// Why.
        basis: Basis,
    },
    /// Appoints who keeps a contract's lists.
    SetContractAdministrator {
        /// Of which contract.
        contract: Address,
        /// Who; zero: nobody.
        administrator: Address,
    },
    /// Freezes a contract at once, for a while.
    EmergencyFreezeContract {
        /// Which.
        contract: Address,
        /// Why.
        basis: Basis,
    },
    /// Attests something of a contract, in place of what was attested before.
    SetAttributes {
        /// Of which contract.
        contract: Address,
        /// What.
        attributes: Attributes,
    },
    /// Takes back what is attested of a contract.
    RevokeAttributes {
        /// Of which contract.
        contract: Address,
        /// Why.
        basis: Basis,
    },
    /// Approves of a deployment.
    DeployContract(Deployment),
    /// Says whether deployments need such an approval.
    RequireApproval {
        /// Whether they do.
        required: bool,
    },
    /// Sets a run-time rule, or another one under its id.
    SetLimit {
        /// Which: as policies' ids.
        id: String,
        /// Its canonical bytes, 1 to [`MAX_LIMIT_BYTES`].
        limit: Bytes,
    },
    /// Repeals a run-time rule.
    RepealLimit {
        /// Which.
        id: String,
    },
    /// Sets the chain's parameters, all of them.
    SetParameters(Parameters),
    /// Schedules the next protocol version, or takes back what is scheduled.
    SetProtocolVersion {
        /// The next one; to take back, the one that runs.
        version: u64,
        /// The first height of that version; zero to take back.
        height: u64,
    },
    /// Gives slots of contracts back what they held at an earlier height.
    RollBack(Rollback),
    /// Gives a governed proxy another implementation.
    UpgradeContract {
        /// The proxy.
        contract: Address,
        /// What its calls are handed on to; an earlier one to roll back.
        implementation: Address,
        /// The call of the proxy that brings its storage into the form of that implementation, in the same execution.
        migration: Option<Bytes>,
    },
    /// Corrects a token.
    Correct {
        /// Which.
        contract: Address,
        /// The call data of a [`Correction`].
        call: Bytes,
        /// Why.
        basis: Basis,
    },
}

impl Action {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Action::AdmitOrganisation(_) => Kind::AdmitOrganisation,
            Action::SuspendOrganisation(_) => Kind::SuspendOrganisation,
            Action::ReinstateOrganisation(_) => Kind::ReinstateOrganisation,
            Action::ExpelOrganisation(_) => Kind::ExpelOrganisation,
            Action::SetAuthorities { .. } => Kind::SetAuthorities,
            Action::RecoverKey { .. } => Kind::RecoverKey,
            Action::AdmitValidator(_) => Kind::AdmitValidator,
            Action::SetValidatorPower { .. } => Kind::SetValidatorPower,
            Action::RetireValidator { .. } => Kind::RetireValidator,
            Action::SetCommitteeMember { .. } => Kind::SetCommitteeMember,
            Action::SetRule { .. } => Kind::SetRule,
            Action::FreezeAccount { .. } => Kind::FreezeAccount,
            Action::EmergencyFreeze { .. } => Kind::EmergencyFreeze,
            Action::UnfreezeAccount { .. } => Kind::UnfreezeAccount,
            Action::BarAccount { .. } => Kind::BarAccount,
            Action::LiftBar { .. } => Kind::LiftBar,
            Action::BarNode { .. } => Kind::BarNode,
            Action::AdmitRegulator { .. } => Kind::AdmitRegulator,
            Action::RetireRegulator { .. } => Kind::RetireRegulator,
            Action::SetPolicy { .. } => Kind::SetPolicy,
            Action::RepealPolicy { .. } => Kind::RepealPolicy,
            Action::SetDeployList { .. } => Kind::SetDeployList,
            Action::FreezeContract { .. } => Kind::FreezeContract,
            Action::UnfreezeContract { .. } => Kind::UnfreezeContract,
            Action::RetireContract { .. } => Kind::RetireContract,
            Action::SetContractAdministrator { .. } => Kind::SetContractAdministrator,
            Action::EmergencyFreezeContract { .. } => Kind::EmergencyFreezeContract,
            Action::SetAttributes { .. } => Kind::SetAttributes,
            Action::RevokeAttributes { .. } => Kind::RevokeAttributes,
            Action::DeployContract(_) => Kind::DeployContract,
            Action::RequireApproval { .. } => Kind::RequireApproval,
            Action::SetLimit { .. } => Kind::SetLimit,
            Action::RepealLimit { .. } => Kind::RepealLimit,
            Action::SetParameters(_) => Kind::SetParameters,
            Action::SetProtocolVersion { .. } => Kind::SetProtocolVersion,
            Action::RollBack(_) => Kind::RollBack,
            Action::UpgradeContract { .. } => Kind::UpgradeContract,
            Action::Correct { .. } => Kind::Correct,
        }
    }

    /// The canonical payload: an RLP list of its fields.
    pub fn encode(&self) -> Bytes {
        match self {
            Action::AdmitOrganisation(admission) => wire::encode(&AdmissionRow::from(admission)),
            Action::SuspendOrganisation(id)
            | Action::ReinstateOrganisation(id)
            | Action::ExpelOrganisation(id) => wire::encode(&vec![id.to_string()]),
            Action::SetAuthorities { id, roots } => {
                wire::encode(&AuthoritiesRow { id: id.to_string(), roots: roots.clone() })
            }
            Action::RecoverKey { account, chain, basis } => {
                let (chain, basis) = (chain.clone(), basis.clone());
                wire::encode(&RecoverRow { account: *account, chain, basis })
            }
            Action::AdmitValidator(validator) => wire::encode(validator),
            Action::SetValidatorPower { consensus_key, power } => {
                wire::encode(&PowerRow { consensus_key: *consensus_key, power: *power })
            }
            Action::RetireValidator { consensus_key } => wire::encode(&vec![*consensus_key]),
            Action::SetCommitteeMember { member, weight } => {
                wire::encode(&SeatRow { member: *member, weight: *weight })
            }
            Action::SetRule { kind, rule } => wire::encode(&RuleRow { kind: kind.code(), rule: *rule }),
            Action::FreezeAccount { account, scope, basis, until } => {
                let (account, scope, until) = (*account, scope.code(), *until);
                wire::encode(&FreezeRow { account, scope, basis: basis.clone(), until })
            }
            Action::EmergencyFreeze { account, scope, basis } => {
                wire::encode(&EmergencyRow { account: *account, scope: scope.code(), basis: basis.clone() })
            }
            Action::UnfreezeAccount { account, basis } => {
                wire::encode(&UnfreezeRow { account: *account, basis: basis.clone() })
            }
            Action::BarAccount { account, basis } => {
                wire::encode(&BarRow { account: *account, basis: basis.clone() })
            }
            Action::LiftBar { target, basis } => {
                let target = Bytes::copy_from_slice(target.as_bytes());
                wire::encode(&LiftRow { target, basis: basis.clone() })
            }
            Action::BarNode { node_key, basis } => {
                wire::encode(&NodeRow { node_key: *node_key, basis: basis.clone() })
            }
            Action::AdmitRegulator { account, mandate } => {
                wire::encode(&RegulatorRow { account: *account, mandate: MandateRow::from(mandate) })
            }
            Action::RetireRegulator { account } => wire::encode(&vec![*account]),
            Action::SetPolicy { id, text } => wire::encode(&PolicyRow { id: id.clone(), text: text.clone() }),
            Action::RepealPolicy { id } => wire::encode(&vec![id.clone()]),
            Action::SetDeployList { kind, add, remove } => {
                wire::encode(&DeployListRow { kind: kind.code(), add: add.clone(), remove: remove.clone() })
            }
            Action::FreezeContract { contract, basis, until } => {
                let (contract, until) = (*contract, *until);
                wire::encode(&FreezeContractRow { contract, basis: basis.clone(), until })
            }
            Action::UnfreezeContract { contract, basis }
            | Action::RetireContract { contract, basis }
            | Action::EmergencyFreezeContract { contract, basis } => {
                wire::encode(&ContractRow { contract: *contract, basis: basis.clone() })
            }
            Action::SetContractAdministrator { contract, administrator } => {
                wire::encode(&vec![*contract, *administrator])
            }
            Action::SetAttributes { contract, attributes } => {
                wire::encode(&AttributesRow { contract: *contract, attributes: attributes.clone() })
            }
            Action::DeployContract(deployment) => wire::encode(deployment),
            Action::RequireApproval { required } => wire::encode(&vec![*required]),
            Action::RevokeAttributes { contract, basis } => {
                wire::encode(&ContractRow { contract: *contract, basis: basis.clone() })
            }
            Action::SetLimit { id, limit } => {
                wire::encode(&LimitRow { id: id.clone(), limit: limit.clone() })
            }
            Action::RepealLimit { id } => wire::encode(&vec![id.clone()]),
            Action::SetParameters(parameters) => wire::encode(parameters),
            Action::SetProtocolVersion { version, height } => wire::encode(&vec![*version, *height]),
            Action::RollBack(rollback) => wire::encode(rollback),
            Action::UpgradeContract { contract, implementation, migration } => {
                let (contract, implementation, migration) = (*contract, *implementation, migration.clone());
                wire::encode(&UpgradeRow { contract, implementation, migration })
            }
            Action::Correct { contract, call, basis } => {
                let (call, basis) = (call.clone(), basis.clone());
                wire::encode(&CorrectionRow { contract: *contract, call, basis })
            }
        }
        .into()
    }

    /// Reads a payload and checks it.
    pub fn decode(kind: Kind, payload: &[u8]) -> Result<Self, ActionError> {
        check_length("the payload", payload.len(), MAX_PAYLOAD_BYTES)?;
        let action = decode(kind, payload).ok_or(ActionError::Malformed(kind))?;
        // One form only: what would be written otherwise is no encoding of it.
        if *action.encode() != *payload {
            return Err(ActionError::Malformed(kind));
        }
        action.validate()?;
        Ok(action)
    }

    /// Checks everything that needs no state.
    pub fn validate(&self) -> Result<(), ActionError> {
        match self {
            Action::AdmitOrganisation(admission) => {
                check_text("the name", &admission.name, MAX_NAME_BYTES)?;
                check_certificates("the list of roots", &admission.roots)?;
                if admission.roles.is_empty() { Err(ActionError::NoRole) } else { Ok(()) }
            }
            Action::SetAuthorities { roots, .. } => check_certificates("the list of roots", roots),
            Action::RecoverKey { chain, basis, .. } => {
                check_certificates("the new key's path", chain)?;
                check_text("the reference", &basis.reference, MAX_REFERENCE_BYTES)
            }
            Action::AdmitValidator(validator) => {
                check_certificates("the node's path", &validator.node_chain)?;
                check_certificates("the consensus key's path", &validator.consensus_chain)?;
                check_text("the node's address", &validator.node_address, MAX_NODE_ADDRESS_BYTES)?;
                check_power(validator.power)
            }
            Action::SetValidatorPower { power, .. } => check_power(*power),
            Action::SetCommitteeMember { weight, .. } if *weight > MAX_WEIGHT => {
                Err(ActionError::Weight { have: *weight })
            }
            Action::SetRule { kind, rule } => {
                rule.validate(*kind).map_err(|reason| ActionError::Rule { kind: *kind, reason })
            }
            Action::FreezeAccount { basis, .. }
            | Action::EmergencyFreeze { basis, .. }
            | Action::UnfreezeAccount { basis, .. }
            | Action::BarAccount { basis, .. }
            | Action::LiftBar { basis, .. }
            | Action::BarNode { basis, .. } => {
                check_text("the reference", &basis.reference, MAX_REFERENCE_BYTES)
            }
            Action::AdmitRegulator { mandate, .. } => mandate.validate(),
            Action::SetDeployList { add, remove, .. } => check_accounts(add, remove),
            Action::FreezeContract { basis, .. }
            | Action::UnfreezeContract { basis, .. }
            | Action::RetireContract { basis, .. }
            | Action::EmergencyFreezeContract { basis, .. } => {
                check_text("the reference", &basis.reference, MAX_REFERENCE_BYTES)
            }
            Action::SetAttributes { attributes, .. } => attributes.validate(),
            Action::DeployContract(deployment) => deployment.validate(),
            Action::RevokeAttributes { basis, .. } => {
                check_text("the reference", &basis.reference, MAX_REFERENCE_BYTES)
            }
            Action::SetPolicy { id, text } => {
                check_policy_id(id)?;
                check_policy_text(text)
            }
            Action::RepealPolicy { id } => check_policy_id(id),
            Action::SetLimit { id, limit } => {
                check_limit_id(id)?;
                check_limit(limit)
            }
            Action::RepealLimit { id } => check_limit_id(id),
            Action::SetParameters(parameters) => parameters.validate(),
            Action::RollBack(rollback) => rollback.validate(),
            Action::UpgradeContract { migration: Some(call), .. } => check_migration(call),
            Action::Correct { call, basis, .. } => {
                check_correction(call)?;
                check_text("the reference", &basis.reference, MAX_REFERENCE_BYTES)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
