//! The tree against a second, naive implementation, golden roots and its own invariants.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{stage::NewContent, *};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// The definition of the root, written down with no thought for speed.
fn reference_root(map: &Map) -> Hash {
    fn subtree(leaves: &[(Hash, Hash)], level: usize) -> Hash {
        match leaves {
            [] => EMPTY,
            [(_, hash)] => *hash,
            _ => {
                let (right, left): (Vec<_>, Vec<_>) =
                    leaves.iter().partition(|(key, _)| key[level / 8] >> (7 - level % 8) & 1 == 1);
                let mut image = vec![1];
                image.extend(subtree(&left, level + 1));
                image.extend(subtree(&right, level + 1));
                Sha256::digest(image).into()
            }
        }
    }
    let leaf = |(key, value): (&Vec<u8>, &Vec<u8>)| {
        let key: Hash = Sha256::digest(key).into();
        let image = [&[0u8][..], &key, &Sha256::digest(value)].concat();
        (key, Sha256::digest(image).into())
    };
    subtree(&map.iter().map(leaf).collect::<Vec<_>>(), 0)
}

fn puts(map: &Map) -> Vec<Update> {
    map.iter().map(|(key, value)| Update::new(key, Some(value))).collect()
}

fn tree_of(map: &Map) -> Tree {
    let mut tree = Tree::new();
    tree.update(puts(map));
    tree
}

/// Few and short keys, so that batches meet the same ones again.
fn maps() -> impl Strategy<Value = Map> {
    let key = prop_oneof![prop::collection::vec(0u8..4, 1..4), prop::collection::vec(any::<u8>(), 1..40)];
    prop::collection::btree_map(key, prop::collection::vec(any::<u8>(), 1..40), 0..120)
}

fn numbered(count: u32) -> Map {
    (0..count).map(|n| (n.to_be_bytes().to_vec(), format!("value {n}").into_bytes())).collect()
}

/// Inner nodes and buckets in use.
fn live(tree: &Tree) -> (usize, usize) {
    (tree.nodes.inners.live(), tree.nodes.buckets.live())
}

/// A tree and its node count must not depend on how the tree came to be.
fn assert_same(tree: &Tree, map: &Map) {
    assert_eq!(tree.root(), reference_root(map));
    assert_eq!(tree.len(), map.len());
    assert_eq!(live(tree), live(&tree_of(map)), "nodes leaked, or a bucket was not made one");
}

// Computed with Python's hashlib from the three formulas in the module's documentation.
const GOLDEN_ROOTS: [(u32, &str); 4] = [
    (0, "0000000000000000000000000000000000000000000000000000000000000000"),
    (1, "27a7b5499c2a125b5ba651b4bcb2e411eeb5b845fcb2c314b25d6d22c87862bc"),
    (2, "2dccd0e5683d929e8f83dd14b23f633fcdf578935fde74c6c6f7216ac597ba6c"),
    (1000, "7d2dc255d570d56bd1a195ac65dba7acd8864f22aea4c3ce09ab863499784923"),
];

#[test]
fn roots_are_golden() {
    for (count, root) in GOLDEN_ROOTS {
        assert_eq!(alloy_primitives::hex::encode(tree_of(&numbered(count)).root()), root, "{count} keys");
    }
}

#[test]
fn empty_tree_has_the_zero_root_and_no_neighbours() {
    let tree = Tree::new();
    assert_eq!(tree.root(), EMPTY);
    assert!(tree.is_empty());
    assert_eq!(tree.lookup(&key_hash(b"k")), Lookup::Absent { left: None, right: None });
}

#[test]
fn single_leaf_is_the_root_and_has_an_empty_path() {
    let map = Map::from([(b"k".to_vec(), b"v".to_vec())]);
    let tree = tree_of(&map);
    assert_eq!(tree.root(), leaf_hash(&key_hash(b"k"), b"v"));
    assert_eq!(tree.lookup(&key_hash(b"k")), Lookup::Present(vec![]));
}

#[test]
fn staged_update_is_invisible_until_published_and_leaves_nothing_when_dropped() {
    let map = numbered(500);
    let mut tree = tree_of(&map);
    let (before, nodes) = (tree.root(), live(&tree));

    let staged =
        tree.stage(&(400u32..700).map(|n| Update::new(&n.to_be_bytes(), Some(b"new"))).collect::<Vec<_>>());
    assert_ne!(staged.root(), before);
    assert_eq!(tree.root(), before);
    drop(staged);
    assert_eq!((tree.root(), tree.len(), live(&tree)), (before, 500, nodes));

    let staged = tree.stage(&[Update::new(b"one more", Some(b"value"))]);
    let root = staged.root();
    tree.publish(staged);
    assert_eq!((tree.root(), tree.len()), (root, 501));
}

#[test]
fn an_update_that_changes_nothing_makes_no_nodes() {
    let map = numbered(300);
    let tree = tree_of(&map);
    let mut updates = puts(&map);
    updates.push(Update::new(b"never there", None));
    let staged = tree.stage(&updates);
    assert!(staged.changes_nothing());
    assert_eq!(staged.root(), tree.root());
}

