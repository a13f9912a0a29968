//! What a proposal would do, in its canonical bytes. Everything that needs no state is checked here.

use std::{collections::BTreeSet, fmt, str::FromStr};

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use concordat_types::{OrgId, Role};
use serde::{Deserialize, Serialize};

mod attributes;
mod deployment;

pub use attributes::{Attributes, MAX_ATTRIBUTE_BYTES, MAX_PROPERTIES, MAX_RATING, Property};
pub use deployment::{Deployment, MAX_REPORTS, MAX_REVIEWERS};

use crate::{
    Kind,
    committee::MAX_WEIGHT,
    regulator::{MAX_COVERED, Mandate, MandateRow},
    rule::{Rule, RuleError},
    wire,
};

/// The longest payload, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 32 * 1024;

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

/// What a freeze refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Scope {
    /// Whatever the account sends, renewals and ballots included.
    All = 1,
    /// Its business: deployments and calls of contracts. It may still renew its certificate, and vote.
    Outgoing = 2,
}

impl Scope {
    /// The scope's stable code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The scope with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::All),
            2 => Some(Self::Outgoing),
            _ => None,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::All => "all",
            Scope::Outgoing => "outgoing",
        })
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "outgoing" => Ok(Self::Outgoing),
            other => Err(format!("{other:?} is no scope; scopes are all and outgoing")),
        }
    }
}

/// How a list binds. Policies have the same, which this crate does not use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ListKind {
    /// There is none.
    #[default]
    None = 0,
    /// Only who is on it may.
    Allow = 1,
    /// Who is on it may not.
    Deny = 2,
}

impl ListKind {
    /// Every kind.
    pub const ALL: [ListKind; 3] = [ListKind::None, ListKind::Allow, ListKind::Deny];

    /// The kind's stable code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for ListKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ListKind::None => "none",
            ListKind::Allow => "allow",
            ListKind::Deny => "deny",
        })
    }
}

impl FromStr for ListKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|kind| kind.to_string() == text);
        named.ok_or_else(|| format!("{text:?} is no kind of list; kinds are none, allow and deny"))
    }
}

/// Why an order is lawful: the hash of the document that orders it, and where that is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, RlpEncodable, RlpDecodable)]
pub struct Basis {
    /// SHA-256 of the document.
    pub document: B256,
    /// Where it is found, at most [`MAX_REFERENCE_BYTES`].
    pub reference: String,
}

/// Whom a bar shuts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BarTarget {
    /// An identity, by one of its accounts.
    Account(Address),
    /// A node, by the SHA-256 of its SubjectPublicKeyInfo.
    Node(B256),
}

impl BarTarget {
    /// Its bytes, whose number tells what it is.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Account(account) => account.as_slice(),
            Self::Node(key) => key.as_slice(),
        }
    }

    /// Reads [`Self::as_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let account = || Address::try_from(bytes).ok().map(Self::Account);
        B256::try_from(bytes).ok().map(Self::Node).or_else(account)
    }
}

impl fmt::Display for BarTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(f, "account {account}"),
            Self::Node(key) => write!(f, "node key {key}"),
        }
    }
}

/// A new member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Its identifier, as in the O of its certificates.
    pub id: OrgId,
    /// Its name for people.
    pub name: String,
    /// Its root CA certificates, DER.
    pub roots: Vec<Bytes>,
    /// The roles that they may grant.
    pub roles: BTreeSet<Role>,
}

/// A new validator.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct NewValidator {
    /// Certification path of its node's TLS key, role validator, DER, leaf first.
    pub node_chain: Vec<Bytes>,
    /// Certification path of the key of its votes, role consensus.
    pub consensus_chain: Vec<Bytes>,
    /// Where nodes reach it, `host:port`.
    pub node_address: String,
    /// Its voting power.
    pub power: u64,
}

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
}

