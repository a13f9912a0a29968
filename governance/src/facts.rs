//! What decisions need to know of the state, and nothing else. The caller reads it; certificates are checked by
//! the caller's verifier.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_types::{OrgId, Role, validator::ConsensusAddress};
use serde::Serialize;

use crate::{
    Committee, Kind, Rule,
    action::{Attributes, BarTarget, Basis, ListKind, NewValidator, Parameters, Scope},
    order::Order,
    regulator::{Consent, RegulatorFacts},
};

/// Whether an organisation is a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Membership {
    /// Refused for now.
    Suspended = 0,
    /// In good standing.
    Active = 1,
    /// Gone for good.
    Expelled = 2,
}

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrganisationFacts {
    /// Its name for people.
    pub name: String,
    /// Whether it is a member.
    pub membership: Membership,
    /// The roles that its authorities may grant.
    pub roles: BTreeSet<Role>,
    /// SHA-256 of each root certificate, in order.
    pub roots: Vec<B256>,
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, RlpEncodable, RlpDecodable)]
pub struct ValidatorFacts {
    /// The organisation that runs it.
    pub organisation: OrgId,
    /// Ed25519 key of its votes.
    pub consensus_key: B256,
    /// Its voting power.
    pub power: u64,
    /// SHA-256 of its node certificate's SubjectPublicKeyInfo.
    pub node_key: B256,
    /// Where nodes reach it.
    pub node_address: String,
}

/// Whether an account may vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ability {
    /// Now.
    Now,
    /// As soon as it has enrolled or renewed its certificate, which needs nobody's consent.
    Later,
    /// Not before others consent: it is suspended, revoked or frozen.
    Not,
}

/// An enrolled account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its organisation.
    pub organisation: OrgId,
    /// Its role.
    pub role: Role,
    /// Whether it may act on governance.
    pub ability: Ability,
}

/// A freeze as it was last imposed on an account; it may have lapsed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// What is refused.
    pub scope: Scope,
    /// Why.
    pub basis: Basis,
    /// The last height at which it binds; zero: until it is lifted.
    pub until: u64,
    /// Whether it is an emergency's, which lapses unless it is confirmed.
    pub emergency: bool,
}

impl Frozen {
    /// Whether it binds at a height.
    pub const fn binds(&self, height: u64) -> bool {
        self.until == 0 || height <= self.until
    }
}

/// An identity: the address of its first key, and the account that acts for it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The address of its first key, for good.
    pub identity: Address,
    /// The account that acts for it; the same until a key is recovered.
    pub account: Address,
}

/// A key that a certification path vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, RlpEncodable, RlpDecodable)]
pub struct KeyFacts {
    /// The account that it controls.
    pub account: Address,
    /// The organisation that vouches for it.
    pub organisation: OrgId,
    /// Its role.
    pub role: Role,
    /// The common name of its certificate.
    pub common_name: String,
    /// SHA-256 of its certificate.
    pub fingerprint: B256,
}

/// A policy as an earlier proposal enacted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFacts {
    /// Its text.
    pub text: String,
    /// The proposal that enacted it.
    pub proposal: u64,
}

/// A contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContractFacts {
    /// Whether it is a part of the chain itself, which nobody can stop.
    pub system: bool,
    /// What stands for the code that it runs: Keccak-256 of its own; of a governed proxy that was given another
    /// implementation by vote, of its own hash and that of the implementation's code.
    pub code: B256,
    /// Who keeps its lists.
    pub administrator: Option<Address>,
    /// What was last imposed on it and not lifted. An emergency that was lifted is one that lapsed with the block before.
    pub halted: Option<Halted>,
}

/// Why a contract's calls are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halted {
    /// A freeze as it was last imposed; it may have lapsed since.
    Frozen {
        /// Why.
        basis: Basis,
        /// The last height at which it binds; zero: until it is lifted.
        until: u64,
        /// Whether it is an emergency's, which lapses unless it is confirmed.
        emergency: bool,
    },
    /// For good.
    Retired {
        /// Why.
        basis: Basis,
    },
}

