//! The course of a measurement, from an empty folder to a [`Report`].

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use concordat_types::{Address, Genesis};
use eyre::{Result, bail};

use super::{
    BenchArgs,
    accounts::Workload,
    bound,
    follow::Follower,
    load::{self, Flight, Pace},
    measure,
    network::Processes,
    report::{Blocks, Latencies, Phase, Rates, Report, Sync},
    stats::{Confirmation, Latency, each_per_tx, per_second, per_tx, tenth},
};
use crate::output;

/// How many validators are measured.
const VALIDATORS: u8 = 4;

/// The node that is killed. Another one is followed.
const VICTIM: usize = 3;

/// Rate of the light load, in transactions per second.
const LIGHT_TPS: f64 = 10.0;

/// Share of the sustained rate at which latency is looked at.
const LOADED_SHARE: f64 = 0.7;

/// More than any run on one machine confirms: so many transfers per second are signed ahead.
const MOST_TPS: usize = 8_000;

/// Rest before the idle cost is taken: what was set up is flushed and proved.
const SETTLE: Duration = Duration::from_secs(3);

/// Sustained load before its measurement begins.
const RAMP: Duration = Duration::from_secs(3);

/// How long a part's last transactions may take.
const DRAIN: Duration = Duration::from_secs(30);

/// Transfers of a block when the bound is measured.
const BOUND_BLOCK_TXS: usize = 500;

/// How long each part lasts.
#[derive(Clone, Copy, Debug)]
struct Plan {
    idle: Duration,
    light: Duration,
    sustained: Duration,
    loaded: Duration,
    one_down: Duration,
    one_down_sustained: Duration,
    bound_blocks: usize,
}

impl Plan {
    fn new(args: &BenchArgs) -> Self {
        let seconds = |quick, full| Duration::from_secs(if args.quick { quick } else { full });
        Self {
            idle: seconds(10, 20),
            light: seconds(15, 60),
            sustained: Duration::from_secs(args.duration_s()),
            loaded: seconds(12, 30),
            one_down: seconds(12, 30),
            one_down_sustained: seconds(10, 30),
            bound_blocks: if args.quick { 12 } else { 40 },
        }
    }
}

/// Measures everything.
pub fn measure(args: &BenchArgs, json: bool) -> Result<Report> {
    let say = |text: &str| output::progress(json, text);
    let plan = Plan::new(args);
    say("making four banks with their authorities, and certificates for the accounts ...");
    let mut nodes = Processes::prepare(VALIDATORS, args.base_port)?;
    let mut workload = Workload::new(&nodes.network, &nodes.folder(), args.accounts(), args.seed)?;
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION").into(),
        started_at: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        seed: args.seed,
        validators: nodes.network.nodes.len(),
        accounts: args.accounts(),
        ..Report::default()
    };

    say("bound: one core's signatures, execution and commits, without a network ...");
    workload.sign_ahead((plan.bound_blocks + 2) * BOUND_BLOCK_TXS);
    let genesis = Genesis::from_json(&std::fs::read_to_string(&nodes.network.genesis)?)?;
    let folder = tempfile::Builder::new().prefix("concordat-bound.").tempdir()?;
    report.unit_costs =
        bound::measure(&genesis, &workload, folder.path(), plan.bound_blocks, BOUND_BLOCK_TXS)?;
    drop(folder);

    say("starting four validators ...");
    nodes.start()?;
    let mut bench = Bench::start(args, plan, nodes, workload, json)?;
    bench.set_up()?;
    bench.idle(&mut report)?;
    bench.load(&mut report)?;
    bench.sync(&mut report)?;
    bench.finish(&mut report);
    report.conclude();
    Ok(report)
}

/// A network that is set up, for a measurement of its own.
pub(super) fn network(args: &BenchArgs, json: bool) -> Result<Bench> {
    let mut nodes = Processes::prepare(VALIDATORS, args.base_port)?;
    let mut workload = Workload::new(&nodes.network, &nodes.folder(), args.accounts(), args.seed)?;
    workload.varied = true;
    nodes.start()?;
    let mut bench = Bench::start(args, Plan::new(args), nodes, workload, json)?;
    bench.set_up()?;
    Ok(bench)
}

