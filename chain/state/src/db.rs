//! The database underneath: RocksDB, behind the few operations that the store needs.
//!
//! Architecture invariant: nothing outside this module names a RocksDB type.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB,
    DBCompressionType, DBRecoveryMode, DataBlockIndexType, Direction, Env, IteratorMode, LogLevel,
    LruCacheOptions, Options, ReadOptions, SliceTransform, WriteBatch, WriteOptions,
};

use crate::{
    StoreError, StoreOptions,
    schema::{SCHEMA, Table, history_prefix},
};

/// The file that marks a directory as a store, names its schema and carries the lock.
const STAMP_FILE: &str = "concordat-store";
const STAMP_TEXT: &str = "concordat state store, schema ";
const STAMP_BYTES_MAX: u64 = 256;

/// Log files of past blocks are deleted once their total exceeds this: it bounds the replay at start-up.
const WAL_BYTES_MAX: u64 = 128 << 20;

/// Size of the blocks in which the state is stored.
const STATE_BLOCK_BYTES: usize = 2 << 10;

/// An owned key and value.
pub(crate) type Row = (Box<[u8]>, Box<[u8]>);

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// When the operating system has it: survives the end of the process, not of the machine.
    Buffered,
    /// When the disk has it.
    Synced,
}

/// An open database and its lock.
pub(crate) struct Db {
    rocks: DB,
    sync: bool,
    cached: ReadOptions,
    uncached: ReadOptions,
    // Held for as long as the database is open: closing the file releases the lock.
    _stamp: File,
}

/// Writes that happen together or not at all.
pub(crate) struct Batch<'a> {
    // Looked up once: a block has tens of thousands of writes.
    tables: Vec<&'a ColumnFamily>,
    rows: WriteBatch,
}

impl Batch<'_> {
    pub(crate) fn put(&mut self, table: Table, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        if let Some(family) = self.tables.get(table as usize) {
            self.rows.put_cf(family, key, value);
        }
    }

    pub(crate) fn delete(&mut self, table: Table, key: impl AsRef<[u8]>) {
        if let Some(family) = self.tables.get(table as usize) {
            self.rows.delete_cf(family, key);
        }
    }

    /// Deletes `from` up to, but without, `to`.
    pub(crate) fn delete_range(&mut self, table: Table, from: &[u8], to: &[u8]) {
        if let Some(family) = self.tables.get(table as usize) {
            self.rows.delete_range_cf(family, from, to);
        }
    }

    /// Bytes gathered so far.
    pub(crate) fn size(&self) -> usize {
        self.rows.size_in_bytes()
    }
}

