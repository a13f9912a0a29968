//! Consensus signatures: what is signed, who may sign, what was signed last, and checking signatures once.

mod abstention;
mod commit;
mod guard;
mod sign_bytes;
mod signer;
mod verifier;

#[doc(hidden)]
pub use self::signer::{EngineSigner, is_abstention};
pub use self::{
    abstention::Abstention,
    commit::{CommitError, commit_from_certificate},
    guard::{GuardError, LastSigned, SignGuard, SignStep},
    sign_bytes::SignBytes,
    signer::{ConsensusSigner, LocalSigner, SignError, SignRequest},
    verifier::CachingVerifier,
};
