//! What reads, commits, a start and a search of logs take in a store of a given size.
//!
//! `cargo run --release -p concordat-state --example store_bench -- DIRECTORY [ACCOUNTS] [BLOCKS] [FULL_BLOCKS]`
//! fills an empty directory with 1,000,000 accounts, 100,000 small blocks and 60 full ones unless told otherwise. An account
//! has four keys, as enrolment and a token leave them. In a directory that it filled before it goes on.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::{error::Error, path::Path, time::Instant};

use alloy_primitives::{Address, B256, Bytes, Log, keccak256};
use concordat_state::{
    CheckLevel, CommitBatch, GenesisBatch, LogFilter, OnDisk, Store, StoreOptions, Tip, ValidatorsFrom,
};
use concordat_types::{
    Block, ChainParams, ChangeSet, Receipt, StateKey, StateReader as _, Validator, ValidatorSet,
    block::{HeaderContext, data_hash, empty_hash},
    receipt::Outcome,
};
use tendermint::{
    Hash, Time,
    block::{Id, parts},
};

/// Transfers of the blocks whose commits are timed: each writes a nonce, two balances and one log.
const FULL_BLOCK: u64 = 1_000;

/// Keys of an account.
const ACCOUNT_KEYS: u64 = 4;

const READS: u64 = 400_000;

type Outcomes<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcomes<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("name an empty directory for the store")?;
    let accounts: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let blocks: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let full_blocks: u64 = arguments.next().map_or(Ok(60), |text| text.parse())?;
    let path = Path::new(&directory);
    let options = StoreOptions { sync: false, ..StoreOptions::default() };
    let validators = validators()?;

    let store = Store::open(path, &options)?;
    if store.latest().is_none() {
        fill(&store, accounts, &validators)?;
    }
    timed("small blocks", blocks, || (0..blocks).try_for_each(|_| commit(&store, 1, accounts, &validators)))?;
    timed("transfers in full blocks", full_blocks * FULL_BLOCK, || {
        (0..full_blocks).try_for_each(|_| commit(&store, FULL_BLOCK, accounts, &validators))
    })?;
    let mut random = Random(1);
    for (kind, what) in
        ["registry entries", "certificates", "nonces", "balances", "absent keys"].iter().enumerate()
    {
        let state = store.state()?;
        timed(&format!("reads of {what}"), READS / ACCOUNT_KEYS, || {
            (0..READS / ACCOUNT_KEYS).try_for_each(|_| {
                std::hint::black_box(state.get(&key(random.below(accounts), kind))?);
                Ok(())
            })
        })?;
    }
    let rare = LogFilter {
        from: 1,
        to: u64::MAX,
        addresses: vec![],
        topics: vec![vec![], vec![keccak256("rare")]],
        cap: 10_000,
        cap_bytes: usize::MAX,
    };
    timed("searches of all logs for a rare topic", 1, || Ok(store.logs(&rare)?))?;
    println!("{:?}", store.stats()?);
    timed("closings", 1, || {
        drop(store);
        Ok(())
    })?;
    let store = timed("starts", 1, || Ok(Store::open(path, &options)?))?;
    println!("{:?}", store.opening());
    println!("resident memory: {} MB", resident_megabytes()?);
    timed("quick checks", 1, || Ok(store.check(CheckLevel::Quick)?))?;
    Ok(())
}

