//! Committing, and reading back what was committed.

use super::*;
use crate::{CheckLevel, TxLocation, schema::Table};

fn refused(chain: &Chain, alter: impl Fn(&mut CommitBatch<'_>)) -> StoreError {
    let block = block_on(&chain.tip(), vec![Bytes::from_static(b"tx")]);
    let (receipts, changes) = ([receipt(b"tx", vec![])], ChangeSet::new());
    let mut batch = CommitBatch {
        block: &block,
        block_hash: block.hash(),
        receipts: &receipts,
        changes: &changes,
        seen_commit: b"",
        validators: &[],
        notes: &[],
        history: None,
        on_disk: OnDisk::Now,
    };
    alter(&mut batch);
    let before = chain.tip();
    let error = chain.store.commit(&batch).unwrap_err();
    assert_eq!(chain.tip(), before);
    error
}

#[test]
fn a_block_and_all_that_belongs_to_it_is_read_back_even_after_reopening() {
    let chain = Chain::new();
    let block = chain.commit_with_logs(&changes(&[("a", Some("1"))]), vec![vec![], vec![]]);
    let chain = chain.reopen().unwrap();
    let (store, hash) = (&chain.store, block.hash());
    let txs: Vec<B256> = block.txs.iter().map(keccak256).collect();

    assert_eq!(store.latest().unwrap().height, 1);
    assert_eq!(store.latest().unwrap().time_ms, GENESIS_TIME_MS + 1000);
    assert_eq!(store.chain_id().unwrap().as_deref(), Some(CHAIN_ID));
    assert_eq!(store.initial_height().unwrap(), Some(1));
    assert_eq!(store.block(1).unwrap(), Some(block.clone()));
    assert_eq!(store.block_by_hash(&hash).unwrap(), Some(block.clone()));
    assert_eq!(store.header(1).unwrap(), Some(block.header));
    assert_eq!(store.block_hash(1).unwrap(), Some(hash));
    assert_eq!(store.height_by_hash(&hash).unwrap(), Some(1));
    assert_eq!(store.tx(&txs[1]).unwrap(), Some(TxLocation { height: 1, index: 1 }));
    assert_eq!(store.receipts(1).unwrap().unwrap()[1].tx_hash, txs[1]);
    assert_eq!(store.receipt(TxLocation { height: 1, index: 0 }).unwrap().unwrap().tx_hash, txs[0]);
    assert_eq!(store.seen_commit(1).unwrap().unwrap(), b"commit of 1");
    assert_eq!(store.state_root(1).unwrap(), Some(chain.tip().state_root));
    assert_eq!(store.check(CheckLevel::Full).unwrap().blocks, 1);
}

#[test]
fn handles_are_shared_between_threads() {
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let chain = Chain::new();
    shared(&chain.store);
    shared(&chain.store.state().unwrap());
}

#[test]
fn nothing_of_a_block_is_found_before_its_state_is_shown() {
    let chain = Chain::new();
    let (store, block) = (&chain.store, block_on(&chain.tip(), vec![Bytes::from_static(b"tx")]));
    let (hash, tx) = (block.hash(), keccak256(b"tx"));
    let first = TxLocation { height: 1, index: 0 };
    std::thread::scope(|threads| {
        // With a reader in the tree, the commit stops between its rows and its tip.
        let reader = store.authenticated();
        let commit = threads.spawn(|| commit(store, &block, &[receipt(b"tx", vec![])], &changes(&[])));
        while store.db().get(Table::Txs, tx).unwrap().is_none() {
            assert!(!commit.is_finished(), "{:?}", commit.join());
            std::thread::yield_now();
        }
        assert_eq!(store.latest().unwrap().height, 0);
        assert_eq!(store.tx(&tx).unwrap(), None);
        assert_eq!(store.receipt(first).unwrap(), None);
        assert_eq!(store.receipts(1).unwrap(), None);
        assert_eq!(store.block(1).unwrap(), None);
        assert_eq!(store.block_by_hash(&hash).unwrap(), None);
        assert_eq!(store.height_by_hash(&hash).unwrap(), None);
        assert_eq!(store.block_hash(1).unwrap(), None);
        assert_eq!(store.state_root(1).unwrap(), None);
        assert_eq!(store.header(1).unwrap(), None);
        assert_eq!(store.seen_commit(1).unwrap(), None);
        drop(reader);
        commit.join().unwrap().unwrap();
    });
    assert_eq!(store.latest().unwrap().height, 1);
    assert_eq!(store.tx(&tx).unwrap(), Some(first));
    assert_eq!(store.block_by_hash(&hash).unwrap(), Some(block));
}

#[test]
fn what_does_not_exist_is_none_and_no_error() {
    let chain = Chain::new();
    let (store, unknown) = (&chain.store, B256::repeat_byte(9));
    assert_eq!(store.block(7).unwrap(), None);
    assert_eq!(store.block_hash(0).unwrap(), None);
    assert_eq!(store.header(7).unwrap(), None);
    assert_eq!(store.receipts(7).unwrap(), None);
    assert_eq!(store.block_by_hash(&unknown).unwrap(), None);
    assert_eq!(store.tx(&unknown).unwrap(), None);
    assert_eq!(store.receipt(TxLocation { height: 7, index: 0 }).unwrap(), None);
    assert_eq!(store.validators(0).unwrap(), None);
}

#[test]
fn an_empty_store_says_so_and_takes_a_genesis_once() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).unwrap();
    assert_eq!(store.latest(), None);
    assert!(matches!(store.state(), Err(StoreError::NotInitialised)));
    assert!(matches!(store.prove(&key("k")), Err(StoreError::NotInitialised)));
    let genesis = init(&store);
    assert_eq!(genesis.height, 0);
    let again = GenesisBatch {
        chain_id: "other",
        initial_height: 1,
        time_ms: 0,
        changes: &ChangeSet::new(),
        validators: &[],
    };
    assert!(matches!(store.init_genesis(&again), Err(StoreError::AlreadyInitialised { height: 0 })));
}

