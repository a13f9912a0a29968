//! `concordat audit project`: fills the regulator's database.

use std::path::PathBuf;

use clap::Args;
use concordat_sql::{Options, Progress, Source};
use concordat_types::Genesis;
use eyre::{Result, WrapErr as _};
use serde_json::json;
use tempfile::TempDir;

use super::database::{DatabaseArgs, runtime};
use crate::{output, stop};

/// Where blocks come from.
#[derive(Args)]
pub struct SourceArgs {
    /// The data folder (`data` in its configuration) of a node on this machine, which may be running. It is only read.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The genesis document.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
}

impl SourceArgs {
    /// The source, and the folder in which the database keeps its log for as long as it is open.
    pub fn open(&self) -> Result<(Source, TempDir)> {
        let text = std::fs::read_to_string(&self.genesis)
            .wrap_err_with(|| format!("genesis {}", self.genesis.display()))?;
        let own = tempfile::tempdir()?;
        Ok((Source::open(&self.data, own.path(), &Genesis::from_json(&text)?)?, own))
    }
}

/// Arguments of `concordat audit project`.
#[derive(Args)]
pub struct ProjectArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    at: DatabaseArgs,
    /// End when the database has what the node has now, instead of going on.
    #[arg(long)]
    until_tip: bool,
}

/// Runs `concordat audit project`.
pub fn run(args: &ProjectArgs, json: bool) -> Result<()> {
    let database = args.at.database()?;
    let (mut source, _own) = args.source.open()?;
    let options = Options { until_tip: args.until_tip };
    let mut last = None;
    let mut tell = |progress: &Progress| {
        show(progress, json);
        last = Some(progress.clone());
    };
    runtime()?.block_on(async {
        concordat_sql::run(&database, &mut source, options, &stop::soon(), &mut tell).await
    })?;
    output::show(json, &json!(last), |_| {
        last.as_ref().map_or_else(String::new, |last| format!("the database stands at block {}", last.height))
    })
}

/// One line on standard error, of JSON for machines.
fn show(progress: &Progress, json: bool) {
    if json {
        eprintln!("{}", json!(progress));
        return;
    }
    let Progress { height, tip, blocks_per_second, transactions_per_second, .. } = progress;
    match (&progress.waiting, progress.seconds_left) {
        (Some(reason), _) => eprintln!("block {height} of {tip}; waiting: {reason}"),
        (None, Some(seconds)) => eprintln!(
            "block {height} of {tip}, {blocks_per_second} blocks/s, {transactions_per_second} tx/s, {seconds} s left"
        ),
        (None, None) => eprintln!("block {height} of {tip}"),
    }
}
