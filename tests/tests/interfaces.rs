//! The edges of a node: health and metrics for operators, errors for clients, a closed door for strangers.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use concordat_tests::{Network, concordat, get, post, program, skip};
use serde_json::{Value, json};

const NODES: usize = 4;
/// The node whose log is written for machines.
const FOR_MACHINES: usize = 3;

#[test]
fn a_node_tells_operators_how_it_is_and_clients_what_they_did_wrong() {
    let mut network = Network::init(NODES, &["--empty-block-interval-ms", "1000"]);
    network.configure(FOR_MACHINES, |config| config["log"]["format"] = "json".into());
    network.start_all();
    healthy_nodes_say_so(&network);
    requests_beyond_the_limits_get_their_error(&network);
    calls_that_make_no_sense_get_their_error(&network);
    metrics_are_what_prometheus_reads(&network);
    promtool_finds_nothing_to_mend(&network);
    certificates_tell_how_long_they_last(&network);
    garbage_on_the_mesh_is_survived(&network);
    strangers_do_not_get_into_the_mesh(&network);
    a_validator_that_sees_too_few_others_is_not_ready(&mut network);
    every_line_of_a_log_for_machines_is_json(&mut network);
}

fn healthy_nodes_say_so(network: &Network) {
    for node in 0..NODES {
        let operations = network.url(node, "operations");
        assert_eq!(get(&format!("{operations}/healthz")).0, 200);
        network.wait("readiness", || get(&format!("{operations}/readyz")).0 == 200);
        let (_, body) = get(&format!("{operations}/readyz"));
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["ready"], &body["total_power"]), (&json!(true), &json!(40)));
        assert!(body["reachable_power"].as_u64().is_some_and(|power| power * 3 > 80), "{body}");
        assert_eq!(get(&format!("{operations}/nothing")).0, 404);
    }
}

/// The error code of an answer to one request.
fn code(body: &str) -> i64 {
    let answer: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {body}"));
    answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {body}"))
}

fn requests_beyond_the_limits_get_their_error(network: &Network) {
    let url = network.url(0, "ethereum");
    let send = |body: &str| post(&url, body.as_bytes()).unwrap();

    let (status, _) = send(&"x".repeat((2 << 20) + 1));
    assert_eq!(status, 413, "a body of more than 2 MiB");
    assert_eq!(code(&send(&"[".repeat(1000)).1), -32700, "nested too deeply");
    assert_eq!(code(&send("{").1), -32700, "no JSON");
    assert_eq!(code(&send("7").1), -32600, "no request");
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let batch = |calls: usize| format!("[{}]", vec![call; calls].join(","));
    assert_eq!(code(&send(&batch(101)).1), -32600, "a batch too large");
    let answers: Value = serde_json::from_str(&send(&batch(100)).1).unwrap();
    assert_eq!(answers.as_array().unwrap().len(), 100);
    assert_eq!(code(&send("[]").1), -32600, "an empty batch");
}

fn calls_that_make_no_sense_get_their_error(network: &Network) {
    let error = |method: &str, params: Value| network.eth(0, method, params).unwrap_err();
    let unknown = error("eth_fly", json!([]));
    assert_eq!(unknown["code"], -32601);
    assert_eq!(unknown["message"], "the method eth_fly does not exist/is not available");
    assert_eq!(error("eth_fillTransaction", json!([{}]))["code"], -32601);
    let wrong = [
        ("eth_getBalance", json!(["0x12", "latest"])),
        ("eth_getBalance", json!([])),
        ("eth_getBlockByNumber", json!(["yesterday", false])),
        ("eth_getTransactionReceipt", json!(["0xzz"])),
        ("eth_getLogs", json!([{ "fromBlock": "0x0", "blockHash": format!("0x{}", "00".repeat(32)) }])),
        ("eth_call", json!([{ "to": "nobody" }, "latest"])),
    ];
    for (method, params) in wrong {
        assert_eq!(error(method, params.clone())["code"], -32602, "{method} {params}");
    }
    let absent = network.eth(0, "eth_getTransactionReceipt", json!([format!("0x{}", "11".repeat(32))]));
    assert_eq!(absent.unwrap(), Value::Null);
    let future = network.comet(0, "block", json!({ "height": "1000000" })).unwrap_err();
    assert_eq!(future["code"], -32603, "{future}");
    assert_eq!(network.comet(0, "fly", json!({})).unwrap_err()["code"], -32601);
}

