//! The tree's leaves in segments: how they are written to a file and read back, one small part at a time.

use super::{
    Link, Node, NodeRef, Stager, Tree, bit,
    leaf::{self, Leaf, Leaves},
};

/// How many segments there are: one for each first byte of a key's hash.
pub const SEGMENTS: usize = 1 << SEGMENT_LEVELS;

/// The level at which segments stand.
const SEGMENT_LEVELS: usize = 8;

impl Tree {
    /// Appends the leaves whose keys' hashes begin with `first_byte`, in order, each as
    /// `key hash (32) ‖ length (1) ‖ value` or, for a long value, `key hash (32) ‖ ff ‖ leaf hash (32)`.
    pub fn segment(&self, first_byte: u8, into: &mut Vec<u8>) {
        let mut way = [0; 32];
        if let Some(first) = way.first_mut() {
            *first = first_byte;
        }
        let (mut at, mut level) = (self.root.node, 0);
        while let Node::Inner(index) = at.node()
            && level < SEGMENT_LEVELS
        {
            let [left, right] = self.nodes.inners.children(index);
            at = if bit(&way, level) { right } else { left };
            level = level.saturating_add(1);
        }
        match at.node() {
            Node::Inner(_) => self.gather(at, into),
            // A bucket above the level of segments holds leaves of others too.
            _ => Leaves(self.nodes.bucket(at))
                .filter(|leaf| begins_with(leaf, first_byte))
                .for_each(|leaf| leaf.write(into)),
        }
    }

    fn gather(&self, at: NodeRef, into: &mut Vec<u8>) {
        match at.node() {
            Node::Inner(index) => {
                let [left, right] = self.nodes.inners.children(index);
                self.gather(left, into);
                self.gather(right, into);
            }
            _ => into.extend_from_slice(self.nodes.bucket(at)),
        }
    }

    /// The tree of all segments, which come in their order. `None` where bytes are no leaves, or leaves are out
    /// of order or stand in the wrong segment.
    ///
    /// # Errors
    /// Those of the segments.
    pub fn from_segments<E>(segments: impl Iterator<Item = Result<Vec<u8>, E>>) -> Result<Option<Self>, E> {
        let mut tree = Self::new();
        let mut links: Vec<Link> = Vec::with_capacity(SEGMENTS);
        for (first_byte, segment) in (0..=u8::MAX).zip(segments) {
            let segment = segment?;
            let Some(leaves) = leaf::decode(&segment) else { return Ok(None) };
            let in_place = leaves.iter().all(|leaf| begins_with(leaf, first_byte));
            if !in_place || !leaves.is_sorted_by(|a, b| a.key < b.key) {
                return Ok(None);
            }
            tree.leaves = tree.leaves.saturating_add(leaves.len());
            let mut stager = Stager::on(&tree.nodes, 0);
            links.push(stager.build(&leaves, None, SEGMENT_LEVELS).link);
            let changes = stager.changes;
            tree.nodes.apply(&changes);
        }
        if links.len() < SEGMENTS {
            return Ok(None);
        }
        while links.len() > 1 {
            links = tree.join_pairs(&links);
        }
        tree.root = links.first().copied().unwrap_or(Link::EMPTY);
        tree.find_top();
        Ok(Some(tree))
    }

    /// The subtrees over neighbouring subtrees.
    fn join_pairs(&mut self, links: &[Link]) -> Vec<Link> {
        let mut stager = Stager::on(&self.nodes, 0);
        let join = |pair: &[Link]| match pair {
            [left, right] => stager.join(&(*left).into(), &(*right).into(), None).link,
            _ => Link::EMPTY,
        };
        let joined = links.chunks_exact(2).map(join).collect();
        let changes = stager.changes;
        self.nodes.apply(&changes);
        joined
    }
}

/// Whether the key's hash begins with this byte.
fn begins_with(leaf: &Leaf<'_>, byte: u8) -> bool {
    leaf.key.first() == Some(&byte)
}
