//! `concordat audit backtest`: what rules would have found.

use clap::Args;
use concordat_sql::watch::{Backtest, Summary, WatchProgress};
use concordat_surveillance::Finding;
use eyre::Result;

use super::{PlanArgs, show};
use crate::{
    audit::database::{DatabaseArgs, runtime},
    output,
};

/// Arguments of `concordat audit backtest`.
#[derive(Args)]
pub struct BacktestArgs {
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    at: DatabaseArgs,
    /// The first height; the ledger's first if absent. What lies within windows before it is taken into account.
    #[arg(long)]
    from: Option<u64>,
    /// The last height; the newest if absent.
    #[arg(long)]
    to: Option<u64>,
    /// The most findings that are shown. The summary is about all.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    limit: usize,
}

/// Runs `concordat audit backtest`. Nothing is written.
pub fn run(args: &BacktestArgs, json: bool) -> Result<()> {
    let (database, plan) = (args.at.database()?, args.plan.plan()?);
    let mut tell = |progress: &WatchProgress| show(progress, json);
    let range = (args.from, args.to);
    let done = concordat_sql::watch::backtest(&database, &plan, range, args.limit, &mut tell);
    let done = runtime()?.block_on(done)?;
    output::show(json, &done, told)
}

fn told(done: &Backtest) -> String {
    let Backtest { from, to, rules, findings, left_out } = done;
    let mut lines: Vec<String> = findings.iter().map(finding).collect();
    if *left_out > 0 {
        lines.push(format!("and {left_out} more"));
    }
    lines.push(format!("blocks {from} to {to}:"));
    lines.extend(rules.iter().map(summary));
    lines.join("\n")
}

fn finding(finding: &Finding) -> String {
    let Finding { height, rule, grade, explanation, .. } = finding;
    format!("block {height}  {grade}  {rule}: {explanation}")
}

fn summary(summary: &Summary) -> String {
    let Summary { rule, findings, unjudged, first, last, subjects } = summary;
    match (first, last) {
        (Some(first), Some(last)) => format!(
            "{rule}: {findings} findings about {subjects} subjects, blocks {first} to {last}, {unjudged} could not be judged"
        ),
        _ => format!("{rule}: nothing"),
    }
}