impl Db {
    /// Opens or creates the database in `path`.
    pub(crate) fn open(path: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let stamp = claim(path)?;
        let cache = block_cache(options);
        let families = Table::ALL
            .iter()
            .map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(*table, &cache, options)));
        let rocks = DB::open_cf_descriptors(&database_options(options), path.join("rocksdb"), families)
            .map_err(|e| failed("open the store", e))?;
        let mut uncached = ReadOptions::default();
        uncached.fill_cache(false);
        Ok(Self { rocks, sync: options.sync, cached: ReadOptions::default(), uncached, _stamp: stamp })
    }

    /// Opens the database of another process for reading: nothing of it is locked or written. RocksDB keeps its log in
    /// `own`. What the other one deletes stays readable, since all files are held open.
    pub(crate) fn follow(path: &Path, own: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let stamp_path = path.join(STAMP_FILE);
        let file_error = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::File { doing, path, source }
        };
        fs::create_dir_all(own).map_err(file_error("create", own))?;
        let stamp = File::open(&stamp_path).map_err(file_error("open", &stamp_path))?;
        let mut text = String::new();
        (&stamp).take(STAMP_BYTES_MAX).read_to_string(&mut text).map_err(file_error("read", &stamp_path))?;
        check_stamp(path, &text)?;
        let cache = block_cache(options);
        let families = Table::ALL
            .iter()
            .map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(*table, &cache, options)));
        let mut database = database_options(options);
        database.create_if_missing(false);
        database.create_missing_column_families(false);
        database.set_max_open_files(-1);
        // By default sixteen threads are started for each new file. On a busy machine, waiting for them to get a core
        // takes longer than all else.
        database.set_max_file_opening_threads(1);
        // RocksDB has it for who writes alone.
        database.set_track_and_verify_wals_in_manifest(false);
        let rocks =
            DB::open_cf_descriptors_as_secondary(&database, &path.join("rocksdb"), &own.to_owned(), families)
                .map_err(|e| failed("open the store", e))?;
        let mut uncached = ReadOptions::default();
        uncached.fill_cache(false);
        Ok(Self { rocks, sync: false, cached: ReadOptions::default(), uncached, _stamp: stamp })
    }

    /// Takes in what the process that writes has written since.
    pub(crate) fn catch_up(&self) -> Result<(), StoreError> {
        self.rocks.try_catch_up_with_primary().map_err(|e| failed("catch up with the node", e))
    }

    pub(crate) fn get(&self, table: Table, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, StoreError> {
        let (family, reading) = (self.family(table), self.reading(table));
        self.rocks.get_cf_opt(family, key, reading).map_err(|e| failed(&format!("read {}", table.name()), e))
    }

    /// The state's values have a cache of their own, and whole blocks would push other tables' out of theirs.
    const fn reading(&self, table: Table) -> &ReadOptions {
        match table {
            Table::State => &self.uncached,
            _ => &self.cached,
        }
    }

    /// The values under `keys`, which are sorted.
    pub(crate) fn get_sorted<'k, K: AsRef<[u8]> + 'k>(
        &self,
        table: Table,
        keys: impl IntoIterator<Item = &'k K>,
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let sorted = true;
        self.rocks
            .batched_multi_get_cf_opt(self.family(table), keys, sorted, self.reading(table))
            .into_iter()
            .map(|value| match value {
                Ok(value) => Ok(value.map(|value| value.to_vec())),
                Err(e) => Err(failed(&format!("read {}", table.name()), e)),
            })
            .collect()
    }

    /// The rows from `from` up to, but without, `to`, in order, as they stood when this was called.
    pub(crate) fn rows(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + use<'_> {
        let mut reading = ReadOptions::default();
        reading.set_total_order_seek(true);
        // Scans would push the working set of execution out of the cache.
        reading.fill_cache(false);
        if let Some(to) = to {
            reading.set_iterate_upper_bound(to);
        }
        let mode = IteratorMode::From(from, Direction::Forward);
        self.rocks
            .iterator_cf_opt(self.family(table), reading, mode)
            .map(move |row| row.map_err(|e| failed(&format!("scan {}", table.name()), e)))
    }

    /// The first row of the history that is at or after `from` and has the same prefix.
    pub(crate) fn first_of_history(&self, from: &[u8]) -> Result<Option<Row>, StoreError> {
        let mut reading = ReadOptions::default();
        reading.set_prefix_same_as_start(true);
        let mode = IteratorMode::From(from, Direction::Forward);
        let mut rows = self.rocks.iterator_cf_opt(self.family(Table::History), reading, mode);
        let row = rows.next().transpose().map_err(|e| failed("read history", e))?;
        Ok(row.filter(|(key, _)| history_prefix(key) == history_prefix(from)))
    }

    /// The last row at or before `key`.
    pub(crate) fn last_at_or_before(&self, table: Table, key: &[u8]) -> Result<Option<Row>, StoreError> {
        let mut reading = ReadOptions::default();
        reading.set_total_order_seek(true);
        let mode = IteratorMode::From(key, Direction::Reverse);
        let mut rows = self.rocks.iterator_cf_opt(self.family(table), reading, mode);
        rows.next().transpose().map_err(|e| failed(&format!("read {}", table.name()), e))
    }

    /// An empty batch.
    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch {
            tables: Table::ALL.iter().map(|table| self.family(*table)).collect(),
            rows: WriteBatch::default(),
        }
    }

    /// Writes a batch, whole or not at all.
    pub(crate) fn write(&self, batch: Batch<'_>, durability: Durability) -> Result<(), StoreError> {
        let mut writing = WriteOptions::default();
        writing.set_sync(self.sync && durability == Durability::Synced);
        self.rocks.write_opt(batch.rows, &writing).map_err(|e| failed("write", e))
    }

    /// Brings to the disk what was written buffered.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        if self.sync { self.rocks.flush_wal(true).map_err(|e| failed("sync", e)) } else { Ok(()) }
    }

    /// A size that the database keeps account of, summed over the tables, or of one table.
    pub(crate) fn property(&self, table: Table, name: &str) -> Result<u64, StoreError> {
        let value = self.rocks.property_int_value_cf(self.family(table), name);
        Ok(value.map_err(|e| failed("read its statistics", e))?.unwrap_or_default())
    }

    fn family(&self, table: Table) -> &ColumnFamily {
        self.rocks.cf_handle(table.name()).expect("every table is opened with the database")
    }
}

