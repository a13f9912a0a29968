//! Every CometBFT method, parsed by the `tendermint-rpc` crate, and commits judged by its light client.

use std::{collections::BTreeSet, time::Duration};

use alloy_primitives::keccak256;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use concordat_state::Prune;
use serde_json::{Value, json};
use tendermint_rpc::endpoint;

use crate::{
    client::{get, post},
    ethereum::golden,
    fixture::{Fixture, READER, legacy, transfer},
};

/// The whole answer, as the parsers take it.
async fn raw(fixture: &Fixture, method: &str, params: Value) -> Vec<u8> {
    let body = json!({ "jsonrpc": "2.0", "id": "1", "method": method, "params": params });
    post(fixture.comet, body.to_string().as_bytes()).await.body
}

/// Calls a method and parses its answer as the independent client does.
async fn parsed<R: tendermint_rpc::Response>(fixture: &Fixture, method: &str, params: Value) -> R {
    let bytes = raw(fixture, method, params).await;
    R::from_string(&bytes).unwrap_or_else(|e| panic!("{method}: {e}: {}", String::from_utf8_lossy(&bytes)))
}

async fn failure(fixture: &Fixture, method: &str, params: Value) -> (i64, String) {
    let answer: Value = serde_json::from_slice(&raw(fixture, method, params).await).unwrap();
    let error = &answer["error"];
    (error["code"].as_i64().unwrap_or_else(|| panic!("{answer}")), error["data"].as_str().unwrap().to_owned())
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn account_key() -> String {
    format!("01{}", alloy_primitives::hex::encode(READER))
}

#[tokio::test]
async fn every_method_answers_as_recorded() {
    let fixture = Fixture::start().await;
    let hash = base64(fixture.store.block_hash(1).unwrap().unwrap());
    let calls = [
        ("health", json!({})),
        ("status", json!({})),
        ("net_info", json!({})),
        ("genesis", json!({})),
        ("genesis_chunked", json!({ "chunk": "0" })),
        ("consensus_params", json!({ "height": "1" })),
        ("consensus_state", json!({})),
        ("validators", json!({ "height": "4", "page": "1", "per_page": "30" })),
        ("blockchain", json!({ "minHeight": "1", "maxHeight": "2" })),
        ("block", json!({ "height": "1" })),
        ("block_by_hash", json!({ "hash": hash })),
        ("block_results", json!({ "height": "1" })),
        ("header", json!({ "height": "1" })),
        ("header_by_hash", json!({ "hash": hash })),
        ("commit", json!({ "height": "3" })),
        ("block_search", json!({ "query": "block.height = 2" })),
        ("tx", json!({ "hash": base64(keccak256(legacy(1))), "prove": true })),
        ("tx_search", json!({ "query": "tx.height >= 1", "prove": false })),
        ("abci_info", json!({})),
        ("abci_query", json!({ "path": "/store", "data": account_key(), "prove": true })),
        ("unconfirmed_txs", json!({})),
        ("num_unconfirmed_txs", json!({})),
        ("broadcast_tx_async", json!({ "tx": base64(transfer(0)) })),
        ("broadcast_tx_sync", json!({ "tx": base64(transfer(0)) })),
        ("broadcast_tx_commit", json!({ "tx": base64(transfer(0)) })),
        ("subscribe", json!({ "query": "tm.event = 'Tx'" })),
        ("unsubscribe", json!({ "query": "tm.event = 'Tx'" })),
        ("unsubscribe_all", json!({})),
    ];
    let listed: BTreeSet<String> = get(fixture.comet, "/")
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
        answers.insert(method.into(), serde_json::from_slice(&raw(&fixture, method, params).await).unwrap());
    }
    golden("cometbft", &Value::Object(answers));
}

