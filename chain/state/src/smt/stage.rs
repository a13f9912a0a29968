//! Updates: computed beside the published tree, then shown or dropped.

use std::ops::Range;

use super::{
    BUCKET_LEAVES, Hash, Inner, Link, Node, NodeRef, Nodes, Tree, Value, key_hash,
    leaf::{Content, INLINE_BYTES, Leaf, Leaves},
    leaf_hash, node_hash,
    slab::{Counts, Place, class_of},
    split, subtree_hash,
    top::{Move, Spot},
};

/// A change of one key: its new leaf, or its removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    pub(super) key: Hash,
    pub(super) content: Option<NewContent>,
}

/// [`Content`] on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewContent {
    Value { length: u8, bytes: [u8; INLINE_BYTES] },
    Hash(Hash),
}

impl Update {
    /// `key` holds `value` from now on; with `None` it is gone.
    pub fn new(key: &[u8], value: Option<&[u8]>) -> Self {
        let key = key_hash(key);
        Self { key, content: value.map(|value| NewContent::of(&key, value)) }
    }

    pub(super) fn leaf(&self) -> Option<Leaf<'_>> {
        self.content.as_ref().map(|content| Leaf { key: &self.key, content: content.get() })
    }
}

impl NewContent {
    fn of(key: &Hash, value: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        match (u8::try_from(value.len()), bytes.get_mut(..value.len())) {
            (Ok(length), Some(start)) => {
                start.copy_from_slice(value);
                Self::Value { length, bytes }
            }
            _ => Self::Hash(leaf_hash(key, value)),
        }
    }

    fn get(&self) -> Content<'_> {
        match self {
            Self::Value { length, bytes } => {
                Content::Value(bytes.get(..usize::from(*length)).unwrap_or_default())
            }
            Self::Hash(hash) => Content::Hash(hash),
        }
    }
}

/// An update that is computed but not yet visible: hand it to [`Tree::publish`], or drop it.
#[derive(Debug)]
#[must_use = "a staged update changes nothing until it is published"]
pub struct Staged {
    version: u64,
    root: Link,
    leaves: usize,
    before: Vec<Value>,
    changes: Changes,
}

impl Staged {
    /// The root that the tree will have.
    pub const fn root(&self) -> Hash {
        self.root.hash
    }

    /// What the tree knows of the values that the updates replace, in the order in which they were given.
    pub fn take_before(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.before)
    }

    #[cfg(test)]
    pub(super) fn changes_nothing(&self) -> bool {
        let Changes { inners, buckets, gone, .. } = &self.changes;
        inners.is_empty() && buckets.is_empty() && gone.is_empty()
    }
}

impl Tree {
    /// Computes the tree after `updates`, which name each key at most once, without showing it.
    pub fn stage(&self, updates: &[Update]) -> Staged {
        let mut sorted: Vec<Sorted<'_>> = updates.iter().zip(0..).map(Sorted::new).collect();
        sorted.sort_unstable_by_key(|sorted| sorted.update.key);
        debug_assert!(
            sorted.windows(2).all(|pair| matches!(pair, [a, b] if a.update.key != b.update.key)),
            "a batch names a key once"
        );
        let mut stager = Stager::on(&self.nodes, self.leaves);
        stager.before = vec![Value::Absent; updates.len()];
        let root = stager.apply(self.root, Some(self.top.root()), 0, &sorted).link;
        let Stager { leaves, before, changes, .. } = stager;
        Staged { version: self.version, root, leaves, before, changes }
    }

    /// Shows what was staged.
    pub fn publish(&mut self, staged: Staged) {
        assert!(
            self.version == staged.version,
            "a staged update is published onto the tree it was made from"
        );
        self.version = self.version.saturating_add(1);
        self.root = staged.root;
        self.leaves = staged.leaves;
        self.nodes.apply(&staged.changes);
        if self.top.outgrown(self.leaves) {
            self.find_top();
        } else {
            staged.changes.moved.into_iter().for_each(|moved| self.top.apply(moved));
        }
    }

    /// [`Self::stage`] and [`Self::publish`] in one, for trees that nobody else sees yet.
    pub fn update(&mut self, updates: Vec<Update>) -> Hash {
        let staged = self.stage(&updates);
        let root = staged.root();
        self.publish(staged);
        root
    }
}

/// Updates at which a growing tree takes them in: what is staged takes memory, besides the tree's.
const GROWTH_UPDATES: usize = 1 << 19;

/// A tree that is made of many keys.
#[derive(Debug, Default)]
pub struct Growing {
    tree: Tree,
    waiting: Vec<Update>,
}

impl Growing {
    /// Adds keys, of which none came before.
    pub fn add(&mut self, mut updates: Vec<Update>) {
        self.waiting.append(&mut updates);
        if self.waiting.len() >= GROWTH_UPDATES {
            self.tree.update(std::mem::take(&mut self.waiting));
        }
    }