#[test]
#[should_panic(expected = "published onto the tree it was made from")]
fn a_staged_update_cannot_be_published_onto_another_tree_version() {
    let mut tree = Tree::new();
    let first = tree.stage(&[Update::new(b"a", Some(b"1"))]);
    let second = tree.stage(&[Update::new(b"b", Some(b"1"))]);
    tree.publish(first);
    tree.publish(second);
}

/// Keys whose hashes are equal in all bits but the last cannot be found by hashing: made by hand.
#[test]
fn leaves_that_differ_in_the_last_bit_only_stand_256_levels_deep() {
    let low = [0xAA; 32];
    let mut high = low;
    high[31] = 0xAB;
    let mut tree = Tree::new();
    let update = |key| Update { key, content: Some(NewContent::Hash([7; 32])) };
    tree.update(vec![update(low), update(high)]);
    assert_eq!(live(&tree), (0, 1));
    let Lookup::Present(path) = tree.lookup(&low) else { panic!("the leaf is there") };
    assert_eq!(path.len(), 256);
    let top = node_hash(1, &[7; 32], &[7; 32]);
    let root = (0..255).rev().fold(top, |hash, level| match bit(&low, level) {
        true => node_hash(1, &EMPTY, &hash),
        false => node_hash(1, &hash, &EMPTY),
    });
    assert_eq!(tree.root(), root);

    tree.update(vec![Update { key: high, content: None }]);
    assert_eq!((live(&tree), tree.root()), ((0, 1), [7; 32]));
    tree.update(vec![Update { key: high, content: None }]);
    assert_eq!(tree.len(), 1);
}

/// One leaf more than a bucket holds, all alike up to the last bits: inner nodes all the way down.
#[test]
fn a_bucket_that_overflows_at_the_deepest_levels_becomes_a_chain_of_nodes_and_a_bucket_again() {
    let key = |n: u8| {
        let mut key = [0x55; 32];
        key[31] = n;
        key
    };
    let update = |n: u8, hash: Option<Hash>| Update { key: key(n), content: hash.map(NewContent::Hash) };
    let all = 0..=u8::try_from(BUCKET_LEAVES).unwrap();
    let mut tree = Tree::new();
    tree.update(all.clone().map(|n| update(n, Some([n + 1; 32]))).collect());
    assert!(live(&tree).0 > 240, "{:?}", live(&tree));
    for n in all.clone() {
        let Lookup::Present(path) = tree.lookup(&key(n)) else { panic!("leaf {n} is there") };
        let root = path.iter().fold([n + 1; 32], |hash, step| match step.side {
            Side::Left => node_hash(1, &step.sibling, &hash),
            Side::Right => node_hash(1, &hash, &step.sibling),
        });
        assert_eq!(root, tree.root());
    }
    tree.update(vec![update(0, None)]);
    assert_eq!((live(&tree), tree.len()), ((0, 1), BUCKET_LEAVES));
    tree.update(all.map(|n| update(n, None)).collect());
    assert_eq!((live(&tree), tree.root()), ((0, 0), EMPTY));
}

#[test]
fn values_are_found_while_the_tree_outgrows_its_table_and_after_it_has_shrunk() {
    let map = numbered(20_000);
    let entries: Vec<_> = map.iter().collect();
    let mut tree = Tree::new();
    let assert_found = |tree: &Tree, present: usize| {
        for (n, (key, value)) in entries.iter().enumerate().step_by(7) {
            let expected = if n < present { Value::Short(value.to_vec()) } else { Value::Absent };
            assert_eq!(tree.value(&key_hash(key)), expected, "key {n} of {present}");
        }
    };
    let first_table = tree.top.bytes();
    for (batch, chunk) in entries.chunks(500).enumerate() {
        tree.update(chunk.iter().map(|(key, value)| Update::new(key, Some(value))).collect());
        assert_found(&tree, (batch + 1) * 500);
    }
    assert!(tree.top.bytes() > first_table, "the table grew");
    for (batch, chunk) in entries.chunks(500).enumerate().rev() {
        tree.update(chunk.iter().map(|(key, _)| Update::new(key, None)).collect());
        assert_found(&tree, batch * 500);
    }
    assert_eq!((tree.root(), live(&tree)), (EMPTY, (0, 0)));
}

fn segments(tree: &Tree) -> Vec<Vec<u8>> {
    let segment = |first_byte| {
        let mut bytes = Vec::new();
        tree.segment(first_byte, &mut bytes);
        bytes
    };
    (0..=u8::MAX).map(segment).collect()
}

fn from_segments(segments: Vec<Vec<u8>>) -> Option<Tree> {
    Tree::from_segments(segments.into_iter().map(Ok::<_, std::convert::Infallible>)).unwrap()
}

