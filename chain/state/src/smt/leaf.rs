//! Leaves, and how a few of them are kept in one piece of memory.

use std::{io, ops::Deref};

use super::{BUCKET_LEAVES, Hash, leaf_hash};

/// The longest value that a leaf holds itself, in bytes: nonces, balances, addresses.
pub const INLINE_BYTES: usize = 31;

/// In place of a length: a hash follows.
const HASH_TAG: u8 = 0xff;

/// A key's place in the tree and what stands there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    pub(super) key: Hash,
    pub(super) content: Content,
}

/// A short value, or the hash of the leaf with a long one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Bytes after the length are zero.
    Value {
        length: u8,
        bytes: [u8; INLINE_BYTES],
    },
    Hash(Hash),
}

impl Default for Content {
    fn default() -> Self {
        Self::Value { length: 0, bytes: [0; INLINE_BYTES] }
    }
}

impl Content {
    pub(super) fn of(key: &Hash, value: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        match (u8::try_from(value.len()), bytes.get_mut(..value.len())) {
            (Ok(length), Some(start)) => {
                start.copy_from_slice(value);
                Self::Value { length, bytes }
            }
            _ => Self::Hash(leaf_hash(key, value)),
        }
    }

    /// The value, if it is a short one.
    pub(super) fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Value { length, bytes } => bytes.get(..usize::from(*length)),
            Self::Hash(_) => None,
        }
    }
}

impl Leaf {
    pub(super) fn hash(&self) -> Hash {
        match &self.content {
            Content::Hash(hash) => *hash,
            content => leaf_hash(&self.key, content.value().unwrap_or_default()),
        }
    }

    /// `key hash (32) ‖ length (1) ‖ value`, or `key hash (32) ‖ ff ‖ leaf hash (32)`.
    pub fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(&self.key)?;
        match &self.content {
            Content::Value { length, .. } => {
                out.write_all(&[*length])?;
                out.write_all(self.content.value().unwrap_or_default())
            }
            Content::Hash(hash) => {
                out.write_all(&[HASH_TAG])?;
                out.write_all(hash)
            }
        }
    }

    /// Reads [`Self::write`]'s bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where they end early, [`io::ErrorKind::InvalidData`] where they are none.
    pub fn read(input: &mut impl io::Read) -> io::Result<Self> {
        let (mut key, mut tag) = (Hash::default(), [0; 1]);
        input.read_exact(&mut key)?;
        input.read_exact(&mut tag)?;
        let [length] = tag;
        if length == HASH_TAG {
            let mut hash = Hash::default();
            input.read_exact(&mut hash)?;
            return Ok(Self { key, content: Content::Hash(hash) });
        }
        let mut bytes = [0; INLINE_BYTES];
        let value = bytes.get_mut(..usize::from(length)).ok_or(io::ErrorKind::InvalidData)?;
        input.read_exact(value)?;
        Ok(Self { key, content: Content::Value { length, bytes } })
    }

    /// Whether the key's hash begins with this byte.
    pub(super) fn begins_with(&self, byte: u8) -> bool {
        self.key.first() == Some(&byte)
    }
}

/// Leaves one after the other.
pub(super) fn encode(leaves: &[Leaf]) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(leaves.len().saturating_mul(size_of::<Leaf>()));
    for leaf in leaves {
        leaf.write(&mut bytes).expect("writing to memory does not fail");
    }
    bytes.into()
}

/// As many leaves as a bucket holds.
#[derive(Clone, Copy, Default)]
pub(super) struct Few {
    leaves: [Leaf; BUCKET_LEAVES],
    count: usize,
}

impl Few {
    /// Reads [`encode`]'s bytes.
    pub(super) fn decode(mut bucket: &[u8]) -> Self {
        let mut few = Self::default();
        while !bucket.is_empty() {
            let place = few.leaves.get_mut(few.count).expect("no bucket has more leaves");
            *place = Leaf::read(&mut bucket).expect("buckets hold what encode writes");
            few.count = few.count.saturating_add(1);
        }
        few
    }
}

impl Deref for Few {
    type Target = [Leaf];

    fn deref(&self) -> &[Leaf] {
        self.leaves.get(..self.count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encodings_are_golden() {
        let key = [0xab; 32];
        let short = Leaf { key, content: Content::of(&key, b"\x05") };
        let long = Leaf { key, content: Content::of(&key, &[7; 32]) };
        let hash = alloy_primitives::hex::encode(leaf_hash(&key, &[7; 32]));
        let golden = format!("{}0105{}ff{hash}", "ab".repeat(32), "ab".repeat(32));
        assert_eq!(alloy_primitives::hex::encode(encode(&[short, long])), golden);
    }

    proptest! {
        #[test]
        fn a_leaf_survives_its_encoding_and_hashes_to_its_value(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..=BUCKET_LEAVES),
        ) {
            let key = |n: usize| [u8::try_from(n).unwrap(); 32];
            let leaves: Vec<Leaf> = values.iter().enumerate()
                .map(|(n, value)| Leaf { key: key(n), content: Content::of(&key(n), value) }).collect();
            let few = Few::decode(&encode(&leaves));
            prop_assert_eq!(&*few, &*leaves);
            for (leaf, value) in few.iter().zip(&values) {
                prop_assert_eq!(leaf.hash(), leaf_hash(&leaf.key, value));
                prop_assert_eq!(leaf.content.value(), (value.len() <= INLINE_BYTES).then_some(&**value));
            }
        }

        #[test]
        fn foreign_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Leaf::read(&mut bytes.as_slice());
        }
    }
}
