//! Checking a store against itself.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use concordat_types::block::to_b256;

use crate::{
    Store, StoreError,
    schema::Table,
    smt::{Tree, Update, key_hash},
    store::rebuild,
};

/// How much to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckLevel {
    /// The state hashes to the root of the newest block. Reads all of it: some seconds per million keys.
    Quick,
    /// Also every block, header, receipt and index, and, block by block backwards through the kept history,
    /// the root of every height whose state can be read. Takes minutes on a large store.
    Full,
}

/// What was checked, and found in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CheckReport {
    /// The newest height.
    pub height: u64,
    /// Keys of the state.
    pub keys: u64,
    /// Blocks whose header, body, receipts and indexes agree.
    pub blocks: u64,
    /// Heights whose state root was computed again from the history.
    pub roots: u64,
}

impl Store {
    /// Checks the store and reports what was found in order.
    ///
    /// # Errors
    /// The first damage found: [`StoreError::RootMismatch`] or [`StoreError::Corrupt`].
    pub fn check(&self, level: CheckLevel) -> Result<CheckReport, StoreError> {
        // No block is committed while the store is compared with its tip.
        let writer = self.writer()?;
        let tip = self.tip()?;
        let tree = rebuild(self.db())?;
        let computed = B256::from(tree.root());
        if computed != tip.state_root {
            return Err(StoreError::RootMismatch { height: tip.height, expected: tip.state_root, computed });
        }
        drop(writer);
        let mut report =
            CheckReport { height: tip.height, keys: tree.len() as u64, ..CheckReport::default() };
        if level == CheckLevel::Full {
            self.check_every_byte()?;
            self.check_preimages()?;
            report.blocks = self.check_blocks(tip.height)?;
            report.roots = self.check_history(tree, tip.height)?;
        }
        Ok(report)
    }

    /// Reads everything: the database verifies the checksum of each block of each file.
    fn check_every_byte(&self) -> Result<(), StoreError> {
        let mut rows = Table::ALL.iter().flat_map(|table| self.db().rows(*table, &[], None));
        rows.try_for_each(|row| row.map(drop))
    }

    /// Every key of the state is found by its hash, and every hash leads to its key.
    fn check_preimages(&self) -> Result<(), StoreError> {
        let corrupt = |reason| StoreError::corrupt("the preimages", reason);
        for row in self.db().rows(Table::Preimages, &[], None) {
            let (hash, key) = row?;
            if *hash != key_hash(&key) {
                return Err(corrupt("a hash leads to another key"));
            }
        }
        for row in self.db().rows(Table::State, &[], None) {
            self.preimage(&key_hash(&row?.0))?;
        }
        Ok(())
    }

    fn check_blocks(&self, tip: u64) -> Result<u64, StoreError> {
        let first = self.body_floor();
        let mut parent = None;
        for height in first..=tip {
            let hash = self.check_block(height, parent)?;
            parent = Some(hash);
        }
        Ok(tip.saturating_add(1).saturating_sub(first))
    }

    /// Checks everything of one height and returns the block's hash.
    fn check_block(&self, height: u64, parent: Option<B256>) -> Result<B256, StoreError> {
        let corrupt = |reason: &str| StoreError::corrupt(format!("block {height}"), reason);
        let record = self.record(height)?.ok_or_else(|| corrupt("it has no record"))?;
        let block = self.block(height)?.ok_or_else(|| corrupt("its body is missing"))?;
        let receipts = self.receipts(height)?.ok_or_else(|| corrupt("its receipts are missing"))?;
        let before = height.checked_sub(1).map(|height| self.state_root(height)).transpose()?.flatten();
        let named_parent = block.header.last_block_id.map(|id| to_b256(id.hash));
        let facts = [
            (block.hash() == record.block_hash, "its hash is not the committed one"),
            (block.height() == height, "it is of another height"),
            (parent.is_none() || named_parent == parent, "it does not follow its parent"),
            (
                before.is_none_or(|root| block.header.app_hash.as_bytes() == root.as_slice()),
                "its header carries another state root than its parent left",
            ),
            (self.header(height)?.as_ref() == Some(&block.header), "its header is stored differently"),
            (self.height_by_hash(&record.block_hash)? == Some(height), "it is not found by its hash"),
            (self.seen_commit(height)?.is_some(), "its commit is missing"),
            (block.txs.len() == receipts.len(), "it has another number of receipts than transactions"),
        ];
        if let Some((_, reason)) = facts.iter().find(|(holds, _)| !holds) {
            return Err(corrupt(reason));
        }
        for (index, receipt) in (0u32..).zip(&receipts) {
            let at = self.tx(&receipt.tx_hash)?;
            if at != Some(crate::TxLocation { height, index }) {
                return Err(corrupt("a transaction is not found by its hash"));
            }
        }
        if !self.activity_fits(height, &receipts)? {
            return Err(corrupt("its activity is not that of its receipts, or not the one in the history"));
        }
        let filter = self.at_height(Table::LogFilters, height)?;
        match filter == crate::logs::block_filter(&receipts) {
            true => Ok(record.block_hash),
            false => Err(corrupt("its log filter does not match its receipts")),
        }
    }

    /// Undoes block after block and compares each root with the one that was committed.
    fn check_history(&self, mut tree: Tree, tip: u64) -> Result<u64, StoreError> {
        let floor = self.history_floor();
        for height in (floor.saturating_add(1)..=tip).rev() {
            let mut undo = BTreeMap::new();
            for key in self.changed_keys(height)? {
                let before = self.before(&key, height)?;
                undo.insert(key, before);
            }
            let updates = undo.iter().map(|(key, value)| Update::new(key.as_bytes(), value.as_deref()));
            let computed = B256::from(tree.update(updates.collect()));
            let before = height.saturating_sub(1);
            let expected = self
                .state_root(before)?
                .ok_or_else(|| StoreError::corrupt(format!("height {before}"), "it has no record"))?;
            if computed != expected {
                return Err(StoreError::RootMismatch { height: before, expected, computed });
            }
        }
        Ok(tip.saturating_sub(floor))
    }
}
