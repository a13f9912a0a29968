//! What can be proposed, and how it becomes bytes: one entry for each kind.

use alloy_primitives::{Address, B256, Bytes};
use concordat_types::OrgId;

use super::{
    Admission, Attributes, BarTarget, Basis, Deployment, ListKind, NewValidator, Parameters, Rollback, Scope,
};
use crate::{Kind, regulator::Mandate, rule::Rule, wire};

/// An action is named like its kind. Its payload is the RLP list of its fields, in the order in which they stand here;
/// of `Action(only Field)` the list of that one; of `Action(record Record)` the record, which is a list itself.
macro_rules! actions {
    ($(
        $(#[$doc:meta])*
        $kind:ident
            $({ $( $(#[$field_doc:meta])* $field:ident: $field_type:ty, )* })?
            $(( $(only $only:ident)? $(record $record:ident)? ))?,
    )*) => {
        /// What a proposal would do.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Action {
            $( $(#[$doc])* $kind
                $({ $( $(#[$field_doc])* $field: $field_type, )* })?
                $(( $($only)? $($record)? ))?,
            )*
        }

        impl Action {
            /// Its kind.
            pub const fn kind(&self) -> Kind {
                match self { $( Action::$kind { .. } => Kind::$kind, )* }
            }

            pub(super) fn to_payload(&self) -> Vec<u8> {
                match self { $(
                    $( Action::$kind { $($field),* } => wire::list(&[$($field),*]), )?
                    $(
                        $( Action::$kind(only) => wire::list(&[only as &$only]), )?
                        $( Action::$kind(record) => wire::encode::<$record>(record), )?
                    )?
                )* }
            }

            pub(super) fn from_payload(kind: Kind, payload: &[u8]) -> Option<Self> {
                match kind { $( Kind::$kind => {
                    $(
                        let mut fields = wire::Fields::open(payload)?;
                        let action = Action::$kind { $( $field: fields.next()?, )* };
                        fields.end(action)
                    )?
                    $(
                        $(
                            let mut fields = wire::Fields::open(payload)?;
                            let only: $only = fields.next()?;
                            fields.end(Action::$kind(only))
                        )?
                        $( wire::decode::<$record>(payload).map(Action::$kind) )?
                    )?
                } )* }
            }
        }
    };
}

actions! {
    /// Admits an organisation.
    AdmitOrganisation(record Admission),
    /// Suspends one.
    SuspendOrganisation(only OrgId),
    /// Reinstates one.
    ReinstateOrganisation(only OrgId),
    /// Expels one.
    ExpelOrganisation(only OrgId),
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
    AdmitValidator(record NewValidator),
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
        /// The text, 1 to [`super::MAX_POLICY_TEXT_BYTES`].
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
    DeployContract(record Deployment),
    /// Says whether deployments need such an approval.
    RequireApproval {
        /// Whether they do.
        required: bool,
    },
    /// Sets a run-time rule, or another one under its id.
    SetLimit {
        /// Which: as policies' ids.
        id: String,
        /// Its canonical bytes, 1 to [`super::MAX_LIMIT_BYTES`].
        limit: Bytes,
    },
    /// Repeals a run-time rule.
    RepealLimit {
        /// Which.
        id: String,
    },
    /// Sets the chain's parameters, all of them.
    SetParameters(record Parameters),
    /// Schedules the next protocol version, or takes back what is scheduled.
    SetProtocolVersion {
        /// The next one; to take back, the one that runs.
        version: u64,
        /// The first height of that version; zero to take back.
        height: u64,
    },
    /// Gives slots of contracts back what they held at an earlier height.
    RollBack(record Rollback),
    /// Gives a governed proxy another implementation.
    UpgradeContract {
        /// The proxy.
        contract: Address,
        /// What its calls are handed on to; an earlier one to roll back.
        implementation: Address,
        /// The call of the proxy that brings its storage into the form of that implementation, in the same execution; empty
        /// for none.
        migration: Bytes,
    },
    /// Corrects a token.
    Correct {
        /// Which.
        contract: Address,
        /// The call data of a [`super::Correction`].
        call: Bytes,
        /// Why.
        basis: Basis,
    },
    /// Confirms a regulator's order.
    ConfirmOrder {
        /// Which.
        order: u64,
        /// Why.
        basis: Basis,
    },
    /// Lifts a regulator's order.
    LiftOrder {
        /// Which.
        order: u64,
        /// Why.
        basis: Basis,
    },
}
