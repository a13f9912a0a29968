//! Directories that are no stores, stores in use, stores with flipped bits and torn logs.

use std::{fs, path::PathBuf};

use super::*;
use crate::{CheckLevel, db::Durability, schema::Table};

/// The files of the database with this extension, in the order of their numbers.
fn files(chain_directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(chain_directory.join("rocksdb")).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

fn sample(blocks: u32) -> (TempDir, Vec<BTreeMap<StateKey, Vec<u8>>>) {
    let chain = Chain::new();
    let mut dumps = vec![dump(&chain.store)];
    for n in 0..blocks {
        let (name, value) = (format!("key {}", n % 3), format!("value {n}"));
        let log = Log::new_unchecked(Address::repeat_byte(1), vec![], Bytes::new());
        chain.commit_with_logs(&changes(&[(&name, Some(&value))]), vec![vec![log]]);
        dumps.push(dump(&chain.store));
    }
    (chain.directory, dumps)
}

#[test]
fn a_store_in_use_is_not_opened_twice() {
    let chain = Chain::new();
    assert!(matches!(open(chain.directory.path()), Err(StoreError::Locked { .. })));
    let clone = chain.store.clone();
    drop(chain.store);
    assert!(matches!(open(chain.directory.path()), Err(StoreError::Locked { .. })));
    drop(clone);
    open(chain.directory.path()).unwrap();
}

#[test]
fn a_newer_schema_is_refused_and_says_to_upgrade() {
    let (directory, _) = sample(1);
    fs::write(directory.path().join("concordat-store"), "concordat state store, schema 7\n").unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 7, supported: 1, .. }));
    assert!(error.to_string().contains("upgrade the program"));
}

#[test]
fn directories_of_others_are_refused() {
    let foreign = TempDir::new().unwrap();
    fs::write(foreign.path().join("letter.txt"), "dear colleague").unwrap();
    assert!(matches!(open(foreign.path()), Err(StoreError::NotAStore { .. })));

    for stamp in ["something else", "concordat state store, schema x", "concordat state store, schema 0"] {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("concordat-store"), stamp).unwrap();
        assert!(matches!(open(directory.path()), Err(StoreError::NotAStore { .. })), "{stamp}");
    }
    let occupied = TempDir::new().unwrap();
    fs::write(occupied.path().join("file"), "").unwrap();
    assert!(matches!(open(&occupied.path().join("file")), Err(StoreError::File { .. })));
}

fn forge(store: &Store) {
    let mut forged = store.db().batch();
    forged.put(Table::State, "balance", "1000000");
    store.db().write(forged, Durability::Synced).unwrap();
}

#[test]
fn state_that_does_not_hash_to_the_committed_root_is_found_by_the_check() {
    let chain = Chain::new();
    chain.commit(&[("balance", Some("10"))]);
    forge(&chain.store);
    assert!(matches!(chain.store.check(CheckLevel::Quick), Err(StoreError::RootMismatch { height: 1, .. })));
    let chain = chain.reopen().unwrap();
    let error = chain.store.check(CheckLevel::Quick).unwrap_err();
    assert!(matches!(error, StoreError::RootMismatch { height: 1, .. }), "{error}");
}

#[test]
fn state_that_does_not_hash_to_the_committed_root_stops_the_start_where_the_tree_is_made_from_it() {
    let chain = Chain::new();
    chain.commit(&[("balance", Some("10"))]);
    forge(&chain.store);
    let Chain { directory, store } = chain;
    drop(store);
    fs::remove_file(directory.path().join("tree")).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::RootMismatch { height: 1, .. }), "{error}");
    assert!(error.to_string().contains("restore it from a snapshot"));
}

