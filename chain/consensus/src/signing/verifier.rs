//! Signature checks, each made once.
//!
//! The engine checks a vote when it arrives, again in the certificate that it decides with, and its own
//! votes as well. We check messages even before the engine sees them. So good signatures are remembered.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use arc_malachitebft_core_types::{NilOrVal, ValidatorProof, VoteExtensionScope, VoteType};
use arc_malachitebft_signing::{Error, VerificationResult, Verifier};
use arc_malachitebft_signing_ed25519::{PublicKey, Signature};
use async_trait::async_trait;
use ed25519_zebra::{Signature as ZebraSignature, VerificationKey, VerificationKeyBytes, batch};
use sha2::{Digest, Sha256};

use super::{SignBytes, signer::is_abstention};
use crate::context::{ConcordatContext, ExtendedCommitCertificate, Height, Proposal, ValidatorSet, Vote};

/// How many good signatures each of the two generations holds.
const GENERATION: usize = 8192;

/// A set that forgets its older half when it is full.
#[derive(Debug, Default)]
struct Remembered {
    young: HashSet<[u8; 32]>,
    old: HashSet<[u8; 32]>,
}

impl Remembered {
    fn contains(&self, digest: &[u8; 32]) -> bool {
        self.young.contains(digest) || self.old.contains(digest)
    }

    fn insert(&mut self, digest: [u8; 32]) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest);
    }
}

/// A certificate carries a signature in a validator's name that is not its.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forged;

/// Checks consensus signatures and remembers the good ones. Clones share their memory.
#[derive(Clone, Debug)]
pub struct CachingVerifier {
    sign_bytes: SignBytes,
    remembered: Arc<Mutex<Remembered>>,
}

impl CachingVerifier {
    /// A verifier for one chain, with nothing remembered.
    pub fn new(sign_bytes: SignBytes) -> Self {
        Self { sign_bytes, remembered: Arc::default() }
    }

    /// Whether this is the validator's signature of this vote.
    pub fn vote(&self, vote: &Vote, signature: &Signature, public_key: &[u8; 32]) -> bool {
        self.check(public_key, &self.sign_bytes.vote(vote), signature)
    }

    /// Whether this is the proposer's signature of this proposal.
    pub fn proposal(&self, proposal: &Proposal, signature: &Signature, public_key: &[u8; 32]) -> bool {
        self.check(public_key, &self.sign_bytes.proposal(proposal), signature)
    }

    /// Remembers a signature that was just made with the key, so that it needs no check.
    pub(crate) fn remember(&self, public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) {
        self.insert([digest(public_key, message, signature)]);
    }

    /// Checks the precommits of many certificates in one batch and remembers them if all are good.
    /// A mere accelerator: whatever is not remembered is checked one by one later.
    fn warm(&self, certificates: &[ExtendedCommitCertificate], validators: &ValidatorSet) {
        let mut verifier = batch::Verifier::new();
        let mut digests = Vec::new();
        for certificate in certificates {
            let vote = |validator| Vote {
                vote_type: VoteType::Precommit,
                height: certificate.height,
                round: certificate.round,
                value: NilOrVal::Val(certificate.value_id),
                validator,
            };
            // All precommits of a certificate have the same sign bytes: the address is not signed.
            let Some(first) = certificate.commit_signatures.first() else { continue };
            let message = self.sign_bytes.vote(&vote(first.address));
            for entry in &certificate.commit_signatures {
                let Some(validator) = validators.get(&entry.address) else { continue };
                let key = *validator.public_key().as_bytes();
                let signature = entry.signature.to_bytes();
                digests.push(digest(&key, &message, &signature));
                let key = VerificationKeyBytes::from(key);
                verifier.queue((key, ZebraSignature::from(signature), &message));
            }
        }
        if verifier.verify(rand_core::OsRng).is_ok() {
            self.insert(digests);
        }
    }

    /// Checks certificates of successive heights; gives the last height up to which each carries more than two
    /// thirds of `validators`' power. Signatures of others are left to the engine.
    pub(crate) fn audit(
        &self,
        certificates: &[ExtendedCommitCertificate],
        validators: &ValidatorSet,
    ) -> Result<Option<Height>, Forged> {
        self.warm(certificates, validators);
        let mut proven = None;
        let mut unbroken = true;
        for certificate in certificates {
            let power = self.power(certificate, validators)?;
            unbroken &= u128::from(power) * 3 > u128::from(validators.total_power()) * 2;
            if unbroken {
                proven = Some(certificate.height);
            }
        }
        Ok(proven)
    }

    /// The power of the members that signed a certificate.
    fn power(
        &self,
        certificate: &ExtendedCommitCertificate,
        validators: &ValidatorSet,
    ) -> Result<u64, Forged> {
        let mut seen = HashSet::new();
        let mut power = 0u64;
        for entry in &certificate.commit_signatures {
            let Some(validator) = validators.get(&entry.address) else { continue };
            let vote = Vote {
                vote_type: VoteType::Precommit,
                height: certificate.height,
                round: certificate.round,
                value: NilOrVal::Val(certificate.value_id),
                validator: entry.address,
            };
            if !self.vote(&vote, &entry.signature, validator.public_key().as_bytes()) {
                return Err(Forged);
            }
            if seen.insert(entry.address) {
                power = power.saturating_add(validator.power());
            }
        }
        Ok(power)
    }

