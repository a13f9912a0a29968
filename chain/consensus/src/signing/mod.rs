//! Consensus signatures: what is signed, who may sign, what was signed last, and checking signatures once.

mod abstention;
mod commit;
mod guard;
mod sign_bytes;
mod signer;
mod verifier;

#[doc(hidden)]
pub use self::signer::{EngineSigner, is_abstention};
pub(crate) use self::verifier::Forged;
pub use self::{
    abstention::Abstention,
    commit::{CommitError, certificate_from_commit, commit_from_certificate},
    guard::{GuardError, LastSigned, SignGuard, SignStep},
    sign_bytes::SignBytes,
    signer::{ConsensusSigner, LocalSigner, SignError, SignRequest},
    verifier::CachingVerifier,
};
