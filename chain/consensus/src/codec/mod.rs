//! Encodings of everything that crosses a socket or reaches the write-ahead log.
//!
//! Decoding checks sizes first and never panics, whatever the bytes; what it returns is within the bounds
//! that the engine assumes (the engine asserts some of them).

mod convert;
mod schema;

use arc_malachitebft_codec::{Codec, HasEncodedLen};
use arc_malachitebft_core_consensus::{LivenessMsg, ProposedValue, SignedConsensusMsg};
use arc_malachitebft_sync::{RawDecidedValue, Request, Response, Status, ValueRequest, ValueResponse};
use bytes::Bytes;
use prost::Message;

pub use self::convert::BlockPart;
use self::schema as pb;
use crate::{
    application::SyncedBlock,
    context::{ConcordatContext, Height, PolkaCertificate, RoundCertificate, SignedProposal, SignedVote},
    network::Evidence,
};

/// The largest height: CometBFT's heights are signed 64-bit numbers.
pub const MAX_HEIGHT: u64 = i64::MAX as u64;
/// The largest round: CometBFT's rounds are signed 32-bit numbers.
pub const MAX_ROUND: u32 = i32::MAX as u32;
/// The most signatures in a certificate, hence the most validators.
pub const MAX_SIGNATURES: usize = 1024;

/// Why bytes are no message of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes are no protocol buffer of this type.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// A field of fixed size has another size.
    #[error("{field} has {got} bytes instead of {want}")]
    Length {
        /// The field.
        field: &'static str,
        /// Its size, in bytes.
        want: usize,
        /// The size found, in bytes.
        got: usize,
    },
    /// A field's value is outside its range.
    #[error("{field} is out of range")]
    OutOfRange {
        /// The field.
        field: &'static str,
    },
    /// A field is required.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A list is too long.
    #[error("{got} {field}, at most {max} are allowed")]
    TooMany {
        /// The field.
        field: &'static str,
        /// The limit.
        max: usize,
        /// The number found.
        got: usize,
    },
}

impl From<prost::DecodeError> for CodecError {
    fn from(error: prost::DecodeError) -> Self {
        CodecError::Malformed(error.to_string())
    }
}

/// A message on the consensus channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsensusMessage {
    /// A vote, new or repeated.
    Vote(SignedVote),
    /// A proposal.
    Proposal(SignedProposal),
    /// A polka certificate.
    Polka(PolkaCertificate),
    /// A round certificate.
    Round(RoundCertificate),
}

/// A message on the sync channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncMessage {
    /// What the sender can serve.
    Status {
        /// Its newest height.
        tip: Height,
        /// Its oldest height.
        earliest: Height,
    },
    /// A request for blocks.
    Request {
        /// The asking side's number for it.
        id: u64,
        /// What is asked for.
        request: Request<ConcordatContext>,
    },
    /// The answer.
    Response {
        /// The request's number.
        id: u64,
        /// What was found.
        response: Response<ConcordatContext>,
    },
}

fn encode(message: impl Message) -> Bytes {
    message.encode_to_vec().into()
}

/// Encodes a signed consensus message for the consensus channel.
///
/// # Errors
/// If the message has no defined round.
pub fn encode_consensus(message: &SignedConsensusMsg<ConcordatContext>) -> Result<Bytes, CodecError> {
    convert::consensus_to_pb(message).map(encode)
}

/// Encodes a liveness message for the consensus channel.
///
/// # Errors
/// If the message has no defined round.
pub fn encode_liveness(message: &LivenessMsg<ConcordatContext>) -> Result<Bytes, CodecError> {
    convert::liveness_to_pb(message).map(encode)
}

/// Decodes a message of the consensus channel.
///
/// # Errors
/// If the bytes are no such message or a field is out of bounds.
pub fn decode_consensus(bytes: Bytes) -> Result<ConsensusMessage, CodecError> {
    match pb::Consensus::decode(bytes)?.body.ok_or(CodecError::Missing { field: "body" })? {
        pb::ConsensusBody::Vote(vote) | pb::ConsensusBody::RepeatedVote(vote) => {
            convert::vote_from_pb(&vote).map(ConsensusMessage::Vote)
        }
        pb::ConsensusBody::Proposal(proposal) => {
            convert::proposal_from_pb(&proposal).map(ConsensusMessage::Proposal)
        }
        pb::ConsensusBody::Polka(polka) => convert::polka_from_pb(&polka).map(ConsensusMessage::Polka),
        pb::ConsensusBody::Round(round) => {
            convert::round_certificate_from_pb(&round).map(ConsensusMessage::Round)
        }
    }
}

