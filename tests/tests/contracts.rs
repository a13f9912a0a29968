//! Contracts of a real network: one is frozen under load and answers nobody from the next block on, its administrator
//! keeps its lists, and retirement is for good.

use alloy_primitives::Address;
use concordat_tests::{
    Network, committee,
    committee::pass,
    history::quantity,
    pump::{Fate, Pump, fates},
    refused, run, token,
};
use serde_json::{Value, json};

const NODES: usize = 4;
/// Code of the outcome of a transaction to a contract that is frozen or retired.
const CONTRACT_FROZEN: u64 = 22;
const TRANSFER: &str = "transfer(address,uint256)";

#[test]
fn a_contract_answers_whom_the_committee_and_its_administrator_let_call_it() {
    let network = Network::start_with(NODES, &["--empty-block-interval-ms", "200"]);
    committee::enrol(&network);
    let token = token::deploy(&network, "bank-a/developer", 1_000_000);
    network.enrol("bank-a/operator", 0);
    network.enrol("bank-b/operator", 0);

    it_is_frozen_under_load(&network, token);
    its_administrator_keeps_its_lists(&network, token);
    deployments_follow_the_ledgers_list(&network);
    retirement_is_for_good(&network, token);
    concordat_tests::chain::assert_one_chain(&network);
}

fn pays(network: &Network, account: &str, token: Address) {
    let to = token.to_string();
    network.with_key(account, 0, &["contract", "send", "--to", &to, TRANSFER, &to, "0"]);
}

fn cannot_pay(network: &Network, account: &str, token: Address) -> String {
    let to = token.to_string();
    refused(network, account, &["contract", "send", "--to", &to, TRANSFER, &to, "0"])
}

fn info(network: &Network, token: Address) -> Value {
    let output = run(&["contract", "info", &token.to_string(), "--rpc", &network.url(3, "ethereum")]);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Proposes what an order says about the token, and all vote for it.
fn order(network: &Network, kind: &str, token: Address) -> Value {
    let file = network.home().join("order.txt");
    std::fs::write(&file, "The court orders").unwrap();
    let (file, token) = (file.to_str().unwrap().to_owned(), token.to_string());
    pass(network, &[kind, &token, "--basis-file", &file, "--reference", "Order 9"])
}

fn it_is_frozen_under_load(network: &Network, token: Address) {
    let pump = Pump::start(network, "bank-b/operator", token);
    let account = network.address("bank-b/operator");
    let started = network.height(0).unwrap();
    let bound_at = quantity(&order(network, "freeze-contract", token)["blockNumber"]);
    network.wait_for_height(0, bound_at + 5);
    pump.stop();
    let before = fates(network, account, started, bound_at - 1);
    assert!(before.iter().any(|fate| fate.code == 0), "it paid until then: {before:?}");
    let after = fates(network, account, bound_at + 1, network.height(0).unwrap());
    let violations: Vec<&Fate> = after.iter().filter(|fate| fate.code != CONTRACT_FROZEN).collect();
    assert!(violations.is_empty(), "executed after the freeze at {bound_at}: {violations:?}");
    let told = cannot_pay(network, "bank-a/operator", token);
    assert!(told.contains("frozen"), "{told}");
    assert!(info(network, token).to_string().contains("Order 9"), "{}", info(network, token));
    // Reading goes on: an order to stop business is none to hide it.
    assert_eq!(token::balance(network, 1, token, token, "latest").unwrap(), 0);
    order(network, "unfreeze-contract", token);
    pays(network, "bank-b/operator", token);
}

fn its_administrator_keeps_its_lists(network: &Network, token: Address) {
    let contract = token.to_string();
    let (bank_a, bank_b) = (network.address("bank-a/operator"), network.address("bank-b/operator"));
    let administer = |who: &str, args: &[&str]| network.with_key(who, 0, &[&["contract"], args].concat());
    let told = refused(network, "bank-b/operator", &["contract", "list", &contract, "allow"]);
    assert!(told.contains("no policy permits administer"), "{told}");
    administer("bank-a/developer", &["list", &contract, "allow"]);
    administer("bank-a/developer", &["list-add", &contract, &bank_a.to_string()]);
    pays(network, "bank-a/operator", token);
    let told = cannot_pay(network, "bank-b/operator", token);
    assert!(told.contains("contract-list"), "{told}");
    let comet = network.url(1, "cometbft");
    let why = run(&["why", &bank_b.to_string(), &contract, TRANSFER, "--comet", &comet]);
    let why: Value = serde_json::from_slice(&why.stdout).unwrap();
    assert_eq!(why["permission"]["decision"]["policies"][0]["id"], "contract-list", "{why}");

    administer("bank-a/developer", &["admin", &contract, &bank_b.to_string()]);
    let told = refused(network, "bank-a/developer", &["contract", "list", &contract, "none"]);
    assert!(told.contains("no policy permits administer"), "{told}");
    administer("bank-b/operator", &["list", &contract, "none"]);
    administer("bank-b/operator", &["list", &contract, "deny", "--method", TRANSFER]);
    administer("bank-b/operator", &["list-add", &contract, &bank_a.to_string(), "--method", TRANSFER]);
    let told = cannot_pay(network, "bank-a/operator", token);
    assert!(told.contains("method-list"), "{told}");
    pays(network, "bank-b/operator", token);
    administer("bank-b/operator", &["list-remove", &contract, &bank_a.to_string(), "--method", TRANSFER]);
    pays(network, "bank-a/operator", token);
}

fn deployments_follow_the_ledgers_list(network: &Network) {
    let artefact = token::artefact();
    let deploy = ["contract", "deploy", "--artefact", artefact.to_str().unwrap(), "1"];
    let developer = network.address("bank-a/developer").to_string();
    pass(network, &["set-deploy-list", "deny", "--add", &developer]);
    let told = refused(network, "bank-a/developer", &deploy);
    assert!(told.contains("deploy-list"), "{told}");
    pass(network, &["set-deploy-list", "none", "--remove", &developer]);
    network.with_key("bank-a/developer", 0, &deploy);
}

fn retirement_is_for_good(network: &Network, token: Address) {
    order(network, "retire-contract", token);
    let told = cannot_pay(network, "bank-a/operator", token);
    assert!(told.contains("retired"), "{told}");
    let file = network.home().join("order.txt");
    let (file, contract) = (file.to_str().unwrap().to_owned(), token.to_string());
    let lift =
        ["gov", "propose", "unfreeze-contract", &contract, "--basis-file", &file, "--reference", "Order 10"];
    let told = refused(network, "bank-a/member", &lift);
    assert!(told.contains("code 82:"), "{told}");
    let state = info(network, token);
    assert!(state.to_string().contains("retired"), "{state}");
    assert_ne!(state, json!(null));
}
