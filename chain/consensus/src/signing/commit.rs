//! From the engine's certificates to CometBFT's commits, and back.

use arc_malachitebft_core_types::{ExtendedCommitSignature, Round};
use arc_malachitebft_signing_ed25519::Signature as EngineSignature;
use tendermint::{
    Hash, Signature, Time, account,
    block::{Commit, CommitSig, Id, parts},
};

use crate::context::{
    Address, BlockId, BlockTime, CommitCertificate, ExtendedCommitCertificate, Height, ValidatorSet,
};

/// Why a certificate is no commit of this validator set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Somebody signed who is not in the set.
    #[error("{0} signed the certificate but is not in the validator set")]
    UnknownValidator(Address),
    /// A height, round or time that CometBFT cannot express.
    #[error("the certificate's {0} cannot be expressed in CometBFT's terms")]
    OutOfRange(&'static str),
    /// The commit is none of this chain's.
    #[error("the commit cannot be a certificate's: its {0}")]
    Foreign(&'static str),
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

/// The certificate that a commit was made from, its signatures in the commit's order. Nothing of it is lost in a
/// commit: every precommit has the block's own time as its timestamp.
///
/// # Errors
/// If no certificate gives this commit: nobody signed, somebody signed for nil, or timestamps differ.
pub fn certificate_from_commit(commit: &Commit) -> Result<ExtendedCommitCertificate, CommitError> {
    let mut time = None;
    let mut commit_signatures = Vec::new();
    for entry in &commit.signatures {
        let (address, timestamp, signature) = match entry {
            CommitSig::BlockIdFlagAbsent => continue,
            CommitSig::BlockIdFlagNil { .. } => return Err(CommitError::Foreign("votes for nil")),
            CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature } => {
                (validator_address, *timestamp, signature)
            }
        };
        if *time.get_or_insert(timestamp) != timestamp {
            return Err(CommitError::Foreign("timestamps differ"));
        }
        let address = address.as_bytes().try_into().map_err(|_| CommitError::Foreign("addresses"))?;
        let signature = signature.as_ref().and_then(|signature| signature.as_bytes().try_into().ok());
        let signature = signature.ok_or(CommitError::Foreign("signatures"))?;
        let signature = EngineSignature::from_bytes(signature);
        commit_signatures.push(ExtendedCommitSignature::new(Address(address), signature, None));
    }
    let time = time.ok_or(CommitError::Foreign("signatures are missing"))?;
    Ok(ExtendedCommitCertificate {
        height: Height(commit.height.value()),
        round: Round::new(commit.round.value()),
        value_id: block_id(&commit.block_id, time).ok_or(CommitError::Foreign("block id"))?,
        commit_signatures,
    })
}

/// Our block id from CometBFT's and the block's time.
fn block_id(id: &Id, time: Time) -> Option<BlockId> {
    let nanos = time.unix_timestamp_nanos().rem_euclid(1_000_000_000);
    Some(BlockId {
        hash: id.hash.as_bytes().try_into().ok()?,
        parts_total: id.part_set_header.total,
        parts_hash: id.part_set_header.hash.as_bytes().try_into().ok()?,
        time: BlockTime { seconds: time.unix_timestamp(), nanos: u32::try_from(nanos).ok()? },
    })
}

fn commit_round(round: Round) -> Result<tendermint::block::Round, CommitError> {
    round.as_u32().and_then(|round| round.try_into().ok()).ok_or(CommitError::OutOfRange("round"))
}

#[cfg(test)]
mod tests {
    use arc_malachitebft_core_types::CommitSignature;

    use super::*;
    use crate::context::{ProposerOrder, Validator};

    fn set() -> ValidatorSet {
        let member = |seed: u8| {
            let key = ed25519_zebra::SigningKey::from([seed; 32]);
            let public = ed25519_zebra::VerificationKey::from(&key).into();
            Validator::new("bank", public, 1).unwrap()
        };
        ValidatorSet::new((1..=4).map(member).collect(), &ProposerOrder::default()).unwrap()
    }

    fn certificate() -> CommitCertificate {
        let time = BlockTime { seconds: 1_700_000_000, nanos: 7_000_000 };
        let value_id = BlockId { hash: [1; 32], parts_total: 3, parts_hash: [2; 32], time };
        // Not in the set's order, and one is missing.
        let signers = set().validators().iter().skip(1).rev().map(Validator::address).collect::<Vec<_>>();
        let commit_signatures = signers
            .into_iter()
            .map(|address| CommitSignature::new(address, EngineSignature::from_bytes([address.0[0]; 64])))
            .collect();
        CommitCertificate { height: Height(9), round: Round::new(2), value_id, commit_signatures }
    }

    #[test]
    fn certificate_comes_back_from_its_commit_without_loss() {
        let certificate = certificate();
        let commit = commit_from_certificate(&certificate, &set()).unwrap();
        let back = certificate_from_commit(&commit).unwrap();
        assert_eq!((back.height, back.round), (certificate.height, certificate.round));
        assert_eq!(back.value_id, certificate.value_id);
        let signatures = back.commit_signatures.iter().map(|s| (s.address, s.signature));
        let original = certificate.commit_signatures.iter().rev().map(|s| (s.address, s.signature));
        assert_eq!(signatures.collect::<Vec<_>>(), original.collect::<Vec<_>>(), "in the set's order");
    }

    #[test]
    fn commits_that_no_certificate_gives_are_refused() {
        let good = commit_from_certificate(&certificate(), &set()).unwrap();
        let (Some(signed), empty) = (good.signatures.last().cloned(), Vec::new()) else { panic!() };
        let with = |signatures| Commit { signatures, ..good.clone() };
        assert_eq!(
            certificate_from_commit(&with(empty)),
            Err(CommitError::Foreign("signatures are missing"))
        );
        let CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature } = signed.clone() else {
            panic!("the last one signed")
        };
        let nil = CommitSig::BlockIdFlagNil { validator_address, timestamp, signature: signature.clone() };
        assert_eq!(certificate_from_commit(&with(vec![nil])), Err(CommitError::Foreign("votes for nil")));
        let timestamp = Time::unix_epoch();
        let late = CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature };
        assert_eq!(
            certificate_from_commit(&with(vec![signed, late])),
            Err(CommitError::Foreign("timestamps differ"))
        );
    }
}
