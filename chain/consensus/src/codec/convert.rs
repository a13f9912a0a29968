//! Conversions between the engine's types and the wire's, with every bound checked.

use arc_malachitebft_core_consensus::{LivenessMsg, ProposedValue, SignedConsensusMsg};
use arc_malachitebft_core_types::{
    ExtendedCommitSignature, NilOrVal, PolkaSignature, Round, RoundCertificateType, RoundSignature,
    SignedMessage, Validity, VoteType,
};
use arc_malachitebft_signing_ed25519::Signature;
use bytes::Bytes;

use super::{CodecError, MAX_HEIGHT, MAX_ROUND, MAX_SIGNATURES, schema as pb};
use crate::context::{
    Address, BlockId, BlockTime, ConcordatContext, ExtendedCommitCertificate, Height, PolkaCertificate,
    Proposal, RoundCertificate, SignedProposal, SignedVote, Vote,
};

fn fixed<const N: usize>(field: &'static str, bytes: &Bytes) -> Result<[u8; N], CodecError> {
    <[u8; N]>::try_from(bytes.as_ref()).map_err(|_| CodecError::Length { field, want: N, got: bytes.len() })
}

fn height(height: u64) -> Result<Height, CodecError> {
    if height > MAX_HEIGHT { Err(CodecError::OutOfRange { field: "height" }) } else { Ok(Height(height)) }
}

fn round(round: u32) -> Result<Round, CodecError> {
    if round > MAX_ROUND { Err(CodecError::OutOfRange { field: "round" }) } else { Ok(Round::new(round)) }
}

fn optional_round(value: Option<u32>) -> Result<Round, CodecError> {
    value.map_or(Ok(Round::Nil), round)
}

fn address(bytes: &Bytes) -> Result<Address, CodecError> {
    fixed("address", bytes).map(Address)
}

fn signature(bytes: &Bytes) -> Result<Signature, CodecError> {
    fixed("signature", bytes).map(Signature::from_bytes)
}

fn bytes(slice: &[u8]) -> Bytes {
    Bytes::copy_from_slice(slice)
}

/// A defined round as a number; our own messages never carry an undefined one.
fn defined(round: Round) -> Result<u32, CodecError> {
    round.as_u32().ok_or(CodecError::OutOfRange { field: "round" })
}

pub fn block_id_to_pb(id: &BlockId) -> pb::BlockId {
    pb::BlockId {
        hash: bytes(&id.hash),
        parts_total: id.parts_total,
        parts_hash: bytes(&id.parts_hash),
        seconds: id.time.seconds,
        nanos: id.time.nanos,
    }
}

pub fn block_id_from_pb(id: &Option<pb::BlockId>) -> Result<BlockId, CodecError> {
    let id = id.as_ref().ok_or(CodecError::Missing { field: "block id" })?;
    let time = BlockTime { seconds: id.seconds, nanos: id.nanos };
    if !time.is_well_formed() {
        return Err(CodecError::OutOfRange { field: "time" });
    }
    Ok(BlockId {
        hash: fixed("block hash", &id.hash)?,
        parts_total: id.parts_total,
        parts_hash: fixed("parts hash", &id.parts_hash)?,
        time,
    })
}

pub fn vote_to_pb(vote: &SignedVote) -> Result<pb::Vote, CodecError> {
    Ok(pb::Vote {
        vote_type: vote_type_to_pb(vote.message.vote_type),
        height: vote.message.height.0,
        round: defined(vote.message.round)?,
        block_id: nil_or_id_to_pb(&vote.message.value),
        validator: bytes(&vote.message.validator.0),
        signature: bytes(&vote.signature.to_bytes()),
    })
}

pub fn vote_from_pb(vote: &pb::Vote) -> Result<SignedVote, CodecError> {
    let message = Vote {
        vote_type: vote_type_from_pb(vote.vote_type)?,
        height: height(vote.height)?,
        round: round(vote.round)?,
        value: nil_or_id_from_pb(&vote.block_id)?,
        validator: address(&vote.validator)?,
    };
    Ok(SignedMessage::new(message, signature(&vote.signature)?))
}

fn vote_type_to_pb(vote_type: VoteType) -> u32 {
    match vote_type {
        VoteType::Prevote => 1,
        VoteType::Precommit => 2,
    }
}

fn vote_type_from_pb(vote_type: u32) -> Result<VoteType, CodecError> {
    match vote_type {
        1 => Ok(VoteType::Prevote),
        2 => Ok(VoteType::Precommit),
        _ => Err(CodecError::OutOfRange { field: "vote type" }),
    }
}

fn nil_or_id_to_pb(value: &NilOrVal<BlockId>) -> Option<pb::BlockId> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(id) => Some(block_id_to_pb(id)),
    }
}

