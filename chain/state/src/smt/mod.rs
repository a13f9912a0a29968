//! A sparse Merkle tree in the exact shape of ICS 23's `smt_spec`, held in memory.
//!
//! The tree has 256 levels, one for each bit of a key's SHA-256, but a subtree that holds a single leaf
//! *is* that leaf and an empty one is 32 zero bytes, so that its depth is about log2 of the number of keys:
//!
//! ```text
//! leaf  = sha256(00 ‖ sha256(key) ‖ sha256(value))
//! inner = sha256(01 ‖ left ‖ right)
//! empty = 00 × 32
//! ```
//!
//! The root depends on the contents alone, never on the order in which they came to be.
//!
//! A subtree of at most [`BUCKET_LEAVES`] leaves is kept as a sorted array of them, without its inner nodes:
//! hashing those again costs less than the memory, and the cache misses, that keeping them would take. Inner
//! nodes stand above buckets only, so that their number is a small part of that of the leaves.
//!
//! Short values stand in the leaves themselves, and their hashes are computed when they are needed: that takes
//! less memory than the hashes would, and the tree answers most reads of the state by itself.
//!
//! Reads begin in a table of the subtrees at a middle level, so that they pass a node or two and not twenty.
//!
//! An update is staged first and published later. Staging only reads: it notes what is to be written, so that
//! a root can be computed, made durable, and only then shown, or dropped when the disk refuses, and so that
//! readers need not wait for hashes. Publishing writes over the nodes that staging has just looked at, since
//! a write to memory that no cache holds costs as much as all of the hashing.

mod inners;
mod leaf;
mod past;
mod path;
mod segments;
mod slab;
mod slots;
mod stage;
#[cfg(test)]
mod tests;
mod top;

pub use leaf::INLINE_BYTES;
pub use past::{After, Neighbours};
pub use path::{Lookup, Side, Step, Value};
pub use segments::SEGMENTS;
pub use stage::{Growing, Staged, Update};

use inners::{Inner, Inners};
use leaf::Leaf;
use sha2::{Digest, Sha256};
use slab::{Place, Slab};
use stage::{Changes, Stager};
use top::Top;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The hash of an empty subtree, and the root of an empty tree.
pub const EMPTY: Hash = [0; 32];

/// One more than the deepest level: the bits of a key's hash.
const LEVELS: usize = 256;

/// The most leaves that are kept as one array. Larger ones save memory, smaller ones save hashing.
const BUCKET_LEAVES: usize = 8;

/// The hash under which a key stands in the tree.
pub fn key_hash(key: &[u8]) -> Hash {
    Sha256::digest(key).into()
}

/// The hash of a leaf.
pub fn leaf_hash(key_hash: &Hash, value: &[u8]) -> Hash {
    node_hash(0, key_hash, &Sha256::digest(value).into())
}

fn node_hash(prefix: u8, left: &Hash, right: &Hash) -> Hash {
    // One buffer for one call of the hash function: the tree spends its time here.
    let mut image = [0u8; 65];
    let (head, tail) = image.split_at_mut(33);
    if let Some((first, rest)) = head.split_first_mut() {
        *first = prefix;
        rest.copy_from_slice(left);
    }
    tail.copy_from_slice(right);
    Sha256::digest(image).into()
}

/// The bit of `key` that decides between left and right at `level`.
fn bit(key: &Hash, level: usize) -> bool {
    key.get(level / 8).is_some_and(|byte| byte & (0x80 >> (level % 8)) != 0)
}

/// Sorted items, split by the bit of their keys that `level` looks at.
fn split<T>(items: &[T], level: usize, key: impl Fn(&T) -> &Hash) -> (&[T], &[T]) {
    items.split_at(items.partition_point(|item| !bit(key(item), level)))
}

