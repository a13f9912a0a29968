//! Paths from leaves to the root, and the neighbours of keys that are not there.

use super::{
    Hash, Inner, Link, Node, Tree, bit,
    leaf::{Content, Leaf, Leaves},
    split, subtree_hash,
};

/// On which side of the path a sibling stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The sibling is the left child.
    Left,
    /// The sibling is the right child.
    Right,
}

/// One step from a leaf towards the root: the sibling to hash with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The sibling's hash, [`super::EMPTY`] where that subtree is empty.
    pub sibling: Hash,
    /// Where the sibling stands.
    pub side: Side,
}

/// What the tree knows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It is there, and this is its path, leaf first.
    Present(Vec<Step>),
    /// It is not there. These are the hashes of the keys next to it, in the order of key hashes; both are
    /// missing only in the empty tree.
    Absent {
        /// The greatest key hash below.
        left: Option<Hash>,
        /// The least key hash above.
        right: Option<Hash>,
    },
}

/// What the tree knows of a key's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The key has none.
    Absent,
    /// This one.
    Short(Vec<u8>),
    /// One too long to stand in the tree.
    Long,
}

impl From<Content<'_>> for Value {
    fn from(content: Content<'_>) -> Self {
        match content {
            Content::Value(value) => Self::Short(value.to_vec()),
            Content::Hash(_) => Self::Long,
        }
    }
}

/// An inner node on the way down: both children, and whether the way went right.
struct Fork {
    inner: Inner,
    went_right: bool,
}

impl Tree {
    /// Looks up the key with this hash.
    pub fn lookup(&self, key: &Hash) -> Lookup {
        let (forks, end) = self.descend(key);
        let leaves: Vec<Leaf<'_>> = Leaves(self.nodes.bucket(end.node)).collect();
        let below = leaves.partition_point(|leaf| leaf.key < key);
        match leaves.get(below) {
            Some(leaf) if leaf.key == key => {
                let mut steps: Vec<Step> = forks.iter().map(step).collect();
                steps.extend(steps_within(&leaves, forks.len(), key));
                steps.reverse();
                Lookup::Present(steps)
            }
            // The leaves of the bucket where the key would stand are its nearest neighbours.
            next => {
                let last = below.checked_sub(1).and_then(|last| leaves.get(last));
                let left = last.map_or_else(|| self.left_of(&forks), |leaf| Some(*leaf.key));
                let right = next.map_or_else(|| self.right_of(&forks), |leaf| Some(*leaf.key));
                Lookup::Absent { left, right }
            }
        }
    }

    /// The value of the key with this hash.
    pub fn value(&self, key: &Hash) -> Value {
        let (mut node, mut level) = self.top.of(key);
        while let Node::Inner(index) = node.node() {
            let [left, right] = self.nodes.inners.children(index);
            node = if bit(key, level) { right } else { left };
            level = level.saturating_add(1);
        }
        let leaf = Leaves(self.nodes.bucket(node)).find(|leaf| leaf.key == key);
        leaf.map_or(Value::Absent, |leaf| leaf.content.into())
    }

    /// The inner nodes from the root towards `key`, and the bucket or empty place where they end.
    fn descend(&self, key: &Hash) -> (Vec<Fork>, Link) {
        let mut forks = Vec::new();
        let mut at = self.root;
        while let Node::Inner(index) = at.node.node() {
            let inner = self.nodes.inners.get(index);
            let went_right = bit(key, forks.len());
            at = if went_right { inner.right } else { inner.left };
            forks.push(Fork { inner, went_right });
        }
        (forks, at)
    }

    /// The greatest key to the left of the way.
    fn left_of(&self, forks: &[Fork]) -> Option<Hash> {
        let passed = forks.iter().rev().find(|fork| fork.went_right && !fork.inner.left.is_empty())?;
        self.outermost(passed.inner.left, Side::Right)
    }

    /// The least key to the right of the way.
    fn right_of(&self, forks: &[Fork]) -> Option<Hash> {
        let passed = forks.iter().rev().find(|fork| !fork.went_right && !fork.inner.right.is_empty())?;
        self.outermost(passed.inner.right, Side::Left)
    }

    /// The key at the left or right end of a subtree.
    fn outermost(&self, mut at: Link, side: Side) -> Option<Hash> {
        while let Node::Inner(index) = at.node.node() {
            let inner = self.nodes.inners.get(index);
            let (first, second) = match side {
                Side::Left => (inner.left, inner.right),
                Side::Right => (inner.right, inner.left),
            };
            at = if first.is_empty() { second } else { first };
        }
        let mut leaves = Leaves(self.nodes.bucket(at.node));
        let leaf = match side {
            Side::Left => leaves.next(),
            Side::Right => leaves.last(),
        };
        leaf.map(|leaf| *leaf.key)
    }
}

fn step(fork: &Fork) -> Step {
    match fork.went_right {
        true => Step { sibling: fork.inner.left.hash, side: Side::Left },
        false => Step { sibling: fork.inner.right.hash, side: Side::Right },
    }
}

/// The steps inside a bucket that stands at `level`, from its root down to the leaf of `key`.
pub(super) fn steps_within(mut leaves: &[Leaf<'_>], mut level: usize, key: &Hash) -> Vec<Step> {
    let mut steps = Vec::new();
    while leaves.len() > 1 {
        let (lefts, rights) = split(leaves, level, |leaf| leaf.key);
        let went_right = bit(key, level);
        level = level.saturating_add(1);
        let (way, sibling, side) =
            if went_right { (rights, lefts, Side::Left) } else { (lefts, rights, Side::Right) };
        steps.push(Step { sibling: subtree_hash(sibling, level), side });
        leaves = way;
    }
    steps
}
