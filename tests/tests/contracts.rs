//! Contracts of a real network: one is frozen under load and answers nobody from the next block on, its administrator
//! keeps its lists, and retirement is for good. A proxy is upgraded and rolled back, and tokens are seized, by vote.

use alloy_primitives::Address;
use concordat_tests::{
    Network, committee,
    committee::pass,
    history::quantity,
    package,
    pump::{Fate, Pump, fates},
    refused, run, token,
};
use serde_json::{Value, json};

const NODES: usize = 4;
/// Code of the outcome of a transaction to a contract that is frozen or retired.
const CONTRACT_FROZEN: u64 = 22;
const GOVERNANCE: &str = "0x000000000000000000000000000000000000C002";
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
    accounts_and_contracts_are_listed(&network, token);
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
    what_is_frozen_is_listed(network, token, bound_at);
    // Reading goes on: an order to stop business is none to hide it.
    assert_eq!(token::balance(network, 1, token, token, "latest").unwrap(), 0);
    order(network, "unfreeze-contract", token);
    pays(network, "bank-b/operator", token);
}

/// What a command that lists tells.
fn listed(network: &Network, command: &[&str]) -> Vec<Value> {
    let output = run(&[command, &["--rpc", &network.url(2, "ethereum")]].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    serde_json::from_str(&said).unwrap()
}

/// One field of each entry.
fn field(entries: &[Value], name: &str) -> Vec<String> {
    entries
        .iter()
        .map(|entry| entry[name].as_str().unwrap_or_else(|| panic!("{entry}")).to_lowercase())
        .collect()
}

fn what_is_frozen_is_listed(network: &Network, token: Address, bound_at: u64) {
    network.wait_for_height(2, bound_at);
    let address = token.to_string().to_lowercase();
    let freezes = listed(network, &["gov", "freezes", "--status", "in-force"]);
    assert_eq!(field(&freezes, "address"), std::slice::from_ref(&address));
    assert_eq!((&freezes[0]["since"], &freezes[0]["reference"]), (&json!(bound_at), &json!("Order 9")));
    assert_eq!(listed(network, &["gov", "freezes", "--kind", "account"]), [] as [Value; 0]);
    let frozen = listed(network, &["contract", "list", "--status", "frozen"]);
    assert_eq!(field(&frozen, "contract"), [address]);
    let before = (bound_at - 1).to_string();
    assert_eq!(
        listed(network, &["contract", "list", "--status", "frozen", "--height", &before]),
        [] as [Value; 0]
    );
}

fn accounts_and_contracts_are_listed(network: &Network, token: Address) {
    let all = listed(network, &["account", "list"]);
    let addresses = field(&all, "address");
    assert!(addresses.is_sorted() && addresses.len() >= 7, "four members, three others: {addresses:?}");
    let mut paged = listed(network, &["account", "list", "--limit", "2"]);
    while paged.len() < all.len() {
        let last = paged.last().unwrap()["address"].as_str().unwrap().to_owned();
        let page = listed(network, &["account", "list", "--limit", "2", "--after", &last]);
        assert!((1..=2).contains(&page.len()), "{page:?}");
        paged.extend(page);
    }
    assert_eq!(paged, all, "pages make the list");
    let operators = listed(network, &["account", "list", "--organisation", "bank-b", "--role", "operator"]);
    let operator = network.address("bank-b/operator").to_string().to_lowercase();
    assert_eq!(
        (field(&operators, "address"), field(&operators, "status")),
        (vec![operator.clone()], vec!["active".into()])
    );
    assert_eq!(listed(network, &["account", "list", "--status", "expired"]), [] as [Value; 0]);
    let ending = listed(network, &["account", "list", "--expiring-before", "99999999999"]);
    assert_eq!(ending.len(), all.len());

    let contracts = listed(network, &["contract", "list", "--organisation", "bank-a", "--status", "active"]);
    assert_eq!(field(&contracts, "contract"), [token.to_string().to_lowercase()]);
    let kept = listed(network, &["contract", "list", "--administrator", &operator]);
    assert_eq!(kept.len(), 1, "it was handed over: {kept:?}");
    assert_eq!(listed(network, &["org", "validators", "--organisation", "bank-a"]).len(), 1);
    assert_eq!(listed(network, &["org", "list", "--status", "active", "--limit", "3"]).len(), 3);
    assert_eq!(listed(network, &["gov", "committee", "--organisation", "bank-c"]).len(), 1);
    let executed = listed(network, &["gov", "list", "--status", "executed", "--kind", "freeze-contract"]);
    assert_eq!(executed.len(), 1);
    let number = executed[0]["id"].to_string();
    assert!(
        !listed(network, &["gov", "list", "--after", &number])
            .iter()
            .any(|later| later["id"] == executed[0]["id"])
    );
    assert_eq!(
        listed(network, &["gov", "list", "--status", "open", "--expiring-before", "1"]),
        [] as [Value; 0]
    );
}

fn its_administrator_keeps_its_lists(network: &Network, token: Address) {
    let contract = token.to_string();
    let (bank_a, bank_b) = (network.address("bank-a/operator"), network.address("bank-b/operator"));
    let administer = |who: &str, args: &[&str]| network.with_key(who, 0, &[&["contract"], args].concat());
    let told = refused(network, "bank-b/operator", &["contract", "set-list", &contract, "allow"]);
    assert!(told.contains("no policy permits administer"), "{told}");
    administer("bank-a/developer", &["set-list", &contract, "allow"]);
    administer("bank-a/developer", &["list-add", &contract, &bank_a.to_string()]);
    pays(network, "bank-a/operator", token);
    let told = cannot_pay(network, "bank-b/operator", token);
    assert!(told.contains("contract-list"), "{told}");
    let comet = network.url(1, "cometbft");
    let why = run(&["why", &bank_b.to_string(), &contract, TRANSFER, "--comet", &comet]);
    let why: Value = serde_json::from_slice(&why.stdout).unwrap();
    assert_eq!(why["permission"]["decision"]["policies"][0]["id"], "contract-list", "{why}");

    administer("bank-a/developer", &["admin", &contract, &bank_b.to_string()]);
    let told = refused(network, "bank-a/developer", &["contract", "set-list", &contract, "none"]);
    assert!(told.contains("no policy permits administer"), "{told}");
    administer("bank-b/operator", &["set-list", &contract, "none"]);
    administer("bank-b/operator", &["set-list", &contract, "deny", "--method", TRANSFER]);
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

#[test]
fn what_proxies_run_and_who_has_tokens_is_decided_by_vote() {
    let network = Network::start_with(NODES, &["--empty-block-interval-ms", "200"]);
    committee::enrol(&network);
    network.enrol("bank-a/developer", 0);
    network.enrol("bank-b/operator", 0);
    a_proxy_is_upgraded_and_rolled_back(&network);
    a_token_is_corrected_once_it_has_opted_in(&network);
    concordat_tests::chain::assert_one_chain(&network);
}

/// Deploys a contract of chain/core's tests as bank-a's developer.
fn deploys(network: &Network, name: &str, arguments: &[(&str, &str)]) -> String {
    let all = package().join("../chain/core/tests/data/contracts/artefacts.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(all).unwrap()).unwrap();
    let inputs: Vec<Value> = arguments.iter().map(|(kind, _)| json!({ "name": "", "type": kind })).collect();
    let constructor = json!([{ "type": "constructor", "inputs": inputs, "stateMutability": "nonpayable" }]);
    let file = network.home().join(format!("{name}.json"));
    let artefact = json!({ "abi": constructor, "bytecode": all["bytecode"][name] });
    std::fs::write(&file, artefact.to_string()).unwrap();
    deploys_file(
        network,
        file.to_str().unwrap(),
        &arguments.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
    )
}

fn deploys_file(network: &Network, artefact: &str, arguments: &[&str]) -> String {
    let command = [&["contract", "deploy", "--artefact", artefact], arguments].concat();
    let said = network.with_key("bank-a/developer", 0, &command);
    said["contract"].as_str().unwrap().to_owned()
}

/// What a view of a contract answers on the last node.
fn asks(network: &Network, contract: &str, call: &[&str]) -> String {
    let url = network.url(3, "ethereum");
    let output = run(&[&["contract", "call", "--to", contract], call, &["--rpc", &url]].concat());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    said["values"][0].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
}

fn a_proxy_is_upgraded_and_rolled_back(network: &Network) {
    let [first, second, third] =
        ["CounterV1", "CounterV2", "CounterV3"].map(|name| deploys(network, name, &[]));
    let artefact = package().join("../chain/core/contracts/GovernedProxy.json");
    let proxy = deploys_file(network, artefact.to_str().unwrap(), &[&first, "0x"]);
    let steps_to = |count: &str, version: &str| {
        network.with_key("bank-b/operator", 0, &["contract", "send", "--to", &proxy, "step()"]);
        assert_eq!(asks(network, &proxy, &["count()(uint256)"]), count);
        assert_eq!(asks(network, &proxy, &["version()(uint256)"]), version);
    };
    steps_to("1", "1");
    pass(network, &["upgrade-contract", &proxy, &second]);
    steps_to("11", "2");
    let told = refused(network, "bank-a/member", &["gov", "propose", "upgrade-contract", &proxy, &proxy]);
    assert!(told.contains("code 121:"), "{told}");
    pass(network, &["upgrade-contract", &proxy, &first]);
    steps_to("12", "1");
    pass(network, &["upgrade-contract", &proxy, &third, "--migrate", "migrate(uint256)", "1000"]);
    steps_to("2200", "3");
    let output = run(&["contract", "versions", &proxy, "--rpc", &network.url(3, "ethereum")]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let versions: Vec<_> = said["versions"].as_array().unwrap().iter().collect();
    let implementations =
        versions.iter().map(|version| version["implementation"].as_str().unwrap().to_lowercase());
    let expected = [&first, &second, &first, &third].map(|address| address.to_lowercase());
    assert_eq!(implementations.collect::<Vec<_>>(), expected, "{said}");
    assert_eq!((&versions[2]["inForce"], &versions[3]["inForce"]), (&json!(false), &json!(true)));
    assert!(versions[2]["migration"].is_null() && versions[3]["migration"].is_string(), "{said}");
}

fn a_token_is_corrected_once_it_has_opted_in(network: &Network) {
    let token = deploys(network, "CorrectableToken", &[("string", "Test Euro"), ("uint256", "1000")]);
    let (owner, customer) = (network.address("bank-a/developer"), network.address("bank-b/operator"));
    let (owner, customer) = (owner.to_string(), customer.to_string());
    let file = network.home().join("judgment.txt");
    std::fs::write(&file, "The court orders").unwrap();
    let basis = ["--basis-file", file.to_str().unwrap(), "--reference", "Judgment 3"];
    let seize = ["forcedTransfer(address,address,uint256)", &owner, &customer, "400"];
    let seizure = [&["correct", &token], &seize[..], &basis].concat();
    let balances = || {
        [&owner, &customer].map(|account| asks(network, &token, &["balanceOf(address)(uint256)", account]))
    };
    let id = committee::carry(network, &seizure);
    let output = run(&["gov", "preview", &id, "--rpc", &network.url(0, "ethereum")]);
    let preview: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&preview["changed"], &preview["balances"][0]["balance"]), (&json!(false), &json!("1000")));
    // NotAgent(0x…C002): the token's own words.
    let told = refused(network, "bank-b/member", &["gov", "execute", &id]);
    assert!(told.to_lowercase().contains("000000c002"), "{told}");
    assert_eq!(committee::proposal(network, &id)["status"], "open");
    assert_eq!(balances(), ["1000", "0"]);

    let agent = ["contract", "send", "--to", &token, "addAgent(address)", GOVERNANCE];
    network.with_key("bank-a/developer", 0, &agent);
    committee::gov(network, "bank-b", &["execute", &id]);
    assert_eq!(committee::proposal(network, &id)["status"], "executed");
    assert_eq!(balances(), ["600", "400"]);
    pass(network, &[&["correct", &token, "mint(address,uint256)", &owner, "400"], &basis[..]].concat());
    assert_eq!(balances(), ["1000", "400"]);
    let pays = ["gov", "propose", "correct", &token, "transfer(address,uint256)", &owner, "1"];
    let told = refused(network, "bank-a/member", &[&pays[..], &basis].concat());
    assert!(told.contains("none that a correction may make"), "{told}");
}