#[test]
fn a_genesis_below_height_one_is_refused() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).unwrap();
    let genesis = GenesisBatch {
        chain_id: CHAIN_ID,
        initial_height: 0,
        time_ms: 0,
        changes: &ChangeSet::new(),
        validators: &[],
    };
    assert!(matches!(store.init_genesis(&genesis), Err(StoreError::Unfit { field: "initial_height", .. })));
}

#[test]
fn blocks_out_of_order_are_refused() {
    let chain = Chain::new();
    let tip = chain.tip();
    chain.commit(&[]);
    let repeated = block_on(&tip, vec![]);
    let skipped = block_on(&Tip { height: 5, ..chain.tip() }, vec![]);
    for (block, height) in [(repeated, 1), (skipped, 6)] {
        let error = commit(&chain.store, &block, &[], &ChangeSet::new()).unwrap_err();
        assert!(
            matches!(error, StoreError::WrongHeight { height: h, expected: 2 } if h == height),
            "{error}"
        );
    }
}

#[test]
fn blocks_that_do_not_fit_are_refused_and_name_the_field() {
    let chain = Chain::new();
    chain.commit(&[]);
    let field = |error| match error {
        StoreError::Unfit { field, .. } => field,
        other => panic!("{other}"),
    };
    assert_eq!(field(refused(&chain, |batch| batch.block_hash = B256::ZERO)), "hash");
    assert_eq!(field(refused(&chain, |batch| batch.receipts = &[])), "number of receipts");
    let strange_parent = block_on(&Tip { block_hash: B256::repeat_byte(1), ..chain.tip() }, vec![]);
    let strange_root = block_on(&Tip { state_root: B256::repeat_byte(1), ..chain.tip() }, vec![]);
    for (block, name) in [(strange_parent, "parent hash"), (strange_root, "app_hash")] {
        let error = commit(&chain.store, &block, &[], &ChangeSet::new()).unwrap_err();
        assert_eq!(field(error), name);
    }
    chain.commit(&[("the store", Some("goes on"))]);
}

#[test]
fn empty_values_and_impossible_keys_are_refused() {
    let chain = Chain::new();
    let with = |key: StateKey, value: &[u8]| {
        let changes = ChangeSet::from([(key, Some(value.to_vec()))]);
        commit(&chain.store, &block_on(&chain.tip(), vec![]), &[], &changes).unwrap_err()
    };
    assert!(matches!(with(key("k"), b""), StoreError::EmptyValue { .. }));
    assert!(matches!(with(key(""), b"v"), StoreError::KeyLength { bytes: 0, .. }));
    assert!(matches!(with(key(&"k".repeat(1025)), b"v"), StoreError::KeyLength { bytes: 1025, .. }));
}

#[test]
fn the_state_root_is_that_of_the_contents_and_a_block_without_changes_keeps_it() {
    let chain = Chain::new();
    let genesis_root = chain.tip().state_root;
    chain.commit(&[("a", Some("1")), ("b", Some("2"))]);
    chain.commit(&[]);
    assert_eq!(chain.store.state_root(1).unwrap(), chain.store.state_root(2).unwrap());
    chain.commit(&[("a", None), ("b", None), ("never there", None)]);
    assert_eq!(chain.tip().state_root, genesis_root);
}

#[test]
fn validator_sets_hold_from_their_height_until_the_next_one() {
    let chain = Chain::new();
    let block = block_on(&chain.tip(), vec![]);
    let first = validators().encode();
    let sets = [
        ValidatorsFrom { height: 3, encoded: b"second".to_vec() },
        ValidatorsFrom { height: 4, encoded: b"second".to_vec() },
        ValidatorsFrom { height: 6, encoded: b"third".to_vec() },
    ];
    let batch = CommitBatch {
        block: &block,
        block_hash: block.hash(),
        receipts: &[],
        changes: &ChangeSet::new(),
        seen_commit: b"",
        validators: &sets,
        notes: &[],
        history: None,
        on_disk: OnDisk::Now,
    };
    chain.store.commit(&batch).unwrap();
    let expected: [&[u8]; 6] = [&first, &first, b"second", b"second", b"second", b"third"];
    for (height, set) in (1u64..).zip(expected) {
        assert_eq!(chain.store.validators(height).unwrap().unwrap(), set, "height {height}");
    }
}

