//! Storage of inner nodes: slots addressed by 32-bit indexes, half the size of pointers.

use super::{Hash, Link, NodeRef, slots::Slots};

/// Slots per chunk. Memory grows by one chunk at a time and is never copied, so that a tree of a million
/// keys does not double its footprint for the moment of a reallocation.
const CHUNK_SLOTS: usize = 4096;

/// An inner node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inner {
    pub(super) left: Link,
    pub(super) right: Link,
}

/// Inner nodes.
///
/// Where the children are stands apart from what they hash to: the way down to a value needs the one only,
/// a ninth of the memory, and the other is a cache line of its own.
#[derive(Debug)]
pub(super) struct Inners {
    children: Column<[NodeRef; 2]>,
    hashes: Column<Hashes>,
    slots: Slots,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Hashes([Hash; 2]);

impl Default for Inners {
    fn default() -> Self {
        Self {
            children: Column { chunks: Vec::new(), blank: [NodeRef::EMPTY; 2] },
            hashes: Column { chunks: Vec::new(), blank: Hashes([super::EMPTY; 2]) },
            slots: Slots::default(),
        }
    }
}

impl Inners {
    /// The index that [`Self::occupy`] would take as its `nth`, from 0.
    pub(super) fn vacancy(&self, nth: usize) -> u32 {
        self.slots.vacancy(nth)
    }

    /// Takes so many vacancies.
    pub(super) fn occupy(&mut self, count: usize) {
        let room_for = self.slots.occupy(count);
        self.children.grow(room_for);
        self.hashes.grow(room_for);
    }

    /// Writes the node at an index that is taken.
    pub(super) fn put(&mut self, index: u32, inner: &Inner) {
        *self.children.slot(index) = [inner.left.node, inner.right.node];
        *self.hashes.slot(index) = Hashes([inner.left.hash, inner.right.hash]);
    }

    /// The node at `index`.
    pub(super) fn get(&self, index: u32) -> Inner {
        let [left, right] = self.children(index);
        let Hashes([left_hash, right_hash]) = *self.hashes.get(index);
        Inner { left: Link { node: left, hash: left_hash }, right: Link { node: right, hash: right_hash } }
    }

    /// The children of the node at `index`, left and right.
    pub(super) fn children(&self, index: u32) -> [NodeRef; 2] {
        *self.children.get(index)
    }

    /// Gives the slot at `index` back. Nothing may refer to it any more.
    pub(super) fn release(&mut self, index: u32) {
        self.slots.release(index);
    }

    /// How many nodes are stored.
    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.slots.live()
    }

    /// Bytes of memory held, free slots included.
    pub(super) fn bytes(&self) -> usize {
        let columns = self.children.bytes().saturating_add(self.hashes.bytes());
        columns.saturating_add(self.slots.bytes())
    }
}

/// Values in chunks.
#[derive(Debug)]
struct Column<T> {
    chunks: Vec<Box<[T]>>,
    /// What stands in slots that were never written.
    blank: T,
}

impl<T: Copy> Column<T> {
    fn grow(&mut self, room_for: usize) {
        while self.chunks.len().saturating_mul(CHUNK_SLOTS) < room_for {
            self.chunks.push(vec![self.blank; CHUNK_SLOTS].into());
        }
    }

    fn get(&self, index: u32) -> &T {
        let (chunk, slot) = locate(index);
        self.chunks
            .get(chunk)
            .and_then(|chunk| chunk.get(slot))
            .expect("slots are taken before they are read")
    }

    fn slot(&mut self, index: u32) -> &mut T {
        let (chunk, slot) = locate(index);
        let slot = self.chunks.get_mut(chunk).and_then(|chunk| chunk.get_mut(slot));
        slot.expect("slots are taken before they are written")
    }

    fn bytes(&self) -> usize {
        self.chunks.len().saturating_mul(CHUNK_SLOTS).saturating_mul(size_of::<T>())
    }
}

const fn locate(index: u32) -> (usize, usize) {
    let index = index as usize;
    (index / CHUNK_SLOTS, index % CHUNK_SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u32) -> Inner {
        let [a, b, c, d] = n.to_be_bytes();
        let link = |index, byte| Link { node: NodeRef::inner(index), hash: [byte; 32] };
        Inner { left: link(n, a ^ b), right: link(n / 2, c ^ d) }
    }

    #[test]
    fn nodes_stay_where_they_are_across_chunks() {
        let mut inners = Inners::default();
        let indexes: Vec<u32> = (0..10_000).map(|nth| inners.vacancy(nth)).collect();
        inners.occupy(10_000);
        indexes.iter().zip(0..).for_each(|(index, n)| inners.put(*index, &node(n)));
        assert!(indexes.iter().zip(0..).all(|(index, n)| inners.get(*index) == node(n)));
        assert_eq!(inners.live(), 10_000);
        assert!(inners.bytes() >= 10_000 * 72);
    }

    #[test]
    fn released_slots_are_used_again() {
        let mut inners = Inners::default();
        inners.occupy(2);
        inners.release(0);
        assert_eq!((inners.live(), inners.vacancy(0)), (1, 0));
        inners.occupy(1);
        assert_eq!((inners.live(), inners.vacancy(0)), (2, 2));
    }
}
