//! Where the subtrees at a middle level are: the way to a value begins there and not at the root.

use super::{Hash, Node, NodeRef, Tree};

/// The fewest levels above the table's subtrees.
const LEVELS_MIN: u32 = 8;

/// The most: a table of four megabytes.
const LEVELS_MAX: u32 = 20;

/// A table with fewer entries than a so many'th of the leaves is made anew, twice as large or more.
const LEAVES_PER_ENTRY: usize = 8;

/// The node that stands where a key's first bits lead, for all values of these bits: at the table's level, or
/// above it if it is a bucket or empty.
#[derive(Debug)]
pub(super) struct Top {
    levels: u32,
    nodes: Box<[NodeRef]>,
}

/// A node that takes the place of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) spot: Spot,
    pub(super) node: NodeRef,
}

/// A place in the tree, at the table's level or above.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// The first of the table's entries below this place.
    first: u32,
    /// How many bits of keys lead from here to the table's level.
    below: u32,
}

impl Spot {
    /// The left and right child's place; `None` below the table's level.
    pub(super) fn children(self) -> Option<(Self, Self)> {
        let below = self.below.checked_sub(1)?;
        let half = 1u32.checked_shl(below)?;
        Some((Self { below, ..self }, Self { first: self.first | half, below }))
    }

    /// Whether the table holds what stands here.
    pub(super) const fn holds(self, node: NodeRef) -> bool {
        self.below == 0 || !matches!(node.node(), Node::Inner(_))
    }
}

impl Top {
    /// The table of a tree with so many leaves, before it is filled.
    pub(super) fn new(leaves: usize) -> Self {
        let entries = (leaves / LEAVES_PER_ENTRY).checked_next_power_of_two();
        let levels = entries.map_or(LEVELS_MAX, usize::trailing_zeros).clamp(LEVELS_MIN, LEVELS_MAX);
        Self { levels, nodes: vec![NodeRef::EMPTY; 1 << levels].into() }
    }

    /// Whether a tree of so many leaves has a larger table.
    pub(super) fn outgrown(&self, leaves: usize) -> bool {
        self.levels < LEVELS_MAX && leaves / LEAVES_PER_ENTRY > self.nodes.len()
    }

    /// The root's place.
    pub(super) const fn root(&self) -> Spot {
        Spot { first: 0, below: self.levels }
    }

    /// The node from which the way to `key` goes on, and its level, if it is an inner node.
    pub(super) fn of(&self, key: &Hash) -> (NodeRef, usize) {
        let [a, b, c, d, ..] = *key;
        let entry = u32::from_be_bytes([a, b, c, d]) >> u32::BITS.saturating_sub(self.levels);
        let node = self.nodes.get(entry as usize).copied().unwrap_or(NodeRef::EMPTY);
        (node, self.levels as usize)
    }

    pub(super) fn apply(&mut self, moved: Move) {
        let Spot { first, below } = moved.spot;
        let to = first.saturating_add(1 << below);
        let entries = self.nodes.get_mut(first as usize..to as usize);
        entries.expect("spots are within their table").fill(moved.node);
    }

    pub(super) const fn bytes(&self) -> usize {
        self.nodes.len().saturating_mul(size_of::<NodeRef>())
    }
}

impl Tree {
    /// Makes the table that suits the tree.
    pub(super) fn find_top(&mut self) {
        self.top = Top::new(self.leaves);
        let mut ahead = vec![(self.top.root(), self.root.node)];
        while let Some((spot, node)) = ahead.pop() {
            match (node.node(), spot.children()) {
                (Node::Inner(index), Some((left, right))) => {
                    let [left_node, right_node] = self.nodes.inners.children(index);
                    ahead.extend([(left, left_node), (right, right_node)]);
                }
                _ => self.top.apply(Move { spot, node }),
            }
        }
    }
}
