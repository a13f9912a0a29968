//! The methods: one table that dispatch, documentation, metrics and tests all read.

mod activity;
mod blocks;
mod execution;
mod history;
mod logs;
mod network;
mod pool;
mod proof;
mod rows;
mod state;
mod transactions;

use std::sync::Arc;

use futures::future::BoxFuture;

pub(crate) use transactions::send_raw_all;

use super::{Eth, args::Args};
use crate::jsonrpc::RpcResult;

/// A handler that answers at once or blocks.
pub(crate) type Sync = fn(&Eth, &Args) -> RpcResult;

/// What a blocking handler does, which decides how many may run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Reads the store.
    Read,
    /// Runs contract code.
    Execute,
}

/// How a method is run.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// From memory, in place.
    Memory(Sync),
    /// On a blocking thread.
    Blocking(Work, Sync),
    /// Waits for the pool.
    Submit(fn(Arc<Eth>, Args) -> BoxFuture<'static, RpcResult>),
    /// On WebSocket connections alone, which keep the subscriptions.
    Subscription,
}

/// What a method reads, by its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// What every client may know: constants, the node itself, what the client brings.
    Nothing,
    /// Blocks, transactions, receipts.
    Ledger,
    /// The account whose address stands at this place.
    Contract(usize),
    /// The contract that a call object, the first parameter, calls; with the place of state overrides.
    Call { overrides: Option<usize> },
    /// The contracts that a filter object at this place names.
    Logs(usize),
    /// What the kind of the subscription is about.
    Subscription,
    /// What the installed filter, the first parameter, watches.
    Filter,
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

const fn memory(
    name: &'static str,
    reads: Reads,
    params: &'static [&'static str],
    summary: &'static str,
    handler: Sync,
) -> Method {
    Method { name, reads, params, summary, handler: Handler::Memory(handler) }
}

const fn read(
    name: &'static str,
    reads: Reads,
    params: &'static [&'static str],
    summary: &'static str,
    handler: Sync,
) -> Method {
    Method { name, reads, params, summary, handler: Handler::Blocking(Work::Read, handler) }
}

const fn execute(
    name: &'static str,
    reads: Reads,
    params: &'static [&'static str],
    summary: &'static str,
    handler: Sync,
) -> Method {
    Method { name, reads, params, summary, handler: Handler::Blocking(Work::Execute, handler) }
}

const fn subscription(
    name: &'static str,
    reads: Reads,
    params: &'static [&'static str],
    summary: &'static str,
) -> Method {
    Method { name, reads, params, summary, handler: Handler::Subscription }
}

