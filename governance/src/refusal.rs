//! Every way in which a decision is refused, with a stable code and its facts.

use alloy_primitives::{Address, B256, U256};
use concordat_types::{OrgId, Role};

use crate::{
    Kind, Status,
    action::{ActionError, BarTarget},
    committee::CommitteeError,
    facts::Membership,
    order::OrderRefusal,
    quorum::Missing,
    regulator::{MAX_REGULATORS, Power},
    rule::RuleError,
};

/// Why something is not decided, or an action must not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the facts that each message spells out")]
pub enum Refusal {
    /// The chain was started without one.
    #[error("this chain has no committee")]
    NoCommittee,
    /// Not a seat's account.
    #[error("{sender} has no seat on the committee")]
    NotMember { sender: Address },
    /// Suspended, revoked, frozen, expired or not enrolled.
    #[error("{sender} may not act now: suspended, revoked, frozen, expired or not enrolled")]
    NotInGoodStanding { sender: Address },
    /// No such number.
    #[error("there is no kind of proposal with code {code}")]
    UnknownKind { code: u8 },
    /// No such choice.
    #[error("{code} is no choice: 1 is yes, 2 is no, 3 is abstain")]
    UnknownChoice { code: u8 },
    /// The payload is none.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// No such proposal.
    #[error("there is no proposal {id}")]
    UnknownProposal { id: u64 },
    /// Its outcome is known.
    #[error("proposal {id} is {status}")]
    NotOpen { id: u64, status: Status },
    /// Too late for a ballot.
    #[error("voting on proposal {id} closed at height {closed}; this is height {height}")]
    VotingClosed { id: u64, closed: u64, height: u64 },
    /// One ballot per member, and it is final.
    #[error("{sender} has voted on proposal {id}; a ballot is final")]
    AlreadyVoted { id: u64, sender: Address },
    /// The ballot is for another effect.
    #[error("proposal {id} has the effect {have}, but the ballot is for {presented}: preview it again")]
    OtherEffect { id: u64, have: B256, presented: B256 },
    /// Only the proposer may.
    #[error("proposal {id} was made by {proposer}; only it may revoke it")]
    NotProposer { id: u64, proposer: Address },
    /// The rule knows no veto.
    #[error("proposals of kind {kind} cannot be vetoed")]
    NoVeto { kind: Kind },
    /// Only regulators may.
    #[error("{sender} is no regulator")]
    NotRegulator { sender: Address },
    /// Voting or the timelock lasts on.
    #[error("proposal {id} can be executed from height {earliest} on; this is height {height}")]
    TooEarly { id: u64, earliest: u64, height: u64 },
    /// Heights have an end.
    #[error("the proposal would last beyond the last height")]
    HeightOverflow,
    /// Such an id is taken, by a member or by one that was expelled.
    #[error("organisation {id} is known already: {membership:?}")]
    OrganisationExists { id: OrgId, membership: Membership },
    /// No such organisation.
    #[error("there is no organisation {id}")]
    OrganisationUnknown { id: OrgId },
    /// It stands otherwise.
    #[error("organisation {id} is {membership:?}, which does not allow this")]
    OrganisationStands { id: OrgId, membership: Membership },
    /// Somebody must remain.
    #[error("{id} is the last organisation in good standing")]
    LastOrganisation { id: OrgId },
    /// The verifier says no.
    #[error("the certificates do not hold: {reason}")]
    Certificates { reason: String },
    /// All is as it should become.
    #[error("nothing would change")]
    NothingChanges,
    /// The key votes already.
    #[error("consensus key {consensus_key} is a validator already")]
    ValidatorExists { consensus_key: B256 },
    /// A node is one validator.
    #[error("the node key {node_key} is that of another validator")]
    NodeShared { node_key: B256 },
    /// The key does not vote.
    #[error("consensus key {consensus_key} is no validator")]
    ValidatorUnknown { consensus_key: B256 },
    /// The set would be none.
    #[error("the validator set that would result is none: {reason}")]
    ValidatorSet { reason: String },
    /// The chain might stop.
    #[error(
        "validators with power {signing} of {total} signed lately; {need} are needed; missing: {}",
        Missing::list(.missing)
    )]
    QuorumUnsafe { signing: u64, total: u64, need: u64, missing: Vec<Missing> },
    /// Not in the registry.
    #[error("{account} is not registered as a regulator; an admit-regulator proposal registers it")]
    RegulatorUnknown { account: Address },
    /// It could not use the mandate.
    #[error("{account} cannot be registered as a regulator: {reason}")]
    RegulatorUnfit { account: Address, reason: Unfit },
    /// A regulator's entry changes only with its consent; the last one goes only with its consent.
    #[error(
        "proposal {id} needs the consent of regulator {regulator}, which calls consent({id}, {digest}) before"
    )]
    NoConsent { id: u64, regulator: Address, digest: B256 },
    /// The proposal is about nobody's entry, or another's.
    #[error(
        "proposal {id} does not ask for the consent of {sender}: only the regulator that it is about consents"
    )]
    ConsentNotAsked { id: u64, sender: Address },
    /// Not registered, not for this, or not any more.
    #[error(
        "{sender} is not registered as a regulator with the power {power}; an admit-regulator proposal gives it"
    )]
    NotEmpowered { sender: Address, power: Power },
    /// Never enrolled.
    #[error("account {account} is not enrolled")]
    AccountUnknown { account: Address },
    /// Whoever has a seat has the role for it, and no other.
    #[error("account {account} is a {role}; a seat needs a committee-member")]
    NotCommitteeRole { account: Address, role: Role },
    /// The members would make none.
    #[error("the committee that would result is none: {0}")]
    Committee(#[from] CommitteeError),
    /// Nobody could decide anything any more.
    #[error("the committee would be empty")]
    CommitteeEmpty,
    /// The committee could not change its rules or itself any more.
    #[error("the committee could no longer vote through {kind}: {reason}")]
    RuleUnreachable { kind: Kind, reason: RuleError },
    /// A validator goes before its node does.
    #[error("node key {node_key} is that of validator {consensus_key}: retire the validator first")]
    NodeOfValidator { node_key: B256, consensus_key: B256 },
    /// Another account acts for its identity.
    #[error("account {account} was replaced by {by}: name that one")]
    AccountReplaced { account: Address, by: Address },
    /// It is shut out.
    #[error("{target} is barred; a lift-bar proposal lifts that")]
    Barred { target: BarTarget },
    /// A recovery changes the key alone.
    #[error(
        "the certificate is for a {role} of {organisation}; the account is a {held} of {holder}: present one for that"
    )]
    OtherHolder { organisation: OrgId, role: Role, holder: OrgId, held: Role },
    /// A recovery needs a new key.
    #[error("account {account} is enrolled or has a seat: a recovery needs a new key")]
    KeyInUse { account: Address },
    /// There is nothing to lift.
    #[error("{target} is not barred")]
    NotBarred { target: BarTarget },
    /// There is nothing to lift.
    #[error("account {account} is not frozen")]
    NotFrozen { account: Address },
    /// An emergency adds nothing to it.
    #[error("account {account} is frozen already; a freeze-account proposal changes or confirms it")]
    FrozenAlready { account: Address },
    /// An emergency is no way to freeze for ever.
    #[error("the last emergency freeze of {account} was not confirmed; the next may follow at height {from}")]
    EmergencyRepeated { account: Address, from: u64 },
    /// A few must not take the votes of the others.
    #[error(
        "account {account} has a seat, and an emergency takes nobody's vote; a freeze-account proposal can freeze it"
    )]
    EmergencyAgainstMember { account: Address },
    /// It would never bind.
    #[error("the freeze would end at height {until}; this is height {height}")]
    FreezeOver { until: u64, height: u64 },
    /// The policy engine says no.
    #[error("the policies that would result with {id} changed do not hold: {reason}")]
    PolicyInvalid { id: String, reason: String },
    /// No proposal enacted it. What the catalogue says stays.
    #[error("no policy {id} is enacted; those of the catalogue cannot be repealed")]
    PolicyUnknown { id: String },
    /// No code.
    #[error("there is no contract at {contract}: nothing was deployed there before this transaction")]
    ContractUnknown { contract: Address },
    /// The chain could not be governed without them.
    #[error("{contract} is a contract of the chain itself, which cannot be frozen, retired or administered")]
    ContractOfChain { contract: Address },
    /// For good.
    #[error("contract {contract} is retired, which is for good")]
    ContractRetired { contract: Address },
    /// There is nothing to lift.
    #[error("contract {contract} is not frozen")]
    ContractNotFrozen { contract: Address },
    /// An emergency adds nothing to it.
    #[error("contract {contract} is frozen already; a freeze-contract proposal changes or confirms it")]
    ContractFrozenAlready { contract: Address },
    /// An emergency is no way to freeze for ever.
    #[error(
        "the last emergency freeze of {contract} was not confirmed; the next may follow at height {from}"
    )]
    ContractEmergencyRepeated { contract: Address, from: u64 },
    /// Only who does business keeps a contract's lists.
    #[error("account {account} is a {role}; a contract's administrator is an operator or a developer")]
    NotAdministratorRole { account: Address, role: Role },
    /// There is nothing to revoke.
    #[error("nothing is attested of contract {contract}")]
    AttributesUnknown { contract: Address },
    /// They would never hold.
    #[error("the attributes would hold until {until}; the block's time is {time}: give a later one")]
    AttributesOver { until: u64, time: u64 },
    /// All reviewers are of the deployer's organisation.
    #[error("all reviewers are of {organisation}, as the deployer is: name one of another organisation")]
    ReviewersOfOne { organisation: OrgId },
    /// Nobody reviews its own work, or twice.
    #[error("{account} deploys, proposes or reviews this already: name another reviewer")]
    ReviewerConcerned { account: Address },
    /// Only developers deploy.
    #[error("account {account} is a {role}; a deployment needs a developer")]
    NotDeveloper { account: Address, role: Role },
    /// Somebody has not said yet what it thinks.
    #[error("proposal {id} waits for reviews by {}", list(.missing))]
    ReviewsMissing { id: u64, missing: Vec<Address> },
    /// A reviewer says no.
    #[error("{account} objects to proposal {id}: mend what it found and propose that")]
    ReviewObjects { id: u64, account: Address },
    /// It would never bind.
    #[error("the approval would end at height {until}; this is height {height}")]
    ApprovalOver { until: u64, height: u64 },
    /// It is no run-time rule, or one too many.
    #[error("the rules that would result with {id} changed do not hold: {reason}")]
    LimitInvalid { id: String, reason: String },
    /// No such run-time rule.
    #[error("there is no rule {id} in force")]
    LimitUnknown { id: String },
    /// What names a later key would bind nobody.
    #[error("{account} is named by {by}, which would bind nobody: take it out there, or use another key")]
    KeyNamed { account: Address, by: String },
    /// Versions come one after the other.
    #[error(
        "protocol version {running} runs: the next is the one after it, or height 0 and {running} to stay; not {version}"
    )]
    VersionNotNext { version: u64, running: u64 },
    /// Whoever lacks the program needs time to install it.
    #[error("the upgrade would begin at height {height}; the first at which it can is {from}")]
    UpgradeTooSoon { height: u64, from: u64 },
    /// A chain whose validators do not know its rules stands still.
    #[error(
        "organisations with power {ready} of {total} have announced protocol version {version}, and more than two \
         thirds must; a registrar of each of these calls announceVersion({version}) once its nodes run a program \
         that knows it: {}",
        list(.missing)
    )]
    NotReady { version: u64, ready: u64, total: u64, missing: Vec<OrgId> },
    /// It does not answer for nodes.
    #[error(
        "{sender} is a {role}; a registrar announces which protocol version its organisation's nodes know"
    )]
    NotRegistrar { sender: Address, role: Role },
    /// Nobody waits for it.
    #[error(
        "organisation {organisation} has no validator, so that nothing depends on which versions its nodes know"
    )]
    NoValidators { organisation: OrgId },
    /// Every node that runs knows more.
    #[error("protocol version {running} runs already; version {version} is past")]
    VersionPast { version: u64, running: u64 },
    /// It was planned from another state.
    #[error(
        "slot {slot:#x} of contract {contract} holds {have:#x}, but the rollback was planned for {planned:#x}: \
         something later depends on it; plan anew"
    )]
    SlotMoved { contract: Address, slot: U256, have: U256, planned: U256 },
    /// There is nothing to go back from.
    #[error(
        "the rollback is to the state after height {to}, and this is height {height}: name an earlier one"
    )]
    RollbackNotPast { to: u64, height: u64 },
    /// What the chain itself keeps is changed by the kinds of proposals for it.
    #[error(
        "{contract} is a contract of the chain itself, which is not rolled back: propose what undoes its change"
    )]
    RollbackOfChain { contract: Address },
    /// No such block yet.
    #[error("transaction {hash} would be of block {at}, and this is height {height}: plan anew")]
    ReversedToCome { hash: B256, at: u64, height: u64 },
    /// Nothing of it can be exchanged.
    #[error(
        "{contract} is no governed proxy: deploy GovernedProxy.json as it is published, and upgrade that"
    )]
    NotProxy { contract: Address },
    /// A proxy could not hand its calls on to it.
    #[error("{implementation} cannot be an implementation: {reason}")]
    ImplementationUnfit { implementation: Address, reason: UnfitImplementation },
    /// Its code runs for nobody.
    #[error("contract {contract} is frozen, and so are corrections of it: unfreeze it first")]
    CorrectionFrozen { contract: Address },
    /// Whoever executes brings what the call may use.
    #[error(
        "the call that follows needs {need} gas, and {have} are left: raise the gas limit to what eth_estimateGas tells"
    )]
    CallGas { have: u64, need: u64 },
    /// It would make steps of the call cheaper than they are for others.
    #[error("an execution that calls a contract takes no access list: leave it out")]
    CallAccessList,
    /// Whoever called what ran out of gas may hide that.
    #[error(
        "the call, or one inside of it, ran out of gas, so that nothing of it stands. It has {gas} for all that it does: \
         decide less at once, or mend the contract"
    )]
    CallStarved { gas: u32 },
    /// What holds of orders.
    #[error(transparent)]
    Order(#[from] OrderRefusal),
}

