//! Committing: everything that a block brings about, in one atomic and durable write.

use alloy_primitives::{B256, hex};
use concordat_types::{Block, ChangeSet, Receipt, StateKey, activity::BlockHistory, block::to_b256};
use tendermint::block::Header;
use tendermint_proto::{Protobuf, v0_38::types::Header as PbHeader};

use crate::{
    Store, StoreError, Tip, TxLocation,
    db::{Batch, Durability},
    logs,
    schema::{
        HeightRecord, MAX_KEY_BYTES, Table, encode_before, encode_keys, history_key, log_address_key, meta,
        tx_key,
    },
    smt::{INLINE_BYTES, Staged, Update, Value},
    store::Writer,
};

/// A validator set and the height from which it decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorsFrom {
    /// The first height that it decides.
    pub height: u64,
    /// The set's canonical bytes.
    pub encoded: Vec<u8>,
}

/// What an empty store starts from.
#[derive(Clone, Copy, Debug)]
pub struct GenesisBatch<'a> {
    /// The chain's id.
    pub chain_id: &'a str,
    /// The height of the first block, at least 1. The genesis itself stands one below.
    pub initial_height: u64,
    /// The genesis time, in milliseconds since 1970.
    pub time_ms: u64,
    /// The whole initial state.
    pub changes: &'a ChangeSet,
    /// The sets of the first heights.
    pub validators: &'a [ValidatorsFrom],
}

/// A decided and executed block.
#[derive(Clone, Copy, Debug)]
pub struct CommitBatch<'a> {
    /// The block.
    pub block: &'a Block,
    /// Its hash, as it was decided.
    pub block_hash: B256,
    /// One for each transaction.
    pub receipts: &'a [Receipt],
    /// What execution changed.
    pub changes: &'a ChangeSet,
    /// The commit that decided it, opaque to the store.
    pub seen_commit: &'a [u8],
    /// Sets that this block announces; a set equal to the one in force costs nothing.
    pub validators: &'a [ValidatorsFrom],
    /// Notes of the node to write, or with `None` to delete, together with the block.
    pub notes: &'a [(&'a str, Option<Vec<u8>>)],
    /// What it adds to the history of blocks, if it has transactions.
    pub history: Option<&'a BlockHistory>,
    /// When it must be on disk.
    pub on_disk: OnDisk,
}

/// When a block that is committed is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisk {
    /// When the commit returns.
    Now,
    /// Before the next block is written, so that the disk works while the next one executes: for blocks that
    /// can be had again.
    Soon,
}

/// What was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The height.
    pub height: u64,
    /// The root of the state after it: the `app_hash` of the next header.
    pub state_root: B256,
}

/// What changes of the state.
struct Change<'a> {
    /// In the order of keys.
    diffs: Vec<Diff<'a>>,
    staged: Staged,
}

/// A change that really changes something.
struct Diff<'a> {
    key: &'a StateKey,
    before: Option<Vec<u8>>,
    after: Option<&'a [u8]>,
}

impl Store {
    /// Starts the chain in an empty store.
    ///
    /// # Errors
    /// [`StoreError::AlreadyInitialised`] where it is not empty.
    pub fn init_genesis(&self, genesis: &GenesisBatch<'_>) -> Result<Committed, StoreError> {
        let mut writer = self.writer()?;
        if let Some(tip) = self.latest() {
            return Err(StoreError::AlreadyInitialised { height: tip.height });
        }
        let height = genesis.initial_height.checked_sub(1).ok_or(StoreError::Unfit {
            height: 0,
            field: "initial_height",
            have: "0".into(),
            want: "at least 1".into(),
        })?;
        let change = self.change(genesis.changes)?;
        let mut batch = self.db().batch();
        batch.put(Table::Meta, meta::CHAIN_ID, genesis.chain_id);
        batch.put(Table::Meta, meta::INITIAL_HEIGHT, genesis.initial_height.to_be_bytes());
        put_floors(&mut batch, height, genesis.initial_height);
        self.put_validators(&mut batch, genesis.validators)?;
        let record =
            HeightRecord { block_hash: B256::ZERO, state_root: B256::ZERO, time_ms: genesis.time_ms, txs: 0 };
        self.show_floors(height, genesis.initial_height);
        let tip = self.commit_state(&mut writer, batch, height, record, change, OnDisk::Now)?;
        Ok(Committed { height, state_root: tip.state_root })
    }