    /// The tree of all of them.
    pub fn finish(mut self) -> Tree {
        self.tree.update(self.waiting);
        self.tree
    }
}

/// What is to be written, where, and what to be given back then. What comes and goes within the same update is
/// written and given back.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Inner nodes that take vacancies.
    pub(super) new_inners: usize,
    /// Buckets that take vacancies.
    pub(super) new_buckets: Counts,
    /// New inner nodes, and such that stay where they are.
    pub(super) inners: Vec<(u32, Inner)>,
    /// The same of buckets: where they go, and where their bytes end.
    buckets: Vec<(Place, usize)>,
    bytes: Vec<u8>,
    /// Nodes that are no more.
    pub(super) gone: Vec<NodeRef>,
    moved: Vec<Move>,
}

impl Changes {
    pub(super) fn buckets(&self) -> impl Iterator<Item = (Place, &[u8])> {
        let mut from = 0;
        self.buckets.iter().map(move |(place, to)| {
            let bytes = self.bytes.get(from..*to).unwrap_or_default();
            from = *to;
            (*place, bytes)
        })
    }
}

/// An update and where it stood among those that were given.
#[derive(Clone, Copy)]
pub(super) struct Sorted<'a> {
    pub(super) update: &'a Update,
    place: usize,
}

impl<'a> Sorted<'a> {
    pub(super) const fn new((update, place): (&'a Update, usize)) -> Self {
        Self { update, place }
    }
}

/// A subtree while it is staged.
#[derive(Clone, Debug)]
pub(super) struct Subtree {
    pub(super) link: Link,
    /// Where a bucket's bytes are in those of the changes; nowhere for what is not new.
    new: Range<usize>,
}

impl From<Link> for Subtree {
    fn from(link: Link) -> Self {
        Self { link, new: 0..0 }
    }
}

/// Finds out what an update changes. Every call goes one level down, so the recursion is never deeper than
/// [`super::LEVELS`].
pub(super) struct Stager<'a> {
    nodes: &'a Nodes,
    pub(super) leaves: usize,
    before: Vec<Value>,
    pub(super) changes: Changes,
}

impl<'a> Stager<'a> {
    pub(super) fn on(nodes: &'a Nodes, leaves: usize) -> Self {
        Self { nodes, leaves, before: Vec::new(), changes: Changes::default() }
    }

