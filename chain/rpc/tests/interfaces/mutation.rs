//! Damaged requests: whatever arrives, the answer is JSON-RPC, and the node lives on.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    client::{get, post, result},
    fixture::{Fixture, READER},
};

/// Sound requests to start from.
fn seeds() -> Vec<String> {
    let call = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let calls = vec![
        call("eth_call", json!([{ "to": READER, "input": "0x" }, "latest", {}])),
        call("eth_getLogs", json!([{ "fromBlock": "0x1", "topics": [null, ["0x00"]] }])),
        call("eth_feeHistory", json!(["0x2", "latest", [10, 20.5]])),
        call("eth_getProof", json!([READER, ["0x0"], "latest"])),
        call("eth_sendRawTransaction", json!(["0x02f86c"])),
        call("validators", json!({ "height": "1", "page": "1", "per_page": "30" })),
        call("abci_query", json!({ "path": "/store", "data": "01", "height": "0", "prove": true })),
        call("tx_search", json!({ "query": "tx.height > 1", "prove": true, "page": "1", "order_by": "asc" })),
    ];
    let batch = Value::Array(calls.clone());
    calls.iter().chain([&batch]).map(Value::to_string).collect()
}

fn is_rpc_answer(answer: &Value) -> bool {
    let one = |answer: &Value| {
        answer["jsonrpc"] == "2.0" && (answer.get("result").is_some() != answer["error"]["code"].is_i64())
    };
    answer.as_array().map_or_else(|| one(answer), |answers| answers.iter().all(one))
}

/// Sound pages to start from: CometBFT's calls written as URIs.
const PAGES: [&str; 5] = [
    "/block?height=1",
    "/validators?height=%221%22&page=1&per_page=30",
    "/abci_query?path=%22/store%22&data=0x01&height=0&prove=true",
    "/tx_search?query=%22tx.height%3E1%22&prove=true&page=1&order_by=%22asc%22",
    "/broadcast_tx_sync?tx=0x02f86c",
];

#[tokio::test]
async fn damaged_pages_are_answered_and_harm_nothing() {
    let fixture = Fixture::start().await;
    let mut runner = runner();
    // Whatever may stand in a request's first line.
    let damage = (0..PAGES.len(), prop::collection::vec((any::<prop::sample::Index>(), 0x21..0x7fu8), 0..4));
    for _ in 0..400 {
        let (page, changes) = damage.new_tree(&mut runner).unwrap().current();
        let mut bytes = PAGES[page].as_bytes().to_vec();
        for (at, with) in changes {
            let at = at.index(bytes.len() - 1) + 1;
            bytes[at] = with;
        }
        let path = String::from_utf8(bytes).unwrap();
        let answer = get(fixture.comet, &path).await;
        assert!((200..=500).contains(&answer.status), "{path}: {answer:?}");
        // The list of pages is none, nor is what is refused before it is looked at.
        if answer.head.contains("application/json") {
            assert!(is_rpc_answer(&answer.json()), "{path}: {answer:?}");
        }
    }
    assert_eq!(result(fixture.eth, "eth_blockNumber", json!([])).await, "0x3");
}

fn runner() -> TestRunner {
    TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    )
}

#[tokio::test]
async fn damaged_requests_are_answered_and_harm_nothing() {
    let fixture = Fixture::start().await;
    let seeds = seeds();
    let mut runner = runner();
    let damage = (
        0..seeds.len(),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        any::<prop::sample::Index>(),
        any::<bool>(),
    );
    for _ in 0..400 {
        let (seed, changes, cut, truncate) = damage.new_tree(&mut runner).unwrap().current();
        let mut bytes = seeds[seed].clone().into_bytes();
        for (at, with) in changes {
            let at = at.index(bytes.len());
            bytes[at] = with;
        }
        if truncate {
            bytes.truncate(cut.index(bytes.len()));
        }
        for address in [fixture.eth, fixture.comet] {
            let answer = post(address, &bytes).await;
            let shown = String::from_utf8_lossy(&bytes);
            assert_eq!(answer.status, 200, "{shown}");
            // A damaged id may make a notification of a call.
            assert!(answer.body.is_empty() || is_rpc_answer(&answer.json()), "{shown}: {answer:?}");
        }
    }
    assert_eq!(result(fixture.eth, "eth_blockNumber", json!([])).await, "0x3");
}