fn list<T: ToString>(named: &[T]) -> String {
    named.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Refusal {
    /// A stable number.
    pub const fn code(&self) -> u16 {
        match self {
            Self::NoCommittee => 1,
            Self::NotMember { .. } => 2,
            Self::NotInGoodStanding { .. } => 3,
            Self::UnknownKind { .. } => 4,
            Self::UnknownChoice { .. } => 5,
            Self::Action(_) => 6,
            Self::UnknownProposal { .. } => 10,
            Self::NotOpen { .. } => 11,
            Self::VotingClosed { .. } => 12,
            Self::AlreadyVoted { .. } => 13,
            Self::OtherEffect { .. } => 14,
            Self::NotProposer { .. } => 15,
            Self::NoVeto { .. } => 16,
            Self::NotRegulator { .. } => 17,
            Self::TooEarly { .. } => 18,
            Self::HeightOverflow => 19,
            Self::OrganisationExists { .. } => 30,
            Self::OrganisationUnknown { .. } => 31,
            Self::OrganisationStands { .. } => 32,
            Self::LastOrganisation { .. } => 33,
            Self::Certificates { .. } => 34,
            Self::NothingChanges => 35,
            Self::NodeOfValidator { .. } => 36,
            Self::ValidatorExists { .. } => 40,
            Self::NodeShared { .. } => 41,
            Self::ValidatorUnknown { .. } => 42,
            Self::ValidatorSet { .. } => 43,
            Self::QuorumUnsafe { .. } => 44,
            Self::RegulatorUnknown { .. } => 45,
            Self::RegulatorUnfit { .. } => 46,
            Self::NoConsent { .. } => 47,
            Self::ConsentNotAsked { .. } => 48,
            Self::NotEmpowered { .. } => 49,
            Self::AccountUnknown { .. } => 50,
            Self::NotCommitteeRole { .. } => 51,
            Self::Committee(_) => 52,
            Self::CommitteeEmpty => 53,
            Self::RuleUnreachable { .. } => 54,
            Self::AccountReplaced { .. } => 55,
            Self::Barred { .. } => 56,
            Self::OtherHolder { .. } => 57,
            Self::KeyInUse { .. } => 58,
            Self::NotBarred { .. } => 59,
            Self::NotFrozen { .. } => 60,
            Self::FrozenAlready { .. } => 61,
            Self::EmergencyRepeated { .. } => 62,
            Self::FreezeOver { .. } => 63,
            Self::EmergencyAgainstMember { .. } => 64,
            Self::PolicyInvalid { .. } => 70,
            Self::PolicyUnknown { .. } => 71,
            Self::ContractUnknown { .. } => 80,
            Self::ContractOfChain { .. } => 81,
            Self::ContractRetired { .. } => 82,
            Self::ContractNotFrozen { .. } => 83,
            Self::ContractFrozenAlready { .. } => 84,
            Self::ContractEmergencyRepeated { .. } => 85,
            Self::NotAdministratorRole { .. } => 86,
            Self::AttributesUnknown { .. } => 90,
            Self::AttributesOver { .. } => 91,
            Self::ReviewersOfOne { .. } => 92,
            Self::ReviewerConcerned { .. } => 93,
            Self::NotDeveloper { .. } => 94,
            Self::ReviewsMissing { .. } => 95,
            Self::ReviewObjects { .. } => 96,
            Self::ApprovalOver { .. } => 97,
            Self::LimitInvalid { .. } => 76,
            Self::LimitUnknown { .. } => 77,
            Self::KeyNamed { .. } => 37,
            Self::VersionNotNext { .. } => 111,
            Self::UpgradeTooSoon { .. } => 112,
            Self::NotReady { .. } => 113,
            Self::NotRegistrar { .. } => 114,
            Self::NoValidators { .. } => 115,
            Self::VersionPast { .. } => 116,
            Self::SlotMoved { .. } => 100,
            Self::RollbackNotPast { .. } => 101,
            Self::RollbackOfChain { .. } => 102,
            Self::ReversedToCome { .. } => 103,
            Self::NotProxy { .. } => 120,
            Self::ImplementationUnfit { .. } => 121,
            Self::CorrectionFrozen { .. } => 125,
            Self::CallGas { .. } => 126,
            Self::CallAccessList => 127,
            Self::CallStarved { .. } => 128,
            Self::Order(refusal) => refusal.code(),
        }
    }
}

/// Why an account cannot be registered as a regulator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the facts that each message spells out")]
pub enum Unfit {
    /// Its certificate is for something else.
    #[error("it is a {0}; only an account of the role regulator can be")]
    Role(Role),
    /// It would never hold.
    #[error("its mandate would end at height {until}; this is height {height}")]
    Over { until: u64, height: u64 },
    /// Each veto reads them all.
    #[error("{have} are registered, and no more than {MAX_REGULATORS} can be: retire one first")]
    TooMany { have: usize },
}

/// Why a contract cannot be a proxy's implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitImplementation {
    /// Nothing would run.
    #[error("there is no contract: deploy it first")]
    NoCode,
    /// It answers in its own name alone.
    #[error("it is a contract of the chain itself")]
    OfChain,
    /// Whoever upgrades to it would halt the proxy.
    #[error("it is frozen: unfreeze it first")]
    Frozen,
    /// The same for good.
    #[error("it is retired, which is for good")]
    Retired,
    /// Whose implementation the proxy would then have could change without a vote on the proxy.
    #[error("it is a proxy itself: name what that hands its calls on to")]
    Proxy,
}

/// Why there is no decision: it is refused, or the facts could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError<E> {
    /// Refused.
    Refused(Refusal),
    /// The state could not be read: no verdict.
    Facts(E),
}

impl<E> From<Refusal> for ResolveError<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E> From<OrderRefusal> for ResolveError<E> {
    fn from(refusal: OrderRefusal) -> Self {
        Self::Refused(refusal.into())
    }
}
