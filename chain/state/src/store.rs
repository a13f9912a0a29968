//! Opening a store, and what every handle of it shares.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use alloy_primitives::B256;
use concordat_types::StateKey;
use rayon::prelude::*;

use crate::{
    StoreError,
    checkpoint::{self, Checkpoints, Opening},
    db::{Batch, Db, Durability, Row},
    newest::Newest,
    schema::{HeightRecord, Table, decode_u64, meta},
    smt::{Growing, Tree, Update},
    values::ValueCache,
};

/// Rows hashed at a time while the tree is rebuilt: enough to keep every core busy, little to hold in memory.
const REBUILD_ROWS: usize = 16_384;

/// How much memory the store may use besides the tree, which takes about 70 bytes per key, and how safe it is.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Cache of disk blocks, indexes and filters, in bytes.
    pub block_cache_bytes: usize,
    /// Cache of values of the state that were read or written lately, in bytes.
    pub value_cache_bytes: usize,
    /// Writes held in memory before they go to sorted files, in bytes.
    pub write_buffer_bytes: usize,
    /// Files held open.
    pub max_open_files: i32,
    /// Whether a block is on disk when its commit returns. Without, the newest blocks are lost with the
    /// machine's power, which is for stores that can be made again.
    pub sync: bool,
    /// How many different changed keys and blocks may come between two files of the tree: what a start after a
    /// crash has to apply. A file costs a copy of the whole tree.
    pub tree_interval: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            block_cache_bytes: 48 << 20,
            value_cache_bytes: 12 << 20,
            write_buffer_bytes: 48 << 20,
            max_open_files: 512,
            sync: true,
            tree_interval: 256 << 10,
        }
    }
}

/// Where the store stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The newest committed height; one below the initial height after the genesis.
    pub height: u64,
    /// Its block's hash; zero after the genesis.
    pub block_hash: B256,
    /// The root of the state after it.
    pub state_root: B256,
    /// Its block's time, in milliseconds since 1970.
    pub time_ms: u64,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxLocation {
    /// The block's height.
    pub height: u64,
    /// The transaction's place in the block, from 0.
    pub index: u32,
}

/// A handle of an open store; clones share it.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// The tree and the tip whose state it holds; they change together.
#[derive(Default)]
pub(crate) struct Authenticated {
    pub(crate) tree: Tree,
    pub(crate) tip: Option<Tip>,
}

/// What the one who writes must know.
#[derive(Default)]
struct Writing {
    /// The reason why nothing may be written any more.
    poison: Option<String>,
    /// The write before, while it is on its way to the disk.
    under_way: Option<JoinHandle<Result<(), StoreError>>>,
}

