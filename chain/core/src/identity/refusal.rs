//! Every way in which the registry refuses, in words for people and as Solidity errors for contracts.

use alloy_sol_types::SolError;
use concordat_types::{Address, B256, Bytes, OrgId, Role};

use super::{abi::IIdentityRegistry as abi, records::CertificateId};

/// Why the registry refuses. The variants are the errors of `IIdentityRegistry.sol`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the facts that each message spells out")]
pub enum RegistryError {
    /// The call data are not those of a function.
    #[error("the call data match no function of the identity registry, or are too long")]
    MalformedCall,
    /// A contract asked for what only a transaction may ask for.
    #[error(
        "the identity registry changes only for a transaction that calls it directly, not for a contract"
    )]
    OnlyDirectTransaction,
    /// No such member.
    #[error("organisation {organisation} is not a member of this chain")]
    UnknownOrganisation { organisation: String },
    /// The member is suspended.
    #[error("organisation {organisation} is suspended")]
    OrganisationSuspended { organisation: OrgId },
    /// The CA may not grant the role.
    #[error("the certificate authority of {organisation} may not grant the role {role}")]
    RoleNotGrantable { organisation: OrgId, role: Role },
    /// The role does not fit here.
    #[error("the certificate has the role {presented}, but here it must be {expected}")]
    RoleNotFit { expected: String, presented: Role },
    /// The certificate is for another key.
    #[error("the certificate is for account {certified}, but {sender} presents it")]
    KeyMismatch { certified: Address, sender: Address },
    /// The key is of another kind.
    #[error("the certificate's key is {presented}, but here it must be {expected}")]
    KeyTypeNotFit { expected: String, presented: String },
    /// The path does not hold.
    #[error("the certification path does not hold: {reason}")]
    CertificateInvalid { reason: String },
    /// A certificate of the path is revoked.
    #[error("the certificate with serial {} of issuer {} is revoked", .id.serial, .id.issuer)]
    PathRevoked { id: CertificateId },
    /// Enrolled before.
    #[error("account {account} is already enrolled; renew its certificate instead")]
    AlreadyEnrolled { account: Address },
    /// Never enrolled.
    #[error("account {account} is not enrolled")]
    NotEnrolled { account: Address },
    /// A renewal may not change this.
    #[error("a renewal keeps the {what}: enrolled is {enrolled}, presented {presented}")]
    RenewalChanges { what: &'static str, enrolled: String, presented: String },
    /// A renewal must last longer.
    #[error(
        "the presented certificate is valid until {presented}, the current one until {current}: present a later one"
    )]
    RenewalNotLater { current: u64, presented: u64 },
    /// The CRL does not hold.
    #[error("the CRL does not hold: {reason}")]
    CrlInvalid { reason: String },
    /// The CRL is not newer.
    #[error("CRL number {presented} of issuer {issuer} is not newer than number {current}")]
    CrlNotNewer { issuer: B256, current: u64, presented: u64 },
    /// The CRL is too long.
    #[error("the CRL has {entries} entries, more than the {limit} that one call takes")]
    CrlTooLong { entries: usize, limit: usize },
    /// Only a registrar of the organisation may.
    #[error("account {sender} is no registrar of {organisation}")]
    NotRegistrar { sender: Address, organisation: OrgId },
    /// Certificates of different organisations.
    #[error("the certificate belongs to {presented}, but here it must belong to {expected}")]
    OrganisationMismatch { expected: String, presented: String },
    /// Too much power.
    #[error("the validators of {organisation} would have power {wanted}, more than its budget of {budget}")]
    PowerBudgetExceeded { organisation: OrgId, budget: u64, wanted: u64 },
    /// The key votes already.
    #[error("consensus key {consensus_key} is a validator already")]
    ValidatorExists { consensus_key: B256 },
    /// The key does not vote.
    #[error("consensus key {consensus_key} is no validator")]
    ValidatorUnknown { consensus_key: B256 },
    /// The set would be none.
    #[error("the validator set that would result is none: {reason}")]
    ValidatorSetInvalid { reason: String },
    /// The chain might stop.
    #[error("without this validator the chain might stop: {reason}")]
    QuorumUnsafe { reason: String },
    /// Another account acts for its identity.
    #[error("account {account} was replaced by {by}: name that one")]
    AccountReplaced { account: Address, by: Address },
    /// Shut out by vote.
    #[error("account {account} is barred; only a vote of the committee lifts that")]
    Barred { account: Address },
    /// Shut out by vote, whatever certificate it presents.
    #[error("{common_name:?} of {organisation} is barred; only a vote of the committee lifts that")]
    SubjectBarred { organisation: OrgId, common_name: String },
    /// A node that is shut out by vote.
    #[error("node key {node_key} is barred; only a vote of the committee lifts that")]
    NodeBarred { node_key: B256 },
    /// Who decides or supervises is not replaced by its organisation alone.
    #[error("account {account} is a {role}, whose key only a vote recovers: propose recover-key")]
    RecoveryByVote { account: Address, role: Role },
    /// Two registrars, neither of whom is the account itself.
    #[error("account {account} may not approve this recovery: another registrar must, by another person")]
    NotAnotherRegistrar { account: Address },
    /// It is waiting for its confirmation.
    #[error("a recovery of {account} is pending through height {expires}: confirm or cancel it")]
    RecoveryPending { account: Address, expires: u64 },
    /// Never asked for, cancelled, done or expired.
    #[error("no recovery of {account} is pending: request one")]
    NoRecovery { account: Address },
    /// The confirmation is for another key.
    #[error(
        "the request has the digest {requested}, the confirmation {confirmed}: confirm what was requested"
    )]
    OtherRecovery { requested: B256, confirmed: B256 },
    /// Whoever asked for it may not any more.
    #[error("registrar {account}, who requested this recovery, may not act now: cancel it and request anew")]
    RequesterFell { account: Address },
    /// A recovery needs a new key.
    #[error("account {account} is enrolled or has a seat: a recovery needs a new key")]
    KeyInUse { account: Address },
    /// A recovery changes the key alone.
    #[error("the certificate has the role {presented}, the account {held}: present one with that role")]
    RecoveryChangesRole { held: Role, presented: Role },
    /// Two registrars replace a person's key, not the person.
    #[error(
        "the certificate is for {presented:?}, the account for {held:?}: present one for that name, or propose recover-key"
    )]
    RecoveryChangesName { held: String, presented: String },
    /// Whoever holds the old key must have time to object.
    #[error(
        "a recovery of {account} can be confirmed from height {earliest} on; until then it can be objected to"
    )]
    RecoveryTooEarly { account: Address, earliest: u64 },
    /// What names a later key would bind nobody.
    #[error(
        "account {account} is named by {by}, which would bind nobody: take it out there, or use another key"
    )]
    KeyNamed { account: Address, by: String },
    /// Too early, done, or of no use.
    #[error(
        "none of these accounts is to be reminded now: too early, reminded already, ended, or unable to renew"
    )]
    NothingDue,
    /// A call has an end.
    #[error("the call names {accounts} accounts, more than the {limit} that one call takes: make several")]
    TooManyAccounts { accounts: usize, limit: usize },
    /// Not a registrar's business where there is a committee.
    #[error("the committee decides on new validators: propose admit-validator")]
    DecidedByCommittee,
}