fn metrics_are_what_prometheus_reads(network: &Network) {
    let (status, text) = get(&format!("{}/metrics", network.url(0, "operations")));
    assert_eq!(status, 200);
    check_exposition(&text);
    for name in [
        "concordat_height",
        "concordat_block_time_seconds",
        "concordat_commit_seconds_count",
        "concordat_equivocations_total",
        "concordat_pool_transactions",
        "concordat_certificate_left_seconds",
        "concordat_rpc_requests_total",
        "concordat_consensus_height",
        "concordat_consensus_peers",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing");
    }
    assert!(network.metric(0, "concordat_height") >= 1.0);
    assert_eq!(network.metric(0, "concordat_consensus_peers") as usize, NODES - 1);
}

/// A local network's certificates last for a year from its making, which was minutes ago.
fn certificates_tell_how_long_they_last(network: &Network) {
    const DAY: u64 = 86_400;
    for node in 0..NODES {
        let left = network.counted(node, "concordat_certificate_left_seconds{certificate=\"node\"}");
        assert!((364 * DAY..365 * DAY).contains(&left), "node {node}: {left} s");
    }
}

/// From the first line to the last, which says that the node has stopped.
fn every_line_of_a_log_for_machines_is_json(network: &mut Network) {
    assert_eq!(network.terminate(FOR_MACHINES), Some(0));
    let log = network.log(FOR_MACHINES);
    let mut last = Value::Null;
    for line in log.lines() {
        last = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for field in ["timestamp", "level", "target", "message"] {
            assert!(last[field].is_string(), "{field} is missing: {line}");
        }
    }
    assert!(log.lines().count() > 5, "{log}");
    assert!(last["message"].as_str().unwrap().contains("stopped"), "{last}");
}

/// Prometheus' own checker, on every node: format, names, units, help. `PROMTOOL` says where it is.
fn promtool_finds_nothing_to_mend(network: &Network) {
    let promtool = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    for node in 0..NODES {
        let (_, text) = get(&format!("{}/metrics", network.url(node, "operations")));
        let spawned = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut checker = match spawned {
            Ok(checker) => checker,
            Err(error) => {
                return skip::note("promtool", &format!("it does not run ({error}); scripts/test brings it"));
            }
        };
        checker.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = checker.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "node {node}: {said}");
    }
}

/// The rules of Prometheus' text format that a scrape fails by: each family declared once, before its
/// samples; samples with a number; no series twice.
fn check_exposition(text: &str) {
    let (mut types, mut series) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let name = declared.split(' ').next().unwrap();
            assert!(types.insert(name.to_owned()), "{name} is declared twice");
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
            assert!(value.parse::<f64>().is_ok(), "{line:?} has no number");
            assert!(series.insert(sample.to_owned()), "{sample} stands twice");
            let name = sample.split('{').next().unwrap();
            let families = ["", "_bucket", "_sum", "_count", "_total"];
            let declared = families.iter().filter_map(|end| name.strip_suffix(end));
            assert!(declared.into_iter().any(|family| types.contains(family)), "{name} has no type");
        }
    }
}

/// Connections that the node refused in the handshake, with whatever reason.
fn refused(network: &Network, node: usize) -> f64 {
    network.metric(node, "concordat_consensus_handshakes_failed_total")
}

fn garbage_on_the_mesh_is_survived(network: &Network) {
    let before = refused(network, 0);
    let mut socket = TcpStream::connect(network.node(0)["p2p"].as_str().unwrap()).unwrap();
    socket.write_all(&[0x5a; 4096]).unwrap();
    drop(socket);
    network.wait("the garbage is counted", || refused(network, 0) > before);
}

