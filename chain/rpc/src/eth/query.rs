//! Log filters: what `eth_getLogs`, filters and subscriptions ask for.

use alloy_primitives::{Address, B256};
use concordat_state::{LogFilter, LogHit};
use serde_json::Value;

use super::{
    Eth,
    args::{BlockRef, BlockTag, FromArg, MAX_LIST, kind},
    chain::store_error,
    json::{self, LogPlace},
};
use crate::{
    Limits,
    jsonrpc::{Budget, RpcError},
};

/// Most positions that topics have (yellow paper: `LOG4`).
const MAX_TOPICS: usize = 4;

/// A filter object.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct LogQuery {
    pub span: Span,
    pub addresses: Vec<Address>,
    pub topics: Vec<Vec<B256>>,
}

/// Which blocks a filter looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Block(B256),
    Range { from: Option<BlockTag>, to: Option<BlockTag> },
}

impl Default for Span {
    fn default() -> Self {
        Self::Range { from: None, to: None }
    }
}

impl FromArg for LogQuery {
    fn from_arg(value: &Value) -> Result<Self, String> {
        let Value::Object(fields) = value else {
            return Err(format!("{} where a filter object belongs", kind(value)));
        };
        let tag = |name: &str| optional::<BlockTag>(fields.get(name)).map_err(|e| format!("{name}: {e}"));
        let (from, to) = (tag("fromBlock")?, tag("toBlock")?);
        let span = match optional::<B256>(fields.get("blockHash")).map_err(|e| format!("blockHash: {e}"))? {
            Some(_) if from.is_some() || to.is_some() => {
                return Err(
                    "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other".into()
                );
            }
            Some(hash) => Span::Block(hash),
            None => Span::Range { from, to },
        };
        let addresses = one_or_many(fields.get("address")).map_err(|e| format!("address: {e}"))?;
        Ok(Self {
            span,
            addresses,
            topics: topics(fields.get("topics")).map_err(|e| format!("topics: {e}"))?,
        })
    }
}

fn optional<T: FromArg>(value: Option<&Value>) -> Result<Option<T>, String> {
    value.filter(|value| !value.is_null()).map(T::from_arg).transpose()
}

fn one_or_many<T: FromArg>(value: Option<&Value>) -> Result<Vec<T>, String> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(list @ Value::Array(_)) => Vec::from_arg(list),
        Some(one) => T::from_arg(one).map(|one| vec![one]),
    }
}

/// One entry per position: null for any, a hash, or a list of alternatives. A null among the alternatives
/// makes the position match anything, as in go-ethereum.
fn topics(value: Option<&Value>) -> Result<Vec<Vec<B256>>, String> {
    let positions = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(positions)) => positions,
        Some(other) => return Err(format!("{} where an array belongs", kind(other))),
    };
    if positions.len() > MAX_TOPICS {
        return Err(format!("exceeds max topics: {} positions, limit {MAX_TOPICS}", positions.len()));
    }
    let position = |value: &Value| match value {
        Value::Array(list) if list.len() <= MAX_LIST && list.contains(&Value::Null) => Ok(Vec::new()),
        other => one_or_many(Some(other)),
    };
    positions.iter().map(position).collect()
}

impl LogQuery {
    /// The same conditions over these heights.
    pub fn over(&self, from: u64, to: u64, limits: &Limits) -> LogFilter {
        LogFilter {
            from,
            to,
            addresses: self.addresses.clone(),
            topics: self.topics.clone(),
            cap: limits.log_results,
            // Shown in hexadecimal, they take more than that.
            cap_bytes: limits.response_bytes,
        }
    }
}

impl Eth {
    /// The heights that a span means now, within the limit.
    pub fn heights(&self, span: Span) -> Result<(u64, u64), RpcError> {
        let (from, to) = match span {
            Span::Block(hash) => {
                let height =
                    self.resolve(BlockRef::Hash(hash))?.ok_or_else(|| RpcError::server("unknown block"))?;
                return Ok((height, height));
            }
            Span::Range { from, to } => (self.bound(from)?, self.bound(to)?),
        };
        let tip = self.tip()?.height;
        if from > to {
            return Err(RpcError::invalid_params(format!(
                "invalid block range params: fromBlock {from} is above toBlock {to}"
            )));
        }
        if to > tip {
            return Err(RpcError::invalid_params(format!(
                "block range extends beyond current head block: toBlock {to}, head {tip}"
            )));
        }
        let (blocks, limit) = (to.saturating_sub(from).saturating_add(1), self.limits.log_range_blocks);
        if blocks > limit {
            return Err(RpcError::limit_exceeded(format!(
                "block range too large: {blocks} blocks, limit {limit}; ask for less at a time"
            )));
        }
        Ok((from, to))
    }

    fn bound(&self, tag: Option<BlockTag>) -> Result<u64, RpcError> {
        Ok(match tag.unwrap_or_default() {
            BlockTag::Height(height) => height,
            BlockTag::Earliest => self.genesis_height,
            BlockTag::Latest | BlockTag::Pending => self.tip()?.height,
        })
    }

    /// The logs that match a filter, as JSON.
    pub fn matching_logs(&self, filter: &LogFilter) -> Result<Vec<Value>, RpcError> {
        let hits = self.store.logs(filter).map_err(store_error)?;
        let mut budget = Budget::new(self.limits.response_bytes);
        hits.iter().map(|hit| budget.admit(hit_json(hit))).collect()
    }
}

/// A stored log.
fn hit_json(hit: &LogHit) -> Value {
    let place = LogPlace {
        block_hash: hit.block_hash,
        height: hit.height,
        tx_hash: hit.tx_hash,
        tx_index: u64::from(hit.tx_index),
        log_index: u64::from(hit.log_index),
    };
    json::log(&hit.log, &place)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_and_topics_come_alone_or_in_lists() {
        let (address, topic) = (format!("0x{}", "11".repeat(20)), format!("0x{}", "22".repeat(32)));
        let one = LogQuery::from_arg(&json!({"address": address, "topics": [topic, null]})).unwrap();
        let many = LogQuery::from_arg(&json!({"address": [address], "topics": [[topic], []]})).unwrap();
        assert_eq!(one, many);
        assert_eq!(one.topics, vec![vec![B256::repeat_byte(0x22)], vec![]]);
        let any = LogQuery::from_arg(&json!({"topics": [[topic, null]]})).unwrap();
        assert_eq!(any.topics, vec![Vec::<B256>::new()]);
    }

    #[test]
    fn a_filter_names_a_block_or_a_range_not_both() {
        let hash = format!("0x{}", "22".repeat(32));
        assert_eq!(
            LogQuery::from_arg(&json!({"blockHash": hash})).unwrap().span,
            Span::Block(B256::repeat_byte(0x22))
        );
        let both = LogQuery::from_arg(&json!({"blockHash": hash, "fromBlock": "0x1"}));
        assert!(both.unwrap_err().starts_with("cannot specify both"));
    }

    #[test]
    fn malformed_filters_are_refused_by_field() {
        for (filter, field) in [
            (json!({"fromBlock": "ten"}), "fromBlock"),
            (json!({"address": "0x1"}), "address"),
            (json!({"topics": "0x"}), "topics"),
            (json!({"topics": [1]}), "topics"),
            (json!({"topics": [null, null, null, null, null]}), "exceeds max topics"),
            (json!([]), "filter object"),
        ] {
            assert!(LogQuery::from_arg(&filter).unwrap_err().contains(field), "{filter}");
        }
    }
}
