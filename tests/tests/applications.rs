//! Applications reach a node over TLS with a certificate that the registry accepts, or not at all: a real node, and
//! its clients are the program's own commands, and Node's TLS.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use concordat_tests::{Network, answer, chaos::BUSY, clock, get, program, run};

/// What a client shows: a certificate chain and its key.
struct Holder {
    certificate: String,
    key: String,
}

/// Where a certificate comes from.
struct Issue<'a> {
    /// The folder of the authority, below the network's.
    ca: &'a str,
    role: &'a str,
    name: &'a str,
    more: &'a [&'a str],
}

#[test]
fn a_node_serves_over_tls_whom_the_registry_accepts_and_nobody_else() {
    // The authority is ten days old, so that it can have given out a certificate that has expired.
    let mut in_the_past = Command::new(program());
    let dated = clock::set(&mut in_the_past, "-10d");
    let mut network = Network::init_as(in_the_past, 1, &BUSY);
    // Nothing here needs the root's key; it stays in its safe.
    std::fs::remove_file(network.home().join(OPERATOR.ca).join("root/ca.key")).unwrap();
    serve_over_tls(&network);
    network.start_node(0);
    let operator = Issue { name: "till", ..OPERATOR }.give(&network, Command::new(program()));
    let operations = network.url(0, "operations").replace("http://", "");
    network.wait("the node's first block", || {
        TcpStream::connect(&operations).is_ok() && network.metric(0, "concordat_height") >= 1.0
    });
    an_operator_is_served_on_both_interfaces(&network, &operator);
    what_cannot_be_shown_is_said_before_the_node_is_asked(&network);
    who_shows_nothing_leaves_a_handshake_that_came_to_nothing(&network);
    strangers_and_nodes_are_refused(&network);
    match dated {
        Ok(()) => certificates_are_refused_before_and_after_their_time(&network),
        Err(reason) => eprintln!("SKIPPED, certificates out of their time: {reason}"),
    }
    a_revoked_certificate_is_refused_on_open_connections_too(&network, &operator);
}

const OPERATOR: Issue<'_> =
    Issue { ca: "organisations/bank-a/ca", role: "operator", name: "", more: &["--type", "p256"] };

fn path(network: &Network, name: &str) -> String {
    network.home().join(name).to_str().unwrap().to_owned()
}

fn passphrase(network: &Network) -> &str {
    network.info["passphrase_file"].as_str().unwrap()
}

impl Issue<'_> {
    /// Issues the certificate by a command that may have another clock.
    fn give(&self, network: &Network, command: Command) -> Holder {
        let (ca, secret) = (path(network, self.ca), passphrase(network));
        let holder = Holder {
            certificate: path(network, &format!("{}.crt", self.name)),
            key: path(network, &format!("{}.key", self.name)),
        };
        let issue = ["pki", "issue", "--ca", &ca, "--role", self.role, "--name", self.name];
        let files = ["--out", &holder.certificate, "--key-out", &holder.key];
        let secrets = ["--passphrase-file", secret, "--key-passphrase-file", secret];
        answer(command, &[&issue[..], &files, &secrets, self.more].concat());
        holder
    }
}

fn serve_over_tls(network: &Network) {
    let server = Issue { role: "server", name: "server", more: &["--san", "ip:127.0.0.1"], ..OPERATOR };
    let server = server.give(network, Command::new(program()));
    network.configure(0, |config| {
        let identity = config["identity"].as_table_mut().unwrap();
        identity.insert("server_certificate".into(), server.certificate.into());
        identity.insert("server_key".into(), server.key.into());
        for interface in ["ethereum", "cometbft"] {
            config["rpc"][interface]["plaintext"] = false.into();
        }
    });
}

fn https(network: &Network, interface: &str) -> String {
    network.url(0, interface).replace("http://", "https://")
}

/// Runs a command that asks a node, showing a certificate if there is one to show.
fn ask(network: &Network, command: &[&str], shown: Option<&Holder>) -> Output {
    let root = path(network, "organisations/bank-a/ca/root/ca.crt");
    let mut all = [command, &["--ca", &root]].concat();
    if let Some(holder) = shown {
        all.extend(["--client-certificate", &holder.certificate, "--client-key", &holder.key]);
        all.extend(["--client-passphrase-file", passphrase(network)]);
    }
    run(&all)
}

