//! Reading requests. Size and depth are checked before anything is built from the bytes.

use serde_json::{Map, Value};

use super::RpcError;
use crate::Limits;

/// The parameters of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Params {
    Positional(Vec<Value>),
    Named(Map<String, Value>),
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// `None`: a notification, which is not answered.
    pub id: Option<Value>,
    pub method: String,
    pub params: Params,
}

/// A call that is none: the id to answer it with, and what is wrong. Hardly ever made, hence not held in place.
pub(crate) type NoCall = Box<(Value, RpcError)>;

/// A request body.
#[derive(Debug, PartialEq)]
pub(crate) enum Body {
    Single(Result<Call, NoCall>),
    Batch(Vec<Result<Call, NoCall>>),
}

impl Body {
    /// How many calls it holds.
    pub fn calls(&self) -> usize {
        match self {
            Body::Single(_) => 1,
            Body::Batch(calls) => calls.len(),
        }
    }
}

/// Reads a body. An error here concerns the body as a whole.
pub(crate) fn parse_body(bytes: &[u8], limits: &Limits) -> Result<Body, RpcError> {
    check_depth(bytes, limits.json_depth)?;
    let value = serde_json::from_slice(bytes).map_err(|e| RpcError::parse(format!("parse error: {e}")))?;
    match value {
        Value::Array(calls) if calls.is_empty() => Err(RpcError::invalid_request("empty batch")),
        Value::Array(calls) if calls.len() > limits.batch_calls => Err(RpcError::invalid_request(format!(
            "batch too large: {} calls, limit {}",
            calls.len(),
            limits.batch_calls
        ))),
        Value::Array(calls) => Ok(Body::Batch(calls.into_iter().map(parse_call).collect())),
        single => Ok(Body::Single(parse_call(single))),
    }
}

/// Reads one call of a batch.
fn parse_call(value: Value) -> Result<Call, NoCall> {
    let Value::Object(mut fields) = value else {
        let error = RpcError::invalid_request("invalid request: a call is a JSON object");
        return Err(Box::new((Value::Null, error)));
    };
    let id = match fields.remove("id") {
        None => None,
        Some(id @ (Value::Null | Value::String(_) | Value::Number(_))) => Some(id),
        Some(_) => {
            let error = RpcError::invalid_request("invalid request: id must be a string or a number");
            return Err(Box::new((Value::Null, error)));
        }
    };
    match read_fields(&mut fields) {
        Ok((method, params)) => Ok(Call { id, method, params }),
        Err(error) => Err(Box::new((id.unwrap_or(Value::Null), error))),
    }
}

fn read_fields(fields: &mut Map<String, Value>) -> Result<(String, Params), RpcError> {
    if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(RpcError::invalid_request(r#"invalid request: jsonrpc must be "2.0""#));
    }
    let Some(Value::String(method)) = fields.remove("method") else {
        return Err(RpcError::invalid_request("invalid request: method must be a string"));
    };
    let params = match fields.remove("params") {
        None | Some(Value::Null) => Params::Positional(Vec::new()),
        Some(Value::Array(values)) => Params::Positional(values),
        Some(Value::Object(values)) => Params::Named(values),
        Some(_) => return Err(RpcError::invalid_params("non-array args")),
    };
    Ok((method, params))
}

/// Refuses nesting beyond `limit` without building anything: brackets outside strings are counted.
fn check_depth(bytes: &[u8], limit: usize) -> Result<(), RpcError> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth = depth.saturating_add(1);
                if depth > limit {
                    return Err(RpcError::parse(format!("parse error: JSON is nested deeper than {limit}")));
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Body, RpcError> {
        parse_body(text.as_bytes(), &Limits { batch_calls: 3, json_depth: 8, ..Limits::default() })
    }

    fn single(text: &str) -> Result<Call, NoCall> {
        match parse(text) {
            Ok(Body::Single(call)) => call,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_is_read_and_unknown_fields_are_ignored() {
        let call = single(r#"{"jsonrpc":"2.0","id":7,"method":"m","params":["0x1"],"networkId":1}"#).unwrap();
        assert_eq!(call.id, Some(json!(7)));
        assert_eq!(call.params, Params::Positional(vec![json!("0x1")]));
    }

    #[test]
    fn a_call_without_an_id_is_a_notification_but_one_with_null_is_not() {
        assert_eq!(single(r#"{"jsonrpc":"2.0","method":"m"}"#).unwrap().id, None);
        assert_eq!(single(r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#).unwrap().id, Some(Value::Null));
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_id() {
        for (text, id, code) in [
            (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, json!(1), -32600),
            (r#"{"jsonrpc":"2.0","id":"a","method":5}"#, json!("a"), -32600),
            (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, Value::Null, -32600),
            (r#"{"jsonrpc":"2.0","id":2,"method":"m","params":"x"}"#, json!(2), -32602),
            ("5", Value::Null, -32600),
        ] {
            let (have, error) = *single(text).unwrap_err();
            assert_eq!((have, error.code), (id, code), "{text}");
        }
    }

    #[test]
    fn broken_json_is_a_parse_error() {
        assert_eq!(parse("{").unwrap_err().code, -32700);
        assert_eq!(parse("").unwrap_err().code, -32700);
    }

    #[test]
    fn batches_are_bounded_and_never_empty() {
        assert_eq!(parse("[]").unwrap_err().message, "empty batch");
        assert_eq!(parse("[1,2,3,4]").unwrap_err().message, "batch too large: 4 calls, limit 3");
        assert_eq!(parse("[1,2,3]").unwrap().calls(), 3);
    }

    #[test]
    fn deep_nesting_is_refused_but_brackets_in_strings_do_not_count() {
        let deep = "[".repeat(9);
        assert_eq!(parse(&deep).unwrap_err().message, "parse error: JSON is nested deeper than 8");
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"\"{}"}}"#, "[".repeat(50));
        assert!(single(&text).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_body_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = parse_body(&bytes, &Limits::default());
        }

        #[test]
        fn any_text_like_json_gives_a_body_or_an_error(text in r#"[\[\]{}":,0-9a-z\\ ]{0,200}"#) {
            let _ = parse_body(text.as_bytes(), &Limits::default());
        }
    }
}
