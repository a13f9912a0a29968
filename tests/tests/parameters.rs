//! Parameters and protocol version of a real network change by vote, while nodes are killed, catch up and join.

use std::path::PathBuf;

use alloy_primitives::{Bytes, TxKind};
use concordat_tests::{
    Network, chain, committee,
    committee::{gov, pass, proposal, propose},
    history::quantity,
    refused,
    wallet::Wallet,
};
use serde_json::{Value, json};

const GOVERNANCE: &str = "0x000000000000000000000000000000000000C002";
const NODES: usize = 4;
/// The node that joins at the end and syncs all blocks.
const OBSERVER: usize = 4;
/// Init code that makes a contract of 30,000 bytes, more than version 1 allows.
const LARGE: &str = "0x6175305ff3";

#[test]
fn parameters_and_the_protocol_version_change_by_vote_on_a_running_network() {
    let mut network = Network::init(NODES, &["--empty-block-interval-ms", "200", "--observers", "1"]);
    (0..NODES).for_each(|node| network.start_node(node));
    (0..NODES).for_each(|node| network.wait_for_height(node, 1));
    committee::enrol(&network);
    network.enrol("bank-a/developer", 0);
    for bank in ["bank-a", "bank-b", "bank-c"] {
        network.enrol(&format!("{bank}/registrar"), 0);
    }
    another_gas_limit_holds_from_the_next_block_on(&mut network);
    let failed = a_contract_is_too_large(&network);
    let height = an_upgrade_waits_for_those_who_validate(&network);
    an_upgrade_begins(&mut network, height);
    past_heights_answer_by_their_own_rules(&network, height, &failed);
    whoever_joins_later_and_whoever_trusts_nobody_follow(&mut network);
    chain::assert_one_chain(&network);
    chain::assert_no_double_signing(&network);
    a_program_ends_before_the_first_block_of_a_version_that_it_does_not_know(&mut network);
}

fn header(network: &Network, node: usize, height: u64) -> Value {
    let answer = network.comet(node, "header", json!({ "height": height.to_string() })).unwrap();
    answer["header"].clone()
}

fn gas_limit(network: &Network, height: u64) -> u64 {
    let block = network.eth(1, "eth_getBlockByNumber", json!([format!("{height:#x}"), false])).unwrap();
    quantity(&block["gasLimit"])
}

fn another_gas_limit_holds_from_the_next_block_on(network: &mut Network) {
    network.kill(3);
    let lower = ["set-parameters", "--block-gas-limit", "20000000", "--empty-block-interval-ms", "100"];
    let at = quantity(&pass(network, &lower)["blockNumber"]);
    network.wait_for_height(1, at + 2);
    assert_eq!([at, at + 1].map(|height| gas_limit(network, height)), [300_000_000, 20_000_000]);
    let hash = |height| header(network, 1, height)["consensus_hash"].clone();
    assert!(hash(at) == hash(at - 1) && hash(at) != hash(at + 1) && hash(at + 1) == hash(at + 2));
    let max_gas = |height: u64| {
        let answer = network.comet(1, "consensus_params", json!({ "height": height.to_string() })).unwrap();
        answer["consensus_params"]["block"]["max_gas"].clone()
    };
    assert_eq!([at, at + 1].map(max_gas), ["300000000", "20000000"]);
    let updates = |height: u64| {
        let answer = network.comet(1, "block_results", json!({ "height": height.to_string() })).unwrap();
        answer["consensus_param_updates"]["block"]["max_gas"].clone()
    };
    assert_eq!([at - 1, at, at + 1].map(updates), [Value::Null, json!("20000000"), Value::Null]);
    network.start_node(3);
    network.wait_for_height(3, at + 2);
    assert_eq!(header(network, 3, at + 1)["consensus_hash"], header(network, 0, at + 1)["consensus_hash"]);
    let at = quantity(&pass(network, &["set-parameters", "--block-gas-limit", "60000000"])["blockNumber"]);
    network.wait_for_height(1, at + 1);
    assert_eq!([at, at + 1].map(|height| gas_limit(network, height)), [20_000_000, 60_000_000]);
    let said = concordat_tests::concordat(&["chain", "params", "--rpc", &network.url(0, "ethereum")]);
    assert_eq!((&said["block_gas_limit"], &said["protocol_version"]), (&json!(60_000_000), &json!(1)));
}

fn artefact(network: &Network) -> PathBuf {
    let file = network.home().join("Large.json");
    std::fs::write(&file, json!({ "abi": [], "bytecode": LARGE }).to_string()).unwrap();
    file
}

fn creation(network: &Network, at: &str) -> Result<Value, Value> {
    let developer = network.address("bank-a/developer");
    network.eth(2, "eth_call", json!([{ "from": developer, "input": LARGE }, at]))
}

/// The transaction that made it fail.
fn a_contract_is_too_large(network: &Network) -> String {
    let file = artefact(network);
    let deploy = ["contract", "deploy", "--artefact", file.to_str().unwrap()];
    let told = refused(network, "bank-a/developer", &deploy);
    assert!(told.contains("max code size exceeded"), "{told}");
    let wallet = Wallet::of(network, "bank-a/developer");
    let init_code: Bytes = LARGE.parse().unwrap();
    // The first was its enrolment.
    let mut forced = wallet.draft(1, TxKind::Create, init_code);
    forced.gas_limit = 8_000_000;
    let receipt = network.execute(0, &wallet.sign(forced));
    assert_eq!(receipt["status"], "0x0", "{receipt}");
    receipt["transactionHash"].as_str().unwrap().to_owned()
}

