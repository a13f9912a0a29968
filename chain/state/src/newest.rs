//! What the newest block has changed, in memory from before its first byte is written: most who read an older state read the
//! one just before it, while it is written or a moment later, and look nothing up for it.

use std::sync::{Arc, PoisonError, RwLock};

use concordat_types::StateKey;

/// The changes of one block.
#[derive(Debug, Default)]
struct Changes {
    height: u64,
    /// What its keys held before it, in the order of keys.
    before: Vec<(StateKey, Option<Vec<u8>>)>,
}

/// The newest block whose write has begun.
#[derive(Debug, Default)]
pub(crate) struct Newest(RwLock<Arc<Changes>>);

/// What is known of a key before a block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing: it is not the newest block.
    Unknown,
    /// The same as after it.
    Same,
    /// This.
    Was(Option<Vec<u8>>),
}

impl Newest {
    /// A block is about to be written. `before` is in the order of keys.
    pub(crate) fn begins(&self, height: u64, before: Vec<(StateKey, Option<Vec<u8>>)>) {
        debug_assert!(before.is_sorted_by(|(a, _), (b, _)| a < b), "in the order of keys");
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Changes { height, before });
    }

    /// What a key held before the block at `height`.
    pub(crate) fn before(&self, height: u64, key: &StateKey) -> Before {
        let changes = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        if changes.height != height {
            return Before::Unknown;
        }
        let found = changes.before.binary_search_by(|(changed, _)| changed.cmp(key)).ok();
        found.and_then(|at| changes.before.get(at)).map_or(Before::Same, |(_, was)| Before::Was(was.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> StateKey {
        StateKey::from_stored(&[byte])
    }

    #[test]
    fn of_the_newest_block_alone_it_is_known_what_it_changed() {
        let newest = Newest::default();
        assert_eq!(newest.before(1, &key(1)), Before::Unknown);
        newest.begins(7, vec![(key(1), None), (key(3), Some(vec![9]))]);
        assert_eq!(newest.before(7, &key(1)), Before::Was(None));
        assert_eq!(newest.before(7, &key(2)), Before::Same);
        assert_eq!(newest.before(7, &key(3)), Before::Was(Some(vec![9])));
        assert_eq!(newest.before(6, &key(3)), Before::Unknown);
        newest.begins(8, Vec::new());
        assert_eq!(newest.before(7, &key(3)), Before::Unknown);
        assert_eq!(newest.before(8, &key(3)), Before::Same);
    }
}
