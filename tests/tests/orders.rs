//! Orders of regulators on a real network: a bank's transfer is refused with the order's number, the order lapses, is
//! confirmed, lifted, and a node that has lost its ledger makes the same of all of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use alloy_primitives::Address;
use concordat_tests::{
    Network, chain, committee,
    committee::{carry, gov, pass},
    concordat,
    history::quantity,
    refused, run, token,
};
use serde_json::{Value, json};

const NODES: usize = 4;
/// Codes of outcomes: an order refuses a transaction, or has undone it.
const ORDERED: u64 = 25;
const ORDER_UNDID: u64 = 26;
const TRANSFER: &str = "transfer(address,uint256)";
/// How many blocks an order binds here unless it is confirmed.
const LAPSE: &str = "60";

/// A regulator: its key, and its account.
struct Regulator {
    key: PathBuf,
    address: String,
}

#[test]
fn a_regulator_freezes_a_bank_which_reads_the_orders_number_until_it_lapses_or_is_lifted() {
    let mut network = Network::start_with(NODES, &["--empty-block-interval-ms", "100"]);
    committee::enrol(&network);
    let token = token::deploy(&network, "bank-a/developer", 1_000_000);
    network.enrol("bank-b/operator", 0);
    pays(&network, "bank-a/developer", token, network.address("bank-b/operator"), "1000");
    pass(&network, &["set-rule", "confirm-order", "--lapse", LAPSE]);
    let regulators = ["regulator-a", "regulator-b"].map(|id| registered(&network, id));

    let id = a_freeze_is_refused_with_its_number(&network, &regulators[0], token);
    it_lapses_by_itself(&network, &id, token);
    let id = a_token_stays_where_it_is_and_the_second_regulator_confirms(&network, &regulators, token);
    the_committee_lifts_it(&network, &id, token);
    an_order_is_signed_without_a_network(&network, &regulators[0]);
    the_head_of_a_log_is_anchored(&network, &regulators[1]);
    a_node_that_lost_its_ledger_makes_the_same_of_it(&mut network);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A regulator of an organisation of its own, with a mandate over all that it has agreed to.
fn registered(network: &Network, id: &str) -> Regulator {
    let folder = network.home().join("regulators").join(id);
    fs::create_dir_all(&folder).unwrap();
    let [ca, root, part, key, certificate] =
        ["ca", "ca/root/ca.crt", "part.json", "key", "certificate"].map(|name| folder.join(name));
    let passphrase = network.info["passphrase_file"].as_str().unwrap();
    network.with_passphrase(&["pki", "init-ca", "--org", id, "--dir", text(&ca)]);
    let named = ["--org", id, "--name", id, "--ca", text(&root), "--role", "regulator", "--out", text(&part)];
    concordat(&[&["genesis", "part"][..], &named].concat());
    pass(network, &["admit-organisation", "--part", text(&part)]);
    let issue = ["pki", "issue", "--ca", text(&ca), "--role", "regulator", "--name", "supervisor"];
    let out = ["--key-out", text(&key), "--key-passphrase-file", passphrase, "--out", text(&certificate)];
    network.with_passphrase(&[&issue[..], &out].concat());
    let enrolled = answer(&by_key(network, &key, &["account", "enrol", "--certificate", text(&certificate)]));
    let address = enrolled["address"].as_str().unwrap().to_owned();
    let powers = ["--power", "freeze-accounts", "--power", "freeze-contracts", "--jurisdiction", "DE"];
    let admit = [&["admit-regulator", &address][..], &powers].concat();
    let id = carry(network, &admit);
    answer(&by_key(network, &key, &["gov", "consent", &id]));
    gov(network, "bank-b", &["execute", &id]);
    Regulator { key, address }
}

fn by_key(network: &Network, key: &Path, args: &[&str]) -> Output {
    let passphrase = network.info["passphrase_file"].as_str().unwrap();
    let url = network.url(0, "ethereum");
    run(&[args, &["--key", text(key), "--passphrase-file", passphrase, "--rpc", &url]].concat())
}

fn answer(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn document(network: &Network) -> String {
    let file = network.home().join("order.txt");
    fs::write(&file, "The supervisor orders").unwrap();
    file.to_str().unwrap().to_owned()
}

/// An order that is imposed: its number.
fn order(network: &Network, by: &Regulator, args: &[&str]) -> String {
    let file = document(network);
    let basis = ["--basis-file", &file, "--reference", "BaFin 7/2026"];
    let imposed = answer(&by_key(network, &by.key, &[&["order"], args, &basis].concat()));
    assert_eq!(imposed["issuer"].as_str().unwrap().to_lowercase(), by.address.to_lowercase());
    imposed["id"].to_string()
}

fn told(network: &Network, id: &str) -> Value {
    answer(&run(&["order", "show", id, "--rpc", &network.url(2, "ethereum")]))
}

fn payment(token: Address, to: Address, amount: &str) -> [String; 6] {
    [
        "contract".into(),
        "send".into(),
        format!("--to={token}"),
        TRANSFER.into(),
        to.to_string(),
        amount.to_owned(),
    ]
}

fn pays(network: &Network, from: &str, token: Address, to: Address, amount: &str) {
    let call = payment(token, to, amount);
    network.with_key(from, 0, &call.each_ref().map(String::as_str));
}

fn a_freeze_is_refused_with_its_number(network: &Network, by: &Regulator, token: Address) -> String {
    let account = network.address("bank-b/operator");
    let id = order(network, by, &["freeze", &account.to_string()]);
    assert_eq!(told(network, &id)["status"], "provisional");
    let call = payment(token, token, "1");
    let said = refused(network, "bank-b/operator", &call.each_ref().map(String::as_str));
    let reason = format!("frozen by order {id} (reference ");
    assert!(said.contains(&reason) && said.contains("BaFin 7/2026"), "{said}");
    let (who, what, url) = (account.to_string(), token.to_string(), network.url(1, "cometbft"));
    let why = answer(&run(&["why", &who, &what, TRANSFER, "--comet", &url]));
    assert_eq!((&why["refused"]["code"], why["order"]["id"].to_string()), (&json!(ORDERED), id.clone()));
    let file = document(network);
    let release = ["order", "release", &id, "--basis-file", &file, "--reference", "Minutes 9"];
    let member = refused(network, "bank-a/member", &release);
    assert!(member.contains("code 17:"), "{member}");
    id
}

fn it_lapses_by_itself(network: &Network, id: &str, token: Address) {
    let lapses = told(network, id)["lapses"].as_u64().unwrap();
    network.wait_for_height(0, lapses);
    pays(network, "bank-b/operator", token, token, "1");
    assert_eq!(told(network, id)["status"], "lapsed");
}

fn a_token_stays_where_it_is_and_the_second_regulator_confirms(
    network: &Network,
    regulators: &[Regulator; 2],
    token: Address,
) -> String {
    let holder = network.address("bank-a/developer").to_string();
    let at = token.to_string();
    let id = order(network, &regulators[0], &["freeze", &holder, "--scope", "token", "--contract", &at]);
    let wallet = concordat_tests::Wallet::of(network, "bank-a/developer");
    let nonce = quantity(&network.eth(0, "eth_getTransactionCount", json!([holder, "latest"])).unwrap());
    let raw = wallet.transfer(nonce, token, token, 5);
    let hash = network.submit(0, &raw).unwrap();
    let receipt = network.wait_for_receipt(0, &hash);
    assert_eq!(receipt["concordatOutcome"]["code"], json!(ORDER_UNDID));
    let own = by_key(network, &regulators[0].key, &["order", "confirm", &id]);
    assert!(String::from_utf8_lossy(&own.stdout).contains("code 138:"));
    answer(&by_key(network, &regulators[1].key, &["order", "confirm", &id]));
    network.wait_for_height(0, told(network, &id)["lapses"].as_u64().unwrap() + 1);
    assert_eq!(told(network, &id)["status"], "confirmed");
    let call = payment(token, token, "1");
    let said = refused(network, "bank-a/developer", &call.each_ref().map(String::as_str));
    assert!(said.contains(&format!("order {id} binds")), "{said}");
    id
}

fn the_committee_lifts_it(network: &Network, id: &str, token: Address) {
    let file = document(network);
    pass(network, &["lift-order", id, "--basis-file", &file, "--reference", "Minutes 9"]);
    assert_eq!(told(network, id)["status"], "released");
    pays(network, "bank-a/developer", token, token, "1");
    let listed = run(&["order", "list", "--status", "released", "--rpc", &network.url(0, "ethereum")]);
    assert_eq!(answer(&listed)[0]["id"].to_string(), id);
}

fn an_order_is_signed_without_a_network(network: &Network, by: &Regulator) {
    let account = network.address("bank-d/operator").to_string();
    network.enrol("bank-d/operator", 0);
    let (file, passphrase) = (document(network), network.info["passphrase_file"].as_str().unwrap());
    let nonce = network.eth(0, "eth_getTransactionCount", json!([by.address, "latest"])).unwrap();
    let chain_id = quantity(&network.eth(0, "eth_chainId", json!([])).unwrap()).to_string();
    let (nonce, height) = (quantity(&nonce).to_string(), network.height(0).unwrap().to_string());
    let order =
        ["order", "freeze", &account, "--scope", "outgoing", "--basis-file", &file, "--reference", "R"];
    let place = ["--offline", "--chain-id", &chain_id, "--nonce", &nonce, "--gas", "2000000"];
    let sign = ["--valid-from", &height, "--key", text(&by.key), "--passphrase-file", passphrase];
    // Nobody answers there.
    let nowhere = ["--rpc", "http://127.0.0.1:1"];
    let signed = answer(&run(&[&order[..], &place, &sign, &nowhere].concat()));
    let raw = signed["raw"].as_str().unwrap();
    answer(&run(&["submit", raw, "--rpc", &network.url(1, "ethereum")]));
    let listed = run(&["order", "list", "--target", &account, "--rpc", &network.url(0, "ethereum")]);
    assert_eq!(answer(&listed)[0]["measure"], "freeze-outgoing");
}

fn the_head_of_a_log_is_anchored(network: &Network, by: &Regulator) {
    let head = format!("0x{}", "ab".repeat(32));
    answer(&by_key(network, &by.key, &["order", "anchor-reads", &head, "12"]));
    let again = by_key(network, &by.key, &["order", "anchor-reads", &head, "12"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("code 147:"));
}

/// A node executes everything anew, and has the same root after each block.
fn a_node_that_lost_its_ledger_makes_the_same_of_it(network: &mut Network) {
    let node = NODES - 1;
    network.kill(node);
    let data = network.node_folder(node).join("data");
    for part in ["ledger", "wal"] {
        fs::remove_dir_all(data.join(part)).unwrap();
    }
    network.start_node(node);
    network.wait_for_height(node, network.height(0).unwrap());
    chain::assert_one_chain(network);
}