/// Every method, by name space.
#[rustfmt::skip]
pub(crate) static METHODS: &[Method] = &[
    memory("web3_clientVersion", Reads::Nothing, &[], "Program and version of the node", network::client_version),
    memory("web3_sha3", Reads::Nothing, &["data"], "keccak256 of the data", network::sha3),
    memory("net_version", Reads::Nothing, &[], "EIP-155 chain id, decimal", network::net_version),
    memory("net_listening", Reads::Nothing, &[], "Always true", network::listening),
    memory("net_peerCount", Reads::Nothing, &[], "Connected peers", network::peer_count),
    memory("rpc_modules", Reads::Nothing, &[], "Name spaces and their versions", network::modules),

    memory("eth_chainId", Reads::Nothing, &[], "EIP-155 chain id", network::chain_id),
    memory("eth_protocolVersion", Reads::Nothing, &[], "Constant, for old clients", network::protocol_version),
    memory("eth_syncing", Reads::Ledger, &[], "False, or how far the node is behind", network::syncing),
    memory("eth_accounts", Reads::Nothing, &[], "Always empty: nodes hold no user keys", network::accounts),
    memory("eth_mining", Reads::Nothing, &[], "Always false", network::mining),
    memory("eth_hashrate", Reads::Nothing, &[], "Always zero", network::zero),
    memory("eth_gasPrice", Reads::Nothing, &[], "Always zero: nothing is charged", network::zero),
    memory("eth_maxPriorityFeePerGas", Reads::Nothing, &[], "Always zero: nothing is charged", network::zero),
    read("eth_feeHistory", Reads::Ledger, &["blockCount", "newestBlock", "rewardPercentiles?"], "Fees (zero) and gas used of recent blocks", blocks::fee_history),

    memory("eth_blockNumber", Reads::Ledger, &[], "Newest committed height", blocks::block_number),
    read("eth_getBlockByNumber", Reads::Ledger, &["block", "full?"], "A block by height or tag", blocks::by_number),
    read("eth_getBlockByHash", Reads::Ledger, &["hash", "full?"], "A block by hash", blocks::by_hash),
    read("eth_getBlockTransactionCountByNumber", Reads::Ledger, &["block"], "How many transactions a block has", blocks::count_by_number),
    read("eth_getBlockTransactionCountByHash", Reads::Ledger, &["hash"], "How many transactions a block has", blocks::count_by_hash),
    read("eth_getUncleCountByBlockNumber", Reads::Ledger, &["block"], "Always zero", blocks::uncle_count_by_number),
    read("eth_getUncleCountByBlockHash", Reads::Ledger, &["hash"], "Always zero", blocks::uncle_count_by_hash),
    memory("eth_getUncleByBlockNumberAndIndex", Reads::Nothing, &["block", "index"], "Always null", blocks::no_uncle),
    memory("eth_getUncleByBlockHashAndIndex", Reads::Nothing, &["hash", "index"], "Always null", blocks::no_uncle),
    read("eth_getBlockReceipts", Reads::Ledger, &["block"], "All receipts of a block", blocks::receipts),

    read("eth_getTransactionByHash", Reads::Ledger, &["hash"], "A transaction, waiting ones included", transactions::by_hash),
    read("eth_getTransactionByBlockNumberAndIndex", Reads::Ledger, &["block", "index"], "A transaction by place", transactions::by_number_and_index),
    read("eth_getTransactionByBlockHashAndIndex", Reads::Ledger, &["hash", "index"], "A transaction by place", transactions::by_hash_and_index),
    read("eth_getRawTransactionByHash", Reads::Ledger, &["hash"], "EIP-2718 bytes of a transaction", transactions::raw_by_hash),
    read("eth_getTransactionReceipt", Reads::Ledger, &["hash"], "What became of a transaction", transactions::receipt),
    Method { name: "eth_sendRawTransaction", reads: Reads::Nothing, params: &["data"], summary: "Puts a signed transaction into the pool", handler: Handler::Submit(transactions::send_raw) },

    read("eth_getBalance", Reads::Contract(0), &["address", "block?"], "Always zero: there is no native token", state::balance),
    read("eth_getCode", Reads::Contract(0), &["address", "block?"], "Byte code of a contract", state::code),
    read("eth_getStorageAt", Reads::Contract(0), &["address", "slot", "block?"], "A storage slot", state::storage),
    read("eth_getTransactionCount", Reads::Contract(0), &["address", "block?"], "Nonce of an account; `pending` counts the pool", state::nonce),
    read("eth_getProof", Reads::Contract(0), &["address", "slots", "block?"], "ICS 23 proofs of an account and its slots", proof::get_proof),

    execute("eth_call", Reads::Call { overrides: Some(2) }, &["call", "block?", "stateOverrides?", "blockOverrides?"], "Runs a call without keeping its changes", execution::call),
    execute("eth_estimateGas", Reads::Call { overrides: Some(2) }, &["call", "block?", "stateOverrides?"], "Least gas with which a call succeeds", execution::estimate_gas),
    execute("eth_createAccessList", Reads::Call { overrides: None }, &["call", "block?"], "Slots that a call touches", execution::create_access_list),
    execute("debug_traceTransaction", Reads::Ledger, &["hash", "options?"], "Calls within a transaction (callTracer)", execution::trace_transaction),
    execute("debug_traceCall", Reads::Call { overrides: None }, &["call", "block?", "options?"], "Calls within a call (callTracer)", execution::trace_call),

    read("eth_getLogs", Reads::Logs(0), &["filter"], "Logs of a range of blocks", logs::get_logs),
    read("eth_newFilter", Reads::Logs(0), &["filter"], "Installs a filter for logs", logs::new_filter),
    memory("eth_newBlockFilter", Reads::Ledger, &[], "Installs a filter for blocks", logs::new_block_filter),
    memory("eth_newPendingTransactionFilter", Reads::Ledger, &[], "Installs a filter for waiting transactions", logs::new_pending_filter),
    read("eth_getFilterChanges", Reads::Filter, &["id"], "What is new since the last call", logs::filter_changes),
    read("eth_getFilterLogs", Reads::Filter, &["id"], "All logs that a filter matches", logs::filter_logs),
    memory("eth_uninstallFilter", Reads::Nothing, &["id"], "Drops a filter", logs::uninstall_filter),
    subscription("eth_subscribe", Reads::Subscription, &["kind", "filter?"], "newHeads, logs or newPendingTransactions, on WebSockets"),
    subscription("eth_unsubscribe", Reads::Nothing, &["id"], "Ends a subscription"),

    memory("txpool_status", Reads::Ledger, &[], "How many transactions wait", pool::status),
    memory("txpool_content", Reads::Ledger, &[], "The waiting transactions", pool::content),
    memory("txpool_contentFrom", Reads::Ledger, &["address"], "The waiting transactions of one sender", pool::content_from),
    memory("txpool_inspect", Reads::Ledger, &[], "The waiting transactions, a line each", pool::inspect),

    read("concordat_getStorageChanges", Reads::Contract(0), &["address", "fromBlock", "toBlock?"], "A contract's slots that differ after two blocks", history::storage_changes),
    execute("concordat_getBlockAccess", Reads::Ledger, &["block"], "Slots that each successful transaction of a block read or wrote", history::block_access),
    read("concordat_getRowKeys", Reads::Ledger, &["table", "after?", "limit?", "block?"], "Keys of a table of the chain's own contracts, in order, page by page", rows::keys),
    read("concordat_getActivity", Reads::Ledger, &["subject", "fromBlock", "toBlock", "anchor?", "next?"], "Transactions in which an account, contract or organisation had a part, with the proof that none is missing", activity::get_activity),
];

