//! Reading the state as it stood at one height, while newer blocks are committed.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use alloy_primitives::B256;
use concordat_types::{ReadError, StateKey, StateReader};

use crate::{
    Store, StoreError,
    newest::Before,
    schema::{Table, decode_before, decode_keys, history_key},
    smt::{Value, key_hash},
};

/// The state at one height. It goes on giving the same answers for as long as its history is kept.
///
/// Reads hold no resources. A value is read in two steps: first the current one, from the tree or the database,
/// then, if a newer height may have begun to write meanwhile, the oldest history entry above this height, which
/// holds the value as it was. In this order no commit can slip in between: whatever changed the key after
/// the first step left its entry before the second, in the database and, of the newest block, in memory.
#[derive(Clone, Debug)]
pub struct State {
    store: Store,
    height: u64,
}

impl Store {
    /// The state at the tip.
    ///
    /// # Errors
    /// [`StoreError::NotInitialised`] while the store is empty.
    pub fn state(&self) -> Result<State, StoreError> {
        let height = self.tip()?.height;
        Ok(State { store: self.clone(), height })
    }

    /// The state after the block at `height`; one below the initial height it is that of the genesis.
    ///
    /// # Errors
    /// [`StoreError::Future`] above the tip, [`StoreError::Pruned`] below [`Self::history_floor`].
    pub fn state_at(&self, height: u64) -> Result<State, StoreError> {
        let (tip, floor) = (self.tip()?.height, self.history_floor());
        if height > tip {
            return Err(StoreError::Future { height, tip });
        }
        if height < floor {
            return Err(StoreError::Pruned { what: "the state", height, floor });
        }
        Ok(State { store: self.clone(), height })
    }

    /// The lowest height whose state can be read.
    pub fn history_floor(&self) -> u64 {
        self.inner.history_floor.load(Ordering::SeqCst)
    }

    /// The current value of a key, for a reader of the state at `height`.
    fn current(&self, key: &StateKey, height: u64) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(known) = self.in_memory(key) {
            return Ok(known);
        }
        let value = self.db().get(Table::State, key)?;
        // Of no block that began meanwhile it is known whether it was read.
        let still_current = || self.inner.writing.load(Ordering::SeqCst) == height;
        if let Some(value) = &value {
            self.inner.values.remember(key, value, still_current);
        }
        Ok(value)
    }

    /// The current value where no disk is needed to tell it: short values and absence stand in the tree.
    pub(crate) fn in_memory(&self, key: &StateKey) -> Option<Option<Vec<u8>>> {
        let hash = key_hash(key.as_bytes());
        let in_tree = self.authenticated().tree.value(&hash);
        self.or_cached(key, in_tree)
    }

    /// The current value of a key of which the tree knows this much, where no disk is needed to tell it.
    pub(crate) fn or_cached(&self, key: &StateKey, in_tree: Value) -> Option<Option<Vec<u8>>> {
        match in_tree {
            Value::Absent => Some(None),
            Value::Short(value) => Some(Some(value)),
            Value::Long => self.inner.values.get(key).map(Some),
        }
    }

    /// Tells readers the floors of a store that is just being filled.
    pub(crate) fn show_floors(&self, history: u64, bodies: u64) {
        self.inner.history_floor.store(history, Ordering::SeqCst);
        self.inner.body_floor.store(bodies, Ordering::SeqCst);
    }
}

impl State {
    /// The state at a height that is known to be committed.
    pub(crate) fn pinned(store: &Store, height: u64) -> Self {
        Self { store: store.clone(), height }
    }

    /// The height whose state this is.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The rows whose keys begin with `prefix`, in the order of keys, at most `limit` of them.
    ///
    /// # Errors
    /// As [`StateReader::get`].
    pub fn scan(&self, prefix: &[u8], limit: usize) -> Result<Vec<(StateKey, Vec<u8>)>, ReadError> {
        self.scan_after(prefix, None, limit)
    }

    /// The same from the first key after another one on: the next page. Keys of all blocks above this height are looked
    /// at, so that the caller bounds how far back it asks.
    ///
    /// # Errors
    /// As [`StateReader::get`].
    pub fn scan_after(
        &self,
        prefix: &[u8],
        after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<(StateKey, Vec<u8>)>, ReadError> {
        let store_failed = |e: StoreError| e.into_read("a range of the state");
        // A key and a zero byte is the first that can follow it.
        let from =
            after.map_or_else(|| prefix.to_vec(), |key| [key.as_bytes(), &[0]].concat()).max(prefix.to_vec());
        // The rows are those of this instant; whatever changed before it stands in the list read after it.
        let current = self.store.db().rows(Table::State, &from, None);
        let mut later = self.later_changes(prefix).map_err(store_failed)?;
        later.retain(|key| key.as_bytes() >= from.as_slice());
        // Some of the rows may be later insertions: leave room for them.
        let room = limit.saturating_add(later.len());
        let mut rows = BTreeMap::new();
        for row in current.take(room) {
            let (key, value) = row.map_err(store_failed)?;
            if !key.starts_with(prefix) {
                break;
            }
            rows.insert(StateKey::from_stored(&key), value.into_vec());
        }
        for key in later {
            match self.get(&key)? {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(rows.into_iter().take(limit).collect())
    }

    /// The keys under `prefix` that blocks above this height changed.
    fn later_changes(&self, prefix: &[u8]) -> Result<Vec<StateKey>, StoreError> {
        let above = self.height.saturating_add(1).to_be_bytes();
        let mut later = Vec::new();
        for row in self.store.db().rows(Table::Changes, &above, None) {
            let (_, keys) = row?;
            let keys =
                decode_keys(&keys).ok_or_else(|| StoreError::corrupt("a list of changes", "malformed"))?;
            later.extend(keys.into_iter().filter(|key| key.as_bytes().starts_with(prefix)));
        }
        Ok(later)
    }

    /// The value before the first block above this height that changed `key`; `None` where none did.
    fn before_later_change(&self, key: &StateKey) -> Result<Option<Option<Vec<u8>>>, StoreError> {
        let above = self.height.saturating_add(1);
        match self.store.inner.newest.before(above, key) {
            Before::Same => return Ok(None),
            Before::Was(value) => return Ok(Some(value)),
            Before::Unknown => {}
        }
        let from = history_key(key, above);
        let entry = self.store.db().first_of_history(&from)?;
        entry.map(|(_, before)| decode_before(&before)).transpose()
    }
}

impl StateReader for State {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ReadError> {
        let what = || format!("state key 0x{}", alloy_primitives::hex::encode(key));
        let current = self.store.current(key, self.height).map_err(|e| e.into_read(&what()))?;
        if self.store.inner.writing.load(Ordering::SeqCst) <= self.height {
            return Ok(current);
        }
        let before = self.before_later_change(key).map_err(|e| e.into_read(&what()))?;
        // Pruning raises the floor before it takes entries away, so that what was just read was whole.
        let floor = self.store.history_floor();
        if self.height < floor {
            let reason = format!("its history is pruned below {floor}");
            return Err(ReadError::Unavailable { height: self.height, reason });
        }
        Ok(before.unwrap_or(current))
    }

    fn block_hash(&self, height: u64) -> Result<Option<B256>, ReadError> {
        if height > self.height {
            return Ok(None);
        }
        self.store.block_hash(height).map_err(|e| e.into_read("a block hash"))
    }
}
