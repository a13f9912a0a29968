//! Letting go of the past: history, and where asked for block bodies, below a height.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    Store, StoreError,
    db::{Batch, Durability},
    schema::{Table, history_key, log_address_key, meta},
};

/// Deletions written at a time, in bytes.
const BATCH_BYTES: usize = 4 << 20;

/// What to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prune {
    /// At how many heights, the tip among them, the state stays readable; at least 1.
    pub keep_history: u64,
    /// How many block bodies, with receipts and indexes, stay; `None` keeps all.
    pub keep_bodies: Option<u64>,
}

/// What was pruned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PruneReport {
    /// History entries that went.
    pub history_entries: u64,
    /// Block bodies that went.
    pub bodies: u64,
    /// The lowest height whose state can be read now.
    pub history_floor: u64,
    /// The lowest height whose block body is kept now.
    pub body_floor: u64,
}

impl Store {
    /// Drops history, and block bodies where asked, that is older than what `plan` keeps. Headers, commits
    /// and validator sets always stay: they are what new nodes and light clients verify.
    ///
    /// Blocks can be committed meanwhile. When it is cut off, the next run goes on where it stopped.
    pub fn prune(&self, plan: Prune) -> Result<PruneReport, StoreError> {
        let tip = self.tip()?.height;
        let lowest_kept = |keep: u64| tip.saturating_sub(keep.max(1).saturating_sub(1));
        let history_entries = self.prune_history(lowest_kept(plan.keep_history))?;
        let bodies = match plan.keep_bodies {
            Some(keep) => self.prune_bodies(lowest_kept(keep))?,
            None => 0,
        };
        let (history_floor, body_floor) = (self.history_floor(), self.body_floor());
        Ok(PruneReport { history_entries, bodies, history_floor, body_floor })
    }

    fn prune_history(&self, floor: u64) -> Result<u64, StoreError> {
        let old = self.history_floor();
        // Entries of the floor itself say what was before it: the state at the floor does not need them.
        let lists = self.heights_in(Table::Changes, floor)?;
        self.raise_floor(meta::HISTORY_FLOOR, &self.inner.history_floor, old, floor)?;
        let (mut batch, mut gone) = (self.db().batch(), 0u64);
        for height in lists {
            // Entries go together with their list, so that a rerun knows what is left.
            let keys = self.at_height(Table::Changes, height)?.unwrap_or_default();
            let keys = crate::schema::decode_keys(&keys)
                .ok_or_else(|| StoreError::corrupt(format!("the changes of block {height}"), "malformed"))?;
            for key in &keys {
                batch.delete(Table::History, history_key(key, height));
            }
            batch.delete(Table::Changes, height.to_be_bytes());
            gone = gone.saturating_add(keys.len() as u64);
            batch = self.flush_if_full(batch)?;
        }
        self.writer()?.write(batch, Durability::Synced)?;
        Ok(gone)
    }

    fn prune_bodies(&self, floor: u64) -> Result<u64, StoreError> {
        let old = self.body_floor();
        let Some(last) = floor.checked_sub(1) else { return Ok(0) };
        let bodies = self.heights_in(Table::Blocks, last)?;
        self.raise_floor(meta::BODY_FLOOR, &self.inner.body_floor, old, floor)?;
        let mut batch = self.db().batch();
        for height in &bodies {
            self.drop_body(&mut batch, *height)?;
            batch = self.flush_if_full(batch)?;
        }
        self.writer()?.write(batch, Durability::Synced)?;
        Ok(bodies.len() as u64)
    }

    fn drop_body(&self, batch: &mut Batch<'_>, height: u64) -> Result<(), StoreError> {
        let above = height.saturating_add(1).to_be_bytes();
        let mut receipts = Vec::new();
        for row in self.db().rows(Table::Receipts, &height.to_be_bytes(), Some(&above)) {
            let (key, bytes) = row?;
            batch.delete(Table::Receipts, key);
            let receipt = concordat_types::Receipt::decode(&bytes);
            receipts
                .push(receipt.map_err(|e| StoreError::corrupt(format!("a receipt of block {height}"), e))?);
        }
        receipts.iter().for_each(|receipt| batch.delete(Table::Txs, receipt.tx_hash));
        for address in crate::logs::addresses(&receipts) {
            batch.delete(Table::LogAddresses, log_address_key(&address, height));
        }
        batch.delete(Table::LogFilters, height.to_be_bytes());
        batch.delete(Table::Activity, height.to_be_bytes());
        batch.delete(Table::Blocks, height.to_be_bytes());
        Ok(())
    }

    /// The heights in a table, up to and with `last`.
    fn heights_in(&self, table: Table, last: u64) -> Result<Vec<u64>, StoreError> {
        let above = last.saturating_add(1).to_be_bytes();
        self.db()
            .rows(table, &[], Some(&above))
            .map(|row| {
                let height = crate::schema::decode_u64(&row?.0);
                height.ok_or_else(|| StoreError::corrupt(table.name(), "malformed height"))
            })
            .collect()
    }

    /// Raises a floor, on disk and for readers, before anything below it goes.
    fn raise_floor(&self, key: &[u8], shown: &AtomicU64, old: u64, new: u64) -> Result<(), StoreError> {
        if new <= old {
            return Ok(());
        }
        let mut batch = self.db().batch();
        batch.put(Table::Meta, key, new.to_be_bytes());
        self.writer()?.write(batch, Durability::Synced)?;
        shown.store(new, Ordering::SeqCst);
        Ok(())
    }

    fn flush_if_full<'a>(&'a self, batch: Batch<'a>) -> Result<Batch<'a>, StoreError> {
        if batch.size() < BATCH_BYTES {
            return Ok(batch);
        }
        self.writer()?.write(batch, Durability::Buffered)?;
        Ok(self.db().batch())
    }
}