/// The method of this name.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

/// Whether `pattern` (a name, or a name space with `_*`) names a method.
pub(crate) fn pattern_matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => prefix.ends_with('_') && name.starts_with(prefix),
        None => pattern == name,
    }
}

/// Whether `pattern` names at least one method.
pub(crate) fn is_known_pattern(pattern: &str) -> bool {
    METHODS.iter().any(|method| pattern_matches(pattern, method.name))
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
    fn parameters_that_may_be_left_out_come_last() {
        for method in METHODS {
            let optional: Vec<bool> = method.params.iter().map(|name| name.ends_with('?')).collect();
            assert!(optional.is_sorted(), "{}", method.name);
        }
    }

    #[test]
    fn patterns_name_a_method_or_a_whole_name_space() {
        assert!(is_known_pattern("debug_*") && is_known_pattern("eth_call"));
        for unknown in ["*", "eth*", "eth_cal", "admin_*", ""] {
            assert!(!is_known_pattern(unknown), "{unknown}");
        }
    }

    #[test]
    fn what_each_method_reads_is_what_was_agreed() {
        let reads = |method: &Method| format!("{} {:?}\n", method.name, method.reads);
        let table: String = METHODS.iter().map(reads).collect();
        crate::golden::check("testdata/reads-ethereum.txt", &table);
    }

    #[test]
    fn the_documentation_lists_exactly_these_methods() {
        let page = include_str!("../../../../../docs/rpc.md");
        let (page, _) = page.split_once("## CometBFT RPC").expect("the page has a chapter on CometBFT RPC");
        for method in METHODS {
            let row = format!("| `{}` | {} | {} |", method.name, method.params.join(", "), method.summary);
            assert!(page.contains(&row), "docs/rpc.md lacks the row\n{row}");
        }
        let rows = page.lines().filter(|line| {
            ["| `eth_", "| `net_", "| `web3_", "| `debug_", "| `txpool_", "| `rpc_", "| `concordat_"]
                .iter()
                .any(|start| line.starts_with(start))
        });
        assert_eq!(rows.count(), METHODS.len());
    }
}