fn announce(network: &Network, bank: &str) {
    network.with_key(&format!("{bank}/registrar"), 0, &["gov", "announce-version"]);
}

/// The height from which version 2 holds.
fn an_upgrade_waits_for_those_who_validate(network: &Network) -> u64 {
    ["bank-a", "bank-b"].iter().for_each(|bank| announce(network, bank));
    let height = network.height(0).unwrap() + 200;
    let id = propose(network, &["set-protocol-version", "2", "--height", &height.to_string()]);
    for bank in ["bank-b", "bank-c", "bank-d", "bank-a"] {
        if proposal(network, &id)["closes"].as_u64() > network.height(0) {
            gov(network, bank, &["vote", &id, "yes"]);
        }
    }
    network.wait_for_height(0, proposal(network, &id)["earliest"].as_u64().unwrap());
    let early = refused(network, "bank-b/member", &["gov", "execute", &id]);
    assert!(early.contains("code 113") && early.contains("bank-c, bank-d"), "{early}");
    announce(network, "bank-c");
    gov(network, "bank-b", &["execute", &id]);
    let told = proposal(network, &id);
    assert_eq!(told["status"], "executed", "{told}");
    assert_eq!(network.counted(1, r#"concordat_protocol_version{kind="scheduled"}"#), 2);
    assert!(network.log(1).contains("a protocol version is to come"), "the log tells of it");
    height
}

fn an_upgrade_begins(network: &mut Network, height: u64) {
    network.wait_for_height(2, height - 10);
    network.kill(2);
    network.wait_for_height(0, height + 1);
    network.start_node(2);
    network.wait_for_height(2, height + 1);
    for node in [0, 2] {
        let version = |height| header(network, node, height)["version"]["app"].clone();
        assert_eq!([height - 1, height].map(version), ["1", "2"], "on node {node}");
        assert_eq!(network.counted(node, r#"concordat_protocol_version{kind="running"}"#), 2);
        assert_eq!(network.counted(node, r#"concordat_protocol_version{kind="scheduled"}"#), 0);
    }
    let updates = network.comet(0, "block_results", json!({ "height": (height - 1).to_string() })).unwrap();
    assert_eq!(updates["consensus_param_updates"]["version"]["app"], "2");
    let file = artefact(network);
    let deploy = ["contract", "deploy", "--artefact", file.to_str().unwrap()];
    let made = network.with_key("bank-a/developer", 0, &deploy);
    assert!(made["contract"].is_string(), "{made}");
}

fn past_heights_answer_by_their_own_rules(network: &Network, height: u64, failed: &str) {
    let then = creation(network, &format!("{:#x}", height - 1)).unwrap_err();
    assert!(then.to_string().contains("max code size exceeded"), "{then}");
    assert!(creation(network, &format!("{height:#x}")).is_ok());
    assert!(creation(network, "latest").is_ok());
    let trace =
        network.eth(2, "debug_traceTransaction", json!([failed, { "tracer": "callTracer" }])).unwrap();
    assert_eq!(trace["error"], "max code size exceeded", "{trace}");
}

fn whoever_joins_later_and_whoever_trusts_nobody_follow(network: &mut Network) {
    network.start_node(OBSERVER);
    let tip = network.height(0).unwrap();
    network.wait_for_height(OBSERVER, tip);
    let said = network.verify(OBSERVER, &["--every"]);
    assert_eq!(said["headers_verified"], said["height"]);
    assert!(said["height"].as_u64().unwrap() >= tip, "{said}");
    assert_eq!(network.counted(OBSERVER, r#"concordat_protocol_version{kind="running"}"#), 2);
}

/// The chain schedules what this program does not know, as for a newer one. That takes no hook: registrars give their word.
fn a_program_ends_before_the_first_block_of_a_version_that_it_does_not_know(network: &mut Network) {
    for bank in ["bank-a", "bank-b", "bank-c"] {
        let word = ["contract", "send", "--to", GOVERNANCE, "announceVersion(uint64)", "3"];
        network.with_key(&format!("{bank}/registrar"), 0, &word);
    }
    let begins = network.height(0).unwrap() + 200;
    pass(network, &["set-protocol-version", "3", "--height", &begins.to_string()]);
    let clear =
        format!("from height {begins} on this chain runs protocol version 3, and this program knows 1 to 2");
    for node in 0..=OBSERVER {
        assert_ne!(network.wait_for_end(node), Some(0), "node {node}");
        assert!(network.log(node).contains(&clear), "node {node}:\n{}", network.log_tail(node, 10));
    }
    for node in 0..NODES {
        assert_eq!(last_signed(network, node), begins - 1, "node {node} has signed nothing of that height");
        network.start_node(node);
        assert_ne!(network.wait_for_end(node), Some(0), "node {node} ends whenever it is started");
        assert_eq!(last_signed(network, node), begins - 1, "node {node}");
    }
}

/// The height of what a validator's key has signed last, of which its vote guard keeps the record.
fn last_signed(network: &Network, node: usize) -> u64 {
    let record = std::fs::read(network.node_folder(node).join("data/last-signed")).unwrap();
    u64::from_be_bytes(record[8..16].try_into().unwrap())
}