#[test]
fn segments_that_no_tree_wrote_make_no_tree() {
    let whole = segments(&tree_of(&numbered(2_000)));
    assert!(from_segments(whole[..255].to_vec()).is_none(), "one is missing");
    let mut swapped = whole.clone();
    swapped.swap(3, 4);
    assert!(from_segments(swapped).is_none(), "leaves of another segment");
    let leaves: Vec<Leaf<'_>> = leaf::decode(&whole[7]).unwrap();
    let with_leaves = |leaves: &mut dyn Iterator<Item = &Leaf<'_>>| {
        let mut changed = whole.clone();
        changed[7].clear();
        leaves.for_each(|leaf| leaf.write(&mut changed[7]));
        from_segments(changed)
    };
    assert!(with_leaves(&mut leaves.iter()).is_some());
    assert!(with_leaves(&mut leaves.iter().rev()).is_none(), "leaves out of order");
    assert!(with_leaves(&mut leaves.iter().take(1).chain(&leaves)).is_none(), "a leaf twice");
    let mut cut = whole.clone();
    cut[9].pop();
    assert!(from_segments(cut).is_none(), "a leaf that is cut off");
}

proptest! {
    #[test]
    fn root_equals_the_reference(map in maps()) {
        assert_same(&tree_of(&map), &map);
    }

    #[test]
    fn order_and_batching_of_insertions_do_not_matter(
        entries in prop::collection::vec((prop::collection::vec(0u8..6, 1..4), any::<u8>()), 1..200),
        batch in 1usize..50,
    ) {
        let (mut tree, mut map) = (Tree::new(), Map::new());
        for chunk in entries.chunks(batch) {
            let chunk: Map = chunk.iter().map(|(key, value)| (key.clone(), vec![*value])).collect();
            tree.update(puts(&chunk));
            map.extend(chunk);
        }
        assert_same(&tree, &map);
    }

    #[test]
    fn deleted_keys_leave_no_trace(kept in maps(), gone in maps()) {
        let mut tree = tree_of(&gone);
        tree.update(puts(&kept));
        let deletions = gone.keys().filter(|key| !kept.contains_key(*key));
        tree.update(deletions.map(|key| Update::new(key, None)).collect());
        assert_same(&tree, &kept);
    }

    #[test]
    fn mixed_batches_equal_the_map(batches in prop::collection::vec(
        prop::collection::btree_map(prop::collection::vec(0u8..5, 1..4), prop::option::of(any::<u8>()), 0..40), 1..12)) {
        let (mut tree, mut map) = (Tree::new(), Map::new());
        for batch in batches {
            let updates = batch.iter().map(|(key, value)| {
                Update::new(key, value.as_ref().map(std::slice::from_ref))
            });
            tree.update(updates.collect());
            for (key, value) in batch {
                match value {
                    Some(value) => map.insert(key, vec![value]),
                    None => map.remove(&key),
                };
            }
            assert_same(&tree, &map);
        }
    }

    #[test]
    fn a_staged_update_knows_what_it_replaces(old in maps(), new in maps()) {
        let tree = tree_of(&old);
        let keys: Vec<&Vec<u8>> = new.keys().rev().collect();
        let updates: Vec<Update> = keys.iter().map(|key| Update::new(key, new.get(*key).map(Vec::as_slice))).collect();
        let before = tree.stage(&updates).take_before();
        let values: Vec<Value> = keys.iter().map(|key| tree.value(&key_hash(key))).collect();
        prop_assert_eq!(before, values);
    }

    #[test]
    fn short_values_are_found_and_nothing_else_is(map in maps(), probe in prop::collection::vec(any::<u8>(), 1..4)) {
        let tree = tree_of(&map);
        for key in map.keys().chain([&probe]) {
            let expected = match map.get(key) {
                None => Value::Absent,
                Some(value) if value.len() <= INLINE_BYTES => Value::Short(value.clone()),
                Some(_) => Value::Long,
            };
            prop_assert_eq!(tree.value(&key_hash(key)), expected);
        }
    }

    #[test]
    fn neighbours_are_those_of_the_sorted_key_hashes(map in maps(), key in prop::collection::vec(any::<u8>(), 1..8)) {
        let hash = key_hash(&key);
        let hashes: std::collections::BTreeSet<Hash> = map.keys().map(|key| key_hash(key)).collect();
        match tree_of(&map).lookup(&hash) {
            Lookup::Present(_) => prop_assert!(map.contains_key(&key)),
            Lookup::Absent { left, right } => {
                prop_assert!(!map.contains_key(&key));
                prop_assert_eq!(left, hashes.range(..hash).next_back().copied());
                prop_assert_eq!(right, hashes.range(hash..).next().copied());
            }
        }
    }

    #[test]
    fn segments_make_the_same_tree_again(map in maps(), many in any::<bool>()) {
        let map = if many { numbered(3_000) } else { map };
        let tree = tree_of(&map);
        let again = from_segments(segments(&tree)).unwrap();
        prop_assert_eq!(again.root(), tree.root());
        assert_same(&again, &map);
    }
}
