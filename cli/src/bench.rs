//! `concordat bench`: what a network of four real processes on this machine reaches.
//!
//! One run, one report: the bound of one core, the cost of being idle, latency under light load, sustained
//! throughput, latency under 70 % of it, the loss of a validator, how fast an empty node catches up, what a million
//! accounts and a hundred thousand blocks cost, what policies and run-time rules do, the regulator's database, and how
//! long supervisors wait.
//! `docs/bench.md` says how each figure is taken.

mod accounts;
mod bound;
mod chain;
mod control;
mod follow;
mod load;
mod measure;
mod network;
mod plot;
mod regulator;
mod report;
mod run;
mod scale;
mod service;
mod stats;
mod surveillance;

use std::path::{Path, PathBuf};

use clap::Args;
use eyre::{Result, WrapErr as _, bail};

use crate::output;

/// How to measure.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// A shorter run with fewer accounts, under five minutes.
    #[arg(long)]
    quick: bool,
    /// Also measure many accounts and many blocks; a full run always does.
    #[arg(long)]
    scale: bool,
    /// Measure many accounts and many blocks, and nothing else.
    #[arg(long, conflicts_with = "scale")]
    scale_only: bool,
    /// Also measure what policies and run-time rules cost; a full run always does.
    #[arg(long)]
    control: bool,
    /// Measure what policies and run-time rules cost, and nothing else.
    #[arg(long, conflicts_with_all = ["control", "scale", "scale_only"])]
    control_only: bool,
    /// Measure what the regulator's database costs, and nothing else; a full run always does, if PostgreSQL is installed.
    #[arg(long, conflicts_with_all = ["control", "control_only", "scale", "scale_only"])]
    regulator_only: bool,
    /// Measure what fifty rules of surveillance cost on transfers that are made up, and nothing else; --regulator-only does
    /// that, too.
    #[arg(long, conflicts_with_all = ["control", "control_only", "scale", "scale_only", "regulator_only"])]
    surveillance_only: bool,
    /// Also measure how long supervisors wait for the service, over a database of 5,000,000 transactions; some ten minutes
    /// and 16 GB.
    #[arg(long)]
    service: bool,
    /// Measure how long supervisors wait for the service, and nothing else.
    #[arg(long, conflicts_with_all = ["service", "surveillance_only", "regulator_only", "control", "control_only", "scale", "scale_only"])]
    service_only: bool,
    /// Transactions of the service's database; 5,000,000, or 200,000 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u64).range(200_000..=90_000_000))]
    transactions: Option<u64>,
    /// Requests of each kind to the service, and as many under narrow mandates; 200, or 20 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u32).range(4..=10_000))]
    requests: Option<u32>,
    /// Accounts that transfer; 1000, or 200 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u32).range(4..=100_000))]
    accounts: Option<u32>,
    /// How long the sustained load lasts; 60, or 15 with --quick.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    duration_s: Option<u64>,
    /// Transactions in flight, all accounts together, under sustained load.
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(1..=40_000))]
    in_flight: u32,
    /// What the accounts' keys and payees come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// First port of the nodes; free ones are looked for if absent.
    #[arg(long)]
    base_port: Option<u16>,
    /// Folder for report.json and plot.svg.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
}

impl BenchArgs {
    fn accounts(&self) -> usize {
        self.accounts.unwrap_or(if self.quick { 200 } else { 1_000 }) as usize
    }

    /// How much to measure of many accounts and many blocks, if at all.
    fn scale_plan(&self) -> Option<scale::Plan> {
        if self.quick && !self.scale && !self.scale_only {
            return None;
        }
        let (large, blocks, full_blocks) =
            if self.quick { (100_000, 5_000, 30) } else { (1_000_000, 100_000, 60) };
        Some(scale::Plan { accounts: [10_000, large], blocks, full_blocks, seed: self.seed })
    }

    fn transactions(&self) -> u64 {
        self.transactions.unwrap_or(if self.quick { 200_000 } else { 5_000_000 })
    }

    fn requests(&self) -> usize {
        self.requests.unwrap_or(if self.quick { 20 } else { 200 }) as usize
    }

    fn duration_s(&self) -> u64 {
        self.duration_s.unwrap_or(if self.quick { 15 } else { 60 })
    }
}

/// Runs `concordat bench`.
pub fn run(args: BenchArgs, json: bool) -> Result<()> {
    let scale = || {
        let plan = args.scale_plan();
        plan.map(|plan| scale::measure(&plan, |text| output::progress(json, text))).transpose()
    };
    if args.scale_only {
        let scale = scale()?.unwrap_or_default();
        write_report(&args.out.join("scale.json"), &scale)?;
        return output::show(json, &scale, scale::Scale::table);
    }
    if args.control_only {
        let control = control::measure(args.seed, |text| output::progress(json, text))?;
        write_report(&args.out.join("control.json"), &control)?;
        return output::show(json, &control, control::Control::table);
    }
    if args.surveillance_only {
        let measured = surveillance::measure(args.seed, |text| output::progress(json, text))?;
        write_report(&args.out.join("surveillance.json"), &measured)?;
        return output::show(json, &measured, surveillance::Surveillance::table);
    }
    let regulator = || regulator::measure(&args, json, |text| output::progress(json, text));
    if args.regulator_only {
        let Some(measured) = regulator()? else { bail!("nothing to measure: no PostgreSQL is installed") };
        write_report(&args.out.join("regulator.json"), &measured)?;
        return output::show(json, &measured, regulator::Regulator::table);
    }
    let service = || service::measure(&args, |text| output::progress(json, text));
    if args.service_only {
        let Some(measured) = service()? else { bail!("nothing to measure: no PostgreSQL is installed") };
        write_report(&args.out.join("service.json"), &measured)?;
        output::show(json, &measured, service::Service::table)?;
        return measured.check();
    }
    let mut report = run::measure(&args, json)?;
    report.accounts_scale = scale()?;
    if args.control || !args.quick {
        report.control = Some(control::measure(args.seed, |text| output::progress(json, text))?);
    }
    if !args.quick {
        report.regulator = regulator()?;
    }
    if args.service {
        report.service = service()?;
    }
    let (text, picture) = (args.out.join("report.json"), args.out.join("plot.svg"));
    write_report(&text, &report)?;
    std::fs::write(&picture, plot::svg(&report))?;
    output::progress(json, format!("\nwritten: {} and {}\n", text.display(), picture.display()));
    output::show(json, &report, report::Report::table)?;
    if !report.all_confirmed() {
        bail!("{} receipts failed and {} are missing", report.failed, report.unconfirmed);
    }
    report.service.as_ref().map_or(Ok(()), service::Service::check)
}

fn write_report(file: &Path, report: &impl serde::Serialize) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).wrap_err_with(|| folder.display().to_string())?;
    }
    std::fs::write(file, serde_json::to_string_pretty(report)?).wrap_err_with(|| file.display().to_string())
}
