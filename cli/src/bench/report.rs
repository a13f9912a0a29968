//! The report: what `report.json` holds and what people are shown.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use super::{
    bound::UnitCosts,
    control::Control,
    regulator::Regulator,
    scale::Scale,
    service::Service,
    stats::{Latency, Second, tenth, thousandth},
};

/// Everything that was measured. The names are a contract with whoever compares runs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Version of this program.
    pub version: String,
    /// Unix seconds at the start.
    pub started_at: u64,
    /// Processors of the machine, shared by all nodes and the load generator.
    pub cores: usize,
    /// What keys and payees come from.
    pub seed: u64,
    /// Validators, each a process of its own.
    pub validators: usize,
    /// Accounts that transfer.
    pub accounts: usize,
    /// How long the sustained load lasted, in seconds.
    pub duration_s: f64,
    /// Transactions confirmed with a success receipt per second, sustained.
    pub throughput_tps: f64,
    /// What one core can check, execute and commit per second.
    pub bound_tps: f64,
    /// Throughput over bound.
    pub bound_ratio: f64,
    /// The largest that `bound_ratio` can be here: all validators do all work, and share the cores.
    pub bound_ratio_limit: f64,
    /// Processor time per transaction on one core, without anything around it.
    pub unit_costs: UnitCosts,
    /// Processor time of a node per committed transaction, everything included, in microseconds.
    pub cpu_us_per_tx_per_node: f64,
    /// Where it goes.
    pub cpu_split: CpuSplit,
    /// Latency from submission to receipt.
    pub latency_ms: Latencies,
    /// Rates at which these were measured, in transactions per second.
    pub rates_tps: Rates,
    /// Sustained throughput with one of the validators down.
    pub one_down_tps: f64,
    /// Its change against all validators, in percent.
    pub one_down_change_percent: f64,
    /// Processor time of a node with nothing to do, in percent of one core.
    pub idle_cpu_percent: f64,
    /// Memory of the largest node under load, in mebibytes.
    pub rss_mb: u64,
    /// How much faster than the sustained rate an empty node catches up.
    pub sync_ratio: f64,
    /// How the empty node caught up.
    pub sync: Sync,
    /// What many accounts and many blocks cost; absent where it was not measured.
    pub accounts_scale: Option<Scale>,
    /// What policies and run-time rules cost; absent where it was not measured.
    pub control: Option<Control>,
    /// What the regulator's database costs; absent where it was not measured.
    pub regulator: Option<Regulator>,
    /// How long supervisors wait for the service; absent where it was not measured.
    pub service: Option<Service>,
    /// Blocks per second and transactions per block under sustained load.
    pub blocks: Blocks,
    /// Processor time of the load generator under sustained load, in percent of one core.
    pub load_generator_cpu_percent: f64,
    /// Receipts that say "failed". Must be zero.
    pub failed: u64,
    /// Submissions that were refused and tried again.
    pub refused: u64,
    /// Why the first of them was refused.
    pub refusal: Option<String>,
    /// Transactions without a receipt at the end. Must be zero.
    pub unconfirmed: usize,
    /// When each part of the load began, in seconds of `seconds`.
    pub phases: Vec<Phase>,
    /// The run second by second.
    pub seconds: Vec<Second>,
}

/// Where a node's processor time goes, in microseconds per committed transaction.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CpuSplit {
    /// Checking signatures: the unit cost.
    pub signatures: f64,
    /// Execution: the unit cost.
    pub execution: f64,
    /// Commits: the unit cost.
    pub commit: f64,
    /// Consensus, network, interfaces, pool.
    pub rest: f64,
    /// Processor time by kind of thread, as Linux counts it.
    pub by_thread: BTreeMap<String, f64>,
    /// Elapsed time that nodes report for building, executing and committing blocks. More than processor
    /// time, because the nodes wait for each other's cores and for the disk.
    pub elapsed: BTreeMap<String, f64>,
}