/// Encodes a piece of a block.
///
/// # Errors
/// If the part has no defined round.
pub fn encode_part(part: &BlockPart) -> Result<Bytes, CodecError> {
    convert::part_to_pb(part).map(encode)
}

/// Decodes a piece of a block; the data is not copied.
///
/// # Errors
/// If the bytes are no part, or the data does not lie within the block.
pub fn decode_part(bytes: Bytes) -> Result<BlockPart, CodecError> {
    convert::part_from_pb(pb::BlockPart::decode(bytes)?)
}

/// Encodes a message for the sync channel.
///
/// # Errors
/// If a certificate has no defined round.
pub fn encode_sync(message: &SyncMessage) -> Result<Bytes, CodecError> {
    let body = match message {
        SyncMessage::Status { tip, earliest } => {
            pb::SyncBody::Status(pb::Status { tip: tip.0, earliest: earliest.0 })
        }
        SyncMessage::Request { id, request: Request::ValueRequest(request) } => {
            let (first, last) = (request.range.start().0, request.range.end().0);
            pb::SyncBody::Request(pb::Request { id: *id, first, last })
        }
        SyncMessage::Response { id, response } => pb::SyncBody::Response(response_to_pb(*id, response)?),
    };
    Ok(encode(pb::Sync { body: Some(body) }))
}

/// Decodes a message of the sync channel; blocks are not copied.
///
/// # Errors
/// If the bytes are no such message or a field is out of bounds.
pub fn decode_sync(bytes: Bytes) -> Result<SyncMessage, CodecError> {
    match pb::Sync::decode(bytes)?.body.ok_or(CodecError::Missing { field: "body" })? {
        pb::SyncBody::Status(status) => Ok(SyncMessage::Status {
            tip: convert::checked_height(status.tip)?,
            earliest: convert::checked_height(status.earliest)?,
        }),
        pb::SyncBody::Request(request) => {
            let (first, last) =
                (convert::checked_height(request.first)?, convert::checked_height(request.last)?);
            Ok(SyncMessage::Request {
                id: request.id,
                request: Request::ValueRequest(ValueRequest::new(first..=last)),
            })
        }
        pb::SyncBody::Response(response) => {
            Ok(SyncMessage::Response { id: response.id, response: response_from_pb(response)? })
        }
    }
}

fn response_to_pb(id: u64, response: &Response<ConcordatContext>) -> Result<pb::Response, CodecError> {
    let Response::ValueResponse(response) = response;
    let blocks = response
        .values
        .iter()
        .map(|value| {
            let SyncedBlock { bytes: block, senders } = SyncedBlock::split(&value.value_bytes);
            let certificate = Some(convert::extended_to_pb(&value.certificate)?);
            Ok(pb::DecidedBlock { block, certificate, senders })
        })
        .collect::<Result<_, CodecError>>()?;
    Ok(pb::Response { id, first: response.start_height.0, blocks })
}

fn response_from_pb(response: pb::Response) -> Result<Response<ConcordatContext>, CodecError> {
    let first = convert::checked_height(response.first)?;
    let values = response
        .blocks
        .into_iter()
        .map(|block| {
            let pb::DecidedBlock { block: bytes, certificate, senders } = block;
            let certificate = certificate.ok_or(CodecError::Missing { field: "certificate" })?;
            // A transaction is longer than an address.
            if senders.len() > bytes.len() {
                return Err(CodecError::OutOfRange { field: "senders" });
            }
            let joined = SyncedBlock { bytes, senders }.join();
            Ok(RawDecidedValue::new(joined, convert::extended_from_pb(&certificate)?))
        })
        .collect::<Result<_, CodecError>>()?;
    Ok(Response::ValueResponse(ValueResponse::new(first, values)))
}

/// Encodes evidence of equivocation for storage.
///
/// # Errors
/// If a message has no defined round.
pub fn encode_evidence(evidence: &Evidence) -> Result<Bytes, CodecError> {
    let [first, second] = evidence.pair();
    let (first, second) = (convert::consensus_to_pb(&first)?, convert::consensus_to_pb(&second)?);
    Ok(encode(pb::Evidence { first: Some(first), second: Some(second) }))
}