/// The hash of the subtree at `level` of `leaves`, which are sorted.
fn subtree_hash(leaves: &[Leaf<'_>], level: usize) -> Hash {
    match leaves {
        [] => EMPTY,
        [leaf] => leaf.hash(),
        _ => {
            debug_assert!(level < LEVELS, "different hashes differ in some bit");
            let (lefts, rights) = split(leaves, level, |leaf| leaf.key);
            let below = level.saturating_add(1);
            node_hash(1, &subtree_hash(lefts, below), &subtree_hash(rights, below))
        }
    }
}

/// Which node: empty, a bucket or an inner node, in four bytes.
///
/// A bucket is `1 ‖ leaves less one (3 bits) ‖ size class (4) ‖ slot (24)`, so that what has to be known of a
/// sibling is known without a look at it; an inner node is `0 ‖ index (31)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NodeRef(u32);

enum Node {
    Empty,
    Bucket(Place),
    Inner(u32),
}

impl NodeRef {
    /// Of a class that does not exist.
    const EMPTY: Self = Self(u32::MAX);
    const BUCKET_BIT: u32 = 1 << 31;
    const SLOT_BITS: u32 = 24;
    const CLASS_BITS: u32 = 4;
    const SLOTS: u32 = 1 << Self::SLOT_BITS;
    const CLASSES: u32 = 1 << Self::CLASS_BITS;

    fn bucket(place: Place, leaves: usize) -> Self {
        assert!(place.slot < Self::SLOTS, "a tree of more than a hundred million keys is kept elsewhere");
        let less_one = u32::try_from(leaves.saturating_sub(1)).expect("buckets are small");
        let upper = (less_one << Self::CLASS_BITS) | u32::from(place.class);
        Self(Self::BUCKET_BIT | (upper << Self::SLOT_BITS) | place.slot)
    }

    const fn inner(index: u32) -> Self {
        Self(index)
    }

    const fn node(self) -> Node {
        match self {
            Self::EMPTY => Node::Empty,
            Self(bits) if bits & Self::BUCKET_BIT != 0 => Node::Bucket(Place {
                class: ((bits >> Self::SLOT_BITS) % Self::CLASSES) as u8,
                slot: bits % Self::SLOTS,
            }),
            Self(index) => Node::Inner(index),
        }
    }

    /// How many leaves stand here; `None` for inner nodes.
    const fn leaves(self) -> Option<usize> {
        match self.node() {
            Node::Empty => Some(0),
            Node::Bucket(_) => {
                let upper = (self.0 & !Self::BUCKET_BIT) >> (Self::SLOT_BITS + Self::CLASS_BITS);
                Some((upper as usize).saturating_add(1))
            }
            Node::Inner(_) => None,
        }
    }
}

/// A subtree: where it is and what it hashes to. Parents hold the hashes of their children, so that a path
/// is hashed again without a look at the siblings beside it, each of which would be a cache miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    node: NodeRef,
    hash: Hash,
}

impl Link {
    const EMPTY: Self = Self { node: NodeRef::EMPTY, hash: EMPTY };

    fn is_empty(&self) -> bool {
        self.node == NodeRef::EMPTY
    }
}

/// The tree.
#[derive(Debug)]
pub struct Tree {
    nodes: Nodes,
    root: Link,
    top: Top,
    leaves: usize,
    /// How many updates were published.
    version: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// The empty tree.
    pub fn new() -> Self {
        Self { nodes: Nodes::default(), root: Link::EMPTY, top: Top::new(0), leaves: 0, version: 0 }
    }

    /// The root of what is published.
    pub const fn root(&self) -> Hash {
        self.root.hash
    }

    /// How many keys the tree holds.
    pub const fn len(&self) -> usize {
        self.leaves
    }

    /// Whether the tree holds no key.
    pub fn is_empty(&self) -> bool {
        self.root.is_empty()
    }

    /// Bytes of memory held.
    pub fn memory_bytes(&self) -> usize {
        let nodes = self.nodes.buckets.bytes().saturating_add(self.nodes.inners.bytes());
        nodes.saturating_add(self.top.bytes())
    }
}

#[derive(Debug, Default)]
struct Nodes {
    buckets: Slab,
    inners: Inners,
}

impl Nodes {
    fn apply(&mut self, changes: &Changes) {
        self.inners.occupy(changes.new_inners);
        self.buckets.occupy(&changes.new_buckets);
        changes.inners.iter().for_each(|(index, inner)| self.inners.put(*index, inner));
        changes.buckets().for_each(|(place, bucket)| self.buckets.put(place, bucket));
        changes.gone.iter().for_each(|node| self.release(*node));
    }

    fn release(&mut self, node: NodeRef) {
        match node.node() {
            Node::Empty => {}
            Node::Bucket(place) => self.buckets.release(place),
            Node::Inner(index) => self.inners.release(index),
        }
    }

    /// The leaves of a bucket as they stand one after the other; nothing for other nodes.
    fn bucket(&self, node: NodeRef) -> &[u8] {
        match node.node() {
            Node::Bucket(place) => self.buckets.get(place),
            Node::Empty | Node::Inner(_) => &[],
        }
    }
}
