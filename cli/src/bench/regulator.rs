//! What the regulator's database costs: how far it is behind a network under sustained load, and the processor time that
//! filling it takes, projector and PostgreSQL together; and what surveillance of it costs.
//!
//! Both are real: `concordat audit project` next to a validator, and a cluster of PostgreSQL of its own, as durable as
//! PostgreSQL is by default.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use concordat_sql::{Database, cluster::Cluster};
use eyre::{Result, WrapErr as _, bail, eyre};
use serde::Serialize;
use serde_json::Value;

use super::{
    BenchArgs, measure,
    run::{self, Bench},
    stats::{per_tx, percentile, tenth},
    surveillance::{self, Rulebook, Surveillance, Watched, per_core_second},
};
use crate::client::Client;

/// The node next to which the projector runs. Another one is asked for receipts.
const OBSERVED: usize = 3;

/// What an operator would give PostgreSQL beyond its defaults. What makes it durable stays.
const SETTINGS: [&str; 3] = ["shared_buffers=256MB", "max_wal_size=4GB", "checkpoint_timeout=15min"];

/// How often it is looked how far the database is behind.
const SAMPLE_EVERY: Duration = Duration::from_millis(10);

/// How long the database may take to have what a node has that is idle.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Regulator {
    /// Transfers per second that the network confirmed meanwhile.
    pub rate_tps: f64,
    /// Blocks that the node had and the database had not.
    pub blocks_behind: Behind,
    /// Filling an empty database from the same node.
    pub backfill: Backfill,
    /// What surveillance of it costs.
    pub surveillance: Surveillance,
}

/// A distribution of how many blocks the database was behind, over time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Behind {
    /// Half of the time at most this.
    pub p50: f64,
    /// In 99 of 100 moments at most this.
    pub p99: f64,
    /// Never more.
    pub max: f64,
    /// Moments that were looked at.
    pub samples: usize,
}

/// Filling an empty database.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Backfill {
    /// Blocks.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Rows.
    pub rows: u64,
    /// From the start of the projector to its end, in seconds.
    pub seconds: f64,
    /// Processor time of the projector for each transaction, in microseconds.
    pub projector_us_per_tx: f64,
    /// The same of PostgreSQL, a checkpoint at the end included.
    pub postgres_us_per_tx: f64,
    /// Transactions for each second of processor time, both together.
    pub tx_per_core_second: f64,
}

impl Regulator {
    /// Lines for people.
    pub fn table(&self) -> String {
        let Self { rate_tps, blocks_behind: Behind { p50, p99, max, .. }, backfill, surveillance } = self;
        let Backfill { transactions, seconds, tx_per_core_second, .. } = backfill;
        let (projector, postgres) = (backfill.projector_us_per_tx, backfill.postgres_us_per_tx);
        let behind = format!("p50 {p50}, p99 {p99}, max {max} blocks behind at {rate_tps} transfers/s");
        let filled = format!(
            "{tx_per_core_second} transactions/s of a core: projector {projector} + PostgreSQL {postgres} µs; \
             {transactions} in {seconds} s"
        );
        let (name, surveillance) = ("regulator's database", surveillance.table());
        format!("{name:<42} {behind}\n{:<42} {filled}\n{surveillance}", "filling it")
    }
}

/// Measures both, or nothing where there is no PostgreSQL.
pub fn measure(args: &BenchArgs, json: bool, say: impl Fn(&str)) -> Result<Option<Regulator>> {
    if !Cluster::is_installed() {
        say("no PostgreSQL is installed: the regulator's database is left out");
        return Ok(None);
    }
    say("regulator's database: a network of its own, with PostgreSQL next to it ...");
    let mut bench = run::network(args, json)?;
    let source = Source::of(&bench);
    let (rate_tps, blocks_behind) = lag(&mut bench, &source, Duration::from_secs(args.duration_s()))?;
    say("filling an empty database ...");
    let cluster = source.cluster()?;
    let backfill = backfill(&source, &cluster)?;
    say("fifty rules judge what is in it ...");
    let rulebook = Rulebook::new(&[bench.token()], &bench.banks());
    let watcher = watch(&source, &cluster, &rulebook, &backfill)?;
    let mut surveillance = surveillance::measure(args.seed, &say)?;
    surveillance.watcher = Some(watcher);
    Ok(Some(Regulator { rate_tps, blocks_behind, backfill, surveillance }))
}

