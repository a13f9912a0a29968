//! The policies of a real network: one is enacted under load and binds from the next block on, whoever it refuses is told
//! which one and whose vote it was, and `why` comes to the same decision from proved state. A CRL and the suspension of an
//! organisation bind in the same way, also in the pool and on open connections.

use std::path::PathBuf;

use alloy_primitives::Address;
use concordat_tests::{
    Network, chain, committee,
    committee::{gov, pass, proposal, propose},
    get,
    history::quantity,
    pump::{Fate, Offer, Pump, fates},
    refused, run, token,
};
use serde_json::{Value, json};

const NODES: usize = 4;
/// Code of the outcome of a transaction that the policies refuse.
const NOT_PERMITTED: u64 = 21;
/// That of an account whose certificate is revoked.
const REVOKED: u64 = 17;
/// That of an account whose organisation is suspended.
const SUSPENDED: u64 = 18;
const TRANSFER: &str = "transfer(address,uint256)";

#[test]
fn a_policy_binds_from_the_next_block_on_under_load_and_everybody_is_told_why() {
    let network = Network::start_with(NODES, &["--empty-block-interval-ms", "200"]);
    committee::enrol(&network);
    let token = token::deploy(&network, "bank-a/developer", 1_000_000);
    network.enrol("bank-a/operator", 0);
    network.enrol("bank-b/operator", 0);

    let (before, enacted) = a_policy_binds_under_load(&network, token);
    why_agrees_by_word_and_by_proof(&network, token, before, &enacted);
    what_is_in_force_is_listed_by_word_and_by_proof(&network, before, &enacted);
    an_operator_deploys_once_a_policy_permits_it(&network);
    policies_that_do_not_hold_are_refused(&network);
    what_was_repealed_binds_no_more(&network, token);
    a_crl_binds_under_load(&network, token);
    chain::assert_one_chain(&network);
    // The last bank's node is out after that.
    a_suspension_binds_under_load(&network, token);
    chain::assert_one_chain_of(&network, NODES - 1);
}

