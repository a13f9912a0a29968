//! Following a store that another one writes.

use super::*;
use crate::{Change, Follower};

fn follow(chain: &Chain, own: &TempDir) -> Follower {
    Follower::open(chain.directory.path(), own.path()).unwrap()
}

#[test]
fn a_follower_sees_each_block_of_a_store_that_goes_on_and_tells_what_the_store_tells() {
    let (chain, own) = (Chain::new(), TempDir::new().unwrap());
    let mut follower = follow(&chain, &own);
    assert_eq!(follower.catch_up().unwrap().map(|tip| tip.height), Some(0));
    for height in 1..=20_u64 {
        let value = height.to_string();
        let log = Log::new_unchecked(Address::repeat_byte(7), vec![], Bytes::from_static(b"data"));
        let entries = [("a", Some(value.as_str())), ("b", (height % 2 == 0).then_some("even"))];
        let block = chain.commit_with_logs(&changes(&entries), vec![vec![log], vec![]]);
        assert_eq!(follower.catch_up().unwrap(), Some(chain.tip()));
        assert_eq!(follower.block(height).unwrap(), block);
    }
    assert_eq!(follower.chain_id().unwrap().as_deref(), Some(CHAIN_ID));
    assert_eq!((follower.initial_height().unwrap(), follower.floor().unwrap()), (Some(1), 1));
    for height in 1..=20 {
        assert_eq!(Some(follower.receipts(height).unwrap()), chain.store.receipts(height).unwrap());
        assert_eq!(follower.changes(height, b"").unwrap(), chain.store.changes(height).unwrap());
        let root = chain.store.state_root(height).unwrap();
        assert_eq!(follower.ids(height).unwrap().map(|(_, root)| root), root);
    }
    let change = Change { key: key("b"), before: None, after: Some(b"even".to_vec()) };
    assert_eq!(follower.changes(4, b"b").unwrap(), [change]);
    let hash = follower.receipts(9).unwrap()[1].tx_hash;
    assert_eq!(follower.tx(&hash).unwrap(), Some(crate::TxLocation { height: 9, index: 1 }));
}

#[test]
fn a_follower_survives_the_end_and_the_start_of_the_one_that_it_follows() {
    let (chain, own) = (Chain::new(), TempDir::new().unwrap());
    chain.commit(&[("a", Some("1"))]);
    let mut follower = follow(&chain, &own);
    let chain = chain.reopen().unwrap();
    chain.commit(&[("a", Some("2"))]);
    assert_eq!(follower.catch_up().unwrap(), Some(chain.tip()));
    assert_eq!(follower.changes(2, b"a").unwrap()[0].before.as_deref(), Some(&b"1"[..]));
}

#[test]
fn what_is_not_there_is_told_as_such() {
    let (chain, own) = (Chain::new(), TempDir::new().unwrap());
    chain.commit(&[("a", Some("1"))]);
    let follower = follow(&chain, &own);
    assert!(matches!(follower.block(2), Err(StoreError::Future { height: 2, tip: 1 })));
    assert!(matches!(follower.receipts(2), Err(StoreError::Future { .. })));
    assert!(matches!(follower.changes(0, b""), Err(StoreError::Pruned { height: 0, floor: 1, .. })));
}

#[test]
fn following_what_is_no_store_is_refused_and_makes_nothing() {
    let (empty, own) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = empty.path().join("ledger");
    assert!(matches!(Follower::open(&path, own.path()), Err(StoreError::File { .. })));
    assert!(!path.exists());
}