/// Where the projector reads.
struct Source {
    data: PathBuf,
    genesis: PathBuf,
    url: String,
}

impl Source {
    fn of(bench: &Bench) -> Self {
        let (data, network) = (bench.nodes.data(OBSERVED), &bench.nodes.network);
        Self { data, genesis: network.genesis.clone(), url: network.nodes[OBSERVED].ethereum.clone() }
    }

    /// A command of this program on the database of a cluster.
    fn audit(&self, cluster: &Cluster, command: &str) -> Result<Command> {
        // In a session of its own, as a service manager starts it: the system shares its processors out by sessions.
        let mut audit = Command::new("setsid");
        audit
            .arg(std::env::current_exe()?)
            .args(["--json", "audit", command])
            .env("DATABASE_URL", cluster.url())
            .stdin(Stdio::null());
        if command == "project" {
            audit.arg("--data").arg(&self.data).arg("--genesis").arg(&self.genesis);
        }
        Ok(audit)
    }

    /// A cluster with the schema in it.
    fn cluster(&self) -> Result<Cluster> {
        let cluster = Cluster::start(&SETTINGS)?;
        succeeded(&self.audit(&cluster, "migrate")?.output()?)?;
        Ok(cluster)
    }
}

fn succeeded(output: &Output) -> Result<Value> {
    if !output.status.success() {
        bail!("the projection failed: {}", String::from_utf8_lossy(&output.stdout));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A process that is killed with this value.
struct Projector(Child);

impl Drop for Projector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How far the database is behind under sustained load, and the rate of that.
fn lag(bench: &mut Bench, source: &Source, duration: Duration) -> Result<(f64, Behind)> {
    let cluster = source.cluster()?;
    let log = cluster.log_file()?;
    let mut command = source.audit(&cluster, "project")?;
    let _projector = Projector(command.stdout(log.try_clone()?).stderr(log).spawn()?);
    let mut observer = Observer::new(&cluster, source)?;
    let until = Instant::now() + PATIENCE;
    while observer.behind()? > 0 {
        if Instant::now() > until {
            bail!("the database does not catch up:\n{}", cluster.log());
        }
        std::thread::sleep(SAMPLE_EVERY);
    }
    let start = |_: &Bench| Ok(Sampler::start(Observer::new(&cluster, source)?));
    let (window, behind) =
        bench.saturated("with the database", duration, start, |_, sampler| sampler.finish())?;
    Ok((window.tps(), behind))
}

/// Sees where the database stands, and where the node.
struct Observer {
    runtime: tokio::runtime::Runtime,
    probe: concordat_sql::Probe,
    node: Client,
}

impl Observer {
    fn new(cluster: &Cluster, source: &Source) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let database = Database::at(&cluster.url())?;
        let probe = runtime.block_on(concordat_sql::Probe::open(&database))?;
        Ok(Self { runtime, probe, node: Client::local(&source.url) })
    }

    /// The node is asked last: rather a block too many than one too few.
    fn behind(&mut self) -> Result<u64> {
        let written = self.runtime.block_on(self.probe.height())?;
        let height = self.node.height()?;
        // Below zero nothing is written yet, and the genesis is missing as well.
        Ok(match u64::try_from(written) {
            Ok(written) => height.saturating_sub(written),
            Err(_) => height + 1,
        })
    }
}

/// A thread that looks again and again.
struct Sampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<f64>>>,
}

