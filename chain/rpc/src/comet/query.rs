//! The part of CometBFT's query language that has an index here: `tm.event`, `tx.hash`, `tx.height` and
//! `block.height`, joined by `AND` (CometBFT `libs/pubsub/query`).

use alloy_primitives::B256;

/// Longest query that is read (CometBFT `rpc/core`).
const MAX_QUERY_BYTES: usize = 512;

/// Heights between two bounds, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub least: u64,
    pub most: u64,
}

impl Default for Range {
    fn default() -> Self {
        Self { least: 0, most: u64::MAX }
    }
}

impl Range {
    /// Whether a height is between the bounds.
    pub fn contains(&self, height: u64) -> bool {
        (self.least..=self.most).contains(&height)
    }

    fn narrow(&mut self, operator: &str, height: u64) {
        let (least, most) = match operator {
            "=" => (height, height),
            "<" => (0, height.saturating_sub(1)),
            "<=" => (0, height),
            ">" => (height.saturating_add(1), u64::MAX),
            _ => (height, u64::MAX),
        };
        self.least = self.least.max(least);
        self.most = self.most.min(most);
    }
}

/// A parsed query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub event: Option<String>,
    pub tx_hash: Option<B256>,
    pub tx_height: Range,
    pub block_height: Range,
}

impl Query {
    /// Reads a query; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_QUERY_BYTES {
            return Err(format!(
                "maximum query length exceeded: {} bytes, limit {MAX_QUERY_BYTES}",
                text.len()
            ));
        }
        if text.trim().is_empty() {
            return Err("failed to parse query: it is empty".into());
        }
        let mut query = Self::default();
        for condition in text.split(" AND ") {
            query.add(condition.trim())?;
        }
        Ok(query)
    }

    fn add(&mut self, condition: &str) -> Result<(), String> {
        let parse_error =
            || format!("failed to parse query: {condition:?} is no condition like tx.height = 5");
        let at = condition.find(['<', '>', '=']).ok_or_else(parse_error)?;
        let (key, rest) = condition.split_at_checked(at).ok_or_else(parse_error)?;
        let operator = ["<=", ">=", "<", ">", "="].into_iter().find(|operator| rest.starts_with(operator));
        let operator = operator.ok_or_else(parse_error)?;
        let operand = rest.strip_prefix(operator).unwrap_or_default().trim();
        match key.trim() {
            "tm.event" if operator == "=" => self.event = Some(quoted(operand)?.to_owned()),
            "tx.hash" if operator == "=" => self.tx_hash = Some(hash(quoted(operand)?)?),
            "tx.height" => self.tx_height.narrow(operator, height(operand)?),
            "block.height" => self.block_height.narrow(operator, height(operand)?),
            "tm.event" | "tx.hash" => {
                return Err(format!("failed to parse query: {} takes = alone", key.trim()));
            }
            other => {
                return Err(format!(
                    "{other:?} is not indexed here; known are tm.event, tx.hash, tx.height and block.height"
                ));
            }
        }
        Ok(())
    }
}

fn quoted(operand: &str) -> Result<&str, String> {
    operand
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .ok_or_else(|| format!("failed to parse query: {operand:?} must stand in single quotes"))
}

fn hash(text: &str) -> Result<B256, String> {
    let bytes = hex::decode(text.trim_start_matches("0x")).unwrap_or_default();
    B256::try_from(bytes.as_slice())
        .map_err(|_| format!("failed to parse query: {text:?} is no hash of 32 bytes"))
}

fn height(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("failed to parse query: {text:?} is no height"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn conditions_are_joined_and_narrow_each_other() {
        let query = Query::parse("tm.event = 'Tx' AND tx.height>=5 AND tx.height < 9").unwrap();
        assert_eq!(query.event.as_deref(), Some("Tx"));
        assert_eq!(query.tx_height, Range { least: 5, most: 8 });
        let by_hash = Query::parse(&format!("tx.hash='{}'", "AB".repeat(32))).unwrap();
        assert_eq!(by_hash.tx_hash, Some(B256::repeat_byte(0xab)));
        assert_eq!(Query::parse("block.height = 7").unwrap().block_height, Range { least: 7, most: 7 });
    }

    #[test]
    fn queries_that_cannot_be_answered_say_why() {
        for (text, words) in [
            ("", "empty"),
            ("tx.height", "no condition"),
            ("tx.height = 'five'", "no height"),
            ("tx.hash = 'xy'", "no hash"),
            ("tx.hash > 'xy'", "takes = alone"),
            ("tm.event = NewBlock", "single quotes"),
            ("transfer.sender = 'x'", "not indexed"),
        ] {
            let error = Query::parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(Query::parse(&"x".repeat(513)).unwrap_err().contains("length"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = Query::parse(&text);
        }
    }
}
