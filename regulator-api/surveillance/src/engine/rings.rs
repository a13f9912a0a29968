//! What has happened lately, by whom: of each key the newest entries within a window.
//!
//! Invariant: what is held of a key depends on its entries within the window alone, so that whoever sees that window again
//! holds the same.

use std::collections::{BTreeMap, VecDeque};

use concordat_types::U256;

use super::names::AccountNo;
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
    pub other: AccountNo,
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

    /// Drops what has passed.
    fn prune(&mut self, window: Span, now: Stamp, mut gone: impl FnMut(Entry)) {
        while self.entries.front().is_some_and(|entry| !window.covers(now, entry.stamp)) {
            self.pop().into_iter().for_each(&mut gone);
        }
    }

    /// Makes room for one more.
    fn make_room(&mut self, keep: usize, mut gone: impl FnMut(Entry)) {
        while self.entries.len() >= keep {
            let Some(entry) = self.pop() else { return };
            self.lost = Some(entry.stamp);
            gone(entry);
        }
    }
}

/// How many entries lie within a window, by their blocks: known without looking at the entries.
#[derive(Debug)]
struct Within {
    blocks: VecDeque<(Stamp, usize)>,
    sum: usize,
}

impl Within {
    /// Leaves out the blocks that have passed.
    fn pass(&mut self, window: Span, now: Stamp) {
        while self.blocks.front().is_some_and(|(stamp, _)| !window.covers(now, *stamp)) {
            let count = self.blocks.pop_front().map(|(_, count)| count).unwrap_or_default();
            self.sum = self.sum.saturating_sub(count);
        }
    }

    fn add(&mut self, stamp: Stamp) {
        match self.blocks.back_mut() {
            Some((newest, count)) if newest.height == stamp.height => *count = count.saturating_add(1),
            _ => self.blocks.push_back((stamp, 1)),
        }
        self.sum = self.sum.saturating_add(1);
    }

    fn remove(&mut self, stamp: Stamp) {
        let place = self.blocks.partition_point(|(block, _)| block.height < stamp.height);
        if let Some((block, count)) = self.blocks.get_mut(place)
            && block.height == stamp.height
        {
            *count = count.saturating_sub(1);
            self.sum = self.sum.saturating_sub(1);
        }
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
    within: Within,
    /// How many are held, those that have passed and were not looked at since among them.
    held: usize,
    next_sweep: usize,
}

impl<K: Ord + Clone> Rings<K> {
    pub(super) const fn new(window: Span, keep: usize, cap: usize) -> Self {
        let within = Within { blocks: VecDeque::new(), sum: 0 };
        Self { rings: BTreeMap::new(), window, keep, cap, within, held: 0, next_sweep: FIRST_SWEEP }
    }

    /// Adds an entry; what is held of its key then. `None` where there is no room for it.
    pub(super) fn push(&mut self, key: K, entry: Entry) -> Option<&Ring> {
        self.push_noting(key, entry, &mut |_, _, _| ())
    }

    /// The same, telling of each entry that goes for it, and whether that has to make room.
    pub(super) fn push_noting(
        &mut self,
        key: K,
        entry: Entry,
        gone: &mut impl FnMut(&K, Entry, bool),
    ) -> Option<&Ring> {
        let (window, now) = (self.window, entry.stamp);
        self.within.pass(window, now);
        self.sweep(now, gone);
        if self.within.sum >= self.cap && !self.rings.contains_key(&key) {
            return None;
        }
        let ring = self.rings.entry(key.clone()).or_default();
        let mut dropped = 0_usize;
        ring.prune(window, now, |entry| {
            dropped = dropped.saturating_add(1);
            gone(&key, entry, false);
        });
        ring.make_room(self.keep, |entry| {
            dropped = dropped.saturating_add(1);
            self.within.remove(entry.stamp);
            gone(&key, entry, true);
        });
        self.held = self.held.saturating_sub(dropped);
        if self.within.sum >= self.cap {
            return None;
        }
        self.within.add(now);
        self.held = self.held.saturating_add(1);
        ring.push(entry);
        Some(ring)
    }

    pub(super) fn get(&self, key: &K) -> Option<&Ring> {
        self.rings.get(key)
    }

    /// All keys, each with its entries.
    pub(super) fn all(&self) -> impl Iterator<Item = (&K, impl Iterator<Item = &Entry>)> {
        self.rings.iter().map(|(key, ring)| (key, ring.entries.iter()))
    }

    /// Drops what has passed once so much is held that it may be worth it: half as much again as lies within the window.
    fn sweep(&mut self, now: Stamp, gone: &mut impl FnMut(&K, Entry, bool)) {
        if self.held < self.next_sweep {
            return;
        }
        let window = self.window;
        self.rings.retain(|key, ring| {
            ring.prune(window, now, |entry| gone(key, entry, false));
            ring.len() > 0
        });
        self.held = self.within.sum;
        let more = self.held.checked_div(2).unwrap_or_default().max(FIRST_SWEEP);
        self.next_sweep = self.held.saturating_add(more);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(height: u64) -> Entry {
        entry_of(height, 0)
    }

    fn entry_of(height: u64, tx: u32) -> Entry {
        let stamp = Stamp { height, time_ms: height * 1000 };
        let at = Position { height, tx_index: Some(tx), log_index: Some(0), item: 0 };
        Entry { stamp, at, amount: U256::from(height), other: AccountNo::default() }
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

    /// Who keeps everything, and looks through all of it.
    #[derive(Default)]
    struct Naive(Vec<(u8, Entry)>);

    impl Naive {
        fn push(
            &mut self,
            key: u8,
            entry: Entry,
            (window, keep, cap): (Span, usize, usize),
        ) -> Option<usize> {
            self.0.retain(|(_, held)| window.covers(entry.stamp, held.stamp));
            let of_key = |(of, _): &(u8, Entry)| *of == key;
            if self.0.len() >= cap && !self.0.iter().any(of_key) {
                return None;
            }
            while self.0.iter().filter(|one| of_key(one)).count() >= keep {
                self.0.remove(self.0.iter().position(of_key).unwrap());
            }
            if self.0.len() >= cap {
                return None;
            }
            self.0.push((key, entry));
            Some(self.0.iter().filter(|one| of_key(one)).count())
        }
    }

    proptest! {
        #[test]
        fn there_is_room_whenever_who_looks_through_all_finds_it(
            steps in prop::collection::vec((0..3_u64, 0..6_u8), 1..400),
            keep in 1..5_usize,
            cap in 1..12_usize,
            sweep in 1..30_usize,
        ) {
            let (window, mut height, mut naive) = (Span::Blocks(4), 1, Naive::default());
            let mut rings = Rings::new(window, keep, cap);
            let mut gone = 0_usize;
            for (n, (step, key)) in steps.into_iter().enumerate() {
                height += step;
                // What is swept, and when, is nobody's matter.
                rings.next_sweep = rings.next_sweep.min(sweep);
                let entry = entry_of(height, u32::try_from(n).unwrap());
                let told = rings.push_noting(key, entry, &mut |_, _, _| gone += 1).map(Ring::len);
                prop_assert_eq!(told, naive.push(key, entry, (window, keep, cap)));
                let held: usize = rings.all().map(|(_, entries)| entries.count()).sum();
                prop_assert_eq!(held, rings.held);
                prop_assert_eq!(rings.within.sum, naive.0.len());
            }
            prop_assert!(gone <= 400);
        }
    }
}
