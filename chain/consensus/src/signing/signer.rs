//! Signing for the engine: a signer behind a trait, the guard in front of the key.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_malachitebft_core_types::{SignedMessage, ValidatorProof, VoteExtensionScope, VoteType};
use arc_malachitebft_signing::{Error as EngineError, Signer};
use arc_malachitebft_signing_ed25519::Signature;
use async_trait::async_trait;
use ed25519_zebra::{SigningKey, VerificationKey};

use super::{CachingVerifier, GuardError, SignBytes, SignGuard, SignStep};
use crate::{
    context::{ConcordatContext, Proposal, SignedProposal, SignedVote, Vote},
    metrics::ConsensusMetrics,
};

/// A message that a validator wants signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// The height that the message is for.
    pub height: u64,
    /// The round.
    pub round: u32,
    /// The step.
    pub step: SignStep,
    /// The canonical bytes to sign.
    pub sign_bytes: Vec<u8>,
}

/// Why a message was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The double-sign guard refused.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// Nobody knows what the key has signed before.
    #[error("this signer has no record of what its key has signed before")]
    NoRecord,
    /// The signer was closed.
    #[error("this signer is closed: its validator is stopping")]
    Closed,
    /// The signer cannot be reached or failed.
    #[error("consensus signer unavailable: {0}")]
    Unavailable(String),
}

/// Holds a validator's consensus key, wherever that is.
///
/// An implementation must refuse whatever conflicts with an earlier signature, durably; see [`SignGuard`].
#[async_trait]
pub trait ConsensusSigner: Send + Sync + 'static {
    /// The Ed25519 public key.
    fn public_key(&self) -> [u8; 32];

    /// The greatest height for which the key may have signed, 0 for a new key; none: nobody knows what it has signed.
    fn signed_to(&self) -> Option<u64>;

    /// Whether it is known what the key has signed before. A new key has a record that says so.
    fn has_record(&self) -> bool {
        self.signed_to().is_some()
    }

    /// Begins the record of a signer that has none, durably: nothing at `height` or below will be signed.
    ///
    /// # Errors
    /// If there is a record already, or it cannot be written.
    async fn begin_record(&self, height: u64) -> Result<(), SignError>;

    /// Signs, unless that would equivocate.
    ///
    /// # Errors
    /// If the message conflicts with an earlier one, if there is no record, or the signer is out of order.
    /// The validator then abstains from this step.
    async fn sign(&self, request: SignRequest) -> Result<[u8; 64], SignError>;

    /// Ends the signer: nothing more is signed, and its record is free for another signer of the same key at once.
    async fn close(&self);
}

/// A key in this process, with its guard's file.
pub struct LocalSigner {
    public_key: [u8; 32],
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    key: SigningKey,
    path: PathBuf,
    /// `None` while there is no file, and once the signer is closed.
    guard: Option<SignGuard>,
    closed: bool,
}

impl std::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalSigner({})", hex::encode(self.public_key))
    }
}

impl LocalSigner {
    /// A signer with an Ed25519 seed and the guard at `guard_path`. If there is no such file, nothing is
    /// signed before [`begin_record`](ConsensusSigner::begin_record); for a new key, make the guard with
    /// [`SignGuard::create`].
    ///
    /// # Errors
    /// If the guard's file is damaged, in use or unreadable.
    pub fn open(seed: [u8; 32], guard_path: &Path) -> Result<Self, GuardError> {
        let key = SigningKey::from(seed);
        let guard = SignGuard::open(guard_path)?;
        let public_key = VerificationKey::from(&key).into();
        let inner = Inner { key, path: guard_path.to_owned(), guard, closed: false };
        Ok(Self { public_key, inner: Arc::new(Mutex::new(inner)) })
    }

