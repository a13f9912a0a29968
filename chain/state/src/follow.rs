//! Following the store of a running node from another process: RocksDB's secondary instance.
//!
//! A follower locks nothing and writes nothing of the node's, holds no tree and proves nothing. It sees whole blocks,
//! as of the last time that it caught up. A node whose database is damaged finds out by itself; a follower trusts the
//! database's checksums and what [`Block::decode`] checks.

use std::path::Path;

use alloy_primitives::B256;
use concordat_types::{Block, Receipt, StateKey};

use crate::{
    Change, StoreError, StoreOptions, Tip, TxLocation,
    db::Db,
    schema::{HeightRecord, Table, decode_before, decode_keys, decode_tx_key, decode_u64, history_key, meta},
};

/// How often reading the other one's log is tried: a file may be deleted between its being listed and being read.
const ATTEMPTS: usize = 5;

/// The store of a node that may be running, read by another process.
pub struct Follower {
    db: Db,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").finish_non_exhaustive()
    }
}

impl Follower {
    /// Opens the store in `path`; what RocksDB has to say about that goes into the folder `own`, which no other follower
    /// uses.
    ///
    /// # Errors
    /// [`StoreError::File`] and [`StoreError::NotAStore`] where there is none, [`StoreError::NewerSchema`].
    pub fn open(path: &Path, own: &Path) -> Result<Self, StoreError> {
        let options = StoreOptions { write_buffer_bytes: 16 << 20, ..StoreOptions::default() };
        Ok(Self { db: Db::follow(path, own, &options)? })
    }

    /// Takes in what the node has written since, and says where it stands; `None` while its store is empty.
    pub fn catch_up(&mut self) -> Result<Option<Tip>, StoreError> {
        let mut attempts = 1;
        while let Err(error) = self.db.catch_up() {
            if attempts == ATTEMPTS {
                return Err(error);
            }
            attempts = attempts.saturating_add(1);
        }
        self.tip()
    }

    /// Where the store stood when it was last caught up with.
    pub fn tip(&self) -> Result<Option<Tip>, StoreError> {
        let Some(height) = self.number(meta::TIP)? else { return Ok(None) };
        let record = self.record(height)?;
        let missing = || StoreError::corrupt(format!("height {height}"), "the newest height has no record");
        record.map(|record| Some(record.tip(height))).ok_or_else(missing)
    }

