//! The network that is measured: four real processes in a temporary folder, ended and removed with this value.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use eyre::{Result, WrapErr as _, bail, eyre};
use tempfile::TempDir;

use super::measure;
use crate::{client::Client, net::Network};

/// How long a node may take to start or to catch up.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long a node may take to end after SIGTERM.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// A network of processes that this program started.
pub struct Processes {
    /// What it consists of.
    pub network: Network,
    children: Vec<Option<Child>>,
    /// Removed last.
    home: TempDir,
}

impl Processes {
    /// Makes the certificates, keys, genesis and configuration of a network, without starting it.
    pub fn prepare(validators: u8, base_port: Option<u16>) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("concordat-bench.").tempdir()?;
        let folder = home.path().join("net");
        let port = match base_port {
            Some(port) => port,
            None => free_ports(u16::from(validators) * 10)?,
        };
        let made = Command::new(std::env::current_exe()?)
            .args(["--json", "net", "init", "--log", "warn", "--home"])
            .arg(&folder)
            .args(["--validators", &validators.to_string(), "--base-port", &port.to_string()])
            .output()?;
        if !made.status.success() {
            bail!("cannot make a network: {}", String::from_utf8_lossy(&made.stdout));
        }
        let network = Network::load(&folder)?;
        let children = network.nodes.iter().map(|_| None).collect();
        Ok(Self { network, children, home })
    }

    /// The network's folder.
    pub fn folder(&self) -> std::path::PathBuf {
        self.home.path().join("net")
    }

    /// Starts every node and waits until each has a block.
    pub fn start(&mut self) -> Result<()> {
        (0..self.children.len()).try_for_each(|node| self.start_node(node))?;
        (0..self.children.len()).try_for_each(|node| self.wait_for_height(node, 1))
    }

    /// Starts a node that is down.
    pub fn start_node(&mut self, node: usize) -> Result<()> {
        let about = &self.network.nodes[node];
        let log = File::options().create(true).append(true).open(&about.log)?;
        let child = Command::new(std::env::current_exe()?)
            .args(["node", "run", "--config"])
            .arg(&about.config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .wrap_err_with(|| format!("cannot start {}", about.name))?;
        self.children[node] = Some(child);
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(&mut self, node: usize) -> Result<()> {
        if let Some(mut child) = self.children[node].take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Where a node keeps what it has.
    pub fn data(&self, node: usize) -> std::path::PathBuf {
        self.network.nodes[node].config.with_file_name("data")
    }

    /// Where a node keeps its ledger.
    pub fn ledger(&self, node: usize) -> std::path::PathBuf {
        self.data(node).join("ledger")
    }

    /// Removes the ledger of a node that is down.
    pub fn empty(&self, node: usize) -> Result<()> {
        let folder = self.network.nodes[node].config.parent().unwrap_or(Path::new("")).join("data");
        fs::remove_dir_all(&folder).wrap_err_with(|| folder.display().to_string())
    }

    /// Waits until a node has reached a height. The end of its log tells why it has not.
    pub fn wait_for_height(&mut self, node: usize, height: u64) -> Result<()> {
        let client = Client::local(&self.network.nodes[node].ethereum);
        let until = Instant::now() + PATIENCE;
        while client.height().map_or(true, |have| have < height) {
            let ended = match &mut self.children[node] {
                Some(child) => child.try_wait()?.is_some(),
                None => true,
            };
            if ended || Instant::now() > until {
                let about = &self.network.nodes[node];
                let log = fs::read_to_string(&about.log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(10).collect();
                let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
                bail!("{} is not at height {height}; the end of its log:\n{tail}", about.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Process id of a node, if it runs.
    pub fn pid(&self, node: usize) -> Option<u32> {
        self.children.get(node)?.as_ref().map(Child::id)
    }

    /// Process ids of the nodes that run.
    pub fn pids(&self) -> Vec<u32> {
        self.children.iter().flatten().map(Child::id).collect()
    }

    /// The metrics of the running nodes, added up.
    pub fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        let mut sums = BTreeMap::new();
        for (node, _) in self.network.nodes.iter().zip(&self.children).filter(|(_, child)| child.is_some()) {
            let url = format!("{}/metrics", node.operations);
            let text = ureq::get(&url).call()?.body_mut().read_to_string()?;
            for (name, value) in measure::parse_metrics(&text) {
                *sums.entry(name).or_insert(0.0) += value;
            }
        }
        Ok(sums)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in self.children.iter().flatten() {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        }
        let until = Instant::now() + STOP_PATIENCE;
        for child in self.children.iter_mut().flatten() {
            while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port with `count` free ones from it on, below those that the system gives to clients.
pub(super) fn free_ports(count: u16) -> Result<u16> {
    let first = 20_000 + u16::try_from(std::process::id() % 100)? * 100;
    let free = |base: &u16| (*base..base + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    let mut candidates = (first..32_000 - count).step_by(usize::from(count));
    candidates
        .find(free)
        .ok_or_else(|| eyre!("no {count} free ports in a row on loopback; choose --base-port"))
}
