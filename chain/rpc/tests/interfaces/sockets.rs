//! WebSocket connections: calls, subscriptions, limits.

use serde_json::json;

use crate::{
    client::{Socket, result},
    fixture::{Fixture, READER, TOPIC, transfer},
};

#[tokio::test]
async fn calls_work_over_sockets_on_both_paths() {
    let fixture = Fixture::start().await;
    for path in ["/", "/ws"] {
        let mut socket = Socket::open(fixture.eth, path).await;
        assert_eq!(socket.call(7, "eth_chainId", json!([])).await["result"], "0x539");
        assert_eq!(socket.call(8, "nope", json!([])).await["error"]["code"], -32601);
    }
}

#[tokio::test]
async fn subscribers_are_told_of_heads_logs_and_waiting_transactions() {
    let fixture = Fixture::start().await;
    let mut socket = Socket::open(fixture.eth, "/").await;
    let filter = json!({ "address": READER, "topics": [TOPIC] });
    let heads = socket.call(1, "eth_subscribe", json!(["newHeads"])).await["result"].clone();
    let logs = socket.call(2, "eth_subscribe", json!(["logs", filter])).await["result"].clone();
    let pending = socket.call(3, "eth_subscribe", json!(["newPendingTransactions"])).await["result"].clone();
    result(fixture.eth, "eth_sendRawTransaction", json!([transfer(3)])).await;
    let told = socket.receive().await.unwrap();
    assert_eq!((&told["method"], &told["params"]["subscription"]), (&json!("eth_subscription"), &pending));
    let block = fixture.commit(vec![transfer(3)]);
    for _ in 0..2 {
        let told = socket.receive().await.unwrap()["params"].clone();
        match told["subscription"] == heads {
            true => {
                assert_eq!(told["result"]["hash"], json!(block.hash));
                let by_call = result(fixture.eth, "eth_getBlockByNumber", json!(["latest", false])).await;
                for (field, value) in told["result"].as_object().unwrap() {
                    assert_eq!(by_call[field], *value, "{field}");
                }
            }
            false => {
                assert_eq!(told["subscription"], logs);
                let by_call = result(fixture.eth, "eth_getLogs", json!([{}])).await;
                assert_eq!(told["result"], by_call[0]);
            }
        }
    }
}

#[tokio::test]
async fn a_subscriber_that_missed_blocks_is_told_of_them_in_order() {
    let fixture = Fixture::start().await;
    let mut socket = Socket::open(fixture.eth, "/").await;
    socket.call(1, "eth_subscribe", json!(["newHeads"])).await;
    // Then more than the channel keeps.
    let first = fixture.commit(vec![]).block.height();
    assert_eq!(socket.receive().await.unwrap()["params"]["result"]["number"], json!(format!("{first:#x}")));
    for _ in 0..40 {
        fixture.commit(vec![]);
    }
    for height in first + 1..=first + 40 {
        let told = socket.receive().await.unwrap();
        assert_eq!(told["params"]["result"]["number"], json!(format!("{height:#x}")));
    }
}

#[tokio::test]
async fn a_subscription_ends_and_unknown_ones_are_refused() {
    let fixture = Fixture::start_with(|config| config.limits.subscriptions = 1).await;
    let mut socket = Socket::open(fixture.eth, "/").await;
    let id = socket.call(1, "eth_subscribe", json!(["newHeads"])).await["result"].clone();
    let full = socket.call(2, "eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(full["error"]["code"], -32005);
    assert_eq!(socket.call(3, "eth_unsubscribe", json!([id])).await["result"], true);
    assert_eq!(
        socket.call(4, "eth_unsubscribe", json!([id])).await["error"]["message"],
        "subscription not found"
    );
    let unknown = socket.call(5, "eth_subscribe", json!(["weather"])).await;
    assert_eq!(unknown["error"]["message"], r#"no "weather" subscription in eth namespace"#);
    fixture.commit(vec![]);
    assert_eq!(socket.call(6, "eth_blockNumber", json!([])).await["result"], "0x4");
}

#[tokio::test]
async fn messages_beyond_the_limit_close_the_connection() {
    let fixture = Fixture::start_with(|config| config.limits.body_bytes = 1000).await;
    let mut socket = Socket::open(fixture.eth, "/").await;
    socket.send(&"x".repeat(2000)).await;
    assert_eq!(socket.receive().await, Err(1009));
    fixture.refused("too_large", 1).await;
}

#[tokio::test]
async fn pages_of_strangers_cannot_open_sockets() {
    let fixture = Fixture::start().await;
    let (_, status) = Socket::upgrade(fixture.eth, "/", "origin: https://evil.example\r\n").await;
    assert_eq!(status, 403);
    fixture.refused("origin", 1).await;
}

#[tokio::test]
async fn cometbft_subscribers_are_told_of_blocks_headers_and_transactions() {
    let fixture = Fixture::start().await;
    let mut socket = Socket::open(fixture.comet, "/websocket").await;
    for (id, event) in [(1, "NewBlock"), (2, "NewBlockHeader"), (3, "Tx")] {
        let query = format!("tm.event = '{event}'");
        assert_eq!(socket.call(id, "subscribe", json!({ "query": query })).await["result"], json!({}));
    }
    let block = fixture.commit(vec![transfer(3)]);
    for (id, event) in [(1, "NewBlock"), (2, "NewBlockHeader"), (3, "Tx")] {
        let told = socket.receive().await.unwrap();
        assert_eq!(told["id"], id);
        assert_eq!(told["result"]["data"]["type"], format!("tendermint/event/{event}"));
        assert_eq!(told["result"]["events"]["tm.event"], json!([event]));
        if event != "NewBlockHeader" {
            use tendermint_rpc::{Response as _, event::v0_38::DeEvent};
            let parsed = tendermint_rpc::event::Event::from(DeEvent::from_string(told.to_string()).unwrap());
            match parsed.data {
                tendermint_rpc::event::EventData::NewBlock { block: Some(have), .. } => {
                    assert_eq!(have.header, block.block.header);
                }
                tendermint_rpc::event::EventData::Tx { tx_result } => {
                    assert_eq!(tx_result.tx, block.block.txs[0].to_vec());
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let bad = socket.call(9, "subscribe", json!({ "query": "tm.event = NewBlock" })).await;
    assert_eq!(bad["error"]["code"], -32603);
    assert_eq!(socket.call(10, "unsubscribe_all", json!({})).await["result"], json!({}));
    let gone = socket.call(11, "unsubscribe", json!({ "query": "tm.event = 'Tx'" })).await;
    assert_eq!(gone["error"]["data"], "subscription not found");
}
