//! Whose certificate does not count, or counts no more, has no connection: against the nodes' real ports.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use alloy_primitives::{Address, Bytes};
use concordat_tests::{
    Network, Wallet, answer, chain,
    chaos::BUSY,
    clock, get,
    peer::{Greeting, Identity, Peer, VALIDATOR},
    program, skip,
};

const NODES: usize = 4;
/// The validator whose certificate is revoked: of bank-d.
const REVOKED: usize = 3;

#[test]
fn nodes_without_a_good_certificate_stay_out_and_one_that_loses_it_goes() {
    // The authorities are ten days old, so that one of them can have given out a certificate that has expired.
    let mut in_the_past = Command::new(program());
    let expiry = clock::set(&mut in_the_past, "-10d");
    let mut network = Network::init_as(in_the_past, NODES, &BUSY);
    network.start_all();
    let brief = expiry.is_ok().then(|| Brief::enrol(&network));
    peers_of_other_chains_are_refused(&network);
    accounts_are_no_nodes(&network);
    match expiry {
        Ok(()) => {
            an_expired_certificate_is_refused(&network);
            a_certificate_of_the_future_is_refused(&network);
            brief.iter().for_each(|account| account.is_refused_once_it_expires(&network));
        }
        Err(reason) => skip::note("faketime", &format!("certificates of other days: {reason}")),
    }
    a_revoked_certificate_loses_its_connections(&network);
    chain::assert_no_double_signing(&network);
}

/// The value of a series with exactly these labels; zero if there is none.
fn counted(network: &Network, node: usize, series: &str) -> u64 {
    let (_, text) = get(&format!("{}/metrics", network.url(node, "operations")));
    let value = text.lines().find_map(|line| line.strip_prefix(series));
    value.map_or(0, |value| value.trim().parse::<f64>().unwrap() as u64)
}

/// Greets node 0; the node closes and counts that by its reason.
fn is_refused(network: &Network, identity: &Identity, greeting: &Greeting, reason: &str) {
    let series = format!("concordat_consensus_handshakes_failed_total{{reason=\"{reason}\"}}");
    let before = counted(network, 0, &series);
    if let Ok(peer) = Peer::join(network, 0, identity, greeting) {
        peer.closed();
    }
    network.wait(&format!("a refusal is counted as {reason}"), || counted(network, 0, &series) > before);
}

fn peers_of_other_chains_are_refused(network: &Network) {
    let identity = Identity::of_node(network, 1);
    let right = Greeting::of(network, VALIDATOR);
    let wrong = [
        (Greeting { chain_id: "another-chain".into(), ..right.clone() }, "chain"),
        (Greeting { genesis_hash: vec![9; 32], ..right.clone() }, "genesis"),
        (Greeting { version: right.version + 1, ..right.clone() }, "version"),
        (Greeting { role: VALIDATOR + 1, ..right.clone() }, "role"),
    ];
    for (greeting, reason) in wrong {
        is_refused(network, &identity, &greeting, reason);
    }
}

fn accounts_are_no_nodes(network: &Network) {
    let operator = network.account("bank-a/registrar");
    let path = |what: &str| PathBuf::from(operator[what].as_str().unwrap());
    let identity = Identity::read(network, &path("certificate"), &path("key"));
    is_refused(network, &identity, &Greeting::of(network, VALIDATOR), "certificate");
}

/// Given out nine days ago, valid for one day.
fn an_expired_certificate_is_refused(network: &Network) {
    let identity = issued_at(network, "-9d", "late");
    is_refused(network, &identity, &Greeting::of(network, VALIDATOR), "certificate");
    says(network, "expired");
}

/// Given out in nine days.
fn a_certificate_of_the_future_is_refused(network: &Network) {
    let identity = issued_at(network, "+9d", "early");
    is_refused(network, &identity, &Greeting::of(network, VALIDATOR), "certificate");
    says(network, "is not valid before");
}

/// The log of the node that refused says why.
fn says(network: &Network, why: &str) {
    network.wait(&format!("the log says {why}"), || network.log(0).contains(why));
}

/// A validator's certificate that bank-a gives out when its clock is off by so much; it is valid for one day.
fn issued_at(network: &Network, offset: &str, name: &str) -> Identity {
    let home = network.home();
    let path = |name: String| home.join(name).to_str().unwrap().to_owned();
    let ca = path("organisations/bank-a/ca".into());
    let (certificate, key) = (path(format!("{name}.crt")), path(format!("{name}.key")));
    let passphrase = network.info["passphrase_file"].as_str().unwrap();
    let mut then = Command::new(program());
    clock::set(&mut then, offset).unwrap();
    let issue =
        ["pki", "issue", "--role", "validator", "--name", name, "--san", "ip:127.0.0.1", "--days", "1"];
    let files = ["--ca", &ca, "--key-out", &key, "--out", &certificate];
    let secrets = ["--passphrase-file", passphrase, "--key-passphrase-file", passphrase];
    answer(then, &[&issue[..], &files, &secrets].concat());
    Identity::read(network, Path::new(&certificate), Path::new(&key))
}

