//! Snapshots: the whole state at one height, from which a new node starts without replaying the chain.
//!
//! A snapshot is a directory of chunks, an anchor and a manifest. Nothing in it is believed: the importer
//! is told the facts of a header that a quorum signed ([`Trust`]), and everything must hash to them.

mod export;
mod import;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_types::block::to_b256;
use serde::{Deserialize, Serialize};
use tendermint::block::Header;

use crate::StoreError;

pub use import::import;

/// The version of the snapshot's files.
pub const FORMAT: u32 = 1;

/// The manifest's file name. It is written last: a directory without it is no snapshot.
pub const MANIFEST_FILE: &str = "manifest.json";

/// The file with the newest headers, the commit and the validator sets.
pub const ANCHOR_FILE: &str = "anchor";

/// How many block hashes contracts can ask for (`BLOCKHASH`, yellow paper, appendix H.2): so many headers
/// come with a snapshot.
pub const ANCHOR_HEADERS: u64 = 256;

/// A chunk is closed once it has this many bytes.
const CHUNK_BYTES: usize = 4 << 20;

/// The largest file that is read at all.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The chain's id.
    pub chain_id: String,
    /// The height after whose block the state was taken.
    pub height: u64,
    /// That block's hash.
    pub block_hash: B256,
    /// The root of the state.
    pub state_root: B256,
    /// Keys of the state.
    pub keys: u64,
    /// The chunks, in the order of the state's keys.
    pub chunks: Vec<Piece>,
    /// The anchor.
    pub anchor: Piece,
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// SHA-256 of the file.
    pub sha256: B256,
    /// Its size.
    pub bytes: u64,
}

/// The facts that a snapshot must agree with. They come from the header after the snapshot's height, once
/// the caller has verified that a quorum signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The chain's id.
    pub chain_id: String,
    /// The height of the chain's first block, from the genesis.
    pub initial_height: u64,
    /// The snapshot's height.
    pub height: u64,
    /// The hash of the block at that height.
    pub block_hash: B256,
    /// The root of the state after it.
    pub state_root: B256,
    /// The hash of the validator set of the next height.
    pub validators_hash: B256,
    /// The hash of the validator set of the height after that.
    pub next_validators_hash: B256,
}

impl Trust {
    /// The facts in `next`, the header at the height after the snapshot's; `None` where it is the first of
    /// the chain or carries no 32-byte state root.
    pub fn from_next_header(next: &Header, initial_height: u64) -> Option<Self> {
        Some(Self {
            chain_id: next.chain_id.to_string(),
            initial_height,
            height: next.height.value().checked_sub(1)?,
            block_hash: to_b256(next.last_block_id?.hash),
            state_root: B256::try_from(next.app_hash.as_bytes()).ok()?,
            validators_hash: to_b256(next.validators_hash),
            next_validators_hash: to_b256(next.next_validators_hash),
        })
    }
}

/// Why a snapshot cannot be made or taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system refused a file.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A snapshot goes into a directory of its own.
    #[error("{path} is not empty; name a new directory for the snapshot")]
    DirectoryInUse {
        /// The directory.
        path: PathBuf,
    },
    /// There is no block yet that a header could confirm.
    #[error("there is no block to take a snapshot of; wait for the first one")]
    NoBlock,
    /// A file is not what it should be.
    #[error("snapshot file {path} is damaged: {reason}; fetch it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The snapshot is of another format.
    #[error("the snapshot has format {found}, this program reads format {FORMAT}")]
    Format {
        /// The snapshot's format.
        found: u32,
    },
    /// The snapshot is not the one that the trusted header speaks of.
    #[error("the snapshot's {field} is {have}, the signed header says {want}; do not use this snapshot")]
    Untrusted {
        /// What differs.
        field: &'static str,
        /// What the snapshot has.
        have: String,
        /// What is trusted.
        want: String,
    },
}

/// What the fuzz targets in `fuzz/` drive without files: counts the entries of a chunk, or tells that it is
/// malformed. No part of the interface.
#[doc(hidden)]
pub fn read_chunk(mut bytes: &[u8]) -> Option<usize> {
    let mut entries = 0;
    while !bytes.is_empty() {
        (_, _, bytes) = decode_entry(bytes)?;
        entries += 1;
    }
    Some(entries)
}

/// As [`read_chunk`], for the file that anchors a snapshot in the chain: whether it can be read at all.
#[doc(hidden)]
pub fn read_anchor(mut bytes: &[u8]) -> bool {
    <Anchor as alloy_rlp::Decodable>::decode(&mut bytes).is_ok()
}

/// What a node needs besides the state to go on from a height.
#[derive(Debug, RlpEncodable, RlpDecodable)]
struct Anchor {
    /// Protobuf headers up to the snapshot's, oldest first: they prove the hashes of past blocks.
    headers: Vec<Bytes>,
    /// The commit of the snapshot's block.
    seen_commit: Bytes,
    /// The validator sets of the snapshot's height and the two after it.
    validators: Vec<Bytes>,
}

/// The file of the chunk with this number. Names are never taken from a manifest.
fn chunk_path(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("chunk-{number:06}"))
}

/// `key length (u16) ‖ key ‖ value length (u32) ‖ value`.
fn encode_entry(key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&u16::try_from(key.len()).ok()?.to_be_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(&u32::try_from(value.len()).ok()?.to_be_bytes());
    out.extend_from_slice(value);
    Some(())
}

/// Reads one entry and what follows it.
fn decode_entry(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((key, value, rest))
}
