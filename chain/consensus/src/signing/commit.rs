//! From the engine's certificates to CometBFT's commits.

use arc_malachitebft_core_types::Round;
use tendermint::{
    Hash, Signature, Time, account,
    block::{Commit, CommitSig, Id, parts},
};

use crate::context::{BlockId, CommitCertificate, ValidatorSet};

/// Why a certificate is no commit of this validator set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Somebody signed who is not in the set.
    #[error("{0} signed the certificate but is not in the validator set")]
    UnknownValidator(crate::context::Address),
    /// A height, round or time that CometBFT cannot express.
    #[error("the certificate's {0} cannot be expressed in CometBFT's terms")]
    OutOfRange(&'static str),
}

/// CometBFT's form of a block id.
pub(super) fn tendermint_id(id: &BlockId) -> Option<Id> {
    let part_set_header = parts::Header::new(id.parts_total, Hash::Sha256(id.parts_hash)).ok()?;
    Some(Id { hash: Hash::Sha256(id.hash), part_set_header })
}

/// Orders a certificate's signatures as the validator set is ordered; who did not sign is absent.
///
/// The result carries every signature that verifies in the certificate; CometBFT's verifiers accept it for
/// the header with the certificate's hash.
///
/// # Errors
/// If a signer is not in the set, or a number is beyond CometBFT's range.
pub fn commit_from_certificate(
    certificate: &CommitCertificate,
    validators: &ValidatorSet,
) -> Result<Commit, CommitError> {
    if let Some(stranger) =
        certificate.commit_signatures.iter().find(|entry| validators.get(&entry.address).is_none())
    {
        return Err(CommitError::UnknownValidator(stranger.address));
    }
    let id = &certificate.value_id;
    let timestamp = Time::from_unix_timestamp(id.time.seconds, id.time.nanos)
        .map_err(|_| CommitError::OutOfRange("time"))?;
    let signatures = validators
        .validators()
        .iter()
        .map(|validator| {
            let signed = certificate.commit_signatures.iter().find(|s| s.address == validator.address());
            signed.map_or(CommitSig::BlockIdFlagAbsent, |signed| CommitSig::BlockIdFlagCommit {
                validator_address: account::Id::new(validator.address().0),
                timestamp,
                signature: Signature::new(signed.signature.to_bytes()).ok().flatten(),
            })
        })
        .collect();
    Ok(Commit {
        height: certificate.height.0.try_into().map_err(|_| CommitError::OutOfRange("height"))?,
        round: commit_round(certificate.round)?,
        block_id: tendermint_id(id).ok_or(CommitError::OutOfRange("part set"))?,
        signatures,
    })
}

fn commit_round(round: Round) -> Result<tendermint::block::Round, CommitError> {
    round.as_u32().and_then(|round| round.try_into().ok()).ok_or(CommitError::OutOfRange("round"))
}
