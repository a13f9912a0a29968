//! The methods: one table that dispatch, documentation, metrics and tests all read.

use std::sync::Arc;

use alloy_primitives::Address;
use concordat_core::Readable;
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

/// What a method reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// What every client may know: the node itself, what the client brings.
    Nothing,
    /// Blocks, transactions, what concerns no contract in particular.
    Ledger,
    /// The entry of the state whose key is `data`.
    Entry,
}

/// A method.
pub(crate) struct Method {
    pub name: &'static str,
    /// What it reads: asked of the policies where clients show a certificate.
    pub reads: Reads,
    /// Names of its parameters; those with `?` may be left out.
    pub params: &'static [&'static str],
    /// One line for the documentation.
    pub summary: &'static str,
    pub handler: Handler,
}

const fn method(
    name: &'static str,
    reads: Reads,
    params: &'static [&'static str],
    summary: &'static str,
    handler: Handler,
) -> Method {
    Method { name, reads, params, summary, handler }
}

/// Every method.
#[rustfmt::skip]
pub(crate) static METHODS: &[Method] = &[
    method("health", Reads::Nothing, &[], "Empty while the node answers", Handler::Memory(info::health)),
    method("status", Reads::Ledger, &[], "Node, newest block, own validator", Handler::Blocking(info::status)),
    method("net_info", Reads::Nothing, &[], "Connected peers", Handler::Blocking(info::net_info)),
    method("genesis", Reads::Ledger, &[], "The genesis document", Handler::Blocking(info::genesis)),
    method("genesis_chunked", Reads::Ledger, &["chunk?"], "The genesis document in pieces", Handler::Blocking(info::genesis_chunked)),
    method("consensus_params", Reads::Ledger, &["height?"], "Limits that all nodes share", Handler::Blocking(info::consensus_params)),
    method("consensus_state", Reads::Ledger, &[], "Height and round under decision", Handler::Blocking(info::consensus_state)),
    method("validators", Reads::Ledger, &["height?", "page?", "per_page?"], "The validators of a height, up to the one after the newest", Handler::Blocking(info::validators)),
    method("blockchain", Reads::Ledger, &["minHeight?", "maxHeight?"], "Headers of a range, newest first, at most 20", Handler::Blocking(blocks::blockchain)),
    method("block", Reads::Ledger, &["height?"], "A block", Handler::Blocking(blocks::block)),
    method("block_by_hash", Reads::Ledger, &["hash"], "A block by hash", Handler::Blocking(blocks::block_by_hash)),
    method("block_results", Reads::Ledger, &["height?"], "What became of a block's transactions", Handler::Blocking(blocks::block_results)),
    method("header", Reads::Ledger, &["height?"], "A header", Handler::Blocking(blocks::header)),
    method("header_by_hash", Reads::Ledger, &["hash"], "A header by hash", Handler::Blocking(blocks::header_by_hash)),
    method("commit", Reads::Ledger, &["height?"], "A header and the commit that decided it", Handler::Blocking(blocks::commit)),
    method("block_search", Reads::Ledger, &["query", "page?", "per_page?", "order_by?"], "Blocks by `block.height`", Handler::Blocking(blocks::block_search)),
    method("tx", Reads::Ledger, &["hash", "prove?"], "A transaction, with a Merkle proof if asked", Handler::Blocking(blocks::tx)),
    method("tx_search", Reads::Ledger, &["query", "prove?", "page?", "per_page?", "order_by?"], "Transactions by `tx.hash` or `tx.height`", Handler::Blocking(blocks::tx_search)),
    method("abci_info", Reads::Ledger, &[], "Height and state root", Handler::Blocking(abci::info)),
    method("abci_query", Reads::Entry, &["path?", "data", "height?", "prove?"], "A state entry, with an ICS 23 proof if asked", Handler::Blocking(abci::query)),
    method("unconfirmed_txs", Reads::Ledger, &["limit?"], "Waiting transactions", Handler::Memory(broadcast::unconfirmed)),
    method("num_unconfirmed_txs", Reads::Ledger, &[], "How many transactions wait", Handler::Memory(broadcast::num_unconfirmed)),
    method("broadcast_tx_async", Reads::Nothing, &["tx"], "Hands in a transaction without waiting", Handler::Submit(broadcast::asynchronous)),
    method("broadcast_tx_sync", Reads::Nothing, &["tx"], "Puts a transaction into the pool", Handler::Submit(broadcast::synchronous)),
    method("broadcast_tx_commit", Reads::Nothing, &["tx"], "Puts a transaction into the pool and waits for its block", Handler::Submit(broadcast::committed)),
    method("subscribe", Reads::Ledger, &["query"], "NewBlock, NewBlockHeader or Tx, on WebSockets", Handler::Subscription),
    method("unsubscribe", Reads::Nothing, &["query"], "Ends a subscription", Handler::Subscription),
    method("unsubscribe_all", Reads::Nothing, &[], "Ends all subscriptions", Handler::Subscription),
];

/// What the entry of the state with this key tells of: state keys are described in docs/execution.md.
pub(crate) fn entry(key: &[u8]) -> Readable {
    match key.split_first() {
        Some((1 | 2, rest)) => {
            let address = rest.first_chunk::<20>().copied().map(Address::from);
            address.map_or(Readable::Ledger, Readable::Contract)
        }
        // Code by its hash is that of whichever contracts have it.
        Some((3, _)) => Readable::AllContracts,
        _ => Readable::Ledger,
    }
}

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
    fn what_each_method_reads_is_what_was_agreed() {
        let reads = |method: &Method| format!("{} {:?}\n", method.name, method.reads);
        let table: String = METHODS.iter().map(reads).collect();
        crate::golden::check("testdata/reads-cometbft.txt", &table);
    }

    #[test]
    fn entries_of_a_contract_are_told_by_their_keys() {
        let (address, slot) = (Address::repeat_byte(7), alloy_primitives::B256::ZERO);
        let read = |key: concordat_types::StateKey| entry(key.as_bytes());
        assert_eq!(read(concordat_types::StateKey::account(address)), Readable::Contract(address));
        assert_eq!(read(concordat_types::StateKey::storage(address, slot)), Readable::Contract(address));
        assert_eq!(read(concordat_types::StateKey::code(slot)), Readable::AllContracts);
        assert_eq!(read(concordat_types::StateKey::system(3, &[1])), Readable::Ledger);
        assert_eq!(entry(&[2, 7]), Readable::Ledger, "cut off: there is no such entry");
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
