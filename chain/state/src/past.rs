//! What changed since a height, and proofs of the state as it was then.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use concordat_types::{StateKey, StateReader as _};

use crate::{
    Change, Proof, State, Store, StoreError, proof,
    schema::{Table, decode_keys, decode_u64},
    smt::{Hash, Neighbours, Step, Update, key_hash},
};

/// How often blocks that were committed meanwhile are caught up with: each turn there are fewer of them.
const ATTEMPTS: usize = 64;

/// What the tree of an earlier height says of keys.
struct Earlier {
    root: Hash,
    /// What stands around each key that was asked for.
    neighbours: BTreeMap<Hash, Neighbours>,
    /// The paths of those that stand in the tree, and of the neighbours of those that do not.
    paths: BTreeMap<Hash, Vec<Step>>,
}

impl Store {
    /// The keys under `prefix` whose values after block `to` differ from those after block `from`, in their order. At
    /// most `most` keys that changed in between are looked at.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] and [`StoreError::Future`] outside the kept history, [`StoreError::TooManyChanges`].
    pub fn changes_between(
        &self,
        prefix: &[u8],
        (from, to): (u64, u64),
        most: usize,
    ) -> Result<Vec<Change>, StoreError> {
        let (before, after) = (self.state_at(from)?, self.state_at(to)?);
        let mut changes = Vec::new();
        for key in self.keys_changed(prefix, (from, to), most)? {
            let (before, after) = (before.get(&key)?, after.get(&key)?);
            if before != after {
                changes.push(Change { key, before, after });
            }
        }
        // What was pruned meanwhile may be missing.
        self.state_at(from)?;
        Ok(changes)
    }

    /// Proves of each key that it had a value after the block at `height`, or that it had none. What changed since is
    /// undone for it: at most `most` keys.
    ///
    /// # Errors
    /// As [`Self::changes_between`].
    pub fn prove_at(&self, height: u64, keys: &[StateKey], most: usize) -> Result<Vec<Proof>, StoreError> {
        let state = self.state_at(height)?;
        let root = self.state_root(height)?.ok_or(StoreError::NotInitialised)?;
        let hashes: Vec<Hash> = keys.iter().map(|key| key_hash(key.as_bytes())).collect();
        let earlier = self.earlier(&state, &hashes, most)?;
        if earlier.root != root.0 {
            let computed = B256::from(earlier.root);
            // What was pruned meanwhile was not undone.
            self.state_at(height)?;
            return Err(StoreError::RootMismatch { height, expected: root, computed });
        }
        let prove = |(key, hash): (&StateKey, &Hash)| {
            let (value, commitment) = self.commitment(&state, &earlier, key, hash)?;
            Ok(Proof { height, state_root: root, key: key.clone(), value, commitment })
        };
        keys.iter().zip(&hashes).map(prove).collect()
    }

    /// Looks keys up in the tree as it was.
    fn earlier(&self, state: &State, hashes: &[Hash], most: usize) -> Result<Earlier, StoreError> {
        let (mut reached, mut undone) = (state.height(), BTreeMap::new());
        for _ in 0..ATTEMPTS {
            let tip = self.authenticated().tip.ok_or(StoreError::NotInitialised)?.height;
            for key in self.keys_changed(&[], (reached, tip), most)? {
                let value = state.get(&key)?;
                undone.insert(key, value);
            }
            if undone.len() > most {
                break;
            }
            reached = tip;
            let update =
                |(key, value): (&StateKey, &Option<Vec<u8>>)| Update::new(key.as_bytes(), value.as_deref());
            let updates: Vec<Update> = undone.iter().map(update).collect();
            let authenticated = self.authenticated();
            if authenticated.tip.is_some_and(|tip| tip.height == reached) {
                return Ok(Earlier::find(&authenticated.tree, &updates, hashes));
            }
        }
        Err(StoreError::TooManyChanges { cap: most, reached })
    }

    /// The value of a key, and what proves it.
    fn commitment(
        &self,
        state: &State,
        earlier: &Earlier,
        key: &StateKey,
        hash: &Hash,
    ) -> Result<(Option<Vec<u8>>, ics23::CommitmentProof), StoreError> {
        let missing = || StoreError::corrupt("the state", "a key of the tree has no value or path");
        let exist = |key: &StateKey, hash: &Hash| {
            let value = state.get(key)?.ok_or_else(missing)?;
            let steps = earlier.paths.get(hash).ok_or_else(missing)?;
            let proof = proof::existence(key.as_bytes(), &value, steps);
            Ok::<_, StoreError>((value, proof))
        };
        let Neighbours { present, left, right } = *earlier.neighbours.get(hash).ok_or_else(missing)?;
        if present {
            let (value, proof) = exist(key, hash)?;
            return Ok((Some(value), proof::present(proof)));
        }
        let neighbour = |hash: Option<Hash>| {
            let Some(hash) = hash else { return Ok(None) };
            Ok::<_, StoreError>(Some(exist(&self.preimage(&hash)?, &hash)?.1))
        };
        Ok((None, proof::absent(key.as_bytes(), neighbour(left)?, neighbour(right)?)))
    }

    /// The keys under `prefix` that blocks above `from`, up to and with `to`, changed.
    fn keys_changed(
        &self,
        prefix: &[u8],
        (from, to): (u64, u64),
        most: usize,
    ) -> Result<BTreeSet<StateKey>, StoreError> {
        let (above, end) = (from.saturating_add(1).to_be_bytes(), to.saturating_add(1).to_be_bytes());
        let mut changed = BTreeSet::new();
        for row in self.db().rows(Table::Changes, &above, Some(&end)) {
            let (height, keys) = row?;
            let malformed = || StoreError::corrupt("a list of changes", "malformed");
            let keys = decode_keys(&keys).ok_or_else(malformed)?;
            changed.extend(keys.into_iter().filter(|key| key.as_bytes().starts_with(prefix)));
            if changed.len() > most {
                let reached = decode_u64(&height).ok_or_else(malformed)?;
                return Err(StoreError::TooManyChanges { cap: most, reached });
            }
        }
        Ok(changed)
    }
}

impl Earlier {
    fn find(tree: &crate::smt::Tree, updates: &[Update], hashes: &[Hash]) -> Self {
        let after = tree.after(updates);
        let neighbours: BTreeMap<Hash, Neighbours> =
            hashes.iter().map(|hash| (*hash, after.neighbours(hash))).collect();
        let standing = neighbours.iter().flat_map(|(hash, around)| match around.present {
            true => vec![*hash],
            false => around.left.into_iter().chain(around.right).collect(),
        });
        let standing: Vec<Hash> = standing.collect::<BTreeSet<_>>().into_iter().collect();
        let (root, paths) = after.paths(&standing);
        Self { root, neighbours, paths: standing.into_iter().zip(paths).collect() }
    }
}
