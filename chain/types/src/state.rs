//! The authenticated state: one flat map from keys to bytes.
//!
//! Every tenant of the state (accounts, contract storage, code, system contracts) has its own key
//! space, told apart by the first byte. The layout is consensus-critical: the state root commits
//! to these very bytes.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};

const ACCOUNT: u8 = 0x01;
const STORAGE: u8 = 0x02;
const CODE: u8 = 0x03;
const SYSTEM: u8 = 0x10;

/// A key of the authenticated state, in its canonical bytes. Ordered by those bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey(Vec<u8>);

impl StateKey {
    /// An account's nonce and code hash: `01 ‖ address`.
    pub fn account(address: Address) -> Self {
        Self::join(ACCOUNT, &[address.as_slice()])
    }

    /// A contract's storage slot: `02 ‖ address ‖ slot`.
    pub fn storage(address: Address, slot: B256) -> Self {
        Self::join(STORAGE, &[address.as_slice(), slot.as_slice()])
    }

    /// Contract byte code by its keccak256: `03 ‖ hash`.
    pub fn code(hash: B256) -> Self {
        Self::join(CODE, &[hash.as_slice()])
    }

    /// A row of a system contract: `10 ‖ table ‖ key`.
    pub fn system(table: u8, key: &[u8]) -> Self {
        Self::join(SYSTEM, &[&[table], key])
    }

    /// A key from bytes that were a key before, as read back from the store.
    pub fn from_stored(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The canonical bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn join(space: u8, parts: &[&[u8]]) -> Self {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(length.saturating_add(1));
        bytes.push(space);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        Self(bytes)
    }
}

impl AsRef<[u8]> for StateKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What a block changes: the new value of each key, `None` where the key is deleted.
pub type ChangeSet = BTreeMap<StateKey, Option<Vec<u8>>>;

/// The state could not be read. Execution cannot go on: this is never a verdict on a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store failed or holds bytes that are not what was written.
    #[error("the state store failed at {what}: {reason}")]
    Store {
        /// What was being read.
        what: String,
        /// What the store said.
        reason: String,
    },
    /// The height's history has been pruned or is still to come.
    #[error("the state at height {height} is not available: {reason}")]
    Unavailable {
        /// The height asked for.
        height: u64,
        /// Pruned or in the future.
        reason: String,
    },
}

/// Reads of the authenticated state at one height.
pub trait StateReader: Send + Sync {
    /// The value under `key`, `None` where there is none.
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ReadError>;

    /// The hash of the block at `height`, `None` where there is no such block (yet).
    fn block_hash(&self, height: u64) -> Result<Option<B256>, ReadError>;
}

impl<T: StateReader + ?Sized> StateReader for &T {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ReadError> {
        (**self).get(key)
    }

    fn block_hash(&self, height: u64) -> Result<Option<B256>, ReadError> {
        (**self).block_hash(height)
    }
}

impl<T: StateReader + ?Sized> StateReader for std::sync::Arc<T> {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ReadError> {
        (**self).get(key)
    }

    fn block_hash(&self, height: u64) -> Result<Option<B256>, ReadError> {
        (**self).block_hash(height)
    }
}

/// A state held in memory: the genesis state while it is made, and the state of unit tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryState {
    /// The values.
    pub values: BTreeMap<StateKey, Vec<u8>>,
    /// Block hashes by height.
    pub block_hashes: BTreeMap<u64, B256>,
}

impl MemoryState {
    /// Applies a block's changes.
    pub fn apply(&mut self, changes: &ChangeSet) {
        for (key, value) in changes {
            match value {
                Some(value) => self.values.insert(key.clone(), value.clone()),
                None => self.values.remove(key),
            };
        }
    }
}

impl StateReader for MemoryState {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.values.get(key).cloned())
    }

    fn block_hash(&self, height: u64) -> Result<Option<B256>, ReadError> {
        Ok(self.block_hashes.get(&height).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_spaces_never_overlap_and_never_change() {
        let address = Address::repeat_byte(0xaa);
        let word = B256::repeat_byte(0xbb);
        assert_eq!(hex::encode(StateKey::account(address)), format!("01{}", "aa".repeat(20)));
        assert_eq!(
            hex::encode(StateKey::storage(address, word)),
            format!("02{}{}", "aa".repeat(20), "bb".repeat(32))
        );
        assert_eq!(hex::encode(StateKey::code(word)), format!("03{}", "bb".repeat(32)));
        assert_eq!(hex::encode(StateKey::system(7, b"key")), "10076b6579");
    }
}
