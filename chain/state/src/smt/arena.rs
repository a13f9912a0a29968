//! Node storage of the tree: slots addressed by 32-bit indexes, half the size of pointers.

/// Slots per chunk. Memory grows by one chunk at a time and is never copied, so that a tree of a million
/// keys does not double its footprint for the moment of a reallocation.
const CHUNK_SLOTS: usize = 4096;

/// A growable store of `T` whose freed slots are used again.
#[derive(Debug)]
pub(super) struct Arena<T> {
    chunks: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T> Arena<T> {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new() }
    }

    /// Stores `value` and returns its index.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        match self.free.pop() {
            Some(index) => {
                *self.slot(index) = value;
                index
            }
            None => self.push(value),
        }
    }

    /// The value at `index`.
    pub(super) fn get(&self, index: u32) -> &T {
        let (chunk, slot) = locate(index);
        self.chunks.get(chunk).and_then(|chunk| chunk.get(slot)).expect("indexes come from insert")
    }

    /// Gives the slot at `index` back. Nothing may refer to it any more.
    pub(super) fn release(&mut self, index: u32) {
        self.free.push(index);
    }

    /// Gives the slot at `index` back, and its value to the caller.
    pub(super) fn take(&mut self, index: u32) -> T
    where
        T: Default,
    {
        self.free.push(index);
        std::mem::take(self.slot(index))
    }

    /// How many values are stored.
    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.slots().saturating_sub(self.free.len())
    }

    /// Bytes of memory held, free slots included.
    pub(super) fn bytes(&self) -> usize {
        let chunk_bytes = CHUNK_SLOTS.saturating_mul(size_of::<T>());
        let free_bytes = self.free.capacity().saturating_mul(size_of::<u32>());
        self.chunks.len().saturating_mul(chunk_bytes).saturating_add(free_bytes)
    }

    fn push(&mut self, value: T) -> u32 {
        let index = u32::try_from(self.slots()).expect("2^31 nodes do not fit any machine's memory");
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_SLOTS => chunk.push(value),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK_SLOTS);
                chunk.push(value);
                self.chunks.push(chunk);
            }
        }
        index
    }

    fn slot(&mut self, index: u32) -> &mut T {
        let (chunk, slot) = locate(index);
        self.chunks.get_mut(chunk).and_then(|chunk| chunk.get_mut(slot)).expect("indexes come from insert")
    }

    fn slots(&self) -> usize {
        let last = self.chunks.last().map_or(0, Vec::len);
        self.chunks.len().saturating_sub(1).saturating_mul(CHUNK_SLOTS).saturating_add(last)
    }
}

const fn locate(index: u32) -> (usize, usize) {
    let index = index as usize;
    (index / CHUNK_SLOTS, index % CHUNK_SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_where_they_are_across_chunks() {
        let mut arena = Arena::new();
        let indexes: Vec<u32> = (0..10_000u32).map(|n| arena.insert(n)).collect();
        for (value, index) in indexes.into_iter().enumerate() {
            assert_eq!(*arena.get(index) as usize, value);
        }
        assert_eq!(arena.live(), 10_000);
        assert!(arena.bytes() >= 10_000 * 4);
    }

    #[test]
    fn released_slots_are_used_again() {
        let mut arena = Arena::new();
        let first = arena.insert(1u64);
        arena.insert(2);
        arena.release(first);
        assert_eq!(arena.live(), 1);
        assert_eq!(arena.insert(3), first);
        assert_eq!((*arena.get(first), arena.live()), (3, 2));
        assert_eq!((arena.take(first), arena.live()), (3, 1));
    }
}
