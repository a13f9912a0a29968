//! The methods: one table that dispatch, documentation, metrics and tests all read.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{Comet, abci, args::Args, blocks, broadcast, info};
use crate::jsonrpc::RpcResult;

/// A handler that answers at once or blocks.
type Sync = fn(&Comet, &Args) -> RpcResult;

/// How a method is run.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// From memory, in place.
    Memory(Sync),
    /// On a blocking thread.
    Blocking(Sync),
    /// Waits for the pool.
    Submit(fn(Arc<Comet>, Args) -> BoxFuture<'static, RpcResult>),
    /// On WebSocket connections alone, which keep the subscriptions.
    Subscription,
}

/// A method.
pub(crate) struct Method {
    pub name: &'static str,
    /// Names of its parameters; those with `?` may be left out.
    pub params: &'static [&'static str],
    /// One line for the documentation.
    pub summary: &'static str,
    pub handler: Handler,
}

const fn method(
    name: &'static str,
    params: &'static [&'static str],
    summary: &'static str,
    handler: Handler,
) -> Method {
    Method { name, params, summary, handler }
}

/// Every method.
#[rustfmt::skip]
pub(crate) static METHODS: &[Method] = &[
    method("health", &[], "Empty while the node answers", Handler::Memory(info::health)),
    method("status", &[], "Node, newest block, own validator", Handler::Blocking(info::status)),
    method("net_info", &[], "Connected peers", Handler::Blocking(info::net_info)),
    method("genesis", &[], "The genesis document", Handler::Blocking(info::genesis)),
    method("genesis_chunked", &["chunk?"], "The genesis document in pieces", Handler::Blocking(info::genesis_chunked)),
    method("consensus_params", &["height?"], "Limits that all nodes share", Handler::Blocking(info::consensus_params)),
    method("consensus_state", &[], "Height and round under decision", Handler::Blocking(info::consensus_state)),
    method("validators", &["height?", "page?", "per_page?"], "The validators of a height, up to the one after the newest", Handler::Blocking(info::validators)),
    method("blockchain", &["minHeight?", "maxHeight?"], "Headers of a range, newest first, at most 20", Handler::Blocking(blocks::blockchain)),
    method("block", &["height?"], "A block", Handler::Blocking(blocks::block)),
    method("block_by_hash", &["hash"], "A block by hash", Handler::Blocking(blocks::block_by_hash)),
    method("block_results", &["height?"], "What became of a block's transactions", Handler::Blocking(blocks::block_results)),
    method("header", &["height?"], "A header", Handler::Blocking(blocks::header)),
    method("header_by_hash", &["hash"], "A header by hash", Handler::Blocking(blocks::header_by_hash)),
    method("commit", &["height?"], "A header and the commit that decided it", Handler::Blocking(blocks::commit)),
    method("block_search", &["query", "page?", "per_page?", "order_by?"], "Blocks by `block.height`", Handler::Blocking(blocks::block_search)),
    method("tx", &["hash", "prove?"], "A transaction, with a Merkle proof if asked", Handler::Blocking(blocks::tx)),
    method("tx_search", &["query", "prove?", "page?", "per_page?", "order_by?"], "Transactions by `tx.hash` or `tx.height`", Handler::Blocking(blocks::tx_search)),
    method("abci_info", &[], "Height and state root", Handler::Blocking(abci::info)),
    method("abci_query", &["path?", "data", "height?", "prove?"], "A state entry, with an ICS 23 proof if asked", Handler::Blocking(abci::query)),
    method("unconfirmed_txs", &["limit?"], "Waiting transactions", Handler::Memory(broadcast::unconfirmed)),
    method("num_unconfirmed_txs", &[], "How many transactions wait", Handler::Memory(broadcast::num_unconfirmed)),
    method("broadcast_tx_async", &["tx"], "Hands in a transaction without waiting", Handler::Submit(broadcast::asynchronous)),
    method("broadcast_tx_sync", &["tx"], "Puts a transaction into the pool", Handler::Submit(broadcast::synchronous)),
    method("broadcast_tx_commit", &["tx"], "Puts a transaction into the pool and waits for its block", Handler::Submit(broadcast::committed)),
    method("subscribe", &["query"], "NewBlock, NewBlockHeader or Tx, on WebSockets", Handler::Subscription),
    method("unsubscribe", &["query"], "Ends a subscription", Handler::Subscription),
    method("unsubscribe_all", &[], "Ends all subscriptions", Handler::Subscription),
];

/// The method of this name.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_method_stands_in_the_table_twice() {
        let names: BTreeSet<_> = METHODS.iter().map(|method| method.name).collect();
        assert_eq!(names.len(), METHODS.len());
    }

    #[test]
    fn the_documentation_lists_exactly_these_methods() {
        let page = include_str!("../../../../docs/rpc.md");
        let (_, page) = page.split_once("## CometBFT RPC").expect("the page has a chapter on CometBFT RPC");
        for method in METHODS {
            let row = format!("| `{}` | {} | {} |", method.name, method.params.join(", "), method.summary);
            assert!(page.contains(&row), "docs/rpc.md lacks the row\n{row}");
        }
    }
}
