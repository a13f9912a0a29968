//! Reading blocks, receipts and everything else that was committed.

use alloy_primitives::B256;
use concordat_types::{Block, Receipt, StateKey, StateReader as _};
use tendermint::block::Header;
use tendermint_proto::{Protobuf, v0_38::types::Header as PbHeader};

use crate::{
    Proof, State, Store, StoreError, TxLocation, proof,
    schema::{
        HeightRecord, Table, decode_before, decode_keys, decode_tx_key, decode_u64, history_key, meta, tx_key,
    },
    smt::{Hash, Lookup, Step, Tree, key_hash},
};

/// One change of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: StateKey,
    /// Its value before the block.
    pub before: Option<Vec<u8>>,
    /// Its value after the block.
    pub after: Option<Vec<u8>>,
}

/// What the store holds and takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// The newest height, `None` while the store is empty.
    pub height: Option<u64>,
    /// Keys of the state.
    pub keys: u64,
    /// The lowest height whose state can be read.
    pub history_floor: u64,
    /// The lowest height whose block body and receipts are kept.
    pub body_floor: u64,
    /// Memory of the tree, in bytes.
    pub tree_bytes: u64,
    /// Memory of writes that are not yet in sorted files, in bytes.
    pub write_buffer_bytes: u64,
    /// Memory of the block cache, in bytes.
    pub block_cache_bytes: u64,
    /// Sorted files on disk, in bytes.
    pub disk_bytes: u64,
}

