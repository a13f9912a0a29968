//! The past: reads at old heights, pinned states, changes of a block.

use std::sync::atomic::{AtomicBool, Ordering};

use concordat_types::ReadError;
use proptest::prelude::*;

use super::*;
use crate::{
    Change,
    db::Durability,
    schema::{Table, history_key},
};

type Model = BTreeMap<StateKey, Vec<u8>>;

fn apply(model: &mut Model, changes: &ChangeSet) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

#[test]
fn every_height_keeps_its_own_values() {
    let chain = Chain::new();
    chain.commit(&[("a", Some("one"))]);
    chain.commit(&[("a", None)]);
    chain.commit(&[]);
    chain.commit(&[("a", Some("four")), ("genesis", None)]);
    let values: Vec<Option<String>> = (0..=4).map(|height| get(&chain.store, height, "a")).collect();
    let expected = [None, Some("one"), None, None, Some("four")].map(|value| value.map(str::to_owned));
    assert_eq!(values, expected);
    assert_eq!(get(&chain.store, 3, "genesis").as_deref(), Some("state"));
    assert_eq!(get(&chain.store, 4, "genesis"), None);
}

#[test]
fn a_pinned_state_does_not_see_newer_blocks() {
    let chain = Chain::new();
    chain.commit(&[("a", Some("old")), ("gone", Some("here"))]);
    let pinned = chain.store.state().unwrap();
    chain.commit(&[("a", Some("new")), ("b", Some("new")), ("gone", None)]);
    assert_eq!(pinned.height(), 1);
    assert_eq!(pinned.get(&key("a")).unwrap().unwrap(), b"old");
    assert_eq!(pinned.get(&key("gone")).unwrap().unwrap(), b"here");
    assert_eq!(pinned.get(&key("b")).unwrap(), None);
    assert_eq!(pinned.block_hash(1).unwrap(), chain.store.block_hash(1).unwrap());
    assert_eq!(pinned.block_hash(2).unwrap(), None);
    let names: Vec<StateKey> = pinned.scan(b"", 9).unwrap().into_iter().map(|row| row.0).collect();
    assert_eq!(names, [key("a"), key("genesis"), key("gone")]);
}

#[test]
fn what_the_newest_block_changed_is_told_without_the_database() {
    let chain = Chain::new();
    chain.commit(&[("a", Some("1"))]);
    chain.commit(&[("a", Some("2"))]);
    chain.commit(&[("a", Some("3")), ("b", Some("1"))]);
    // Whoever asked the database from now on would be told wrongly.
    let mut batch = chain.store.db().batch();
    for (name, height) in [("a", 2), ("a", 3), ("b", 3)] {
        batch.delete(Table::History, history_key(&key(name), height));
    }
    chain.store.db().write(batch, Durability::Buffered).unwrap();
    assert_eq!(get(&chain.store, 2, "a").as_deref(), Some("2"));
    assert_eq!(get(&chain.store, 2, "b"), None);
    assert_eq!(get(&chain.store, 2, "genesis").as_deref(), Some("state"), "which it did not change");
    assert_eq!(get(&chain.store, 1, "a").as_deref(), Some("3"), "what is older is looked up");
}

#[test]
fn heights_to_come_are_refused() {
    let chain = Chain::new();
    assert!(matches!(chain.store.state_at(1), Err(StoreError::Future { height: 1, tip: 0 })));
}

#[test]
fn changes_of_a_block_show_before_and_after() {
    let chain = Chain::new();
    chain.commit(&[("a", Some("1")), ("b", Some("1"))]);
    chain.commit(&[("a", Some("2")), ("b", None), ("c", Some("1")), ("genesis", Some("state"))]);
    chain.commit(&[("a", Some("3"))]);
    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    let change = |name: &str, before, after| Change { key: key(name), before, after };
    let expected =
        [change("a", bytes("1"), bytes("2")), change("b", bytes("1"), None), change("c", None, bytes("1"))];
    assert_eq!(chain.store.changes(2).unwrap(), expected);
    assert!(matches!(chain.store.changes(0), Err(StoreError::Pruned { .. })));
    assert!(matches!(chain.store.changes(4), Err(StoreError::Future { .. })));
}

