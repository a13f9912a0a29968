//! Writing answers, within the limit on their size.

use serde::Serialize;
use serde_json::Value;

use super::{RpcError, RpcResult};

/// The answer to one call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub id: Value,
    pub result: RpcResult,
}

#[derive(Serialize)]
struct Success<'a> {
    jsonrpc: &'static str,
    id: &'a Value,
    result: &'a Value,
}

#[derive(Serialize)]
struct Failure<'a> {
    jsonrpc: &'static str,
    id: &'a Value,
    error: &'a RpcError,
}

impl Reply {
    /// A refusal of something that has no id.
    pub fn refusal(error: RpcError) -> Self {
        Self { id: Value::Null, result: Err(error) }
    }

    /// The JSON text, or that of an error where it would exceed `limit` bytes.
    pub fn encode(&self, limit: usize) -> Vec<u8> {
        let bytes = self.encode_unbounded();
        if bytes.len() <= limit {
            return bytes;
        }
        let error = Err(RpcError::response_too_large(limit));
        Self { id: self.id.clone(), result: error }.encode_unbounded()
    }

    fn encode_unbounded(&self) -> Vec<u8> {
        let encoded = match &self.result {
            Ok(result) => serde_json::to_vec(&Success { jsonrpc: "2.0", id: &self.id, result }),
            Err(error) => serde_json::to_vec(&Failure { jsonrpc: "2.0", id: &self.id, error }),
        };
        encoded.expect("JSON values can always be written")
    }
}

/// The answer to a request, written as the answers to its calls come: none of them waits in memory in a larger form.
pub(crate) struct Answer {
    out: Vec<u8>,
    batch: bool,
    limit: usize,
}

impl Answer {
    /// For one call, or a batch of them, in at most `limit` bytes.
    pub fn new(batch: bool, limit: usize) -> Self {
        Self { out: Vec::new(), batch, limit }
    }

    /// Adds the answer to the next call. One beyond the limit becomes an error, as in go-ethereum.
    pub fn add(&mut self, reply: &Reply) {
        if self.batch {
            self.out.push(if self.out.is_empty() { b'[' } else { b',' });
        }
        self.out.extend(reply.encode(self.limit.saturating_sub(self.out.len())));
    }

    /// The JSON text; `None` where there is nothing to answer.
    pub fn finish(mut self) -> Option<Vec<u8>> {
        if self.batch && !self.out.is_empty() {
            self.out.push(b']');
        }
        Some(self.out).filter(|out| !out.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_have_a_result_or_an_error_never_both() {
        let good = Reply { id: json!(1), result: Ok(Value::Null) };
        assert_eq!(good.encode(1000), br#"{"jsonrpc":"2.0","id":1,"result":null}"#);
        let bad = Reply::refusal(RpcError::server("no"));
        assert_eq!(
            bad.encode(1000),
            br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}"#
        );
    }

    #[test]
    fn an_answer_beyond_the_limit_becomes_an_error() {
        let large = Reply { id: json!(1), result: Ok(json!("x".repeat(100))) };
        let text: Value = serde_json::from_slice(&large.encode(50)).unwrap();
        assert_eq!(text["error"]["code"], -32003);
    }

    #[test]
    fn a_batch_keeps_the_answers_that_fit() {
        let mut answer = Answer::new(true, 200);
        for id in [1, 2] {
            answer.add(&Reply { id: json!(id), result: Ok(json!("x".repeat(100))) });
        }
        let text: Value = serde_json::from_slice(&answer.finish().unwrap()).unwrap();
        assert_eq!(text[0]["result"], "x".repeat(100));
        assert_eq!(text[1]["error"]["code"], -32003);
        assert_eq!(text[1]["id"], 2);
    }

    #[test]
    fn nothing_is_answered_where_nothing_was_asked() {
        assert_eq!(Answer::new(true, 200).finish(), None);
        assert_eq!(Answer::new(false, 200).finish(), None);
    }
}