#[tokio::test]
async fn answers_parse_as_the_types_of_tendermint_rpc() {
    let fixture = Fixture::start().await;
    let hash = fixture.store.block_hash(1).unwrap().unwrap();
    let by_hash = json!({ "hash": base64(hash) });
    let status: endpoint::status::Response = parsed(&fixture, "status", json!({})).await;
    assert_eq!(status.node_info.version.to_string(), "0.38.17");
    assert_eq!(status.sync_info.latest_block_height.value(), 3);
    assert_eq!(status.validator_info.power.value(), 10);
    let peers: endpoint::net_info::Response = parsed(&fixture, "net_info", json!({})).await;
    assert_eq!(peers.peers[0].node_info.moniker.to_string(), "bank-b-1");
    let genesis: endpoint::genesis::Response<Value> = parsed(&fixture, "genesis", json!({})).await;
    assert_eq!(genesis.genesis.validators.len(), 1);
    let _: endpoint::genesis_chunked::Response =
        parsed(&fixture, "genesis_chunked", json!({ "chunk": "0" })).await;
    for height in 1..=3u64 {
        let at = json!({ "height": height.to_string() });
        let block: endpoint::block::v0_38::DialectResponse = parsed(&fixture, "block", at.clone()).await;
        assert_eq!(block.block.header.hash(), block.block_id.hash);
        assert!(block.block_id.part_set_header.total >= 1);
        let header: endpoint::header::Response = parsed(&fixture, "header", at.clone()).await;
        assert_eq!(header.header, block.block.header);
        let results: endpoint::block_results::Response = parsed(&fixture, "block_results", at).await;
        assert_eq!(results.txs_results.unwrap().len(), block.block.data.len());
    }
    let block: endpoint::block_by_hash::v0_38::DialectResponse =
        parsed(&fixture, "block_by_hash", by_hash.clone()).await;
    assert_eq!(block.block.unwrap().header.height.value(), 1);
    let header: endpoint::header_by_hash::Response = parsed(&fixture, "header_by_hash", by_hash).await;
    assert_eq!(header.header.unwrap().height.value(), 1);
    let chain: endpoint::blockchain::Response = parsed(&fixture, "blockchain", json!({})).await;
    assert_eq!(chain.block_metas.len(), 3);
    let params: endpoint::consensus_params::Response = parsed(&fixture, "consensus_params", json!({})).await;
    assert_eq!(params.consensus_params.block.max_gas, 300_000_000);
    let state: endpoint::consensus_state::Response = parsed(&fixture, "consensus_state", json!({})).await;
    assert_eq!(state.round_state.height_round_step.height.value(), 4);
    let _: endpoint::health::Response = parsed(&fixture, "health", json!({})).await;
    let info: endpoint::abci_info::Response = parsed(&fixture, "abci_info", json!({})).await;
    assert_eq!(info.response.last_block_height.value(), 3);
}

#[tokio::test]
async fn transactions_are_found_and_proven_against_the_data_hash() {
    let fixture = Fixture::start().await;
    let params = json!({ "hash": base64(keccak256(legacy(1))), "prove": true });
    let tx: endpoint::tx::Response = parsed(&fixture, "tx", params).await;
    assert_eq!((tx.height.value(), tx.index, tx.tx_result.code.value()), (1, 1, 1));
    let proof = tx.proof.unwrap();
    let header: endpoint::header::Response = parsed(&fixture, "header", json!({ "height": "1" })).await;
    assert_eq!(Some(proof.root_hash), header.header.data_hash);
    let search = |query: &str| json!({ "query": query, "prove": false, "page": "1", "per_page": "2", "order_by": "desc" });
    let found: endpoint::tx_search::Response = parsed(&fixture, "tx_search", search("tx.height >= 1")).await;
    assert_eq!((found.total_count, found.txs.len(), found.txs[0].height.value()), (4, 2, 3));
    let by_hash = format!("tx.hash = '{}'", alloy_primitives::hex::encode_upper(keccak256(transfer(0))));
    let found: endpoint::tx_search::Response = parsed(&fixture, "tx_search", search(&by_hash)).await;
    assert_eq!(found.total_count, 1);
    let blocks: endpoint::block_search::Response =
        parsed(&fixture, "block_search", json!({ "query": "block.height > 1", "order_by": "asc" })).await;
    assert_eq!(blocks.total_count, 2);
}