/// A network under load.
pub(super) struct Bench {
    plan: Plan,
    in_flight: u32,
    json: bool,
    workload: Workload,
    flight: Arc<Flight>,
    follower: Follower,
    urls: Vec<String>,
    start: Instant,
    confirmed: Vec<Confirmation>,
    phases: Vec<Phase>,
    unconfirmed: usize,
    /// Dropped last: the follower ends before its node.
    pub(super) nodes: Processes,
}

/// What a window of the sustained load showed.
pub(super) struct Window {
    seconds: f64,
    confirmed: Vec<Confirmation>,
}

impl Window {
    pub(super) fn tps(&self) -> f64 {
        tenth(self.confirmed.len() as f64 / self.seconds)
    }
}

impl Bench {
    fn start(args: &BenchArgs, plan: Plan, nodes: Processes, workload: Workload, json: bool) -> Result<Self> {
        let flight = Arc::new(Flight::new(workload.accounts.len()));
        let urls: Vec<String> = nodes.network.nodes.iter().map(|node| node.ethereum.clone()).collect();
        let Some(first) = urls.first() else { bail!("the network has no node") };
        let follower = Follower::start(first, Arc::clone(&flight))?;
        Ok(Self {
            plan,
            in_flight: args.in_flight,
            json,
            workload,
            flight,
            follower,
            urls,
            start: Instant::now(),
            confirmed: Vec::new(),
            phases: Vec::new(),
            unconfirmed: 0,
            nodes,
        })
    }

    /// The token that is transferred.
    pub(super) fn token(&self) -> Address {
        self.workload.token
    }

    /// The organisations whose accounts transfer it.
    pub(super) fn banks(&self) -> Vec<&str> {
        self.nodes.network.nodes.iter().map(|node| node.organisation.as_str()).collect()
    }

    fn say(&self, text: impl std::fmt::Display) {
        output::progress(self.json, text);
    }

    fn set_up(&mut self) -> Result<()> {
        self.say(format!(
            "enrolling {} accounts, deploying the token, funding them ...",
            self.workload.accounts.len()
        ));
        let Workload { enrolments, deployment, grants, .. } = &self.workload;
        for txs in [enrolments.as_slice(), std::slice::from_ref(deployment), grants.as_slice()] {
            load::submit_all(txs, &self.flight, &self.urls, DRAIN * 4)?;
        }
        self.flight.take_confirmed();
        self.follower.check()
    }

    fn idle(&mut self, report: &mut Report) -> Result<()> {
        self.say("idle ...");
        std::thread::sleep(SETTLE);
        let (before, from) = (self.cpu_total()?, Instant::now());
        std::thread::sleep(self.plan.idle);
        let spent = self.cpu_total()?.saturating_sub(before) as f64 / 1e9;
        report.idle_cpu_percent =
            tenth(100.0 * spent / from.elapsed().as_secs_f64() / self.urls.len() as f64);
        Ok(())
    }

    /// The parts of the load, one after the other.
    fn load(&mut self, report: &mut Report) -> Result<()> {
        self.start = Instant::now();
        let plan = self.plan;
        let light = self.paced("light", LIGHT_TPS, plan.light, |_| Ok(()))?;
        let sustained = self.sustained(report)?;
        report.throughput_tps = sustained.tps();
        report.duration_s = tenth(sustained.seconds);
        let rate = (LOADED_SHARE * report.throughput_tps).max(1.0);
        let loaded = self.paced("70 %", rate, plan.loaded, |_| Ok(()))?;
        let one_down = self.paced("70 %, one killed", rate, plan.one_down, |nodes| {
            std::thread::sleep(plan.one_down / 4);
            nodes.kill(VICTIM)
        })?;
        let (down, ()) = self.saturated("one down", plan.one_down_sustained, |_| Ok(()), |_, ()| Ok(()))?;
        report.one_down_tps = down.tps();
        report.rates_tps = Rates { light: LIGHT_TPS, loaded: tenth(rate) };
        report.latency_ms = Latencies {
            light: Latency::of(&light),
            loaded: Latency::of(&loaded),
            one_down: Latency::of(&one_down),
            saturated: Latency::of(&sustained.confirmed),
        };
        Ok(())
    }

