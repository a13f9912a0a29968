//! Trust in the genesis document alone: proofs, a change of validators, nodes that lie.

use std::{path::Path, sync::Mutex};

use alloy_primitives::{Address, hex};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use concordat_tests::{Network, chain, committee, liar::Liar, post, run, token};
use serde_json::{Value, json};
use tendermint_rpc::{Response, endpoint};

const SUPPLY: u64 = 1_000_000;
const REGISTRY: &str = "0x000000000000000000000000000000000000C001";

/// Something that happened on chain, to be proved.
struct Transfer {
    token: String,
    holder: String,
    hash: String,
    height: u64,
}

#[test]
fn whoever_holds_the_genesis_document_needs_to_trust_no_node() {
    let mut network = Network::start_with(4, &["--empty-block-interval-ms", "1000"]);
    let transfer = make_transfer(&network);
    every_block_from_genesis_on_is_verified(&network, 0);
    state_and_absence_of_state_are_proved(&network, &transfer);
    a_transaction_and_its_result_are_proved(&network, &transfer);
    a_lying_node_is_found_out(&network, &transfer);
    an_activity_is_proved_whole_and_a_file_that_was_altered_is_found_out(&network, &transfer);
    another_genesis_document_is_no_root_of_trust(&network);
    answers_are_what_clients_of_cometbft_parse(&network, &transfer);
    trust_spans_a_change_of_validators(&mut network);
    chain::assert_one_chain(&network);
    chain::assert_no_double_signing(&network);
}

fn make_transfer(network: &Network) -> Transfer {
    let token = token::deploy(network, "bank-a/developer", SUPPLY).to_string();
    let holder = network.address("bank-b/operator").to_string();
    let call = ["contract", "send", "--to", &token, "transfer(address,uint256)", &holder, "4660"];
    let receipt = network.with_key("bank-a/developer", 0, &call);
    let hash = receipt["transactionHash"].as_str().unwrap().to_owned();
    assert!(receipt["finality_ms"].is_u64(), "{receipt}");
    let height = receipt["blockNumber"].as_str().unwrap().trim_start_matches("0x");
    let height = u64::from_str_radix(height, 16).unwrap();
    for node in 0..network.count() {
        network.wait_for_height(node, height + 1);
    }
    Transfer { token, holder, hash, height }
}

fn every_block_from_genesis_on_is_verified(network: &Network, node: usize) {
    let said = network.verify(node, &["--every"]);
    assert_eq!(said["headers_verified"], said["height"]);
    let signatures = said["signatures_checked"].as_u64().unwrap();
    assert!(signatures >= 3 * said["height"].as_u64().unwrap(), "{said}");
}

fn state_and_absence_of_state_are_proved(network: &Network, transfer: &Transfer) {
    let entry = ["--mapping", &transfer.token, "0", &transfer.holder];
    let nobody = Address::repeat_byte(0x77).to_string();
    for node in 0..network.count() {
        let said = network.verify(node, &[&entry[..], &["--account", &nobody]].concat());
        let of = |key: &str| {
            let mut proofs = said["state"].as_array().unwrap().iter();
            proofs.find(|proof| proof["key"].as_str().unwrap().starts_with(key)).unwrap()["value"].clone()
        };
        assert_eq!(of("02"), json!("1234"), "4660 tokens, on node {node}");
        assert_eq!(of("01"), Value::Null, "an account that never acted, on node {node}");
    }
}

fn a_transaction_and_its_result_are_proved(network: &Network, transfer: &Transfer) {
    let said = network.verify(2, &["--transaction", &transfer.hash]);
    let proof = &said["transaction"];
    assert_eq!((&proof["height"], &proof["code"]), (&json!(transfer.height), &json!(0)));
    let unknown = format!("0x{}", "ab".repeat(32));
    let output = network.verify_at(&network.url(2, "cometbft"), &["--transaction", &unknown]);
    assert_eq!(output.status.code(), Some(1), "a transaction that nobody knows proves nothing wrong");
}

