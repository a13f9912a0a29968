//! Parameters, from a JSON-RPC body or from a URI.
//!
//! CometBFT writes the same parameter differently in the two: 64-bit integers are strings in JSON, bytes are
//! base64 there and `0x…` or a quoted text in a URI (CometBFT `rpc/jsonrpc/server`).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::jsonrpc::{Params, RpcError};

/// The parameters of a call, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Args {
    values: Map<String, Value>,
    /// From a URI, where strings are quoted and bytes are not base64.
    uri: bool,
}

fn bad(name: &str, reason: impl std::fmt::Display) -> RpcError {
    RpcError::invalid_params(format!("error converting argument {name}: {reason}"))
}

impl Args {
    /// From a JSON-RPC call; positions are matched with the method's names.
    pub fn from_json(params: Params, names: &[&str]) -> Result<Self, RpcError> {
        let values = match params {
            Params::Named(values) => values,
            Params::Positional(values) if values.len() > names.len() => {
                let (want, have) = (names.len(), values.len());
                return Err(RpcError::invalid_params(format!(
                    "expected {want} parameters ({names:?}), got {have}"
                )));
            }
            Params::Positional(values) => {
                names.iter().map(|name| plain(name).to_owned()).zip(values).collect()
            }
        };
        Ok(Self { values, uri: false })
    }

    /// From the query part of a URI.
    pub fn from_uri(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let values = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (percent_decode(name), Value::String(percent_decode(value))))
            .collect();
        Self { values, uri: true }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let value = self.values.get(name).filter(|value| !value.is_null());
        value.filter(|value| !(self.uri && value.as_str() == Some("")))
    }

    /// A 64-bit integer.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, RpcError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => {
                let digits = if self.uri { unquoted(text).unwrap_or(text) } else { text };
                digits.parse().map(Some).map_err(|_| bad(name, format!("{text:?} is no integer")))
            }
            Some(Value::Number(number)) => {
                number.as_i64().map(Some).ok_or_else(|| bad(name, format!("{number} is no 64-bit integer")))
            }
            Some(other) => Err(bad(name, format!("{other} is no integer"))),
        }
    }

    /// A boolean; absent means false.
    pub fn flag(&self, name: &str) -> Result<bool, RpcError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if self.uri && text == "true" => Ok(true),
            Some(Value::String(text)) if self.uri && text == "false" => Ok(false),
            Some(other) => Err(bad(name, format!("{other} is no boolean"))),
        }
    }

    /// A text; absent means empty.
    pub fn text(&self, name: &str) -> Result<String, RpcError> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) if self.uri => unquoted(text)
                .map(str::to_owned)
                .ok_or_else(|| bad(name, "in a URI, a text stands in double quotes")),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(bad(name, format!("{other} is no text"))),
        }
    }

    /// Bytes: base64 in JSON; in a URI `0x…`, or the bytes of a quoted text.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, RpcError> {
        self.any_bytes(name, |text| STANDARD.decode(text).map_err(|e| e.to_string()))
    }

    /// CometBFT's `HexBytes`: hexadecimal in JSON too.
    pub fn hex_bytes(&self, name: &str) -> Result<Vec<u8>, RpcError> {
        self.any_bytes(name, |text| hex::decode(text).map_err(|e| e.to_string()))
    }

    fn any_bytes(
        &self,
        name: &str,
        from_json: fn(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Vec<u8>, RpcError> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) if self.uri => match (text.strip_prefix("0x"), unquoted(text)) {
                (Some(digits), _) => hex::decode(digits).map_err(|e| bad(name, e)),
                (None, Some(text)) => Ok(text.as_bytes().to_vec()),
                (None, None) => Err(bad(name, "in a URI, bytes are 0x… or a text in double quotes")),
            },
            Some(Value::String(text)) => from_json(text).map_err(|reason| bad(name, reason)),
            Some(other) => Err(bad(name, format!("{other} is no string"))),
        }
    }
}

/// A parameter's name in the method table without the mark that it may be left out.
pub(crate) fn plain(name: &str) -> &str {
    name.trim_end_matches('?')
}

fn unquoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

/// `%41` and `+`, as in forms. What is malformed stays as it is.
fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped =
            (*first == b'%').then(|| tail.get(..2).and_then(|digits| hex::decode(digits).ok())).flatten();
        match (escaped, first) {
            (Some(byte), _) => {
                out.extend(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            (None, b'+') => {
                out.push(b' ');
                rest = tail;
            }
            (None, other) => {
                out.push(*other);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn named(value: Value) -> Args {
        Args::from_json(Params::Named(value.as_object().unwrap().clone()), &[]).unwrap()
    }

    #[test]
    fn json_and_uri_write_the_same_things_differently() {
        let json =
            named(json!({"height": "5", "prove": true, "path": "/store", "tx": "AQI=", "data": "0102"}));
        let uri = Args::from_uri(r#"height=5&prove=true&path=%22/store%22&tx=0x0102&data=0x0102"#);
        for args in [json, uri] {
            assert_eq!(args.integer("height").unwrap(), Some(5));
            assert!(args.flag("prove").unwrap());
            assert_eq!(args.text("path").unwrap(), "/store");
            assert_eq!(args.bytes("tx").unwrap(), [1, 2]);
            assert_eq!(args.hex_bytes("data").unwrap(), [1, 2]);
        }
        assert_eq!(named(json!({"height": 5})).integer("height").unwrap(), Some(5));
        assert_eq!(Args::from_uri(r#"tx="ab""#).bytes("tx").unwrap(), b"ab");
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let none = Args::from_uri("height=&x");
        assert_eq!(none.integer("height").unwrap(), None);
        assert!(!none.flag("prove").unwrap());
        assert_eq!(none.text("path").unwrap(), "");
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        let args = named(json!({"height": "five", "prove": "yes", "tx": "@@", "data": "xy", "path": 5}));
        for error in [
            args.integer("height").unwrap_err(),
            args.flag("prove").unwrap_err(),
            args.bytes("tx").unwrap_err(),
            args.hex_bytes("data").unwrap_err(),
            args.text("path").unwrap_err(),
            Args::from_uri("path=/store").text("path").unwrap_err(),
            Args::from_uri("tx=0xzz").bytes("tx").unwrap_err(),
        ] {
            assert_eq!(error.code, -32602, "{error:?}");
        }
    }

    #[test]
    fn positions_are_matched_with_names() {
        let params = Params::Positional(vec![json!("7")]);
        assert_eq!(
            Args::from_json(params.clone(), &["height?"]).unwrap().integer("height").unwrap(),
            Some(7)
        );
        assert_eq!(Args::from_json(params, &[]).unwrap_err().code, -32602);
    }

    proptest! {
        #[test]
        fn any_uri_is_read(query in ".{0,100}") {
            let args = Args::from_uri(&query);
            let _ = (args.integer("a"), args.text("a"), args.bytes("a"));
        }
    }
}
