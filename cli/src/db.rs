//! `concordat db`: looks after a stopped node's database.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use concordat_light::LightClient;
use concordat_node::ledger::import_snapshot;
use concordat_state::{CheckLevel, Prune, Store, StoreOptions, snapshot::Manifest};
use concordat_types::Genesis;
use eyre::{Result, WrapErr as _};
use serde_json::json;

use crate::{
    client::TlsArgs,
    output::{self, FoundWrong},
};

/// Subcommands of `concordat db`.
#[derive(Subcommand)]
pub enum DbCommand {
    /// Compare the newest state with the root that its block committed, with --full everything that is stored; exit code 3
    /// if something is damaged.
    Check {
        #[command(flatten)]
        at: DataArgs,
        /// Also read every block, receipt and index entry.
        #[arg(long)]
        full: bool,
    },
    /// What the database holds and how large it is.
    Stats {
        #[command(flatten)]
        at: DataArgs,
    },
    /// Write the state at the newest height into a folder, for a new node to join from.
    Export {
        #[command(flatten)]
        at: DataArgs,
        /// The folder; must be empty or absent.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Fill an empty node's database from an exported state, verified against a running network.
    Import(ImportArgs),
    /// Drop the history of old heights. Headers and commits always stay.
    Prune {
        #[command(flatten)]
        at: DataArgs,
        /// Heights whose past state stays readable.
        #[arg(long, value_name = "HEIGHTS")]
        keep_history: u64,
        /// Heights whose transactions and receipts stay, at least 16: the newest say which validators are active.
        /// Absent: all.
        #[arg(long, value_name = "HEIGHTS", value_parser = clap::value_parser!(u64).range(16..))]
        keep_bodies: Option<u64>,
    },
}

/// Arguments of `concordat db import`.
#[derive(Args)]
pub struct ImportArgs {
    #[command(flatten)]
    at: DataArgs,
    /// The exported folder.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The genesis document, compared with the other members.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// CometBFT RPC of any node: its headers are verified from the genesis document on.
    #[arg(long, value_name = "URL")]
    comet: String,
    #[command(flatten)]
    tls: TlsArgs,
}

/// Where the database is.
#[derive(Args)]
pub struct DataArgs {
    /// The node's data folder (`data` in its configuration).
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

impl DataArgs {
    fn open(&self) -> Result<Store> {
        let path = self.data.join("ledger");
        // Opening creates what is missing; a mistyped path must not.
        std::fs::metadata(&path).wrap_err_with(|| format!("no ledger in {}", Path::display(&self.data)))?;
        Ok(Store::open(&path, &StoreOptions::default())?)
    }
}

/// Runs `concordat db`.
pub fn run(command: DbCommand, json: bool) -> Result<()> {
    match command {
        DbCommand::Check { at, full } => {
            output::progress(json, "rebuilding the state tree and comparing its root ...");
            let level = if full { CheckLevel::Full } else { CheckLevel::Quick };
            let report = at.open()?.check(level).map_err(|error| FoundWrong(error.to_string()))?;
            output::show(json, &report, |report| format!("sound: {report:#?}"))
        }
        DbCommand::Stats { at } => output::show(json, &at.open()?.stats()?, |stats| format!("{stats:#?}")),
        DbCommand::Export { at, out } => {
            let manifest = at.open()?.export_snapshot(&out)?;
            output::show(json, &manifest, |manifest| {
                format!(
                    "exported {} keys after block {}, state root {}; check the importing side with `concordat db import`",
                    manifest.keys, manifest.height, manifest.state_root
                )
            })
        }
        DbCommand::Import(args) => import(&args, json),
        DbCommand::Prune { at, keep_history, keep_bodies } => {
            let report = at.open()?.prune(Prune { keep_history, keep_bodies })?;
            output::show(json, &json!(report), |_| format!("pruned: {report:#?}"))
        }
    }
}

/// Verifies the header after the snapshot's height with the light client, then everything else against it.
fn import(args: &ImportArgs, json: bool) -> Result<()> {
    let manifest = std::fs::read_to_string(args.from.join("manifest.json"))
        .wrap_err_with(|| format!("no snapshot in {}", args.from.display()))?;
    let claimed: Manifest =
        serde_json::from_str(&manifest).wrap_err("the snapshot's manifest is malformed")?;
    let genesis = Genesis::from_json(&std::fs::read_to_string(&args.genesis)?)?;
    // The next header signs the snapshot's state.
    let signed_at = claimed.height.saturating_add(1);
    output::progress(json, format!("verifying header {signed_at} from the genesis document on ..."));
    let mut client = LightClient::start(&genesis, args.tls.connect(&args.comet)?)?;
    let next = client.header_at(signed_at)?.header;
    let path = args.at.data.join("ledger");
    std::fs::create_dir_all(&path)?;
    let store = Store::open(&path, &StoreOptions::default())?;
    output::progress(json, format!("importing {} keys ...", claimed.keys));
    let height = import_snapshot(&args.from, &store, &genesis, &next)?;
    let said = json!({ "height": height, "state_root": claimed.state_root, "keys": claimed.keys });
    output::show(json, &said, |_| {
        format!("the node stands at block {height}; start it, and it syncs the rest")
    })
}