/// Why bytes are no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// More than there may be.
    #[error("{what} takes {have} bytes, more than the {most} allowed")]
    TooLong {
        /// Of what.
        what: &'static str,
        /// How much there was.
        have: usize,
        /// How much there may be.
        most: usize,
    },
    /// Not the canonical bytes of this kind's payload.
    #[error("the payload is not that of {0}, or not in its one canonical form")]
    Malformed(Kind),
    /// A list of the wrong length.
    #[error("{what} lists {have} certificates; 1 to {MAX_CERTIFICATES} are allowed")]
    Certificates {
        /// Which list.
        what: &'static str,
        /// How many there were.
        have: usize,
    },
    /// Text that people could not read, or read wrongly.
    #[error("{0} is empty, or has control characters or spaces around it")]
    Text(&'static str),
    /// An organisation whose people could do nothing.
    #[error("an organisation needs a role that it may grant")]
    NoRole,
    /// A validator without power is none.
    #[error("a validator needs power; to take it away, retire the validator")]
    NoPower,
    /// A weight out of range.
    #[error("weight {have} exceeds {MAX_WEIGHT}")]
    Weight {
        /// What it was.
        have: u64,
    },
    /// No rule.
    #[error("the rule of {kind} is none: {reason}")]
    Rule {
        /// Of which kind.
        kind: Kind,
        /// Why.
        reason: RuleError,
    },
    /// No id of a policy.
    #[error(
        "policy id {0:?} must be 2 to 64 characters of a-z, 0-9 and '-', start with a letter and not end in '-'"
    )]
    PolicyId(String),
    /// A policy that says nothing.
    #[error("the policy's text is empty; to take a policy away, repeal it")]
    NoPolicyText,
    /// Accounts that could be told in another order.
    #[error("{what} must be in the order of addresses, each once")]
    Unordered {
        /// Which list.
        what: &'static str,
    },
    /// More accounts than one proposal may list.
    #[error("the proposal lists {have} accounts, more than the {MAX_LISTED_ACCOUNTS} allowed: make several")]
    TooManyAccounts {
        /// How many there were.
        have: usize,
    },
    /// An account that should both come and go.
    #[error("account {account} is to be added and removed")]
    AddedAndRemoved {
        /// Which.
        account: Address,
    },
    /// No id of a run-time rule.
    #[error(
        "rule id {0:?} must be 2 to 64 characters of a-z, 0-9 and '-', start with a letter and not end in '-'"
    )]
    LimitId(String),
    /// A run-time rule that says nothing.
    #[error("the rule is empty; to take a rule away, repeal it")]
    NoLimit,
    /// A rating out of range.
    #[error("rating {have} exceeds {MAX_RATING}")]
    Rating {
        /// What it was.
        have: u8,
    },
    /// Reviewers too many, or none.
    #[error("{have} reviewers are named; 1 to {MAX_REVIEWERS} are allowed")]
    Reviewers {
        /// How many there were.
        have: usize,
    },
    /// More reports than a deployment may have.
    #[error("{have} reports are more than the {MAX_REPORTS} allowed")]
    Reports {
        /// How many there were.
        have: usize,
    },
    /// More properties than a contract may have.
    #[error("{have} properties are more than the {MAX_PROPERTIES} allowed")]
    Properties {
        /// How many there were.
        have: usize,
    },
    /// A regulator that could do nothing.
    #[error("a regulator needs a power; to take all of them away, retire it")]
    NoPowerOfRegulator,
    /// A regulator of nothing.
    #[error("a regulator needs an organisation or a contract that it supervises")]
    CoversNothing,
    /// More than a mandate may name.
    #[error(
        "the mandate names {have} organisations and contracts, more than the {MAX_COVERED} allowed: say all"
    )]
    CoversTooMuch {
        /// How many there were.
        have: usize,
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
            _ => Ok(()),
        }
    }
}

fn check_length(what: &'static str, have: usize, most: usize) -> Result<(), ActionError> {
    if have > most { Err(ActionError::TooLong { what, have, most }) } else { Ok(()) }
}

pub(crate) fn check_text(what: &'static str, text: &str, most: usize) -> Result<(), ActionError> {
    check_length(what, text.len(), most)?;
    let readable = !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control);
    if readable { Ok(()) } else { Err(ActionError::Text(what)) }
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

fn decode(kind: Kind, payload: &[u8]) -> Option<Action> {
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
struct AdmissionRow {
    id: String,
    name: String,
    roots: Vec<Bytes>,
    roles: Bytes,
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
struct AuthoritiesRow {
    id: String,
    roots: Vec<Bytes>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct PowerRow {
    consensus_key: B256,
    power: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct SeatRow {
    member: Address,
    weight: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct RuleRow {
    kind: u8,
    rule: Rule,
}

#[derive(RlpEncodable, RlpDecodable)]
struct FreezeRow {
    account: Address,
    scope: u8,
    basis: Basis,
    until: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct EmergencyRow {
    account: Address,
    scope: u8,
    basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
struct UnfreezeRow {
    account: Address,
    basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
struct RecoverRow {
    account: Address,
    chain: Vec<Bytes>,
    basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
struct BarRow {
    account: Address,
    basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
struct LiftRow {
    target: Bytes,
    basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
struct NodeRow {
    node_key: B256,
    basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
struct RegulatorRow {
    account: Address,
    mandate: MandateRow,
}

#[derive(RlpEncodable, RlpDecodable)]
struct PolicyRow {
    id: String,
    text: String,
}

#[derive(RlpEncodable, RlpDecodable)]
struct DeployListRow {
    kind: u8,
    add: Vec<Address>,
    remove: Vec<Address>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct FreezeContractRow {
    contract: Address,
    basis: Basis,
    until: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct ContractRow {
    contract: Address,
    basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
struct AttributesRow {
    contract: Address,
    attributes: Attributes,
}

#[derive(RlpEncodable, RlpDecodable)]
struct LimitRow {
    id: String,
    limit: Bytes,
}

#[cfg(test)]
mod tests;