    /// Commits the next block. When this returns, the block is on disk, or will be `Soon`; when it fails, nothing
    /// of it is visible and the store takes no more writes until it is opened again.
    ///
    /// Undecided blocks of this height and below are dropped with it.
    ///
    /// # Errors
    /// [`StoreError::WrongHeight`], [`StoreError::Unfit`], [`StoreError::EmptyValue`] and
    /// [`StoreError::KeyLength`] refuse the block and leave the store in order;
    /// [`StoreError::Database`] poisons it.
    pub fn commit(&self, batch: &CommitBatch<'_>) -> Result<Committed, StoreError> {
        let mut writer = self.writer()?;
        let tip = self.tip()?;
        check_fit(batch, &tip)?;
        let height = batch.block.height();
        let change = self.change(batch.changes)?;
        let mut rows = self.db().batch();
        put_history(&mut rows, height, &change.diffs);
        put_block(&mut rows, batch);
        put_receipts(&mut rows, height, batch.receipts);
        if let Some(history) = batch.history {
            rows.put(Table::Activity, height.to_be_bytes(), history.activity.encode());
            history.nodes.iter().for_each(|(at, node)| rows.put(Table::Mountains, at.key(), node));
        }
        self.put_validators(&mut rows, batch.validators)?;
        self.drop_undecided(&mut rows, height)?;
        for (name, value) in batch.notes {
            match value {
                Some(value) => rows.put(Table::Notes, name, value),
                None => rows.delete(Table::Notes, name),
            }
        }
        let record = HeightRecord {
            block_hash: batch.block_hash,
            state_root: B256::ZERO,
            time_ms: time_ms(&batch.block.header)?,
            txs: tx_count(batch.block)?,
        };
        let tip = self.commit_state(&mut writer, rows, height, record, change, batch.on_disk)?;
        Ok(Committed { height, state_root: tip.state_root })
    }

    /// Adds the state, its root and the new tip to `rows`, writes them, and shows them once they are on disk.
    fn commit_state(
        &self,
        writer: &mut Writer<'_>,
        mut rows: Batch<'_>,
        height: u64,
        mut record: HeightRecord,
        change: Change<'_>,
        on_disk: OnDisk,
    ) -> Result<Tip, StoreError> {
        let Change { mut diffs, staged } = change;
        put_state(&mut rows, &diffs);
        record.state_root = staged.root().into();
        rows.put(Table::Heights, height.to_be_bytes(), record.encode());
        rows.put(Table::Meta, meta::TIP, height.to_be_bytes());
        let before = diffs.iter_mut().map(|diff| (diff.key.clone(), diff.before.take()));
        // Nobody reads what was before the genesis.
        writer.announce(height, self.latest().map_or_else(Vec::new, |_| before.collect()));
        // The lock on the tree is free meanwhile: nobody waits for the disk.
        match on_disk {
            OnDisk::Now => writer.write(rows, Durability::Synced)?,
            OnDisk::Soon => writer.write_under_way(rows)?,
        }
        self.remember_changes(&diffs);
        let tip = record.tip(height);
        let mut authenticated = self.authenticated_mut();
        authenticated.tree.publish(staged);
        authenticated.tip = Some(tip);
        drop(authenticated);
        self.show_tip(tip);
        self.count_changes(diffs.iter().map(|diff| diff.key));
        Ok(tip)
    }

    /// Shows readers of the height that is now written what it changed.
    fn remember_changes(&self, diffs: &[Diff<'_>]) {
        match self.latest() {
            Some(_) => {
                let long = |value: &&[u8]| value.len() > INLINE_BYTES;
                diffs.iter().for_each(|diff| self.inner.values.replace(diff.key, diff.after.filter(long)));
            }
            // Nobody asks for most of a genesis at once.
            None => self.inner.values.clear(),
        }
    }

    /// What of `changes` differs from the stored state, and the tree after it.
    fn change<'a>(&self, changes: &'a ChangeSet) -> Result<Change<'a>, StoreError> {
        changes.iter().try_for_each(|(key, value)| check_entry(key, value.as_deref()))?;
        let update =
            |(key, after): (&StateKey, &Option<Vec<u8>>)| Update::new(key.as_bytes(), after.as_deref());
        let updates: Vec<Update> = changes.iter().map(update).collect();
        let mut staged = self.authenticated().tree.stage(&updates);
        let befores = self.befores(changes, staged.take_before())?;
        let diffs = changes
            .iter()
            .zip(befores)
            .map(|((key, after), before)| Diff { key, before, after: after.as_deref() })
            .filter(|diff| diff.before.as_deref() != diff.after);
        Ok(Change { diffs: diffs.collect(), staged })
    }

    /// The current values of the changed keys, in their order, of which the tree knows the short ones.
    /// Execution has read most of the others just before.
    fn befores(&self, changes: &ChangeSet, in_tree: Vec<Value>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let known: Vec<_> =
            changes.keys().zip(in_tree).map(|(key, in_tree)| self.or_cached(key, in_tree)).collect();
        let unknown = changes.keys().zip(&known).filter(|(_, known)| known.is_none()).map(|(key, _)| key);
        let mut read = self.db().get_sorted(Table::State, unknown)?.into_iter();
        let befores = known.into_iter().map(|known| known.or_else(|| read.next()).unwrap_or_default());
        Ok(befores.collect())
    }

    fn put_validators(&self, batch: &mut Batch<'_>, sets: &[ValidatorsFrom]) -> Result<(), StoreError> {
        for (at, set) in sets.iter().enumerate() {
            // The set in force before it may come with the same batch.
            let with_it = sets.get(..at).and_then(|earlier| earlier.last()).map(|set| set.encoded.clone());
            let in_force = match with_it {
                Some(encoded) => Some(encoded),
                None => self.validators(set.height)?,
            };
            if in_force.as_ref() != Some(&set.encoded) {
                batch.put(Table::Validators, set.height.to_be_bytes(), &set.encoded);
            }
        }
        Ok(())
    }
}

