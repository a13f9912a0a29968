//! What happens beyond the limits, and to those who wait.

use std::sync::atomic::Ordering;

use alloy_primitives::{B256, keccak256};
use concordat_core::TxInvalid;
use concordat_rpc::{ListenerConfig, RpcConfig, RpcMetrics, RpcParts, ServeError, SubmitError, serve};
use concordat_state::Prune;
use serde_json::{Value, json};

use crate::{
    client::{Socket, call, error, post, result, until},
    fixture::{Fixture, LARGE, LOOPER, READER, sender, transfer},
};

fn batch(calls: &[(&str, Value)]) -> Vec<u8> {
    let numbered = calls.iter().enumerate();
    let body: Value = numbered
        .map(|(id, (method, params))| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
        .collect();
    body.to_string().into_bytes()
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_told_so() {
    let fixture = Fixture::start_with(|config| {
        config.limits.request_timeout_ms = 1;
        config.limits.broadcast_commit_timeout_ms = 1;
    })
    .await;
    fixture.node.stalled.store(true, Ordering::Relaxed);
    let late = json!({ "code": -32002, "message": "request timed out after 1 ms" });
    let alone = call(fixture.eth, "eth_sendRawTransaction", json!([transfer(3)])).await;
    assert_eq!(alone["error"], late);
    let both = [3, 4].map(|nonce| ("eth_sendRawTransaction", json!([transfer(nonce)])));
    let together = post(fixture.eth, &batch(&both)).await.json();
    assert_eq!((&together[0]["error"], &together[1]["error"]), (&late, &late));
    let tx = alloy_primitives::hex::encode_prefixed(transfer(3));
    let comet = call(fixture.comet, "broadcast_tx_sync", json!({ "tx": tx })).await;
    assert_eq!(comet["error"]["code"], -32603);
    assert_eq!(comet["error"]["data"], "request timed out after 1 ms");
}

#[tokio::test]
async fn code_that_runs_on_keeps_its_place_though_its_caller_gave_up() {
    let fixture = Fixture::start_with(|config| {
        config.limits.concurrent_calls = 1;
        config.limits.request_timeout_ms = 20;
        config.limits.call_gas = 3_000_000_000;
    })
    .await;
    let endless = json!([{ "to": LOOPER }, "latest"]);
    assert_eq!(error(fixture.eth, "eth_call", endless).await.0, -32002);
    // The one place is taken, whoever asks; what runs no code is served all the while.
    let waits = error(fixture.eth, "eth_estimateGas", json!([{ "to": READER }])).await;
    assert_eq!(waits.0, -32002);
    assert_eq!(result(fixture.eth, "eth_chainId", json!([])).await, "0x539");
    until("the place", || async {
        call(fixture.eth, "eth_call", json!([{ "to": READER }, "latest"])).await.get("result").is_some()
    })
    .await;
}

#[tokio::test]
async fn reads_that_take_long_keep_their_place_though_their_caller_gave_up() {
    let fixture = Fixture::start_with(|config| {
        config.limits.concurrent_reads = 1;
        config.limits.request_timeout_ms = 50;
        config.limits.broadcast_commit_timeout_ms = 50;
    })
    .await;
    let slow = [
        (fixture.eth, "eth_getTransactionCount", json!([sender(), "pending"])),
        (fixture.comet, "net_info", json!({})),
    ];
    let others = [(fixture.eth, "eth_getBalance", json!([sender()])), (fixture.comet, "header", json!({}))];
    let late = |answer: &Value| answer["error"].to_string().contains("request timed out after 50 ms");
    fixture.node.gate.set_shut(true);
    for (address, method, params) in slow.iter().chain(&others) {
        let answer = call(*address, method, params.clone()).await;
        assert!(late(&answer), "{method}: the one place is taken, whoever asks: {answer}");
    }
    // What does not read is served all the while.
    assert_eq!(result(fixture.eth, "eth_chainId", json!([])).await, "0x539");
    assert_eq!(result(fixture.comet, "health", json!({})).await, json!({}));
    fixture.node.gate.set_shut(false);
    for (address, method, params) in &others {
        until("the place", || async { call(*address, method, params.clone()).await.get("result").is_some() })
            .await;
    }
}

#[tokio::test]
async fn history_that_was_pruned_is_error_4444() {
    let fixture = Fixture::start().await;
    fixture.store.prune(Prune { keep_history: 1, keep_bodies: Some(1) }).unwrap();
    for (method, params) in [
        ("eth_getBlockByNumber", json!(["0x1", false])),
        ("eth_getBlockReceipts", json!(["0x1"])),
        ("eth_getBlockTransactionCountByNumber", json!(["0x1"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x0"])),
        ("eth_getLogs", json!([{ "fromBlock": "0x1" }])),
        ("eth_feeHistory", json!(["0x3", "latest", []])),
        ("eth_call", json!([{ "to": READER }, "0x1"])),
        ("eth_getTransactionCount", json!([sender(), "0x1"])),
        ("eth_getStorageAt", json!([READER, "0x0", "0x1"])),
    ] {
        let (code, message) = error(fixture.eth, method, params).await;
        assert_eq!(code, 4444, "{method}: {message}");
        assert!(message.starts_with("pruned history unavailable"), "{method}: {message}");
    }
    assert_eq!(
        result(fixture.eth, "eth_getTransactionByHash", json!([keccak256(transfer(0))])).await,
        Value::Null
    );
    for method in ["block", "block_results"] {
        let answer = call(fixture.comet, method, json!({ "height": "1" })).await;
        assert_eq!(answer["error"]["code"], -32603);
        assert!(answer["error"]["data"].as_str().unwrap().contains("pruned"), "{answer}");
    }
    // Headers and commits stay, and with them what light clients need.
    assert!(call(fixture.comet, "commit", json!({ "height": "1" })).await.get("result").is_some());
}

#[tokio::test]
async fn a_batch_answers_what_fits_and_says_what_does_not() {
    let fixture = Fixture::start_with(|config| config.limits.response_bytes = 3 << 20).await;
    let large = ("eth_call", json!([{ "to": LARGE }, "latest"]));
    let answers = post(fixture.eth, &batch(&[large.clone(), large, ("eth_chainId", json!([]))])).await.json();
    assert_eq!(answers[0]["result"].as_str().unwrap().len(), 2 + (2 << 20));
    assert_eq!(answers[1]["error"]["code"], -32003);
    assert_eq!(answers[2]["result"], "0x539");
}

#[tokio::test]
async fn lists_that_would_be_too_large_are_given_up() {
    let fixture = Fixture::start_with(|config| config.limits.response_bytes = 600).await;
    for nonce in 3..6 {
        result(fixture.eth, "eth_sendRawTransaction", json!([transfer(nonce)])).await;
    }
    for (address, method, params) in [
        (fixture.eth, "eth_getLogs", json!([{ "fromBlock": "0x1" }])),
        (fixture.eth, "txpool_content", json!([])),
        (fixture.eth, "txpool_contentFrom", json!([sender()])),
        (fixture.comet, "block_search", json!({ "query": "block.height > 0" })),
        (fixture.comet, "tx_search", json!({ "query": "tx.height > 0" })),
    ] {
        let (code, message) = error(address, method, params).await;
        assert_eq!(code, -32003, "{method}: {message}");
        assert!(message.starts_with("response too large: the limit is 600 bytes"), "{method}: {message}");
    }
}

#[tokio::test]
async fn transactions_of_a_batch_enter_in_order_and_are_answered_in_place() {
    let fixture = Fixture::start().await;
    let submit = |params: Value| ("eth_sendRawTransaction", params);
    let calls = [
        submit(json!([transfer(3)])),
        ("eth_getTransactionCount", json!([sender(), "pending"])),
        submit(json!(["0x0"])),
        submit(json!([transfer(4)])),
        submit(json!([transfer(3)])),
        submit(json!([])),
        submit(json!([transfer(5)])),
    ];
    let answers = post(fixture.eth, &batch(&calls)).await.json();
    for (place, nonce) in [(0, 3), (3, 4), (6, 5)] {
        assert_eq!(answers[place]["result"], json!(keccak256(transfer(nonce))), "{answers}");
    }
    assert_eq!(answers[1]["result"], "0x6", "what is asked beside them sees them in the pool");
    assert_eq!(answers[2]["error"]["message"], "invalid argument 0: hex string of odd length");
    assert_eq!(answers[4]["error"], json!({ "code": -32000, "message": "already known" }));
    assert_eq!(answers[5]["error"]["code"], -32602);
    let ids: Vec<u64> =
        answers.as_array().unwrap().iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6]);
    let nonces: Vec<u64> =
        fixture.node.pool.lock().unwrap().iter().map(|waiting| waiting.tx.nonce()).collect();
    assert_eq!(nonces, [3, 4, 5]);
}

#[tokio::test]
async fn submissions_that_are_switched_off_stay_so_in_batches() {
    let fixture =
        Fixture::start_with(|config| config.disabled_methods = vec!["eth_sendRawTransaction".into()]).await;
    let both = [3, 4].map(|nonce| ("eth_sendRawTransaction", json!([transfer(nonce)])));
    let answers = post(fixture.eth, &batch(&both)).await.json();
    assert_eq!(
        (&answers[0]["error"]["code"], &answers[1]["error"]["code"]),
        (&json!(-32601), &json!(-32601))
    );
}

#[tokio::test]
async fn every_refusal_of_the_pool_has_its_words_and_its_code() {
    let fixture = Fixture::start().await;
    let refusals = || {
        [
            (SubmitError::Invalid(TxInvalid::NonceTooLow { next: 3, tx: 0 }), 65, "nonce too low"),
            (SubmitError::AlreadyKnown, 66, "already known"),
            (SubmitError::NonceTooFar { have: 9, next: 3, window: 4 }, 67, "nonce too high: next nonce 3"),
            (SubmitError::NonceHeld { nonce: 3, by: B256::ZERO }, 68, "replacement transaction underpriced"),
            (SubmitError::PoolFull { have: 5, limit: 5 }, 69, "txpool is full: 5 transactions"),
            (
                SubmitError::SenderFull { sender: sender(), have: 5, limit: 5 },
                70,
                "txpool is full for sender",
            ),
            (SubmitError::Unavailable("starting".into()), 71, "the node takes no transactions now: starting"),
        ]
    };
    for ((first, code, words), (second, ..)) in refusals().into_iter().zip(refusals()) {
        fixture.node.refusals.lock().unwrap().extend([first, second]);
        let (eth, message) = error(fixture.eth, "eth_sendRawTransaction", json!([transfer(3)])).await;
        assert_eq!(eth, -32000);
        assert!(message.starts_with(words), "{message}");
        let tx = alloy_primitives::hex::encode_prefixed(transfer(3));
        let comet = result(fixture.comet, "broadcast_tx_sync", json!({ "tx": tx })).await;
        assert_eq!((&comet["code"], &comet["log"]), (&json!(code), &json!(message)));
    }
}

#[tokio::test]
async fn a_client_that_takes_no_messages_is_cut_off() {
    let fixture = Fixture::start_with(|config| config.limits.send_timeout_ms = 50).await;
    let mut socket = Socket::open(fixture.eth, "/").await;
    let large =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{ "to": LARGE }, "latest"] });
    // 32 MB of answers: more than the kernel holds, but fewer messages than the connection's queue takes. What
    // counts is bytes.
    for _ in 0..16 {
        socket.send(&large.to_string()).await;
    }
    let open = || {
        let text = prometheus::TextEncoder::new().encode_to_string(&fixture.registry.gather()).unwrap();
        text.contains(r#"rpc_websockets{interface="ethereum"} 1"#)
    };
    until("the end of the connection", || async { !open() }).await;
    assert_eq!(result(fixture.eth, "eth_chainId", json!([])).await, "0x539", "others are served");
}

#[tokio::test]
async fn subscriptions_of_a_connection_are_bounded_on_both_interfaces() {
    let fixture = Fixture::start_with(|config| config.limits.subscriptions = 1).await;
    let mut socket = Socket::open(fixture.comet, "/websocket").await;
    let subscribe = |event: &str| json!({ "query": format!("tm.event = '{event}'") });
    assert_eq!(socket.call(1, "subscribe", subscribe("NewBlock")).await["result"], json!({}));
    let full = socket.call(2, "subscribe", subscribe("Tx")).await;
    assert_eq!(full["error"]["data"], "max_subscriptions_per_client 1 reached");
    socket.call(3, "unsubscribe_all", json!({})).await;
    let unknown = socket.call(4, "subscribe", subscribe("Vote")).await;
    assert!(
        unknown["error"]["data"].as_str().unwrap().starts_with("the query must name tm.event"),
        "{unknown}"
    );
}

#[tokio::test]
async fn a_cometbft_subscriber_that_missed_blocks_is_told_of_them_in_order() {
    let fixture = Fixture::start().await;
    let mut socket = Socket::open(fixture.comet, "/websocket").await;
    socket.call(1, "subscribe", json!({ "query": "tm.event = 'NewBlockHeader'" })).await;
    socket.call(2, "subscribe", json!({ "query": "tm.event = 'Tx'" })).await;
    let height = |told: &Value| told["result"]["data"]["value"]["header"]["height"].clone();
    let first = fixture.commit(vec![]).block.height();
    assert_eq!(height(&socket.receive().await.unwrap()), json!(first.to_string()));
    // More than the channel keeps, a transaction among them.
    fixture.commit(vec![transfer(3)]);
    for _ in 0..40 {
        fixture.commit(vec![]);
    }
    let mut expected = first;
    let mut transactions = 0;
    while expected < first + 41 {
        let told = socket.receive().await.unwrap();
        if told["id"] == 2 {
            transactions += 1;
            continue;
        }
        expected += 1;
        assert_eq!(height(&told), json!(expected.to_string()));
    }
    assert_eq!(transactions, 1);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let fixture = Fixture::start().await;
    let directory = tempfile::TempDir::new().unwrap();
    let parts = RpcParts {
        api: std::sync::Arc::<crate::fixture::FakeNode>::clone(&fixture.node),
        store: concordat_state::Store::open(directory.path(), &concordat_state::StoreOptions::default())
            .unwrap(),
        metrics: std::sync::Arc::new(RpcMetrics::register(&prometheus::Registry::new()).unwrap()),
        tls: None,
    };
    let config =
        RpcConfig { ethereum: Some(ListenerConfig::loopback(fixture.eth.port())), ..RpcConfig::default() };
    let refused = serve(config, parts).await.unwrap_err();
    assert!(matches!(refused, ServeError::Bind { interface: "ethereum", .. }), "{refused}");
    assert!(refused.to_string().contains(&fixture.eth.to_string()), "{refused}");
}
