//! Letting go of the past.

use super::*;
use crate::{CheckLevel, LogFilter, Prune};

fn chain_of(blocks: u64) -> Chain {
    let chain = Chain::new();
    for height in 1..=blocks {
        let text = height.to_string();
        let log = Log::new_unchecked(Address::repeat_byte(5), vec![], Bytes::new());
        chain.commit_with_logs(&changes(&[("a", Some(&text)), (&text, Some("x"))]), vec![vec![log]]);
    }
    chain
}

#[test]
fn kept_heights_stay_readable_and_pruned_ones_are_refused() {
    let chain = chain_of(10);
    let report = chain.store.prune(Prune { keep_history: 3, keep_bodies: None }).unwrap();
    assert_eq!((report.history_floor, report.body_floor, report.history_entries), (8, 1, 16));
    for height in 8..=10 {
        assert_eq!(get(&chain.store, height, "a"), Some(height.to_string()));
    }
    assert!(matches!(chain.store.state_at(7), Err(StoreError::Pruned { height: 7, floor: 8, .. })));
    assert!(matches!(chain.store.changes(8), Err(StoreError::Pruned { .. })));
    assert_eq!(chain.store.changes(9).unwrap().len(), 2);
    assert!(chain.store.block(1).unwrap().is_some());
    let report = chain.store.check(CheckLevel::Full).unwrap();
    assert_eq!((report.blocks, report.roots), (10, 2));
}

#[test]
fn pruned_bodies_leave_headers_commits_and_validators() {
    let chain = chain_of(10);
    let tx = keccak256("transaction 0 of height 4");
    let report = chain.store.prune(Prune { keep_history: 100, keep_bodies: Some(2) }).unwrap();
    assert_eq!((report.bodies, report.body_floor, report.history_floor), (8, 9, 0));
    let chain = chain.reopen().unwrap();
    let store = &chain.store;
    assert!(matches!(store.block(8), Err(StoreError::Pruned { height: 8, floor: 9, .. })));
    assert!(matches!(store.receipts(8), Err(StoreError::Pruned { .. })));
    assert_eq!(store.tx(&tx).unwrap(), None);
    assert!(store.header(1).unwrap().is_some() && store.seen_commit(1).unwrap().is_some());
    assert!(store.block_hash(1).unwrap().is_some() && store.validators(1).unwrap().is_some());
    assert!(store.block(9).unwrap().is_some());

    let all = LogFilter { from: 9, to: 10, addresses: vec![], topics: vec![], cap: 9, cap_bytes: usize::MAX };
    assert_eq!(store.logs(&all).unwrap().len(), 2);
    assert!(matches!(store.logs(&LogFilter { from: 1, ..all }), Err(StoreError::Pruned { .. })));
    assert_eq!(store.check(CheckLevel::Full).unwrap().blocks, 2);
}

#[test]
fn pruning_again_finds_nothing_and_never_lowers_a_floor() {
    let chain = chain_of(5);
    let narrow = Prune { keep_history: 2, keep_bodies: Some(2) };
    let first = chain.store.prune(narrow).unwrap();
    let wide = Prune { keep_history: 100, keep_bodies: Some(100) };
    for plan in [narrow, wide] {
        let again = chain.store.prune(plan).unwrap();
        assert_eq!((again.history_entries, again.bodies), (0, 0));
        assert_eq!((again.history_floor, again.body_floor), (first.history_floor, first.body_floor));
    }
}

#[test]
fn the_tip_is_kept_whatever_the_plan_and_the_chain_goes_on() {
    let chain = chain_of(4);
    chain.store.prune(Prune { keep_history: 0, keep_bodies: Some(0) }).unwrap();
    assert_eq!(get(&chain.store, 4, "a").as_deref(), Some("4"));
    assert!(chain.store.block(4).unwrap().is_some());
    let chain = chain.reopen().unwrap();
    chain.commit(&[("a", Some("five"))]);
    assert_eq!(get(&chain.store, 4, "a").as_deref(), Some("4"));
}
