//! Who reads by a node's interfaces: applications over TLS hear of no block from the one on that freezes their account,
//! hides the ledger from their organisation, bars them, revokes their certificate or suspends their organisation, while
//! others go on. What they are told is counted.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
};

use concordat_tests::{Network, PATIENCE, committee, committee::pass, history::quantity, package, run, skip};
use serde_json::Value;

/// The node that serves over TLS; the others are asked by the test itself.
const NODE: usize = 1;

#[test]
fn open_connections_fall_silent_with_the_block_that_shuts_their_holder_out() {
    if std::env::var_os("CONCORDAT_WITHOUT_NPM").is_some() {
        return skip::note(
            "npm",
            "npm or its packages are missing; scripts/setup and scripts/clients install them",
        );
    }
    let mut network = Network::init(4, &["--empty-block-interval-ms", "100"]);
    let till = issue(&network, "till", "bank-c");
    let desk = issue(&network, "desk", "bank-a");
    serve_over_tls(&network);
    (0..4).for_each(|node| network.start_node(node));
    network.wait_for_height(0, 2);
    committee::enrol(&network);
    enrol(&network, &till);
    let account = till.account.clone();
    let file = network.home().join("order.txt");
    std::fs::write(&file, "The court orders").unwrap();
    let order = ["--basis-file", file.to_str().unwrap(), "--reference", "Order 9"];
    let with = |action: &[&str]| [action, &order].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();

    let freeze = with(&["freeze-account", &account, "--scope", "all"]);
    is_silenced(&network, &till, &desk, &freeze);
    refused_by_name(&network, &till, "frozen");
    pass(&network, &with(&["unfreeze-account", &account]).iter().map(String::as_str).collect::<Vec<_>>());

    let policy = network.home().join("policy.cedar");
    let text = "@id(\"bank-c-is-blind\")\n@reason(\"a test\")\n\
                forbid (principal in Organisation::\"bank-c\", action == Action::\"read\", resource);\n";
    std::fs::write(&policy, text).unwrap();
    let set = ["set-policy", "--id", "bank-c-is-blind", "--file", policy.to_str().unwrap()];
    is_silenced(&network, &till, &desk, &set.map(str::to_owned));
    refused_by_name(&network, &till, "bank-c-is-blind");
    pass(&network, &["repeal-policy", "--id", "bank-c-is-blind"]);

    is_silenced(&network, &till, &desk, &with(&["bar-account", &account]));
    assert!(
        network.counted(NODE, "concordat_rpc_refused_total{interface=\"ethereum\",reason=\"read\"}") >= 4
    );

    // Who is not enrolled reads by its certificate alone.
    let [stall, kiosk] = ["stall", "kiosk"].map(|name| issue(&network, name, "bank-c"));
    network.enrol("bank-c/registrar", 0);
    is_silenced_by(&network, &stall, &desk, "a CRL", || revoke(&network, &stall));
    let suspend = ["suspend-organisation", "bank-c"].map(str::to_owned);
    is_silenced(&network, &kiosk, &desk, &suspend);
}

/// What a client shows.
struct Holder {
    certificate: String,
    key: String,
    account: String,
}

fn path(network: &Network, name: &str) -> String {
    network.home().join(name).to_str().unwrap().to_owned()
}

fn passphrase(network: &Network) -> &str {
    network.info["passphrase_file"].as_str().unwrap()
}

/// A certificate of a bank's operator, for TLS and for an account.
fn issue(network: &Network, name: &str, bank: &str) -> Holder {
    give(network, name, bank, &["--role", "operator"])
}

fn give(network: &Network, name: &str, bank: &str, more: &[&str]) -> Holder {
    let (certificate, key) = (path(network, &format!("{name}.crt")), path(network, &format!("{name}.key")));
    let ca = path(network, &format!("organisations/{bank}/ca"));
    let issue = ["pki", "issue", "--ca", &ca, "--name", name, "--type", "p256"];
    let files = ["--out", &certificate, "--key-out", &key, "--key-passphrase-file", passphrase(network)];
    network.with_passphrase(&[&issue[..], &files, more].concat());
    let account = network.with_passphrase(&["account", "address", "--key", &key]);
    Holder { account: account["address"].as_str().unwrap().to_owned(), certificate, key }
}

fn serve_over_tls(network: &Network) {
    let server = give(network, "server", "bank-b", &["--role", "server", "--san", "ip:127.0.0.1"]);
    network.configure(NODE, |config| {
        let identity = config["identity"].as_table_mut().unwrap();
        identity.insert("server_certificate".into(), server.certificate.into());
        identity.insert("server_key".into(), server.key.into());
        config["rpc"]["ethereum"]["plaintext"] = false.into();
    });
}

