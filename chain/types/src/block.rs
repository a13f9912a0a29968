//! Blocks: real CometBFT ones, so that verifiers which know nothing of us can check them.
//!
//! The wire and store form is CometBFT's protobuf `Block` (v0.38), cut into parts of 64 KiB whose Merkle
//! root stands in the block id. Hashes follow CometBFT's `types/block.go`.

use alloy_primitives::{B256, Bytes};
use prost::{Message, bytes::Bytes as WireBytes};
use sha2::{Digest, Sha256};
use tendermint::{
    Hash,
    block::{Commit, Header, Height, Id, header::Version, parts},
    merkle::simple_hash_from_byte_vectors,
};
use tendermint_proto::v0_38::types as pb;

use crate::{ChainParams, ValidatorSet, validator::ConsensusAddress};

/// The size of a block part (CometBFT `types.BlockPartSizeBytes`).
pub const PART_BYTES: usize = 64 * 1024;

/// The largest encoded block that is ever looked at; a chain's own limit is lower or equal.
pub const MAX_BLOCK_BYTES: usize = 8 * 1024 * 1024;

/// CometBFT's block protocol version.
pub const BLOCK_PROTOCOL: u64 = 11;

/// A block.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// The header, whose hash is the block's.
    pub header: Header,
    /// EIP-2718 bytes of the transactions, in order of execution.
    pub txs: Vec<Bytes>,
    /// The commit of the previous block; `None` in the first.
    pub last_commit: Option<Commit>,
}

/// CometBFT's protobuf `Block`, with transactions that are shared and not copied when it is written.
#[derive(Clone, PartialEq, Message)]
struct Wire {
    #[prost(message, optional, tag = "1")]
    header: Option<pb::Header>,
    #[prost(message, optional, tag = "2")]
    data: Option<WireData>,
    #[prost(message, optional, tag = "3")]
    evidence: Option<pb::EvidenceList>,
    #[prost(message, optional, tag = "4")]
    last_commit: Option<pb::Commit>,
}

/// CometBFT's protobuf `Data`.
#[derive(Clone, PartialEq, Message)]
struct WireData {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    txs: Vec<WireBytes>,
}

// By hand: a block's body has no place in a log.
impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block")
            .field("height", &self.height())
            .field("hash", &self.hash())
            .field("txs", &self.txs.len())
            .finish_non_exhaustive()
    }
}

/// Why bytes are no block, or a block is not consistent in itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Too large to look at.
    #[error("a block of {size} bytes exceeds the limit of {MAX_BLOCK_BYTES}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Not the protobuf of a block.
    #[error("not a CometBFT block: {0}")]
    Malformed(String),
    /// A header field does not match what it commits to.
    #[error("header field {field} is {have} where the block's content gives {want}")]
    Inconsistent {
        /// The header's field.
        field: &'static str,
        /// What the header says.
        have: String,
        /// What the content gives.
        want: String,
    },
    /// Right in content, but not in the one encoding that we write.
    #[error("the block is not in canonical encoding: unknown or reordered fields")]
    NotCanonical,
    /// Evidence in blocks is not part of this protocol version.
    #[error("the block carries evidence, which this protocol version does not take")]
    Evidence,
}

impl Block {
    /// The block's height.
    pub fn height(&self) -> u64 {
        self.header.height.value()
    }

    /// The block's hash: its header's.
    pub fn hash(&self) -> B256 {
        to_b256(self.header.hash())
    }

    /// The protobuf bytes.
    pub fn encode(&self) -> Vec<u8> {
        Wire {
            header: Some(self.header.clone().into()),
            data: Some(WireData { txs: self.txs.iter().map(|tx| tx.0.clone()).collect() }),
            evidence: Some(pb::EvidenceList { evidence: Vec::new() }),
            last_commit: Some(self.last_commit.clone().map(Into::into).unwrap_or_default()),
        }
        .encode_to_vec()
    }

    /// Reads protobuf bytes and checks that the header commits to the content.
    pub fn decode(bytes: &[u8]) -> Result<Self, BlockError> {
        if bytes.len() > MAX_BLOCK_BYTES {
            return Err(BlockError::TooLarge { size: bytes.len() });
        }
        let raw = Wire::decode(bytes).map_err(|e| BlockError::Malformed(e.to_string()))?;
        if raw.evidence.is_some_and(|list| !list.evidence.is_empty()) {
            return Err(BlockError::Evidence);
        }
        let header = raw.header.ok_or_else(|| BlockError::Malformed("no header".into()))?;
        let header = Header::try_from(header).map_err(|e| BlockError::Malformed(e.to_string()))?;
        let last_commit = raw
            .last_commit
            .filter(|commit| *commit != pb::Commit::default())
            .map(Commit::try_from)
            .transpose()
            .map_err(|e| BlockError::Malformed(e.to_string()))?;
        let txs = raw.data.unwrap_or_default().txs.into_iter().map(Bytes).collect();
        let block = Self { header, txs, last_commit };
        block.check_content_hashes()?;
        // The block id covers these very bytes; other bytes of the same block would be another id.
        if block.encode() != bytes {
            return Err(BlockError::NotCanonical);
        }
        Ok(block)
    }

