//! `concordat audit watch`: surveillance of the ledger in the regulator's database.

pub mod backtest;
pub mod findings;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use concordat_sql::{
    Options,
    watch::{Plan, WatchProgress},
};
use concordat_surveillance::{Limits, List, parse};
use eyre::{Result, WrapErr as _, ensure};
use serde_json::json;

use super::database::{DatabaseArgs, runtime};
use crate::{output, stop};

/// The longest file of rules and the longest list, in bytes.
const MAX_RULES_BYTES: u64 = 4 << 20;
const MAX_LIST_BYTES: u64 = 64 << 20;

/// By what is judged.
#[derive(Args)]
pub struct PlanArgs {
    /// Rules (docs/surveillance.md): a file, or a folder of which every file that ends in .toml is read.
    #[arg(long, value_name = "PATH")]
    rules: PathBuf,
    /// The list of the sanctioned, for rules that ask it.
    #[arg(long, value_name = "FILE")]
    sanctions: Option<PathBuf>,
    /// The most entries within the window of one rule, some 150 bytes of memory each. Beyond, it says that it cannot judge.
    #[arg(long, value_name = "N", default_value_t = Limits::default().entries)]
    max_entries: usize,
}

impl PlanArgs {
    /// Reads rules and list.
    fn plan(&self) -> Result<Plan> {
        let mut files = Vec::new();
        for path in rule_files(&self.rules)? {
            files.push((path.display().to_string(), read(&path, MAX_RULES_BYTES)?));
        }
        let rules = parse(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))?;
        let list = match &self.sanctions {
            None => None,
            Some(file) => {
                let text = read(file, MAX_LIST_BYTES)?;
                Some(List::parse(&text).wrap_err_with(|| file.display().to_string())?)
            }
        };
        let limits = Limits { entries: self.max_entries, ..Limits::default() };
        Ok(Plan { rules, list, limits })
    }
}

/// A file, or the files of rules in a folder, in the order of their names.
fn rule_files(path: &Path) -> Result<Vec<PathBuf>> {
    let named = || path.display().to_string();
    if !fs::metadata(path).wrap_err_with(named)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).wrap_err_with(named)? {
        let file = entry.wrap_err_with(named)?.path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            files.push(file);
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "{} has no file that ends in .toml", path.display());
    Ok(files)
}

fn read(file: &Path, longest: u64) -> Result<String> {
    let named = || file.display().to_string();
    let length = fs::metadata(file).wrap_err_with(named)?.len();
    ensure!(length <= longest, "{} has {length} bytes, at most {longest} are read", file.display());
    fs::read_to_string(file).wrap_err_with(named)
}

/// Arguments of `concordat audit watch`.
#[derive(Args)]
pub struct WatchArgs {
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    at: DatabaseArgs,
    /// The first block to judge, the first time; without, the ledger's first.
    #[arg(long, value_name = "HEIGHT")]
    from: Option<u64>,
    /// End when everything is judged that the database has now, instead of going on.
    #[arg(long)]
    until_tip: bool,
}

/// Runs `concordat audit watch`.
pub fn run(args: &WatchArgs, json: bool) -> Result<()> {
    let (database, plan) = (args.at.database()?, args.plan.plan()?);
    let options = Options { until_tip: args.until_tip };
    let mut last = None;
    let mut tell = |progress: &WatchProgress| {
        show(progress, json);
        last = Some(progress.clone());
    };
    runtime()?.block_on(async {
        concordat_sql::watch::watch(&database, &plan, args.from, options, &stop::soon(), &mut tell).await
    })?;
    output::show(json, &json!(last), |_| {
        last.as_ref().map_or_else(String::new, |last| {
            format!("judged up to block {}, {} findings", last.height, last.findings)
        })
    })
}

/// One line on standard error, of JSON for machines.
fn show(progress: &WatchProgress, json: bool) {
    if json {
        eprintln!("{}", json!(progress));
        return;
    }
    let WatchProgress { height, tip, findings, blocks_per_second, events_per_second, .. } = progress;
    match (&progress.waiting, progress.seconds_left) {
        (Some(reason), _) => eprintln!("block {height} of {tip}; waiting: {reason}"),
        (None, _) if progress.again => eprintln!("seen again up to block {height} of {tip}"),
        (None, Some(seconds)) => eprintln!(
            "block {height} of {tip}, {blocks_per_second} blocks/s, {events_per_second} events/s, {findings} findings, \
             {seconds} s left"
        ),
        (None, None) => eprintln!("block {height} of {tip}, {findings} findings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_rules_is_read_in_the_order_of_names_and_nothing_else_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let refused = rule_files(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("has no file that ends in .toml"), "{refused}");
        for name in ["b.toml", "a.toml", "notes.txt"] {
            fs::write(folder.path().join(name), "version = 1").unwrap();
        }
        let files = rule_files(folder.path()).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.toml", "b.toml"]);
        assert!(rule_files(&folder.path().join("c.toml")).is_err());
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, "version = 1").unwrap();
        assert!(read(&file, 10).unwrap_err().to_string().contains("has 11 bytes"));
        assert_eq!(read(&file, 11).unwrap(), "version = 1");
    }
}
