//! The file of the tree: a start after any end finds the same tree, with or without it.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::{CheckLevel, Opening};

/// Opens a copy of what the store has on disk now.
fn crashed(chain: &Chain) -> (TempDir, Store) {
    let copy = TempDir::new().unwrap();
    copy_directory(chain.directory.path(), copy.path());
    let store = open(copy.path()).unwrap();
    (copy, store)
}

fn blocks(chain: &Chain, count: u64) {
    for n in 0..count {
        let name = format!("key {}", (chain.tip().height + n) % 700);
        let value = format!("value {n}");
        chain.commit(&[
            (&name, Some(&value)),
            ("last", Some(&value)),
            ("gone", (n % 2 == 0).then_some("for now")),
        ]);
    }
}

#[test]
fn a_store_that_was_closed_starts_from_the_file_alone() {
    let chain = Chain::new();
    blocks(&chain, 30);
    let root = chain.tip().state_root;
    let chain = chain.reopen().unwrap();
    assert_eq!(chain.store.opening(), Opening { from_file: true, blocks: 0, keys: 0 });
    assert_eq!(chain.tip().state_root, root);
    assert!(chain.store.prove(&key("last")).unwrap().verify());
}

#[test]
fn a_start_after_a_crash_applies_what_came_after_the_file() {
    let chain = Chain::new();
    blocks(&chain, 5);
    let chain = chain.reopen().unwrap();
    blocks(&chain, 4);
    let (_directory, store) = crashed(&chain);
    let Opening { from_file, blocks, keys } = store.opening();
    assert!(from_file && blocks == 4 && (3..=6).contains(&keys), "{:?}", store.opening());
    assert_eq!(store.latest(), chain.store.latest());
    assert!(store.prove(&key("last")).unwrap().verify());
    store.check(CheckLevel::Full).unwrap();
}

#[test]
fn what_a_start_applies_is_bounded_however_many_blocks_there_are() {
    const INTERVAL: u64 = 100;
    let directory = TempDir::new().unwrap();
    let store =
        Store::open(directory.path(), &StoreOptions { tree_interval: INTERVAL, ..options() }).unwrap();
    init(&store);
    let chain = Chain { directory, store };
    for _ in 0..8 {
        blocks(&chain, 150);
        let (_directory, store) = crashed(&chain);
        let Opening { from_file, blocks, keys } = store.opening();
        assert!(from_file, "no file at height {}", chain.tip().height);
        // Two files' worth while the one is written, two before it began; a block has four at most.
        assert!(blocks + keys <= 4 * INTERVAL + 8, "{:?}", store.opening());
        assert_eq!(store.latest(), chain.store.latest());
    }
}

#[test]
fn a_file_that_is_damaged_or_of_another_state_is_not_believed() {
    let chain = Chain::new();
    blocks(&chain, 40);
    let (tip, chain) = (chain.tip(), chain.reopen().unwrap());
    let intact = fs::read(chain.directory.path().join("tree")).unwrap();
    let other = {
        let other = Chain::new();
        other.commit(&[("another", Some("state"))]);
        let other = other.reopen().unwrap();
        fs::read(other.directory.path().join("tree")).unwrap()
    };
    let mut future = intact.clone();
    future[15] = 41;
    let mut endless = intact.clone();
    endless[16..20].fill(0xff);
    let flipped = (0..intact.len()).step_by(97).map(|at| {
        let mut flipped = intact.clone();
        flipped[at] ^= 4;
        flipped
    });
    let cut = [0, 7, 15, 19, intact.len() / 2, intact.len() - 1].map(|end| intact[..end].to_vec());
    for bytes in flipped.chain(cut).chain([other, future, endless, b"something else entirely".to_vec()]) {
        fs::write(chain.directory.path().join("tree"), bytes).unwrap();
        let (_directory, store) = crashed(&chain);
        assert_eq!(store.latest(), Some(tip));
        assert!(store.prove(&key("last")).unwrap().verify());
    }
}

#[test]
fn a_file_below_the_kept_history_is_not_used() {
    let chain = Chain::new();
    blocks(&chain, 10);
    let chain = chain.reopen().unwrap();
    blocks(&chain, 10);
    chain.store.prune(crate::Prune { keep_history: 5, keep_bodies: None }).unwrap();
    let (_directory, store) = crashed(&chain);
    assert!(!store.opening().from_file);
    assert_eq!(store.latest(), chain.store.latest());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_crash_leads_to_the_tree_that_the_state_makes(
        before in 0u64..20, after in 0u64..20, interval in 1u64..40,
    ) {
        let directory = TempDir::new().unwrap();
        let store = Store::open(directory.path(), &StoreOptions { tree_interval: interval, ..options() }).unwrap();
        init(&store);
        let chain = Chain { directory, store };
        blocks(&chain, before);
        let chain = chain.reopen().unwrap();
        blocks(&chain, after);
        let (_directory, store) = crashed(&chain);
        prop_assert_eq!(store.latest(), chain.store.latest());
        store.check(CheckLevel::Quick).unwrap();
        prop_assert!(store.prove(&key("genesis")).unwrap().verify());
    }
}