/// A key and value that the tree can hold and ICS 23 can prove.
pub(crate) fn check_entry(key: &StateKey, value: Option<&[u8]>) -> Result<(), StoreError> {
    let bytes = key.as_bytes().len();
    if !(1..=MAX_KEY_BYTES).contains(&bytes) {
        return Err(StoreError::KeyLength { bytes, limit: MAX_KEY_BYTES });
    }
    match value {
        Some([]) => Err(StoreError::EmptyValue { key: hex::encode(key) }),
        _ => Ok(()),
    }
}

fn check_fit(batch: &CommitBatch<'_>, tip: &Tip) -> Result<(), StoreError> {
    let height = batch.block.height();
    let expected = tip.height.saturating_add(1);
    if height != expected {
        return Err(StoreError::WrongHeight { height, expected });
    }
    let header = &batch.block.header;
    let parent = header.last_block_id.map_or(B256::ZERO, |id| to_b256(id.hash));
    let app_hash = hex::encode_prefixed(header.app_hash.as_bytes());
    let facts = [
        ("hash", batch.block.hash().to_string(), batch.block_hash.to_string()),
        ("parent hash", parent.to_string(), tip.block_hash.to_string()),
        ("app_hash", app_hash, tip.state_root.to_string()),
        ("number of receipts", batch.receipts.len().to_string(), batch.block.txs.len().to_string()),
    ];
    match facts.into_iter().find(|(_, have, want)| have != want) {
        Some((field, have, want)) => Err(StoreError::Unfit { height, field, have, want }),
        None => Ok(()),
    }
}

fn put_state(batch: &mut Batch<'_>, diffs: &[Diff<'_>]) {
    for Diff { key, before, after } in diffs {
        match after {
            Some(value) => batch.put(Table::State, key, value),
            None => batch.delete(Table::State, key),
        }
        if before.is_none() {
            batch.put(Table::Preimages, crate::smt::key_hash(key.as_bytes()), key);
        }
    }
}

fn put_history(batch: &mut Batch<'_>, height: u64, diffs: &[Diff<'_>]) {
    for diff in diffs {
        batch.put(Table::History, history_key(diff.key, height), encode_before(diff.before.as_deref()));
    }
    batch.put(Table::Changes, height.to_be_bytes(), encode_keys(diffs.iter().map(|diff| diff.key)));
}

fn put_block(batch: &mut Batch<'_>, commit: &CommitBatch<'_>) {
    let height = commit.block.height().to_be_bytes();
    batch.put(Table::Headers, height, Protobuf::<PbHeader>::encode_vec(commit.block.header.clone()));
    batch.put(Table::Blocks, height, commit.block.encode());
    batch.put(Table::Commits, height, commit.seen_commit);
    batch.put(Table::Hashes, commit.block_hash, height);
}

fn put_receipts(batch: &mut Batch<'_>, height: u64, receipts: &[Receipt]) {
    let mut by_hash = Vec::with_capacity(receipts.len());
    for (index, receipt) in (0u32..).zip(receipts) {
        let at = tx_key(TxLocation { height, index });
        batch.put(Table::Receipts, &at, receipt.encode());
        by_hash.push((&receipt.tx_hash, at));
    }
    // In order, each is looked for from where the last one went, and not from the top of a hundred thousand.
    by_hash.sort_unstable();
    for (hash, at) in by_hash {
        batch.put(Table::Txs, hash, at);
    }
    if let Some(filter) = logs::block_filter(receipts) {
        batch.put(Table::LogFilters, height.to_be_bytes(), filter);
    }
    for address in logs::addresses(receipts) {
        batch.put(Table::LogAddresses, log_address_key(&address, height), []);
    }
}

pub(crate) fn put_floors(batch: &mut Batch<'_>, history: u64, bodies: u64) {
    batch.put(Table::Meta, meta::HISTORY_FLOOR, history.to_be_bytes());
    batch.put(Table::Meta, meta::BODY_FLOOR, bodies.to_be_bytes());
}

fn tx_count(block: &Block) -> Result<u32, StoreError> {
    u32::try_from(block.txs.len()).map_err(|_| StoreError::Unfit {
        height: block.height(),
        field: "number of transactions",
        have: block.txs.len().to_string(),
        want: format!("at most {}", u32::MAX),
    })
}

/// A header's time, in milliseconds since 1970.
pub(crate) fn time_ms(header: &Header) -> Result<u64, StoreError> {
    let milliseconds = header.time.unix_timestamp_nanos().div_euclid(1_000_000);
    u64::try_from(milliseconds).map_err(|_| StoreError::Unfit {
        height: header.height.value(),
        field: "time",
        have: header.time.to_string(),
        want: "after 1970".into(),
    })
}
