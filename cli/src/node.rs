//! `concordat node`: write a configuration, run a node.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use concordat_node::{NodeConfig, NodeKeys, RunningNode, config::TEMPLATE};
use concordat_pki_authority::PrivateKey;
use concordat_types::Genesis;
use eyre::{Result, WrapErr as _, bail};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::{arenas, keys, output};

/// Threads of the node's asynchronous runtime.
const RUNTIME_THREADS: usize = 2;

/// Subcommands of `concordat node`.
#[derive(Subcommand)]
pub enum NodeCommand {
    /// Write a documented configuration file into a folder.
    Init {
        /// The node's folder.
        #[arg(long, default_value = ".")]
        home: PathBuf,
    },
    /// Begin a stopped validator's vote guard by hand: the record of what its consensus key has signed.
    ///
    /// A validator without its guard abstains until the network has decided a block that was made after its
    /// start. Where that cannot happen, because more than a third of the validators are without, somebody must
    /// say what the keys have signed: nothing on a network that has never run, or nothing above a height.
    Guard(GuardArgs),
    /// Run a node until SIGTERM or Ctrl-C.
    Run {
        /// The configuration file.
        #[arg(long, default_value = "concordat.toml")]
        config: PathBuf,
    },
}

/// Arguments of `concordat node guard`.
#[derive(Args)]
pub struct GuardArgs {
    /// The configuration file.
    #[arg(long, default_value = "concordat.toml")]
    config: PathBuf,
    /// The key is new: it has never signed anything, anywhere.
    #[arg(long, required_unless_present = "signed_up_to", conflicts_with = "signed_up_to")]
    never_signed: bool,
    /// Vote above this height only: the newest block that any member has, once the network stands still.
    #[arg(long, value_name = "HEIGHT", requires = "accept_risk")]
    signed_up_to: Option<u64>,
    /// Confirms the risk: if the key has signed above that height, the validator may contradict itself. Every
    /// member can prove that, and if more than a third of the power does so, two blocks can become final at
    /// one height.
    #[arg(long)]
    accept_risk: bool,
}

/// Runs `concordat node`.
pub fn run(command: NodeCommand, json: bool) -> Result<()> {
    match command {
        NodeCommand::Init { home } => init(&home, json),
        NodeCommand::Guard(args) => begin_guard(&args, json),
        NodeCommand::Run { config } => {
            arenas::limit();
            run_node(&config, json)
        }
    }
}

fn init(home: &Path, json: bool) -> Result<()> {
    fs::create_dir_all(home).wrap_err_with(|| home.display().to_string())?;
    let file = home.join("concordat.toml");
    if file.exists() {
        bail!("{} exists already; edit it, or choose another --home", file.display());
    }
    fs::write(&file, TEMPLATE)?;
    output::show(json, &json!({ "config": file }), |_| {
        format!(
            "wrote {}\nNext: put genesis.json, node.crt, node.key, consensus.key and passphrase beside it \
             (docs/operator.md). A validator whose consensus key is new: `concordat node guard --never-signed \
             --config {}`. Then `concordat node run --config {}`",
            file.display(),
            file.display(),
            file.display()
        )
    })
}

fn begin_guard(args: &GuardArgs, json: bool) -> Result<()> {
    let data = NodeConfig::load(&args.config)?.data;
    if args.never_signed && data.join("ledger").exists() {
        bail!(
            "{} holds a ledger, so this node has run: its key may have signed. Let it abstain, or see \
             --signed-up-to",
            data.display()
        );
    }
    let height = args.signed_up_to.unwrap_or(0);
    concordat_node::begin_guard(&data, height)?;
    output::show(json, &json!({ "data": data, "votes_above": height }), |_| {
        format!("the guard in {} is begun: this validator votes above height {height}", data.display())
    })
}

fn run_node(path: &Path, json: bool) -> Result<()> {
    let config = NodeConfig::load(path)?;
    concordat_monitoring::init_log(&config.log.filter, config.log.format)?;
    let text = fs::read_to_string(&config.genesis)
        .wrap_err_with(|| format!("genesis {}", config.genesis.display()))?;
    let genesis = Genesis::from_json(&text).wrap_err_with(|| config.genesis.display().to_string())?;
    let keys = read_keys(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .thread_name("node")
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let node = concordat_node::start(&config, genesis, keys).await?;
        announce(&node, json)?;
        until_told(node).await
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    ended
}

fn announce(node: &RunningNode, json: bool) -> Result<()> {
    let endpoints = node.endpoints();
    tracing::info!(
        p2p = %endpoints.p2p,
        ethereum = ?endpoints.ethereum,
        cometbft = ?endpoints.cometbft,
        operations = %endpoints.operations,
        height = node.height(),
        "running"
    );
    if json {
        println!("{}", serde_json::to_string(endpoints)?);
    }
    Ok(())
}

/// Runs until a signal, or until consensus or an interface ends for good.
async fn until_told(mut node: RunningNode) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let failure = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        error = node.failed() => Some(error),
    };
    node.stop().await;
    match failure {
        None => Ok(()),
        Some(error) => Err(error.into()),
    }
}

fn read_keys(config: &NodeConfig) -> Result<NodeKeys> {
    let identity = &config.identity;
    let passphrase =
        keys::passphrase(Some(&identity.passphrase_file), ("passphrase", "identity.passphrase_file"))?;
    let open =
        |path: &Path| PrivateKey::read(path, &passphrase).wrap_err_with(|| format!("key {}", path.display()));
    let tls_key = |path: &Path| -> Result<PrivateKeyDer<'static>> {
        Ok(PrivatePkcs8KeyDer::from(open(path)?.to_pkcs8_der()?.to_vec()).into())
    };
    let node_chain = keys::certificates(&identity.certificate)?;
    let consensus_key = || identity.consensus_key.as_deref().map(|path| Ok(*open(path)?.raw_secret()?));
    // A passphrase takes a quarter of a second for each: a validator that restarts is waited for.
    std::thread::scope(|scope| {
        let consensus_seed = scope.spawn(|| consensus_key().transpose());
        let server = match (&identity.server_certificate, &identity.server_key) {
            (Some(chain), Some(key)) => {
                let chain = keys::certificates(chain)?.into_iter().map(CertificateDer::from).collect();
                Some((chain, tls_key(key)?))
            }
            (None, None) => None,
            _ => bail!("identity.server_certificate and identity.server_key go together; one is missing"),
        };
        let node_key = tls_key(&identity.key)?;
        let consensus_seed = consensus_seed.join().unwrap_or_else(|_| bail!("opening a key panicked"))?;
        Ok(NodeKeys { node_chain, node_key, consensus_seed, server })
    })
}
