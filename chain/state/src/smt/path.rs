//! Paths from leaves to the root, and the neighbours of keys that are not there.

use super::{Hash, Inner, Link, Node, Tree, bit};

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

/// An inner node on the way down: both children, and whether the way went right.
struct Fork {
    inner: Inner,
    went_right: bool,
}

impl Tree {
    /// Looks up the key with this hash.
    pub fn lookup(&self, key: &Hash) -> Lookup {
        let (forks, end) = self.descend(key);
        let found = match end.node.node() {
            Node::Leaf(index) => Some(self.nodes.leaves.get(index)),
            _ => None,
        };
        match found {
            Some(found) if found == *key => Lookup::Present(steps(&forks)),
            // The one leaf of the subtree where the key would stand is its nearest neighbour on one side.
            Some(found) if found < *key => Lookup::Absent { left: Some(found), right: self.right_of(&forks) },
            Some(found) => Lookup::Absent { left: self.left_of(&forks), right: Some(found) },
            None => Lookup::Absent { left: self.left_of(&forks), right: self.right_of(&forks) },
        }
    }

    /// The inner nodes from the root towards `key`, and the leaf or empty place where they end.
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
        loop {
            match at.node.node() {
                Node::Empty => return None,
                Node::Leaf(index) => return Some(self.nodes.leaves.get(index)),
                Node::Inner(index) => {
                    let inner = self.nodes.inners.get(index);
                    let (first, second) = match side {
                        Side::Left => (inner.left, inner.right),
                        Side::Right => (inner.right, inner.left),
                    };
                    at = if first.is_empty() { second } else { first };
                }
            }
        }
    }
}

fn steps(forks: &[Fork]) -> Vec<Step> {
    let step = |fork: &Fork| match fork.went_right {
        true => Step { sibling: fork.inner.left.hash, side: Side::Left },
        false => Step { sibling: fork.inner.right.hash, side: Side::Right },
    };
    forks.iter().rev().map(step).collect()
}