#[test]
fn proposed_blocks_are_kept_until_their_height_is_committed() {
    let chain = Chain::new();
    let (one, two) = (B256::repeat_byte(1), B256::repeat_byte(2));
    chain.store.put_undecided(1, &two, b"two").unwrap();
    chain.store.put_undecided(1, &one, b"one").unwrap();
    chain.store.put_undecided(2, &one, b"next").unwrap();
    let chain = chain.reopen().unwrap();
    let at_one = chain.store.undecided_at(1).unwrap();
    assert_eq!(at_one, [(one, b"one".to_vec()), (two, b"two".to_vec())]);
    assert_eq!(chain.store.undecided(1, &two).unwrap().unwrap(), b"two");

    chain.commit(&[]);
    assert_eq!(chain.store.undecided_at(1).unwrap(), []);
    assert_eq!(chain.store.undecided(2, &one).unwrap().unwrap(), b"next");
    chain.store.clear_undecided_through(2).unwrap();
    assert_eq!(chain.store.undecided(2, &one).unwrap(), None);
}

#[test]
fn notes_are_kept_found_by_prefix_and_written_with_a_block() {
    let chain = Chain::new();
    chain.store.put_note("evidence/1", b"one").unwrap();
    chain.store.put_note("evidence/2", b"two").unwrap();
    chain.store.put_note("other", b"three").unwrap();
    let block = block_on(&chain.tip(), vec![]);
    let batch = CommitBatch {
        block: &block,
        block_hash: block.hash(),
        receipts: &[],
        changes: &ChangeSet::new(),
        seen_commit: b"",
        validators: &[],
        notes: &[("evidence/1", None), ("evidence/3", Some(b"with the block".to_vec()))],
        history: None,
        on_disk: OnDisk::Now,
    };
    chain.store.commit(&batch).unwrap();
    chain.store.delete_note("other").unwrap();
    let chain = chain.reopen().unwrap();
    let names: Vec<String> = chain.store.notes("evidence/").unwrap().into_iter().map(|note| note.0).collect();
    assert_eq!(names, ["evidence/2", "evidence/3"]);
    assert_eq!(chain.store.note("evidence/3").unwrap().unwrap(), b"with the block");
    assert_eq!(chain.store.note("other").unwrap(), None);
}

#[test]
fn proofs_at_the_tip_hold_for_the_independent_verifier() {
    let chain = Chain::new();
    let entries: Vec<(String, String)> =
        (0..200).map(|n| (format!("key {n}"), format!("value {n}"))).collect();
    let entries: Vec<_> = entries.iter().map(|(key, value)| (key.as_str(), Some(value.as_str()))).collect();
    chain.commit(&entries);
    chain.commit(&[("key 7", None), ("key 8", Some("changed"))]);
    for (name, value) in
        [("key 8", Some("changed")), ("key 9", Some("value 9")), ("key 7", None), ("absent", None)]
    {
        let proof = chain.store.prove(&key(name)).unwrap();
        assert_eq!((proof.height, proof.state_root), (2, chain.tip().state_root));
        assert_eq!(proof.value.as_deref(), value.map(str::as_bytes), "{name}");
        assert!(proof.verify(), "{name}");
    }
}

#[test]
fn statistics_count_keys_and_name_the_floors() {
    let chain = Chain::new();
    chain.commit(&[("a", Some("1")), ("b", Some("2"))]);
    let stats = chain.store.stats().unwrap();
    assert_eq!((stats.height, stats.keys, stats.history_floor, stats.body_floor), (Some(1), 3, 0, 1));
    assert!(stats.tree_bytes > 0 && stats.write_buffer_bytes > 0);
}

#[test]
fn blocks_that_reach_the_disk_later_are_there_when_the_next_is_written_and_at_the_end() {
    let chain = Chain::new();
    let at = |n: u64| changes(&[("counter", Some(&*n.to_string()))]);
    for (height, on_disk) in (1..).zip([OnDisk::Soon, OnDisk::Soon, OnDisk::Now, OnDisk::Soon, OnDisk::Soon])
    {
        let block = block_on(&chain.tip(), vec![]);
        commit_on(on_disk, &chain.store, &block, &[], &at(height)).unwrap();
        assert_eq!(chain.tip().height, height, "shown at once");
    }
    let chain = chain.reopen().unwrap();
    assert_eq!((chain.tip().height, get(&chain.store, 5, "counter")), (5, Some("5".to_owned())));
    chain.store.check(CheckLevel::Full).unwrap();
}
