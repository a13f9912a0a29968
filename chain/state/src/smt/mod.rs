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
//! An update is staged first and published later. Staging writes new nodes beside the old ones and leaves
//! the published tree as it is, so that a root can be computed, made durable, and only then shown, or
//! dropped when the disk refuses.

mod arena;
mod path;
#[cfg(test)]
mod tests;

pub use path::{Lookup, Side, Step};

use arena::Arena;
use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The hash of an empty subtree, and the root of an empty tree.
pub const EMPTY: Hash = [0; 32];

/// One more than the deepest level: the bits of a key's hash.
const LEVELS: usize = 256;

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
    leaf: Option<Hash>,
}

impl Update {
    /// `key` holds `value` from now on; with `None` it is gone.
    pub fn new(key: &[u8], value: Option<&[u8]>) -> Self {
        let key = key_hash(key);
        Self { key, leaf: value.map(|value| leaf_hash(&key, value)) }
    }
}

/// Which node: empty, a leaf (top bit set) or an inner node, in four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NodeRef(u32);

enum Node {
    Empty,
    Leaf(u32),
    Inner(u32),
}

impl NodeRef {
    const EMPTY: Self = Self(u32::MAX);
    const LEAF_BIT: u32 = 1 << 31;

    const fn leaf(index: u32) -> Self {
        Self(index | Self::LEAF_BIT)
    }

    const fn inner(index: u32) -> Self {
        Self(index)
    }

    const fn node(self) -> Node {
        match self {
            Self::EMPTY => Node::Empty,
            Self(index) if index & Self::LEAF_BIT != 0 => Node::Leaf(index & !Self::LEAF_BIT),
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

/// The tree.
#[derive(Debug)]
pub struct Tree {
    nodes: Nodes,
    root: Link,
}

/// An update that is computed but not yet visible: hand it to [`Tree::publish`] or [`Tree::discard`].
#[derive(Debug)]
#[must_use = "a staged update takes memory until it is published or discarded"]
pub struct Staged {
    base: NodeRef,
    root: Link,
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
        Self { nodes: Nodes { leaves: Arena::new(), inners: Arena::new() }, root: Link::EMPTY }
    }

    /// The root of what is published.
    pub const fn root(&self) -> Hash {
        self.root.hash
    }

    /// How many keys the tree holds.
    pub fn len(&self) -> usize {
        self.nodes.leaves.live()
    }

    /// Whether the tree holds no key.
    pub fn is_empty(&self) -> bool {
        self.root.is_empty()
    }

    /// Bytes of memory held.
    pub fn memory_bytes(&self) -> usize {
        self.nodes.leaves.bytes().saturating_add(self.nodes.inners.bytes())
    }

    /// Computes the tree after `updates`, which name each key at most once, without showing it.
    pub fn stage(&mut self, mut updates: Vec<Update>) -> Staged {
        updates.sort_unstable_by_key(|update| update.key);
        debug_assert!(
            updates.windows(2).all(|pair| matches!(pair, [a, b] if a.key != b.key)),
            "a batch names a key once"
        );
        let mut stager = Stager { nodes: &mut self.nodes, born: Vec::new(), dead: Vec::new() };
        let root = stager.apply(self.root, 0, &updates);
        let Stager { born, dead, .. } = stager;
        Staged { base: self.root.node, root, born, dead }
    }

    /// Shows what was staged.
    pub fn publish(&mut self, staged: Staged) {
        assert!(self.root.node == staged.base, "a staged update is published onto the tree it was made from");
        self.root = staged.root;
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
    /// The hashes of the keys.
    leaves: Arena<Hash>,
    inners: Arena<Inner>,
}

impl Nodes {
    fn release(&mut self, node: NodeRef) {
        match node.node() {
            Node::Empty => {}
            Node::Leaf(index) => self.leaves.release(index),
            Node::Inner(index) => self.inners.release(index),
        }
    }
}

/// A leaf that stands where an update goes, and the hash of its key.
type Present = (Link, Hash);

/// Builds the new nodes of an update, keeping account of those that come and those that go.
///
/// Every call goes one level down, so the recursion is never deeper than [`LEVELS`].
struct Stager<'a> {
    nodes: &'a mut Nodes,
    born: Vec<NodeRef>,
    dead: Vec<NodeRef>,
}

impl Stager<'_> {
    /// The subtree `at`, which stands at `level`, after `updates`, which are sorted and all belong under it.
    fn apply(&mut self, at: Link, level: usize, updates: &[Update]) -> Link {
        if updates.is_empty() {
            return at;
        }
        match at.node.node() {
            Node::Empty => self.grow(None, level, updates),
            Node::Leaf(index) => {
                let key = self.nodes.leaves.get(index);
                self.grow(Some((at, key)), level, updates)
            }
            Node::Inner(index) => {
                let inner = self.nodes.inners.get(index);
                let (lefts, rights) = split(updates, level);
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

    /// The subtree at `level` made of `updates` and of the leaf that stands there now, if any.
    fn grow(&mut self, present: Option<Present>, level: usize, updates: &[Update]) -> Link {
        match (present, updates) {
            (None, []) => Link::EMPTY,
            (Some((leaf, _)), []) => leaf,
            (None, [update]) => self.leaf(update),
            (Some((leaf, key)), [update]) if update.key == key => self.replace(leaf, update),
            _ => self.fork(present, level, updates),
        }
    }

    fn fork(&mut self, present: Option<Present>, level: usize, updates: &[Update]) -> Link {
        debug_assert!(level < LEVELS, "different hashes differ in some bit");
        let (lefts, rights) = split(updates, level);
        let (on_left, on_right) = match present {
            Some((_, key)) if bit(&key, level) => (None, present),
            _ => (present, None),
        };
        let left = self.grow(on_left, level.saturating_add(1), lefts);
        let right = self.grow(on_right, level.saturating_add(1), rights);
        self.join(left, right)
    }

    fn leaf(&mut self, update: &Update) -> Link {
        let Some(hash) = update.leaf else { return Link::EMPTY };
        let node = NodeRef::leaf(self.nodes.leaves.insert(update.key));
        self.born.push(node);
        Link { node, hash }
    }

    fn replace(&mut self, leaf: Link, update: &Update) -> Link {
        if update.leaf == Some(leaf.hash) {
            return leaf;
        }
        self.dead.push(leaf.node);
        self.leaf(update)
    }

    /// The node over two subtrees; a lone leaf rises instead of getting a parent.
    fn join(&mut self, left: Link, right: Link) -> Link {
        match (left.node.node(), right.node.node()) {
            (Node::Empty, Node::Empty | Node::Leaf(_)) => right,
            (Node::Leaf(_), Node::Empty) => left,
            _ => {
                let node = NodeRef::inner(self.nodes.inners.insert(Inner { left, right }));
                self.born.push(node);
                Link { node, hash: node_hash(1, &left.hash, &right.hash) }
            }
        }
    }
}

/// Sorted updates, split by the bit that `level` looks at.
fn split(updates: &[Update], level: usize) -> (&[Update], &[Update]) {
    updates.split_at(updates.partition_point(|update| !bit(&update.key, level)))
}
