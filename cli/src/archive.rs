//! `concordat archive`: blocks in files, for whoever may not let anybody connect to its node.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use concordat_node::archive::{Exporter, Folder, Importer, Limits, Range};
use concordat_state::Follower;
use eyre::{Result, WrapErr as _, bail};
use serde::Serialize;
use serde_json::json;

use crate::{genesis, output, stop};

/// How often a folder, or a node, is looked at while nothing is new.
const POLL: Duration = Duration::from_millis(200);

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// Subcommands of `concordat archive`.
#[derive(Subcommand)]
pub enum ArchiveCommand {
    /// Write a node's blocks, with the commits that decided them, into files of a folder. The node may be running.
    Export(ExportArgs),
    /// Fill a node's data folder from such files: every signature is checked, every block executed. No node may run on it.
    Import(ImportArgs),
    /// Which blocks lie in which file, and whether any are missing in between.
    Check {
        /// The folder with the files.
        folder: PathBuf,
    },
}

/// Arguments of `concordat archive export`.
#[derive(Args)]
pub struct ExportArgs {
    /// The node's data folder (`data` in its configuration).
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The genesis document.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// The folder for the files; what it has is gone on from.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on as the node does, until SIGTERM or Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// With --follow: the longest that a block waits for its file to fill, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    every_s: u64,
    /// The most blocks in a file.
    #[arg(long, value_name = "BLOCKS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    blocks: u32,
}

/// Arguments of `concordat archive import`.
#[derive(Args)]
pub struct ImportArgs {
    /// The data folder to fill.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The genesis document, compared with the other members.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// The folder with the files.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Wait for further files, until SIGTERM or Ctrl-C.
    #[arg(long)]
    follow: bool,
}

/// What came of an import or export.
#[derive(Serialize)]
struct Done {
    /// The newest block that was taken, by this run or an earlier one.
    height: u64,
    /// Files that were written or read.
    files: u64,
    /// Transactions that were executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    transactions: Option<u64>,
}

/// Runs `concordat archive`.
pub fn run(command: ArchiveCommand, json: bool) -> Result<()> {
    match command {
        ArchiveCommand::Export(args) => export(&args, json),
        ArchiveCommand::Import(args) => import(&args, json),
        ArchiveCommand::Check { folder } => check(&Folder::at(folder), json),
    }
}

fn export(args: &ExportArgs, json: bool) -> Result<()> {
    let own = tempfile::tempdir()?;
    let follower = Follower::open(&args.data.join("ledger"), own.path())
        .wrap_err_with(|| format!("the ledger in {}", args.data.display()))?;
    let blocks = usize::try_from(args.blocks)?;
    let limits = Limits { blocks, age: Duration::from_secs(args.every_s), ..Limits::default() };
    let mut exporter =
        Exporter::open(follower, Folder::at(&args.out), &genesis::read(&args.genesis)?, limits)?;
    let (ended, mut told, mut files) = (stop::on_signal()?, Told::new(json), 0);
    loop {
        let mut written = exporter.step()?;
        let ends = written.is_none() && !args.follow || ended.is_set();
        if ends && written.is_none() {
            written = exporter.flush()?;
        }
        if let Some(written) = &written {
            files += 1;
            told.tell(|| {
                format!(
                    "blocks {} to {}: {}",
                    written.range.first,
                    written.range.last,
                    written.path.display()
                )
            });
        }
        match written {
            _ if ends => break,
            Some(_) => {}
            None => std::thread::sleep(POLL),
        }
    }
    let done = Done { height: exporter.next().saturating_sub(1), files, transactions: None };
    output::show(json, &done, |done| {
        format!("{} files written; the archive stands at block {}", done.files, done.height)
    })
}

fn import(args: &ImportArgs, json: bool) -> Result<()> {
    let importer = Importer::open(&args.data, Folder::at(&args.from), genesis::read(&args.genesis)?)?;
    let (ended, mut told) = (stop::on_signal()?, Told::new(json));
    let mut done = Done { height: importer.height(), files: 0, transactions: Some(0) };
    while !ended.is_set() {
        match importer.step()? {
            Some(imported) => {
                done.files += 1;
                done.transactions = done.transactions.map(|sum| sum.saturating_add(imported.transactions));
                let Range { first, last } = imported.range;
                told.tell(|| format!("blocks {first} to {last}, {} transactions", imported.transactions));
            }
            None if args.follow => std::thread::sleep(POLL),
            None => break,
        }
    }
    done.height = importer.height();
    output::show(json, &done, |done| {
        format!(
            "{} files read, {} transactions executed; the ledger stands at block {}",
            done.files,
            done.transactions.unwrap_or(0),
            done.height
        )
    })
}

fn check(folder: &Folder, json: bool) -> Result<()> {
    let ranges = folder.ranges()?;
    let gap = ranges.windows(2).find_map(|pair| match pair {
        [before, after] if after.first > before.last.saturating_add(1) => {
            Some((before.last.saturating_add(1), after.first))
        }
        _ => None,
    });
    let files: Vec<_> =
        ranges.iter().map(|range| json!({ "first": range.first, "last": range.last })).collect();
    output::show(json, &json!({ "files": files, "missing_from": gap.map(|gap| gap.0) }), |_| {
        let lines = ranges
            .iter()
            .map(|range| format!("{:>12} to {:>12}  {}\n", range.first, range.last, range.file_name()));
        lines.collect::<String>().trim_end().to_owned()
    })?;
    match gap {
        Some((from, to)) => bail!("blocks {from} to {} are missing", to.saturating_sub(1)),
        None => Ok(()),
    }
}

/// Tells progress now and then.
struct Told {
    json: bool,
    last: Option<Instant>,
}

impl Told {
    const fn new(json: bool) -> Self {
        Self { json, last: None }
    }

    fn tell(&mut self, text: impl FnOnce() -> String) {
        if self.last.is_none_or(|last| last.elapsed() >= TOLD_EVERY) {
            output::progress(self.json, text());
            self.last = Some(Instant::now());
        }
    }
}