    /// The chain's id; `None` while the store is empty.
    pub fn chain_id(&self) -> Result<Option<String>, StoreError> {
        let Some(bytes) = self.db.get(Table::Meta, meta::CHAIN_ID)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|e| StoreError::corrupt("the chain id", e))
    }

    /// The height of the first block; `None` while the store is empty.
    pub fn initial_height(&self) -> Result<Option<u64>, StoreError> {
        self.number(meta::INITIAL_HEIGHT)
    }

    /// The lowest height of which everything is kept: body, receipts and changes.
    pub fn floor(&self) -> Result<u64, StoreError> {
        let history = self.number(meta::HISTORY_FLOOR)?.unwrap_or_default();
        let bodies = self.number(meta::BODY_FLOOR)?.unwrap_or_default();
        Ok(bodies.max(history.saturating_add(1)))
    }

    /// The hash of the block at `height`, and the root of the state after it.
    pub fn ids(&self, height: u64) -> Result<Option<(B256, B256)>, StoreError> {
        Ok(self.record(height)?.map(|record| (record.block_hash, record.state_root)))
    }

    /// The block at `height`.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] where it is not kept, [`StoreError::Future`] where it is still to come.
    pub fn block(&self, height: u64) -> Result<Block, StoreError> {
        Block::decode(&self.encoded_block(height)?)
            .map_err(|e| StoreError::corrupt(format!("block {height}"), e))
    }

    /// The same in the protobuf bytes in which it was decided, as [`crate::Store::encoded_block`].
    pub fn encoded_block(&self, height: u64) -> Result<Vec<u8>, StoreError> {
        match self.db.get(Table::Blocks, height.to_be_bytes())? {
            Some(bytes) => Ok(bytes),
            None => Err(self.not_there("the block body", height)?),
        }
    }

    /// The commit that the node saw for the block at `height`.
    pub fn seen_commit(&self, height: u64) -> Result<Vec<u8>, StoreError> {
        match self.db.get(Table::Commits, height.to_be_bytes())? {
            Some(bytes) => Ok(bytes),
            None => Err(self.not_there("the commit", height)?),
        }
    }

    /// A note of the node, as [`crate::Store::note`].
    pub fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get(Table::Notes, name)
    }

    /// The receipts of the block at `height`, in order. Errors are those of [`Self::block`].
    pub fn receipts(&self, height: u64) -> Result<Vec<Receipt>, StoreError> {
        let Some(record) = self.record(height)? else { return Err(self.not_there("the receipts", height)?) };
        let after = height.saturating_add(1).to_be_bytes();
        let mut receipts = Vec::with_capacity(usize::try_from(record.txs).unwrap_or_default());
        for row in self.db.rows(Table::Receipts, &height.to_be_bytes(), Some(&after)) {
            let (_, bytes) = row?;
            let receipt = Receipt::decode(&bytes);
            receipts
                .push(receipt.map_err(|e| StoreError::corrupt(format!("a receipt of block {height}"), e))?);
        }
        if u32::try_from(receipts.len()).ok() != Some(record.txs) {
            return Err(self.not_there("the receipts", height)?);
        }
        Ok(receipts)
    }

    /// Where the transaction with this hash stands; `None` where it is in no kept block.
    pub fn tx(&self, hash: &B256) -> Result<Option<TxLocation>, StoreError> {
        let Some(bytes) = self.db.get(Table::Txs, hash)? else { return Ok(None) };
        let malformed = || StoreError::corrupt(format!("transaction {hash}"), "malformed");
        decode_tx_key(&bytes).map(Some).ok_or_else(malformed)
    }

    /// The changes that the block at `height` made to keys that begin with `prefix`, in their order.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] and [`StoreError::Future`] outside the kept history.
    pub fn changes(&self, height: u64, prefix: &[u8]) -> Result<Vec<Change>, StoreError> {
        let Some(bytes) = self.db.get(Table::Changes, height.to_be_bytes())? else {
            return Err(self.not_there("the changes", height)?);
        };
        let what = || format!("the changes of block {height}");
        let keys = decode_keys(&bytes).ok_or_else(|| StoreError::corrupt(what(), "malformed"))?;
        let missing = || StoreError::corrupt(what(), "an entry of the history is missing");
        keys.into_iter()
            .filter(|key| key.as_bytes().starts_with(prefix))
            .map(|key| {
                let before = self.db.get(Table::History, history_key(&key, height))?.ok_or_else(missing)?;
                let (before, after) = (decode_before(&before)?, self.value_after(&key, height)?);
                Ok(Change { key, before, after })
            })
            .collect()
    }

    /// The value of a key after the block at `height`: what stood before the next change, or what stands now.
    fn value_after(&self, key: &StateKey, height: u64) -> Result<Option<Vec<u8>>, StoreError> {
        match self.db.first_of_history(&history_key(key, height.saturating_add(1)))? {
            Some((_, before)) => decode_before(&before),
            None => self.db.get(Table::State, key),
        }
    }

    /// Why there is nothing at a height.
    fn not_there(&self, what: &'static str, height: u64) -> Result<StoreError, StoreError> {
        let (floor, tip) = (self.floor()?, self.tip()?.map_or(0, |tip| tip.height));
        Ok(match height {
            _ if height < floor => StoreError::Pruned { what, height, floor },
            _ if height > tip => StoreError::Future { height, tip },
            _ => StoreError::corrupt(format!("{what} of height {height}"), "missing"),
        })
    }

    fn record(&self, height: u64) -> Result<Option<HeightRecord>, StoreError> {
        let Some(bytes) = self.db.get(Table::Heights, height.to_be_bytes())? else { return Ok(None) };
        let malformed = || StoreError::corrupt(format!("the record of height {height}"), "malformed");
        HeightRecord::decode(&bytes).map(Some).ok_or_else(malformed)
    }

    fn number(&self, key: &[u8]) -> Result<Option<u64>, StoreError> {
        let Some(bytes) = self.db.get(Table::Meta, key)? else { return Ok(None) };
        let number = decode_u64(&bytes);
        number.map(Some).ok_or_else(|| StoreError::corrupt(String::from_utf8_lossy(key), "not a number"))
    }
}
