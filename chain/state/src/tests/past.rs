//! What changed between two heights, and proofs of earlier states.

use super::*;
use crate::{Change, Prune};

/// Four blocks: `a` and `b` under one prefix, something else beside them.
fn chain() -> Chain {
    let chain = Chain::new();
    chain.commit(&[("s/a", Some("1")), ("s/b", Some("1")), ("other", Some("1"))]);
    chain.commit(&[("s/a", Some("2")), ("t/a", Some("2"))]);
    chain.commit(&[("s/b", None), ("s/c", Some("3"))]);
    chain.commit(&[("s/a", Some("1")), ("s/c", None), ("other", Some("4"))]);
    chain
}

fn change(name: &str, before: Option<&str>, after: Option<&str>) -> Change {
    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    Change { key: key(name), before: bytes(before), after: bytes(after) }
}

#[test]
fn what_differs_between_two_heights_is_told_and_nothing_else() {
    let store = chain().store;
    let between = |from, to| store.changes_between(b"s/", (from, to), 10).unwrap();
    assert_eq!(between(1, 4), [change("s/b", Some("1"), None)], "a and c are as they were");
    assert_eq!(
        between(1, 3),
        [change("s/a", Some("1"), Some("2")), change("s/b", Some("1"), None), change("s/c", None, Some("3"))]
    );
    assert_eq!(between(4, 4), []);
    assert_eq!(store.changes_between(b"other", (0, 4), 10).unwrap(), [change("other", None, Some("4"))]);
}

#[test]
fn more_changes_than_asked_for_heights_to_come_and_pruned_ones_are_refused() {
    let chain = chain();
    let between = |from, to, most| chain.store.changes_between(b"s/", (from, to), most);
    assert!(matches!(between(1, 4, 2), Err(StoreError::TooManyChanges { cap: 2, reached: 3 })));
    assert!(matches!(between(1, 5, 9), Err(StoreError::Future { height: 5, tip: 4 })));
    let many = chain.store.prove_at(0, &[key("s/a")], 3);
    assert!(matches!(many, Err(StoreError::TooManyChanges { cap: 3, .. })));
    chain.store.prune(Prune { keep_history: 2, keep_bodies: None }).unwrap();
    assert!(matches!(between(1, 4, 9), Err(StoreError::Pruned { height: 1, floor: 3, .. })));
    assert!(matches!(chain.store.prove_at(2, &[key("s/a")], 9), Err(StoreError::Pruned { .. })));
    assert_eq!(between(3, 4, 9).unwrap().len(), 2);
}

#[test]
fn every_earlier_height_is_proven_with_what_was_there_and_what_was_not() {
    let store = chain().store;
    let keys = ["s/a", "s/b", "s/c", "t/a", "other", "genesis", "nothing"].map(key);
    for height in 0..=4 {
        let proofs = store.prove_at(height, &keys, 10).unwrap();
        let state = store.state_at(height).unwrap();
        let root = store.state_root(height).unwrap().unwrap();
        for (proof, key) in proofs.iter().zip(&keys) {
            assert_eq!((proof.height, proof.state_root, &proof.key), (height, root, key));
            assert_eq!(proof.value, state.get(key).unwrap());
            assert!(proof.verify(), "{proof:?}");
        }
    }
    assert_eq!(store.prove_at(4, &keys[..1], 0).unwrap(), [store.prove(&keys[0]).unwrap()]);
}
