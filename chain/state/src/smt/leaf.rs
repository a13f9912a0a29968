//! Leaves, and how a few of them are kept in one piece of memory.

use super::{Hash, leaf_hash};

/// The longest value that a leaf holds itself, in bytes: nonces, balances, addresses.
pub const INLINE_BYTES: usize = 31;

/// In place of a length: a hash follows.
const HASH_TAG: u8 = 0xff;

/// The most that a leaf takes.
pub(super) const LEAF_BYTES_MAX: usize = 65;

/// A key's place in the tree and what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf<'a> {
    pub(super) key: &'a Hash,
    pub(super) content: Content<'a>,
}

/// A short value, or the hash of the leaf with a long one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    Value(&'a [u8]),
    Hash(&'a Hash),
}

impl<'a> Leaf<'a> {
    pub(super) fn hash(&self) -> Hash {
        match self.content {
            Content::Hash(hash) => *hash,
            Content::Value(value) => leaf_hash(self.key, value),
        }
    }

    /// `key hash (32) ‖ length (1) ‖ value`, or `key hash (32) ‖ ff ‖ leaf hash (32)`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.key);
        match self.content {
            Content::Value(value) => {
                out.push(u8::try_from(value.len()).expect("long values stand elsewhere"));
                out.extend_from_slice(value);
            }
            Content::Hash(hash) => {
                out.push(HASH_TAG);
                out.extend_from_slice(hash);
            }
        }
    }

    /// The first leaf of what [`Self::write`] wrote, and the rest; `None` for bytes that it never writes.
    fn split_first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (key, rest) = bytes.split_first_chunk()?;
        let (tag, rest) = rest.split_first()?;
        if *tag == HASH_TAG {
            let (hash, rest) = rest.split_first_chunk()?;
            return Some((Self { key, content: Content::Hash(hash) }, rest));
        }
        let length = usize::from(*tag);
        let (value, rest) = rest.split_at_checked(length).filter(|_| length <= INLINE_BYTES)?;
        Some((Self { key, content: Content::Value(value) }, rest))
    }
}

/// Leaves that stand one after the other; ends early where the bytes are none.
#[derive(Clone)]
pub(super) struct Leaves<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Leaves<'a> {
    type Item = Leaf<'a>;

    fn next(&mut self) -> Option<Leaf<'a>> {
        let (leaf, rest) = Leaf::split_first(self.0)?;
        self.0 = rest;
        Some(leaf)
    }
}

/// All leaves that stand one after the other; `None` where bytes are none.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Leaf<'_>>> {
    let mut leaves = Leaves(bytes);
    let all = leaves.by_ref().collect();
    leaves.0.is_empty().then_some(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::smt::{BUCKET_LEAVES, Update};

    fn encode(leaves: &[Leaf<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        leaves.iter().for_each(|leaf| leaf.write(&mut bytes));
        bytes
    }

    #[test]
    fn encodings_are_golden() {
        let key = [0xab; 32];
        let hash = leaf_hash(&key, &[7; 32]);
        let short = Leaf { key: &key, content: Content::Value(b"\x05") };
        let long = Leaf { key: &key, content: Content::Hash(&hash) };
        let golden =
            format!("{}0105{}ff{}", "ab".repeat(32), "ab".repeat(32), alloy_primitives::hex::encode(hash));
        assert_eq!(alloy_primitives::hex::encode(encode(&[short, long])), golden);
    }

    proptest! {
        #[test]
        fn a_leaf_survives_its_encoding_and_hashes_to_its_value(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..=BUCKET_LEAVES),
        ) {
            let updates: Vec<Update> = values.iter().zip(0u32..)
                .map(|(value, n)| Update::new(&n.to_be_bytes(), Some(value))).collect();
            let leaves: Vec<Leaf<'_>> = updates.iter().filter_map(Update::leaf).collect();
            let bytes = encode(&leaves);
            let decoded = decode(&bytes);
            prop_assert_eq!(decoded.as_deref(), Some(&*leaves));
            for (leaf, value) in leaves.iter().zip(&values) {
                prop_assert_eq!(leaf.hash(), leaf_hash(leaf.key, value));
                prop_assert_eq!(leaf.content == Content::Value(value), value.len() <= INLINE_BYTES);
            }
            if let Some((_, cut)) = bytes.split_last() {
                prop_assert_eq!(decode(cut), None);
            }
        }

        #[test]
        fn foreign_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&bytes);
        }
    }
}
