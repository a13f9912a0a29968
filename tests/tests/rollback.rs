//! A wrong payment on a real network is rolled back by vote: planned from one node's history, checked against another's,
//! proven afterwards; and what others have built on is not rolled back.

use std::path::PathBuf;

use alloy_primitives::Address;
use concordat_tests::{
    Network, chain,
    committee::{self, gov, pass, propose},
    history::quantity,
    run, token,
};
use serde_json::{Value, json};

const NODES: usize = 4;
const TRANSFER: &str = "transfer(address,uint256)";

#[test]
fn a_wrong_payment_is_rolled_back_with_proof() {
    let network = Network::start_with(NODES, &["--empty-block-interval-ms", "200"]);
    committee::enrol(&network);
    let token = token::deploy(&network, "bank-a/developer", 1_000);
    network.enrol("bank-b/operator", 0);

    let wrong = pay(&network, "bank-a/developer", token, network.address("bank-b/operator"), 250);
    another_plan_than_the_history_is_seen(&network, &wrong);
    it_is_reversed_and_proven(&network, token, &wrong);
    what_others_built_on_is_told(&network, token);
    chain::assert_one_chain(&network);
}

/// Pays; the receipt.
fn pay(network: &Network, from: &str, token: Address, to: Address, amount: u64) -> Value {
    let (token, to, amount) = (token.to_string(), to.to_string(), amount.to_string());
    network.with_key(from, 0, &["contract", "send", "--to", &token, TRANSFER, &to, &amount])
}

fn file(network: &Network, name: &str) -> String {
    let path: PathBuf = network.home().join(name);
    path.to_str().unwrap().to_owned()
}

/// Plans by a node's history: the exit code, and what is told.
fn plan(network: &Network, node: usize, what: &[&str]) -> (Option<i32>, Value) {
    let url = network.url(node, "ethereum");
    let output = run(&[&["rollback", "plan", "--rpc", &url], what].concat());
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn order(network: &Network) -> String {
    let order = file(network, "order.txt");
    std::fs::write(&order, "The court orders").unwrap();
    order
}

/// What a node says of a proposal by its own history.
fn preview(network: &Network, node: usize, id: &str) -> Value {
    let output = run(&["gov", "preview", id, "--rpc", &network.url(node, "ethereum")]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    told["history"].clone()
}

fn another_plan_than_the_history_is_seen(network: &Network, wrong: &Value) {
    let hash = wrong["transactionHash"].as_str().unwrap();
    let (code, mut told) = plan(network, 0, &["--transaction", hash]);
    assert_eq!((code, told["slots"].as_array().unwrap().len()), (Some(0), 2), "{told}");
    let slot = told["slots"][1]["slot"].clone();
    told["slots"][1]["after"] = json!("0x7777");
    let lie = file(network, "lie.json");
    std::fs::write(&lie, told.to_string()).unwrap();
    let order = order(network);
    let id =
        propose(network, &["roll-back", "--plan", &lie, "--basis-file", &order, "--reference", "Order 7"]);
    let history = preview(network, 2, &id);
    assert_eq!(history["matches"], false, "{history}");
    let differs = history["differs"][0].as_str().unwrap();
    assert!(differs.contains(slot.as_str().unwrap()) && differs.contains("0x7777"), "{history}");
    gov(network, "bank-a", &["revoke", &id]);
}

fn it_is_reversed_and_proven(network: &Network, token: Address, wrong: &Value) {
    let (payer, payee) = (network.address("bank-a/developer"), network.address("bank-b/operator"));
    let (hash, out, order) =
        (wrong["transactionHash"].as_str().unwrap(), file(network, "plan.json"), order(network));
    let (code, told) = plan(network, 1, &["--transaction", hash, "--out", &out]);
    assert_eq!((code, &told["conflicts"]), (Some(0), &json!([])), "{told}");
    let proposal = ["roll-back", "--plan", &out, "--basis-file", &order, "--reference", "Order 7"];
    let first = propose(network, &proposal);
    let history = preview(network, 3, &first);
    assert_eq!((&history["matches"], &history["differs"]), (&json!(true), &json!([])), "{history}");
    gov(network, "bank-a", &["revoke", &first]);

    let executed = quantity(&pass(network, &proposal)["blockNumber"]);
    let id = (first.parse::<u64>().unwrap() + 1).to_string();
    for node in 0..NODES {
        network.wait_for_height(node, executed);
        let balance = |holder, at: &str| token::balance(network, node, token, holder, at).unwrap();
        assert_eq!([payer, payee].map(|holder| balance(holder, "latest")), [1_000, 0]);
        let then = wrong["blockNumber"].as_str().unwrap();
        assert_eq!([payer, payee].map(|holder| balance(holder, then)), [750, 250], "what was stays readable");
    }
    let receipt = network.wait_for_receipt(2, hash);
    assert_eq!(&receipt["logs"], &wrong["logs"], "its receipt tells what was");

    let (genesis, comet, rpc) =
        (network.info["genesis"].as_str().unwrap(), network.url(3, "cometbft"), network.url(3, "ethereum"));
    let output = run(&["rollback", "verify", &id, "--genesis", genesis, "--comet", &comet, "--rpc", &rpc]);
    let proven: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success(), "{proven}");
    assert_eq!((&proven["executed"], &proven["slots"]), (&json!(executed), &json!(2)), "{proven}");
    assert_eq!((&proven["height"], &proven["root"]), (&told["height"], &told["root"]), "{proven}");
    assert_eq!(proven["transactions"][0]["hash"], hash);
    assert_ne!(proven["rootBefore"], proven["rootAfter"]);
    let other = run(&["rollback", "verify", &first, "--genesis", genesis, "--comet", &comet, "--rpc", &rpc]);
    assert_eq!(other.status.code(), Some(1), "a proposal that was revoked rolled nothing back");
}

fn what_others_built_on_is_told(network: &Network, token: Address) {
    let (payer, payee) = (network.address("bank-a/developer"), network.address("bank-b/operator"));
    let before = network.height(0).unwrap().to_string();
    let wrong = pay(network, "bank-a/developer", token, payee, 100);
    let onward = pay(network, "bank-b/operator", token, payer, 40);
    let out = file(network, "conflict.json");
    let hash = wrong["transactionHash"].as_str().unwrap();
    let (code, told) = plan(network, 0, &["--transaction", hash, "--out", &out]);
    assert_eq!(code, Some(1), "{told}");
    let conflict = &told["conflicts"][0];
    assert_eq!(conflict["transaction"], onward["transactionHash"]);
    assert_eq!(conflict["height"], json!(quantity(&onward["blockNumber"])));
    let sender: Address = serde_json::from_value(conflict["sender"].clone()).unwrap();
    assert_eq!((sender, &conflict["access"]), (payee, &json!("write")));
    assert!(!PathBuf::from(&out).exists(), "no plan is written");

    // The contract as a whole can still go back: both payments are undone.
    let contract = token.to_string();
    let (code, told) = plan(network, 0, &["--to-height", &before, "--contract", &contract, "--out", &out]);
    assert_eq!((code, told["undone"].as_array().unwrap().len()), (Some(0), 2), "{told}");
    let order = order(network);
    pass(network, &["roll-back", "--plan", &out, "--basis-file", &order, "--reference", "Order 8"]);
    for (holder, amount) in [(payer, 1_000), (payee, 0)] {
        assert_eq!(token::balance(network, 1, token, holder, "latest").unwrap(), amount);
    }
}