pub(crate) struct Inner {
    pub(crate) db: Arc<Db>,
    authenticated: Arc<RwLock<Authenticated>>,
    pub(crate) values: ValueCache,
    checkpoints: Checkpoints,
    opening: Opening,
    tip: RwLock<Option<Tip>>,
    /// Held for as long as a block is written.
    writer: Mutex<Writing>,
    /// The greatest height whose write has begun. Readers of older heights consult the history from then on.
    pub(crate) writing: AtomicU64,
    /// What that block changes.
    pub(crate) newest: Newest,
    pub(crate) history_floor: AtomicU64,
    pub(crate) body_floor: AtomicU64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("tip", &self.latest()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in the directory `path`, making an empty one where there is nothing.
    ///
    /// Reads the tree from its file, applies what was committed since, and compares its root with the one
    /// that the newest block committed. Where that does not work out, the tree is made from the whole state.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while somebody else has it open, [`StoreError::NewerSchema`] where a newer
    /// program wrote it, [`StoreError::RootMismatch`] and [`StoreError::Corrupt`] where it is damaged.
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let db = Db::open(path, options)?;
        abandon_unfinished_import(&db)?;
        let tip = stored_tip(&db)?;
        let (tree, opening) = open_tree(&db, path, tip)?;
        let floor = |key| Ok::<_, StoreError>(AtomicU64::new(meta_u64(&db, key)?.unwrap_or_default()));
        let inner = Inner {
            writing: AtomicU64::new(tip.map_or(0, |tip| tip.height)),
            newest: Newest::default(),
            history_floor: floor(meta::HISTORY_FLOOR)?,
            body_floor: floor(meta::BODY_FLOOR)?,
            authenticated: Arc::new(RwLock::new(Authenticated { tree, tip })),
            values: ValueCache::new(options.value_cache_bytes),
            checkpoints: Checkpoints::new(path, options.tree_interval, &opening),
            opening,
            tip: RwLock::new(tip),
            writer: Mutex::default(),
            db: Arc::new(db),
        };
        tracing::info!(height = tip.map(|tip| tip.height), path = %path.display(), ?opening, "store opened");
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where the store stands; `None` while it is empty.
    pub fn latest(&self) -> Option<Tip> {
        *self.inner.tip.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What opening it took.
    pub fn opening(&self) -> Opening {
        self.inner.opening
    }

    pub(crate) fn tip(&self) -> Result<Tip, StoreError> {
        self.latest().ok_or(StoreError::NotInitialised)
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }

    // A thread that panics while it holds one of these locks leaves what they guard consistent: staged
    // nodes are invisible, and everything else is a single assignment. Poisoned locks are therefore used on.

    pub(crate) fn authenticated(&self) -> RwLockReadGuard<'_, Authenticated> {
        self.inner.authenticated.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn authenticated_mut(&self) -> RwLockWriteGuard<'_, Authenticated> {
        self.inner.authenticated.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a block towards the next file of the tree.
    pub(crate) fn count_changes<'k>(&self, keys: impl Iterator<Item = &'k StateKey>) {
        self.inner.checkpoints.committed(keys, &self.inner.authenticated);
    }

    /// Begins a file of the tree after all of it came at once.
    pub(crate) fn whole_state_changed(&self) {
        self.inner.checkpoints.imported(&self.inner.authenticated);
    }

    /// The right to write, which one thread has at a time.
    pub(crate) fn writer(&self) -> Result<Writer<'_>, StoreError> {
        let writing = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match &writing.poison {
            Some(reason) => Err(StoreError::Poisoned { reason: reason.clone() }),
            None => Ok(Writer { store: self, writing }),
        }
    }

    /// Shows a new tip to readers.
    pub(crate) fn show_tip(&self, tip: Tip) {
        *self.inner.tip.write().unwrap_or_else(PoisonError::into_inner) = Some(tip);
    }

    pub(crate) fn meta_u64(&self, key: &[u8]) -> Result<Option<u64>, StoreError> {
        meta_u64(self.db(), key)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let writing = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writing.arrive() {
            tracing::error!(%error, "the last block may not be on disk");
        }
        self.checkpoints.close(&self.authenticated);
    }
}

impl Writing {
    /// Waits until the write before is on disk.
    fn arrive(&mut self) -> Result<(), StoreError> {
        let Some(under_way) = self.under_way.take() else { return Ok(()) };
        under_way.join().unwrap_or_else(|_| {
            Err(StoreError::Database {
                doing: "sync".into(),
                reason: "the thread that does it panicked".into(),
            })
        })
    }

    fn poisoned_by(&mut self, error: &StoreError) {
        tracing::error!(%error, "a write failed; the store takes no more");
        self.poison = Some(error.to_string());
    }
}

/// The right to write. After a failed write nobody gets it any more: what reached the disk is unknown until
/// the store is opened again.
pub(crate) struct Writer<'a> {
    store: &'a Store,
    writing: MutexGuard<'a, Writing>,
}

impl Writer<'_> {
    pub(crate) fn write(&mut self, batch: Batch<'_>, durability: Durability) -> Result<(), StoreError> {
        // At most one write is under way: the database's log has no gap wherever the machine stops.
        let arrived = self.writing.arrive();
        let written = arrived.and_then(|()| self.store.db().write(batch, durability));
        written.inspect_err(|error| self.writing.poisoned_by(error))
    }

    /// Writes a batch that reaches the disk before the next one is written.
    pub(crate) fn write_under_way(&mut self, batch: Batch<'_>) -> Result<(), StoreError> {
        self.write(batch, Durability::Buffered)?;
        let db = Arc::clone(&self.store.inner.db);
        match std::thread::Builder::new().name("sync".into()).spawn(move || db.sync()) {
            Ok(under_way) => {
                self.writing.under_way = Some(under_way);
                Ok(())
            }
            Err(_) => self.store.db().sync().inspect_err(|error| self.writing.poisoned_by(error)),
        }
    }

    /// Says that the state of `height` is about to be written, and what its keys held `before`, in their order.
    pub(crate) fn announce(&self, height: u64, before: Vec<(StateKey, Option<Vec<u8>>)>) {
        // In this order: whoever sees that the block is being written finds what it changes.
        self.store.inner.newest.begins(height, before);
        self.store.inner.writing.store(height, Ordering::SeqCst);
    }
}

