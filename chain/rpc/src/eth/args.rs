//! Positional parameters, read into types. Errors name the parameter, as go-ethereum's do
//! (`rpc/json.go`: "missing value for required argument 0", "invalid argument 0: …").

use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::Value;

use super::hex;
use crate::jsonrpc::{Params, RpcError};

/// A type that a parameter can be read into. The error says what is wrong with the value.
pub(crate) trait FromArg: Sized {
    fn from_arg(value: &Value) -> Result<Self, String>;
}

/// The parameters of a call.
#[derive(Clone, Debug)]
pub(crate) struct Args(Vec<Value>);

impl Args {
    /// Takes at most `most` parameters by position.
    pub fn new(params: Params, most: usize) -> Result<Self, RpcError> {
        let Params::Positional(values) = params else {
            return Err(RpcError::invalid_params(
                "non-array args: this method takes its parameters by position",
            ));
        };
        if values.len() > most {
            return Err(RpcError::invalid_params(format!("too many arguments, want at most {most}")));
        }
        Ok(Self(values))
    }

    /// The parameter at `index`, which must be there.
    pub fn required<T: FromArg>(&self, index: usize) -> Result<T, RpcError> {
        self.optional(index)?
            .ok_or_else(|| RpcError::invalid_params(format!("missing value for required argument {index}")))
    }

    /// The parameter at `index`, if there is one; null counts as none.
    pub fn optional<T: FromArg>(&self, index: usize) -> Result<Option<T>, RpcError> {
        match self.0.get(index) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::from_arg(value)
                .map(Some)
                .map_err(|reason| RpcError::invalid_params(format!("invalid argument {index}: {reason}"))),
        }
    }

    /// The parameter at `index` or a default.
    pub fn or_default<T: FromArg + Default>(&self, index: usize) -> Result<T, RpcError> {
        Ok(self.optional(index)?.unwrap_or_default())
    }
}

/// The text of a JSON string.
pub(crate) fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{} where a string belongs", kind(value)))
}

/// What kind of JSON a value is, for error messages.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl FromArg for bool {
    fn from_arg(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| format!("{} where a boolean belongs", kind(value)))
    }
}

impl FromArg for u64 {
    fn from_arg(value: &Value) -> Result<Self, String> {
        hex::parse_u64(text(value)?)
    }
}

impl FromArg for U256 {
    fn from_arg(value: &Value) -> Result<Self, String> {
        hex::parse_u256(text(value)?)
    }
}

impl FromArg for Bytes {
    fn from_arg(value: &Value) -> Result<Self, String> {
        hex::parse_data(text(value)?)
    }
}

impl FromArg for Address {
    fn from_arg(value: &Value) -> Result<Self, String> {
        hex::parse_address(text(value)?)
    }
}

impl FromArg for B256 {
    fn from_arg(value: &Value) -> Result<Self, String> {
        hex::parse_b256(text(value)?)
    }
}

impl FromArg for String {
    fn from_arg(value: &Value) -> Result<Self, String> {
        text(value).map(str::to_owned)
    }
}

impl FromArg for Value {
    fn from_arg(value: &Value) -> Result<Self, String> {
        Ok(value.clone())
    }
}

/// A storage key, which may leave out leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(pub B256);

impl FromArg for Slot {
    fn from_arg(value: &Value) -> Result<Self, String> {
        hex::parse_slot(text(value)?).map(Slot)
    }
}

/// A list, bounded so that one request cannot ask for everything.
impl<T: FromArg> FromArg for Vec<T> {
    fn from_arg(value: &Value) -> Result<Self, String> {
        let Value::Array(items) = value else {
            return Err(format!("{} where an array belongs", kind(value)));
        };
        if items.len() > MAX_LIST {
            return Err(format!("a list of {} entries, limit {MAX_LIST}", items.len()));
        }
        items.iter().map(T::from_arg).collect()
    }
}

/// Most entries of a list parameter: addresses of a filter, storage keys of a proof.
pub(crate) const MAX_LIST: usize = 1024;