/// Asks the registry for its version, over Ethereum JSON-RPC.
fn call(network: &Network, shown: Option<&Holder>) -> Output {
    let url = https(network, "ethereum");
    let registry = "0x000000000000000000000000000000000000c001";
    ask(network, &["contract", "call", "--to", registry, "version()(uint64)", "--rpc", &url], shown)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn counted(network: &Network, series: &str) -> u64 {
    let (_, text) = get(&format!("{}/metrics", network.url(0, "operations")));
    let value = text.lines().find_map(|line| line.strip_prefix(series));
    value.map_or(0, |value| value.trim().parse().unwrap())
}

const REFUSED: &str = "concordat_rpc_refused_total{interface=\"ethereum\",reason=\"certificate\"}";
const BEGUN: &str = "concordat_rpc_handshakes_total{interface=\"ethereum\",stage=\"begun\"}";
const COMPLETED: &str = "concordat_rpc_handshakes_total{interface=\"ethereum\",stage=\"completed\"}";

/// The node lets the holder of this certificate not in, and counts that.
fn is_refused(network: &Network, holder: &Holder, why: &str) {
    let before = counted(network, REFUSED);
    let output = call(network, Some(holder));
    assert_eq!(output.status.code(), Some(1), "{}: {}", holder.certificate, said(&output));
    assert!(said(&output).contains("its log says why"), "{}", said(&output));
    network.wait(&format!("{} is counted", holder.certificate), || counted(network, REFUSED) == before + 1);
    let log = network.log(0);
    let last = log.lines().rfind(|line| line.contains("client certificate refused")).unwrap();
    assert!(last.contains(why), "{}: {last}", holder.certificate);
}

fn an_operator_is_served_on_both_interfaces(network: &Network, operator: &Holder) {
    let output = call(network, Some(operator));
    assert!(output.status.success(), "{}", said(&output));
    let (genesis, comet) = (network.info["genesis"].as_str().unwrap(), https(network, "cometbft"));
    let verify = ["verify", "--genesis", genesis, "--comet", &comet];
    let output = ask(network, &verify, Some(operator));
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(ask(network, &verify, None).status.code(), Some(1), "without a certificate");
}

fn what_cannot_be_shown_is_said_before_the_node_is_asked(network: &Network) {
    let account = network.account("bank-a/operator");
    let text = |what: &str| account[what].as_str().unwrap().to_owned();
    let ethereum = Holder { certificate: text("certificate"), key: text("key") };
    let output = call(network, Some(&ethereum));
    assert!(said(&output).contains("TLS knows no secp256k1 keys"), "{}", said(&output));
    let mixed = Holder { certificate: text("certificate"), key: path(network, "till.key") };
    let output = call(network, Some(&mixed));
    assert!(said(&output).contains("cannot be shown with that key"), "{}", said(&output));
    let url = https(network, "ethereum");
    let output = run(&["account", "show", account["address"].as_str().unwrap(), "--rpc", &url]);
    assert!(said(&output).contains("name the root CA"), "{}", said(&output));
}

fn who_shows_nothing_leaves_a_handshake_that_came_to_nothing(network: &Network) {
    let before = (counted(network, BEGUN), counted(network, COMPLETED));
    let output = call(network, None);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("name one with --client-certificate"), "{}", said(&output));
    network.wait("the handshake is counted", || counted(network, BEGUN) == before.0 + 1);
    assert_eq!(counted(network, COMPLETED), before.1);
}

fn strangers_and_nodes_are_refused(network: &Network) {
    network.with_passphrase(&["pki", "init-ca", "--org", "bank-x", "--dir", &path(network, "bank-x")]);
    let foreign = Issue { ca: "bank-x", name: "foreign", ..OPERATOR };
    is_refused(network, &foreign.give(network, Command::new(program())), "bank-x");
    let file = |name: &str| network.node_folder(0).join(name).to_str().unwrap().to_owned();
    let node = Holder { certificate: file("node.crt"), key: file("node.key") };
    is_refused(network, &node, "validator");
}

fn certificates_are_refused_before_and_after_their_time(network: &Network) {
    for (name, offset, why) in [("late", "-9d", "expired"), ("early", "+2d", "not valid")] {
        let mut elsewhen = Command::new(program());
        clock::set(&mut elsewhen, offset).unwrap();
        let issue = Issue { name, more: &["--type", "p256", "--days", "1"], ..OPERATOR };
        is_refused(network, &issue.give(network, elsewhen), why);
    }
}

/// Node's TLS on one connection that stays open (`tests/clients/tls.mjs`).
struct Foreign {
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Foreign {
    fn connect(network: &Network, holder: &Holder) -> Self {
        let mut command = Command::new("node");
        command.arg(concordat_tests::package().join("clients/tls.mjs")).arg(https(network, "ethereum"));
        command.arg(path(network, "organisations/bank-a/ca/root/ca.crt"));
        command.args([&holder.certificate, &holder.key]).arg(passphrase(network));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, answers }
    }

    /// The status and the body of the next answer, or why there is none.
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line
    }

    /// Asks once more.
    fn ask(&mut self) -> String {
        self.process.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.answer()
    }

    fn end(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

/// The bank's registrar enrols and submits the CRL over TLS too: the door opens for another certificate than that of
/// the key that signs.
fn a_revoked_certificate_is_refused_on_open_connections_too(network: &Network, operator: &Holder) {
    let desk = Issue { role: "registrar", name: "desk", ..OPERATOR }.give(network, Command::new(program()));
    let account = network.account("bank-a/registrar");
    let text = |what: &str| account[what].as_str().unwrap();
    let (url, ca) = (https(network, "ethereum"), path(network, OPERATOR.ca));
    let act = |command: &[&str]| {
        let signed = ["--key", text("key"), "--passphrase-file", passphrase(network), "--rpc", &url];
        let output = ask(network, &[command, &signed].concat(), Some(&desk));
        assert!(output.status.success(), "{}", said(&output));
    };
    act(&["account", "enrol", "--certificate", text("certificate")]);
    let revoke = ["pki", "revoke", "--ca", &ca, "--cert", &operator.certificate];
    network.with_passphrase(&[&revoke[..], &["--reason", "key-compromise"]].concat());
    let (crl, issuer) = (path(network, "bank-a.crl"), PathBuf::from(&ca).join("issuing/ca.crt"));
    network.with_passphrase(&["pki", "crl", "--ca", &ca, "--out", &crl]);

    let with_node = std::env::var_os("CONCORDAT_WITHOUT_NPM").is_none();
    let mut open = with_node.then(|| Foreign::connect(network, operator));
    if let Some(open) = &mut open {
        let answer = open.answer();
        assert!(answer.starts_with("200") && answer.contains("0x4f24"), "{answer}");
    }
    act(&["account", "submit-crl", "--crl", &crl, "--issuer", issuer.to_str().unwrap()]);
    is_refused(network, operator, "revoked");
    if let Some(mut open) = open {
        network.wait("the open connection is refused", || open.ask().starts_with("403"));
        open.end();
    }
}