#[tokio::test]
async fn an_independent_light_client_accepts_every_commit() {
    use tendermint_light_client_verifier::{
        ProdVerifier, Verdict, Verifier as _,
        options::Options,
        types::{LightBlock, TrustThreshold},
    };
    let fixture = Fixture::start().await;
    let mut blocks = Vec::new();
    for height in 1..=3u64 {
        let commit: endpoint::commit::Response =
            parsed(&fixture, "commit", json!({ "height": height.to_string() })).await;
        assert_eq!(commit.canonical, height < 3);
        let validators = |height: u64| {
            let params = json!({ "height": height.to_string(), "page": "1", "per_page": "30" });
            let fixture = &fixture;
            async move {
                let answer: endpoint::validators::Response = parsed(fixture, "validators", params).await;
                tendermint::validator::Set::without_proposer(answer.validators)
            }
        };
        let peer = "0101010101010101010101010101010101010101".parse().unwrap();
        blocks.push(LightBlock::new(
            commit.signed_header,
            validators(height).await,
            validators(height + 1).await,
            peer,
        ));
    }
    let options = Options {
        trust_threshold: TrustThreshold::TWO_THIRDS,
        trusting_period: Duration::from_secs(3600),
        clock_drift: Duration::from_secs(5),
    };
    let now = tendermint::Time::from_unix_timestamp(1_700_000_010, 0).unwrap();
    for pair in blocks.windows(2) {
        let verdict = ProdVerifier::default().verify_update_header(
            pair[1].as_untrusted_state(),
            pair[0].as_trusted_state(),
            &options,
            now,
        );
        assert_eq!(verdict, Verdict::Success);
    }
}

#[tokio::test]
async fn state_is_read_with_proofs_that_ics_23_accepts() {
    use prost_ics23::Message as _;
    let fixture = Fixture::start().await;
    let query = json!({ "path": "/store", "data": account_key(), "prove": true });
    let found: endpoint::abci_query::Response = parsed(&fixture, "abci_query", query).await;
    let found = found.response;
    let op = found.proof.unwrap().ops.remove(0);
    assert_eq!(op.field_type, "ics23:smt");
    let next = fixture.commit(vec![]);
    let root = next.block.header.app_hash.as_bytes().to_vec();
    let proof = ics23::CommitmentProof::decode(op.data.as_slice()).unwrap();
    assert!(ics23::verify_membership::<ics23::HostFunctionsManager>(
        &proof,
        &ics23::smt_spec(),
        &root,
        &found.key,
        &found.value
    ));
    let absent = json!({ "path": "/store", "data": "01ff", "prove": false, "height": "2" });
    let absent: endpoint::abci_query::Response = parsed(&fixture, "abci_query", absent).await;
    assert_eq!((absent.response.value.len(), absent.response.height.value()), (0, 2));
    for bad in [
        json!({ "path": "/bank", "data": "01" }),
        json!({ "data": "" }),
        json!({ "data": account_key(), "prove": true, "height": "1" }),
    ] {
        let refused: endpoint::abci_query::Response = parsed(&fixture, "abci_query", bad).await;
        assert!(refused.response.code.is_err() && !refused.response.log.is_empty());
    }
}

#[tokio::test]
async fn transactions_are_handed_in_and_awaited() {
    let fixture = Fixture::start().await;
    let tx = |nonce| json!({ "tx": base64(transfer(nonce)) });
    let sync: endpoint::broadcast::tx_sync::Response = parsed(&fixture, "broadcast_tx_sync", tx(3)).await;
    assert!(sync.code.is_ok());
    let again: endpoint::broadcast::tx_sync::Response = parsed(&fixture, "broadcast_tx_sync", tx(3)).await;
    assert_eq!((again.code.value(), again.log.as_str()), (66, "already known"));
    let _: endpoint::broadcast::tx_async::Response = parsed(&fixture, "broadcast_tx_async", tx(0)).await;
    let waiting: Value = serde_json::from_slice(&raw(&fixture, "unconfirmed_txs", json!({})).await).unwrap();
    assert_eq!(waiting["result"]["txs"], json!([base64(transfer(3))]));
    let mut pending = fixture.node.pending.subscribe();
    let commit = parsed::<endpoint::broadcast::tx_commit::Response>(&fixture, "broadcast_tx_commit", tx(4));
    let block = async {
        pending.recv().await.unwrap();
        fixture.commit(vec![transfer(4)])
    };
    let (commit, _) = futures::join!(commit, block);
    assert_eq!((commit.height.value(), commit.tx_result.code.value()), (4, 0));
    let refused: endpoint::broadcast::tx_commit::Response =
        parsed(&fixture, "broadcast_tx_commit", tx(0)).await;
    assert_eq!(refused.check_tx.code.value(), 65);
}

#[tokio::test]
async fn waiting_for_a_block_ends_in_time() {
    let fixture = Fixture::start_with(|config| config.limits.broadcast_commit_timeout_ms = 1).await;
    let (code, why) = failure(&fixture, "broadcast_tx_commit", json!({ "tx": base64(transfer(3)) })).await;
    assert_eq!(code, -32603);
    assert!(why.starts_with("timed out waiting for tx"), "{why}");
}

