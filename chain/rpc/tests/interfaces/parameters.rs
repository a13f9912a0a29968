//! Parameters that changed: each block answers with its own.

use concordat_state::Prune;
use concordat_types::{Bytes, ChainParams};
use serde_json::{Value, json};

use crate::{
    client::{call, result},
    fixture::{Fixture, transfer},
};

/// The row of parameters with a gas limit of 60,000,000, all else as in the genesis document.
const ROW: &str = "0xd28340000084039387008227108201f4821388";

/// Block 4 lowers the gas limit, which holds from block 5 on; the newest is block 6.
async fn changed() -> Fixture {
    let fixture = Fixture::start().await;
    let lower = ChainParams { block_gas_limit: 60_000_000, ..ChainParams::default() };
    let row: Bytes = ROW.parse().unwrap();
    fixture.commit_setting(vec![], Some((lower, row)));
    fixture.commit(vec![transfer(3)]);
    fixture.commit(vec![]);
    fixture
}

async fn gas_limit(fixture: &Fixture, height: u64) -> Value {
    result(fixture.eth, "eth_getBlockByNumber", json!([format!("{height:#x}"), false])).await["gasLimit"]
        .clone()
}

async fn max_gas(fixture: &Fixture, height: u64) -> Value {
    let answer = result(fixture.comet, "consensus_params", json!({ "height": height.to_string() })).await;
    answer["consensus_params"]["block"]["max_gas"].clone()
}

async fn updates(fixture: &Fixture, height: u64) -> Value {
    let answer = result(fixture.comet, "block_results", json!({ "height": height.to_string() })).await;
    answer["consensus_param_updates"].clone()
}

#[tokio::test]
async fn each_block_has_the_parameters_of_its_time() {
    let fixture = changed().await;
    for (height, limit, max) in
        [(0, "0x11e1a300", ""), (4, "0x11e1a300", "300000000"), (5, "0x3938700", "60000000")]
    {
        assert_eq!(gas_limit(&fixture, height).await, limit, "block {height}");
        if height > 0 {
            assert_eq!(max_gas(&fixture, height).await, max, "block {height}");
        }
    }
    assert_eq!(max_gas(&fixture, 7).await, "60000000", "those of the block that comes next");
    let history = result(fixture.eth, "eth_feeHistory", json!(["0x6", "latest", []])).await;
    let ratios = history["gasUsedRatio"].as_array().unwrap();
    let full = 30_000.0;
    assert_eq!((&ratios[2], &ratios[4]), (&json!(full / 300_000_000.0), &json!(full / 60_000_000.0)));
}

#[tokio::test]
async fn a_change_is_told_in_the_results_of_the_block_that_made_it() {
    let fixture = changed().await;
    assert_eq!(updates(&fixture, 3).await, Value::Null);
    let told = updates(&fixture, 4).await;
    assert_eq!((&told["block"]["max_gas"], &told["version"]["app"]), (&json!("60000000"), &json!("1")));
    assert_eq!(updates(&fixture, 5).await, Value::Null);
    assert_eq!(
        updates(&fixture, 6).await,
        Value::Null,
        "also of the newest block, which no header follows yet"
    );
    let higher = ChainParams::default();
    fixture
        .commit_setting(vec![], Some((higher, "0xd2834000008411e1a3008227108201f4821388".parse().unwrap())));
    assert_eq!(updates(&fixture, 7).await["block"]["max_gas"], "300000000", "the newest block made it");
}

#[tokio::test]
async fn where_history_is_pruned_the_headers_say_which_parameters_were_those() {
    let fixture = changed().await;
    fixture.store.prune(Prune { keep_history: 1, keep_bodies: None }).unwrap();
    for (height, limit) in [(2, "0x11e1a300"), (4, "0x11e1a300"), (5, "0x3938700"), (6, "0x3938700")] {
        assert_eq!(gas_limit(&fixture, height).await, limit, "block {height}");
    }
    assert_eq!(updates(&fixture, 4).await["block"]["max_gas"], "60000000");
    let other = ChainParams { block_gas_limit: 70_000_000, ..ChainParams::default() };
    let row: Bytes = "0xd28340000084042c1d808227108201f4821388".parse().unwrap();
    fixture.commit_setting(vec![], Some((other, row)));
    fixture.commit(vec![]);
    fixture.store.prune(Prune { keep_history: 1, keep_bodies: None }).unwrap();
    // Those of block 6 were told before; of those of block 5 nothing is known any more.
    let told = call(fixture.comet, "consensus_params", json!({ "height": "5" })).await;
    assert!(told["error"].to_string().contains("pruned"), "{told}");
    assert_eq!(max_gas(&fixture, 3).await, "300000000");
    assert_eq!(max_gas(&fixture, 8).await, "70000000");
}
