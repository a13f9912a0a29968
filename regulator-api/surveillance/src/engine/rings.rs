//! What has happened lately, by whom: of each key the newest entries within a window.
//!
//! Invariant: what is held of a key depends on its entries within the window alone, so that whoever sees that window again
//! holds the same.

use std::collections::{BTreeMap, VecDeque};

use concordat_types::{Address, U256};

use crate::{
    event::Position,
    time::{Span, Stamp},
};

/// The entries from which on it looks for what has passed.
const FIRST_SWEEP: usize = 1024;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub stamp: Stamp,
    pub at: Position,
    pub amount: U256,
    /// The other side of a transfer.
    pub other: Address,
}

/// The entries of one key, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    /// What their amounts come to.
    sum: U256,
    /// When the newest entry was that had to go for a newer one.
    lost: Option<Stamp>,
}

impl Ring {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) const fn sum(&self) -> U256 {
        self.sum
    }

    /// Whether there were more within the window than are held.
    pub(super) fn is_cut(&self, window: Span, now: Stamp) -> bool {
        self.lost.is_some_and(|lost| window.covers(now, lost))
    }

    pub(super) fn positions(&self) -> Vec<Position> {
        self.entries.iter().map(|entry| entry.at).collect()
    }

    /// Those after a position, the oldest first.
    pub(super) fn after(&self, position: Option<Position>) -> impl Iterator<Item = &Entry> {
        let from = match position {
            None => 0,
            Some(position) => self.entries.partition_point(|entry| entry.at <= position),
        };
        self.entries.range(from..)
    }

    fn push(&mut self, entry: Entry) {
        self.sum = self.sum.saturating_add(entry.amount);
        self.entries.push_back(entry);
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.sum = self.sum.saturating_sub(entry.amount);
        Some(entry)
    }

    /// Drops what has passed; how many those were.
    fn prune(&mut self, window: Span, now: Stamp) -> usize {
        let before = self.entries.len();
        while self.entries.front().is_some_and(|entry| !window.covers(now, entry.stamp)) {
            self.pop();
        }
        before.saturating_sub(self.entries.len())
    }

    /// Makes room for one more.
    fn make_room(&mut self, keep: usize) -> usize {
        let before = self.entries.len();
        while self.entries.len() >= keep {
            self.lost = self.pop().map(|entry| entry.stamp).or(self.lost);
        }
        before.saturating_sub(self.entries.len())
    }
}

/// Rings by their keys, bounded all together.
#[derive(Debug)]
pub(super) struct Rings<K> {
    rings: BTreeMap<K, Ring>,
    window: Span,
    /// The most entries of a key.
    keep: usize,
    /// The most of all keys.
    cap: usize,
    kept: usize,
    next_sweep: usize,
    swept_at: Option<u64>,
}

impl<K: Ord> Rings<K> {
    pub(super) const fn new(window: Span, keep: usize, cap: usize) -> Self {
        let rings = BTreeMap::new();
        Self { rings, window, keep, cap, kept: 0, next_sweep: FIRST_SWEEP, swept_at: None }
    }

    /// Adds an entry; what is held of its key then. `None` where there is no room for it.
    pub(super) fn push(&mut self, key: K, entry: Entry) -> Option<&Ring> {
        self.sweep(entry.stamp);
        if self.kept >= self.cap && !self.rings.contains_key(&key) {
            return None;
        }
        let ring = self.rings.entry(key).or_default();
        let gone = ring.prune(self.window, entry.stamp).saturating_add(ring.make_room(self.keep));
        self.kept = self.kept.saturating_sub(gone);
        if self.kept >= self.cap {
            return None;
        }
        self.kept = self.kept.saturating_add(1);
        ring.push(entry);
        Some(ring)
    }

    pub(super) fn get(&self, key: &K) -> Option<&Ring> {
        self.rings.get(key)
    }

    /// Drops what has passed once so much is held that it may be worth it, at most once a block.
    fn sweep(&mut self, now: Stamp) {
        if self.kept < self.next_sweep.min(self.cap) || self.swept_at == Some(now.height) {
            return;
        }
        let window = self.window;
        self.rings.retain(|_, ring| {
            ring.prune(window, now);
            ring.len() > 0
        });
        self.kept = self.rings.values().map(Ring::len).fold(0, usize::saturating_add);
        self.next_sweep = self.kept.saturating_mul(2).max(FIRST_SWEEP);
        self.swept_at = Some(now.height);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(height: u64) -> Entry {
        let stamp = Stamp { height, time_ms: height * 1000 };
        let at = Position { height, tx_index: Some(0), log_index: Some(0), item: 0 };
        Entry { stamp, at, amount: U256::from(height), other: Address::ZERO }
    }

    #[test]
    fn what_has_passed_is_gone_and_what_is_held_is_added_up() {
        let mut rings = Rings::new(Span::Blocks(3), 10, 100);
        for height in [1, 2, 3, 4] {
            rings.push((), entry(height)).unwrap();
        }
        let ring = rings.get(&()).unwrap();
        assert_eq!((ring.len(), ring.sum()), (3, U256::from(9)));
        assert_eq!(ring.after(Some(entry(2).at)).count(), 2);
    }

    #[test]
    fn a_full_ring_says_that_it_is_cut_for_as_long_as_that_matters() {
        let mut rings = Rings::new(Span::Blocks(5), 2, 100);
        (1..=3).for_each(|height| assert!(rings.push((), entry(height)).is_some()));
        let ring = rings.get(&()).unwrap();
        assert_eq!(ring.len(), 2);
        assert!(ring.is_cut(Span::Blocks(5), entry(5).stamp));
        assert!(!ring.is_cut(Span::Blocks(5), entry(6).stamp));
    }

    #[test]
    fn there_is_no_room_beyond_the_cap_until_something_has_passed() {
        let mut rings = Rings::new(Span::Blocks(2), 10, 3);
        (0..3).for_each(|key| assert!(rings.push(key, entry(1)).is_some()));
        assert!(rings.push(9, entry(1)).is_none());
        assert!(rings.push(0, entry(1)).is_none());
        assert!(rings.push(9, entry(3)).is_some(), "all others have passed");
    }
}
