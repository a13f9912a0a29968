//! The committee of a network: one member of each bank, `bank-a/member` and so on.

use serde_json::Value;

use crate::{Network, run};

/// The banks whose members vote.
fn banks(network: &Network) -> Vec<String> {
    let accounts = network.info["accounts"].as_array().unwrap().iter();
    let members = accounts.filter(|account| account["role"] == "committee-member");
    members.map(|account| account["organisation"].as_str().unwrap().to_owned()).collect()
}

/// Enrols all members.
pub fn enrol(network: &Network) {
    for bank in banks(network) {
        network.enrol(&format!("{bank}/member"), 0);
    }
}

/// Runs a command of `concordat gov` as a bank's member.
pub fn gov(network: &Network, bank: &str, args: &[&str]) -> Value {
    network.with_key(&format!("{bank}/member"), 0, &[&["gov"], args].concat())
}

/// Makes a proposal as bank-a's member; its number.
pub fn propose(network: &Network, action: &[&str]) -> String {
    gov(network, "bank-a", &[&["propose"], action].concat())["id"].to_string()
}

/// A proposal as node 0 tells it.
pub fn proposal(network: &Network, id: &str) -> Value {
    let output = run(&["gov", "show", id, "--rpc", &network.url(0, "ethereum")]);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Makes a proposal, and all vote yes, until nothing could change the outcome any more. Its number, as soon as it can be
/// executed.
pub fn carry(network: &Network, action: &[&str]) -> String {
    carry_by(network, &banks(network), action)
}

fn carry_by(network: &Network, banks: &[String], action: &[&str]) -> String {
    let id = propose(network, action);
    for bank in banks {
        if proposal(network, &id)["closes"].as_u64() <= network.height(0) {
            break;
        }
        gov(network, bank, &["vote", &id, "yes"]);
    }
    let earliest = proposal(network, &id)["earliest"].as_u64().unwrap();
    network.wait_for_height(0, earliest);
    id
}

/// A proposal that is carried and executed. The receipt of the execution.
pub fn pass(network: &Network, action: &[&str]) -> Value {
    executed(network, &carry(network, action))
}

/// The same where one bank's member cannot vote.
pub fn pass_without(network: &Network, absent: &str, action: &[&str]) -> Value {
    let mut banks = banks(network);
    banks.retain(|bank| bank != absent);
    executed(network, &carry_by(network, &banks, action))
}

fn executed(network: &Network, id: &str) -> Value {
    let receipt = gov(network, "bank-b", &["execute", id]);
    let told = proposal(network, id);
    assert_eq!(told["status"], "executed", "{told}");
    receipt
}
