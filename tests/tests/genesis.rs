//! Networks as people make them: several parties with one document, and one command on one machine. Beside the
//! validators there are nodes that never vote.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use concordat_tests::{Network, call, chain, concordat, free_ports, get, program, run};
use serde_json::{Value, json};

const BANKS: [&str; 4] = ["bank-a", "bank-b", "bank-c", "bank-d"];
const REGULATOR: &str = "central-bank";
/// Places of the nodes that do not vote, after the banks' validators.
const OBSERVER: usize = 4;
const AUDIT_NODE: usize = 5;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An organisation on a machine of its own: authority, passphrase, nodes.
struct Party {
    org: &'static str,
    folder: PathBuf,
    passphrase: PathBuf,
}

impl Party {
    fn new(home: &Path, org: &'static str) -> Self {
        let folder = home.join(org);
        fs::create_dir_all(&folder).unwrap();
        let party = Self { org, passphrase: folder.join("passphrase"), folder };
        fs::write(&party.passphrase, format!("the secret of {org}")).unwrap();
        fs::set_permissions(&party.passphrase, fs::Permissions::from_mode(0o600)).unwrap();
        party.pki(&["init-ca", "--org", org, "--dir", text(&party.path("ca"))]);
        party
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn pki(&self, args: &[&str]) {
        concordat(&[&["pki"], args, &["--passphrase-file", text(&self.passphrase)]].concat());
    }

    /// A key and its certificate, `STEM.key` and `STEM.crt`.
    fn issue(&self, role: &str, stem: &Path, more: &[&str]) -> PathBuf {
        let (key, certificate) = (stem.with_extension("key"), stem.with_extension("crt"));
        let ca = self.path("ca");
        let whom = ["issue", "--ca", text(&ca), "--role", role, "--name", role];
        let files = ["--key-out", text(&key), "--out", text(&certificate)];
        let secret = ["--key-passphrase-file", text(&self.passphrase)];
        self.pki(&[&whom[..], &files, &secret, more].concat());
        certificate
    }

    /// A node's folder with its documented configuration, certificate and passphrase.
    fn node(&self, role: &str) -> PathBuf {
        let folder = self.path(role);
        let said = concordat(&["node", "init", "--home", text(&folder)]);
        assert_eq!(said["config"], json!(folder.join("concordat.toml")));
        self.issue(role, &folder.join("node"), &["--san", "ip:127.0.0.1"]);
        fs::copy(&self.passphrase, folder.join("passphrase")).unwrap();
        folder
    }

    /// `concordat genesis part`: the file.
    fn part(&self, more: &[&str]) -> PathBuf {
        let (ca, out) = (self.path("ca/root/ca.crt"), self.path("part.json"));
        let name = self.org.to_uppercase();
        let who = ["genesis", "part", "--org", self.org, "--name", &name];
        concordat(&[&who[..], &["--ca", text(&ca), "--out", text(&out)], more].concat());
        out
    }

    /// A bank's validator and part.
    fn validator_and_part(&self, port: u16) -> PathBuf {
        let folder = self.node("validator");
        let consensus = self.issue("consensus", &folder.join("consensus"), &[]);
        let node = folder.join("node.crt");
        let spec = format!("{},{},127.0.0.1:{port},10", text(&node), text(&consensus));
        self.part(&["--validator", &spec])
    }
}

/// All parties, and what they have made together.
struct Ceremony {
    banks: Vec<Party>,
    regulator: Party,
    genesis: PathBuf,
    base_port: u16,
}

impl Ceremony {
    fn hold(home: &Path) -> Self {
        let base_port = free_ports(10 * 6);
        let banks = BANKS.map(|org| Party::new(home, org));
        let mut parts: Vec<PathBuf> =
            (0..).zip(&banks).map(|(at, bank)| bank.validator_and_part(base_port + at * 10)).collect();
        let regulator = Party::new(home, REGULATOR);
        parts.push(regulator.part(&["--role", "regulator", "--role", "audit-node"]));
        let genesis = assembled_in_any_order_it_has_one_hash(home, &parts);
        Self { banks: banks.into(), regulator, genesis, base_port }
    }

    /// The network's description, with the nodes' configurations written.
    fn describe(&self) -> Value {
        let mut folders: Vec<PathBuf> = self.banks.iter().map(|bank| bank.path("validator")).collect();
        folders.extend([self.banks[0].node("observer"), self.regulator.node("audit-node")]);
        let nodes: Vec<Value> =
            (0..).zip(&folders).map(|(place, folder)| self.configure(folder, place)).collect();
        let certificate = self.banks[0].issue("operator", &self.banks[0].path("operator"), &[]);
        let said = concordat(&["genesis", "hash", text(&self.genesis)]);
        json!({
            "chain_id": said["chain_id"],
            "genesis_hash": said["hash"],
            "genesis": self.genesis,
            "passphrase_file": self.banks[0].passphrase,
            "nodes": nodes,
            "accounts": [{
                "name": "bank-a/operator",
                "key": certificate.with_extension("key"),
                "certificate": certificate,
            }],
        })
    }