impl Halted {
    /// Whether it binds at a height.
    pub const fn binds(&self, height: u64) -> bool {
        match self {
            Halted::Frozen { until, .. } => *until == 0 || height <= *until,
            Halted::Retired { .. } => true,
        }
    }
}

/// What an earlier proposal attested of a contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, RlpEncodable, RlpDecodable)]
pub struct Attested {
    /// The code that it is about, as in [`ContractFacts::code`]. Of other code it says nothing.
    pub code: B256,
    /// What is attested.
    #[serde(flatten)]
    pub attributes: Attributes,
}

/// What a governed proxy hands its calls on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, RlpEncodable, RlpDecodable)]
pub struct Implementation {
    /// The contract whose code runs.
    pub address: Address,
    /// Keccak-256 of that code; zero where there is none.
    pub code: B256,
}

/// A run-time rule as an earlier proposal set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitFacts {
    /// Its canonical bytes.
    pub limit: Bytes,
    /// The proposal that set it.
    pub proposal: u64,
}

/// A protocol version that is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, RlpEncodable, RlpDecodable)]
pub struct Upgrade {
    /// Which.
    pub version: u64,
    /// The first height that it holds at.
    pub height: u64,
}

/// Which protocol version runs, and which is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolFacts {
    /// The one that runs.
    pub running: u64,
    /// The one that is to come.
    pub upgrade: Option<Upgrade>,
}

/// Reads of the state in which a decision is made. They take `&mut self` because reads are cached and metered.
pub trait Facts {
    /// Why the state could not be read. Never a verdict on what is decided.
    type Error;

    /// The block's height.
    fn height(&self) -> u64;

    /// The block's time, Unix seconds.
    fn time_secs(&self) -> u64;

    /// The committee.
    fn committee(&mut self) -> Result<Committee, Self::Error>;

    /// The rule of a kind.
    fn rule(&mut self, kind: Kind) -> Result<Rule, Self::Error>;

    /// An organisation, expelled ones included.
    fn organisation(&mut self, id: &OrgId) -> Result<Option<OrganisationFacts>, Self::Error>;

    /// Every organisation's membership.
    fn memberships(&mut self) -> Result<BTreeMap<OrgId, Membership>, Self::Error>;

    /// All validators, in the order of their consensus keys.
    fn validators(&mut self) -> Result<Vec<ValidatorFacts>, Self::Error>;

    /// An account; `None` if it has never enrolled.
    fn account(&mut self, address: Address) -> Result<Option<AccountFacts>, Self::Error>;

    /// The identity that an account belongs to, or belonged to; an account nothing is known of is its own.
    fn bound(&mut self, address: Address) -> Result<Bound, Self::Error>;

    /// Checks the certification path of an account's key: whose it is, or why it does not hold.
    fn check_key(&mut self, chain: &[Bytes]) -> Result<Result<KeyFacts, String>, Self::Error>;

    /// Why an identity or a node is barred; `None` if it is not.
    fn barred(&mut self, target: &BarTarget) -> Result<Option<Basis>, Self::Error>;

    /// The freeze that was last imposed on an account's identity and not lifted. An emergency that was lifted is one that
    /// lapsed with the block before: it bears on when the next one may follow.
    fn frozen(&mut self, address: Address) -> Result<Option<Frozen>, Self::Error>;

    /// The validators that the commits of the last blocks show.
    fn recent_signers(&mut self) -> Result<BTreeSet<ConsensusAddress>, Self::Error>;

    /// Checks root certificates of an organisation: SHA-256 of each, or why they are none.
    fn check_roots(&mut self, id: &OrgId, roots: &[Bytes]) -> Result<Result<Vec<B256>, String>, Self::Error>;

