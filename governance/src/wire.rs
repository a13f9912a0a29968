//! RLP of this crate's records: strict, one form per value.

use alloy_rlp::{Decodable, Encodable};
use concordat_types::{OrgId, Role};
use std::collections::BTreeSet;

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

/// The codes of roles, in order.
pub(crate) fn role_codes(roles: &BTreeSet<Role>) -> alloy_primitives::Bytes {
    roles.iter().map(|role| role.code()).collect::<Vec<u8>>().into()
}

/// Reads [`role_codes`]; `None` for unknown ones, and for any other order.
pub(crate) fn roles(codes: &[u8]) -> Option<BTreeSet<Role>> {
    let roles: BTreeSet<Role> = codes.iter().map(|code| Role::from_code(*code)).collect::<Option<_>>()?;
    roles.iter().map(|role| role.code()).eq(codes.iter().copied()).then_some(roles)
}

/// An organisation's id as it stands in records.
pub(crate) fn org(text: &str) -> Option<OrgId> {
    text.parse().ok()
}
