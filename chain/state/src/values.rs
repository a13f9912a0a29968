//! Long values of the newest state that were read or written lately, in memory. Short ones stand in the tree.
//!
//! A transaction's keys are read at admission, at execution and at the commit, by one node within a second:
//! only the first of these need ask the database.
//!
//! Invariant: what is in here is what the database holds as the current value. Readers put in what they read
//! only while no block has begun to be written since they began; a commit replaces what it changes after the
//! write and before anyone can ask for the new height. Both hold the same lock, so that none slips in between.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Mutex, PoisonError},
};

use concordat_types::StateKey;

/// Locks: as many threads read at a time as there are cores, at most a few dozen.
const SHARDS: usize = 16;

/// What an entry takes besides its bytes.
const ENTRY_BYTES: usize = 128;

type Values = HashMap<StateKey, Vec<u8>>;

/// The cache.
pub(crate) struct ValueCache {
    shards: Box<[Mutex<Shard>]>,
    hasher: std::hash::RandomState,
    /// Bytes of a generation of one shard.
    limit: usize,
}

/// Two generations: what is not asked for while the young one fills is forgotten.
#[derive(Default)]
struct Shard {
    young: Values,
    old: Values,
    /// Bytes of the young.
    bytes: usize,
}

impl ValueCache {
    /// A cache of about so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: std::hash::RandomState::new(),
            limit: bytes / SHARDS / 2,
        }
    }

    fn with_shard<T>(&self, key: &StateKey, act: impl FnOnce(&mut Shard) -> T) -> Option<T> {
        let place = self.hasher.hash_one(key) as usize % SHARDS;
        let shard = self.shards.get(place)?;
        Some(act(&mut shard.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The current value, if it is known.
    pub(crate) fn get(&self, key: &StateKey) -> Option<Vec<u8>> {
        self.with_shard(key, |shard| {
            if let Some(value) = shard.young.get(key) {
                return Some(value.clone());
            }
            let (key, value) = shard.old.remove_entry(key)?;
            shard.put(key, value.clone(), self.limit);
            Some(value)
        })?
    }

    /// Remembers what a reader found, if `still_current` says so under the lock.
    pub(crate) fn remember(&self, key: &StateKey, value: &[u8], still_current: impl FnOnce() -> bool) {
        self.with_shard(key, |shard| {
            if still_current() {
                shard.put(key.clone(), value.to_vec(), self.limit);
            }
        });
    }

    /// Replaces what a block changed, or with `None` forgets it.
    pub(crate) fn replace(&self, key: &StateKey, value: Option<&[u8]>) {
        self.with_shard(key, |shard| {
            shard.old.remove(key);
            match value {
                Some(value) => shard.put(key.clone(), value.to_vec(), self.limit),
                None => drop(shard.young.remove(key)),
            }
        });
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            *shard.lock().unwrap_or_else(PoisonError::into_inner) = Shard::default();
        }
    }
}

impl Shard {
    fn put(&mut self, key: StateKey, value: Vec<u8>, limit: usize) {
        let bytes = key.as_bytes().len().saturating_add(value.len());
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(ENTRY_BYTES);
        self.young.insert(key, value);
        if self.bytes > limit {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> StateKey {
        StateKey::from_stored(&n.to_be_bytes())
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let cache = ValueCache::new(64 << 10);
        cache.remember(&key(0), b"kept", || true);
        for n in 1..10_000 {
            cache.remember(&key(n), b"passing", || true);
            assert_eq!(cache.get(&key(0)), Some(b"kept".to_vec()));
        }
        let known = (1..10_000).filter(|n| cache.get(&key(*n)).is_some()).count();
        assert!((50..1_000).contains(&known), "{known} of 10,000 in 64 KiB");
    }

    #[test]
    fn what_is_no_longer_current_is_not_remembered() {
        let cache = ValueCache::new(64 << 10);
        cache.remember(&key(1), b"old", || false);
        assert_eq!(cache.get(&key(1)), None);
        cache.replace(&key(1), Some(b"new"));
        assert_eq!(cache.get(&key(1)), Some(b"new".to_vec()));
        cache.replace(&key(1), None);
        assert_eq!(cache.get(&key(1)), None);
        cache.replace(&key(1), Some(b"new"));
        cache.clear();
        assert_eq!(cache.get(&key(1)), None);
    }

    #[test]
    fn a_replaced_value_never_comes_back_from_the_old_generation() {
        let cache = ValueCache::new(8 << 10);
        for round in 0..50usize {
            for n in 0..20 {
                cache.replace(&key(n), Some(&round.to_be_bytes()));
                cache.remember(&key(1_000 + round * 20 + n), &[0; 100], || true);
            }
            for n in 0..20 {
                let found = cache.get(&key(n));
                assert!(found.is_none() || found == Some(round.to_be_bytes().to_vec()));
            }
        }
    }
}