    fn configure(&self, folder: &Path, place: u16) -> Value {
        let at = |offset: u16| format!("127.0.0.1:{}", self.base_port + place * 10 + offset);
        let file = folder.join("concordat.toml");
        let mut config: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
        fs::copy(&self.genesis, folder.join("genesis.json")).unwrap();
        config["p2p"]["listen"] = at(0).into();
        let validators = (0..4).filter(|other| *other != place);
        let peers = validators.map(|other| format!("127.0.0.1:{}", self.base_port + other * 10).into());
        config["p2p"]["peers"] = toml::Value::Array(peers.collect());
        config["rpc"]["ethereum"]["address"] = at(1).into();
        config["rpc"]["cometbft"]["address"] = at(2).into();
        config["operations"]["listen"] = at(3).into();
        fs::write(&file, config.to_string()).unwrap();
        json!({
            "config": file,
            "log": folder.join("node.log"),
            "p2p": at(0),
            "ethereum": format!("http://{}", at(1)),
            "cometbft": format!("http://{}", at(2)),
            "operations": format!("http://{}", at(3)),
        })
    }
}

fn assembled_in_any_order_it_has_one_hash(home: &Path, parts: &[PathBuf]) -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (time, later) = (now.to_string(), (now + 1).to_string());
    let assemble = |parts: &[&PathBuf], time: &str, name: &str| {
        let out = home.join(name);
        let chain = ["genesis", "assemble", "--chain-id", "consortium", "--evm-chain-id", "4711"];
        let rest = ["--time", time, "--empty-block-interval-ms", "300", "--out", text(&out)];
        let parts: Vec<&str> = parts.iter().map(|part| text(part)).collect();
        let said = concordat(&[&chain[..], &rest, &parts].concat());
        assert_eq!(said["validators"], json!(BANKS.len()), "{said}");
        (said["hash"].clone(), out)
    };
    let forwards: Vec<&PathBuf> = parts.iter().collect();
    let backwards: Vec<&PathBuf> = parts.iter().rev().collect();
    let (hash, file) = assemble(&forwards, &time, "genesis.json");
    let (same, other) = assemble(&backwards, &time, "genesis-of-another-member.json");
    assert_eq!(hash, same);
    assert_eq!(fs::read(&file).unwrap(), fs::read(other).unwrap());
    assert_ne!(hash, assemble(&forwards, &later, "genesis-of-another-time.json").0);
    file
}

#[test]
fn banks_and_a_regulator_start_a_chain_that_only_banks_decide() {
    let folder = tempfile::tempdir().unwrap();
    let ceremony = Ceremony::hold(folder.path());
    let info = ceremony.describe();
    let mut network = Network::of(folder, info);
    nodes_with_the_wrong_keys_are_refused_at_start(&network, &ceremony);
    for node in 0..BANKS.len() {
        let config = network.node(node)["config"].as_str().unwrap();
        concordat(&["node", "guard", "--never-signed", "--config", config]);
        network.start_node(node);
    }
    for node in 0..BANKS.len() {
        network.wait_for_height(node, 3);
    }
    for node in [OBSERVER, AUDIT_NODE] {
        network.start_node(node);
        network.wait_for_height(node, 3);
    }
    everybody_sees_what_an_account_does_through_an_observer(&network);
    who_does_not_vote_is_in_no_commit(&network);
    chain::assert_no_double_signing(&network);
}