    fn check_content_hashes(&self) -> Result<(), BlockError> {
        let pairs = [
            ("data_hash", self.header.data_hash, data_hash(&self.txs)),
            ("last_commit_hash", self.header.last_commit_hash, commit_hash(self.last_commit.as_ref())),
            ("evidence_hash", self.header.evidence_hash, empty_hash()),
        ];
        for (field, have, want) in pairs {
            if have != Some(want) {
                let have = have.map_or("absent".to_owned(), |hash| hash.to_string());
                return Err(BlockError::Inconsistent { field, have, want: want.to_string() });
            }
        }
        Ok(())
    }
}

/// What the state and the chain say about the next block; everything in a header but its own content.
#[derive(Clone, Debug)]
pub struct HeaderContext<'a> {
    /// CometBFT chain id.
    pub chain_id: &'a str,
    /// Height of the block.
    pub height: u64,
    /// The previous block's id, `None` for the first.
    pub last_block_id: Option<Id>,
    /// The validators of this height.
    pub validators: &'a ValidatorSet,
    /// The validators of the next height.
    pub next_validators: &'a ValidatorSet,
    /// The chain's parameters.
    pub params: &'a ChainParams,
    /// State root after the previous block.
    pub app_hash: B256,
    /// Results of the previous block.
    pub last_results_hash: Hash,
}

impl HeaderContext<'_> {
    /// The header over this context and a content, of whose transactions the [`data_hash`] is enough.
    pub fn header(
        &self,
        time: tendermint::Time,
        proposer: ConsensusAddress,
        data_hash: Hash,
        last_commit: Option<&Commit>,
    ) -> Result<Header, BlockError> {
        let malformed = |e: tendermint::Error| BlockError::Malformed(e.to_string());
        Ok(Header {
            version: Version { block: BLOCK_PROTOCOL, app: self.params.protocol_version },
            chain_id: self.chain_id.parse().map_err(malformed)?,
            height: Height::try_from(self.height).map_err(malformed)?,
            time,
            last_block_id: self.last_block_id,
            last_commit_hash: Some(commit_hash(last_commit)),
            data_hash: Some(data_hash),
            validators_hash: self.validators.hash(),
            next_validators_hash: self.next_validators.hash(),
            consensus_hash: self.params.consensus_hash(),
            app_hash: tendermint::AppHash::try_from(self.app_hash.to_vec()).map_err(malformed)?,
            last_results_hash: Some(self.last_results_hash),
            evidence_hash: Some(empty_hash()),
            proposer_address: tendermint::account::Id::new(proposer),
        })
    }
}

/// `data_hash`: the Merkle root over the SHA-256 of each transaction (CometBFT `types/tx.go`).
pub fn data_hash(txs: &[Bytes]) -> Hash {
    let leaves: Vec<[u8; 32]> = txs.iter().map(|tx| Sha256::digest(tx).into()).collect();
    merkle_root(&leaves)
}

/// `last_commit_hash`: the Merkle root over the commit's signatures (CometBFT `types/block.go`).
pub fn commit_hash(commit: Option<&Commit>) -> Hash {
    let leaves: Vec<Vec<u8>> = commit
        .into_iter()
        .flat_map(|commit| &commit.signatures)
        .map(|signature| pb::CommitSig::from(signature.clone()).encode_to_vec())
        .collect();
    merkle_root(&leaves)
}

/// The Merkle root of nothing: SHA-256 of the empty string.
pub fn empty_hash() -> Hash {
    merkle_root::<[u8; 0]>(&[])
}

/// The header of the part set of an encoded block: how many parts, and their Merkle root.
pub fn part_set_header(encoded_block: &[u8]) -> Result<parts::Header, BlockError> {
    let chunks: Vec<&[u8]> = encoded_block.chunks(PART_BYTES).collect();
    let total =
        u32::try_from(chunks.len()).map_err(|_| BlockError::TooLarge { size: encoded_block.len() })?;
    parts::Header::new(total, merkle_root(&chunks)).map_err(|e| BlockError::Malformed(e.to_string()))
}

/// A block's id: its hash and its part set.
pub fn block_id(block: &Block, encoded_block: &[u8]) -> Result<Id, BlockError> {
    Ok(Id { hash: block.header.hash(), part_set_header: part_set_header(encoded_block)? })
}