impl RegistryError {
    /// The Solidity error, ABI-encoded.
    pub fn abi_encode(&self) -> Bytes {
        self.encode_call_error()
            .or_else(|| self.encode_account_error())
            .or_else(|| self.encode_recovery_error())
            .unwrap_or_else(|| self.encode_other())
            .into()
    }

    fn encode_call_error(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::MalformedCall => abi::MalformedCall {}.abi_encode(),
            Self::OnlyDirectTransaction => abi::OnlyDirectTransaction {}.abi_encode(),
            Self::UnknownOrganisation { organisation } => {
                abi::UnknownOrganisation { organisation: organisation.clone() }.abi_encode()
            }
            Self::OrganisationSuspended { organisation } => {
                abi::OrganisationSuspended { organisation: organisation.to_string() }.abi_encode()
            }
            Self::OrganisationMismatch { expected, presented } => {
                abi::OrganisationMismatch { expected: expected.clone(), presented: presented.clone() }
                    .abi_encode()
            }
            Self::CertificateInvalid { reason } => {
                abi::CertificateInvalid { reason: reason.clone() }.abi_encode()
            }
            Self::PathRevoked { id } => {
                abi::PathRevoked { issuer: id.issuer, serial: id.serial.clone() }.abi_encode()
            }
            _ => return None,
        })
    }

    fn encode_account_error(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::RoleNotGrantable { organisation, role } => {
                abi::RoleNotGrantable { organisation: organisation.to_string(), role: role.to_string() }
                    .abi_encode()
            }
            Self::RoleNotFit { expected, presented } => {
                abi::RoleNotFit { expected: expected.clone(), presented: presented.to_string() }.abi_encode()
            }
            Self::KeyMismatch { certified, sender } => {
                abi::KeyMismatch { certified: *certified, sender: *sender }.abi_encode()
            }
            Self::KeyTypeNotFit { expected, presented } => {
                abi::KeyTypeNotFit { expected: expected.clone(), presented: presented.clone() }.abi_encode()
            }
            Self::AlreadyEnrolled { account } => abi::AlreadyEnrolled { account: *account }.abi_encode(),
            Self::NotEnrolled { account } => abi::NotEnrolled { account: *account }.abi_encode(),
            Self::RenewalChanges { what, enrolled, presented } => abi::RenewalChanges {
                what: (*what).to_owned(),
                enrolled: enrolled.clone(),
                presented: presented.clone(),
            }
            .abi_encode(),
            Self::RenewalNotLater { current, presented } => {
                abi::RenewalNotLater { current: *current, presented: *presented }.abi_encode()
            }
            _ => return None,
        })
    }

    fn encode_recovery_error(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::AccountReplaced { account, by } => {
                abi::AccountReplaced { account: *account, by: *by }.abi_encode()
            }
            Self::Barred { account } => abi::Barred { account: *account }.abi_encode(),
            Self::SubjectBarred { organisation, common_name } => {
                abi::SubjectBarred { organisation: organisation.to_string(), commonName: common_name.clone() }
                    .abi_encode()
            }
            Self::NodeBarred { node_key } => abi::NodeBarred { nodeKeyHash: *node_key }.abi_encode(),
            Self::RecoveryByVote { account, role } => {
                abi::RecoveryByVote { account: *account, role: role.to_string() }.abi_encode()
            }
            Self::NotAnotherRegistrar { account } => {
                abi::NotAnotherRegistrar { account: *account }.abi_encode()
            }
            Self::RecoveryPending { account, expires } => {
                abi::RecoveryPending { account: *account, expires: *expires }.abi_encode()
            }
            Self::NoRecovery { account } => abi::NoRecovery { account: *account }.abi_encode(),
            Self::OtherRecovery { requested, confirmed } => {
                abi::OtherRecovery { requested: *requested, confirmed: *confirmed }.abi_encode()
            }
            Self::RequesterFell { account } => abi::RequesterFell { account: *account }.abi_encode(),
            Self::KeyInUse { account } => abi::KeyInUse { account: *account }.abi_encode(),
            Self::RecoveryChangesRole { held, presented } => {
                abi::RecoveryChangesRole { held: held.to_string(), presented: presented.to_string() }
                    .abi_encode()
            }
            Self::RecoveryChangesName { held, presented } => {
                abi::RecoveryChangesName { held: held.clone(), presented: presented.clone() }.abi_encode()
            }
            Self::RecoveryTooEarly { account, earliest } => {
                abi::RecoveryTooEarly { account: *account, earliest: *earliest }.abi_encode()
            }
            Self::KeyNamed { account, by } => {
                abi::KeyNamed { account: *account, by: by.clone() }.abi_encode()
            }
            _ => return None,
        })
    }

    fn encode_other(&self) -> Vec<u8> {
        match self {
            Self::CrlInvalid { reason } => abi::CrlInvalid { reason: reason.clone() }.abi_encode(),
            Self::CrlNotNewer { issuer, current, presented } => {
                abi::CrlNotNewer { issuer: *issuer, current: *current, presented: *presented }.abi_encode()
            }
            Self::CrlTooLong { entries, limit } => abi::CrlTooLong {
                entries: alloy_primitives::U256::from(*entries),
                limit: alloy_primitives::U256::from(*limit),
            }
            .abi_encode(),
            Self::NotRegistrar { sender, organisation } => {
                abi::NotRegistrar { sender: *sender, organisation: organisation.to_string() }.abi_encode()
            }
            Self::PowerBudgetExceeded { organisation, budget, wanted } => abi::PowerBudgetExceeded {
                organisation: organisation.to_string(),
                budget: *budget,
                wanted: *wanted,
            }
            .abi_encode(),
            Self::ValidatorExists { consensus_key } => {
                abi::ValidatorExists { consensusKey: *consensus_key }.abi_encode()
            }
            Self::ValidatorUnknown { consensus_key } => {
                abi::ValidatorUnknown { consensusKey: *consensus_key }.abi_encode()
            }
            Self::ValidatorSetInvalid { reason } => {
                abi::ValidatorSetInvalid { reason: reason.clone() }.abi_encode()
            }
            Self::QuorumUnsafe { reason } => abi::QuorumUnsafe { reason: reason.clone() }.abi_encode(),
            Self::DecidedByCommittee => abi::DecidedByCommittee {}.abi_encode(),
            Self::NothingDue => abi::NothingDue {}.abi_encode(),
            Self::TooManyAccounts { accounts, limit } => abi::TooManyAccounts {
                accounts: alloy_primitives::U256::from(*accounts),
                limit: alloy_primitives::U256::from(*limit),
            }
            .abi_encode(),
            // The functions before this one know all others.
            _ => abi::MalformedCall {}.abi_encode(),
        }
    }
}