impl Sampler {
    fn start(mut observer: Observer) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut samples = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                samples.push(observer.behind()? as f64);
                std::thread::sleep(SAMPLE_EVERY);
            }
            Ok(samples)
        });
        Self { stop, thread }
    }

    fn finish(self) -> Result<Behind> {
        self.stop.store(true, Ordering::Relaxed);
        let mut samples = self.thread.join().map_err(|_| eyre!("who looks at the database panicked"))??;
        samples.sort_by(f64::total_cmp);
        Ok(Behind {
            p50: percentile(&samples, 0.50),
            p99: percentile(&samples, 0.99),
            max: samples.last().copied().unwrap_or_default(),
            samples: samples.len(),
        })
    }
}

/// A command that was run to its end next to PostgreSQL.
struct Ran {
    told: Value,
    seconds: f64,
    /// Its processor time.
    own_ns: u64,
    /// That of PostgreSQL meanwhile, a checkpoint at the end included.
    postgres_ns: u64,
}

impl Ran {
    fn run(mut command: Command, cluster: &Cluster) -> Result<Self> {
        let server = cluster.pid().ok_or_else(|| eyre!("PostgreSQL does not run"))?;
        let (before, children, from) =
            (measure::cpu_of_family(server)?, measure::cpu_of_ended_children()?, Instant::now());
        let output = command.output()?;
        let (seconds, own_ns) =
            (from.elapsed().as_secs_f64(), measure::cpu_of_ended_children()?.saturating_sub(children));
        let told = succeeded(&output)?;
        cluster.query("CHECKPOINT").wrap_err("a checkpoint")?;
        let postgres_ns = measure::cpu_of_family(server)?.saturating_sub(before);
        Ok(Self { told, seconds, own_ns, postgres_ns })
    }

    fn count(&self, name: &str) -> Result<u64> {
        self.told[name].as_u64().ok_or_else(|| eyre!("the command does not tell its {name}"))
    }
}

/// What it costs to fill an empty database with all that the node has.
fn backfill(source: &Source, cluster: &Cluster) -> Result<Backfill> {
    let mut command = source.audit(cluster, "project")?;
    command.arg("--until-tip");
    let ran = Ran::run(command, cluster)?;
    let transactions = ran.count("transactions")?;
    let each = |ns: u64| per_tx(ns, usize::try_from(transactions).unwrap_or(usize::MAX));
    Ok(Backfill {
        blocks: ran.count("blocks")?,
        transactions,
        rows: ran.count("rows")?,
        seconds: tenth(ran.seconds),
        projector_us_per_tx: each(ran.own_ns),
        postgres_us_per_tx: each(ran.postgres_ns),
        tx_per_core_second: per_core_second(transactions, ran.own_ns.saturating_add(ran.postgres_ns)),
    })
}

/// What it costs to judge all that is in the database by fifty rules.
fn watch(source: &Source, cluster: &Cluster, rulebook: &Rulebook, filled: &Backfill) -> Result<Watched> {
    let folder = tempfile::tempdir()?;
    let [rules, sanctions] = ["rules.toml", "sanctions.toml"].map(|name| folder.path().join(name));
    fs::write(&rules, &rulebook.rules)?;
    fs::write(&sanctions, &rulebook.sanctions)?;
    let mut command = source.audit(cluster, "watch")?;
    command.arg("--rules").arg(&rules).arg("--sanctions").arg(&sanctions).arg("--until-tip");
    let ran = Ran::run(command, cluster)?;
    let judged = (ran.count("blocks")?, filled.transactions, ran.count("findings")?);
    Ok(Watched::of(judged, ran.seconds, (ran.own_ns, ran.postgres_ns)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_figures_are_told_to_people() {
        let backfill = Backfill { transactions: 1_000, tx_per_core_second: 20_000.0, ..Backfill::default() };
        let blocks_behind = Behind { p99: 1.0, ..Behind::default() };
        let surveillance = Surveillance { rules: 50, ..Surveillance::default() };
        let table = Regulator { rate_tps: 900.0, blocks_behind, backfill, surveillance }.table();
        assert!(table.contains("p99 1, max 0 blocks behind at 900 transfers/s"), "{table}");
        assert!(table.contains("20000 transactions/s of a core"), "{table}");
        assert!(table.contains("surveillance by 50 rules"), "{table}");
        assert_eq!(table.lines().count(), 3);
    }
}
