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
//! An update is staged first and published later. Staging writes new nodes beside the old ones and leaves
//! the published tree as it is, so that a root can be computed, made durable, and only then shown, or
//! dropped when the disk refuses.

mod arena;
mod leaf;
mod path;
mod segments;
#[cfg(test)]
mod tests;

pub use leaf::{INLINE_BYTES, Leaf};
pub use path::{Lookup, Side, Step, Value};
pub use segments::SEGMENTS;

use arena::Arena;
use leaf::{Content, Few};
use sha2::{Digest, Sha256};

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

/// A change of one key: its new leaf, or its removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    key: Hash,
    content: Option<Content>,
}

impl Update {
    /// `key` holds `value` from now on; with `None` it is gone.
    pub fn new(key: &[u8], value: Option<&[u8]>) -> Self {
        let key = key_hash(key);
        Self { key, content: value.map(|value| Content::of(&key, value)) }
    }
}

/// Which node: empty, a bucket (top bit set) or an inner node, in four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NodeRef(u32);

enum Node {
    Empty,
    Bucket(u32),
    Inner(u32),
}

impl NodeRef {
    const EMPTY: Self = Self(u32::MAX);
    const BUCKET_BIT: u32 = 1 << 31;

    const fn bucket(index: u32) -> Self {
        Self(index | Self::BUCKET_BIT)
    }

    const fn inner(index: u32) -> Self {
        Self(index)
    }

