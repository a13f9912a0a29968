//! People of a real network: a lost key is replaced by two registrars and everything stays with the identity, and who is
//! barred under load is out from the next block on.

use std::path::{Path, PathBuf};

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
/// Code of the outcome of a barred identity's transaction.
const BARRED: u64 = 31;
const TRANSFER: &str = "transfer(address,uint256)";

#[test]
fn identities_outlive_lost_keys_and_bars_shut_them_out() {
    let network = Network::start_with(NODES, &["--empty-block-interval-ms", "100"]);
    committee::enrol(&network);
    let token = token::deploy(&network, "bank-a/developer", 1_000_000);
    for account in ["bank-a/operator", "bank-b/operator", "bank-a/registrar"] {
        network.enrol(account, 0);
    }
    two_registrars_replace_a_lost_key(&network, token);
    a_bar_binds_under_load(&network, token);
    concordat_tests::chain::assert_one_chain(&network);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A key and its certificate by bank-a's authority.
fn certify(network: &Network, role: &str, name: &str) -> [PathBuf; 2] {
    let folder = network.home().join("new");
    std::fs::create_dir_all(&folder).unwrap();
    let (key, certificate) = (folder.join(format!("{role}.key")), folder.join(format!("{role}.crt")));
    let ca = network.home().join("organisations/bank-a/ca");
    let passphrase = network.info["passphrase_file"].as_str().unwrap();
    network.with_passphrase(&[
        "pki",
        "issue",
        "--ca",
        text(&ca),
        "--role",
        role,
        "--name",
        name,
        "--key-out",
        text(&key),
        "--key-passphrase-file",
        passphrase,
        "--out",
        text(&certificate),
    ]);
    [key, certificate]
}

/// Runs a command with a key in a file.
fn as_key(network: &Network, key: &Path, args: &[&str]) -> Value {
    let passphrase = network.info["passphrase_file"].as_str().unwrap();
    let url = network.url(0, "ethereum");
    let output = run(&[args, &["--key", text(key), "--passphrase-file", passphrase, "--rpc", &url]].concat());
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn two_registrars_replace_a_lost_key(network: &Network, token: Address) {
    let (lost, to) = (network.address("bank-a/operator").to_string(), token.to_string());
    let pay = ["contract", "send", "--to", &to, TRANSFER, &to, "0"];
    let [registrar, certificate] = certify(network, "registrar", "Second Registrar");
    as_key(network, &registrar, &["account", "enrol", "--certificate", text(&certificate)]);
    // The same person, or two registrars could hand an account to somebody else.
    let [key, certificate] = certify(network, "operator", "operator");
    let certificate = text(&certificate);
    let ask = ["account", "recover", "request", &lost, "--certificate", certificate];
    let (passphrase, url) = (network.info["passphrase_file"].as_str().unwrap(), network.url(0, "ethereum"));
    network.with_key("bank-a/registrar", 0, &ask);
    let confirm = ["account", "recover", "confirm", &lost, "--certificate", certificate];
    let alone = refused(network, "bank-a/registrar", &confirm);
    assert!(alone.contains("revert"), "one registrar decided alone: {alone}");
    network.with_key("bank-a/operator", 0, &pay);
    let early =
        run(&[&confirm[..], &["--key", text(&registrar), "--passphrase-file", passphrase, "--rpc", &url]]
            .concat());
    assert!(!early.status.success(), "confirmed before anybody could object");
    let shown = run(&["account", "recover", "show", &lost, "--rpc", &url]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    network.wait_for_height(0, shown["pending"]["earliest"].as_u64().unwrap());
    as_key(network, &registrar, &confirm);

    let told = refused(network, "bank-a/operator", &pay);
    assert!(told.contains("revoked"), "{told}");
    as_key(network, &key, &pay);
    let shown = run(&["account", "recover", "show", &lost, "--rpc", &network.url(2, "ethereum")]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let address = as_address(&key, network);
    let same = |value: &Value, address: &str| value.as_str().unwrap().eq_ignore_ascii_case(address);
    assert!(same(&shown["identity"], &lost) && same(&shown["account"], &address), "{shown}");
    // Policies speak of identities: what is said of the first key holds for the one that acts now.
    let comet = network.url(1, "cometbft");
    let why = run(&["why", &address, &to, TRANSFER, "--comet", &comet]);
    let why: Value = serde_json::from_slice(&why.stdout).unwrap();
    assert!(same(&why["permission"]["asked"]["account"], &lost), "{why}");
    assert_eq!(why["executed"], json!(true));
}

fn as_address(key: &Path, network: &Network) -> String {
    let passphrase = network.info["passphrase_file"].as_str().unwrap();
    let output = run(&["account", "address", "--key", text(key), "--passphrase-file", passphrase]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    said["address"].as_str().unwrap().to_owned()
}

fn a_bar_binds_under_load(network: &Network, token: Address) {
    let pump = Pump::start(network, "bank-b/operator", token);
    let account = network.address("bank-b/operator");
    let started = network.height(0).unwrap();
    let file = network.home().join("order.txt");
    std::fs::write(&file, "The court orders").unwrap();
    let (file, text) = (text(&file).to_owned(), account.to_string());
    let bar = pass(network, &["bar-account", &text, "--basis-file", &file, "--reference", "Order 11"]);
    let bound_at = quantity(&bar["blockNumber"]);
    network.wait_for_height(0, bound_at + 5);
    pump.stop();
    let before = fates(network, account, started, bound_at - 1);
    assert!(before.iter().any(|fate| fate.code == 0), "it paid until then: {before:?}");
    let after = fates(network, account, bound_at + 1, network.height(0).unwrap());
    let violations: Vec<&Fate> = after.iter().filter(|fate| fate.code != BARRED).collect();
    assert!(violations.is_empty(), "executed after the bar at {bound_at}: {violations:?}");
    let to = token.to_string();
    let pay = ["contract", "send", "--to", &to, TRANSFER, &to, "0"];
    let told = refused(network, "bank-b/operator", &pay);
    assert!(told.contains("barred"), "{told}");
    let list = |command: &[&str]| {
        let output = run(&[command, &["--rpc", &network.url(0, "ethereum")]].concat());
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let bars = list(&["gov", "bars"]);
    assert_eq!((bars.as_array().unwrap().len(), &bars[0]["since"]), (1, &json!(bound_at)), "{bars}");
    assert_eq!(bars[0]["reference"], "Order 11");
    assert_eq!(list(&["gov", "bars", "--kind", "node"]), json!([]));
    let barred = list(&["account", "list", "--status", "barred"]);
    assert_eq!(barred[0]["address"].as_str().unwrap().to_lowercase(), text.to_lowercase());
    pass(network, &["lift-bar", "--account", &text, "--basis-file", &file, "--reference", "Order 12"]);
    assert_eq!(list(&["gov", "bars"]), json!([]));
    network.with_key("bank-b/operator", 0, &pay);
}
