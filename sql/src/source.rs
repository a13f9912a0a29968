//! Where blocks come from: the store of a node on this machine, which may be running, and the genesis document, since no
//! store keeps what its state began with.

use std::path::Path;

use concordat_core::{
    genesis_state,
    rows::{SYSTEM_PREFIX, SystemRow, system_row},
};
use concordat_state::{
    Change, Follower, StoreError, Tip,
    smt::{Growing, Update},
};
use concordat_types::{B256, ChangeSet, Genesis, Receipt};

use crate::{SqlError, project::BlockData};

/// How often a store that looks damaged is read again: its node may just have been writing.
const ATTEMPTS: usize = 10;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Where blocks come from.
#[derive(Debug)]
pub struct Source {
    follower: Follower,
    genesis: Vec<Change>,
    chain_id: String,
    first: u64,
}

impl Source {
    /// Opens the store of the node whose data folder is `data`; `own` is a folder for RocksDB's own log.
    ///
    /// # Errors
    /// [`SqlError::Store`] where there is none, [`SqlError::OtherGenesis`].
    pub fn open(data: &Path, own: &Path, genesis: &Genesis) -> Result<Self, SqlError> {
        Self::with_state(data, own, &genesis.chain_id, genesis_state(genesis)?.changes)
    }

    /// As [`Self::open`], with what the genesis document comes to.
    ///
    /// # Errors
    /// The same.
    pub fn with_state(data: &Path, own: &Path, chain: &str, state: ChangeSet) -> Result<Self, SqlError> {
        let follower = Follower::open(&data.join("ledger"), own)?;
        let chain_id = follower.chain_id()?.ok_or(SqlError::EmptyStore)?;
        let first = follower.initial_height()?.ok_or(SqlError::EmptyStore)?;
        let same = |field, have: String, want: String| match have == want {
            true => Ok(()),
            false => Err(SqlError::OtherGenesis { field, have, want }),
        };
        same("the chain's id", chain.to_owned(), chain_id.clone())?;
        // A node that joined from a snapshot knows no root of the genesis; it is refused for lack of blocks later.
        if let Some((_, root)) = follower.ids(first.saturating_sub(1))? {
            same("the root of its state", root_of(&state).to_string(), root.to_string())?;
        }
        let system = state.into_iter().filter(|(key, _)| key.as_bytes().starts_with(&SYSTEM_PREFIX));
        let genesis = system.map(|(key, after)| Change { key, before: None, after }).collect();
        Ok(Self { follower, genesis, chain_id, first })
    }

    /// The chain's id.
    pub fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// The height of the genesis: one below the first block.
    pub fn start(&self) -> u64 {
        self.first.saturating_sub(1)
    }

    /// Where the node stands now.
    pub fn catch_up(&mut self) -> Result<Tip, SqlError> {
        self.follower.catch_up()?.ok_or(SqlError::EmptyStore)
    }

    /// Where the node stood then.
    pub fn tip(&self) -> Result<Tip, SqlError> {
        self.follower.tip()?.ok_or(SqlError::EmptyStore)
    }

    /// The lowest height that the node has.
    pub fn floor(&self) -> Result<u64, SqlError> {
        let floor = self.follower.floor()?;
        Ok(if floor <= self.first { self.start() } else { floor })
    }

    /// The hash of the block at a height; zero at the genesis.
    pub fn hash(&self, height: u64) -> Result<Option<B256>, SqlError> {
        Ok(self.follower.ids(height)?.map(|(hash, _)| hash))
    }

    /// A block and what it brought about.
    pub fn block(&mut self, height: u64) -> Result<BlockData, SqlError> {
        let mut attempt = 1;
        loop {
            match self.read(height) {
                Err(SqlError::Store(StoreError::Corrupt { .. })) if attempt < ATTEMPTS => {
                    std::thread::sleep(PAUSE);
                    self.follower.catch_up()?;
                    attempt = attempt.saturating_add(1);
                }
                read => return read,
            }
        }
    }

    fn read(&self, height: u64) -> Result<BlockData, SqlError> {
        if height == self.start() {
            let changes = self.genesis.clone();
            let (receipts, reversed) = (Vec::new(), Vec::new());
            return Ok(BlockData { height, hash: B256::ZERO, block: None, receipts, changes, reversed });
        }
        let (block, receipts) = (self.follower.block(height)?, self.follower.receipts(height)?);
        let changes = self.follower.changes(height, &SYSTEM_PREFIX)?;
        let reversed = self.reversed(&changes)?;
        Ok(BlockData { height, hash: block.hash(), block: Some(block), receipts, changes, reversed })
    }

    /// The receipts of the transactions that rollbacks among these changes reverse.
    fn reversed(&self, changes: &[Change]) -> Result<Vec<Receipt>, SqlError> {
        let mut receipts = Vec::new();
        for change in changes {
            let Some(after) = &change.after else { continue };
            let Ok(Some(SystemRow::Rollback(_, rollback))) = system_row(&change.key, after) else { continue };
            for reversed in &rollback.transactions {
                let missing = || StoreError::Pruned {
                    what: "a reversed transaction",
                    height: reversed.height,
                    floor: 0,
                };
                let at = self.follower.tx(&reversed.hash)?.ok_or_else(missing)?;
                let of_block = self.follower.receipts(at.height)?;
                receipts.extend(of_block.into_iter().find(|receipt| receipt.tx_hash == reversed.hash));
            }
        }
        Ok(receipts)
    }
}

/// The root of a whole state.
fn root_of(state: &ChangeSet) -> B256 {
    let mut tree = Growing::default();
    tree.add(state.iter().map(|(key, value)| Update::new(key.as_bytes(), value.as_deref())).collect());
    tree.finish().root().into()
}
