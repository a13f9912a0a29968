//! CometBFT's simple Merkle tree (RFC 6962): `sha256(00 ‖ leaf)`, `sha256(01 ‖ left ‖ right)`, and a last node without a
//! sibling rises as it is.
//!
//! A root says nothing of how many leaves there are: whoever verifies a place must know the number from elsewhere.

use alloy_primitives::B256;
use sha2::{Digest, Sha256};

/// The hash of a leaf.
pub fn leaf(bytes: &[u8]) -> B256 {
    let hash: [u8; 32] = Sha256::new().chain_update([0]).chain_update(bytes).finalize().into();
    hash.into()
}

/// The hash of two nodes.
pub fn inner(left: B256, right: B256) -> B256 {
    let hash: [u8; 32] =
        Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into();
    hash.into()
}

/// The root over leaves; of none, the hash of nothing.
pub fn root(mut level: Vec<B256>) -> B256 {
    while level.len() > 1 {
        level = above(&level);
    }
    level.first().copied().unwrap_or_else(|| B256::from(<[u8; 32]>::from(Sha256::digest([]))))
}

/// A whole tree, for whoever proves many of its leaves.
#[derive(Clone, Debug)]
pub struct Tree(Vec<Vec<B256>>);

impl Tree {
    /// The tree over leaves.
    pub fn new(leaves: Vec<B256>) -> Self {
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            levels.push(above(level));
        }
        Self(levels)
    }

    /// The siblings on the way from the leaf at a place to the root, nearest first.
    pub fn path(&self, place: usize) -> Vec<B256> {
        let sibling = |(height, level): (u32, &Vec<B256>)| level.get(place.checked_shr(height)? ^ 1).copied();
        // The root has no sibling.
        let below = self.0.len().saturating_sub(1);
        (0..).zip(self.0.iter().take(below)).filter_map(sibling).collect()
    }
}

/// [`Tree::path`] of one leaf.
pub fn path(leaves: Vec<B256>, place: usize) -> Vec<B256> {
    Tree::new(leaves).path(place)
}

/// Whether a leaf stands at a place among so many under a root.
pub fn holds(root: B256, (mut place, mut count): (u32, u32), leaf: B256, path: &[B256]) -> bool {
    if place >= count {
        return false;
    }
    let (mut node, mut path) = (leaf, path.iter());
    while count > 1 {
        let is_last = place.checked_add(1) == Some(count);
        let sibling = match place % 2 {
            0 if is_last => None,
            _ => path.next(),
        };
        node = match sibling {
            Some(sibling) if place % 2 == 0 => inner(node, *sibling),
            Some(sibling) => inner(*sibling, node),
            None if is_last && place % 2 == 0 => node,
            None => return false,
        };
        (place, count) = (place / 2, count.div_ceil(2));
    }
    path.next().is_none() && node == root
}

fn above(level: &[B256]) -> Vec<B256> {
    level
        .chunks(2)
        .filter_map(|pair| match pair {
            [left, right] => Some(inner(*left, *right)),
            [alone] => Some(*alone),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tendermint::merkle::simple_hash_from_byte_vectors;

    use super::*;

    fn leaves(count: u32) -> Vec<[u8; 4]> {
        (0..count).map(u32::to_be_bytes).collect()
    }

    fn hashed(leaves: &[[u8; 4]]) -> Vec<B256> {
        leaves.iter().map(|bytes| leaf(bytes)).collect()
    }

    #[test]
    fn roots_are_those_of_cometbft_and_every_place_is_proven_and_no_other() {
        for count in 0..70 {
            let hashes = hashed(&leaves(count));
            let root = root(hashes.clone());
            assert_eq!(root.0, simple_hash_from_byte_vectors::<Sha256>(&leaves(count)), "{count}");
            for place in 0..count {
                let path = path(hashes.clone(), place as usize);
                assert!(holds(root, (place, count), hashes[place as usize], &path), "{place} of {count}");
                for other in (0..count + 2).filter(|other| *other != place) {
                    assert!(
                        !holds(root, (other, count), hashes[place as usize], &path),
                        "{other} of {count}"
                    );
                }
                let longer = [path, vec![B256::ZERO]].concat();
                assert!(!holds(root, (place, count), hashes[place as usize], &longer));
            }
        }
    }

    proptest! {
        #[test]
        fn no_other_leaf_or_path_holds(count in 1u32..40, at in any::<prop::sample::Index>(), bit in 0usize..256) {
            let hashes = hashed(&leaves(count));
            let place = at.index(count as usize);
            let (root, path) = (root(hashes.clone()), path(hashes.clone(), place));
            let flip = |hash: B256| { let mut hash = hash; hash.0[bit / 8] ^= 1 << (bit % 8); hash };
            prop_assert!(!holds(root, (place as u32, count), flip(hashes[place]), &path));
            for level in 0..path.len() {
                let mut other = path.clone();
                other[level] = flip(other[level]);
                prop_assert!(!holds(root, (place as u32, count), hashes[place], &other));
            }
        }
    }
}
