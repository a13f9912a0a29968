//! The committee of a real network: a fifth bank joins by vote and its validator signs, an account is frozen under load,
//! an emergency freeze lapses, ballots that must not count are refused.

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use alloy_primitives::Address;
use concordat_tests::{
    Network, call, chain,
    committee::{self, gov, pass, proposal, propose},
    history::quantity,
    program,
    pump::{Pump, fates},
    refused, run, token,
};
use serde_json::{Value, json};

const NODES: usize = 4;
/// Code of the outcome of a frozen account's transaction.
const FROZEN: u64 = 20;

#[test]
fn four_banks_admit_a_fifth_and_freeze_an_account_under_load() {
    let network = Network::start_with(NODES, &["--empty-block-interval-ms", "200"]);
    committee::enrol(&network);
    let token = token::deploy(&network, "bank-a/developer", 1_000_000);
    network.enrol("bank-a/operator", 0);
    network.enrol("bank-b/operator", 0);

    ballots_that_must_not_count_are_refused(&network);
    an_account_is_frozen_under_load(&network, token);
    an_emergency_freeze_lapses(&network);
    a_fifth_bank_joins_and_its_validator_signs(&network);
    chain::assert_one_chain(&network);
    chain::assert_no_double_signing(&network);
}

fn order(network: &Network) -> String {
    let file = network.home().join("order.txt");
    std::fs::write(&file, "The court orders").unwrap();
    file.to_str().unwrap().to_owned()
}

fn ballots_that_must_not_count_are_refused(network: &Network) {
    let (order, account) = (order(network), network.address("bank-b/operator").to_string());
    let freeze = ["freeze-account", &account, "--basis-file", &order, "--reference", "Order 7"];
    let id = propose(network, &freeze);
    let stranger = refused(network, "bank-a/operator", &["gov", "vote", &id, "yes"]);
    assert!(stranger.contains("code 2:"), "{stranger}");
    let other = format!("0x{}", "01".repeat(32));
    let wrong = refused(network, "bank-a/member", &["gov", "vote", &id, "yes", "--expect-digest", &other]);
    assert!(wrong.contains("code 14:"), "{wrong}");
    gov(network, "bank-a", &["vote", &id, "no"]);
    let twice = refused(network, "bank-a/member", &["gov", "vote", &id, "yes"]);
    assert!(twice.contains("code 13:"), "{twice}");
    let early = refused(network, "bank-a/operator", &["gov", "execute", &id]);
    assert!(early.contains("code 18:"), "{early}");
    let foreign = refused(network, "bank-b/member", &["gov", "revoke", &id]);
    assert!(foreign.contains("code 15:"), "{foreign}");
    gov(network, "bank-a", &["revoke", &id]);
    let late = refused(network, "bank-b/member", &["gov", "vote", &id, "yes"]);
    assert!(late.contains("code 11:"), "{late}");
}

fn an_account_is_frozen_under_load(network: &Network, token: Address) {
    let (order, account) = (order(network), network.address("bank-b/operator"));
    let pump = Pump::start(network, "bank-b/operator", token);
    let text = account.to_string();
    let started = network.height(0).unwrap();
    let freeze = ["freeze-account", &text, "--basis-file", &order, "--reference", "Order 7"];
    let bound_at = quantity(&pass(network, &freeze)["blockNumber"]);
    network.wait_for_height(0, bound_at + 5);
    pump.stop();
    let before = fates(network, account, started, bound_at);
    assert!(before.iter().any(|fate| fate.code == 0), "it paid until it was frozen: {before:?}");
    let after = fates(network, account, bound_at + 1, network.height(0).unwrap());
    let violations: Vec<_> = after.iter().filter(|fate| fate.code != FROZEN).collect();
    assert!(violations.is_empty(), "executed after the freeze at {bound_at}: {violations:?}");
    let status = run(&["account", "freeze-status", &text, "--rpc", &network.url(2, "ethereum")]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["frozen"], &status["reference"]), (&json!(true), &json!("Order 7")));
    let to = token.to_string();
    let pay = ["contract", "send", "--to", &to, "transfer(address,uint256)", &to, "0"];
    let told = refused(network, "bank-b/operator", &pay);
    assert!(told.contains("frozen"), "{told}");
}