/// Decodes stored evidence.
///
/// # Errors
/// If the bytes are none, or the two messages are not about one step of one validator.
pub fn decode_evidence(bytes: Bytes) -> Result<Evidence, CodecError> {
    let evidence = pb::Evidence::decode(bytes)?;
    let message = |message: Option<pb::Consensus>| {
        let message = message.ok_or(CodecError::Missing { field: "message" })?;
        Codec::<SignedConsensusMsg<ConcordatContext>>::decode(&EngineCodec, encode(message))
    };
    Evidence::of(message(evidence.first)?, message(evidence.second)?)
        .ok_or(CodecError::OutOfRange { field: "pair of messages" })
}

/// The codec that the engine's write-ahead log and sync actors are given.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineCodec;

impl Codec<SignedConsensusMsg<ConcordatContext>> for EngineCodec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<SignedConsensusMsg<ConcordatContext>, CodecError> {
        match decode_consensus(bytes)? {
            ConsensusMessage::Vote(vote) => Ok(SignedConsensusMsg::Vote(vote)),
            ConsensusMessage::Proposal(proposal) => Ok(SignedConsensusMsg::Proposal(proposal)),
            ConsensusMessage::Polka(_) | ConsensusMessage::Round(_) => {
                Err(CodecError::OutOfRange { field: "kind of signed message" })
            }
        }
    }

    fn encode(&self, message: &SignedConsensusMsg<ConcordatContext>) -> Result<Bytes, CodecError> {
        encode_consensus(message)
    }
}

impl Codec<ProposedValue<ConcordatContext>> for EngineCodec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<ProposedValue<ConcordatContext>, CodecError> {
        convert::value_from_pb(&pb::ProposedValue::decode(bytes)?)
    }

    fn encode(&self, value: &ProposedValue<ConcordatContext>) -> Result<Bytes, CodecError> {
        convert::value_to_pb(value).map(encode)
    }
}

impl Codec<PolkaCertificate> for EngineCodec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<PolkaCertificate, CodecError> {
        convert::polka_from_pb(&pb::Certificate::decode(bytes)?)
    }

    fn encode(&self, polka: &PolkaCertificate) -> Result<Bytes, CodecError> {
        convert::polka_to_pb(polka).map(encode)
    }
}

// The sync actor encodes nothing but uses the length of responses to keep them within its limit; the other
// two are bounds of its type only.

impl Codec<Status<ConcordatContext>> for EngineCodec {
    type Error = CodecError;

    fn decode(&self, _bytes: Bytes) -> Result<Status<ConcordatContext>, CodecError> {
        Err(CodecError::Malformed("a status names no peer: the connection does".into()))
    }

    fn encode(&self, status: &Status<ConcordatContext>) -> Result<Bytes, CodecError> {
        encode_sync(&SyncMessage::Status { tip: status.tip_height, earliest: status.history_min_height })
    }
}

impl Codec<Request<ConcordatContext>> for EngineCodec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<Request<ConcordatContext>, CodecError> {
        match decode_sync(bytes)? {
            SyncMessage::Request { request, .. } => Ok(request),
            _ => Err(CodecError::OutOfRange { field: "kind of sync message" }),
        }
    }

    fn encode(&self, request: &Request<ConcordatContext>) -> Result<Bytes, CodecError> {
        encode_sync(&SyncMessage::Request { id: 0, request: request.clone() })
    }
}

impl Codec<Response<ConcordatContext>> for EngineCodec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<Response<ConcordatContext>, CodecError> {
        match decode_sync(bytes)? {
            SyncMessage::Response { response, .. } => Ok(response),
            _ => Err(CodecError::OutOfRange { field: "kind of sync message" }),
        }
    }

    fn encode(&self, response: &Response<ConcordatContext>) -> Result<Bytes, CodecError> {
        encode_sync(&SyncMessage::Response { id: u64::MAX, response: response.clone() })
    }
}

impl HasEncodedLen<Response<ConcordatContext>> for EngineCodec {
    fn encoded_len(&self, response: &Response<ConcordatContext>) -> Result<usize, CodecError> {
        Ok(response_to_pb(u64::MAX, response)?.encoded_len())
    }
}

#[cfg(test)]
mod tests;