    /// Works with key and guard away from the asynchronous threads: both wait for the disk.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> Result<T, SignError> + Send + 'static,
    ) -> Result<T, SignError> {
        let inner = Arc::clone(&self.inner);
        let working = tokio::task::spawn_blocking(move || {
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            if inner.closed { Err(SignError::Closed) } else { work(&mut inner) }
        });
        working.await.unwrap_or_else(|error| Err(SignError::Unavailable(error.to_string())))
    }
}

#[async_trait]
impl ConsensusSigner for LocalSigner {
    fn public_key(&self) -> [u8; 32] {
        self.public_key
    }

    fn signed_to(&self) -> Option<u64> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.guard.as_ref().map(|guard| guard.last().height)
    }

    async fn begin_record(&self, height: u64) -> Result<(), SignError> {
        self.blocking(move |Inner { path, guard, .. }| {
            if guard.is_some() {
                return Err(GuardError::Exists { path: path.clone() }.into());
            }
            *guard = Some(SignGuard::create(path, height)?);
            Ok(())
        })
        .await
    }

    async fn sign(&self, request: SignRequest) -> Result<[u8; 64], SignError> {
        self.blocking(move |Inner { key, guard, .. }| {
            let at = (request.height, request.round, request.step);
            let guard = guard.as_mut().ok_or(SignError::NoRecord)?;
            Ok(guard.sign(at, &request.sign_bytes, |message| key.sign(message).to_bytes())?)
        })
        .await
    }

    async fn close(&self) {
        let _ = self
            .blocking(|inner| {
                (inner.guard, inner.closed) = (None, true);
                Ok(())
            })
            .await;
    }
}

/// The signature that stands for "abstains": never valid, never published.
///
/// The engine has no way to skip a message: an error from its signer stops it, while a message whose
/// signature is invalid is dropped before it is logged or counted. So a refused message gets this one.
const ABSTENTION: [u8; 64] = [0; 64];

/// Whether this signature stands for an abstention.
pub fn is_abstention(signature: &Signature) -> bool {
    signature.to_bytes() == ABSTENTION
}

/// What the engine signs with.
pub struct EngineSigner {
    /// Holds the key.
    pub signer: Arc<dyn ConsensusSigner>,
    /// What is signed.
    pub sign_bytes: SignBytes,
    /// Told of each signature, so that it needs no check.
    pub verifier: CachingVerifier,
    /// Counts refusals.
    pub metrics: Arc<ConsensusMetrics>,
}

impl EngineSigner {
    async fn signature(&self, request: SignRequest) -> Signature {
        let message = request.sign_bytes.clone();
        let bytes = match self.signer.sign(request).await {
            Ok(signature) => {
                self.verifier.remember(&self.signer.public_key(), &message, &signature);
                signature
            }
            // Said once, when the validator starts; see `Abstention`. Or it is stopping.
            Err(SignError::NoRecord | SignError::Closed) => ABSTENTION,
            Err(error) => {
                tracing::error!(%error, "Consensus message not signed; this validator abstains");
                self.metrics.signing_refused.inc();
                ABSTENTION
            }
        };
        Signature::from_bytes(bytes)
    }
}

fn unsupported(what: &str) -> EngineError {
    EngineError::from_source(format!("{what} are not used on this chain"))
}

#[async_trait]
impl Signer<ConcordatContext> for EngineSigner {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedVote, EngineError> {
        let step = match vote.vote_type {
            VoteType::Prevote => SignStep::Prevote,
            VoteType::Precommit => SignStep::Precommit,
        };
        let request = SignRequest {
            height: vote.height.0,
            round: vote.round.as_u32().unwrap_or(0),
            step,
            sign_bytes: self.sign_bytes.vote(&vote),
        };
        let signature = self.signature(request).await;
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(&self, proposal: Proposal) -> Result<SignedProposal, EngineError> {
        let request = SignRequest {
            height: proposal.height.0,
            round: proposal.round.as_u32().unwrap_or(0),
            step: SignStep::Propose,
            sign_bytes: self.sign_bytes.proposal(&proposal),
        };
        let signature = self.signature(request).await;
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        _scope: VoteExtensionScope<ConcordatContext>,
        _extension: bytes::Bytes,
    ) -> Result<SignedMessage<ConcordatContext, bytes::Bytes>, EngineError> {
        Err(unsupported("vote extensions"))
    }