fn an_emergency_freeze_lapses(network: &Network) {
    let rule = ["set-rule", "emergency-freeze", "--lapse", "8"];
    pass(network, &rule);
    let (order, account) = (order(network), network.address("bank-a/operator").to_string());
    let emergency = ["emergency-freeze", &account, "--basis-file", &order, "--reference", "Phone call"];
    let id = propose(network, &emergency);
    gov(network, "bank-a", &["vote", &id, "yes"]);
    let bound_at = quantity(&gov(network, "bank-a", &["execute", &id])["blockNumber"]);
    let status = || {
        let output = run(&["account", "freeze-status", &account, "--rpc", &network.url(0, "ethereum")]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    assert_eq!(status()["until"], json!(bound_at + 8));
    network.wait_for_height(0, bound_at + 9);
    assert_eq!(status()["frozen"], json!(false));
    // It acts again, and nobody has done anything for it.
    network.with_key("bank-a/operator", 0, &["gov", "execute", &expired(network)]);
}

/// A proposal that is over, so that executing it says only that: by an account that may do so.
fn expired(network: &Network) -> String {
    let rule = ["set-rule", "unfreeze-account", "--voting", "1", "--window", "1", "--timelock", "0"];
    pass(network, &rule);
    let (order, account) = (order(network), network.address("bank-b/operator").to_string());
    let lift = ["unfreeze-account", &account, "--basis-file", &order, "--reference", "Order 8"];
    let id = propose(network, &lift);
    let latest = proposal(network, &id)["latest"].as_u64().unwrap();
    network.wait_for_height(0, latest + 1);
    assert_eq!(proposal(network, &id)["status"], "expired");
    id
}

/// A process that ends with the test.
struct Newcomer(Child);

impl Drop for Newcomer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn a_fifth_bank_joins_and_its_validator_signs(network: &Network) {
    let folder = network.home().join("bank-e");
    std::fs::create_dir(&folder).unwrap();
    let ca = folder.join("ca");
    network.with_passphrase(&["pki", "init-ca", "--org", "bank-e", "--dir", text(&ca)]);
    let (root, part) = (ca.join("root/ca.crt"), folder.join("part.json"));
    concordat_tests::concordat(&[
        "genesis",
        "part",
        "--org",
        "bank-e",
        "--name",
        "Bank E",
        "--ca",
        text(&root),
        "--out",
        text(&part),
    ]);
    pass(network, &["admit-organisation", "--part", text(&part)]);

    let node = certify(network, &folder, "validator", "node", &["--san", "ip:127.0.0.1"]);
    let votes = certify(network, &folder, "consensus", "consensus", &[]);
    let newcomer = start(network, &folder);
    let url = format!("http://{}", address(&folder, "ethereum"));
    network.wait("the newcomer follows the chain", || {
        call(&url, "eth_blockNumber", json!([])).is_ok_and(|height| quantity(&height) > 1)
    });
    // So light that three of four who signed lately can decide with it.
    let p2p = listen(&folder);
    pass(
        network,
        &[
            "admit-validator",
            "--node-certificate",
            text(&node),
            "--consensus-certificate",
            text(&votes),
            "--address",
            &p2p,
            "--power",
            "1",
        ],
    );
    let five = |value: &Value| value["validators"].as_array().is_some_and(|all| all.len() == 5);
    network
        .wait("five validators decide", || network.comet(0, "validators", json!({})).is_ok_and(|v| five(&v)));
    network.wait("the newcomer signs", || signers(network) == 5);
    drop(newcomer);
}

/// How many signatures the newest commit has.
fn signers(network: &Network) -> usize {
    let height = network.height(0).unwrap().saturating_sub(1).to_string();
    let Ok(commit) = network.comet(0, "commit", json!({ "height": height })) else { return 0 };
    let signatures = commit["signed_header"]["commit"]["signatures"].as_array().cloned().unwrap_or_default();
    let signed: BTreeSet<String> = signatures
        .iter()
        .filter(|signature| signature["block_id_flag"] == 2)
        .map(|signature| signature["validator_address"].to_string())
        .collect();
    signed.len()
}

/// A key and its certificate by bank-e's authority, `NAME.key` and `NAME.crt`.
fn certify(network: &Network, folder: &Path, role: &str, name: &str, more: &[&str]) -> PathBuf {
    let passphrase = network.info["passphrase_file"].as_str().unwrap();
    let (key, certificate) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.crt")));
    let ca = folder.join("ca");
    let issue = ["pki", "issue", "--ca", text(&ca), "--role", role, "--name", name];
    let files = ["--key-out", text(&key), "--key-passphrase-file", passphrase, "--out", text(&certificate)];
    network.with_passphrase(&[&issue[..], more, &files].concat());
    certificate
}

fn config(folder: &Path) -> toml::Table {
    std::fs::read_to_string(folder.join("concordat.toml")).unwrap().parse().unwrap()
}

fn address(folder: &Path, interface: &str) -> String {
    config(folder)["rpc"][interface]["address"].as_str().unwrap().to_owned()
}

fn listen(folder: &Path) -> String {
    config(folder)["p2p"]["listen"].as_str().unwrap().to_owned()
}

/// Starts bank-e's node: the configuration of another one with its own files, ports and peers.
fn start(network: &Network, folder: &Path) -> Newcomer {
    let mut config = config(&network.node_folder(0));
    let free = || {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        toml::Value::String(socket.local_addr().unwrap().to_string())
    };
    config["p2p"]["listen"] = free();
    config["rpc"]["ethereum"]["address"] = free();
    config["rpc"]["cometbft"]["address"] = free();
    config["operations"]["listen"] = free();
    let peers = (0..NODES).map(|node| toml::Value::String(network.p2p(node).to_string()));
    config["p2p"]["peers"] = toml::Value::Array(peers.collect());
    let file = folder.join("concordat.toml");
    std::fs::write(&file, config.to_string()).unwrap();
    concordat_tests::concordat(&["node", "guard", "--config", text(&file), "--never-signed"]);
    let log = File::create(folder.join("node.log")).unwrap();
    let mut command = Command::new(program());
    command.args(["node", "run", "--config", text(&file)]).stdin(Stdio::null());
    Newcomer(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}
