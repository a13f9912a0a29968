//! From the ledger's types to the JSON that Ethereum clients read. Pure: values in, values out.

mod block;
mod log;
mod receipt;
mod transaction;

pub(crate) use block::{BlockView, Bodies, block, genesis_block, header, time_secs};
pub(crate) use log::{LogPlace, log};
pub(crate) use receipt::{receipt, receipts};
pub(crate) use transaction::{Inclusion, access_list, inspect, transaction};