/// A block by height or by one of Ethereum's names for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum BlockTag {
    /// `latest`, `safe`, `finalized`: a committed block is final at once, so they are the same.
    #[default]
    Latest,
    /// The block under construction.
    Pending,
    /// The genesis.
    Earliest,
    /// A height.
    Height(u64),
}

impl FromArg for BlockTag {
    fn from_arg(value: &Value) -> Result<Self, String> {
        match text(value)? {
            "latest" | "safe" | "finalized" => Ok(Self::Latest),
            "pending" => Ok(Self::Pending),
            "earliest" => Ok(Self::Earliest),
            height => hex::parse_u64(height).map(Self::Height),
        }
    }
}

/// A block by tag or hash (EIP-1898).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockRef {
    Tag(BlockTag),
    Hash(B256),
}

impl Default for BlockRef {
    fn default() -> Self {
        Self::Tag(BlockTag::Latest)
    }
}

impl From<BlockTag> for BlockRef {
    fn from(tag: BlockTag) -> Self {
        Self::Tag(tag)
    }
}

impl FromArg for BlockRef {
    fn from_arg(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(hash) if hash.len() == 66 => hex::parse_b256(hash).map(Self::Hash),
            Value::Object(fields) => match (fields.get("blockNumber"), fields.get("blockHash")) {
                (Some(_), Some(_)) => Err("cannot specify both BlockHash and BlockNumber, choose one".into()),
                (Some(number), None) => BlockTag::from_arg(number).map(Self::Tag),
                (None, Some(hash)) => B256::from_arg(hash).map(Self::Hash),
                (None, None) => Err("neither blockNumber nor blockHash is given".into()),
            },
            tag => BlockTag::from_arg(tag).map(Self::Tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(values: Value) -> Args {
        Args::new(Params::Positional(values.as_array().unwrap().clone()), 3).unwrap()
    }

    #[test]
    fn missing_wrong_and_superfluous_parameters_are_named() {
        assert_eq!(
            args(json!([])).required::<Address>(0).unwrap_err().message,
            "missing value for required argument 0"
        );
        assert_eq!(
            args(json!(["0x1", true])).required::<Address>(1).unwrap_err().message,
            "invalid argument 1: a boolean where a string belongs"
        );
        let four = Params::Positional(vec![Value::Null; 4]);
        assert_eq!(Args::new(four, 3).unwrap_err().message, "too many arguments, want at most 3");
        let named = Params::Named(serde_json::Map::new());
        assert_eq!(Args::new(named, 3).unwrap_err().code, -32602);
    }

    #[test]
    fn null_counts_as_absent() {
        assert_eq!(args(json!([null])).optional::<bool>(0).unwrap(), None);
        assert_eq!(args(json!([null])).or_default::<BlockRef>(0).unwrap(), BlockRef::default());
    }

    #[test]
    fn blocks_are_named_by_tag_height_hash_or_object() {
        let hash = format!("0x{}", "ab".repeat(32));
        for (value, want) in [
            (json!("safe"), BlockRef::Tag(BlockTag::Latest)),
            (json!("finalized"), BlockRef::Tag(BlockTag::Latest)),
            (json!("earliest"), BlockRef::Tag(BlockTag::Earliest)),
            (json!("0x10"), BlockRef::Tag(BlockTag::Height(16))),
            (json!(hash), BlockRef::Hash(B256::repeat_byte(0xab))),
            (json!({"blockHash": hash, "requireCanonical": true}), BlockRef::Hash(B256::repeat_byte(0xab))),
            (json!({"blockNumber": "0x1"}), BlockRef::Tag(BlockTag::Height(1))),
        ] {
            assert_eq!(BlockRef::from_arg(&value), Ok(want), "{value}");
        }
        for bad in [json!("newest"), json!(5), json!({}), json!({"blockHash": hash, "blockNumber": "0x1"})] {
            assert!(BlockRef::from_arg(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_are_bounded() {
        let long = json!(vec!["0x0"; MAX_LIST + 1]);
        assert!(Vec::<Slot>::from_arg(&long).unwrap_err().contains("limit 1024"));
    }
}