fn timed<T>(what: &str, count: u64, act: impl FnOnce() -> Outcomes<T>) -> Outcomes<T> {
    let (started, processor) = (Instant::now(), processor_seconds()?);
    let result = act()?;
    let (elapsed, processor) = (started.elapsed(), processor_seconds()? - processor);
    let each = |seconds: f64| seconds * 1e6 / count as f64;
    println!(
        "{count} {what}: {elapsed:.2?}; {:.2} µs each, {:.2} µs of processor time",
        each(elapsed.as_secs_f64()),
        each(processor)
    );
    Ok(result)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn key(account: u64, kind: usize) -> StateKey {
    let hash = keccak256(account.to_be_bytes());
    let address = Address::from_word(hash);
    match kind {
        0 => StateKey::system(3, address.as_slice()),
        1 => StateKey::system(4, hash.as_slice()),
        2 => StateKey::account(address),
        3 => StateKey::storage(Address::repeat_byte(7), keccak256(address)),
        _ => StateKey::system(5, keccak256(hash).as_slice()),
    }
}

fn fill(store: &Store, accounts: u64, validators: &ValidatorSet) -> Outcomes<()> {
    // As long as the values of real accounts; hashes, so that compression finds what it finds there.
    let entry = |n: u64| {
        (0..8u64)
            .flat_map(|part| keccak256([n.to_be_bytes(), part.to_be_bytes()].concat()).0)
            .collect::<Vec<u8>>()
    };
    let values = |n: u64| {
        [entry(n), keccak256(n.to_be_bytes()).0[..20].to_vec(), vec![0, 0, 0, 0, 0, 0, 0, 1], vec![9; 4]]
    };
    let keys = accounts * ACCOUNT_KEYS;
    let changes: ChangeSet = (0..accounts)
        .flat_map(|n| values(n).into_iter().enumerate().map(move |(kind, value)| (key(n, kind), Some(value))))
        .collect();
    let sets = [ValidatorsFrom { height: 1, encoded: validators.encode() }];
    let genesis = GenesisBatch {
        chain_id: "bench",
        initial_height: 1,
        time_ms: 1_700_000_000_000,
        changes: &changes,
        validators: &sets,
    };
    timed("keys of the genesis", keys, || Ok(store.init_genesis(&genesis)?))?;
    Ok(())
}

fn validators() -> Outcomes<ValidatorSet> {
    // The public key of RFC 8032, section 7.1, test 1.
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let public_key = alloy_primitives::hex::decode_to_array(key)?;
    Ok(ValidatorSet::new(vec![Validator { org: "bank-a".parse()?, public_key, power: 10 }])?)
}

fn commit(store: &Store, txs: u64, accounts: u64, validators: &ValidatorSet) -> Outcomes<()> {
    let tip = store.latest().ok_or("the store is empty")?;
    let tx = |n: u64| Bytes::from([&tip.height.to_be_bytes()[..], &n.to_be_bytes(), &[0; 180]].concat());
    let txs: Vec<Bytes> = (0..txs).map(tx).collect();
    let block = block_on(&tip, txs, validators)?;
    let receipts: Vec<Receipt> = block.txs.iter().map(|tx| receipt(tx)).collect();
    let mut random = Random(tip.height);
    let value = || Some((tip.height + 1).to_le_bytes().to_vec());
    let transfer = |_| {
        let (from, to) = (random.below(accounts), random.below(accounts));
        [key(from, 2), key(from, 3), key(to, 3)]
    };
    let changes: ChangeSet = (0..block.txs.len()).flat_map(transfer).map(|key| (key, value())).collect();
    // Execution reads before it writes.
    let state = store.state()?;
    changes.keys().try_for_each(|key| state.get(key).map(|_| ()))?;
    store.commit(&CommitBatch {
        block: &block,
        block_hash: block.hash(),
        receipts: &receipts,
        changes: &changes,
        seen_commit: &[0; 400],
        validators: &[],
        notes: &[],
        history: None,
        on_disk: OnDisk::Now,
    })?;
    Ok(())
}

fn block_on(tip: &Tip, txs: Vec<Bytes>, validators: &ValidatorSet) -> Outcomes<Block> {
    let hash = Hash::Sha256(tip.block_hash.0);
    let id = Id { hash, part_set_header: parts::Header::new(1, hash)? };
    let context = HeaderContext {
        chain_id: "bench",
        height: tip.height + 1,
        last_block_id: (tip.block_hash != B256::ZERO).then_some(id),
        validators,
        next_validators: validators,
        params: &ChainParams::default(),
        app_hash: tip.state_root,
        last_results_hash: empty_hash(),
    };
    let time = Time::from_unix_timestamp(i64::try_from(tip.time_ms / 1000)? + 1, 0)?;
    let proposer = validators.validators().first().ok_or("no validator")?.address();
    let header = context.header(time, proposer, data_hash(&txs), None)?;
    Ok(Block { header, txs, last_commit: None })
}

fn receipt(tx: &[u8]) -> Receipt {
    let tx_hash = keccak256(tx);
    let topics = vec![keccak256("Transfer"), tx_hash, keccak256(tx_hash)];
    Receipt {
        tx_hash,
        tx_type: 2,
        sender: Address::repeat_byte(1),
        outcome: Outcome::Success,
        gas_limit: 60_000,
        gas_used: 34_215,
        contract_address: None,
        logs: vec![Log::new_unchecked(Address::repeat_byte(7), topics, Bytes::from(vec![0; 32]))],
        output: Bytes::new(),
    }
}

/// Processor time of all threads so far, as Linux counts it in hundredths of a second (proc(5)).
fn processor_seconds() -> Outcomes<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("malformed stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

fn resident_megabytes() -> Outcomes<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? / 1024)
}
