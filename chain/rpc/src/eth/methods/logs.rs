//! Logs and filters.

use std::{sync::PoisonError, time::Instant};

use serde_json::Value;
use tokio::sync::broadcast::error::TryRecvError;

use crate::{
    eth::{
        Eth,
        args::{Args, BlockTag},
        filters::{Filters, Watch, not_found},
        hex::data,
        query::{LogQuery, Span},
    },
    jsonrpc::{RpcError, RpcResult},
};

/// Most waiting transactions that one poll answers.
const MAX_PENDING: usize = 4096;

pub(super) fn get_logs(eth: &Eth, args: &Args) -> RpcResult {
    logs_of(eth, &args.required::<LogQuery>(0)?)
}

fn logs_of(eth: &Eth, query: &LogQuery) -> RpcResult {
    let (from, to) = eth.heights(query.span)?;
    eth.matching_logs(&query.over(from, to, &eth.limits)).map(Value::Array)
}

pub(super) fn new_filter(eth: &Eth, args: &Args) -> RpcResult {
    let query = args.required::<LogQuery>(0)?;
    let next = match query.span {
        Span::Range { from: Some(BlockTag::Height(from)), to } => {
            if matches!(to, Some(BlockTag::Height(to)) if to < from) {
                return Err(RpcError::invalid_params(
                    "invalid block range params: fromBlock is above toBlock",
                ));
            }
            from.max(eth.tip()?.height.saturating_add(1))
        }
        Span::Range { .. } => eth.tip()?.height.saturating_add(1),
        Span::Block(_) => return Err(RpcError::invalid_params("a filter watches a range, not one block")),
    };
    install(eth, Watch::Logs { query, next })
}

pub(super) fn new_block_filter(eth: &Eth, _: &Args) -> RpcResult {
    let next = eth.tip()?.height.saturating_add(1);
    install(eth, Watch::Blocks { next })
}

pub(super) fn new_pending_filter(eth: &Eth, _: &Args) -> RpcResult {
    install(eth, Watch::Pending(eth.api.subscribe_pending()))
}

fn install(eth: &Eth, watch: Watch) -> RpcResult {
    with_filters(eth, |filters| filters.install(watch, Instant::now())).map(Value::String)
}

/// A panic elsewhere leaves the map whole, so a poisoned lock is taken all the same.
fn with_filters<T>(eth: &Eth, act: impl FnOnce(&mut Filters) -> T) -> T {
    act(&mut eth.filters.lock().unwrap_or_else(PoisonError::into_inner))
}

pub(super) fn uninstall_filter(eth: &Eth, args: &Args) -> RpcResult {
    let id = args.required::<String>(0)?;
    Ok(Value::Bool(with_filters(eth, |filters| filters.uninstall(&id))))
}

pub(super) fn filter_logs(eth: &Eth, args: &Args) -> RpcResult {
    let id = args.required::<String>(0)?;
    let query = with_filters(eth, |filters| match filters.get(&id, Instant::now())? {
        Watch::Logs { query, .. } => Ok(query.clone()),
        _ => Err(not_found()),
    })?;
    logs_of(eth, &query)
}

/// What one poll has to look up once the lock is given back.
enum Poll {
    Done(Vec<Value>),
    Blocks { next: u64 },
    Logs { query: LogQuery, next: u64 },
}

pub(super) fn filter_changes(eth: &Eth, args: &Args) -> RpcResult {
    let id = args.required::<String>(0)?;
    let poll = with_filters(eth, |filters| filters.get(&id, Instant::now()).map(start_poll))?;
    let tip = eth.tip()?.height;
    let (changes, reached) = match poll {
        Poll::Done(hashes) => return Ok(Value::Array(hashes)),
        Poll::Blocks { next } => {
            (block_hashes(eth, next, last_of_poll(eth, next, tip))?, last_of_poll(eth, next, tip))
        }
        Poll::Logs { query, next } => {
            let end = match query.span {
                Span::Range { to: Some(BlockTag::Height(to)), .. } => tip.min(to),
                _ => tip,
            };
            let end = last_of_poll(eth, next, end);
            let filter = query.over(next, end, &eth.limits);
            (if next > end { Vec::new() } else { eth.matching_logs(&filter)? }, end)
        }
    };
    with_filters(eth, |filters| filters.get(&id, Instant::now()).map(|watch| advance(watch, reached)))?;
    Ok(Value::Array(changes))
}

/// A poll covers no more blocks than a log query may; the next one goes on from there.
fn last_of_poll(eth: &Eth, next: u64, end: u64) -> u64 {
    end.min(next.saturating_add(eth.limits.log_range_blocks).saturating_sub(1))
}

fn start_poll(watch: &mut Watch) -> Poll {
    match watch {
        Watch::Blocks { next } => Poll::Blocks { next: *next },
        Watch::Logs { query, next } => Poll::Logs { query: query.clone(), next: *next },
        Watch::Pending(receiver) => {
            let mut hashes = Vec::new();
            while hashes.len() < MAX_PENDING {
                match receiver.try_recv() {
                    Ok(tx) => hashes.push(data(tx.hash())),
                    Err(TryRecvError::Lagged(_)) => {}
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            Poll::Done(hashes)
        }
    }
}

fn advance(watch: &mut Watch, reached: u64) {
    if let Watch::Blocks { next } | Watch::Logs { next, .. } = watch {
        *next = (*next).max(reached.saturating_add(1));
    }
}

fn block_hashes(eth: &Eth, next: u64, end: u64) -> Result<Vec<Value>, RpcError> {
    let hashes = (next..=end).map(|height| eth.hash_at(height));
    hashes.filter_map(Result::transpose).map(|hash| hash.map(data)).collect()
}