/// Takes the directory's lock and checks, or writes, its stamp.
fn claim(path: &Path) -> Result<File, StoreError> {
    let file_error = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::File { doing, path, source }
    };
    fs::create_dir_all(path).map_err(file_error("create", path))?;
    let stamp_path = path.join(STAMP_FILE);
    if !stamp_path.exists() {
        refuse_foreign(path)?;
    }
    let mut stamp = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&stamp_path)
        .map_err(file_error("open", &stamp_path))?;
    stamp.try_lock().map_err(|e| match e {
        TryLockError::WouldBlock => StoreError::Locked { path: path.to_owned() },
        TryLockError::Error(source) => StoreError::File { doing: "lock", path: stamp_path.clone(), source },
    })?;
    let mut text = String::new();
    (&stamp).take(STAMP_BYTES_MAX).read_to_string(&mut text).map_err(file_error("read", &stamp_path))?;
    // An empty stamp is that of a creation which was cut off before anything else was written.
    if text.is_empty() {
        stamp
            .write_all(format!("{STAMP_TEXT}{SCHEMA}\n").as_bytes())
            .and_then(|()| stamp.sync_all())
            .map_err(file_error("write", &stamp_path))?;
    } else {
        check_stamp(path, &text)?;
    }
    Ok(stamp)
}

fn check_stamp(path: &Path, text: &str) -> Result<(), StoreError> {
    let not_a_store = |reason: String| StoreError::NotAStore { path: path.to_owned(), reason };
    let found = text
        .strip_prefix(STAMP_TEXT)
        .and_then(|number| number.trim_end().parse::<u32>().ok())
        .ok_or_else(|| not_a_store(format!("its file {STAMP_FILE} says something else")))?;
    match found {
        SCHEMA => Ok(()),
        newer if newer > SCHEMA => {
            Err(StoreError::NewerSchema { path: path.to_owned(), found, supported: SCHEMA })
        }
        _ => Err(not_a_store(format!("schema {found} never existed"))),
    }
}

fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    let mut entries = fs::read_dir(path).map_err(|source| StoreError::File {
        doing: "list",
        path: path.to_owned(),
        source,
    })?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(StoreError::NotAStore {
            path: PathBuf::from(path),
            reason: format!("it is not empty and has no file {STAMP_FILE}"),
        }),
    }
}

fn database_options(options: &StoreOptions) -> Options {
    let mut db = Options::default();
    db.create_if_missing(true);
    db.create_missing_column_families(true);
    db.set_max_open_files(options.max_open_files);
    db.set_db_write_buffer_size(options.write_buffer_bytes);
    db.set_max_total_wal_size(WAL_BYTES_MAX);
    // A torn end of the log is a write that was never acknowledged. Damage before the end is not: it must
    // stop the start, where the default mode would silently drop acknowledged blocks.
    db.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    db.set_track_and_verify_wals_in_manifest(true);
    db.set_paranoid_checks(true);
    db.set_max_background_jobs(2);
    // Compaction can wait, blocks cannot. It only gets behind on a machine that never rests; then writes are slowed
    // down until it has caught up. Without an environment to say it to, all is merely less even.
    if let Ok(mut env) = Env::new() {
        env.lower_thread_pool_cpu_priority();
        db.set_env(&env);
    }
    db.set_stats_dump_period_sec(0);
    db.set_keep_log_file_num(2);
    db.set_log_level(LogLevel::Warn);
    db
}

fn table_options(table: Table, cache: &Cache, options: &StoreOptions) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    if table != Table::State {
        keep_indexes_in_cache(&mut blocks);
    }
    let mut family = Options::default();
    family.set_compression_type(DBCompressionType::Lz4);
    family.set_write_buffer_size(own_share(options.write_buffer_bytes / 4).max(1 << 20));
    match table {
        // Read at random: small blocks, which a read copies and checks whole, no compression, and indexes that
        // stay in memory, which take a twentieth of what the tree takes.
        Table::State => {
            blocks.set_bloom_filter(10.0, false);
            blocks.set_block_size(STATE_BLOCK_BYTES);
            blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
            family.set_compression_type(DBCompressionType::None);
            family.set_memtable_whole_key_filtering(true);
            family.set_memtable_prefix_bloom_ratio(0.05);
            // The tree knows what is absent: what is asked for is there, at the lowest level mostly.
            family.set_optimize_filters_for_hits(true);
        }
        Table::Preimages | Table::Txs | Table::Hashes => blocks.set_bloom_filter(10.0, false),
        Table::History => {
            blocks.set_bloom_filter(10.0, false);
            blocks.set_whole_key_filtering(false);
            family.set_prefix_extractor(SliceTransform::create("key without height", history_prefix, None));
        }
        _ => {}
    }
    family.set_block_based_table_factory(&blocks);
    family
}