/// A CometBFT hash as 32 bytes; zero for the absent one.
pub fn to_b256(hash: Hash) -> B256 {
    match hash {
        Hash::Sha256(bytes) => B256::from(bytes),
        Hash::None => B256::ZERO,
    }
}

fn merkle_root<T: AsRef<[u8]>>(leaves: &[T]) -> Hash {
    Hash::Sha256(simple_hash_from_byte_vectors::<Sha256>(leaves))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tendermint::{Time, block::CommitSig};

    use super::*;
    use crate::Validator;

    const EMPTY: &str = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";

    fn validators() -> ValidatorSet {
        let key = ed25519_zebra::SigningKey::from([7; 32]);
        let public_key = ed25519_zebra::VerificationKey::from(&key).into();
        ValidatorSet::new(vec![Validator { org: "bank-a".parse().unwrap(), public_key, power: 10 }]).unwrap()
    }

    fn block(txs: Vec<Bytes>, last_commit: Option<Commit>) -> Block {
        let (set, params) = (validators(), ChainParams::default());
        let context = HeaderContext {
            chain_id: "concordat-test",
            height: 2,
            last_block_id: None,
            validators: &set,
            next_validators: &set,
            params: &params,
            app_hash: B256::repeat_byte(1),
            last_results_hash: empty_hash(),
        };
        let time = Time::from_unix_timestamp(1_700_000_000, 5).unwrap();
        let proposer = set.validators()[0].address();
        let header = context.header(time, proposer, data_hash(&txs), last_commit.as_ref()).unwrap();
        Block { header, txs, last_commit }
    }

    fn commit() -> Commit {
        Commit {
            height: 1u32.into(),
            round: 0u16.into(),
            block_id: Id {
                hash: Hash::Sha256([1; 32]),
                part_set_header: parts::Header::new(1, Hash::Sha256([2; 32])).unwrap(),
            },
            signatures: vec![CommitSig::BlockIdFlagAbsent],
        }
    }

    #[test]
    fn blocks_survive_their_encoding() {
        for last_commit in [None, Some(commit())] {
            let block = block(vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")], last_commit);
            assert_eq!(Block::decode(&block.encode()).unwrap(), block);
        }
    }

    #[test]
    fn the_hash_of_nothing_is_that_of_cometbft() {
        let block = block(vec![], None);
        assert_eq!(block.header.data_hash.unwrap().to_string(), EMPTY);
        assert_eq!(block.header.evidence_hash.unwrap().to_string(), EMPTY);
        assert_eq!(block.header.last_commit_hash.unwrap().to_string(), EMPTY);
    }

    #[test]
    fn the_header_hash_is_golden() {
        assert_eq!(
            block(vec![Bytes::from_static(b"one")], None).hash().to_string(),
            "0x0f717cb7a58d8082174e9539810d4a01a37ddc5086cda46b1bde3892410bde35"
        );
    }

    #[test]
    fn a_header_that_does_not_commit_to_its_content_is_refused() {
        let mut added = block(vec![], None);
        added.txs.push(Bytes::from_static(b"slipped in"));
        assert!(matches!(
            Block::decode(&added.encode()),
            Err(BlockError::Inconsistent { field: "data_hash", .. })
        ));
        let mut swapped = block(vec![], None);
        swapped.last_commit = Some(commit());
        assert!(matches!(
            Block::decode(&swapped.encode()),
            Err(BlockError::Inconsistent { field: "last_commit_hash", .. })
        ));
    }

    #[test]
    fn only_one_encoding_of_a_block_is_accepted() {
        let mut bytes = block(vec![Bytes::from_static(b"one")], None).encode();
        // Field 15, a varint: protobuf readers skip what they do not know.
        bytes.extend([0x78, 0x01]);
        assert_eq!(Block::decode(&bytes), Err(BlockError::NotCanonical));
    }

    #[test]
    fn parts_are_counted_by_64_kibibytes() {
        for (bytes, parts) in [(1, 1), (PART_BYTES, 1), (PART_BYTES + 1, 2)] {
            assert_eq!(part_set_header(&vec![7; bytes]).unwrap().total, parts);
        }
    }

    #[test]
    fn oversized_blocks_are_refused_unread() {
        let size = MAX_BLOCK_BYTES + 1;
        assert_eq!(Block::decode(&vec![0; size]), Err(BlockError::TooLarge { size }));
    }

    proptest! {
        #[test]
        fn mutated_blocks_never_panic(at in any::<prop::sample::Index>(), with in 1u8..) {
            let mut bytes = block(vec![Bytes::from_static(b"one")], Some(commit())).encode();
            let at = at.index(bytes.len());
            bytes[at] ^= with;
            let _ = Block::decode(&bytes);
        }
    }
}