#[tokio::test]
async fn methods_are_pages_too() {
    let fixture = Fixture::start().await;
    let hash = alloy_primitives::hex::encode(keccak256(transfer(0)));
    for (path, pointer, want) in [
        ("/health".to_owned(), "/result", json!({})),
        ("/block?height=2".to_owned(), "/result/block/header/height", json!("2")),
        (format!("/tx?hash=0x{hash}&prove=false"), "/result/height", json!("1")),
        ("/tx_search?query=%22tx.height=3%22".to_owned(), "/result/total_count", json!("1")),
        (
            format!("/abci_query?path=%22/store%22&data=0x{}", account_key()),
            "/result/response/log",
            json!("exists"),
        ),
        ("/validators?height=1&page=1".to_owned(), "/result/total", json!("1")),
    ] {
        let answer = get(fixture.comet, &path).await;
        assert_eq!((answer.status, answer.json().pointer(pointer)), (200, Some(&want)), "{path}");
        assert_eq!(answer.json()["id"], -1);
    }
    for (path, status, code) in [
        ("/nothing", 404, -32601),
        ("/block?height=x", 400, -32602),
        ("/block?height=99", 500, -32603),
        ("/subscribe?query=%22tm.event='Tx'%22", 500, -32603),
    ] {
        let answer = get(fixture.comet, path).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_i64()), (status, Some(code)), "{path}");
    }
}

#[tokio::test]
async fn errors_say_what_was_wrong_where_cometbft_says_it() {
    let fixture = Fixture::start().await;
    for (method, params, code, words) in [
        ("nothing", json!({}), -32601, "the method nothing"),
        (
            "block",
            json!({ "height": "99" }),
            -32603,
            "must be less than or equal to the current blockchain height 3",
        ),
        ("block", json!({ "height": "-1" }), -32603, "height must be greater than 0, but got -1"),
        ("block", json!({ "height": "x" }), -32602, "error converting argument height"),
        ("block_by_hash", json!({ "hash": "AA==" }), -32602, "a hash has 32"),
        ("validators", json!({ "page": "9" }), -32603, "page should be within [1, 1] range, given 9"),
        ("blockchain", json!({ "minHeight": "3", "maxHeight": "1" }), -32603, "can't be greater"),
        ("genesis_chunked", json!({ "chunk": "5" }), -32603, "there are 1 chunks"),
        ("tx", json!({ "hash": base64([1; 32]) }), -32603, "not found"),
        ("tx_search", json!({ "query": "transfer.sender = 'x'" }), -32603, "not indexed"),
        ("tx_search", json!({ "query": "tm.event = 'Tx'" }), -32603, "needs a condition"),
        ("tx_search", json!({ "query": "tx.height = 1", "order_by": "up" }), -32602, "asc or desc"),
        ("block", json!([1, 2]), -32602, "expected 1 parameters"),
        ("subscribe", json!({ "query": "tm.event = 'Tx'" }), -32603, "use /websocket"),
    ] {
        let (have, why) = failure(&fixture, method, params.clone()).await;
        assert_eq!(have, code, "{method} {params}: {why}");
        assert!(why.contains(words), "{method} {params}: {why}");
    }
}

#[tokio::test]
async fn where_the_past_is_pruned_answers_begin_where_blocks_do() {
    let fixture = Fixture::start().await;
    fixture.store.prune(Prune { keep_history: 1, keep_bodies: Some(2) }).unwrap();
    let status: endpoint::status::Response = parsed(&fixture, "status", json!({})).await;
    assert_eq!(status.sync_info.earliest_block_height.value(), 2);
    let told: endpoint::blockchain::Response = parsed(&fixture, "blockchain", json!({})).await;
    let heights: Vec<u64> = told.block_metas.iter().map(|meta| meta.header.height.value()).collect();
    assert_eq!(heights, [3, 2]);
    let (_, said) = failure(&fixture, "block", json!({ "height": "1" })).await;
    assert!(said.contains("is pruned"), "{said}");
    // Light clients still get what they verify.
    let commit: endpoint::commit::Response = parsed(&fixture, "commit", json!({ "height": "1" })).await;
    assert_eq!(commit.signed_header.header.height.value(), 1);
}