fn nil_or_id_from_pb(id: &Option<pb::BlockId>) -> Result<NilOrVal<BlockId>, CodecError> {
    if id.is_none() { Ok(NilOrVal::Nil) } else { block_id_from_pb(id).map(NilOrVal::Val) }
}

pub fn proposal_to_pb(proposal: &SignedProposal) -> Result<pb::Proposal, CodecError> {
    let Proposal { height, round, block_id, pol_round, proposer } = &proposal.message;
    Ok(pb::Proposal {
        height: height.0,
        round: defined(*round)?,
        block_id: Some(block_id_to_pb(block_id)),
        pol_round: pol_round.as_u32(),
        proposer: bytes(&proposer.0),
        signature: bytes(&proposal.signature.to_bytes()),
    })
}

pub fn proposal_from_pb(proposal: &pb::Proposal) -> Result<SignedProposal, CodecError> {
    let message = Proposal {
        height: height(proposal.height)?,
        round: round(proposal.round)?,
        block_id: block_id_from_pb(&proposal.block_id)?,
        pol_round: optional_round(proposal.pol_round)?,
        proposer: address(&proposal.proposer)?,
    };
    if message.pol_round >= message.round {
        return Err(CodecError::OutOfRange { field: "proof-of-lock round" });
    }
    Ok(SignedMessage::new(message, signature(&proposal.signature)?))
}

pub fn consensus_to_pb(message: &SignedConsensusMsg<ConcordatContext>) -> Result<pb::Consensus, CodecError> {
    let body = match message {
        SignedConsensusMsg::Vote(vote) => pb::ConsensusBody::Vote(vote_to_pb(vote)?),
        SignedConsensusMsg::Proposal(proposal) => pb::ConsensusBody::Proposal(proposal_to_pb(proposal)?),
    };
    Ok(pb::Consensus { body: Some(body) })
}

pub fn liveness_to_pb(message: &LivenessMsg<ConcordatContext>) -> Result<pb::Consensus, CodecError> {
    let body = match message {
        LivenessMsg::Vote(vote) => pb::ConsensusBody::RepeatedVote(vote_to_pb(vote)?),
        LivenessMsg::PolkaCertificate(polka) => pb::ConsensusBody::Polka(polka_to_pb(polka)?),
        LivenessMsg::SkipRoundCertificate(round) => pb::ConsensusBody::Round(round_certificate_to_pb(round)?),
    };
    Ok(pb::Consensus { body: Some(body) })
}

fn certificate_to_pb<'a>(
    height: Height,
    round: Round,
    id: &BlockId,
    signatures: impl Iterator<Item = (&'a Address, &'a Signature)>,
) -> Result<pb::Certificate, CodecError> {
    let signatures = signatures
        .map(|(validator, signature)| pb::Signature {
            validator: bytes(&validator.0),
            signature: bytes(&signature.to_bytes()),
        })
        .collect();
    Ok(pb::Certificate {
        height: height.0,
        round: defined(round)?,
        block_id: Some(block_id_to_pb(id)),
        signatures,
    })
}

fn signatures_from_pb<T>(
    signatures: &[pb::Signature],
    make: impl Fn(Address, Signature) -> T,
) -> Result<Vec<T>, CodecError> {
    if signatures.len() > MAX_SIGNATURES {
        return Err(CodecError::TooMany { field: "signatures", max: MAX_SIGNATURES, got: signatures.len() });
    }
    signatures
        .iter()
        .map(|entry| Ok(make(address(&entry.validator)?, signature(&entry.signature)?)))
        .collect()
}

pub fn polka_to_pb(polka: &PolkaCertificate) -> Result<pb::Certificate, CodecError> {
    let signatures = polka.polka_signatures.iter().map(|entry| (&entry.address, &entry.signature));
    certificate_to_pb(polka.height, polka.round, &polka.value_id, signatures)
}

pub fn polka_from_pb(polka: &pb::Certificate) -> Result<PolkaCertificate, CodecError> {
    Ok(PolkaCertificate {
        height: height(polka.height)?,
        round: round(polka.round)?,
        value_id: block_id_from_pb(&polka.block_id)?,
        polka_signatures: signatures_from_pb(&polka.signatures, PolkaSignature::new)?,
    })
}

pub fn extended_to_pb(commit: &ExtendedCommitCertificate) -> Result<pb::Certificate, CodecError> {
    let signatures = commit.commit_signatures.iter().map(|entry| (&entry.address, &entry.signature));
    certificate_to_pb(commit.height, commit.round, &commit.value_id, signatures)
}

pub fn extended_from_pb(commit: &pb::Certificate) -> Result<ExtendedCommitCertificate, CodecError> {
    let make = |address, signature| ExtendedCommitSignature::new(address, signature, None);
    Ok(ExtendedCommitCertificate {
        height: height(commit.height)?,
        round: round(commit.round)?,
        value_id: block_id_from_pb(&commit.block_id)?,
        commit_signatures: signatures_from_pb(&commit.signatures, make)?,
    })
}