    /// Checks a validator's certification paths: who it would be, or why it must not.
    fn check_validator(&mut self, new: &NewValidator) -> Result<Result<ValidatorFacts, String>, Self::Error>;

    /// The policy that was enacted under an id. Those of the catalogue are none of these.
    fn policy(&mut self, id: &str) -> Result<Option<PolicyFacts>, Self::Error>;

    /// Checks the set of policies that would result if this id had that text, or were repealed: whether it can be
    /// read, holds, is within bounds and locks nobody out of the committee; or why not.
    fn check_policies(&mut self, id: &str, text: Option<&str>) -> Result<Result<(), String>, Self::Error>;

    /// How the ledger's list of who may deploy binds.
    fn deploy_list(&mut self) -> Result<ListKind, Self::Error>;

    /// Whether an account is on that list.
    fn on_deploy_list(&mut self, account: Address) -> Result<bool, Self::Error>;

    /// A contract; `None` where there is no code.
    fn contract(&mut self, address: Address) -> Result<Option<ContractFacts>, Self::Error>;

    /// What is attested of a contract, whether it still holds or not.
    fn attributes(&mut self, contract: Address) -> Result<Option<Attested>, Self::Error>;

    /// The last height at which an identity may deploy init code of this SHA-256; `None` if that was never approved.
    fn approval(&mut self, code: B256, deployer: Address) -> Result<Option<u64>, Self::Error>;

    /// Whether deployments need such an approval.
    fn approval_required(&mut self) -> Result<bool, Self::Error>;

    /// Whether an identity approves of a proposal or objects to it; `None` if it has not said yet.
    fn review(&mut self, proposal: u64, reviewer: Address) -> Result<Option<bool>, Self::Error>;

    /// The run-time rule that is in force under an id.
    fn limit(&mut self, id: &str) -> Result<Option<LimitFacts>, Self::Error>;

    /// Checks the run-time rules that would result if this id had these bytes, or were repealed: whether they are a
    /// rule of that id, concern no system contract and are within bounds; or why not.
    fn check_limits(&mut self, id: &str, limit: Option<&[u8]>) -> Result<Result<(), String>, Self::Error>;

    /// All regulators that are registered, by their identities; mandates that are over included.
    fn regulators(&mut self) -> Result<BTreeMap<Address, RegulatorFacts>, Self::Error>;

    /// The consent that a regulator gave last to a proposal.
    fn consent(&mut self, proposal: u64) -> Result<Option<Consent>, Self::Error>;

    /// The chain's parameters, as the next block has them.
    fn parameters(&mut self) -> Result<Parameters, Self::Error>;

    /// Which protocol version runs at this height, and what is to come.
    fn protocol(&mut self) -> Result<ProtocolFacts, Self::Error>;

    /// The highest protocol version that an organisation has said its validators know; zero if it has said nothing.
    fn announced(&mut self, organisation: &OrgId) -> Result<u64, Self::Error>;

    /// The word that a storage slot of a contract holds.
    fn storage(&mut self, contract: Address, slot: U256) -> Result<U256, Self::Error>;

    /// The implementation that a governed proxy has now; `None` for any other contract.
    fn implementation(&mut self, contract: Address) -> Result<Option<Implementation>, Self::Error>;

    /// The key of an account as it was certified last; `None` if the account has never enrolled.
    fn key(&mut self, account: Address) -> Result<Option<KeyFacts>, Self::Error>;

    /// The policy or run-time rule that names an account, in words. Both speak of identities, so that what names a later
    /// key would bind nobody.
    fn naming(&mut self, account: Address) -> Result<Option<String>, Self::Error>;

    /// Whether the subject of a founding member's certificate is barred, so that it cannot enrol.
    fn founder_barred(&mut self, member: Address) -> Result<bool, Self::Error>;

    /// A regulator's order, whether it still binds or not.
    fn order(&mut self, id: u64) -> Result<Option<Order>, Self::Error>;
}
