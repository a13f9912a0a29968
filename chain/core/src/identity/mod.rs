//! The identity registry: organisations, the accounts that their certificate authorities vouch for,
//! revocations and validators.
//!
//! | Module | Does |
//! |---|---|
//! | `records`, `tables` | entries and the rows that hold them |
//! | `certificates` | asks the certificate verifier |
//! | `membership`, `revocation`, `validators`, `recovery` | decide acts: state in, effects or a refusal out |
//! | `bars` | who is shut out, as governance decides it |
//! | `reminders` | who is reminded to renew |
//! | `overview` | organisations at a glance |
//! | `contract` | the Solidity face |
//! | `registry` | the Rust face, for nodes and RPC |

pub mod abi;
pub(crate) mod bars;
mod certificates;
mod contract;
mod membership;
pub(crate) mod naming;
mod overview;
mod records;
pub(crate) mod recovery;
mod refusal;
mod registry;
mod reminders;
mod revocation;
pub(crate) mod tables;
mod validators;

#[cfg(test)]
pub(crate) mod tests;

use alloy_sol_types::SolCall as _;
use concordat_types::{Address, B256, Bytes, OrgId, ReadError};

pub(crate) use certificates::{CheckedPath, check as check_path, check_root, parse_chain};
pub use contract::IdentityRegistry;
pub(crate) use membership::{Act, check_member_path, decide_enrolment};
pub use records::{
    Account, Bar, CertificateId, CrlState, Organisation, Recovery, Revocation, ValidatorRecord,
};
pub(crate) use records::{
    Authority as AuthorityRecord, Details as DetailsRecord, OrganisationIndex, Record, StandingRow,
};
pub use refusal::RegistryError;
pub(crate) use registry::ReaderRows;
pub use registry::{AuthorizeError, ClientIdentity, NodeIdentity, Registry};
pub(crate) use validators::{Candidate, record as validator_record, require_org};

use crate::system::{IDENTITY_REGISTRY, SystemError};

/// What a block changed about identities, so that a node can look at its connections again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityEvent {
    /// An account has enrolled.
    AccountEnrolled {
        /// The account.
        address: Address,
        /// Its organisation.
        org: OrgId,
    },
    /// An account has renewed its certificate.
    CertificateRenewed {
        /// The account.
        address: Address,
        /// Its organisation.
        org: OrgId,
    },
    /// A certificate is revoked.
    CertificateRevoked {
        /// SHA-256 of the issuer's SubjectPublicKeyInfo.
        issuer: B256,
        /// Serial number, big-endian without leading zeros.
        serial: Bytes,
    },
    /// A CRL was taken in.
    CrlAccepted {
        /// The organisation whose authority signed it.
        org: OrgId,
        /// SHA-256 of the issuer's SubjectPublicKeyInfo.
        issuer: B256,
        /// Its number.
        number: u64,
    },
    /// A validator was admitted.
    ValidatorAdmitted {
        /// The organisation that runs it.
        org: OrgId,
        /// Ed25519 key of its votes.
        consensus_key: B256,
    },
    /// A validator has other power.
    ValidatorChanged {
        /// The organisation that runs it.
        org: OrgId,
        /// Ed25519 key of its votes.
        consensus_key: B256,
    },
    /// A validator was retired.
    ValidatorRetired {
        /// The organisation that ran it.
        org: OrgId,
        /// Ed25519 key of its votes.
        consensus_key: B256,
    },
    /// An identity has another key; the certificate of the one before counts as revoked.
    IdentityRebound {
        /// The identity.
        identity: Address,
        /// The account that acted for it.
        before: Address,
        /// The one that does now.
        after: Address,
    },
    /// An identity is barred, or no longer.
    AccountBarred {
        /// The identity.
        identity: Address,
        /// Whether it is now.
        barred: bool,
    },
    /// A node is barred, or no longer.
    NodeBarred {
        /// SHA-256 of its SubjectPublicKeyInfo.
        node_key: B256,
        /// Whether it is now.
        barred: bool,
    },
    /// An organisation was admitted, suspended, reinstated or expelled, or has other roots.
    OrganisationChanged {
        /// Which.
        org: OrgId,
    },
}

/// Why an act comes to nothing: the registry says no, or cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ActError {
    Refused(RegistryError),
    State(ReadError),
}

impl From<RegistryError> for ActError {
    fn from(error: RegistryError) -> Self {
        Self::Refused(error)
    }
}

impl From<ReadError> for ActError {
    fn from(error: ReadError) -> Self {
        Self::State(error)
    }
}

impl From<ActError> for SystemError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Refused(refusal) => SystemError::Revert(refusal.abi_encode()),
            ActError::State(error) => SystemError::State(error),
        }
    }
}

/// Whether a transaction is an enrolment: the one act of accounts that nobody has vouched for yet.
pub(crate) fn is_enrolment(to: &Address, input: &[u8]) -> bool {
    *to == IDENTITY_REGISTRY && input.starts_with(&abi::IIdentityRegistry::enrolCall::SELECTOR)
}

/// Whether a transaction renews its sender's certificate.
pub(crate) fn is_renewal(to: &Address, input: &[u8]) -> bool {
    *to == IDENTITY_REGISTRY && input.starts_with(&abi::IIdentityRegistry::renewCall::SELECTOR)
}

/// The certificates in an enrolment's call data.
pub(crate) fn enrolment_chain(input: &[u8]) -> Result<Vec<Bytes>, RegistryError> {
    Ok(contract::decode_call::<abi::IIdentityRegistry::enrolCall>(input, contract::MAX_PATH_CALL_BYTES)?
        .chain)
}
