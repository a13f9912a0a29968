//! A chain whose blocks hold what a test plants in them, and the database that it is projected into.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Log, LogData, Signature, TxKind, U256, keccak256};
use alloy_sol_types::{SolEvent as _, sol};
use concordat_sql::{Database, Options, Source, SqlError, run};
use concordat_state::{CommitBatch, GenesisBatch, OnDisk, Store, StoreOptions};
use concordat_tests::postgres::Postgres;
use concordat_types::{
    Block, ChainParams, ChangeSet, Receipt, StateKey, Validator, ValidatorSet,
    block::{HeaderContext, data_hash, empty_hash},
    receipt::Outcome,
};
use tempfile::TempDir;
use tendermint::{
    Hash, Time,
    block::{Id, parts},
};

const CHAIN: &str = "concordat-test";

/// The token that is paid with.
pub const TOKEN: Address = Address::repeat_byte(0xee);

sol! {
    event Transfer(address indexed from, address indexed to, uint256 value);
}

/// What a test plants: a transaction's sender, and the events that it raises.
pub struct Planted {
    pub sender: Address,
    pub logs: Vec<Log>,
}

pub fn person(n: u8) -> Address {
    Address::repeat_byte(n)
}

/// A payment, by who pays.
pub fn pays(from: u8, to: u8, amount: u64) -> Planted {
    let data = Transfer { from: person(from), to: person(to), value: U256::from(amount) };
    raises(from, TOKEN, data.encode_log_data())
}

/// An event of a contract that somebody has called.
pub fn raises(sender: u8, address: Address, data: LogData) -> Planted {
    Planted { sender: person(sender), logs: vec![Log { address, data }] }
}

pub struct Chain {
    folder: TempDir,
    pub store: Store,
    validators: ValidatorSet,
}

impl Chain {
    pub fn new() -> Self {
        Self::beginning_at(1)
    }

    /// A chain whose first block has this height.
    pub fn beginning_at(initial_height: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("ledger"), &StoreOptions::default()).unwrap();
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let public_key = hex::decode(key).unwrap().try_into().unwrap();
        let validator = Validator { org: "bank-a".parse().unwrap(), public_key, power: 10 };
        let validators = ValidatorSet::new(vec![validator]).unwrap();
        let genesis = GenesisBatch {
            chain_id: CHAIN,
            initial_height,
            time_ms: 1_700_000_000_000,
            changes: &genesis(),
            validators: &[],
        };
        store.init_genesis(&genesis).unwrap();
        Self { folder, store, validators }
    }

    /// Commits blocks up to a height with what is planted in them.
    pub fn commit_all(
        &self,
        to: u64,
        mut planted: BTreeMap<u64, Vec<Planted>>,
        mut changes: BTreeMap<u64, ChangeSet>,
    ) {
        for height in 1..=to {
            let planted = planted.remove(&height).unwrap_or_default();
            self.commit(planted, &changes.remove(&height).unwrap_or_default());
        }
        assert!(planted.is_empty() && changes.is_empty());
    }

    /// Commits the next block.
    pub fn commit(&self, planted: Vec<Planted>, changes: &ChangeSet) {
        let tip = self.store.latest().unwrap();
        let height = tip.height + 1;
        let txs: Vec<Bytes> = (0..planted.len()).map(|n| transaction(height, n)).collect();
        let receipts: Vec<Receipt> =
            planted.into_iter().zip(&txs).map(|(planted, tx)| receipt(planted, tx)).collect();
        let parent = (tip.block_hash != B256::ZERO).then(|| {
            let hash = Hash::Sha256(tip.block_hash.0);
            Id { hash, part_set_header: parts::Header::new(1, hash).unwrap() }
        });
        let context = HeaderContext {
            chain_id: CHAIN,
            height,
            last_block_id: parent,
            validators: &self.validators,
            next_validators: &self.validators,
            params: &ChainParams::default(),
            app_hash: tip.state_root,
            last_results_hash: empty_hash(),
        };
        let time = Time::from_unix_timestamp(1_700_000_000 + i64::try_from(height).unwrap(), 0).unwrap();
        let proposer = self.validators.validators()[0].address();
        let header = context.header(time, proposer, data_hash(&txs), None).unwrap();
        let block = Block { header, txs, last_commit: None };
        let batch = CommitBatch {
            block: &block,
            block_hash: block.hash(),
            receipts: &receipts,
            changes,
            seen_commit: b"",
            validators: &[],
            notes: &[],
            history: None,
            on_disk: OnDisk::Soon,
        };
        self.store.commit(&batch).unwrap();
    }

    /// The chain as whoever projects it reads it, and the folder that this needs.
    pub fn source(&self) -> (Source, TempDir) {
        let own = tempfile::tempdir().unwrap();
        (Source::with_state(self.folder.path(), own.path(), CHAIN, genesis()).unwrap(), own)
    }

    /// Writes to a database until it has everything.
    pub async fn project(&self, database: &Database) -> Result<(), SqlError> {
        self.follow(database, true, &AtomicBool::new(false)).await
    }

    /// Writes to a database until `stop` is set.
    pub async fn follow(
        &self,
        database: &Database,
        until_tip: bool,
        stop: &AtomicBool,
    ) -> Result<(), SqlError> {
        let (mut source, _own) = self.source();
        run(database, &mut source, Options { until_tip }, stop, &mut |_| ()).await
    }
}

fn genesis() -> ChangeSet {
    ChangeSet::from([(payload_key(0), Some(b"genesis".to_vec())), (StateKey::account(TOKEN), Some(vec![1]))])
}

/// A row that needs no record: the payload of a proposal.
pub fn payload_key(id: u64) -> StateKey {
    StateKey::system(0x23, &id.to_be_bytes())
}

/// Nobody looks at its signature any more.
fn transaction(height: u64, n: usize) -> Bytes {
    let nonce = height * 1000 + u64::try_from(n).unwrap();
    let tx =
        TxEip1559 { chain_id: 1, nonce, gas_limit: 60_000, to: TxKind::Call(TOKEN), ..TxEip1559::default() };
    TxEnvelope::from(tx.into_signed(Signature::test_signature())).encoded_2718().into()
}

fn receipt(planted: Planted, tx: &Bytes) -> Receipt {
    Receipt {
        tx_hash: keccak256(tx),
        tx_type: 2,
        sender: planted.sender,
        outcome: Outcome::Success,
        gas_limit: 60_000,
        gas_used: 30_000,
        contract_address: None,
        logs: planted.logs,
        output: Bytes::new(),
    }
}

pub fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Says in the database who somebody is, as the projection of a registry's rows would.
pub fn enrolled(postgres: &Postgres, n: u8, organisation: &str, name: &str) {
    let account = format!("'\\x{}'", hex::encode(person(n)));
    let authority = if organisation == "bank-a" { 1 } else { 2 };
    postgres.sql(&format!(
        "INSERT INTO ledger.authorities (height, place, removed, authority, organisation, issuer, path)
             VALUES (0, {authority}, false, {authority}, '{organisation}', '\\x00', '[]') ON CONFLICT DO NOTHING;
         INSERT INTO ledger.account_standings
             (height, place, removed, account, status, role, rebound, not_after, authority, serial)
             VALUES (0, {n}, false, {account}, 'active', 'operator', false, 0, {authority}, '\\x00');
         INSERT INTO ledger.account_details
             (height, place, removed, account, common_name, fingerprint, not_before, enrolled_height)
             VALUES (0, {n}, false, {account}, '{name}', '\\x00', 0, 0)"
    ));
}