/// Latencies by situation.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Latencies {
    /// A few transactions per second.
    pub light: Latency,
    /// 70 % of the sustained rate.
    pub loaded: Latency,
    /// The same while a validator is killed.
    pub one_down: Latency,
    /// As much as is confirmed: depends on how many are kept in flight.
    pub saturated: Latency,
}

/// Rates of the paced parts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rates {
    /// Of `light`.
    pub light: f64,
    /// Of `loaded` and `one_down`.
    pub loaded: f64,
}

/// How an empty node caught up.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sync {
    /// Heights.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: usize,
    /// From the start of the process on, in seconds.
    pub seconds: f64,
    /// Processor time of the node that caught up, per transaction, in microseconds.
    pub cpu_us_per_tx: f64,
    /// The same by kind of thread.
    pub by_thread: BTreeMap<String, f64>,
    /// What the others spent on serving it, all together, per transaction, in microseconds.
    pub peers_cpu_us_per_tx: f64,
}

/// Blocks under sustained load.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Blocks {
    /// Blocks per second.
    pub per_second: f64,
    /// Transactions in each, on average.
    pub mean_transactions: f64,
}

/// A part of the load.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// When it began, in seconds since the load began.
    pub from: f64,
    /// When it ended.
    pub to: f64,
}

impl Report {
    /// Derives the ratios from what was measured.
    pub fn conclude(&mut self) {
        let ratio = |part: f64, whole: f64| if whole > 0.0 { thousandth(part / whole) } else { 0.0 };
        self.bound_tps = self.unit_costs.bound_tps();
        self.bound_ratio = ratio(self.throughput_tps, self.bound_tps);
        self.bound_ratio_limit = ratio(self.cores as f64, self.validators as f64);
        let UnitCosts { signature_us, execution_us, commit_us } = self.unit_costs;
        let split = &mut self.cpu_split;
        (split.signatures, split.execution, split.commit) = (signature_us, execution_us, commit_us);
        split.rest = tenth(self.cpu_us_per_tx_per_node - signature_us - execution_us - commit_us);
        self.one_down_change_percent = tenth(100.0 * (ratio(self.one_down_tps, self.throughput_tps) - 1.0));
        let synced_tps = ratio(self.sync.transactions as f64, self.sync.seconds);
        self.sync_ratio = ratio(synced_tps, self.throughput_tps);
    }