/// A node that does not belong to the network, with its own identity and folder.
struct Stranger {
    child: Child,
    log: PathBuf,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stranger {
    /// Runs a node with a certificate that an authority issued for a role, but without a vote.
    fn start(network: &Network, ca: &Path, role: &str) -> Self {
        let folder = network.home().join(format!("stranger-{role}"));
        fs::create_dir(&folder).unwrap();
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let passphrase = network.info["passphrase_file"].as_str().unwrap();
        network.with_passphrase(&[
            "pki",
            "issue",
            "--ca",
            ca.to_str().unwrap(),
            "--role",
            role,
            "--name",
            "stranger",
            "--san",
            "ip:127.0.0.1",
            "--key-out",
            &path("node.key"),
            "--key-passphrase-file",
            passphrase,
            "--out",
            &path("node.crt"),
        ]);
        let member = fs::read_to_string(network.node(0)["config"].as_str().unwrap()).unwrap();
        let mut config: toml::Table = member.parse().unwrap();
        config["p2p"]["listen"] = "127.0.0.1:0".into();
        config["p2p"]["peers"] = toml::Value::Array(vec![network.node(0)["p2p"].as_str().unwrap().into()]);
        config["operations"]["listen"] = "127.0.0.1:0".into();
        config.remove("rpc");
        config["identity"].as_table_mut().unwrap().remove("consensus_key");
        fs::write(folder.join("concordat.toml"), config.to_string()).unwrap();
        let log = folder.join("node.log");
        let file = fs::File::create(&log).unwrap();
        let child = Command::new(program())
            .args(["node", "run", "--config", &path("concordat.toml")])
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

fn strangers_do_not_get_into_the_mesh(network: &Network) {
    let foreign = network.home().join("bank-x-ca");
    network.with_passphrase(&["pki", "init-ca", "--org", "bank-x", "--dir", foreign.to_str().unwrap()]);
    let member = network.home().join("organisations/bank-a/ca");
    // An organisation that is no member, and a role that a member may not grant.
    for (ca, role) in [(&foreign, "observer"), (&member, "audit-node")] {
        let (before, peers) = (refused(network, 0), network.metric(0, "concordat_consensus_peers"));
        let stranger = Stranger::start(network, ca, role);
        network.wait(&format!("the {role} is refused"), || {
            assert!(!stranger.log().contains("error:"), "{}", stranger.log());
            refused(network, 0) > before
        });
        assert_eq!(network.metric(0, "concordat_consensus_peers"), peers, "{role}");
        let net = network.comet(0, "net_info", json!({})).unwrap().to_string();
        assert!(!net.contains("stranger"), "{net}");
    }
    let operator = network.account("bank-a/operator");
    let refusal = network.home().join("operator-as-node.toml");
    let text = fs::read_to_string(network.node(0)["config"].as_str().unwrap()).unwrap();
    let mut config: toml::Table = text.parse().unwrap();
    let identity = config["identity"].as_table_mut().unwrap();
    identity.insert("certificate".into(), operator["certificate"].as_str().unwrap().into());
    identity.insert("key".into(), operator["key"].as_str().unwrap().into());
    identity.remove("consensus_key");
    fs::write(&refusal, config.to_string()).unwrap();
    let output = concordat_tests::run(&["node", "run", "--config", refusal.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("its role is operator; a node needs validator, observer or audit-node"), "{said}");
}

fn a_validator_that_sees_too_few_others_is_not_ready(network: &mut Network) {
    for node in [1, 2] {
        network.kill(node);
    }
    let ready = format!("{}/readyz", network.url(0, "operations"));
    network.wait("a validator without quorum is not ready", || get(&ready).0 == 503);
    assert_eq!(get(&format!("{}/healthz", network.url(0, "operations"))).0, 200, "but it is alive");
    for node in [1, 2] {
        network.start_node(node);
    }
    network.wait("ready again", || get(&ready).0 == 200);
    let said = concordat(&["genesis", "hash", network.info["genesis"].as_str().unwrap()]);
    assert_eq!(said["hash"], network.info["genesis_hash"]);
}
