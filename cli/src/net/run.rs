//! Running a local network: one child process per node, ended with this one.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use eyre::{Result, WrapErr as _, bail};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{NetArgs, Network, layout, made};
use crate::{client::Client, output};

/// How long all nodes may take to agree on the first block.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long a node may take to end after SIGTERM.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// Makes the network if needed, starts every node, waits for the first block, and runs until told.
pub fn up(args: &NetArgs, json: bool) -> Result<()> {
    let fresh = !args.home.join("network.json").exists();
    let mut network = if fresh { layout::create(args, json)? } else { made::load(args)? };
    let mut nodes = Nodes::start(&mut network)?;
    network.save(&args.home)?;
    output::progress(json, "waiting for the first block ...");
    wait_for_blocks(&network, &mut nodes)?;
    if json {
        // One line, so that whoever started us can read until the line's end.
        println!("{}", json!(network));
    } else {
        println!("{}\nup; Ctrl-C ends it", network.describe());
    }
    let ended = wait(&mut nodes);
    nodes.stop();
    for node in &mut network.nodes {
        node.pid = None;
    }
    network.save(&args.home)?;
    ended
}

/// The running nodes. Dropping it kills what still runs.
struct Nodes(Vec<(String, Child)>);

impl Nodes {
    fn start(network: &mut Network) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut nodes = Self(Vec::new());
        for node in &mut network.nodes {
            let log = File::options().create(true).append(true).open(&node.log)?;
            let child = Command::new(&program)
                .args(["node", "run", "--config"])
                .arg(&node.config)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()
                .wrap_err_with(|| format!("cannot start {}", node.name))?;
            node.pid = Some(child.id());
            nodes.0.push((node.name.clone(), child));
        }
        Ok(nodes)
    }

    /// The name of a node that has ended, if any.
    fn ended(&mut self) -> Option<String> {
        let mut nodes = self.0.iter_mut();
        nodes.find_map(|(name, child)| matches!(child.try_wait(), Ok(Some(_))).then(|| name.clone()))
    }

    /// SIGTERM to all, then patience, then SIGKILL.
    fn stop(&mut self) {
        for (_, child) in &mut self.0 {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        }
        let until = Instant::now() + STOP_PATIENCE;
        for (_, child) in &mut self.0 {
            while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for (_, child) in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait_for_blocks(network: &Network, nodes: &mut Nodes) -> Result<()> {
    let until = Instant::now() + START_PATIENCE;
    for node in &network.nodes {
        let client = Client::local(&node.ethereum);
        while client.height().unwrap_or(0) == 0 {
            if let Some(name) = nodes.ended() {
                bail!("{name} ended; the end of its log:\n{}", log_tail(network, &name));
            }
            if Instant::now() > until {
                let log = log_tail(network, &node.name);
                bail!(
                    "no block after {} s; the end of {}'s log:\n{log}",
                    START_PATIENCE.as_secs(),
                    node.name
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

fn log_tail(network: &Network, name: &str) -> String {
    let log = network.nodes.iter().find(|node| node.name == name).map(|node| node.log.as_path());
    let text = fs::read_to_string(log.unwrap_or(Path::new(""))).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n")
}

/// Until a signal. A node that ends by itself is reported once; killing and restarting nodes by hand is
/// what such a network is for.
fn wait(nodes: &mut Nodes) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut reported = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
            }
            if let Some(name) = nodes.ended().filter(|_| !reported) {
                tracing::warn!(%name, "a node has ended");
                eprintln!("{name} has ended; the others go on");
                reported = true;
            }
        }
    })
}