#[test]
fn a_pinned_state_is_the_same_from_first_to_last_read_while_blocks_are_committed() {
    let chain = Chain::new();
    // Too long for the tree: it is read from the database and cached.
    let wide = |height: u64| format!("{height:040}");
    chain.commit(&[("counter", Some("1")), ("copy", Some("1")), ("wide", Some(&wide(1)))]);
    let done = AtomicBool::new(false);
    let read_pairs = || {
        let mut reads = 0u32;
        while !done.load(Ordering::SeqCst) || reads == 0 {
            let state = chain.store.state().unwrap();
            let expected = state.height().to_string().into_bytes();
            for name in ["counter", "copy"] {
                assert_eq!(state.get(&key(name)).unwrap().unwrap(), expected);
            }
            let found = state.get(&key("wide")).unwrap().unwrap();
            assert_eq!(found, wide(state.height()).into_bytes());
            let rows = state.scan(b"co", 2).unwrap();
            assert!(rows.len() == 2 && rows.iter().all(|(_, value)| *value == expected));
            assert!(chain.store.prove(&key("counter")).unwrap().verify());
            reads += 1;
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(read_pairs);
        scope.spawn(read_pairs);
        for height in 2..60 {
            let text = height.to_string();
            chain.commit(&[("counter", Some(&text)), ("copy", Some(&text)), ("wide", Some(&wide(height)))]);
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn reads_of_a_pinned_state_fail_clearly_once_its_history_is_pruned() {
    let chain = Chain::new();
    chain.commit(&[("a", Some("1"))]);
    let pinned = chain.store.state().unwrap();
    chain.commit(&[("a", Some("2"))]);
    chain.commit(&[("a", Some("3"))]);
    chain.store.prune(crate::Prune { keep_history: 1, keep_bodies: None }).unwrap();
    assert!(matches!(pinned.get(&key("a")), Err(ReadError::Unavailable { height: 1, .. })));
}

/// Keys of which some begin with others, and one that looks like a history key of another.
fn keys() -> impl Strategy<Value = StateKey> {
    prop_oneof![
        prop::collection::vec(0u8..3, 1..4),
        prop::collection::vec(0u8..2, 9..11),
        Just([&b"\x01"[..], &7u64.to_be_bytes()].concat()),
    ]
    .prop_map(|bytes| StateKey::from_stored(&bytes))
}

fn batches() -> impl Strategy<Value = Vec<ChangeSet>> {
    // Short ones stand in the tree, long ones in the database and its cache; and either becomes the other.
    let bytes =
        prop_oneof![prop::collection::vec(any::<u8>(), 1..4), prop::collection::vec(any::<u8>(), 30..34)];
    let value = prop::option::of(bytes);
    prop::collection::vec(prop::collection::btree_map(keys(), value, 0..12), 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_in_memory_never_changes_what_is_read(batches in batches(), cache_bytes in prop_oneof![Just(0usize), 2_000usize..100_000]) {
        let directory = TempDir::new().unwrap();
        let cached = StoreOptions { value_cache_bytes: cache_bytes, tree_interval: 5, ..options() };
        let store = Store::open(directory.path(), &cached).unwrap();
        init(&store);
        let chain = Chain { directory, store };
        let mut model = Model::from([(key("genesis"), b"state".to_vec())]);
        let keys: Vec<&StateKey> = batches.iter().flat_map(BTreeMap::keys).collect();
        for batch in &batches {
            let (pinned, before) = (chain.store.state().unwrap(), model.clone());
            chain.commit_with_logs(batch, vec![]);
            apply(&mut model, batch);
            let newest = chain.store.state().unwrap();
            for key in &keys {
                // In turns, so that each finds what the other left in memory.
                prop_assert_eq!(newest.get(key).unwrap(), model.get(key).cloned());
                prop_assert_eq!(pinned.get(key).unwrap(), before.get(key).cloned());
                prop_assert_eq!(chain.store.db().get(Table::State, key).unwrap(), model.get(key).cloned());
            }
        }
    }

    #[test]
    fn every_height_equals_a_model_that_keeps_whole_copies(batches in batches(), prefix in prop::collection::vec(0u8..3, 0..2)) {
        let chain = Chain::new();
        let mut models = vec![Model::from([(key("genesis"), b"state".to_vec())])];
        for batch in &batches {
            chain.commit_with_logs(batch, vec![]);
            let mut model = models.last().unwrap().clone();
            apply(&mut model, batch);
            models.push(model);
        }
        for (height, model) in (0u64..).zip(&models) {
            let state = chain.store.state_at(height).unwrap();
            for key in batches.iter().flat_map(BTreeMap::keys) {
                prop_assert_eq!(state.get(key).unwrap(), model.get(key).cloned());
            }
            let in_range: Vec<_> =
                model.iter().filter(|(key, _)| key.as_bytes().starts_with(&prefix)).collect();
            for limit in [1, 3, usize::MAX] {
                let rows = state.scan(&prefix, limit).unwrap();
                let rows: Vec<_> = rows.iter().map(|(key, value)| (key, value)).collect();
                prop_assert_eq!(rows, in_range.iter().copied().take(limit).collect::<Vec<_>>());
            }
            let mut paged: Vec<(StateKey, Vec<u8>)> = Vec::new();
            loop {
                let page = state.scan_after(&prefix, paged.last().map(|(key, _)| key), 2).unwrap();
                let ends = page.len() < 2;
                paged.extend(page);
                if ends {
                    break;
                }
            }
            let paged: Vec<_> = paged.iter().map(|(key, value)| (key, value)).collect();
            prop_assert_eq!(paged, in_range);
        }
        let report = chain.store.check(crate::CheckLevel::Full).unwrap();
        prop_assert_eq!(report.roots, batches.len() as u64);
    }
}
