//! `concordat db`: looks after a stopped node's database.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use concordat_state::{CheckLevel, Prune, Store, StoreOptions};
use eyre::{Result, WrapErr as _};
use serde_json::json;

use crate::output::{self, FoundWrong};

/// Subcommands of `concordat db`.
#[derive(Subcommand)]
pub enum DbCommand {
    /// Read everything and compare it with its hashes; exit code 3 if something is damaged.
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
    /// Drop the history of old heights. Headers and commits always stay.
    Prune {
        #[command(flatten)]
        at: DataArgs,
        /// Heights whose past state stays readable.
        #[arg(long, value_name = "HEIGHTS")]
        keep_history: u64,
        /// Heights whose transactions and receipts stay; absent: all.
        #[arg(long, value_name = "HEIGHTS")]
        keep_bodies: Option<u64>,
    },
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
        DbCommand::Prune { at, keep_history, keep_bodies } => {
            let report = at.open()?.prune(Prune { keep_history, keep_bodies })?;
            output::show(json, &json!(report), |_| format!("pruned: {report:#?}"))
        }
    }
}