/// `concordat audit prove`'s file about a subject, written by node 0, and what it proves.
fn audited(network: &Network, subject: &str, path: &Path) -> Value {
    let genesis = network.info["genesis"].as_str().unwrap();
    let (eth, comet) = (network.url(0, "ethereum"), network.url(0, "cometbft"));
    let prove =
        ["audit", "prove", subject, "--genesis", genesis, "--rpc", &eth, "--comet", &comet, "--output"];
    let output = run(&[&prove[..], &[path.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `concordat audit verify` of a file: what it says, and its exit code.
fn verified(network: &Network, path: &Path) -> (Value, Option<i32>) {
    let genesis = network.info["genesis"].as_str().unwrap();
    let output = run(&["audit", "verify", path.to_str().unwrap(), "--genesis", genesis]);
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

/// What is changed in a file, and how.
type Alteration = (&'static str, fn(&mut Value));

fn an_activity_is_proved_whole_and_a_file_that_was_altered_is_found_out(
    network: &Network,
    transfer: &Transfer,
) {
    let path = network.home().join("activity.json");
    // The receiver has not enrolled here, so that it has no activity yet.
    let sender = network.address("bank-a/developer").to_string();
    for subject in [&sender, &transfer.token, "bank-a"] {
        let proven = audited(network, subject, &path);
        let (said, code) = verified(network, &path);
        assert_eq!((&said, code), (&proven, Some(0)));
        assert_eq!(said["covered"], json!(true));
        let transactions = said["transactions"].as_array().unwrap();
        let found = |told: &Value| told["hash"] == json!(transfer.hash) && told["outcome"] == "success";
        assert!(transactions.iter().any(found), "{subject}: {said}");
    }
    let whole: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    nobody_is_proven_not_to_be_covered(network, &path);
    let alterations: [Alteration; 6] = [
        ("a block is left out", |file| drop(file["blocks"].as_array_mut().unwrap().remove(0))),
        ("another subject", |file| file["subject"] = json!("bank-c")),
        ("another chain", |file| file["chainId"] = json!("another")),
        ("an earlier state", |file| file["anchor"] = json!(file["anchor"].as_u64().unwrap() - 1)),
        ("a row of another value", |file| file["begin"]["value"] = json!("0x0000000000000001")),
        ("no headers", |file| file["headers"] = json!([])),
    ];
    for (what, alter) in alterations {
        let mut file = whole.clone();
        alter(&mut file);
        std::fs::write(&path, file.to_string()).unwrap();
        let (said, code) = verified(network, &path);
        assert!(code != Some(0) && said["error"].is_string(), "{what}: {said}");
    }
}

/// Of whom the state knows nothing, nothing is kept: that is no proof that others did nothing with it.
fn nobody_is_proven_not_to_be_covered(network: &Network, path: &Path) {
    let receiver = network.address("bank-b/operator").to_string();
    for subject in [receiver.as_str(), "bank-x"] {
        let proven = audited(network, subject, path);
        let told = (&proven["covered"], &proven["transactions"]);
        assert_eq!(told, (&json!(false), &json!([])), "{subject}: {proven}");
        assert_eq!(verified(network, path).0, proven);
    }
    let genesis = network.info["genesis"].as_str().unwrap();
    let verify = ["audit", "verify", path.to_str().unwrap(), "--genesis", genesis];
    let output = std::process::Command::new(concordat_tests::program()).args(verify).output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(words.contains("bank-x is not covered") && !words.contains("had a part"), "{words}");
}

type Lie = Box<dyn Fn(&str, &Value, &mut Value) + Send + Sync>;

/// Changes the answers to one method about one height (any height, if the method knows none).
fn lie(method: &'static str, height: u64, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Lie {
    let height = height.to_string();
    Box::new(move |asked, params, answer| {
        let meant = params.get("height").is_none_or(|at| at.as_str() == Some(&height));
        if asked == method && meant && !answer.is_null() {
            change(answer);
        }
    })
}

/// Page after page of validators, and always more to come.
fn endless_validators() -> Lie {
    let told = Mutex::new(Value::Null);
    Box::new(move |asked, _, answer| {
        if asked == "validators" {
            let mut told = told.lock().unwrap();
            if !answer.is_null() {
                *told = answer.clone();
                told["total"] = json!("1000000000");
            }
            *answer = told.clone();
        }
    })
}

fn lies(transfer: &Transfer) -> Vec<(&'static str, Lie)> {
    let at = transfer.height;
    vec![
        (
            "a forged state root",
            lie("commit", at, |answer| {
                answer["signed_header"]["header"]["app_hash"] = json!("AB".repeat(32));
            }),
        ),
        (
            "a vote under another validator's name",
            lie("commit", at, |answer| {
                let votes = &mut answer["signed_header"]["commit"]["signatures"];
                let (from, to) = signed(votes);
                votes[to]["signature"] = votes[from]["signature"].clone();
            }),
        ),
        (
            "a commit without a quorum",
            lie("commit", at, |answer| {
                let votes = &mut answer["signed_header"]["commit"]["signatures"];
                let (one, other) = signed(votes);
                for vote in [one, other] {
                    votes[vote] = json!({
                        "block_id_flag": 1,
                        "validator_address": "",
                        "timestamp": "0001-01-01T00:00:00Z",
                        "signature": null,
                    });
                }
            }),
        ),
        (
            "a validator with more power",
            lie("validators", at, |answer| {
                answer["validators"][0]["voting_power"] = json!("1000");
            }),
        ),
        (
            "a result that says failed",
            lie("block_results", at, |answer| {
                answer["txs_results"][0]["code"] = json!(1);
            }),
        ),
        (
            "a block with a changed transaction added",
            lie("block", at, |answer| {
                let txs = answer["block"]["data"]["txs"].as_array_mut().unwrap();
                txs.push(json!(STANDARD.encode([0x02, 0xc0])));
            }),
        ),
        (
            "a richer holder",
            lie("abci_query", at, |answer| {
                answer["response"]["value"] = json!(STANDARD.encode([0x12, 0x35]));
            }),
        ),
        ("validators without an end", endless_validators()),
        ("a denied entry", lie("abci_query", at, |answer| answer["response"]["value"] = json!(""))),
    ]
}

/// The places of two votes that are for the block.
fn signed(votes: &Value) -> (usize, usize) {
    let mut places = votes.as_array().unwrap().iter().enumerate();
    let mut next = || places.find(|(_, vote)| vote["block_id_flag"] == json!(2)).unwrap().0;
    (next(), next())
}

fn a_lying_node_is_found_out(network: &Network, transfer: &Transfer) {
    let honest = network.url(1, "cometbft");
    let question =
        ["--every", "--transaction", &transfer.hash, "--mapping", &transfer.token, "0", &transfer.holder];
    let honesty = Liar::about(&honest, |_, _, _| {});
    assert_eq!(network.verify_at(&honesty.url(), &question).status.code(), Some(0), "passing on is no lie");
    for (what, lie) in lies(transfer) {
        let liar = Liar::about(&honest, lie);
        let output = network.verify_at(&liar.url(), &question);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{what}: {said}");
    }
    old_news_is_found_out(network, transfer);
}

/// A sound commit, but of another block than the one that was asked for.
fn old_news_is_found_out(network: &Network, transfer: &Transfer) {
    let before = json!({ "height": (transfer.height - 1).to_string() });
    let old = network.comet(1, "commit", before).unwrap();
    let asked = transfer.height.to_string();
    let liar = Liar::about(
        &network.url(1, "cometbft"),
        lie("commit", transfer.height, move |answer| *answer = old.clone()),
    );
    let output = network.verify_at(&liar.url(), &["--height", &asked]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said}");
}

fn another_genesis_document_is_no_root_of_trust(network: &Network) {
    let text = std::fs::read_to_string(network.info["genesis"].as_str().unwrap()).unwrap();
    let mut genesis: Value = serde_json::from_str(&text).unwrap();
    genesis["chain_id"] = json!("another-chain");
    let file = network.home().join("another-genesis.json");
    std::fs::write(&file, genesis.to_string()).unwrap();
    let url = network.url(0, "cometbft");
    let output = run(&["verify", "--genesis", file.to_str().unwrap(), "--comet", &url]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stdout));
}

/// An answer, as a client of CometBFT parses it.
fn parse<R: Response>(network: &Network, method: &str, params: Value) -> R {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let (_, text) = post(&network.url(0, "cometbft"), request.to_string().as_bytes()).unwrap();
    R::from_string(&text).unwrap_or_else(|e| panic!("{method}: {e}\n{text}"))
}

fn answers_are_what_clients_of_cometbft_parse(network: &Network, transfer: &Transfer) {
    let at = json!({ "height": transfer.height.to_string() });
    let chain_id = network.info["chain_id"].as_str().unwrap();

    let status: endpoint::status::Response = parse(network, "status", json!({}));
    assert_eq!(status.node_info.network.as_str(), chain_id);
    assert!(!status.sync_info.catching_up);
    let block: endpoint::block::Response = parse(network, "block", at.clone());
    assert_eq!(block.block.header.height.value(), transfer.height);
    assert_eq!(block.block.header.hash(), block.block_id.hash, "the header's hash is the block's");
    let commit: endpoint::commit::Response = parse(network, "commit", at.clone());
    assert_eq!(commit.signed_header.commit.block_id, block.block_id);
    let results: endpoint::block_results::Response = parse(network, "block_results", at.clone());
    assert_eq!(results.txs_results.unwrap().len(), block.block.data.len());
    let validators: endpoint::validators::Response = parse(network, "validators", at.clone());
    assert_eq!(validators.validators.len(), 4);
    let set = tendermint::validator::Set::without_proposer(validators.validators);
    assert_eq!(set.hash(), block.block.header.validators_hash);

    let hash = STANDARD.encode(hex::decode(&transfer.hash).unwrap());
    let tx: endpoint::tx::Response = parse(network, "tx", json!({ "hash": hash, "prove": true }));
    assert_eq!((tx.height.value(), tx.tx_result.code.is_ok()), (transfer.height, true));
    assert!(tx.proof.is_some());

    let info: endpoint::abci_info::Response = parse(network, "abci_info", json!({}));
    assert!(info.response.last_block_height.value() >= transfer.height);
    let genesis: endpoint::genesis::Response<Value> = parse(network, "genesis", json!({}));
    assert_eq!(genesis.genesis.chain_id.as_str(), chain_id);
    let net: endpoint::net_info::Response = parse(network, "net_info", json!({}));
    assert_eq!(net.n_peers, 3);
    let _: endpoint::consensus_params::Response = parse(network, "consensus_params", at);
    let range = json!({ "minHeight": "1", "maxHeight": "3" });
    let chain: endpoint::blockchain::Response = parse(network, "blockchain", range);
    assert_eq!(chain.block_metas.len(), 3);
}

/// The certificates of a PEM file as the registry's ABI takes them.
fn der_chain(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    let der = blocks.map(|block| {
        let base64: String = block.split("-----END").next().unwrap().split_whitespace().collect();
        hex::encode_prefixed(STANDARD.decode(base64).unwrap())
    });
    format!("[{}]", der.collect::<Vec<_>>().join(","))
}

/// A node's own consensus key, in hex.
fn consensus_key(network: &Network, node: usize) -> String {
    let status = network.comet(node, "status", json!({})).unwrap();
    let key = status["validator_info"]["pub_key"]["value"].as_str().unwrap();
    hex::encode_prefixed(STANDARD.decode(key).unwrap())
}

fn validators(network: &Network) -> usize {
    let answer = network.comet(0, "validators", json!({})).unwrap();
    answer["validators"].as_array().unwrap().len()
}

/// The registry is asked to do something in the name of bank-d.
fn registrar(network: &Network, function: &str, arguments: &[&str]) -> Value {
    let call = ["contract", "send", "--to", REGISTRY, function];
    network.with_key("bank-d/registrar", 0, &[&call[..], arguments].concat())
}

fn trust_spans_a_change_of_validators(network: &mut Network) {
    const RETIRED: usize = 3;
    network.enrol("bank-d/registrar", 0);
    registrar(network, "retireValidator(bytes32)", &[&consensus_key(network, RETIRED)]);
    network.wait("three validators", || validators(network) == 3);

    // The bank's voting key is renewed while its node follows without a vote.
    let folder = network.node_folder(RETIRED);
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let ca = network.home().join("organisations/bank-d/ca");
    let passphrase = network.info["passphrase_file"].as_str().unwrap().to_owned();
    network.with_passphrase(&[
        "pki",
        "issue",
        "--ca",
        ca.to_str().unwrap(),
        "--role",
        "consensus",
        "--name",
        "validator-4 votes again",
        "--key-out",
        &path("renewed.key"),
        "--key-passphrase-file",
        &passphrase,
        "--out",
        &path("renewed.crt"),
    ]);
    assert_eq!(network.terminate(RETIRED), Some(0));
    std::fs::rename(path("renewed.key"), path("consensus.key")).unwrap();
    network.start_node(RETIRED);
    network.wait_for_height(RETIRED, network.height(0).unwrap());

    let address = network.node(RETIRED)["p2p"].as_str().unwrap().to_owned();
    let (node, votes) = (der_chain(&folder.join("node.crt")), der_chain(&folder.join("renewed.crt")));
    let admit = "admitValidator(bytes[],bytes[],string,uint64)";
    let call = ["contract", "send", "--to", REGISTRY, admit, &node, &votes, &address, "10"];
    let alone = network.try_with_key("bank-d/registrar", 0, &call);
    assert_eq!(alone.status.code(), Some(1), "new validators are the committee's to admit");
    committee::enrol(network);
    let (node, votes) = (path("node.crt"), path("renewed.crt"));
    let certificates = ["--node-certificate", &node, "--consensus-certificate", &votes];
    let rest = ["--address", &address, "--power", "10"];
    committee::pass(network, &[&["admit-validator"], &certificates[..], &rest].concat());
    network.wait("four validators", || validators(network) == 4);

    let status = network.comet(RETIRED, "status", json!({})).unwrap();
    let voter = status["validator_info"]["address"].as_str().unwrap().to_owned();
    network.wait("the renewed key's vote", || {
        let commit = network.comet(0, "commit", json!({})).unwrap();
        let votes = commit["signed_header"]["commit"]["signatures"].as_array().unwrap().clone();
        votes
            .iter()
            .any(|vote| vote["validator_address"] == json!(voter) && vote["block_id_flag"] == json!(2))
    });
    every_block_from_genesis_on_is_verified(network, 0);
    every_block_from_genesis_on_is_verified(network, RETIRED);
    let said = network.verify(1, &[]);
    assert!(said["headers_verified"].as_u64() <= said["height"].as_u64(), "{said}");
}
