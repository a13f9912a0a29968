//! Every Ethereum method, its answers and its errors.

use std::collections::BTreeSet;

use alloy_primitives::{B256, keccak256};
use serde_json::{Value, json};

use crate::{
    client::{call, error, get, post, result},
    fixture::{BROKEN, Fixture, READER, REVERTER, TOPIC, legacy, sender, transfer},
};

fn hash(raw: &[u8]) -> String {
    keccak256(raw).to_string()
}

/// Compares with `testdata/<name>.json`; writes it where `UPDATE_GOLDEN` is set.
pub fn golden(name: &str, value: &Value) {
    // Tests run in their package's folder.
    let path = format!("testdata/{name}.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(value).unwrap() + "\n").unwrap();
    }
    let want: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(*value, want, "{name}");
}

/// A call of each method with sound parameters. The fixture's transactions were never executed and their
/// sender is not enrolled, so their trace is a refusal.
fn every_call(block_hash: &str, filter: &str) -> Vec<(&'static str, Value)> {
    let to_reader = json!({ "to": READER, "input": "0x" });
    vec![
        ("web3_clientVersion", json!([])),
        ("web3_sha3", json!(["0x68656c6c6f"])),
        ("net_version", json!([])),
        ("net_listening", json!([])),
        ("net_peerCount", json!([])),
        ("rpc_modules", json!([])),
        ("eth_chainId", json!([])),
        ("eth_protocolVersion", json!([])),
        ("eth_syncing", json!([])),
        ("eth_accounts", json!([])),
        ("eth_mining", json!([])),
        ("eth_hashrate", json!([])),
        ("eth_gasPrice", json!([])),
        ("eth_maxPriorityFeePerGas", json!([])),
        ("eth_feeHistory", json!(["0x2", "latest", [20, 50]])),
        ("eth_blockNumber", json!([])),
        ("eth_getBlockByNumber", json!(["0x1", true])),
        ("eth_getBlockByHash", json!([block_hash, false])),
        ("eth_getBlockTransactionCountByNumber", json!(["0x1"])),
        ("eth_getBlockTransactionCountByHash", json!([block_hash])),
        ("eth_getUncleCountByBlockNumber", json!(["0x1"])),
        ("eth_getUncleCountByBlockHash", json!([block_hash])),
        ("eth_getUncleByBlockNumberAndIndex", json!(["0x1", "0x0"])),
        ("eth_getUncleByBlockHashAndIndex", json!([block_hash, "0x0"])),
        ("eth_getBlockReceipts", json!(["0x1"])),
        ("eth_getTransactionByHash", json!([hash(&transfer(0))])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x2"])),
        ("eth_getTransactionByBlockHashAndIndex", json!([block_hash, "0x1"])),
        ("eth_getRawTransactionByHash", json!([hash(&transfer(0))])),
        ("eth_getTransactionReceipt", json!([hash(&legacy(1))])),
        ("eth_sendRawTransaction", json!([transfer(3)])),
        ("eth_getBalance", json!([sender(), "latest"])),
        ("eth_getCode", json!([READER, "latest"])),
        ("eth_getStorageAt", json!([READER, "0x0", "latest"])),
        ("eth_getTransactionCount", json!([sender(), "pending"])),
        ("eth_getProof", json!([READER, ["0x0", "0x1"], "latest"])),
        ("eth_call", json!([to_reader, "latest"])),
        ("eth_estimateGas", json!([to_reader, "pending"])),
        ("eth_createAccessList", json!([to_reader, "latest"])),
        ("debug_traceTransaction", json!([hash(&transfer(0)), { "tracer": "callTracer" }])),
        ("debug_traceCall", json!([to_reader, "latest", { "tracer": "callTracer" }])),
        ("eth_getLogs", json!([{ "fromBlock": "0x0", "toBlock": "latest", "address": READER }])),
        ("eth_newFilter", json!([{}])),
        ("eth_newBlockFilter", json!([])),
        ("eth_newPendingTransactionFilter", json!([])),
        ("eth_getFilterChanges", json!([filter])),
        ("eth_getFilterLogs", json!([filter])),
        ("eth_uninstallFilter", json!([filter])),
        ("eth_subscribe", json!(["newHeads"])),
        ("eth_unsubscribe", json!(["0x1"])),
        ("txpool_status", json!([])),
        ("txpool_content", json!([])),
        ("txpool_contentFrom", json!([sender()])),
        ("txpool_inspect", json!([])),
        ("concordat_getStorageChanges", json!([READER, "0x0", "latest"])),
        ("concordat_getBlockAccess", json!(["0x2"])),
        ("concordat_getRowKeys", json!(["0x40", null, "0x1", "0x3"])),
        ("concordat_getActivity", json!([sender(), "0x1", "0x3"])),
    ]
}

#[tokio::test]
async fn every_method_answers_as_recorded() {
    let fixture = Fixture::start().await;
    let block_hash = fixture.store.block_hash(1).unwrap().unwrap().to_string();
    let filter = result(fixture.eth, "eth_newFilter", json!([{ "fromBlock": "0x1" }])).await;
    let calls = every_call(&block_hash, filter.as_str().unwrap());
    let listed: BTreeSet<String> = get(fixture.eth, "/")
        .await
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method["method"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(calls.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(), listed);
    let mut answers = serde_json::Map::new();
    for (method, params) in calls {
        let mut answer = call(fixture.eth, method, params).await;
        if method.starts_with("eth_new") {
            assert!(answer["result"].as_str().unwrap().len() > 20, "{method}: ids cannot be guessed");
            answer["result"] = json!("an id");
        }
        answers.insert(method.into(), answer);
    }
    golden("ethereum", &Value::Object(answers));
}

#[tokio::test]
async fn the_first_block_links_to_the_genesis_document() {
    let fixture = Fixture::start().await;
    let genesis = result(fixture.eth, "eth_getBlockByNumber", json!(["earliest", false])).await;
    let first = result(fixture.eth, "eth_getBlockByNumber", json!(["0x1", false])).await;
    assert_eq!(first["parentHash"], genesis["hash"]);
    assert_eq!(result(fixture.eth, "eth_getBlockByHash", json!([genesis["hash"], true])).await, genesis);
    let second = result(fixture.eth, "eth_getBlockByNumber", json!(["0x2", false])).await;
    assert_eq!(second["parentHash"], first["hash"]);
    for tag in ["latest", "safe", "finalized", "pending"] {
        assert_eq!(result(fixture.eth, "eth_getBlockByNumber", json!([tag, false])).await["number"], "0x3");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_null() {
    let fixture = Fixture::start().await;
    let nothing = B256::repeat_byte(0xee);
    for (method, params) in [
        ("eth_getBlockByNumber", json!(["0x99", false])),
        ("eth_getBlockByHash", json!([nothing, false])),
        ("eth_getTransactionByHash", json!([nothing])),
        ("eth_getTransactionReceipt", json!([nothing])),
        ("eth_getBlockReceipts", json!(["0x99"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x9"])),
        ("eth_getRawTransactionByHash", json!([nothing])),
        ("eth_getBlockTransactionCountByHash", json!([nothing])),
        ("eth_getUncleCountByBlockNumber", json!(["0x99"])),
    ] {
        assert_eq!(result(fixture.eth, method, params).await, Value::Null, "{method}");
    }
}

#[tokio::test]
async fn a_transaction_is_visible_as_soon_as_it_is_handed_in() {
    let fixture = Fixture::start().await;
    let raw = transfer(3);
    assert_eq!(result(fixture.eth, "eth_sendRawTransaction", json!([raw])).await, hash(&raw));
    let waiting = result(fixture.eth, "eth_getTransactionByHash", json!([hash(&raw)])).await;
    assert_eq!((&waiting["blockNumber"], &waiting["nonce"]), (&Value::Null, &json!("0x3")));
    assert_eq!(result(fixture.eth, "eth_getTransactionCount", json!([sender(), "pending"])).await, "0x4");
    assert_eq!(result(fixture.eth, "eth_getTransactionCount", json!([sender(), "latest"])).await, "0x3");
    assert_eq!(result(fixture.eth, "eth_getTransactionCount", json!([sender(), "0x1"])).await, "0x1");
}

#[tokio::test]
async fn refusals_of_the_pool_carry_the_words_that_clients_look_for() {
    let fixture = Fixture::start().await;
    result(fixture.eth, "eth_sendRawTransaction", json!([transfer(3)])).await;
    for (raw, words) in [
        (transfer(3), "already known"),
        (transfer(0), "nonce too low: next nonce 3, tx nonce 0"),
        (vec![0x03].into(), "transaction type not supported"),
        (vec![0xc0].into(), "rlp:"),
    ] {
        let (code, message) = error(fixture.eth, "eth_sendRawTransaction", json!([raw])).await;
        assert_eq!(code, -32000);
        assert!(message.starts_with(words), "{message}");
    }
}

#[tokio::test]
async fn a_revert_is_code_three_with_its_data() {
    let fixture = Fixture::start().await;
    // Error("no")
    let revert = "0x08c379a0\
        0000000000000000000000000000000000000000000000000000000000000020\
        0000000000000000000000000000000000000000000000000000000000000002\
        6e6f000000000000000000000000000000000000000000000000000000000000";
    for method in ["eth_call", "eth_estimateGas"] {
        let answer = call(fixture.eth, method, json!([{ "to": REVERTER, "data": revert }, "latest"])).await;
        assert_eq!(
            answer["error"],
            json!({ "code": 3, "message": "execution reverted: no", "data": revert })
        );
        let (code, message) = error(fixture.eth, method, json!([{ "to": BROKEN }])).await;
        assert!(code == -32000 && !message.is_empty(), "{code} {message}");
    }
}

#[tokio::test]
async fn calls_read_past_states_and_pretended_ones() {
    let fixture = Fixture::start().await;
    let word = |n: u8| json!(B256::with_last_byte(n));
    for block in ["0x0", "0x2", "latest", "pending"] {
        assert_eq!(result(fixture.eth, "eth_call", json!([{ "to": READER }, block])).await, word(5));
    }
    let overrides = json!({ READER.to_string(): { "stateDiff": { B256::ZERO.to_string(): word(9) } } });
    assert_eq!(
        result(fixture.eth, "eth_call", json!([{ "to": READER }, "latest", overrides])).await,
        word(9)
    );
    let future = error(fixture.eth, "eth_call", json!([{ "to": READER }, "0x99"])).await;
    assert_eq!(future, (-32000, "header not found".into()));
    let blocks = json!([{ "to": READER }, "latest", {}, { "number": "0x1" }]);
    assert_eq!(error(fixture.eth, "eth_call", blocks).await.0, -32602);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let fixture = Fixture::start().await;
    let hash = B256::ZERO;
    for (method, params, words) in [
        ("eth_getBalance", json!([]), "missing value for required argument 0"),
        ("eth_getBalance", json!(["0x12", "latest"]), "invalid argument 0: hex string has length 2, want 40"),
        (
            "eth_getBlockByNumber",
            json!(["newest", false]),
            "invalid argument 0: hex string without 0x prefix",
        ),
        ("eth_getBlockByNumber", json!(["0x01", false]), "hex number with leading zero digits"),
        ("eth_getBlockByNumber", json!(["0x1", "yes"]), "a string where a boolean belongs"),
        ("eth_getStorageAt", json!([READER, "0xzz", "latest"]), "unable to decode storage key"),
        ("eth_chainId", json!([1]), "too many arguments, want at most 0"),
        ("eth_call", json!([{ "to": READER, "value": "0x1" }]), "value must be zero"),
        ("eth_getLogs", json!([{ "fromBlock": "0x3", "toBlock": "0x1" }]), "invalid block range params"),
        ("eth_getLogs", json!([{ "fromBlock": "0x1", "toBlock": "0x99" }]), "block range extends beyond"),
        ("eth_getLogs", json!([{ "fromBlock": "0x1", "blockHash": hash }]), "cannot specify both"),
        ("eth_feeHistory", json!(["0x1", "latest", [50, 20]]), "invalid reward percentile"),
        ("eth_feeHistory", json!(["0x1", "latest", [101]]), "invalid reward percentile"),
        ("debug_traceTransaction", json!([hash]), "call tracer alone"),
        ("debug_traceTransaction", json!([hash, { "tracer": "4byteTracer" }]), "call tracer alone"),
        ("eth_newFilter", json!([{ "blockHash": hash }]), "a filter watches a range"),
    ] {
        let (code, message) = error(fixture.eth, method, params.clone()).await;
        assert_eq!(code, -32602, "{method} {params}: {message}");
        assert!(message.contains(words), "{method} {params}: {message}");
    }
}

#[tokio::test]
async fn keys_of_a_table_are_told_page_by_page() {
    let fixture = Fixture::start().await;
    fixture.commit_rows(0x40, &[b"aa", b"a", b"c"]);
    fixture.commit_rows(0x40, &[b"b"]);
    fixture.commit_rows(0x41, &[b"a"]);
    let page = async |after: Value, limit: &str, block: &str| {
        result(fixture.eth, "concordat_getRowKeys", json!(["0x40", after, limit, block])).await
    };
    let told = |block: &str, keys: &[&str], more: bool| json!({ "block": block, "keys": keys, "more": more });
    let (a, aa, b, c) = ("0x61", "0x6161", "0x62", "0x63");
    assert_eq!(page(Value::Null, "0x3e8", "latest").await, told("0x6", &[a, aa, b, c], false));
    assert_eq!(page(Value::Null, "0x2", "latest").await, told("0x6", &[a, aa], true));
    assert_eq!(page(json!(aa), "0x2", "latest").await, told("0x6", &[b, c], false));
    assert_eq!(page(json!(aa), "0x1", "0x4").await, told("0x4", &[c], false), "before b came");
    assert_eq!(page(json!(c), "0x1", "latest").await, told("0x6", &[], false));
    assert_eq!(page(Value::Null, "0x1", "0x3").await, told("0x3", &[], false), "before any came");
}

#[tokio::test]
async fn what_cannot_be_answered_is_said_to_be_so() {
    let fixture = Fixture::start().await;
    let tracer = json!({ "tracer": "callTracer" });
    for (method, params, code, words) in [
        ("eth_feeHistory", json!(["0x1", "0x99", []]), -32000, "request beyond head block"),
        ("eth_feeHistory", json!(["0x1", "latest", vec![1; 101]]), -32602, "over the query limit 100"),
        ("eth_getLogs", json!([{ "blockHash": B256::ZERO }]), -32000, "unknown block"),
        ("debug_traceTransaction", json!([B256::ZERO, tracer]), -32000, "transaction not found"),
        ("debug_traceCall", json!([{ "to": READER }, "0x99", tracer]), -32000, "header not found"),
        ("eth_getProof", json!([READER, [], "0x99"]), -32000, "header not found"),
        ("eth_getFilterLogs", json!(["0x1"]), -32000, "filter not found"),
        ("concordat_getStorageChanges", json!([READER, "0x0", "0x9"]), -32000, "header not found"),
        (
            "concordat_getStorageChanges",
            json!([READER, "0x2", "0x1"]),
            -32005,
            "block range too large: from 2",
        ),
        ("concordat_getBlockAccess", json!(["0x0"]), -32000, "header not found"),
        ("concordat_getBlockAccess", json!(["0x9"]), -32000, "header not found"),
        ("concordat_getRowKeys", json!(["0x100"]), -32602, "invalid argument 0: table 0x100"),
        ("concordat_getRowKeys", json!(["0x3", null, "0x0"]), -32602, "invalid argument 2: 0 keys"),
        ("concordat_getRowKeys", json!(["0x3", null, "0x3e9"]), -32602, "invalid argument 2: 1001 keys"),
        ("concordat_getRowKeys", json!(["0x3", null, null, "0x9"]), -32000, "header not found"),
        (
            "concordat_getActivity",
            json!([sender(), "0x1", "0x4"]),
            -32602,
            "blocks 1 to 4 are no range at or below block 3: it begins at 1 or later",
        ),
        (
            "concordat_getActivity",
            json!(["Bank A", "0x1", "0x3"]),
            -32602,
            "\"Bank A\" is neither an address (0x and 40 hex digits) nor the id of an organisation",
        ),
        ("eth_newFilter", json!([{ "fromBlock": "0x5", "toBlock": "0x4" }]), -32602, "invalid block range"),
    ] {
        let (have, message) = error(fixture.eth, method, params.clone()).await;
        assert_eq!(have, code, "{method} {params}: {message}");
        assert!(message.starts_with(words), "{method} {params}: {message}");
    }
}

#[tokio::test]
async fn unknown_and_disabled_methods_do_not_exist() {
    let fixture = Fixture::start_with(|config| config.disabled_methods = vec!["debug_*".into()]).await;
    for method in ["eth_fillTransaction", "debug_traceCall", "personal_unlockAccount"] {
        let text = format!("the method {method} does not exist/is not available");
        assert_eq!(error(fixture.eth, method, json!([])).await, (-32601, text));
    }
    let (code, message) = error(fixture.eth, "eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(code, -32601);
    assert!(message.starts_with("notifications not supported"));
}

#[tokio::test]
async fn logs_are_found_by_address_topic_and_block() {
    let fixture = Fixture::start().await;
    let block_hash = fixture.store.block_hash(3).unwrap().unwrap();
    for (filter, count) in [
        (json!({ "fromBlock": "earliest" }), 2),
        (json!({ "fromBlock": "0x1", "topics": [TOPIC] }), 2),
        (json!({ "fromBlock": "0x1", "topics": [[TOPIC, B256::ZERO]] }), 2),
        (json!({ "fromBlock": "0x1", "topics": [B256::ZERO] }), 0),
        (json!({ "fromBlock": "0x1", "address": [REVERTER] }), 0),
        (json!({ "blockHash": block_hash }), 1),
        (json!({}), 1),
    ] {
        let logs = result(fixture.eth, "eth_getLogs", json!([filter])).await;
        assert_eq!(logs.as_array().unwrap().len(), count, "{filter}");
    }
}

#[tokio::test]
async fn log_queries_are_bounded_with_errors_that_say_so() {
    let fixture = Fixture::start_with(|config| {
        config.limits.log_range_blocks = 3;
        config.limits.log_results = 1;
    })
    .await;
    let (code, message) = error(fixture.eth, "eth_getLogs", json!([{ "fromBlock": "0x0" }])).await;
    assert_eq!(
        (code, message.as_str()),
        (-32005, "block range too large: 4 blocks, limit 3; ask for less at a time")
    );
    let (code, message) = error(fixture.eth, "eth_getLogs", json!([{ "fromBlock": "0x1" }])).await;
    assert_eq!(code, -32005);
    assert!(message.starts_with("query returned more than 1 results"), "{message}");
    fixture.commit(vec![]);
    let old = json!(["0x40", null, null, "0x0"]);
    let (code, message) = error(fixture.eth, "concordat_getRowKeys", old).await;
    assert_eq!(code, -32005);
    assert!(message.starts_with("block range too large: from 0 to the newest, 4, limit 3"), "{message}");
}

#[tokio::test]
async fn filters_tell_what_is_new_and_only_once() {
    let fixture = Fixture::start().await;
    let blocks = result(fixture.eth, "eth_newBlockFilter", json!([])).await;
    let logs = result(fixture.eth, "eth_newFilter", json!([{ "address": READER }])).await;
    let pending = result(fixture.eth, "eth_newPendingTransactionFilter", json!([])).await;
    result(fixture.eth, "eth_sendRawTransaction", json!([transfer(3)])).await;
    let block = fixture.commit(vec![transfer(3)]);
    let changes = |id: Value| result(fixture.eth, "eth_getFilterChanges", json!([id]));
    assert_eq!(changes(blocks.clone()).await, json!([block.hash]));
    assert_eq!(changes(logs.clone()).await[0]["transactionHash"], hash(&transfer(3)));
    assert_eq!(changes(pending.clone()).await, json!([hash(&transfer(3))]));
    for id in [blocks.clone(), logs.clone(), pending] {
        assert_eq!(changes(id).await, json!([]));
    }
    assert_eq!(result(fixture.eth, "eth_getFilterLogs", json!([logs])).await.as_array().unwrap().len(), 1);
    assert_eq!(result(fixture.eth, "eth_uninstallFilter", json!([blocks])).await, true);
    for method in ["eth_getFilterChanges", "eth_getFilterLogs"] {
        assert_eq!(error(fixture.eth, method, json!([blocks])).await, (-32000, "filter not found".into()));
    }
}

#[tokio::test]
async fn proofs_hold_against_the_next_header_by_an_independent_verifier() {
    use prost_ics23::Message as _;
    let fixture = Fixture::start().await;
    let proof = result(fixture.eth, "eth_getProof", json!([READER, ["0x0", "0x7"], "latest"])).await;
    let bytes = |value: &Value| alloy_primitives::hex::decode(value.as_str().unwrap()).unwrap();
    let root = bytes(&proof["concordatProof"]["stateRoot"]);
    let next = fixture.commit(vec![]);
    assert_eq!(next.block.header.app_hash.as_bytes(), root);
    let check = |proof: &Value, key: &Value, value: Option<&Value>| {
        let decoded = ics23::CommitmentProof::decode(bytes(proof).as_slice()).unwrap();
        let (spec, key) = (ics23::smt_spec(), bytes(key));
        match value {
            Some(value) => ics23::verify_membership::<ics23::HostFunctionsManager>(
                &decoded,
                &spec,
                &root,
                &key,
                &bytes(value),
            ),
            None => ics23::verify_non_membership::<ics23::HostFunctionsManager>(&decoded, &spec, &root, &key),
        }
    };
    let account = &proof["concordatProof"];
    assert!(check(&proof["accountProof"][0], &account["key"], Some(&account["value"])));
    let slots = &proof["storageProof"];
    assert!(check(&slots[0]["proof"][0], &slots[0]["concordatKey"], Some(&slots[0]["concordatValue"])));
    assert!(check(&slots[1]["proof"][0], &slots[1]["concordatKey"], None));
    assert_eq!((&slots[0]["value"], &slots[1]["value"]), (&json!("0x5"), &json!("0x0")));
}

#[tokio::test]
async fn batches_are_answered_in_order_and_notifications_not_at_all() {
    let fixture = Fixture::start().await;
    let call =
        |id: Value, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": [] });
    let notification = json!({ "jsonrpc": "2.0", "method": "eth_chainId" });
    let batch = json!([call(json!(1), "eth_chainId"), notification, call(json!("b"), "nope"), 5]);
    let answers = post(fixture.eth, batch.to_string().as_bytes()).await.json();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 3);
    assert_eq!((&answers[0]["id"], &answers[0]["result"]), (&json!(1), &json!("0x539")));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!("b"), &json!(-32601)));
    assert_eq!((&answers[2]["id"], &answers[2]["error"]["code"]), (&Value::Null, &json!(-32600)));
    assert!(post(fixture.eth, notification.to_string().as_bytes()).await.body.is_empty());
}

#[tokio::test]
async fn a_node_that_catches_up_says_how_far_it_is() {
    let fixture = Fixture::start().await;
    fixture.node.catching_up.store(true, std::sync::atomic::Ordering::Relaxed);
    let status = result(fixture.eth, "eth_syncing", json!([])).await;
    assert_eq!(status, json!({ "startingBlock": "0x1", "currentBlock": "0x3", "highestBlock": "0x9" }));
}