fn meta_u64(db: &Db, key: &[u8]) -> Result<Option<u64>, StoreError> {
    let Some(bytes) = db.get(Table::Meta, key)? else { return Ok(None) };
    let number = decode_u64(&bytes);
    number.map(Some).ok_or_else(|| StoreError::corrupt(String::from_utf8_lossy(key), "not a number"))
}

fn stored_tip(db: &Db) -> Result<Option<Tip>, StoreError> {
    let Some(height) = meta_u64(db, meta::TIP)? else { return Ok(None) };
    let record = db
        .get(Table::Heights, height.to_be_bytes())?
        .and_then(|bytes| HeightRecord::decode(&bytes))
        .ok_or_else(|| StoreError::corrupt(format!("height {height}"), "the newest height has no record"))?;
    Ok(Some(record.tip(height)))
}

impl HeightRecord {
    pub(crate) const fn tip(&self, height: u64) -> Tip {
        Tip { height, block_hash: self.block_hash, state_root: self.state_root, time_ms: self.time_ms }
    }
}

/// The tree over everything that is stored as state.
pub(crate) fn rebuild(db: &Db) -> Result<Tree, StoreError> {
    let mut growing = Growing::default();
    let mut rows = db.rows(Table::State, &[], None);
    loop {
        let chunk: Vec<Row> = rows.by_ref().take(REBUILD_ROWS).collect::<Result<_, _>>()?;
        if chunk.is_empty() {
            break;
        }
        growing.add(chunk.par_iter().map(|(key, value)| Update::new(key, Some(value))).collect());
    }
    Ok(growing.finish())
}

fn open_tree(db: &Db, path: &Path, tip: Option<Tip>) -> Result<(Tree, Opening), StoreError> {
    if let Some(tip) = &tip
        && let Some(restored) = checkpoint::restore(db, path, tip)?
    {
        return Ok(restored);
    }
    let tree = rebuild(db)?;
    check_root(&tree, tip)?;
    Ok((tree, Opening::default()))
}

fn check_root(tree: &Tree, tip: Option<Tip>) -> Result<(), StoreError> {
    let computed = B256::from(tree.root());
    match tip {
        Some(Tip { height, state_root: expected, .. }) if expected != computed => {
            Err(StoreError::RootMismatch { height, expected, computed })
        }
        None if !tree.is_empty() => Err(StoreError::corrupt("the state", "there is state but no height")),
        _ => Ok(()),
    }
}

/// A snapshot import that was cut off leaves part of a state: the store goes back to empty.
pub(crate) fn abandon_unfinished_import(db: &Db) -> Result<(), StoreError> {
    if db.get(Table::Meta, meta::IMPORTING)?.is_none() {
        return Ok(());
    }
    tracing::warn!("a snapshot import was cut off; the store is empty again");
    let mut batch = db.batch();
    for table in [Table::State, Table::Preimages] {
        // No state key and no hash is as long or as high as this.
        batch.delete_range(table, &[], &[0xff; crate::schema::MAX_KEY_BYTES + 1]);
    }
    batch.delete(Table::Meta, meta::IMPORTING);
    db.write(batch, Durability::Synced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Chain;

    #[test]
    fn block_that_did_not_reach_the_disk_closes_the_store_to_writes() {
        let chain = Chain::new();
        let full = || StoreError::DiskFull { doing: "sync".into(), reason: "No space left".into() };
        let mut writer = chain.store.writer().unwrap();
        writer.writing.under_way = Some(std::thread::spawn(move || Err(full())));
        let refused = writer.write(chain.store.db().batch(), Durability::Synced);
        assert!(matches!(refused, Err(StoreError::DiskFull { .. })), "{refused:?}");
        drop(writer);
        assert!(matches!(chain.store.writer().err(), Some(StoreError::Poisoned { .. })));
        assert_eq!(chain.store.latest().map(|tip| tip.height), Some(0), "it is still read");
    }
}