fn https(network: &Network) -> String {
    network.url(NODE, "ethereum").replace("http://", "https://")
}

fn enrol(network: &Network, holder: &Holder) {
    let url = network.url(0, "ethereum");
    let enrol = ["account", "enrol", "--key", &holder.key, "--certificate", &holder.certificate];
    network.with_passphrase(&[&enrol[..], &["--rpc", &url]].concat());
}

/// An application that listens to new blocks (`tests/clients/heads.mjs`).
struct Listener {
    process: Child,
    said: Receiver<String>,
}

impl Listener {
    fn connect(network: &Network, holder: &Holder) -> Self {
        let mut command = Command::new("node");
        command.arg(package().join("clients/heads.mjs")).arg(https(network));
        command.arg(path(network, "organisations/bank-b/ca/root/ca.crt"));
        command.args([&holder.certificate, &holder.key]).arg(passphrase(network));
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let (sender, said) = mpsc::channel();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { process, said }
    }

    fn next(&self) -> String {
        self.said.recv_timeout(PATIENCE).expect("the listener says something")
    }

    /// The heights that it was told of, from now on through this one.
    fn told_through(&self, height: u64) -> Vec<u64> {
        let mut told = Vec::new();
        while told.last().is_none_or(|last| *last < height) {
            let said = self.next();
            told.push(said.parse().unwrap_or_else(|_| panic!("the listener says {said:?} after {told:?}")));
        }
        told
    }

    /// The heights that it was told of until the end, and how that came.
    fn told_until_its_end(&self) -> (Vec<u64>, String) {
        let mut told = Vec::new();
        loop {
            let said = self.next();
            match said.parse() {
                Ok(height) => told.push(height),
                Err(_) => return (told, said),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The registrar of bank-c submits a CRL with this certificate; at which height.
fn revoke(network: &Network, holder: &Holder) -> u64 {
    let [ca, issuer] =
        ["ca", "ca/issuing/ca.crt"].map(|name| path(network, &format!("organisations/bank-c/{name}")));
    let (crl, reason) = (path(network, "bank-c.crl"), ["--reason", "key-compromise"]);
    let revoke = ["pki", "revoke", "--ca", &ca, "--cert", &holder.certificate];
    network.with_passphrase(&[&revoke[..], &reason].concat());
    network.with_passphrase(&["pki", "crl", "--ca", &ca, "--out", &crl]);
    let submit = ["account", "submit-crl", "--crl", &crl, "--issuer", &issuer];
    quantity(&network.with_key("bank-c/registrar", 0, &submit)["blockNumber"])
}

/// The committee does this, and the client hears of no block from the one on that it is executed in.
fn is_silenced(network: &Network, client: &Holder, other: &Holder, action: &[String]) {
    let words: Vec<&str> = action.iter().map(String::as_str).collect();
    is_silenced_by(network, client, other, words[0], || quantity(&pass(network, &words)["blockNumber"]));
}

/// Something is done, and the client hears of no block from the one on that it was done in.
fn is_silenced_by(
    network: &Network,
    client: &Holder,
    other: &Holder,
    action: &str,
    done: impl FnOnce() -> u64,
) {
    let (shut_out, free) = (Listener::connect(network, client), Listener::connect(network, other));
    let begun = network.height(0).unwrap();
    free.told_through(begun + 1);
    let bound_at = done();
    let (told, end) = shut_out.told_until_its_end();
    assert_eq!(end, "closed 1008", "{action}");
    let (before, after): (Vec<u64>, Vec<u64>) = told.iter().partition(|height| **height < bound_at);
    assert!(!before.is_empty(), "{action}: it was told until then");
    assert_eq!(after, Vec::<u64>::new(), "{action}: it bound at {bound_at}");
    assert!(free.told_through(bound_at + 5).len() > 5, "others are told on");
}

/// A call over TLS is refused, and why is said.
fn refused_by_name(network: &Network, holder: &Holder, why: &str) {
    let (url, ca) = (https(network), path(network, "organisations/bank-b/ca/root/ca.crt"));
    let registry = "0x000000000000000000000000000000000000c001";
    let call = ["contract", "call", "--to", registry, "version()(uint64)", "--rpc", &url, "--ca", &ca];
    let shown = ["--client-certificate", &holder.certificate, "--client-key", &holder.key];
    let output = run(&[&call[..], &shown, &["--client-passphrase-file", passphrase(network)]].concat());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let said = said["error"].as_str().unwrap();
    assert!(!output.status.success() && said.contains("may not be read") && said.contains(why), "{said}");
}
