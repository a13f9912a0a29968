//! How large an answer may still grow while its rows are collected.

use std::io;

use serde_json::Value;

use super::RpcError;

/// The bytes that are left of an answer. What would be too large is given up while it is collected, not after.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    left: usize,
}

impl Budget {
    /// For an answer of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, left: limit }
    }

    /// Counts a row of the answer, as its JSON text; the error says that the answer would be too large.
    pub fn admit(&mut self, row: Value) -> Result<Value, RpcError> {
        let mut text = Length(0);
        serde_json::to_writer(&mut text, &row).map_err(RpcError::internal)?;
        let left = self.left.checked_sub(text.0);
        self.left = left.ok_or_else(|| RpcError::response_too_large(self.limit))?;
        Ok(row)
    }
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_admitted_until_the_answer_would_be_too_large() {
        let mut budget = Budget::new(10);
        assert_eq!(budget.admit(json!("abc")), Ok(json!("abc")), "5 bytes with its quotes");
        assert_eq!(budget.admit(json!([1, 2])).unwrap(), json!([1, 2]), "the other 5");
        assert_eq!(budget.admit(json!(1)).unwrap_err().code, RpcError::RESPONSE_TOO_LARGE);
    }
}