    /// Submits at a rate while something happens to the nodes; the confirmations of what was submitted.
    fn paced(
        &mut self,
        name: &str,
        rate: f64,
        duration: Duration,
        meanwhile: impl FnOnce(&mut Processes) -> Result<()>,
    ) -> Result<Vec<Confirmation>> {
        let seconds = duration.as_secs_f64();
        self.say(format!("{name}: {rate:.0} transfers/s for {seconds} s ..."));
        self.workload.sign_ahead((rate * seconds * 1.2) as usize + 4 * self.workload.accounts.len());
        let from = Instant::now();
        let Self { workload, flight, urls, nodes, .. } = self;
        std::thread::scope(|scope| {
            let pace = Pace::PerSecond(rate);
            let sending =
                scope.spawn(move || load::run(&mut workload.accounts, flight, urls, pace, from + duration));
            meanwhile(nodes)?;
            sending.join().unwrap_or_else(|_| bail!("the load panicked"))
        })?;
        self.end_phase(name, from)
    }

    /// The sustained load, with what the nodes spend on it.
    fn sustained(&mut self, report: &mut Report) -> Result<Window> {
        let duration = self.plan.sustained;
        let before = |bench: &Self| bench.costs();
        let after = |bench: &Self, before: Costs| Ok(bench.costs()?.since(before));
        let (window, costs) = self.saturated("sustained", duration, before, after)?;
        // Every node deals with every transaction.
        let dealings = self.urls.len() * window.confirmed.len();
        report.cpu_us_per_tx_per_node = per_tx(costs.nodes_ns, dealings);
        report.cpu_split.by_thread = each_per_tx(costs.by_thread, dealings);
        let elapsed = ["build", "execute", "commit"].map(|step| {
            let seconds = costs.metrics.get(&format!("concordat_{step}_seconds_sum")).copied();
            (step.to_owned(), tenth(seconds.unwrap_or(0.0) * 1e6 / dealings.max(1) as f64))
        });
        report.cpu_split.elapsed = elapsed.into();
        report.load_generator_cpu_percent = tenth(costs.own_ns as f64 / 1e7 / window.seconds);
        report.blocks = Blocks {
            per_second: tenth(costs.blocks as f64 / window.seconds),
            mean_transactions: tenth(costs.transactions as f64 / costs.blocks.max(1) as f64),
        };
        for pid in self.nodes.pids() {
            report.rss_mb = report.rss_mb.max(measure::rss_mb(pid)?);
        }
        Ok(window)
    }

    /// Keeps as much in flight as is allowed. The measurement begins after a ramp; `before` and `after` are
    /// taken at its ends.
    pub(super) fn saturated<A, B>(
        &mut self,
        name: &str,
        duration: Duration,
        before: impl Fn(&Self) -> Result<A>,
        after: impl Fn(&Self, A) -> Result<B>,
    ) -> Result<(Window, B)> {
        self.say(format!("{name}: as much as is confirmed, for {} s ...", duration.as_secs()));
        let total = (duration + 2 * RAMP).as_secs() as usize * MOST_TPS;
        self.workload.sign_ahead(total);
        let from = Instant::now();
        let each = (self.in_flight / u32::try_from(self.workload.accounts.len())?).max(1);
        let mut accounts = std::mem::take(&mut self.workload.accounts);
        let this = &*self;
        let measured = std::thread::scope(|scope| {
            // Some longer than the window, so that it ends under full load.
            let until = from + RAMP + duration + RAMP / 3;
            let accounts = &mut accounts;
            let sending = scope
                .spawn(move || load::run(accounts, &this.flight, &this.urls, Pace::Saturate(each), until));
            std::thread::sleep(RAMP);
            let (costs, began) = (before(this)?, Instant::now());
            std::thread::sleep(duration);
            let (costs, ended) = (after(this, costs)?, Instant::now());
            let sent = sending.join().unwrap_or_else(|_| bail!("the load panicked"));
            sent.map(|()| (costs, began, ended))
        });
        self.workload.accounts = accounts;
        let (costs, began, ended) = measured?;
        let mut confirmed = self.end_phase(name, from)?;
        confirmed.retain(|one| (began..ended).contains(&one.at));
        Ok((Window { seconds: ended.duration_since(began).as_secs_f64(), confirmed }, costs))
    }