impl Store {
    /// The chain's id; `None` while the store is empty.
    pub fn chain_id(&self) -> Result<Option<String>, StoreError> {
        let Some(bytes) = self.db().get(Table::Meta, meta::CHAIN_ID)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|e| StoreError::corrupt("the chain id", e))
    }

    /// The height of the first block; `None` while the store is empty.
    pub fn initial_height(&self) -> Result<Option<u64>, StoreError> {
        self.meta_u64(meta::INITIAL_HEIGHT)
    }

    pub(crate) fn record(&self, height: u64) -> Result<Option<HeightRecord>, StoreError> {
        self.decoded(Table::Heights, height, HeightRecord::decode)
    }

    /// A block's rows are written a moment before its state is shown: whoever found one of them in between would
    /// ask the state too soon. Nothing above the tip is therefore found.
    pub(crate) fn is_shown(&self, height: u64) -> bool {
        self.latest().is_some_and(|tip| height <= tip.height)
    }

    fn shown_record(&self, height: u64) -> Result<Option<HeightRecord>, StoreError> {
        if self.is_shown(height) { self.record(height) } else { Ok(None) }
    }

    /// The root of the state after the block at `height`.
    pub fn state_root(&self, height: u64) -> Result<Option<B256>, StoreError> {
        Ok(self.shown_record(height)?.map(|record| record.state_root))
    }

    /// The hash of the block at `height`; none at the genesis.
    pub fn block_hash(&self, height: u64) -> Result<Option<B256>, StoreError> {
        let record = self.shown_record(height)?;
        Ok(record.map(|record| record.block_hash).filter(|hash| *hash != B256::ZERO))
    }

    /// The block at `height`.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] where the body is no longer, or on a node that joined from a snapshot never
    /// was, kept; [`StoreError::Corrupt`] where its content does not match its header.
    pub fn block(&self, height: u64) -> Result<Option<Block>, StoreError> {
        let Some(bytes) = self.encoded_block(height)? else { return Ok(None) };
        Block::decode(&bytes).map(Some).map_err(|e| StoreError::corrupt(format!("block {height}"), e))
    }

    /// The same in the protobuf bytes in which it was decided. Whoever takes them checks them: they are only
    /// guarded by the database's checksum here.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] as for [`Self::block`].
    pub fn encoded_block(&self, height: u64) -> Result<Option<Vec<u8>>, StoreError> {
        if self.shown_record(height)?.is_none() {
            return Ok(None);
        }
        self.refuse_pruned_body(height)?;
        let Some(bytes) = self.at_height(Table::Blocks, height)? else {
            // Pruning may have come in between.
            self.refuse_pruned_body(height)?;
            return Ok(None);
        };
        Ok(Some(bytes))
    }

    /// The header of the block at `height`. Headers are never pruned.
    pub fn header(&self, height: u64) -> Result<Option<Header>, StoreError> {
        if !self.is_shown(height) {
            return Ok(None);
        }
        self.decoded(Table::Headers, height, |bytes| <Header as Protobuf<PbHeader>>::decode_vec(bytes).ok())
    }

    /// The height of the block with this hash.
    pub fn height_by_hash(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        let Some(bytes) = self.db().get(Table::Hashes, hash)? else { return Ok(None) };
        let height = decode_u64(&bytes)
            .ok_or_else(|| StoreError::corrupt(format!("block hash {hash}"), "malformed"))?;
        Ok(self.is_shown(height).then_some(height))
    }

    /// The block with this hash. Errors are those of [`Self::block`].
    pub fn block_by_hash(&self, hash: &B256) -> Result<Option<Block>, StoreError> {
        self.height_by_hash(hash)?.map_or(Ok(None), |height| self.block(height))
    }

    /// The receipts of the block at `height`, in order. Errors are those of [`Self::block`].
    pub fn receipts(&self, height: u64) -> Result<Option<Vec<Receipt>>, StoreError> {
        let Some(record) = self.shown_record(height)? else { return Ok(None) };
        self.refuse_pruned_body(height)?;
        let after = height.saturating_add(1).to_be_bytes();
        let rows = self.db().rows(Table::Receipts, &height.to_be_bytes(), Some(&after));
        let receipts: Vec<Receipt> =
            rows.map(|row| decode_receipt(height, &row?.1)).collect::<Result<_, StoreError>>()?;
        if receipts.len() as u64 != u64::from(record.txs) {
            // Pruning may have come in between.
            self.refuse_pruned_body(height)?;
            let reason = format!("{} stored, {} committed", receipts.len(), record.txs);
            return Err(StoreError::corrupt(format!("the receipts of block {height}"), reason));
        }
        Ok(Some(receipts))
    }

    /// The receipt of the transaction that stands at `at`.
    pub fn receipt(&self, at: TxLocation) -> Result<Option<Receipt>, StoreError> {
        if !self.is_shown(at.height) {
            return Ok(None);
        }
        let bytes = self.db().get(Table::Receipts, tx_key(at))?;
        bytes.map(|bytes| decode_receipt(at.height, &bytes)).transpose()
    }

    /// Where the transaction with this hash stands; `None` where it is in no kept block.
    pub fn tx(&self, hash: &B256) -> Result<Option<TxLocation>, StoreError> {
        let Some(bytes) = self.db().get(Table::Txs, hash)? else { return Ok(None) };
        let at = decode_tx_key(&bytes)
            .ok_or_else(|| StoreError::corrupt(format!("transaction {hash}"), "malformed"))?;
        Ok(self.is_shown(at.height).then_some(at))
    }

    /// The commit that this node saw for the block at `height`. Commits are never pruned.
    pub fn seen_commit(&self, height: u64) -> Result<Option<Vec<u8>>, StoreError> {
        if self.is_shown(height) { self.at_height(Table::Commits, height) } else { Ok(None) }
    }

    /// The newest validator set that was announced for `height` or a height before it. Sets are announced
    /// two heights ahead, so that up to two above the tip it is the one that decides `height`.
    pub fn validators(&self, height: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.db().last_at_or_before(Table::Validators, &height.to_be_bytes())?;
        Ok(row.map(|(_, encoded)| encoded.into_vec()))
    }

    /// What the block at `height` changed, in the order of keys.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] and [`StoreError::Future`] outside the kept history.
    pub fn changes(&self, height: u64) -> Result<Vec<Change>, StoreError> {
        let after = self.state_at(height)?;
        let keys = self.changed_keys(height)?;
        let change = |key: StateKey| {
            let before = self.before(&key, height)?;
            Ok(Change { before, after: after.get(&key)?, key })
        };
        keys.into_iter().map(change).collect()
    }

    /// The keys that the block at `height` changed.
    pub(crate) fn changed_keys(&self, height: u64) -> Result<Vec<StateKey>, StoreError> {
        let floor = self.history_floor();
        if height <= floor {
            return Err(StoreError::Pruned { what: "the changes", height, floor: floor.saturating_add(1) });
        }
        let keys = self.decoded(Table::Changes, height, decode_keys)?;
        keys.ok_or_else(|| StoreError::corrupt(format!("the changes of block {height}"), "missing"))
    }

    /// The value of a key that the block at `height` changed, before that block.
    pub(crate) fn before(&self, key: &StateKey, height: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes = self.db().get(Table::History, history_key(key, height))?;
        let what = || format!("the history of block {height}");
        decode_before(&bytes.ok_or_else(|| StoreError::corrupt(what(), "an entry is missing"))?)
    }

    /// Proves, at the tip, that `key` has a value, or that it has none.
    ///
    /// # Errors
    /// [`StoreError::NotInitialised`] while the store is empty.
    pub fn prove(&self, key: &StateKey) -> Result<Proof, StoreError> {
        let authenticated = self.authenticated();
        let tip = authenticated.tip.ok_or(StoreError::NotInitialised)?;
        let found = Found::look_up(&authenticated.tree, &key_hash(key.as_bytes()));
        // The state at this height stays readable without the lock on the tree. Not through `state_at`: the
        // tree is shown a moment before the new tip is.
        let state = State::pinned(self, tip.height);
        drop(authenticated);
        let prove_leaf = |leaf: &FoundLeaf| {
            let key = match &leaf.hash {
                None => key.clone(),
                Some(hash) => self.preimage(hash)?,
            };
            let missing = || StoreError::corrupt("the state", "a key of the tree has no value");
            Ok::<_, StoreError>((key.clone(), state.get(&key)?.ok_or_else(missing)?))
        };
        let (value, commitment) = match &found {
            Found::Present(leaf) => {
                let (key, value) = prove_leaf(leaf)?;
                let proof = proof::existence(key.as_bytes(), &value, &leaf.steps);
                (Some(value), proof::present(proof))
            }
            Found::Absent { left, right } => {
                let neighbour = |leaf: &Option<FoundLeaf>| {
                    let Some(leaf) = leaf else { return Ok(None) };
                    let (key, value) = prove_leaf(leaf)?;
                    Ok::<_, StoreError>(Some(proof::existence(key.as_bytes(), &value, &leaf.steps)))
                };
                (None, proof::absent(key.as_bytes(), neighbour(left)?, neighbour(right)?))
            }
        };
        Ok(Proof { height: tip.height, state_root: tip.state_root, key: key.clone(), value, commitment })
    }

    /// What the store holds and takes.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let sum = |name: &str| {
            let sizes = Table::ALL.iter().map(|table| self.db().property(*table, name));
            sizes.sum::<Result<u64, StoreError>>()
        };
        let (keys, tree_bytes) = {
            let authenticated = self.authenticated();
            (authenticated.tree.len() as u64, authenticated.tree.memory_bytes() as u64)
        };
        Ok(Stats {
            height: self.latest().map(|tip| tip.height),
            keys,
            history_floor: self.history_floor(),
            body_floor: self.body_floor(),
            tree_bytes,
            write_buffer_bytes: sum("rocksdb.cur-size-all-mem-tables")?,
            // One cache serves all tables.
            block_cache_bytes: self.db().property(Table::State, "rocksdb.block-cache-usage")?,
            disk_bytes: sum("rocksdb.total-sst-files-size")?,
        })
    }

    /// The lowest height whose block body and receipts are kept.
    pub fn body_floor(&self) -> u64 {
        self.inner.body_floor.load(std::sync::atomic::Ordering::SeqCst)
    }

    pub(crate) fn refuse_pruned_body(&self, height: u64) -> Result<(), StoreError> {
        let floor = self.body_floor();
        match height < floor && self.initial_height()?.is_some_and(|initial| height >= initial) {
            true => Err(StoreError::Pruned { what: "the block body", height, floor }),
            false => Ok(()),
        }
    }

    pub(crate) fn preimage(&self, hash: &Hash) -> Result<StateKey, StoreError> {
        let bytes = self.db().get(Table::Preimages, hash)?;
        let bytes =
            bytes.ok_or_else(|| StoreError::corrupt("the preimages", "a key of the tree is missing"))?;
        Ok(StateKey::from_stored(&bytes))
    }

    pub(crate) fn at_height(&self, table: Table, height: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.db().get(table, height.to_be_bytes())
    }

    pub(crate) fn decoded<T>(
        &self,
        table: Table,
        height: u64,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(bytes) = self.at_height(table, height)? else { return Ok(None) };
        let malformed = || StoreError::corrupt(format!("{} of height {height}", table.name()), "malformed");
        decode(&bytes).map(Some).ok_or_else(malformed)
    }
}

fn decode_receipt(height: u64, bytes: &[u8]) -> Result<Receipt, StoreError> {
    Receipt::decode(bytes).map_err(|e| StoreError::corrupt(format!("a receipt of block {height}"), e))
}

/// A leaf that a proof shows, with its path. The key that was asked for goes without its hash.
struct FoundLeaf {
    hash: Option<Hash>,
    steps: Vec<Step>,
}

enum Found {
    Present(FoundLeaf),
    Absent { left: Option<FoundLeaf>, right: Option<FoundLeaf> },
}

impl Found {
    fn look_up(tree: &Tree, hash: &Hash) -> Self {
        let neighbour = |hash: Hash| match tree.lookup(&hash) {
            Lookup::Present(steps) => Some(FoundLeaf { hash: Some(hash), steps }),
            Lookup::Absent { .. } => None,
        };
        match tree.lookup(hash) {
            Lookup::Present(steps) => Self::Present(FoundLeaf { hash: None, steps }),
            Lookup::Absent { left, right } => {
                Self::Absent { left: left.and_then(neighbour), right: right.and_then(neighbour) }
            }
        }
    }
}
