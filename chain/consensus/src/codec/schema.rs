//! The messages on the wire and in the write-ahead log, as protocol-buffer structs.
//!
//! Field numbers never change meaning. Fixed-size fields are `bytes` whose length is checked on decoding.

use prost::{Message, Oneof};

/// [`crate::context::BlockId`].
#[derive(Clone, PartialEq, Message)]
pub struct BlockId {
    #[prost(bytes = "bytes", tag = "1")]
    pub hash: bytes::Bytes,
    #[prost(uint32, tag = "2")]
    pub parts_total: u32,
    #[prost(bytes = "bytes", tag = "3")]
    pub parts_hash: bytes::Bytes,
    #[prost(int64, tag = "4")]
    pub seconds: i64,
    #[prost(uint32, tag = "5")]
    pub nanos: u32,
}

/// A signed vote.
#[derive(Clone, PartialEq, Message)]
pub struct Vote {
    /// 1 prevote, 2 precommit.
    #[prost(uint32, tag = "1")]
    pub vote_type: u32,
    #[prost(uint64, tag = "2")]
    pub height: u64,
    #[prost(uint32, tag = "3")]
    pub round: u32,
    /// Absent: nil.
    #[prost(message, optional, tag = "4")]
    pub block_id: Option<BlockId>,
    #[prost(bytes = "bytes", tag = "5")]
    pub validator: bytes::Bytes,
    #[prost(bytes = "bytes", tag = "6")]
    pub signature: bytes::Bytes,
}

/// A signed proposal.
#[derive(Clone, PartialEq, Message)]
pub struct Proposal {
    #[prost(uint64, tag = "1")]
    pub height: u64,
    #[prost(uint32, tag = "2")]
    pub round: u32,
    #[prost(message, optional, tag = "3")]
    pub block_id: Option<BlockId>,
    #[prost(uint32, optional, tag = "4")]
    pub pol_round: Option<u32>,
    #[prost(bytes = "bytes", tag = "5")]
    pub proposer: bytes::Bytes,
    #[prost(bytes = "bytes", tag = "6")]
    pub signature: bytes::Bytes,
}

/// A validator's signature in a certificate.
#[derive(Clone, PartialEq, Message)]
pub struct Signature {
    #[prost(bytes = "bytes", tag = "1")]
    pub validator: bytes::Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub signature: bytes::Bytes,
}

/// Signatures of one vote type for one block in one round: a polka or a commit certificate.
#[derive(Clone, PartialEq, Message)]
pub struct Certificate {
    #[prost(uint64, tag = "1")]
    pub height: u64,
    #[prost(uint32, tag = "2")]
    pub round: u32,
    #[prost(message, optional, tag = "3")]
    pub block_id: Option<BlockId>,
    #[prost(message, repeated, tag = "4")]
    pub signatures: Vec<Signature>,
}

/// Votes that justify entering a round.
#[derive(Clone, PartialEq, Message)]
pub struct RoundCertificate {
    #[prost(uint64, tag = "1")]
    pub height: u64,
    #[prost(uint32, tag = "2")]
    pub round: u32,
    /// 1 precommit, 2 skip.
    #[prost(uint32, tag = "3")]
    pub kind: u32,
    /// Height and round are those of the certificate and are left at zero.
    #[prost(message, repeated, tag = "4")]
    pub votes: Vec<Vote>,
}

/// A message on the consensus channel, or a signed message in the write-ahead log.
#[derive(Clone, PartialEq, Message)]
pub struct Consensus {
    #[prost(oneof = "ConsensusBody", tags = "1, 2, 3, 4, 5")]
    pub body: Option<ConsensusBody>,
}

/// The kinds of consensus messages.
#[derive(Clone, PartialEq, Oneof)]
pub enum ConsensusBody {
    #[prost(message, tag = "1")]
    Vote(Vote),
    #[prost(message, tag = "2")]
    Proposal(Proposal),
    /// A vote sent again because it seems to have been lost.
    #[prost(message, tag = "3")]
    RepeatedVote(Vote),
    #[prost(message, tag = "4")]
    Polka(Certificate),
    #[prost(message, tag = "5")]
    Round(RoundCertificate),
}

/// A value with its verdict, in the write-ahead log only.
#[derive(Clone, PartialEq, Message)]
pub struct ProposedValue {
    #[prost(uint64, tag = "1")]
    pub height: u64,
    #[prost(uint32, tag = "2")]
    pub round: u32,
    #[prost(uint32, optional, tag = "3")]
    pub valid_round: Option<u32>,
    #[prost(bytes = "bytes", tag = "4")]
    pub proposer: bytes::Bytes,
    #[prost(message, optional, tag = "5")]
    pub block_id: Option<BlockId>,
    #[prost(bool, tag = "6")]
    pub valid: bool,
}

/// A message on the parts channel.
#[derive(Clone, PartialEq, Message)]
pub struct BlockPart {
    #[prost(uint64, tag = "1")]
    pub height: u64,
    #[prost(uint32, tag = "2")]
    pub round: u32,
    #[prost(uint32, optional, tag = "3")]
    pub valid_round: Option<u32>,
    #[prost(bytes = "bytes", tag = "4")]
    pub proposer: bytes::Bytes,
    #[prost(message, optional, tag = "5")]
    pub block_id: Option<BlockId>,
    #[prost(uint64, tag = "6")]
    pub total_bytes: u64,
    #[prost(uint64, tag = "7")]
    pub offset: u64,
    #[prost(bytes = "bytes", tag = "8")]
    pub data: bytes::Bytes,
}

/// A message on the sync channel.
#[derive(Clone, PartialEq, Message)]
pub struct Sync {
    #[prost(oneof = "SyncBody", tags = "1, 2, 3")]
    pub body: Option<SyncBody>,
}

/// The kinds of sync messages.
#[derive(Clone, PartialEq, Oneof)]
pub enum SyncBody {
    #[prost(message, tag = "1")]
    Status(Status),
    #[prost(message, tag = "2")]
    Request(Request),
    #[prost(message, tag = "3")]
    Response(Response),
}

/// What a node can serve.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    #[prost(uint64, tag = "1")]
    pub tip: u64,
    #[prost(uint64, tag = "2")]
    pub earliest: u64,
}

/// Asks for the blocks `first..=last`.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    /// Chosen by the asking side; the response repeats it.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(uint64, tag = "2")]
    pub first: u64,
    #[prost(uint64, tag = "3")]
    pub last: u64,
}

/// Answers a request with a prefix of what was asked for.
#[derive(Clone, PartialEq, Message)]
pub struct Response {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(uint64, tag = "2")]
    pub first: u64,
    #[prost(message, repeated, tag = "3")]
    pub blocks: Vec<DecidedBlock>,
}

/// A decided block with its commit certificate.
#[derive(Clone, PartialEq, Message)]
pub struct DecidedBlock {
    #[prost(bytes = "bytes", tag = "1")]
    pub block: bytes::Bytes,
    #[prost(message, optional, tag = "2")]
    pub certificate: Option<Certificate>,
    /// Who sent its transactions, 20 bytes each; may be left out.
    #[prost(bytes = "bytes", tag = "3")]
    pub senders: bytes::Bytes,
}

/// Two conflicting messages of one validator.
#[derive(Clone, PartialEq, Message)]
pub struct Evidence {
    #[prost(message, optional, tag = "1")]
    pub first: Option<Consensus>,
    #[prost(message, optional, tag = "2")]
    pub second: Option<Consensus>,
}