    async fn sign_validator_proof(
        &self,
        _public_key: Vec<u8>,
        _peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<ConcordatContext>, EngineError> {
        Err(unsupported("validator proofs"))
    }
}

#[cfg(test)]
mod tests {
    use arc_malachitebft_core_types::{NilOrVal, Round};

    use super::*;
    use crate::context::{Address, BlockId, BlockTime, Height};

    fn engine_signer(dir: &tempfile::TempDir) -> EngineSigner {
        let sign_bytes = SignBytes::new("test");
        let path = dir.path().join("guard");
        EngineSigner {
            signer: Arc::new(LocalSigner::open([3; 32], &path).unwrap()),
            verifier: CachingVerifier::new(sign_bytes.clone()),
            sign_bytes,
            metrics: Arc::default(),
        }
    }

    fn prevote(hash: u8) -> Vote {
        let id =
            BlockId { hash: [hash; 32], parts_total: 1, parts_hash: [0; 32], time: BlockTime::default() };
        Vote {
            vote_type: VoteType::Prevote,
            height: Height(3),
            round: Round::new(0),
            value: NilOrVal::Val(id),
            validator: Address([0; 20]),
        }
    }

    #[tokio::test]
    async fn conflicting_vote_becomes_an_abstention_and_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        drop(SignGuard::create(&dir.path().join("guard"), 0).unwrap());
        let signer = engine_signer(&dir);
        let first = signer.sign_vote(prevote(1)).await.unwrap();
        assert!(!is_abstention(&first.signature));
        assert_eq!(signer.sign_vote(prevote(1)).await.unwrap(), first);
        let refused = signer.sign_vote(prevote(2)).await.unwrap();
        assert!(is_abstention(&refused.signature));
        assert_eq!(signer.metrics.signing_refused.get(), 1);
        let key = signer.signer.public_key();
        assert!(signer.verifier.vote(&first.message, &first.signature, &key));
        assert!(!signer.verifier.vote(&refused.message, &refused.signature, &key));
    }

    #[tokio::test]
    async fn signer_without_a_record_abstains_until_one_begins_and_then_only_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let signer = engine_signer(&dir);
        assert!(!signer.signer.has_record());
        assert!(is_abstention(&signer.sign_vote(prevote(1)).await.unwrap().signature));
        assert_eq!(signer.metrics.signing_refused.get(), 0, "no conflict, and told at the start");
        assert!(!dir.path().join("guard").exists(), "a restart must find no guard either");

        signer.signer.begin_record(3).await.unwrap();
        assert!(signer.signer.has_record());
        assert!(is_abstention(&signer.sign_vote(prevote(1)).await.unwrap().signature), "height 3");
        let next = Vote { height: Height(4), ..prevote(1) };
        assert!(!is_abstention(&signer.sign_vote(next).await.unwrap().signature));
        assert!(signer.signer.begin_record(9).await.is_err(), "a record is never begun anew");
    }

    #[tokio::test]
    async fn closed_signer_signs_and_begins_nothing_and_its_guard_is_free() {
        let dir = tempfile::tempdir().unwrap();
        drop(SignGuard::create(&dir.path().join("guard"), 0).unwrap());
        let signer = engine_signer(&dir);
        assert!(LocalSigner::open([3; 32], &dir.path().join("guard")).is_err(), "held by the first");
        signer.signer.close().await;
        signer.signer.close().await;
        let next = engine_signer(&dir);
        assert!(next.signer.has_record());
        assert!(is_abstention(&signer.sign_vote(prevote(1)).await.unwrap().signature));
        assert!(matches!(signer.signer.begin_record(9).await, Err(SignError::Closed)));
        assert!(!is_abstention(&next.sign_vote(prevote(1)).await.unwrap().signature));
    }
}
