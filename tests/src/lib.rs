//! A network of real processes for end-to-end tests: started, killed, restarted, asked.
//!
//! Nothing of ours is replaced here: the program is the one that users run, the keys and certificates are
//! made by its own commands, and nodes die by SIGKILL.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use alloy_primitives::{Address, Bytes};
use serde_json::{Value, json};
use tempfile::TempDir;

pub mod chain;
pub mod chaos;
pub mod clock;
pub mod committee;
pub mod disk;
pub mod history;
pub mod imagined;
pub mod liar;
pub mod load;
pub mod peer;
pub mod plans;
pub mod postgres;
pub mod pump;
pub mod relay;
pub mod skip;
pub mod supervision;
pub mod token;
pub mod vote;
pub mod wallet;

pub use wallet::Wallet;

/// How long anything may take before a test fails. Generous: tests never assert speed.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// This package's folder in the checkout whose tests run: checkouts that share a target folder share programs, so
/// that the place where this was compiled may be another one, or gone.
pub fn package() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// The program under test.
pub fn program() -> PathBuf {
    match std::env::var_os("CONCORDAT") {
        Some(path) => path.into(),
        // target/release/deps/<test> → target/release/concordat
        None => std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("concordat"),
    }
}

/// Runs the program and gives its JSON answer. Panics with both outputs if it fails.
pub fn concordat(args: &[&str]) -> Value {
    answer(Command::new(program()), args)
}

/// As [`concordat`], by a command of which the program's arguments are left out.
pub fn answer(program: Command, args: &[&str]) -> Value {
    let output = run_as(program, args);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "concordat {args:?} failed: {out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("concordat {args:?} printed no JSON ({e}): {out}"))
}

/// Runs the program with `--json`, whatever comes of it.
pub fn run(args: &[&str]) -> Output {
    run_as(Command::new(program()), args)
}

fn run_as(mut program: Command, args: &[&str]) -> Output {
    program.arg("--json").args(args).stdin(Stdio::null()).output().expect("the program runs")
}

/// A local network. Dropping it kills every node and removes its folder; with `CONCORDAT_KEEP` set, the
/// folder of a failed test stays.
pub struct Network {
    folder: TempDir,
    /// `network.json`.
    pub info: Value,
    nodes: Vec<Option<Child>>,
}

