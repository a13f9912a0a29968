//! What the node keeps between decisions: proposed blocks, and small facts of its own.

use alloy_primitives::B256;

use crate::{
    Store, StoreError,
    db::{Batch, Durability},
    schema::{Table, undecided_key},
};

impl Store {
    /// Keeps a proposed block until its height is decided.
    ///
    /// Synced: the engine's own log holds block ids only. If a power cut at one site took the only copies
    /// of a block that more than a third are locked on, nobody could propose it again, and no other block
    /// could win.
    pub fn put_undecided(&self, height: u64, hash: &B256, bytes: &[u8]) -> Result<(), StoreError> {
        let mut batch = self.db().batch();
        batch.put(Table::Undecided, undecided_key(height, hash), bytes);
        self.writer()?.write(batch, Durability::Synced)
    }

    /// The proposed block with this height and hash.
    pub fn undecided(&self, height: u64, hash: &B256) -> Result<Option<Vec<u8>>, StoreError> {
        self.db().get(Table::Undecided, undecided_key(height, hash))
    }

    /// Every proposed block of this height, in the order of hashes.
    pub fn undecided_at(&self, height: u64) -> Result<Vec<(B256, Vec<u8>)>, StoreError> {
        let above = height.saturating_add(1).to_be_bytes();
        self.db()
            .rows(Table::Undecided, &height.to_be_bytes(), Some(&above))
            .map(|row| {
                let (key, bytes) = row?;
                let hash = key.last_chunk::<32>();
                let hash = hash.ok_or_else(|| StoreError::corrupt("a proposed block", "malformed key"))?;
                Ok((B256::from(hash), bytes.into_vec()))
            })
            .collect()
    }

    /// Drops the proposed blocks of `height` and below. Commits do so by themselves.
    pub fn clear_undecided_through(&self, height: u64) -> Result<(), StoreError> {
        let mut batch = self.db().batch();
        self.drop_undecided(&mut batch, height)?;
        self.writer()?.write(batch, Durability::Buffered)
    }

    pub(crate) fn drop_undecided(&self, batch: &mut Batch<'_>, height: u64) -> Result<(), StoreError> {
        // One by one: there are a few at most, and range deletions would slow later reads down.
        let above = height.saturating_add(1).to_be_bytes();
        for row in self.db().rows(Table::Undecided, &[], Some(&above)) {
            batch.delete(Table::Undecided, row?.0);
        }
        Ok(())
    }

    /// Keeps a fact of the node under `name`, durably.
    pub fn put_note(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let mut batch = self.db().batch();
        batch.put(Table::Notes, name, value);
        self.writer()?.write(batch, Durability::Synced)
    }

    /// The fact under `name`.
    pub fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.db().get(Table::Notes, name)
    }

    /// Forgets the fact under `name`, durably.
    pub fn delete_note(&self, name: &str) -> Result<(), StoreError> {
        let mut batch = self.db().batch();
        batch.delete(Table::Notes, name);
        self.writer()?.write(batch, Durability::Synced)
    }

    /// Every fact whose name begins with `prefix`, in the order of names.
    pub fn notes(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut notes = Vec::new();
        for row in self.db().rows(Table::Notes, prefix.as_bytes(), None) {
            let (name, value) = row?;
            if !name.starts_with(prefix.as_bytes()) {
                break;
            }
            let name =
                String::from_utf8(name.into_vec()).map_err(|e| StoreError::corrupt("a note's name", e))?;
            notes.push((name, value.into_vec()));
        }
        Ok(notes)
    }
}