/// Three to five fifths of the size, at random. All validators write the same: with equal buffers all of them would
/// write them out, and compact, at the same moment. Apart, the others' quorum hides the one that is busy.
fn own_share(bytes: usize) -> usize {
    let random = RandomState::new().build_hasher().finish();
    let percent = 60 + usize::try_from(random % 41).unwrap_or(0);
    bytes / 100 * percent
}

/// Indexes and filters live in the bounded cache too, so that memory does not grow with the chain; cut into
/// pieces, so that one read brings in a page of them and not the megabytes of a whole file.
fn keep_indexes_in_cache(blocks: &mut BlockBasedOptions) {
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_pin_top_level_index_and_filter(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
}

/// Few shards: by default each would be too small to hold what one large file needs.
fn block_cache(options: &StoreOptions) -> Cache {
    let mut lru = LruCacheOptions::default();
    lru.set_capacity(options.block_cache_bytes);
    lru.set_num_shard_bits(3);
    Cache::new_lru_cache_opts(&lru)
}

fn failed(doing: &str, error: rocksdb::Error) -> StoreError {
    let (full, doing, reason) = (is_disk_full(error.as_ref()), doing.to_owned(), error.to_string());
    match error.kind() {
        rocksdb::ErrorKind::Corruption => StoreError::corrupt(doing, reason),
        _ if full => StoreError::DiskFull { doing, reason }.counted(),
        _ => StoreError::Database { doing, reason }.counted(),
    }
}

/// RocksDB's C interface gives no code for this, only its own or the system's words.
fn is_disk_full(said: &str) -> bool {
    ["No space left", "no space", "Disk quota exceeded"].iter().any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rocksdb::SstFileWriter;

    use super::*;

    /// What RocksDB says when it writes a table file to this path.
    fn written(path: &Path) -> rocksdb::Error {
        let options = Options::default();
        let mut table = SstFileWriter::create(&options);
        let done = table.open(path).and_then(|()| table.put(b"key", b"value")).and_then(|()| table.finish());
        done.expect_err("nothing can be written there")
    }

    #[test]
    fn a_write_that_finds_no_room_is_a_full_disk_and_counted_as_one() {
        let folder = tempfile::tempdir().unwrap();
        // The device that answers every write as a full disk does. RocksDB removes what it could not write: the link.
        let table = folder.path().join("table.sst");
        symlink("/dev/full", &table).unwrap();
        let count = || crate::faults().find(|(kind, _)| *kind == "disk_full").unwrap().1;
        let before = count();
        let error = failed("write", written(&table));
        assert!(
            matches!(&error, StoreError::DiskFull { doing, reason } if doing == "write" && reason.contains("table.sst")),
            "{error}"
        );
        assert!(error.to_string().contains("free space there and start the node again"), "{error}");
        assert!(count() > before);
    }

    #[test]
    fn what_the_system_says_of_a_full_disk_and_a_full_quota_is_known() {
        const ENOSPC: i32 = 28;
        const EDQUOT: i32 = 122;
        const EIO: i32 = 5;
        for (code, full) in [(ENOSPC, true), (EDQUOT, true), (EIO, false)] {
            let said = std::io::Error::from_raw_os_error(code).to_string();
            assert_eq!(
                is_disk_full(&format!("IO error: While appending to file: x.sst: {said}")),
                full,
                "{said}"
            );
        }
    }

    #[test]
    fn other_failures_of_the_disk_and_damage_are_not_taken_for_a_full_disk() {
        let folder = tempfile::tempdir().unwrap();
        let error = failed("write", written(&folder.path().join("missing/table.sst")));
        assert!(matches!(error, StoreError::Database { .. }), "{error}");
        // A database whose list of files is garbage.
        let database = folder.path().join("database");
        fs::create_dir(&database).unwrap();
        fs::write(database.join("CURRENT"), b"no space").unwrap();
        let error = failed("open the store", DB::open_default(&database).unwrap_err());
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}
