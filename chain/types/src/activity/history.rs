//! The history of all blocks with transactions: an append-only Merkle mountain range.
//!
//! Records are leaves, numbered from zero. Two subtrees of the same size that stand next to each other become one, so
//! that a history of `n` records is a row of perfect trees, one for each bit of `n`: the *mountains*. Their roots are the
//! *peaks*. Nodes never change once they are there, hence a path within a mountain is made of what any later history
//! still has.

use alloy_primitives::B256;

use super::{TABLE, merkle};
use crate::StateKey;

/// What is hashed in front of a record.
const DOMAIN: &[u8; 17] = b"concordat/block/1";

/// Bytes of a record.
pub const RECORD_BYTES: usize = 17 + 8 + 8 + 4 + 32 + 4 + 32;

/// What the history holds of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockRecord {
    /// Its height.
    pub height: u64,
    /// Its time, Unix seconds.
    pub time_secs: u64,
    /// How many transactions it has.
    pub transactions: u32,
    /// The Merkle root of its results, as the next header carries it: each names a receipt, and each receipt a
    /// transaction, by their hashes.
    pub results_hash: B256,
    /// How many subjects had a part in it.
    pub subjects: u32,
    /// The Merkle root of their activities.
    pub activity_root: B256,
}

impl BlockRecord {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Self { height, time_secs, transactions, results_hash, subjects, activity_root } = self;
        [
            &DOMAIN[..],
            &height.to_be_bytes(),
            &time_secs.to_be_bytes(),
            &transactions.to_be_bytes(),
            results_hash.as_slice(),
            &subjects.to_be_bytes(),
            activity_root.as_slice(),
        ]
        .concat()
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(DOMAIN)?;
        let (height, bytes) = bytes.split_first_chunk::<8>()?;
        let (time_secs, bytes) = bytes.split_first_chunk::<8>()?;
        let (transactions, bytes) = bytes.split_first_chunk::<4>()?;
        let (results_hash, bytes) = bytes.split_first_chunk::<32>()?;
        let (subjects, bytes) = bytes.split_first_chunk::<4>()?;
        Some(Self {
            height: u64::from_be_bytes(*height),
            time_secs: u64::from_be_bytes(*time_secs),
            transactions: u32::from_be_bytes(*transactions),
            results_hash: results_hash.into(),
            subjects: u32::from_be_bytes(*subjects),
            activity_root: B256::try_from(bytes).ok()?,
        })
    }

    /// The leaf that stands for it in the history.
    pub fn leaf(&self) -> B256 {
        merkle::leaf(&self.encode())
    }
}

/// Where a node stands: the one at `(level, index)` is over the leaves from `index · 2^level` on, `2^level` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeAt {
    /// How high; leaves are at zero.
    pub level: u8,
    /// How many of its level stand to its left.
    pub index: u64,
}

impl NodeAt {
    /// Nine bytes, under which a store keeps the node.
    pub fn key(&self) -> Vec<u8> {
        [&[self.level][..], &self.index.to_be_bytes()].concat()
    }
}

/// How many records there are, and the roots over them: the largest mountain, which holds the oldest, first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    count: u64,
    peaks: Vec<B256>,
}

impl Peaks {
    /// The row of the state that holds them.
    pub fn state_key() -> StateKey {
        StateKey::system(TABLE, &[])
    }

    /// How many records there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The state's bytes: the number (8) ‖ each peak (32).
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.count.to_be_bytes().to_vec();
        bytes.extend(self.peaks.iter().flatten());
        bytes
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk::<8>()?;
        let (peaks, []) = rest.as_chunks::<32>() else { return None };
        let count = u64::from_be_bytes(*count);
        let whole = usize::try_from(count.count_ones()).ok()? == peaks.len();
        whole.then(|| Self { count, peaks: peaks.iter().map(B256::from).collect() })
    }

    /// Appends a record's leaf. Gives the nodes that are new: the leaf, and what it completes.
    pub fn append(&mut self, leaf: B256) -> Vec<(NodeAt, B256)> {
        let mut at = NodeAt { level: 0, index: self.count };
        let (mut node, mut new) = (leaf, vec![(at, leaf)]);
        // Each one at the end of the number is a mountain as high as what is being appended.
        for _ in 0..self.count.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            node = merkle::inner(left, node);
            at = NodeAt { level: at.level.saturating_add(1), index: at.index / 2 };
            new.push((at, node));
        }
        self.peaks.push(node);
        self.count = self.count.saturating_add(1);
        new
    }

    /// The peaks with their places: what a node that begins here has to know of before.
    pub fn nodes(&self) -> Vec<(NodeAt, B256)> {
        let levels = (0..64u8).rev().filter(|level| self.count >> level & 1 == 1);
        let at = |level: u8| NodeAt { level, index: (self.count >> level).saturating_sub(1) };
        levels.map(at).zip(self.peaks.iter().copied()).collect()
    }

    /// The nodes on the way from the record at a place to its peak, nearest first; `None` where there is no such record.
    pub fn path(&self, place: u64) -> Option<Vec<NodeAt>> {
        let (level, _) = self.mountain(place)?;
        Some((0..level).map(|level| NodeAt { level, index: place >> level ^ 1 }).collect())
    }

    /// Whether a record's leaf stands at a place.
    pub fn hold(&self, place: u64, leaf: B256, path: &[B256]) -> bool {
        let Some((level, peak)) = self.mountain(place) else { return false };
        if path.len() != usize::from(level) {
            return false;
        }
        let climb = |node, (level, sibling): (u8, &B256)| match place >> level & 1 {
            0 => merkle::inner(node, *sibling),
            _ => merkle::inner(*sibling, node),
        };
        (0u8..).zip(path).fold(leaf, climb) == peak
    }

    /// How high the mountain is in which the record at a place stands, and its peak.
    fn mountain(&self, place: u64) -> Option<(u8, B256)> {
        if place >= self.count {
            return None;
        }
        let mut found = self.nodes().into_iter().filter(|(at, _)| place >> at.level == at.index);
        found.next().map(|(at, peak)| (at.level, peak))
    }
}
