//! Run-time rules of a real network: a limit that was voted for undoes what exceeds it, and every node tells the alert.

use alloy_primitives::Address;
use concordat_tests::{Network, committee, committee::pass, history::quantity, run, token};
use serde_json::{Value, json};

const NODES: usize = 4;
/// Code of the outcome of a transaction that a rule undid.
const RULE_VIOLATED: u64 = 24;
const RULES: &str = "0x000000000000000000000000000000000000c005";
const TRANSFER: &str = "transfer(address,uint256)";

#[test]
fn a_limit_that_was_voted_for_undoes_what_exceeds_it_and_raises_an_alert() {
    let network = Network::start_with(NODES, &["--empty-block-interval-ms", "200"]);
    committee::enrol(&network);
    let token = token::deploy(&network, "bank-a/developer", 1_000_000);
    let rule = network.home().join("hundred.json");
    let form = json!({
        "id": "hundred-a-day",
        "reason": "no organisation moves more than 100 a day",
        "contract": token.to_string().to_lowercase(),
        "event": "Transfer(address,address,uint256)",
        "amount": { "word": 0 },
        "total": { "max": "100", "window_secs": 86_400, "per": "organisation" },
    });
    std::fs::write(&rule, form.to_string()).unwrap();
    let file = rule.to_str().unwrap();
    let checked = run(&["rule", "check", file]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    pass(&network, &["set-limit", "--file", file]);

    pays(&network, token, "60");
    exceeds(&network, token, "60");
    pays(&network, token, "40");
    what_is_used_up_is_told(&network);
    pass(&network, &["repeal-limit", "hundred-a-day"]);
    pays(&network, token, "60");
    concordat_tests::chain::assert_one_chain(&network);
}

fn send(network: &Network, token: Address, amount: &str) -> std::process::Output {
    let to = token.to_string();
    let call = ["contract", "send", "--to", &to, TRANSFER, &to, amount];
    network.try_with_key("bank-a/developer", 0, &call)
}

fn pays(network: &Network, token: Address, amount: &str) {
    let output = send(network, token, amount);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// An estimate tells it; who sends all the same finds the transaction undone, with an alert for everybody.
fn exceeds(network: &Network, token: Address, amount: &str) {
    let told = String::from_utf8_lossy(&send(network, token, amount).stdout).into_owned();
    assert!(told.contains("hundred-a-day"), "{told}");
    let wallet = concordat_tests::Wallet::of(network, "bank-a/developer");
    let sender = network.address("bank-a/developer");
    let nonce = quantity(&network.eth(0, "eth_getTransactionCount", json!([sender, "latest"])).unwrap());
    let raw = wallet.transfer(nonce, token, token, amount.parse().unwrap());
    let hash = network.submit(0, &raw).unwrap();
    let receipt = network.wait_for_receipt(0, &hash);
    assert_eq!(
        (&receipt["status"], &receipt["concordatOutcome"]["code"]),
        (&json!("0x0"), &json!(RULE_VIOLATED))
    );
    let logs = receipt["logs"].as_array().unwrap();
    assert_eq!((logs.len(), logs[0]["address"].as_str().unwrap().to_lowercase().as_str()), (1, RULES));
    for node in 0..network.count() {
        network.wait_for_receipt(node, &hash);
        let asked = json!([{ "address": RULES, "fromBlock": receipt["blockNumber"], "toBlock": receipt["blockNumber"] }]);
        let alerts = network.eth(node, "eth_getLogs", asked).unwrap();
        assert_eq!(alerts.as_array().unwrap().len(), 1, "node {node} tells no alert");
    }
}

fn what_is_used_up_is_told(network: &Network) {
    let (url, account) = (network.url(3, "ethereum"), network.address("bank-a/developer").to_string());
    let list = run(&["rule", "list", "--rpc", &url]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(
        (&list[0]["id"], &list[0]["rule"]["effect"]),
        (&json!("hundred-a-day"), &json!("revert")),
        "{list}"
    );
    let others = run(&["rule", "list", "--effect", "alert", "--rpc", &url]);
    assert_eq!(serde_json::from_slice::<Value>(&others.stdout).unwrap(), json!([]));
    let alerts =
        run(&["rule", "alerts", "--rule", "hundred-a-day", "--organisation", "bank-a", "--rpc", &url]);
    let alerts: Value = serde_json::from_slice(&alerts.stdout).unwrap();
    assert_eq!((alerts.as_array().unwrap().len(), &alerts[0]["code"]), (1, &json!(6)), "{alerts}");
    let place = alerts[0]["place"].as_str().unwrap();
    let later = run(&["rule", "alerts", "--account", &account, "--after", place, "--rpc", &url]);
    assert_eq!(serde_json::from_slice::<Value>(&later.stdout).unwrap(), json!([]));
    let shown = run(&["rule", "show", "hundred-a-day", "--account", &account, "--rpc", &url]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert!(shown.to_string().contains("100"), "{shown}");
}
