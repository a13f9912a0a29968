//! Logs.

use alloy_primitives::{B256, Log};
use serde_json::{Value, json};

use crate::eth::hex::{data, quantity};

/// Where a log stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogPlace {
    pub block_hash: B256,
    pub height: u64,
    pub tx_hash: B256,
    pub tx_index: u64,
    /// Within the block.
    pub log_index: u64,
}

/// A log. `removed` is always false: a committed block is final.
pub(crate) fn log(log: &Log, place: &LogPlace) -> Value {
    json!({
        "address": data(log.address),
        "topics": log.topics().iter().map(data).collect::<Vec<_>>(),
        "data": data(&log.data.data),
        "blockNumber": quantity(place.height),
        "blockHash": data(place.block_hash),
        "transactionHash": data(place.tx_hash),
        "transactionIndex": quantity(place.tx_index),
        "logIndex": quantity(place.log_index),
        "removed": false,
    })
}