    /// Whether every transaction was confirmed with a success receipt.
    pub fn all_confirmed(&self) -> bool {
        self.failed == 0 && self.unconfirmed == 0
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        for (name, value) in [self.rates(), self.latencies(), self.resources()].concat() {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name:<42} {value}");
        }
        out.push_str(&self.accounts_scale.as_ref().map(Scale::table).unwrap_or_default());
        out.push_str(&self.control.as_ref().map(Control::table).unwrap_or_default());
        out.push_str(&self.regulator.as_ref().map(Regulator::table).unwrap_or_default());
        out.push_str(&self.service.as_ref().map(Service::table).unwrap_or_default());
        out
    }

    fn rates(&self) -> Vec<(String, String)> {
        let UnitCosts { signature_us, execution_us, commit_us } = self.unit_costs;
        let (validators, cores) = (self.validators, self.cores);
        let throughput = format!(
            "{} transfers/s for {} s, {} accounts, {validators} validators on {cores} cores",
            self.throughput_tps, self.duration_s, self.accounts
        );
        let bound = format!(
            "{} transfers/s: signature {signature_us} + execution {execution_us} + commit {commit_us} µs",
            self.bound_tps
        );
        let ratio = format!(
            "{} (at most {} when {validators} nodes share {cores} cores)",
            self.bound_ratio, self.bound_ratio_limit
        );
        let blocks = format!("{}/s of {} transfers", self.blocks.per_second, self.blocks.mean_transactions);
        let receipts = format!(
            "{} failed, {} missing; {} submissions refused and repeated",
            self.failed, self.unconfirmed, self.refused
        );
        vec![
            ("throughput".into(), throughput),
            ("bound of one core".into(), bound),
            ("throughput : bound".into(), ratio),
            ("blocks".into(), blocks),
            ("receipts".into(), receipts),
        ]
    }

    fn latencies(&self) -> Vec<(String, String)> {
        let row = |name: &str, of: &Latency| {
            let Latency { p50, p99, max, count } = of;
            (
                format!("latency, {name}"),
                format!("p50 {p50} ms, p99 {p99} ms, max {max} ms ({count} transactions)"),
            )
        };
        let one_down = format!("{} transfers/s ({:+} %)", self.one_down_tps, self.one_down_change_percent);
        vec![
            row(&format!("light load ({}/s)", self.rates_tps.light), &self.latency_ms.light),
            row(&format!("70 % load ({}/s)", self.rates_tps.loaded), &self.latency_ms.loaded),
            row("the same, one validator killed", &self.latency_ms.one_down),
            row("saturated", &self.latency_ms.saturated),
            ("throughput, one down".into(), one_down),
        ]
    }

    fn resources(&self) -> Vec<(String, String)> {
        let cpu = format!(
            "{} µs, {} of them beside signature, execution and commit",
            self.cpu_us_per_tx_per_node, self.cpu_split.rest
        );
        let sync = format!(
            "{} × the live rate: {} blocks with {} transactions in {} s, {} µs of CPU each ({} its peers')",
            self.sync_ratio,
            self.sync.blocks,
            self.sync.transactions,
            self.sync.seconds,
            self.sync.cpu_us_per_tx,
            self.sync.peers_cpu_us_per_tx
        );
        vec![
            ("CPU per transfer and node".into(), cpu),
            ("idle CPU per node".into(), format!("{} % of a core", self.idle_cpu_percent)),
            ("memory per node".into(), format!("{} MB", self.rss_mb)),
            ("catching up".into(), sync),
            ("load generator".into(), format!("{} % of a core", self.load_generator_cpu_percent)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report {
            cores: 2,
            validators: 4,
            throughput_tps: 5_000.0,
            one_down_tps: 4_000.0,
            unit_costs: UnitCosts { signature_us: 30.0, execution_us: 10.0, commit_us: 10.0 },
            cpu_us_per_tx_per_node: 90.0,
            sync: Sync { blocks: 10, transactions: 100_000, seconds: 4.0, ..Sync::default() },
            ..Report::default()
        };
        report.conclude();
        report
    }

    #[test]
    fn ratios_follow_from_what_was_measured() {
        let report = report();
        assert_eq!(report.bound_tps, 20_000.0);
        assert_eq!((report.bound_ratio, report.bound_ratio_limit), (0.25, 0.5));
        assert_eq!(report.cpu_split.rest, 40.0);
        assert_eq!(report.one_down_change_percent, -20.0);
        assert_eq!(report.sync_ratio, 5.0);
    }

    #[test]
    fn nothing_measured_divides_by_nothing() {
        let mut report = Report::default();
        report.conclude();
        assert_eq!((report.bound_ratio, report.sync_ratio), (0.0, 0.0));
    }

    #[test]
    fn the_names_that_others_rely_on_are_there() {
        let json = serde_json::to_value(report()).unwrap();
        for name in [
            "throughput_tps",
            "bound_tps",
            "bound_ratio",
            "cpu_us_per_tx_per_node",
            "cpu_split",
            "validators",
            "accounts",
            "duration_s",
            "idle_cpu_percent",
            "rss_mb",
            "sync_ratio",
            "seed",
        ] {
            assert!(!json[name].is_null(), "{name} is missing");
        }
        for situation in ["light", "loaded", "one_down"] {
            for percentile in ["p50", "p99", "max"] {
                assert!(json["latency_ms"][situation][percentile].is_number(), "{situation}.{percentile}");
            }
        }
    }

    #[test]
    fn a_receipt_that_failed_or_is_missing_spoils_the_run() {
        assert!(report().all_confirmed());
        assert!(!Report { failed: 1, ..report() }.all_confirmed());
        assert!(!Report { unconfirmed: 1, ..report() }.all_confirmed());
    }
}
