//! RLP of this crate's records: strict, one form per value.

use std::collections::BTreeSet;

use alloy_primitives::Bytes;
use alloy_rlp::{Decodable, Encodable, Header};
use concordat_types::Role;

/// The bytes of a value.
pub(crate) fn encode<T: Encodable>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.length());
    value.encode(&mut out);
    out
}

/// Reads [`encode`]'s bytes, all of them.
pub(crate) fn decode<T: Decodable>(mut bytes: &[u8]) -> Option<T> {
    let value = T::decode(&mut bytes).ok()?;
    bytes.is_empty().then_some(value)
}

/// The bytes of a list of fields.
pub(crate) fn list(fields: &[&dyn Encodable]) -> Vec<u8> {
    let mut out = Vec::new();
    alloy_rlp::encode_list::<_, dyn Encodable>(fields, &mut out);
    out
}

/// The fields of a [`list`], one after another.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Opens a list that fills its bytes.
    pub(crate) fn open(mut bytes: &'a [u8]) -> Option<Self> {
        let fields = Header::decode_bytes(&mut bytes, true).ok()?;
        bytes.is_empty().then_some(Self(fields))
    }

    /// The next field.
    pub(crate) fn next<T: Decodable>(&mut self) -> Option<T> {
        T::decode(&mut self.0).ok()
    }

    /// What was made of the fields, if it was all of them.
    pub(crate) fn end<T>(self, made: T) -> Option<T> {
        self.0.is_empty().then_some(made)
    }
}

/// RLP of enums: their codes.
macro_rules! by_code {
    ($($coded:ty),* $(,)?) => { $(
        impl alloy_rlp::Encodable for $coded {
            fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
                self.code().encode(out);
            }

            fn length(&self) -> usize {
                self.code().length()
            }
        }

        impl alloy_rlp::Decodable for $coded {
            fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
                let code = alloy_rlp::Decodable::decode(buf)?;
                Self::from_code(code).ok_or(alloy_rlp::Error::Custom("a code that is none"))
            }
        }
    )* };
}

/// RLP of records that are kept as rows: `From<&Record> for Row`, and a way back that may fail.
macro_rules! by_row {
    ($record:ty, $row:ty, $back:path) => {
        impl alloy_rlp::Encodable for $record {
            fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
                <$row>::from(self).encode(out);
            }

            fn length(&self) -> usize {
                <$row>::from(self).length()
            }
        }

        impl alloy_rlp::Decodable for $record {
            fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
                let row = <$row as alloy_rlp::Decodable>::decode(buf)?;
                $back(row).ok_or(alloy_rlp::Error::Custom("a record that is none"))
            }
        }
    };
}

pub(crate) use {by_code, by_row};

/// The codes of roles, in order.
pub(crate) fn role_codes(roles: &BTreeSet<Role>) -> Bytes {
    roles.iter().map(|role| role.code()).collect::<Vec<u8>>().into()
}

/// Reads [`role_codes`]; `None` for unknown ones, and for any other order.
pub(crate) fn roles(codes: &[u8]) -> Option<BTreeSet<Role>> {
    let roles: BTreeSet<Role> = codes.iter().map(|code| Role::from_code(*code)).collect::<Option<_>>()?;
    roles.iter().map(|role| role.code()).eq(codes.iter().copied()).then_some(roles)
}