/// Ports are handed out from here on, so that networks of one test process do not collide.
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// A base port with `count` free ports above it.
pub fn free_ports(count: u16) -> u16 {
    // Each process starts elsewhere, below the range from which the system picks ports for clients.
    let own = 10_000 + (std::process::id() % 200) as u16 * 100;
    let _ = NEXT_PORT.compare_exchange(0, own, Ordering::SeqCst, Ordering::SeqCst);
    for _ in 0..200 {
        let base = NEXT_PORT.fetch_add(count, Ordering::SeqCst);
        let free = (base..base + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        if free {
            return base;
        }
    }
    panic!("no {count} free ports on loopback");
}

impl Network {
    /// Makes and starts a network.
    pub fn start(validators: usize) -> Self {
        Self::start_with(validators, &[])
    }

    /// Makes and starts a network with further arguments of `concordat net init`.
    pub fn start_with(validators: usize, more: &[&str]) -> Self {
        let mut network = Self::init(validators, more);
        network.start_all();
        network
    }

    /// Makes a network without starting it.
    pub fn init(validators: usize, more: &[&str]) -> Self {
        Self::init_as(Command::new(program()), validators, more)
    }

    /// Makes a network by a command of which the program's arguments are left out.
    pub fn init_as(program: Command, validators: usize, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("net");
        let port = free_ports(u16::try_from(validators).unwrap() * 10).to_string();
        let count = validators.to_string();
        let mut args = vec!["net", "init", "--home", home.to_str().unwrap(), "--validators", &count];
        args.extend(["--base-port", &port]);
        let filter = std::env::var("CONCORDAT_LOG").unwrap_or_else(|_| "info".into());
        args.extend(["--log", &filter]);
        args.extend(more);
        Self::of(folder, answer(program, &args))
    }

    /// A network that was made otherwise: its folder, and what `network.json` says of one.
    pub fn of(folder: TempDir, info: Value) -> Self {
        let nodes = info["nodes"].as_array().unwrap().iter().map(|_| None).collect();
        Self { folder, info, nodes }
    }

    /// The network's folder.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("net")
    }

    /// The description of a node.
    pub fn node(&self, node: usize) -> &Value {
        &self.info["nodes"][node]
    }

    /// The folder of a node.
    pub fn node_folder(&self, node: usize) -> PathBuf {
        Path::new(self.node(node)["config"].as_str().unwrap()).parent().unwrap().to_owned()
    }

    /// The URL of a node's interface: `ethereum`, `cometbft` or `operations`.
    pub fn url(&self, node: usize, interface: &str) -> String {
        self.node(node)[interface].as_str().unwrap().to_owned()
    }

    /// The description of an account, such as `bank-a/operator`.
    pub fn account(&self, name: &str) -> &Value {
        let accounts = self.info["accounts"].as_array().unwrap();
        accounts.iter().find(|account| account["name"] == name).unwrap_or_else(|| panic!("no account {name}"))
    }

    /// The address of an account.
    pub fn address(&self, name: &str) -> Address {
        self.account(name)["address"].as_str().unwrap().parse().unwrap()
    }

    /// Where a node listens for other nodes.
    pub fn p2p(&self, node: usize) -> SocketAddr {
        self.node(node)["p2p"].as_str().unwrap().parse().unwrap()
    }

    /// Changes the configuration of a node that does not run.
    pub fn configure(&self, node: usize, change: impl FnOnce(&mut toml::Table)) {
        let file = self.node(node)["config"].as_str().unwrap();
        let mut config: toml::Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
        change(&mut config);
        std::fs::write(file, config.to_string()).unwrap();
    }

    /// How many nodes there are.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Starts all nodes and waits until each has the first block.
    pub fn start_all(&mut self) {
        for node in 0..self.count() {
            self.start_node(node);
        }
        for node in 0..self.count() {
            self.wait_for_height(node, 1);
        }
    }

    /// Starts a node that is down.
    pub fn start_node(&mut self, node: usize) {
        self.start_node_as(node, Command::new(program()));
    }

    /// Starts a node that is down by a command of which the program's arguments are left out.
    pub fn start_node_as(&mut self, node: usize, mut command: Command) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.node(node)["log"].as_str().unwrap())
            .unwrap();
        let child = command
            .args(["node", "run", "--config", self.node(node)["config"].as_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.nodes[node] = Some(child);
    }

    /// SIGKILL.
    pub fn kill(&mut self, node: usize) {
        self.kill_together(&[node]);
    }

    /// SIGKILL to all of them before any is waited for.
    pub fn kill_together(&mut self, nodes: &[usize]) {
        let take = |node: &usize| self.nodes[*node].take().expect("the node runs");
        let mut children: Vec<Child> = nodes.iter().map(take).collect();
        children.iter_mut().for_each(|child| child.kill().unwrap());
        for mut child in children {
            child.wait().unwrap();
        }
    }

    /// How a node ended by itself; `None` while it runs.
    pub fn ended(&mut self, node: usize) -> Option<ExitStatus> {
        let status = self.nodes[node].as_mut().expect("the node was started").try_wait().unwrap()?;
        self.nodes[node] = None;
        Some(status)
    }

    /// Waits until a node ends by itself; its exit code.
    pub fn wait_for_end(&mut self, node: usize) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.ended(node) {
                Some(status) => return status.code(),
                None if Instant::now() > until => {
                    panic!("node {node} does not end; the end of its log:\n{}", self.log_tail(node, 25))
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// SIGTERM, and the exit code.
    pub fn terminate(&mut self, node: usize) -> Option<i32> {
        let pid = self.nodes[node].as_ref().expect("the node runs").id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.wait_for_end(node)
    }

    /// The node's log so far.
    pub fn log(&self, node: usize) -> String {
        std::fs::read_to_string(self.node(node)["log"].as_str().unwrap()).unwrap_or_default()
    }

    /// The last lines of the node's log.
    pub fn log_tail(&self, node: usize, lines: usize) -> String {
        let log = self.log(node);
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Keeps the network's folder for whoever looks into what went wrong.
    pub fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.home()
    }

    /// Calls an Ethereum method of a node.
    pub fn eth(&self, node: usize, method: &str, params: Value) -> Result<Value, Value> {
        call(&self.url(node, "ethereum"), method, params)
    }

    /// Calls a CometBFT method of a node.
    pub fn comet(&self, node: usize, method: &str, params: Value) -> Result<Value, Value> {
        call(&self.url(node, "cometbft"), method, params)
    }

    /// Submits a signed transaction; its hash, or the node's error.
    pub fn submit(&self, node: usize, raw: &Bytes) -> Result<String, Value> {
        let hash = self.eth(node, "eth_sendRawTransaction", json!([raw]))?;
        Ok(hash.as_str().unwrap().to_owned())
    }

    /// Submits a signed transaction and waits for its receipt.
    pub fn execute(&self, node: usize, raw: &Bytes) -> Value {
        let hash = self.submit(node, raw).unwrap_or_else(|e| panic!("node {node} refuses: {e}"));
        self.wait_for_receipt(node, &hash)
    }

    /// Waits until a node gives the receipt of a transaction.
    pub fn wait_for_receipt(&self, node: usize, hash: &str) -> Value {
        let mut receipt = Value::Null;
        self.wait(&format!("receipt of {hash} on node {node}"), || {
            receipt = self.eth(node, "eth_getTransactionReceipt", json!([hash])).unwrap_or_default();
            !receipt.is_null()
        });
        receipt
    }

    /// A node's metric, all its series added up; zero if there is none.
    pub fn metric(&self, node: usize, name: &str) -> f64 {
        let (_, text) = get(&format!("{}/metrics", self.url(node, "operations")));
        let series = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The value of a node's series with exactly these labels; zero if there is none.
    pub fn counted(&self, node: usize, series: &str) -> u64 {
        let (_, text) = get(&format!("{}/metrics", self.url(node, "operations")));
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.trim().parse::<f64>().unwrap() as u64)
    }

    /// A node's height; `None` while it does not answer.
    pub fn height(&self, node: usize) -> Option<u64> {
        let height = self.eth(node, "eth_blockNumber", json!([])).ok()?;
        u64::from_str_radix(height.as_str()?.trim_start_matches("0x"), 16).ok()
    }

    /// Waits until a node has reached a height.
    pub fn wait_for_height(&self, node: usize, height: u64) {
        let what = format!("node {node} at height {height}");
        self.wait(&what, || self.height(node).is_some_and(|have| have >= height));
    }

    /// Waits for a condition. Panics with every node's log if it does not come.
    pub fn wait(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !condition() {
            if Instant::now() > until {
                for node in 0..self.nodes.len() {
                    let state = self.comet(node, "consensus_state", json!({}));
                    eprintln!("--- node {node}: {}", state.unwrap_or_else(|e| e));
                    eprintln!("{}", self.log_tail(node, 25));
                }
                panic!("waited {} s in vain for: {what}", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Enrols an account through a node.
    pub fn enrol(&self, name: &str, node: usize) -> Value {
        let account = self.account(name);
        let certificate = account["certificate"].as_str().unwrap().to_owned();
        self.with_key(name, node, &["account", "enrol", "--certificate", &certificate])
    }

    /// Runs a command of the program with the passphrase of all keys.
    pub fn with_passphrase(&self, args: &[&str]) -> Value {
        concordat(&[args, &["--passphrase-file", self.info["passphrase_file"].as_str().unwrap()]].concat())
    }

    /// Runs a command of the program with an account's key and a node's interface.
    pub fn with_key(&self, name: &str, node: usize, args: &[&str]) -> Value {
        let output = self.try_with_key(name, node, args);
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{args:?} as {name} failed: {out}");
        serde_json::from_str(&out).unwrap()
    }

    /// As [`Self::with_key`], whatever comes of it.
    pub fn try_with_key(&self, name: &str, node: usize, args: &[&str]) -> Output {
        let account = self.account(name);
        let url = self.url(node, "ethereum");
        let passphrase = self.info["passphrase_file"].as_str().unwrap();
        let mut all: Vec<&str> = args.to_vec();
        all.extend(["--key", account["key"].as_str().unwrap()]);
        all.extend(["--passphrase-file", passphrase, "--rpc", &url]);
        run(&all)
    }

    /// `concordat verify` against a node.
    pub fn verify(&self, node: usize, more: &[&str]) -> Value {
        let output = self.verify_at(&self.url(node, "cometbft"), more);
        assert!(output.status.success(), "{more:?}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// `concordat verify` against whoever answers at a URL, whatever comes of it.
    pub fn verify_at(&self, url: &str, more: &[&str]) -> Output {
        let genesis = self.info["genesis"].as_str().unwrap();
        run(&[&["verify", "--genesis", genesis, "--comet", url], more].concat())
    }
}

/// The error with which a command of an account ends, asked of node 0. Panics if it is not refused.
pub fn refused(network: &Network, account: &str, args: &[&str]) -> String {
    let output = network.try_with_key(account, 0, args);
    assert!(!output.status.success(), "{args:?} as {account} was not refused");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Drop for Network {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() && std::env::var_os("CONCORDAT_KEEP").is_some() {
            eprintln!("the network's files stay in {}", self.keep().display());
        }
    }
}

/// One JSON-RPC call over HTTP. The error is the JSON-RPC error object, or a text if nobody answers.
pub fn call(url: &str, method: &str, params: Value) -> Result<Value, Value> {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let (_, text) = post(url, request.to_string().as_bytes()).map_err(|e| json!(e.to_string()))?;
    let answer: Value = serde_json::from_str(&text).map_err(|_| json!(text))?;
    match answer.get("error") {
        Some(error) if !error.is_null() => Err(error.clone()),
        _ => Ok(answer["result"].clone()),
    }
}

/// A batch of JSON-RPC calls: the answers in the order of the calls, or a text if nobody answers.
pub fn call_all<'a>(
    url: &str,
    calls: impl Iterator<Item = (&'a str, Value)>,
) -> Result<Vec<Result<Value, Value>>, Value> {
    let request = |(id, (method, params)): (usize, (&str, Value))| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    let batch: Vec<Value> = calls.enumerate().map(request).collect();
    let (_, text) = post(url, json!(batch).to_string().as_bytes()).map_err(|e| json!(e.to_string()))?;
    let answers: Vec<Value> = serde_json::from_str(&text).map_err(|_| json!(text))?;
    let mut by_id: Vec<Result<Value, Value>> = vec![Err(json!("no answer")); batch.len()];
    for answer in answers {
        let place = answer["id"].as_u64().and_then(|id| by_id.get_mut(usize::try_from(id).ok()?));
        if let Some(place) = place {
            *place = match answer.get("error") {
                Some(error) if !error.is_null() => Err(error.clone()),
                _ => Ok(answer["result"].clone()),
            };
        }
    }
    Ok(by_id)
}

/// Posts bytes as JSON: HTTP status and body.
pub fn post(url: &str, body: &[u8]) -> Result<(u16, String), ureq::Error> {
    let mut response = agent().post(url).header("content-type", "application/json").send(body)?;
    Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
}

/// Gets a page: HTTP status and body.
pub fn get(url: &str) -> (u16, String) {
    let mut response = agent().get(url).call().unwrap_or_else(|e| panic!("{url}: {e}"));
    (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(15)));
    config.http_status_as_error(false).build().into()
}