/// A policy in a file.
fn policy(network: &Network, id: &str, rule: &str) -> String {
    let file: PathBuf = network.home().join(format!("{id}.cedar"));
    std::fs::write(&file, format!("@id(\"{id}\")\n@reason(\"a test of {id}\")\n{rule}\n")).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The number of the proposal that enacts a policy.
fn enact(network: &Network, id: &str, rule: &str) -> (Value, u64) {
    let receipt = pass(network, &["set-policy", "--id", id, "--file", &policy(network, id, rule)]);
    let list = run(&["gov", "list", "--status", "executed", "--rpc", &network.url(0, "ethereum")]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    let number = list.as_array().unwrap().last().unwrap()["id"].as_u64().unwrap();
    (receipt, number)
}

/// The height before it bound, and the proposal.
fn a_policy_binds_under_load(network: &Network, token: Address) -> (u64, String) {
    let pump = Pump::start(network, "bank-b/operator", token);
    let account = network.address("bank-b/operator");
    let started = network.height(0).unwrap();
    let rule = format!(
        "forbid (principal in Organisation::\"bank-b\", action == Action::\"call\", resource == Contract::\"{}\");",
        format!("{token:?}").to_lowercase()
    );
    let (receipt, number) = enact(network, "no-bank-b", &rule);
    let bound_at = quantity(&receipt["blockNumber"]);
    network.wait_for_height(0, bound_at + 5);
    pump.stop();
    let earlier = fates(network, account, started, bound_at - 1);
    assert!(earlier.iter().any(|fate| fate.code == 0), "it paid until then: {earlier:?}");
    let later = fates(network, account, bound_at + 1, network.height(0).unwrap());
    let violations: Vec<&Fate> = later.iter().filter(|fate| fate.code != NOT_PERMITTED).collect();
    assert!(violations.is_empty(), "executed after the policy bound at {bound_at}: {violations:?}");

    let to = token.to_string();
    let told = refused(network, "bank-b/operator", &["contract", "send", "--to", &to, TRANSFER, &to, "0"]);
    assert!(told.contains(&format!("no-bank-b: a test of no-bank-b (proposal {number})")), "{told}");
    network.with_key("bank-a/operator", 0, &["contract", "send", "--to", &to, TRANSFER, &to, "0"]);
    (bound_at - 1, number.to_string())
}

fn why(network: &Network, args: &[&str]) -> Value {
    let output = run(&[&["why"], args, &["--comet", &network.url(2, "cometbft")]].concat());
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn why_agrees_by_word_and_by_proof(network: &Network, token: Address, before: u64, proposal: &str) {
    let (account, to) = (network.address("bank-b/operator").to_string(), token.to_string());
    let genesis = network.info["genesis"].as_str().unwrap();
    let told = why(network, &[&account, &to, TRANSFER]);
    assert_eq!((&told["executed"], &told["refused"]["code"]), (&json!(false), &json!(NOT_PERMITTED)));
    assert_eq!(told["proved"], json!(false));
    let deciding = &told["permission"]["decision"]["policies"][0];
    assert_eq!(
        (&deciding["id"], deciding["proposal"].to_string()),
        (&json!("no-bank-b"), proposal.to_owned())
    );

    let proved = why(network, &[&account, &to, TRANSFER, "--genesis", genesis]);
    assert_eq!(proved["proved"], json!(true));
    assert!(proved["entries"].as_u64().unwrap() >= 5, "{proved}");
    let undated = |said: &Value| {
        let mut said = said.clone();
        said["permission"]["asked"]["time_secs"] = Value::Null;
        [said["executed"].take(), said["refused"].take(), said["standing"].take(), said["permission"].take()]
    };
    assert_eq!(undated(&proved), undated(&told));

    let past = why(network, &[&account, &to, TRANSFER, "--height", &before.to_string()]);
    assert_eq!((&past["executed"], &past["heights"]), (&json!(true), &json!([before, before])));
    let other = why(network, &[&network.address("bank-a/operator").to_string(), &to, TRANSFER]);
    assert_eq!(other["executed"], json!(true));
    let stranger = why(network, &[&Address::repeat_byte(7).to_string(), &to]);
    assert_eq!((&stranger["enrolled"], &stranger["executed"]), (&json!(false), &json!(false)));
}

fn policies(network: &Network, args: &[&str]) -> Value {
    let output = run(&[&["policy"], args, &["--comet", &network.url(2, "cometbft")]].concat());
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn what_is_in_force_is_listed_by_word_and_by_proof(network: &Network, before: u64, proposal: &str) {
    let genesis = network.info["genesis"].as_str().unwrap();
    let enacted = policies(network, &["list", "--origin", "enacted"]);
    let policy = &enacted[0];
    assert_eq!((enacted.as_array().unwrap().len(), &policy["id"]), (1, &json!("no-bank-b")), "{enacted}");
    assert_eq!((&policy["effect"], &policy["who"]), (&json!("forbid"), &json!("organisation bank-b")));
    assert_eq!(
        (policy["proposal"].to_string(), &policy["height"]),
        (proposal.to_owned(), &json!(before + 1))
    );
    assert_eq!(policies(network, &["list", "--origin", "enacted", "--genesis", genesis]), enacted);
    assert_eq!(
        policies(network, &["list", "--origin", "enacted", "--height", &before.to_string()]),
        json!([])
    );
    let all = policies(network, &["list"]);
    let catalogue = policies(network, &["list", "--origin", "catalogue"]);
    assert_eq!(all.as_array().unwrap().len(), catalogue.as_array().unwrap().len() + 1);
    let about =
        policies(network, &["list", "--organisation", "bank-b", "--effect", "forbid", "--action", "call"]);
    assert_eq!(about, enacted);

    let shown = policies(network, &["show", "no-bank-b", "--genesis", genesis]);
    assert_eq!((&shown["proved"], &shown["annotations"]["id"]), (&json!(true), &json!("no-bank-b")));
    assert!(shown["text"].as_str().unwrap().contains("forbid (principal in Organisation"), "{shown}");
    assert!(shown["digest"].is_string() && shown["enactedDigest"].is_string(), "{shown}");
    assert_eq!(shown["proposalDigest"], proposal_digest(network, proposal));
    let unknown = run(&["policy", "show", "no-such", "--comet", &network.url(2, "cometbft")]);
    let unknown = String::from_utf8_lossy(&unknown.stdout).into_owned();
    assert!(unknown.contains("no policy no-such is in force"), "{unknown}");
}

fn proposal_digest(network: &Network, id: &str) -> Value {
    proposal(network, id)["digest"].clone()
}

fn an_operator_deploys_once_a_policy_permits_it(network: &Network) {
    let artefact = token::artefact();
    let deploy = ["contract", "deploy", "--artefact", artefact.to_str().unwrap(), "1"];
    let account = network.address("bank-a/operator").to_string();
    let told = refused(network, "bank-a/operator", &deploy);
    assert!(told.contains("no policy permits deploy"), "{told}");
    let nearest = &why(network, &[&account, "--deploy"])["permission"]["nearest"];
    assert_eq!(nearest[0]["policy"]["id"], "developers-deploy", "{nearest}");
    let rule = format!(
        "permit (principal == Account::\"{}\", action == Action::\"deploy\", resource);",
        account.to_lowercase()
    );
    enact(network, "pilot-deploys", &rule);
    assert_eq!(why(network, &[&account, "--deploy"])["executed"], json!(true));
    network.with_key("bank-a/operator", 0, &deploy);
}

fn policies_that_do_not_hold_are_refused(network: &Network) {
    let all = "forbid (principal, action, resource);";
    for (id, rule, words) in [
        ("lock-out", all, "the catalogue alone decides"),
        (
            "exclusive-roles",
            "permit (principal, action == Action::\"call\", resource);",
            "cannot be replaced",
        ),
        ("unknown-words", "forbid (principal, action == Action::\"fly\", resource);", "line"),
    ] {
        let file = policy(network, id, rule);
        let checked = run(&["policy", "check", "--id", id, "--file", &file]);
        assert_eq!(checked.status.code(), Some(3), "{id}");
        let told =
            refused(network, "bank-a/member", &["gov", "propose", "set-policy", "--id", id, "--file", &file]);
        assert!(told.contains("code 70:") && told.contains(words), "{id}: {told}");
    }
}

fn what_was_repealed_binds_no_more(network: &Network, token: Address) {
    let to = token.to_string();
    let again = propose(network, &["repeal-policy", "--id", "no-bank-b"]);
    assert_eq!(proposal(network, &again)["status"], "open");
    gov(network, "bank-a", &["revoke", &again]);
    pass(network, &["repeal-policy", "--id", "no-bank-b"]);
    network.with_key("bank-b/operator", 0, &["contract", "send", "--to", &to, TRANSFER, &to, "0"]);
    let twice = refused(network, "bank-a/member", &["gov", "propose", "repeal-policy", "--id", "no-bank-b"]);
    assert!(twice.contains("code 71:"), "{twice}");
}

/// What an account pays is refused by every block after the one that bound, and by the pool as soon as its node has one more
/// block: what got through is counted.
fn nothing_gets_through(network: &Network, account: &str, pump: Pump, bound_at: u64, code: u64) {
    network.wait_for_height(0, bound_at + 5);
    network.wait_for_height(1, bound_at + 5);
    let offers = pump.stop();
    let account = network.address(account);
    let first = offers.first().map_or(0, |offer| offer.height);
    let earlier = fates(network, account, first, bound_at);
    assert!(earlier.iter().any(|fate| fate.code == 0), "it paid until then: {earlier:?}");
    let later = fates(network, account, bound_at + 1, network.height(0).unwrap());
    let violations: Vec<&Fate> = later.iter().filter(|fate| fate.code != code).collect();
    assert!(violations.is_empty(), "executed after {bound_at}: {violations:?}");
    let (late, early): (Vec<&Offer>, Vec<&Offer>) = offers.iter().partition(|offer| offer.height > bound_at);
    assert!(early.iter().any(|offer| offer.taken) && !late.is_empty(), "it was offered before and after");
    let taken: Vec<&&Offer> = late.iter().filter(|offer| offer.taken).collect();
    assert!(taken.is_empty(), "taken into the pool after {bound_at}: {taken:?}");
}

fn a_crl_binds_under_load(network: &Network, token: Address) {
    network.enrol("bank-c/operator", 0);
    network.enrol("bank-c/registrar", 0);
    let ca = network.home().join("organisations/bank-c/ca");
    let (crl, issuer) = (network.home().join("bank-c.crl"), ca.join("issuing/ca.crt"));
    let [ca, crl, issuer] = [&ca, &crl, &issuer].map(|path| path.to_str().unwrap());
    let certificate = network.account("bank-c/operator")["certificate"].as_str().unwrap();
    let reason = ["--reason", "key-compromise"];
    network.with_passphrase(&[&["pki", "revoke", "--ca", ca, "--cert", certificate][..], &reason].concat());
    network.with_passphrase(&["pki", "crl", "--ca", ca, "--out", crl]);

    let pump = Pump::start(network, "bank-c/operator", token);
    network.wait_for_height(0, network.height(0).unwrap() + 3);
    let submit = ["account", "submit-crl", "--crl", crl, "--issuer", issuer];
    let bound_at = quantity(&network.with_key("bank-c/registrar", 0, &submit)["blockNumber"]);
    nothing_gets_through(network, "bank-c/operator", pump, bound_at, REVOKED);
}

fn a_suspension_binds_under_load(network: &Network, token: Address) {
    network.enrol("bank-d/operator", 0);
    let pump = Pump::start(network, "bank-d/operator", token);
    let (bound_at, in_touch) = std::thread::scope(|scope| {
        let watched = [0, 1, 2].map(|node| scope.spawn(move || last_in_touch(network, node)));
        let bound_at = quantity(&pass(network, &["suspend-organisation", "bank-d"])["blockNumber"]);
        (bound_at, watched.map(|watch| watch.join().unwrap()))
    });
    nothing_gets_through(network, "bank-d/operator", pump, bound_at, SUSPENDED);
    let longer: Vec<u64> = in_touch.into_iter().filter(|height| *height > bound_at + 1).collect();
    assert!(longer.is_empty(), "in touch with the node of who was suspended at {bound_at}: {longer:?}");
}

/// The last height at which a node had connections to all others.
fn last_in_touch(network: &Network, node: usize) -> u64 {
    let mut last = 0;
    network.wait("the connection ends", || {
        let (_, page) = get(&format!("{}/metrics", network.url(node, "operations")));
        let value = |name| page.lines().find_map(|line| line.strip_prefix(name)?.parse::<f64>().ok());
        let (height, peers) = (value("concordat_height "), value("concordat_consensus_peers "));
        let all = peers.unwrap() as usize == NODES - 1;
        last = if all { height.unwrap() as u64 } else { last };
        !all && last > 0
    });
    last
}
