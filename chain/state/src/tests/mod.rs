//! Tests of the store as a whole, on a small chain of real blocks.

mod blocks;
mod checkpoint;
mod crash;
mod damage;
mod follow;
mod history;
mod logs;
mod past;
mod prune;

use std::{collections::BTreeMap, path::Path, sync::OnceLock};

use alloy_primitives::{Address, B256, Bytes, Log, keccak256};
use concordat_types::{
    Block, ChainParams, ChangeSet, Receipt, StateKey, StateReader as _, Validator, ValidatorSet,
    block::{HeaderContext, data_hash, empty_hash},
    receipt::Outcome,
};
use tempfile::TempDir;
use tendermint::{
    Hash, Time,
    block::{Id, parts},
};

use crate::{
    CommitBatch, Committed, GenesisBatch, OnDisk, Store, StoreError, StoreOptions, Tip, ValidatorsFrom,
};

pub(crate) const CHAIN_ID: &str = "concordat-test";
pub(crate) const GENESIS_TIME_MS: u64 = 1_700_000_000_000;

/// Small enough that buffers and caches turn over in tests.
pub(crate) fn options() -> StoreOptions {
    StoreOptions {
        block_cache_bytes: 4 << 20,
        write_buffer_bytes: 4 << 20,
        max_open_files: 64,
        ..StoreOptions::default()
    }
}

pub(crate) fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, &options())
}

/// A set of one validator; its key is that of RFC 8032, section 7.1, test 1.
pub(crate) fn validators() -> &'static ValidatorSet {
    static SET: OnceLock<ValidatorSet> = OnceLock::new();
    SET.get_or_init(|| {
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let public_key = alloy_primitives::hex::decode_to_array(key).unwrap();
        ValidatorSet::new(vec![Validator { org: "bank-a".parse().unwrap(), public_key, power: 10 }]).unwrap()
    })
}

pub(crate) fn key(text: &str) -> StateKey {
    StateKey::from_stored(text.as_bytes())
}

pub(crate) fn changes(entries: &[(&str, Option<&str>)]) -> ChangeSet {
    entries.iter().map(|(name, value)| (key(name), value.map(|value| value.as_bytes().to_vec()))).collect()
}

pub(crate) fn init(store: &Store) -> Committed {
    let sets = [ValidatorsFrom { height: 1, encoded: validators().encode() }];
    let genesis = GenesisBatch {
        chain_id: CHAIN_ID,
        initial_height: 1,
        time_ms: GENESIS_TIME_MS,
        changes: &changes(&[("genesis", Some("state"))]),
        validators: &sets,
    };
    store.init_genesis(&genesis).unwrap()
}

/// The next block on `tip`, one second after it.
pub(crate) fn block_on(tip: &Tip, txs: Vec<Bytes>) -> Block {
    let params = ChainParams::default();
    let parent = (tip.block_hash != B256::ZERO).then(|| {
        let hash = Hash::Sha256(tip.block_hash.0);
        Id { hash, part_set_header: parts::Header::new(1, hash).unwrap() }
    });
    let context = HeaderContext {
        chain_id: CHAIN_ID,
        height: tip.height + 1,
        last_block_id: parent,
        validators: validators(),
        next_validators: validators(),
        params: &params,
        app_hash: tip.state_root,
        last_results_hash: empty_hash(),
    };
    let seconds = i64::try_from(tip.time_ms / 1000 + 1).unwrap();
    let time = Time::from_unix_timestamp(seconds, 0).unwrap();
    let proposer = validators().validators()[0].address();
    let header = context.header(time, proposer, data_hash(&txs), None).unwrap();
    Block { header, txs, last_commit: None }
}

/// A receipt for the transaction with these bytes.
pub(crate) fn receipt(tx: &[u8], logs: Vec<Log>) -> Receipt {
    Receipt {
        tx_hash: keccak256(tx),
        tx_type: 2,
        sender: Address::repeat_byte(1),
        outcome: Outcome::Success,
        gas_limit: 60_000,
        gas_used: 30_000,
        contract_address: None,
        logs,
        output: Bytes::new(),
    }
}

/// A store in a directory of its own, with a genesis.
pub(crate) struct Chain {
    pub(crate) directory: TempDir,
    pub(crate) store: Store,
}

impl Chain {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let store = open(directory.path()).unwrap();
        init(&store);
        Self { directory, store }
    }

    pub(crate) fn tip(&self) -> Tip {
        self.store.latest().unwrap()
    }

    /// Commits a block with these changes and one transaction for each list of logs.
    pub(crate) fn commit_with_logs(&self, changes: &ChangeSet, logs: Vec<Vec<Log>>) -> Block {
        let tip = self.tip();
        let tx = |n: usize| Bytes::from(format!("transaction {n} of height {}", tip.height + 1).into_bytes());
        let txs: Vec<Bytes> = (0..logs.len()).map(tx).collect();
        let receipts: Vec<Receipt> = txs.iter().zip(logs).map(|(tx, logs)| receipt(tx, logs)).collect();
        let block = block_on(&tip, txs);
        commit(&self.store, &block, &receipts, changes).unwrap();
        block
    }

    pub(crate) fn commit(&self, entries: &[(&str, Option<&str>)]) -> Block {
        self.commit_with_logs(&changes(entries), vec![vec![]])
    }

    /// Closes and opens the store.
    pub(crate) fn reopen(self) -> Result<Self, StoreError> {
        let Self { directory, store } = self;
        drop(store);
        Ok(Self { store: open(directory.path())?, directory })
    }
}

pub(crate) fn commit(
    store: &Store,
    block: &Block,
    receipts: &[Receipt],
    changes: &ChangeSet,
) -> Result<Committed, StoreError> {
    commit_on(OnDisk::Now, store, block, receipts, changes)
}

pub(crate) fn commit_on(
    on_disk: OnDisk,
    store: &Store,
    block: &Block,
    receipts: &[Receipt],
    changes: &ChangeSet,
) -> Result<Committed, StoreError> {
    store.commit(&CommitBatch {
        block,
        block_hash: block.hash(),
        receipts,
        changes,
        seen_commit: format!("commit of {}", block.height()).as_bytes(),
        validators: &[],
        notes: &[],
        history: None,
        on_disk,
    })
}

/// The whole state at the tip, read row by row.
pub(crate) fn dump(store: &Store) -> BTreeMap<StateKey, Vec<u8>> {
    store.state().unwrap().scan(&[], usize::MAX).unwrap().into_iter().collect()
}

pub(crate) fn get(store: &Store, height: u64, name: &str) -> Option<String> {
    let value = store.state_at(height).unwrap().get(&key(name)).unwrap();
    value.map(|value| String::from_utf8(value).unwrap())
}

/// What is on disk now: what a start finds if the process, or the machine, ends here.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_directory(&entry.path(), &target),
            false => {
                // A file that was being made has just got its name.
                if let Err(error) = std::fs::copy(entry.path(), target) {
                    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
                }
            }
        }
    }
}
