//! The tree as it would be after updates that nobody ever sees: paths and neighbours in an earlier state.
//!
//! What changed since that state is given as updates that undo it. Whatever lies beside them is as it stands in the tree,
//! so that the work is that of one update, however large the tree is.

use super::{
    EMPTY, Hash, Link, Node, Side, Step, Tree, Update, bit,
    leaf::{Leaf, Leaves},
    node_hash,
    path::steps_within,
    split,
    stage::{Sorted, Stager, merge},
    subtree_hash,
};

/// A tree with updates that are not written.
pub struct After<'a> {
    tree: &'a Tree,
    updates: Vec<Sorted<'a>>,
}

/// What stands around a place in the order of key hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbours {
    /// Whether a key stands there.
    pub present: bool,
    /// The greatest key hash below.
    pub left: Option<Hash>,
    /// The least key hash above.
    pub right: Option<Hash>,
}

/// A subtree, with the updates that belong under it.
#[derive(Clone, Copy)]
struct Place<'u, 'a> {
    at: Link,
    level: usize,
    updates: &'u [Sorted<'a>],
}

/// What a subtree hashes to, whether it has no leaf, one, or more, and the paths of the keys that were asked for, from
/// their leaves up to it.
struct Walked {
    hash: Hash,
    leaves: usize,
    paths: Vec<Vec<Step>>,
}

impl Tree {
    /// The tree after `updates`, which name each key at most once.
    pub fn after<'a>(&'a self, updates: &'a [Update]) -> After<'a> {
        let mut updates: Vec<Sorted<'a>> = updates.iter().zip(0..).map(Sorted::new).collect();
        updates.sort_unstable_by_key(|sorted| sorted.update.key);
        After { tree: self, updates }
    }
}

impl<'a> After<'a> {
    /// What stands at and around a key.
    pub fn neighbours(&self, key: &Hash) -> Neighbours {
        let (mut lefts, mut rights, mut place) = (Vec::new(), Vec::new(), self.root());
        while let Some([left, right]) = self.children(place) {
            let (way, passed, sibling) =
                if bit(key, place.level) { (right, &mut lefts, left) } else { (left, &mut rights, right) };
            passed.push(sibling);
            place = way;
        }
        let leaves = self.leaves(place);
        let below = leaves.partition_point(|leaf| leaf.key < key);
        let present = leaves.get(below).is_some_and(|leaf| leaf.key == key);
        let last = below.checked_sub(1).and_then(|last| leaves.get(last));
        let next = leaves.get(below.saturating_add(usize::from(present)));
        let passed = |side: Side, passed: &[Place<'_, 'a>]| {
            passed.iter().rev().find_map(|sibling| self.outermost(*sibling, side))
        };
        Neighbours {
            present,
            left: last.map(|leaf| *leaf.key).or_else(|| passed(Side::Right, &lefts)),
            right: next.map(|leaf| *leaf.key).or_else(|| passed(Side::Left, &rights)),
        }
    }

    /// The root, and the path of each of these keys, leaf first; `keys` are sorted, each once, and stand in the tree.
    pub fn paths(&self, keys: &[Hash]) -> (Hash, Vec<Vec<Step>>) {
        let Walked { hash, paths, .. } = self.walk(self.root(), keys);
        (hash, paths)
    }

    fn root(&self) -> Place<'_, 'a> {
        Place { at: self.tree.root, level: 0, updates: &self.updates }
    }

    /// Both halves of an inner node; `None` for a bucket and an empty place.
    fn children<'u>(&self, place: Place<'u, 'a>) -> Option<[Place<'u, 'a>; 2]> {
        let Node::Inner(index) = place.at.node.node() else { return None };
        let inner = self.tree.nodes.inners.get(index);
        let (lefts, rights) = split(place.updates, place.level, |sorted| &sorted.update.key);
        let level = place.level.saturating_add(1);
        let child = |at, updates| Place { at, level, updates };
        Some([child(inner.left, lefts), child(inner.right, rights)])
    }

    /// The leaves of a bucket or an empty place.
    fn leaves(&self, place: Place<'_, 'a>) -> Vec<Leaf<'a>> {
        merge(Leaves(self.tree.nodes.bucket(place.at.node)), place.updates, &mut [])
    }

    /// The key at the left or right end of a subtree. Every call goes one level down.
    fn outermost(&self, place: Place<'_, 'a>, side: Side) -> Option<Hash> {
        let Some([left, right]) = self.children(place) else {
            let leaves = self.leaves(place);
            let leaf = if side == Side::Left { leaves.first() } else { leaves.last() };
            return leaf.map(|leaf| *leaf.key);
        };
        let (first, second) = if side == Side::Left { (left, right) } else { (right, left) };
        self.outermost(first, side).or_else(|| self.outermost(second, side))
    }

    /// Every call goes one level down.
    fn walk(&self, place: Place<'_, 'a>, keys: &[Hash]) -> Walked {
        if keys.is_empty() {
            return self.aside(place);
        }
        let Some([left, right]) = self.children(place) else {
            let leaves = self.leaves(place);
            let path = |key: &Hash| {
                let mut steps = steps_within(&leaves, place.level, key);
                steps.reverse();
                steps
            };
            let (hash, paths) = (subtree_hash(&leaves, place.level), keys.iter().map(path).collect());
            return Walked { hash, leaves: leaves.len(), paths };
        };
        let (left_keys, right_keys) = split(keys, place.level, |key| key);
        join(self.walk(left, left_keys), self.walk(right, right_keys))
    }

    /// A subtree that nobody asks for a path of.
    fn aside(&self, place: Place<'_, 'a>) -> Walked {
        let mut stager = Stager::on(&self.tree.nodes, self.tree.leaves);
        let link = stager.apply(place.at, None, place.level, place.updates).link;
        Walked { hash: link.hash, leaves: link.node.leaves().unwrap_or(usize::MAX), paths: Vec::new() }
    }
}