/// An account whose certificate ends while the test runs: it was given out almost a day ago, for a day.
/// When it ends, in Unix seconds.
struct Brief(u64);

impl Brief {
    const ACCOUNT: &str = "bank-b/operator";
    /// How long it lasts: enough to enrol.
    const LASTS_SECS: u64 = 30;

    fn enrol(network: &Network) -> Self {
        let home = network.home();
        let certificate = home.join("brief.crt");
        let (certificate, ca) = (certificate.to_str().unwrap(), home.join("organisations/bank-b/ca"));
        let first = network.account(Self::ACCOUNT)["certificate"].as_str().unwrap();
        let passphrase = network.info["passphrase_file"].as_str().unwrap();
        let mut then = Command::new(program());
        clock::set(&mut then, &format!("-{}", 86_400 - Self::LASTS_SECS)).unwrap();
        let renew = ["pki", "renew", "--ca", ca.to_str().unwrap(), "--cert", first, "--days", "1"];
        let files = ["--out", certificate, "--passphrase-file", passphrase];
        let made = answer(then, &[&renew[..], &files].concat());
        let ends = made["content"]["not_after_unix"].as_u64().unwrap();
        network.with_key(Self::ACCOUNT, 0, &["account", "enrol", "--certificate", certificate]);
        Self(ends)
    }

    /// By the time of blocks, and in the words that say what mends it.
    fn is_refused_once_it_expires(&self, network: &Network) {
        network.wait("the account's certificate has ended", || {
            counted(network, 0, "concordat_block_time_seconds ") > self.0
        });
        let wallet = Wallet::of(network, Self::ACCOUNT);
        let raw = wallet.sign(wallet.draft(1, Address::repeat_byte(1).into(), Bytes::new()));
        let series = "concordat_submissions_total{result=\"certificate_expired\"}";
        let before = counted(network, 0, series);
        let refused = network.submit(0, &raw).unwrap_err();
        let said = refused["message"].as_str().unwrap();
        assert_eq!(said, "refused: the sender's certificate has expired; renew it");
        assert_eq!(counted(network, 0, series), before + 1);
    }
}

fn peers(network: &Network, node: usize) -> u64 {
    counted(network, node, "concordat_consensus_peers ")
}

fn a_revoked_certificate_loses_its_connections(network: &Network) {
    let ca = network.home().join("organisations/bank-d/ca");
    let certificate = network.node_folder(REVOKED).join("node.crt");
    let (crl, issuer) = (network.home().join("bank-d.crl"), ca.join("issuing/ca.crt"));
    let [ca, certificate, crl, issuer] =
        [&ca, &certificate, &crl, &issuer].map(|path| path.to_str().unwrap());
    for node in 0..NODES {
        network.wait("a full mesh", || peers(network, node) == NODES as u64 - 1);
    }

    network.enrol("bank-d/registrar", 0);
    let reason = ["--reason", "key-compromise"];
    network.with_passphrase(&[&["pki", "revoke", "--ca", ca, "--cert", certificate][..], &reason].concat());
    network.with_passphrase(&["pki", "crl", "--ca", ca, "--out", crl]);
    let submit = ["account", "submit-crl", "--crl", crl, "--issuer", issuer];
    let receipt = network.with_key("bank-d/registrar", 0, &submit);
    let bound_at = concordat_tests::history::quantity(&receipt["blockNumber"]);

    let others = [0, 1, 2];
    for node in others {
        network.wait("the revoked node is dropped", || peers(network, node) == 2);
        let height = network.height(node).unwrap();
        assert!(height <= bound_at + 2, "node {node} dropped it at {height}, it was revoked at {bound_at}");
        let series = "concordat_consensus_disconnects_total{reason=\"no_longer_authorised\"}";
        assert!(counted(network, node, series) >= 1, "node {node} does not count it");
        assert!(network.log(node).contains("revoked"), "{}", network.log_tail(node, 5));
    }
    // It tries to come back, and is refused.
    let series = "concordat_consensus_handshakes_failed_total{reason=\"certificate\"}";
    let before = others.map(|node| counted(network, node, series));
    for node in others {
        network.wait("the revoked node is refused", || counted(network, node, series) > before[node]);
        assert_eq!(peers(network, node), 2, "node {node}");
    }
    // The other three go on; the one that is out says so.
    network.wait_for_height(0, network.height(0).unwrap() + 3);
    let ready = format!("{}/readyz", network.url(REVOKED, "operations"));
    network.wait("the revoked node is not ready", || get(&ready).0 == 503);
}