    fn insert(&self, digests: impl IntoIterator<Item = [u8; 32]>) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        for digest in digests {
            remembered.insert(digest);
        }
    }

    fn check(&self, public_key: &[u8; 32], message: &[u8], signature: &Signature) -> bool {
        if is_abstention(signature) {
            return false;
        }
        let digest = digest(public_key, message, &signature.to_bytes());
        if self.remembered.lock().unwrap_or_else(PoisonError::into_inner).contains(&digest) {
            return true;
        }
        let good = VerificationKey::try_from(*public_key)
            .and_then(|key| key.verify(&ZebraSignature::from(signature.to_bytes()), message))
            .is_ok();
        if good {
            self.insert([digest]);
        }
        good
    }
}

fn digest(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> [u8; 32] {
    Sha256::new().chain_update(public_key).chain_update(signature).chain_update(message).finalize().into()
}

#[async_trait]
impl Verifier<ConcordatContext> for CachingVerifier {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Signature,
        public_key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::from_bool(self.vote(vote, signature, public_key.as_bytes())))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        public_key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::from_bool(self.proposal(proposal, signature, public_key.as_bytes())))
    }

    async fn verify_signed_vote_extension(
        &self,
        _scope: &VoteExtensionScope<ConcordatContext>,
        _extension: &bytes::Bytes,
        _signature: &Signature,
        _public_key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid)
    }

    async fn verify_validator_proof(
        &self,
        _proof: &ValidatorProof<ConcordatContext>,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use arc_malachitebft_core_types::{ExtendedCommitSignature, Round};
    use ed25519_zebra::SigningKey;

    use super::*;
    use crate::context::{Address, BlockId, BlockTime, ProposerOrder, Validator};

    fn key(seed: u8) -> (SigningKey, [u8; 32]) {
        let key = SigningKey::from([seed; 32]);
        let public = VerificationKey::from(&key).into();
        (key, public)
    }

    fn precommit(validator: Address) -> Vote {
        let id = BlockId { hash: [1; 32], parts_total: 1, parts_hash: [2; 32], time: BlockTime::default() };
        Vote {
            vote_type: VoteType::Precommit,
            height: Height(9),
            round: Round::new(0),
            value: NilOrVal::Val(id),
            validator,
        }
    }

    #[test]
    fn good_signature_is_remembered_and_a_bad_one_never() {
        let sign_bytes = SignBytes::new("test");
        let verifier = CachingVerifier::new(sign_bytes.clone());
        let ((key, public), (_, stranger)) = (key(1), key(2));
        let vote = precommit(Address([0; 20]));
        let signature = Signature::from_bytes(key.sign(&sign_bytes.vote(&vote)).to_bytes());
        assert!(verifier.vote(&vote, &signature, &public));
        assert_eq!(verifier.remembered.lock().unwrap().young.len(), 1);
        assert!(verifier.vote(&vote, &signature, &public));
        assert!(!verifier.vote(&vote, &signature, &stranger));
        let other = Vote { round: Round::new(1), ..vote };
        assert!(!verifier.vote(&other, &signature, &public));
        assert_eq!(verifier.remembered.lock().unwrap().young.len(), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let mut remembered = Remembered::default();
        for n in 0..5 * GENERATION as u64 {
            remembered.insert(Sha256::digest(n.to_be_bytes()).into());
        }
        assert!(remembered.young.len() + remembered.old.len() <= 2 * GENERATION);
    }

    #[test]
    fn batch_remembers_all_signatures_or_none() {
        let sign_bytes = SignBytes::new("test");
        let keys: Vec<_> = (1..=3).map(key).collect();
        let validators = keys.iter().map(|(_, public)| Validator::new("bank", *public, 1).unwrap()).collect();
        let validators = ValidatorSet::new(validators, &ProposerOrder::default()).unwrap();
        let vote = precommit(Address([0; 20]));
        let NilOrVal::Val(value_id) = vote.value else { panic!("a vote for a block") };
        let sign = |key: &SigningKey| Signature::from_bytes(key.sign(&sign_bytes.vote(&vote)).to_bytes());
        let mut certificate = ExtendedCommitCertificate {
            height: vote.height,
            round: vote.round,
            value_id,
            commit_signatures: keys
                .iter()
                .map(|(key, public)| {
                    ExtendedCommitSignature::new(Address::of_public_key(public), sign(key), None)
                })
                .collect(),
        };
        let verifier = CachingVerifier::new(sign_bytes.clone());
        verifier.warm(std::slice::from_ref(&certificate), &validators);
        assert_eq!(verifier.remembered.lock().unwrap().young.len(), 3);
        assert_eq!(verifier.audit(std::slice::from_ref(&certificate), &validators), Ok(Some(Height(9))));

        certificate.commit_signatures[1].signature = sign(&keys[0].0);
        let verifier = CachingVerifier::new(sign_bytes.clone());
        verifier.warm(std::slice::from_ref(&certificate), &validators);
        assert_eq!(verifier.remembered.lock().unwrap().young.len(), 0);
        let audit = |certificate: &ExtendedCommitCertificate| {
            verifier.audit(std::slice::from_ref(certificate), &validators)
        };
        assert_eq!(audit(&certificate), Err(Forged));
        certificate.commit_signatures[1] = certificate.commit_signatures[0].clone();
        assert_eq!(audit(&certificate), Ok(None), "a signature counts once, and two of three are too few");
    }
}