#[test]
fn damage_that_is_met_is_counted() {
    let corrupt = || crate::faults().find(|(kind, _)| *kind == "corrupt").unwrap().1;
    let chain = Chain::new();
    chain.commit(&[("a", Some("1"))]);
    let before = corrupt();
    chain.store.block(1).unwrap();
    let mut batch = chain.store.db().batch();
    batch.put(Table::Blocks, 1u64.to_be_bytes(), b"no block");
    chain.store.db().write(batch, Durability::Synced).unwrap();
    let error = chain.store.block(1).unwrap_err();
    assert_eq!(error.kind(), "corrupt", "{error}");
    assert!(corrupt() > before);
}

#[test]
fn forged_records_are_found_by_the_full_check() {
    let one = 1u64.to_be_bytes();
    let forgeries: [(Table, &[u8], &[u8]); 7] = [
        (Table::Receipts, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1], b"one too many"),
        (Table::Blocks, &one, b"no block"),
        (Table::Headers, &one, b"no header"),
        (Table::LogFilters, &one, b"\x00"),
        (Table::Changes, &one, b"\x00\x09short"),
        (Table::History, b"\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x01", b"\x01was never so"),
        (Table::Preimages, &[7; 32], b"not the key of this hash"),
    ];
    for (table, key, value) in forgeries {
        let chain = Chain::new();
        chain.commit(&[("a", Some("1"))]);
        let mut batch = chain.store.db().batch();
        batch.put(table, key, value);
        chain.store.db().write(batch, Durability::Synced).unwrap();
        chain.store.check(CheckLevel::Quick).unwrap();
        let error = chain.store.check(CheckLevel::Full).unwrap_err();
        assert!(
            matches!(error, StoreError::Corrupt { .. } | StoreError::RootMismatch { .. }),
            "{table:?}: {error}"
        );
    }
}

#[test]
fn a_flipped_bit_in_any_sorted_file_is_found_at_the_start_or_by_the_check() {
    let (directory, _) = sample(20);
    // The log goes into sorted files when the store is opened again.
    drop(open(directory.path()).unwrap());
    let tables = files(directory.path(), "sst");
    assert!(tables.len() >= 10, "only {} files", tables.len());
    for path in tables {
        let intact = fs::read(&path).unwrap();
        for at in [0, intact.len() / 3, intact.len() / 2, intact.len() - 60] {
            let mut flipped = intact.clone();
            flipped[at] ^= 0x10;
            fs::write(&path, &flipped).unwrap();
            let verdict = open(directory.path()).and_then(|store| store.check(CheckLevel::Full));
            let error = verdict.map(|_| format!("{} byte {at} passed", path.display())).unwrap_err();
            let message = error.to_string();
            assert!(matches!(error, StoreError::Corrupt { .. } | StoreError::Database { .. }), "{message}");
        }
        fs::write(&path, &intact).unwrap();
    }
    open(directory.path()).unwrap().check(CheckLevel::Full).unwrap();
}

#[test]
fn a_flipped_bit_inside_the_log_stops_the_start_instead_of_losing_blocks() {
    let (directory, _) = sample(20);
    let log = files(directory.path(), "log").pop().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&log, bytes).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn a_torn_log_leaves_whole_blocks_only() {
    let (directory, dumps) = sample(12);
    let log = files(directory.path(), "log").pop().unwrap();
    let intact = fs::read(&log).unwrap();
    let mut heights = std::collections::BTreeSet::new();
    // A copy each time: opening moves what the log holds into sorted files.
    for cut in (0..intact.len()).step_by(intact.len() / 60) {
        let copy = TempDir::new().unwrap();
        copy_directory(directory.path(), copy.path());
        let torn = copy.path().join("rocksdb").join(log.file_name().unwrap());
        fs::write(&torn, &intact[..intact.len() - cut]).unwrap();
        let store = open(copy.path()).unwrap();
        let Some(tip) = store.latest() else { continue };
        assert_eq!(dump(&store), dumps[usize::try_from(tip.height).unwrap()]);
        store.check(CheckLevel::Full).unwrap();
        heights.insert(tip.height);
    }
    assert!(heights.len() > 8, "the cuts fell at {heights:?} only");
}