/// A validator without a consensus key, and other nodes with one: as `node init` leaves the configuration, all
/// have one.
fn nodes_with_the_wrong_keys_are_refused_at_start(network: &Network, ceremony: &Ceremony) {
    let refused = |node: usize| {
        let output = run(&["node", "run", "--config", network.node(node)["config"].as_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    };
    let remove = |config: &mut toml::Table| {
        config["identity"].as_table_mut().unwrap().remove("consensus_key");
    };
    let voter = ceremony.banks[0].path("validator/consensus.key");
    let auditor = ceremony.regulator.issue("consensus", &ceremony.regulator.path("consensus"), &[]);
    for (node, key, role) in
        [(OBSERVER, voter, "observer"), (AUDIT_NODE, auditor.with_extension("key"), "audit-node")]
    {
        fs::copy(key, network.node_folder(node).join("consensus.key")).unwrap();
        let words = format!("certificate says {role}, which never votes; remove the key");
        let said = refused(node);
        assert!(said.contains(&words), "{said}");
        network.configure(node, remove);
    }
    let file = network.node(0)["config"].as_str().unwrap();
    let whole = fs::read(file).unwrap();
    network.configure(0, remove);
    let said = refused(0);
    assert!(said.contains("a validator needs one; none is configured"), "{said}");
    fs::write(file, whole).unwrap();
    fs::remove_dir_all(network.node_folder(0).join("data")).unwrap();
}

fn everybody_sees_what_an_account_does_through_an_observer(network: &Network) {
    let enrolled = network.enrol("bank-a/operator", OBSERVER);
    let hash = enrolled["transaction"].as_str().unwrap();
    for node in 0..network.count() {
        let receipt = network.wait_for_receipt(node, hash);
        assert_eq!(receipt["blockNumber"], enrolled["block"], "node {node}");
    }
    chain::assert_one_chain(network);
}

fn who_does_not_vote_is_in_no_commit(network: &Network) {
    let validators = network.comet(AUDIT_NODE, "validators", json!({})).unwrap();
    assert_eq!(validators["total"], json!("4"), "{validators}");
    let members: Vec<&Value> =
        validators["validators"].as_array().unwrap().iter().map(|member| &member["address"]).collect();
    for node in [OBSERVER, AUDIT_NODE] {
        let status = network.comet(node, "status", json!({})).unwrap();
        assert_eq!(status["validator_info"]["voting_power"], json!("0"), "{status}");
        let ready = format!("{}/readyz", network.url(node, "operations"));
        network.wait("a node that does not vote is ready", || get(&ready).0 == 200);
        let said: Value = serde_json::from_str(&get(&ready).1).unwrap();
        assert_eq!((&said["votes"], &said["peers"]), (&json!(false), &json!(4)), "{said}");
        for height in 1..=network.height(node).unwrap() {
            let commit = network.comet(node, "commit", json!({ "height": height.to_string() })).unwrap();
            let signatures = commit["signed_header"]["commit"]["signatures"].as_array().unwrap();
            assert_eq!(signatures.len(), BANKS.len(), "block {height}");
            let signers = signatures.iter().map(|entry| &entry["validator_address"]);
            let mut signers = signers.filter(|address| **address != json!(""));
            assert!(signers.all(|address| members.contains(&address)), "block {height}: {commit}");
        }
        network.verify(node, &["--every"]);
    }
}

/// `net up`, ended at the latest with the test.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
            let _ = self.0.wait();
        }
    }
}

#[test]
fn net_up_tells_programs_in_one_line_where_the_network_is() {
    let folder = tempfile::tempdir().unwrap();
    let (home, port) = (folder.path().join("net"), free_ports(30).to_string());
    let size = ["--validators", "2", "--observers", "1", "--empty-block-interval-ms", "300"];
    let child = Command::new(program())
        .args(["--json", "net", "up", "--home", text(&home), "--base-port", &port])
        .args(size)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = Up(child);
    let mut said = BufReader::new(up.0.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let nodes = told["nodes"].as_array().unwrap();
    let roles: Vec<&str> = nodes.iter().map(|node| node["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["validator", "validator", "observer"]);
    let running = |node: &Value| Path::new(&format!("/proc/{}", node["pid"].as_u64().unwrap())).exists();
    for node in nodes {
        let height = call(node["ethereum"].as_str().unwrap(), "eth_blockNumber", json!([])).unwrap();
        assert!(concordat_tests::history::quantity(&height) >= 1, "{height}");
        assert!(running(node), "{node}");
        has_an_arena_a_core(node["pid"].as_u64().unwrap());
    }

    assert!(Command::new("kill").args(["-TERM", &up.0.id().to_string()]).status().unwrap().success());
    assert_eq!(up.0.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "there is more than one line");
    assert!(!nodes.iter().any(running), "a node outlives the network");
    let kept: Value = serde_json::from_slice(&fs::read(home.join("network.json")).unwrap()).unwrap();
    assert!(kept["nodes"].as_array().unwrap().iter().all(|node| node["pid"].is_null()), "{kept}");
    a_network_that_is_there_is_not_made_anew(&home);
}

/// Flags that would need another genesis document, or other configurations, are refused and change nothing.
fn a_network_that_is_there_is_not_made_anew(home: &Path) {
    let before = fs::read(home.join("network.json")).unwrap();
    for (flag, asked, made) in [
        ("--validators", "3", "2"),
        ("--observers", "0", "1"),
        ("--empty-block-interval-ms", "500", "300"),
        ("--log", "debug", "info"),
    ] {
        let output = run(&["net", "up", "--home", text(home), flag, asked]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let words = [format!("{flag} {asked}, where it has {made}"), "another --home".into()];
        assert!(words.iter().all(|words| said.contains(words)), "{said}");
    }
    assert_eq!(fs::read(home.join("network.json")).unwrap(), before);
}

/// The process that was started has begun once more, with the number in its environment.
fn has_an_arena_a_core(pid: u64) {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let wanted = format!("MALLOC_ARENA_MAX={}", std::thread::available_parallelism().unwrap());
    assert!(
        environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()),
        "{wanted} is missing"
    );
}