    /// The subtree `at`, which stands at `level`, after `updates`, which are sorted and all belong under it.
    /// Its `spot` is known as far as the top reaches.
    pub(super) fn apply(
        &mut self,
        at: Link,
        spot: Option<Spot>,
        level: usize,
        updates: &[Sorted<'_>],
    ) -> Subtree {
        if updates.is_empty() {
            return at.into();
        }
        let Node::Inner(index) = at.node.node() else { return self.refill(at, spot, level, updates) };
        let inner = self.nodes.inners.get(index);
        let (lefts, rights) = split(updates, level, |sorted| &sorted.update.key);
        let (left_spot, right_spot) = spot.and_then(Spot::children).unzip();
        let left = self.apply(inner.left, left_spot, level.saturating_add(1), lefts);
        let right = self.apply(inner.right, right_spot, level.saturating_add(1), rights);
        if (left.link, right.link) == (inner.left, inner.right) {
            return at.into();
        }
        let joined = self.join(&left, &right, Some(index));
        self.moved(spot, joined)
    }

    /// A bucket, or an empty place, after `updates`.
    fn refill(&mut self, at: Link, spot: Option<Spot>, level: usize, updates: &[Sorted<'_>]) -> Subtree {
        let nodes = self.nodes;
        let present = Leaves(nodes.bucket(at.node));
        let merged = merge(present.clone(), updates, &mut self.before);
        if present.eq(merged.iter().copied()) {
            return at.into();
        }
        let before = at.node.leaves().unwrap_or_default();
        self.leaves = self.leaves.saturating_sub(before).saturating_add(merged.len());
        self.rebuild(at.node, &merged, spot, level)
    }

    /// The subtree at `level` of `leaves`, which are sorted, instead of a bucket or of nothing.
    fn rebuild(&mut self, old: NodeRef, leaves: &[Leaf<'_>], spot: Option<Spot>, level: usize) -> Subtree {
        let built = if leaves.len() <= BUCKET_LEAVES {
            self.bucket(old, leaves.iter().copied(), leaves.len(), subtree_hash(leaves, level))
        } else {
            self.let_go(old);
            let (lefts, rights) = split(leaves, level, |leaf| leaf.key);
            let (left_spot, right_spot) = spot.and_then(Spot::children).unzip();
            let left = self.build(lefts, left_spot, level.saturating_add(1));
            let right = self.build(rights, right_spot, level.saturating_add(1));
            self.inner(&left, &right, None)
        };
        self.moved(spot, built)
    }

    /// The subtree at `level` of `leaves`, which are sorted.
    pub(super) fn build(&mut self, leaves: &[Leaf<'_>], spot: Option<Spot>, level: usize) -> Subtree {
        self.rebuild(NodeRef::EMPTY, leaves, spot, level)
    }

    /// The node over two subtrees, in the place of the inner node that was over them. What has too few leaves
    /// for an inner node becomes one bucket.
    pub(super) fn join(&mut self, left: &Subtree, right: &Subtree, old: Option<u32>) -> Subtree {
        let (lefts, rights) = match (left.link.node.leaves(), right.link.node.leaves()) {
            (Some(lefts), Some(rights)) if lefts.saturating_add(rights) <= BUCKET_LEAVES => (lefts, rights),
            _ => return self.inner(left, right, old),
        };
        self.changes.gone.extend(old.map(NodeRef::inner));
        let hash = match (lefts, rights) {
            (0, 0 | 1) => right.link.hash,
            (1, 0) => left.link.hash,
            _ => node_hash(1, &left.link.hash, &right.link.hash),
        };
        let lifted = |only: &Subtree| Subtree { link: Link { node: only.link.node, hash }, ..only.clone() };
        match (lefts, rights) {
            (0, _) => lifted(right),
            (_, 0) => lifted(left),
            _ => {
                // Copied, since the bytes of the changes move when more are added.
                let both = [self.bytes_of(left), self.bytes_of(right)].concat();
                self.let_go(left.link.node);
                self.let_go(right.link.node);
                self.bucket(NodeRef::EMPTY, Leaves(&both), lefts.saturating_add(rights), hash)
            }
        }
    }

    fn bytes_of(&self, bucket: &Subtree) -> &[u8] {
        match self.changes.bytes.get(bucket.new.clone()) {
            Some([]) | None => self.nodes.bucket(bucket.link.node),
            Some(new) => new,
        }
    }

    fn let_go(&mut self, node: NodeRef) {
        if node != NodeRef::EMPTY {
            self.changes.gone.push(node);
        }
    }

    /// A bucket of leaves, where the old one was if it has the same size.
    fn bucket<'l>(
        &mut self,
        old: NodeRef,
        leaves: impl Iterator<Item = Leaf<'l>>,
        count: usize,
        hash: Hash,
    ) -> Subtree {
        if count == 0 {
            self.let_go(old);
            return Link::EMPTY.into();
        }
        let from = self.changes.bytes.len();
        leaves.for_each(|leaf| leaf.write(&mut self.changes.bytes));
        let to = self.changes.bytes.len();
        let place = self.place(old, class_of(to.saturating_sub(from)));
        self.changes.buckets.push((place, to));
        Subtree { link: Link { node: NodeRef::bucket(place, count), hash }, new: from..to }
    }

    fn place(&mut self, old: NodeRef, class: u8) -> Place {
        match old.node() {
            Node::Bucket(place) if place.class == class => place,
            _ => {
                self.let_go(old);
                let taken = self.changes.new_buckets.get_mut(usize::from(class));
                let taken = taken.expect("classes come from class_of");
                let nth = *taken;
                *taken = taken.saturating_add(1);
                self.nodes.buckets.vacancy(class, nth)
            }
        }
    }

    fn inner(&mut self, left: &Subtree, right: &Subtree, old: Option<u32>) -> Subtree {
        let inner = Inner { left: left.link, right: right.link };
        let index = old.unwrap_or_else(|| {
            let nth = self.changes.new_inners;
            self.changes.new_inners = nth.saturating_add(1);
            self.nodes.inners.vacancy(nth)
        });
        self.changes.inners.push((index, inner));
        let hash = node_hash(1, &inner.left.hash, &inner.right.hash);
        Link { node: NodeRef::inner(index), hash }.into()
    }

    /// Notes what stands at a spot of the top from now on. The last note of a spot holds.
    fn moved(&mut self, spot: Option<Spot>, subtree: Subtree) -> Subtree {
        if let Some(spot) = spot.filter(|spot| spot.holds(subtree.link.node)) {
            self.changes.moved.push(Move { spot, node: subtree.link.node });
        }
        subtree
    }
}

/// What sorted leaves become by sorted updates; what these replace goes to `before`.
pub(super) fn merge<'l>(present: Leaves<'l>, updates: &[Sorted<'l>], before: &mut [Value]) -> Vec<Leaf<'l>> {
    let mut merged = Vec::with_capacity(BUCKET_LEAVES.saturating_add(updates.len()));
    let mut present = present.peekable();
    for Sorted { update, place } in updates {
        while let Some(leaf) = present.next_if(|leaf| *leaf.key < update.key) {
            merged.push(leaf);
        }
        if let Some(replaced) = present.next_if(|leaf| *leaf.key == update.key)
            && let Some(before) = before.get_mut(*place)
        {
            *before = replaced.content.into();
        }
        merged.extend(update.leaf());
    }
    merged.extend(present);
    merged
}
