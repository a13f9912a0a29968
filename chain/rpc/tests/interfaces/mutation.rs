//! Damaged requests: whatever arrives, the answer is JSON-RPC, and the node lives on.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    client::{post, result},
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

#[tokio::test]
async fn damaged_requests_are_answered_and_harm_nothing() {
    let fixture = Fixture::start().await;
    let seeds = seeds();
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
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
