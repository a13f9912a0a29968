//! Why a transaction may not stand in a block, and why execution cannot go on.

use concordat_types::{Address, ReadError, receipt::Outcome};

use crate::{
    contracts::{Halted, Unapproved},
    env::EnvError,
    orders::OrderNotice,
    permissions::Denial,
};

/// Why a transaction may not stand at its place in a block (docs/adr/0003).
///
/// The texts are those of go-ethereum where it has one, because clients parse them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxInvalid {
    /// The nonce is used up.
    #[error("nonce too low: next nonce {next}, tx nonce {tx}")]
    NonceTooLow {
        /// The nonce that the account needs next.
        next: u64,
        /// The transaction's.
        tx: u64,
    },
    /// Transactions before this one are missing.
    #[error("nonce too high: tx nonce {tx}, next nonce {next}")]
    NonceTooHigh {
        /// The nonce that the account needs next.
        next: u64,
        /// The transaction's.
        tx: u64,
    },
    /// EIP-2681: the nonce cannot be counted up.
    #[error("nonce has max value")]
    NonceMax,
    /// It does not fit into what is left of the block.
    #[error("exceeds block gas limit: tx gas limit {have}, left in the block {left}")]
    GasAboveBlock {
        /// The transaction's gas limit.
        have: u64,
        /// Gas that the block has left.
        left: u64,
    },
    /// EIP-7825.
    #[error("transaction gas limit too high (cap: {cap}, tx: {have})")]
    GasAboveCap {
        /// The transaction's gas limit.
        have: u64,
        /// The most that any transaction may ask for.
        cap: u64,
    },
    /// It cannot pay for its own bytes.
    #[error("intrinsic gas too low: have {have}, want {want}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        have: u64,
        /// Gas due before execution.
        want: u64,
    },
    /// EIP-7623: it cannot pay the floor for its call data.
    #[error("insufficient gas for floor data gas cost: have {have}, want {want}")]
    FloorGas {
        /// The transaction's gas limit.
        have: u64,
        /// The floor.
        want: u64,
    },
    /// EIP-3860.
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitCodeTooLarge {
        /// Bytes of init code.
        size: usize,
        /// The most allowed.
        limit: usize,
    },
    /// Its validity window opens later.
    #[error("transaction is valid from height {first}, this is height {height}")]
    NotYetValid {
        /// First height of its window.
        first: u64,
        /// This height.
        height: u64,
    },
    /// Its validity window has closed.
    #[error("transaction was valid until height {last}, this is height {height}")]
    NoLongerValid {
        /// Last height of its window.
        last: u64,
        /// This height.
        height: u64,
    },
    /// Nobody has vouched for the sender.
    #[error("account {sender} is not enrolled: present its certificate to the identity registry first")]
    NotEnrolled {
        /// The sender.
        sender: Address,
    },
    /// The sender is not enrolled, and what it presents does not enrol it.
    #[error("enrolment of account {sender} refused: {reason}")]
    EnrolmentRefused {
        /// The sender.
        sender: Address,
        /// What the registry says.
        reason: String,
    },
    /// EIP-3607.
    #[error("sender not an eoa: address {sender}")]
    SenderHasCode {
        /// The sender.
        sender: Address,
    },
    /// At the pool only: a block could take it, but only to refuse it.
    #[error("{}", outcome.describe())]
    Refused {
        /// How it would end.
        outcome: Outcome,
    },
    /// The same, where the contract does not answer.
    #[error("{}: {halted}", Outcome::ContractFrozen.describe())]
    ContractFrozen {
        /// What stops it.
        halted: Halted,
    },
    /// The same, where nobody has approved of the deployment.
    #[error("{}: {unapproved}", Outcome::ApprovalMissing.describe())]
    ApprovalMissing {
        /// What nobody has approved.
        unapproved: Unapproved,
    },
    /// The same, where an order of a regulator refuses it.
    #[error("{}: {notice}", Outcome::Ordered.describe())]
    Ordered {
        /// Which.
        notice: OrderNotice,
    },
    /// The same, where the policies refuse it.
    #[error("{}: {denial}", Outcome::NotPermitted.describe())]
    NotPermitted {
        /// What they say.
        denial: Denial,
    },
}

impl TxInvalid {
    /// A stable label for metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NonceTooLow { .. } => "nonce_too_low",
            Self::NonceTooHigh { .. } => "nonce_too_high",
            Self::NonceMax => "nonce_max",
            Self::GasAboveBlock { .. } => "gas_above_block",
            Self::GasAboveCap { .. } => "gas_above_cap",
            Self::IntrinsicGas { .. } => "intrinsic_gas",
            Self::FloorGas { .. } => "floor_gas",
            Self::InitCodeTooLarge { .. } => "init_code_too_large",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::NoLongerValid { .. } => "no_longer_valid",
            Self::NotEnrolled { .. } => "not_enrolled",
            Self::EnrolmentRefused { .. } => "enrolment_refused",
            Self::SenderHasCode { .. } => "sender_has_code",
            Self::Refused { outcome } => match outcome {
                Outcome::CertificateExpired => "certificate_expired",
                Outcome::CertificateRevoked => "certificate_revoked",
                Outcome::Suspended => "suspended",
                Outcome::Frozen => "frozen",
                Outcome::Barred => "barred",
                _ => "role_forbidden",
            },
            Self::ContractFrozen { .. } => "contract_frozen",
            Self::NotPermitted { .. } => "not_permitted",
            Self::ApprovalMissing { .. } => "approval_missing",
            Self::Ordered { .. } => "ordered",
        }
    }
}

/// Why a transaction was not executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// It may not stand here. Nothing has changed; another may follow.
    #[error(transparent)]
    Invalid(#[from] TxInvalid),
    /// The state could not be read: no verdict.
    #[error(transparent)]
    State(#[from] ReadError),
    /// The rules are unknown.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// A trace grew beyond what its caller wants.
    #[error("the trace takes more than {limit_bytes} bytes")]
    TraceTooLarge {
        /// The caller's limit.
        limit_bytes: usize,
    },
    /// The machine contradicted our own checks: a bug of this program, no verdict on the transaction.
    #[error("the execution engine failed, please report this: {0}")]
    Internal(String),
}
