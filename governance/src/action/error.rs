//! Why bytes are no action.

use alloy_primitives::{Address, B256, Bytes, U256};
use concordat_types::genesis::ParamError;

use super::{
    CORRECTIONS, MAX_CERTIFICATES, MAX_LISTED_ACCOUNTS, MAX_PROPERTIES, MAX_RATING, MAX_REPORTS,
    MAX_REVERSED, MAX_REVIEWERS, MAX_ROLLBACK_SLOTS,
};

use crate::{Kind, committee::MAX_WEIGHT, regulator::MAX_COVERED, rule::RuleError};

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
    /// A parameter out of its range.
    #[error(transparent)]
    Parameter(#[from] ParamError),
    /// Slots too many, or none.
    #[error("the rollback restores {have} slots; 1 to {MAX_ROLLBACK_SLOTS} are allowed: make several")]
    Slots {
        /// How many there were.
        have: usize,
    },
    /// More transactions than one proposal may name.
    #[error("the rollback reverses {have} transactions, more than the {MAX_REVERSED} allowed: make several")]
    ReversedTransactions {
        /// How many there were.
        have: usize,
    },
    /// A rollback that could be told in another order.
    #[error("the {what} of the rollback must be in the order of {order}, each once")]
    UnorderedRollback {
        /// Which list.
        what: &'static str,
        /// In which order it has to be.
        order: &'static str,
    },
    /// A slot that would not change.
    #[error("slot {slot:#x} of contract {contract} would stay as it is: leave it out")]
    SlotStays {
        /// Whose.
        contract: Address,
        /// Which.
        slot: U256,
    },
    /// A transaction that the state to go back to includes.
    #[error("transaction {hash} is of block {at}: the state after height {height} does not lack it")]
    ReversedTooOld {
        /// Which.
        hash: B256,
        /// The height of its block.
        at: u64,
        /// The height of the state to go back to.
        height: u64,
    },
    /// A call that corrects nothing.
    #[error("call {0} is none that a correction may make, or not in its one form: use one of {CORRECTIONS}")]
    NoCorrection(Bytes),
    /// Nothing would be called.
    #[error("a migration begins with the four bytes of a function: name one, or leave it out")]
    NoMigration,
    /// It would deceive tools.
    #[error(
        "a migration cannot call governedUpgrade(address), which is the chain's own: name a function of the implementation"
    )]
    MigrationUpgrades,
}
