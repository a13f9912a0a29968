//! The tree's leaves in segments: how they are written to a file and read back, one small part at a time.

use super::{Few, Leaf, Link, Node, Stager, Tree, bit};

/// How many segments there are: one for each first byte of a key's hash.
pub const SEGMENTS: usize = 1 << SEGMENT_LEVELS;

/// The level at which segments stand.
const SEGMENT_LEVELS: usize = 8;

impl Tree {
    /// The leaves whose keys' hashes begin with `first_byte`, in order.
    pub fn segment(&self, first_byte: u8) -> Vec<Leaf> {
        let mut way = [0; 32];
        if let Some(first) = way.first_mut() {
            *first = first_byte;
        }
        let (mut at, mut level) = (self.root, 0);
        while let Node::Inner(index) = at.node.node()
            && level < SEGMENT_LEVELS
        {
            let inner = self.nodes.inners.get(index);
            at = if bit(&way, level) { inner.right } else { inner.left };
            level = level.saturating_add(1);
        }
        let mut leaves = Vec::new();
        self.gather(&at, &mut leaves);
        // A bucket above the level of segments holds leaves of others too.
        leaves.retain(|leaf| leaf.begins_with(first_byte));
        leaves
    }

    fn gather(&self, at: &Link, into: &mut Vec<Leaf>) {
        match at.node.node() {
            Node::Empty => {}
            Node::Bucket(index) => into.extend_from_slice(&Few::decode(self.nodes.buckets.get(index))),
            Node::Inner(index) => {
                let inner = self.nodes.inners.get(index);
                self.gather(&inner.left, into);
                self.gather(&inner.right, into);
            }
        }
    }

    /// The tree of all segments, which come in their order. `None` where leaves are out of order, or stand in
    /// the wrong segment.
    ///
    /// # Errors
    /// Those of the segments.
    pub fn from_segments<E>(segments: impl Iterator<Item = Result<Vec<Leaf>, E>>) -> Result<Option<Self>, E> {
        let mut tree = Self::new();
        let mut stager = Stager::on(&mut tree.nodes, 0);
        let mut links = Vec::with_capacity(SEGMENTS);
        for (first_byte, leaves) in (0..=u8::MAX).zip(segments) {
            let leaves = leaves?;
            let in_place = leaves.iter().all(|leaf| leaf.begins_with(first_byte));
            if !in_place || !leaves.is_sorted_by(|a, b| a.key < b.key) {
                return Ok(None);
            }
            stager.leaves = stager.leaves.saturating_add(leaves.len());
            links.push(stager.build(&leaves, SEGMENT_LEVELS));
        }
        if links.len() < SEGMENTS {
            return Ok(None);
        }
        while links.len() > 1 {
            links = links
                .chunks_exact(2)
                .map(|pair| match pair {
                    [left, right] => stager.join(*left, *right),
                    _ => Link::EMPTY,
                })
                .collect();
        }
        let Stager { leaves, dead, .. } = stager;
        tree.leaves = leaves;
        tree.root = links.first().copied().unwrap_or(Link::EMPTY);
        dead.into_iter().for_each(|node| tree.nodes.release(node));
        Ok(Some(tree))
    }
}