/// Two halves. A subtree of a single leaf is that leaf, and an empty one is nothing: there is no step at their levels.
fn join(left: Walked, right: Walked) -> Walked {
    let leaves = left.leaves.saturating_add(right.leaves);
    let (mut paths, mut rights) = (left.paths, right.paths);
    let hash = match (left.leaves, right.leaves) {
        (0, 0) => EMPTY,
        (0, 1) => right.hash,
        (1, 0) => left.hash,
        _ => {
            let (beside_left, beside_right) = (
                Step { sibling: right.hash, side: Side::Right },
                Step { sibling: left.hash, side: Side::Left },
            );
            paths.iter_mut().for_each(|path| path.push(beside_left));
            rights.iter_mut().for_each(|path| path.push(beside_right));
            node_hash(1, &left.hash, &right.hash)
        }
    };
    paths.append(&mut rights);
    Walked { hash, leaves, paths }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::smt::{Lookup, key_hash};

    type Map = BTreeMap<u16, Vec<u8>>;

    fn tree_of(map: &Map) -> Tree {
        let mut tree = Tree::new();
        let update = |(key, value): (&u16, &Vec<u8>)| Update::new(&key.to_be_bytes(), Some(value));
        tree.update(map.iter().map(update).collect());
        tree
    }

    /// What undoes the way from one state to another.
    fn undoing(before: &Map, after: &Map) -> Vec<Update> {
        let keys: std::collections::BTreeSet<&u16> = before.keys().chain(after.keys()).collect();
        let differs = |key: &&&u16| before.get(**key) != after.get(**key);
        let update = |key: &u16| Update::new(&key.to_be_bytes(), before.get(key).map(Vec::as_slice));
        keys.iter().filter(differs).map(|key| update(key)).collect()
    }

    fn check(before: &Map, after: &Map, asked: &[u16]) {
        let (old, new) = (tree_of(before), tree_of(after));
        let undo = undoing(before, after);
        let earlier = new.after(&undo);
        let mut present: Vec<Hash> = Vec::new();
        for key in asked {
            let hash = key_hash(&key.to_be_bytes());
            let neighbours = earlier.neighbours(&hash);
            match old.lookup(&hash) {
                Lookup::Present(_) => {
                    assert!(neighbours.present);
                    present.push(hash);
                }
                Lookup::Absent { left, right } => {
                    assert_eq!(neighbours, Neighbours { present: false, left, right });
                    present.extend(left.into_iter().chain(right));
                }
            }
        }
        present.sort_unstable();
        present.dedup();
        let (root, paths) = earlier.paths(&present);
        assert_eq!(root, old.root());
        for (hash, path) in present.iter().zip(paths) {
            assert_eq!(old.lookup(hash), Lookup::Present(path));
        }
    }

    #[test]
    fn trees_that_were_empty_or_small_are_found_again() {
        let many: Map = (0..100).map(|key| (key, vec![1, 2])).collect();
        for count in 0..30u16 {
            let few: Map = many.iter().take(count.into()).map(|(key, _)| (*key, vec![7])).collect();
            check(&few, &many, &[0, 3, 29, 99, 200]);
            check(&many, &few, &[0, 3, 29, 99, 200]);
        }
        check(&many, &many, &[5, 500]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn an_earlier_tree_has_the_paths_and_neighbours_that_it_had(
            before in prop::collection::btree_map(0u16..400, prop::collection::vec(any::<u8>(), 1..40), 0..120),
            after in prop::collection::btree_map(0u16..400, prop::collection::vec(any::<u8>(), 1..40), 0..120),
            asked in prop::collection::vec(0u16..400, 1..12),
        ) {
            check(&before, &after, &asked);
        }
    }
}
