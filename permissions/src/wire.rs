//! RLP of this crate's records: strict, one form per value.

use alloy_rlp::{Decodable, Encodable};

/// The bytes of a value.
pub(crate) fn encode(value: &impl Encodable) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.length());
    value.encode(&mut out);
    out
}

/// Reads [`encode`]'s bytes, all of them.
pub(crate) fn decode<T: Decodable>(mut bytes: &[u8]) -> Option<T> {
    let value = T::decode(&mut bytes).ok()?;
    bytes.is_empty().then_some(value)
}