pub fn round_certificate_to_pb(certificate: &RoundCertificate) -> Result<pb::RoundCertificate, CodecError> {
    let votes = certificate
        .round_signatures
        .iter()
        .map(|entry| pb::Vote {
            vote_type: vote_type_to_pb(entry.vote_type),
            height: 0,
            round: 0,
            block_id: nil_or_id_to_pb(&entry.value_id),
            validator: bytes(&entry.address.0),
            signature: bytes(&entry.signature.to_bytes()),
        })
        .collect();
    let kind = match certificate.cert_type {
        RoundCertificateType::Precommit => 1,
        RoundCertificateType::Skip => 2,
    };
    Ok(pb::RoundCertificate { height: certificate.height.0, round: defined(certificate.round)?, kind, votes })
}

pub fn round_certificate_from_pb(certificate: &pb::RoundCertificate) -> Result<RoundCertificate, CodecError> {
    let got = certificate.votes.len();
    if got > MAX_SIGNATURES {
        return Err(CodecError::TooMany { field: "votes", max: MAX_SIGNATURES, got });
    }
    let round_signature = |vote: &pb::Vote| {
        Ok(RoundSignature::new(
            vote_type_from_pb(vote.vote_type)?,
            nil_or_id_from_pb(&vote.block_id)?,
            address(&vote.validator)?,
            signature(&vote.signature)?,
        ))
    };
    Ok(RoundCertificate {
        height: height(certificate.height)?,
        round: round(certificate.round)?,
        cert_type: match certificate.kind {
            1 => RoundCertificateType::Precommit,
            2 => RoundCertificateType::Skip,
            _ => return Err(CodecError::OutOfRange { field: "certificate kind" }),
        },
        round_signatures: certificate.votes.iter().map(round_signature).collect::<Result<_, CodecError>>()?,
    })
}

pub fn value_to_pb(value: &ProposedValue<ConcordatContext>) -> Result<pb::ProposedValue, CodecError> {
    Ok(pb::ProposedValue {
        height: value.height.0,
        round: defined(value.round)?,
        valid_round: value.valid_round.as_u32(),
        proposer: bytes(&value.proposer.0),
        block_id: Some(block_id_to_pb(&value.value)),
        valid: value.validity.is_valid(),
    })
}

pub fn value_from_pb(value: &pb::ProposedValue) -> Result<ProposedValue<ConcordatContext>, CodecError> {
    Ok(ProposedValue {
        height: height(value.height)?,
        round: round(value.round)?,
        valid_round: optional_round(value.valid_round)?,
        proposer: address(&value.proposer)?,
        value: block_id_from_pb(&value.block_id)?,
        validity: Validity::from_bool(value.valid),
    })
}

/// A piece of a proposed block, with what the block claims to be.
#[derive(Clone, PartialEq, Eq)]
pub struct BlockPart {
    /// The height the block is proposed for.
    pub height: Height,
    /// The round it is proposed in.
    pub round: Round,
    /// The round of its polka, if it is proposed again.
    pub valid_round: Round,
    /// The proposer of that round.
    pub proposer: Address,
    /// The block's claimed identity.
    pub block_id: BlockId,
    /// The length of the encoded block, in bytes.
    pub total_bytes: u64,
    /// Where in the encoded block `data` belongs.
    pub offset: u64,
    /// The piece.
    pub data: Bytes,
}

impl std::fmt::Debug for BlockPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { height, round, block_id, total_bytes, offset, data, .. } = self;
        write!(f, "BlockPart({height}/{round} {block_id}, {} bytes at {offset} of {total_bytes})", data.len())
    }
}

pub fn part_to_pb(part: &BlockPart) -> Result<pb::BlockPart, CodecError> {
    Ok(pb::BlockPart {
        height: part.height.0,
        round: defined(part.round)?,
        valid_round: part.valid_round.as_u32(),
        proposer: bytes(&part.proposer.0),
        block_id: Some(block_id_to_pb(&part.block_id)),
        total_bytes: part.total_bytes,
        offset: part.offset,
        data: part.data.clone(),
    })
}

pub fn part_from_pb(part: pb::BlockPart) -> Result<BlockPart, CodecError> {
    let end = part.offset.checked_add(part.data.len() as u64);
    if part.data.is_empty() || end.is_none_or(|end| end > part.total_bytes) {
        return Err(CodecError::OutOfRange { field: "part" });
    }
    Ok(BlockPart {
        height: height(part.height)?,
        round: round(part.round)?,
        valid_round: optional_round(part.valid_round)?,
        proposer: address(&part.proposer)?,
        block_id: block_id_from_pb(&part.block_id)?,
        total_bytes: part.total_bytes,
        offset: part.offset,
        data: part.data,
    })
}

pub fn checked_height(value: u64) -> Result<Height, CodecError> {
    height(value)
}