    const fn node(self) -> Node {
        match self {
            Self::EMPTY => Node::Empty,
            Self(index) if index & Self::BUCKET_BIT != 0 => Node::Bucket(index & !Self::BUCKET_BIT),
            Self(index) => Node::Inner(index),
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

#[derive(Clone, Copy, Debug)]
struct Inner {
    left: Link,
    right: Link,
}

/// The leaves of a small subtree, in the order of their keys, as [`leaf::encode`] writes them.
type Bucket = Box<[u8]>;

/// The tree.
#[derive(Debug)]
pub struct Tree {
    nodes: Nodes,
    root: Link,
    leaves: usize,
}

/// An update that is computed but not yet visible: hand it to [`Tree::publish`] or [`Tree::discard`].
#[derive(Debug)]
#[must_use = "a staged update takes memory until it is published or discarded"]
pub struct Staged {
    base: NodeRef,
    root: Link,
    leaves: usize,
    born: Vec<NodeRef>,
    dead: Vec<NodeRef>,
}

impl Staged {
    /// The root that the tree will have.
    pub const fn root(&self) -> Hash {
        self.root.hash
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// The empty tree.
    pub const fn new() -> Self {
        Self {
            nodes: Nodes { buckets: Arena::new(), inners: Arena::new(), bucket_bytes: 0 },
            root: Link::EMPTY,
            leaves: 0,
        }
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
        nodes.saturating_add(self.nodes.bucket_bytes)
    }

    /// Computes the tree after `updates`, which name each key at most once, without showing it.
    pub fn stage(&mut self, mut updates: Vec<Update>) -> Staged {
        updates.sort_unstable_by_key(|update| update.key);
        debug_assert!(
            updates.windows(2).all(|pair| matches!(pair, [a, b] if a.key != b.key)),
            "a batch names a key once"
        );
        let mut stager = Stager::on(&mut self.nodes, self.leaves);
        let root = stager.apply(self.root, 0, &updates);
        let Stager { leaves, born, dead, .. } = stager;
        Staged { base: self.root.node, root, leaves, born, dead }
    }

    /// Shows what was staged.
    pub fn publish(&mut self, staged: Staged) {
        assert!(self.root.node == staged.base, "a staged update is published onto the tree it was made from");
        self.root = staged.root;
        self.leaves = staged.leaves;
        staged.dead.into_iter().for_each(|node| self.nodes.release(node));
    }

    /// Drops what was staged.
    pub fn discard(&mut self, staged: Staged) {
        staged.born.into_iter().for_each(|node| self.nodes.release(node));
    }

    /// [`Self::stage`] and [`Self::publish`] in one, for trees that nobody else sees yet.
    pub fn update(&mut self, updates: Vec<Update>) -> Hash {
        let staged = self.stage(updates);
        let root = staged.root();
        self.publish(staged);
        root
    }
}

#[derive(Debug)]
struct Nodes {
    buckets: Arena<Bucket>,
    inners: Arena<Inner>,
    /// Bytes of all buckets.
    bucket_bytes: usize,
}

impl Nodes {
    fn release(&mut self, node: NodeRef) {
        match node.node() {
            Node::Empty => {}
            Node::Bucket(index) => {
                let bucket = self.buckets.take(index);
                self.bucket_bytes = self.bucket_bytes.saturating_sub(bucket.len());
            }
            Node::Inner(index) => self.inners.release(index),
        }
    }

    /// The leaves of a subtree that is a bucket or empty.
    fn small(&self, link: &Link) -> Option<Few> {
        match link.node.node() {
            Node::Empty => Some(Few::default()),
            Node::Bucket(index) => Some(Few::decode(self.buckets.get(index))),
            Node::Inner(_) => None,
        }
    }
}

/// Builds the new nodes of an update, keeping account of those that come and those that go. One that comes
/// and goes within the same update is in both lists.
///
/// Every call goes one level down, so the recursion is never deeper than [`LEVELS`].
struct Stager<'a> {
    nodes: &'a mut Nodes,
    leaves: usize,
    born: Vec<NodeRef>,
    dead: Vec<NodeRef>,
}

impl<'a> Stager<'a> {
    const fn on(nodes: &'a mut Nodes, leaves: usize) -> Self {
        Self { nodes, leaves, born: Vec::new(), dead: Vec::new() }
    }

    /// The subtree `at`, which stands at `level`, after `updates`, which are sorted and all belong under it.
    fn apply(&mut self, at: Link, level: usize, updates: &[Update]) -> Link {
        if updates.is_empty() {
            return at;
        }
        match at.node.node() {
            Node::Empty => self.refill(at, &[], level, updates),
            Node::Bucket(index) => {
                let present = Few::decode(self.nodes.buckets.get(index));
                self.refill(at, &present, level, updates)
            }
            Node::Inner(index) => {
                let inner = *self.nodes.inners.get(index);
                let (lefts, rights) = split(updates, level, |update| &update.key);
                let left = self.apply(inner.left, level.saturating_add(1), lefts);
                let right = self.apply(inner.right, level.saturating_add(1), rights);
                if (left.node, right.node) == (inner.left.node, inner.right.node) {
                    return at;
                }
                self.dead.push(at.node);
                self.join(left, right)
            }
        }
    }

    /// A bucket, or an empty place, after `updates`.
    fn refill(&mut self, at: Link, present: &[Leaf], level: usize, updates: &[Update]) -> Link {
        let leaves = merge(present, updates);
        if leaves == present {
            return at;
        }
        self.leaves = self.leaves.saturating_sub(present.len()).saturating_add(leaves.len());
        if !at.is_empty() {
            self.dead.push(at.node);
        }
        self.build(&leaves, level)
    }

    /// The subtree at `level` of `leaves`, which are sorted.
    fn build(&mut self, leaves: &[Leaf], level: usize) -> Link {
        if leaves.len() <= BUCKET_LEAVES {
            return self.bucket(leaves, subtree_hash(leaves, level));
        }
        let (lefts, rights) = split(leaves, level, |leaf| &leaf.key);
        let left = self.build(lefts, level.saturating_add(1));
        let right = self.build(rights, level.saturating_add(1));
        self.inner(left, right)
    }

    /// The node over two subtrees. What has too few leaves for an inner node becomes one bucket.
    fn join(&mut self, left: Link, right: Link) -> Link {
        let (lefts, rights) = match (self.nodes.small(&left), self.nodes.small(&right)) {
            (Some(lefts), Some(rights)) if lefts.len().saturating_add(rights.len()) <= BUCKET_LEAVES => {
                (lefts, rights)
            }
            _ => return self.inner(left, right),
        };
        let hash = match (&*lefts, &*rights) {
            ([], [] | [_]) => right.hash,
            ([_], []) => left.hash,
            _ => node_hash(1, &left.hash, &right.hash),
        };
        let node = match (&*lefts, &*rights) {
            ([], _) => right.node,
            (_, []) => left.node,
            (lefts, rights) => {
                self.dead.extend([left.node, right.node]);
                return self.bucket(&[lefts, rights].concat(), hash);
            }
        };
        Link { node, hash }
    }

    fn bucket(&mut self, leaves: &[Leaf], hash: Hash) -> Link {
        if leaves.is_empty() {
            return Link::EMPTY;
        }
        let bucket = leaf::encode(leaves);
        self.nodes.bucket_bytes = self.nodes.bucket_bytes.saturating_add(bucket.len());
        let node = NodeRef::bucket(self.nodes.buckets.insert(bucket));
        self.born.push(node);
        Link { node, hash }
    }

    fn inner(&mut self, left: Link, right: Link) -> Link {
        let node = NodeRef::inner(self.nodes.inners.insert(Inner { left, right }));
        self.born.push(node);
        Link { node, hash: node_hash(1, &left.hash, &right.hash) }
    }
}

/// The hash of the subtree at `level` of `leaves`, which are sorted.
fn subtree_hash(leaves: &[Leaf], level: usize) -> Hash {
    match leaves {
        [] => EMPTY,
        [leaf] => leaf.hash(),
        _ => {
            debug_assert!(level < LEVELS, "different hashes differ in some bit");
            let (lefts, rights) = split(leaves, level, |leaf| &leaf.key);
            let below = level.saturating_add(1);
            node_hash(1, &subtree_hash(lefts, below), &subtree_hash(rights, below))
        }
    }
}

/// What sorted leaves become by sorted updates.
fn merge(present: &[Leaf], updates: &[Update]) -> Vec<Leaf> {
    let mut merged = Vec::with_capacity(present.len().saturating_add(updates.len()));
    let mut present = present.iter().peekable();
    for update in updates {
        while let Some(leaf) = present.next_if(|leaf| leaf.key < update.key) {
            merged.push(*leaf);
        }
        present.next_if(|leaf| leaf.key == update.key);
        merged.extend(update.content.map(|content| Leaf { key: update.key, content }));
    }
    merged.extend(present);
    merged
}

/// Sorted items, split by the bit of their keys that `level` looks at.
fn split<T>(items: &[T], level: usize, key: impl Fn(&T) -> &Hash) -> (&[T], &[T]) {
    items.split_at(items.partition_point(|item| !bit(key(item), level)))
}