    fn end_phase(&mut self, name: &str, from: Instant) -> Result<Vec<Confirmation>> {
        self.unconfirmed += self.flight.drain(DRAIN);
        self.follower.check()?;
        let since = |at: Instant| tenth(at.saturating_duration_since(self.start).as_secs_f64());
        self.phases.push(Phase { name: name.into(), from: since(from), to: since(Instant::now()) });
        let confirmed = self.flight.take_confirmed();
        self.confirmed.extend_from_slice(&confirmed);
        let latency = Latency::of(&confirmed);
        self.say(format!("  {} confirmed; p50 {} ms, p99 {} ms", latency.count, latency.p50, latency.p99));
        Ok(confirmed)
    }

    /// The node that was killed starts again with nothing.
    fn sync(&mut self, report: &mut Report) -> Result<()> {
        let blocks = self.follower.blocks();
        let Some((height, _)) = blocks.last_key_value() else { bail!("no block was seen") };
        self.say(format!("an empty node catches up with {height} blocks ..."));
        self.nodes.empty(VICTIM)?;
        let (from, before) = (Instant::now(), self.cpu_total()?);
        self.nodes.start_node(VICTIM)?;
        self.nodes.wait_for_height(VICTIM, *height)?;
        let seconds = tenth(from.elapsed().as_secs_f64());
        let transactions: usize = blocks.values().sum();
        let own = self.nodes.pid(VICTIM).map(measure::cpu_by_thread).transpose()?.unwrap_or_default();
        let others = self.cpu_total()?.saturating_sub(before).saturating_sub(own.values().sum());
        report.sync = Sync { blocks: *height, transactions, seconds, ..Sync::default() };
        report.sync.cpu_us_per_tx = per_tx(own.values().sum(), transactions);
        report.sync.peers_cpu_us_per_tx = per_tx(others, transactions);
        report.sync.by_thread = each_per_tx(own, transactions);
        Ok(())
    }

    fn finish(self, report: &mut Report) {
        report.failed = self.flight.failed.load(Ordering::Relaxed);
        report.refused = self.flight.refused.load(Ordering::Relaxed);
        report.refusal = self.flight.refusal();
        report.unconfirmed = self.unconfirmed;
        report.seconds = per_second(self.start, &self.confirmed);
        report.phases = self.phases;
    }

    fn cpu_total(&self) -> Result<u64> {
        self.nodes.pids().into_iter().map(measure::cpu_total).sum()
    }

    fn costs(&self) -> Result<Costs> {
        let mut by_thread = BTreeMap::new();
        for pid in self.nodes.pids() {
            for (name, ns) in measure::cpu_by_thread(pid)? {
                *by_thread.entry(name).or_default() += ns;
            }
        }
        let blocks = self.follower.blocks();
        Ok(Costs {
            nodes_ns: self.cpu_total()?,
            by_thread,
            own_ns: measure::cpu_total(std::process::id())?,
            metrics: self.nodes.metrics()?,
            blocks: blocks.len(),
            transactions: blocks.values().sum(),
        })
    }
}

/// What was spent so far, all nodes together.
struct Costs {
    nodes_ns: u64,
    by_thread: BTreeMap<String, u64>,
    own_ns: u64,
    metrics: BTreeMap<String, f64>,
    blocks: usize,
    transactions: usize,
}

impl Costs {
    fn since(self, before: Self) -> Self {
        let earlier = |name: &String| before.by_thread.get(name).copied().unwrap_or(0);
        let by_thread =
            self.by_thread.into_iter().map(|(name, ns)| (ns.saturating_sub(earlier(&name)), name));
        let earlier = |name: &String| before.metrics.get(name).copied().unwrap_or(0.0);
        let metrics = self.metrics.into_iter().map(|(name, sum)| (sum - earlier(&name), name));
        Self {
            nodes_ns: self.nodes_ns.saturating_sub(before.nodes_ns),
            by_thread: by_thread.map(|(ns, name)| (name, ns)).collect(),
            own_ns: self.own_ns.saturating_sub(before.own_ns),
            metrics: metrics.map(|(sum, name)| (name, sum)).collect(),
            blocks: self.blocks.saturating_sub(before.blocks),
            transactions: self.transactions.saturating_sub(before.transactions),
        }
    }
}
