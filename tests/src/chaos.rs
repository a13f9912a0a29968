//! Chaos: processes die by SIGKILL at random instants under load, one, two or all at a time.
//!
//! What to do is drawn beforehand from a seed ([`Plan`]); what the nodes say is judged by [`History`]. A plan
//! is repeatable, the instant at which a signal hits a process is not: the seed repeats the sequence of faults, not
//! the interleaving.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::{Value, json};

use crate::{
    Network, call_all, chain,
    history::{History, Violation},
    load::Load,
};

/// A node that does not come back within this time stalls.
const PATIENCE: Duration = Duration::from_secs(60);

/// Heights told before that are asked for again after each strike.
const OVERLAP: u64 = 20;

/// Arguments of `concordat net init` for chaos: blocks come without load too, so that a node that is back has
/// something to decide.
pub const BUSY: [&str; 2] = ["--empty-block-interval-ms", "500"];

/// One strike: who dies after how much load, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    /// Who dies, all at once.
    pub victims: Vec<usize>,
    /// How long there is load before, in milliseconds.
    pub load_ms: u64,
    /// How long the victims stay down at least, in milliseconds.
    pub down_ms: u64,
}

/// All strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it was drawn from.
    pub seed: u64,
    /// In order.
    pub strikes: Vec<Strike>,
}

impl Plan {
    /// Strikes of given sizes: how many of `nodes` die at once.
    pub fn of_sizes(seed: u64, nodes: usize, sizes: &[usize]) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        Self::draw(seed, nodes, sizes, &mut random)
    }

    /// As many strikes: of ten, seven hit one node, two hit two, one hits all.
    pub fn random(seed: u64, nodes: usize, strikes: usize) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut sizes = Vec::new();
        while sizes.len() < strikes {
            let mut deck = [1, 1, 1, 1, 1, 1, 1, 2, 2, nodes];
            deck.shuffle(&mut random);
            sizes.extend(deck);
        }
        sizes.truncate(strikes);
        Self::draw(seed, nodes, &sizes, &mut random)
    }

    fn draw(seed: u64, nodes: usize, sizes: &[usize], random: &mut StdRng) -> Self {
        let mut strike = |size: &usize| {
            let mut victims: Vec<usize> = (0..nodes).collect();
            victims.shuffle(random);
            victims.truncate(*size);
            let (load_ms, down_ms) = (random.random_range(20..800), random.random_range(0..1_000));
            Strike { victims, load_ms, down_ms }
        };
        Self { seed, strikes: sizes.iter().map(&mut strike).collect() }
    }
}

/// What a run showed.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The plan's seed.
    pub seed: u64,
    /// Strikes.
    pub strikes: usize,
    /// Processes killed.
    pub processes_killed: usize,
    /// Transactions whose receipt was returned; every node still gives every one of them.
    pub receipts: usize,
    /// Blocks, compared on all nodes.
    pub blocks: usize,
    /// Length of the run, in seconds.
    pub seconds: u64,
    /// From a process' start until it has caught up with the chain and seen it go on, in milliseconds, by how
    /// many died at once.
    pub recovery_ms: BTreeMap<usize, Vec<u64>>,
    /// From the death of one node until the others made a block, in milliseconds.
    pub stall_ms: Vec<u64>,
}

impl Report {
    /// As it stands in `report.json`.
    pub fn to_json(&self) -> Value {
        let recovery: BTreeMap<String, Value> =
            self.recovery_ms.iter().map(|(size, times)| (format!("{size}_killed"), summary(times))).collect();
        let all: Vec<u64> = self.recovery_ms.values().flatten().copied().collect();
        json!({
            "seed": self.seed,
            "strikes": self.strikes,
            "processes_killed": self.processes_killed,
            "receipts_kept": self.receipts,
            "blocks_compared": self.blocks,
            "duration_s": self.seconds,
            "recovery_ms": summary(&all),
            "recovery_ms_by_strike": recovery,
            "stall_of_survivors_ms": summary(&self.stall_ms),
        })
    }
}

/// Smallest, middle, 99th percentile (nearest rank) and largest.
pub fn summary(times_ms: &[u64]) -> Value {
    let mut sorted = times_ms.to_vec();
    sorted.sort_unstable();
    let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1));
    json!({
        "count": sorted.len(),
        "min": sorted.first(),
        "median": rank(50),
        "p99": rank(99),
        "max": sorted.last(),
    })
}

/// Carries a plan out against a running network; `tell` hears of each strike. At the end every receipt ever
/// returned has been asked for on every node, and every block compared.
pub fn run(network: &mut Network, plan: &Plan, mut tell: impl FnMut(&str)) -> Result<Report, Violation> {
    let began = Instant::now();
    let mut load = Load::start(network);
    let mut run = Run { network, history: History::default(), compared: 0, report: Report::default() };
    for (number, strike) in (1..).zip(&plan.strikes) {
        std::thread::sleep(Duration::from_millis(strike.load_ms));
        let recovered = run.strike(strike)?;
        run.compare(&load)?;
        tell(&format!(
            "{number}/{}: killed {:?}, back after {recovered:?} ms; {} receipts, {} blocks",
            plan.strikes.len(),
            strike.victims,
            run.history.promises(),
            run.history.blocks()
        ));
    }
    load.stop();
    run.compare(&load)?;
    run.compare_everything(&load)?;
    let Run { history, report, .. } = run;
    Ok(Report {
        seed: plan.seed,
        strikes: plan.strikes.len(),
        processes_killed: plan.strikes.iter().map(|strike| strike.victims.len()).sum(),
        receipts: history.promises(),
        blocks: history.blocks(),
        seconds: began.elapsed().as_secs(),
        ..report
    })
}

struct Run<'a> {
    network: &'a mut Network,
    history: History,
    /// The height up to which all nodes' blocks were compared.
    compared: u64,
    report: Report,
}

impl Run<'_> {
    /// Kills, waits, restarts; how long each victim took to come back, in milliseconds.
    fn strike(&mut self, strike: &Strike) -> Result<Vec<u64>, Violation> {
        let victims = &strike.victims;
        let before = self.highest()?;
        self.network.kill_together(victims);
        let struck = Instant::now();
        if let [victim] = victims.as_slice() {
            let witness = (victim + 1) % self.network.count();
            self.wait("the others go on", |run| Ok(run.height(witness)? > Some(before)))?;
            self.report.stall_ms.push(ms(struck));
        }
        std::thread::sleep(Duration::from_millis(strike.down_ms).saturating_sub(struck.elapsed()));

        let target = self.highest()?.max(before);
        let started = Instant::now();
        for &victim in victims {
            self.network.start_node(victim);
        }
        let mut missing = victims.clone();
        let mut recovered = Vec::new();
        self.wait("the killed nodes catch up and see the chain go on", |run| {
            for victim in std::mem::take(&mut missing) {
                if run.height(victim)? > Some(target) {
                    recovered.push(ms(started));
                } else {
                    missing.push(victim);
                }
            }
            Ok(missing.is_empty())
        })?;
        self.report.recovery_ms.entry(victims.len()).or_default().extend(&recovered);
        Ok(recovered)
    }

    /// Everything told since the last time is the same on all nodes.
    fn compare(&mut self, load: &Load) -> Result<(), Violation> {
        let promises = load.promises();
        let asked: Vec<String> = promises.iter().map(|promise| promise.tx.clone()).collect();
        for promise in promises {
            self.history.receipt_given(promise.node, &promise.tx, promise.receipt)?;
        }
        let upto = self.highest()?;
        self.wait("all nodes reach the highest", |run| run.all_at(upto))?;
        for node in 0..self.network.count() {
            self.ask_receipts(node, &asked)?;
            self.ask_headers(node, self.compared.saturating_sub(OVERLAP) + 1, upto)?;
            for metric in chain::DOUBLE_SIGNING {
                let count = self.network.metric(node, metric) as u64;
                self.history.double_signings_told(node, metric, count)?;
            }
        }
        self.compared = upto;
        Ok(())
    }

    /// Everything ever told is the same on all nodes, and every payment arrived once.
    fn compare_everything(&mut self, load: &Load) -> Result<(), Violation> {
        let asked = self.history.transactions();
        for node in 0..self.network.count() {
            self.ask_receipts(node, &asked)?;
            self.ask_headers(node, 1, self.compared)?;
        }
        self.history.receipts_fit_the_chain()?;
        for node in 0..self.network.count() {
            for account in &load.accounts {
                let books = account.books(self.network, node, load.token).expect("a running node answers");
                self.history.payments_told(node, &account.name, books, account.promised())?;
            }
        }
        Ok(())
    }

    fn ask_receipts(&mut self, node: usize, txs: &[String]) -> Result<(), Violation> {
        let url = self.network.url(node, "ethereum");
        for some in txs.chunks(100) {
            let calls = some.iter().map(|tx| ("eth_getTransactionReceipt", json!([tx])));
            let answers = call_all(&url, calls).unwrap_or_else(|e| panic!("node {node}: {e}"));
            for (tx, answer) in some.iter().zip(answers) {
                let receipt = answer.unwrap_or_else(|e| panic!("node {node} about {tx}: {e}"));
                self.history.receipt_asked(node, tx, Some(receipt).filter(|receipt| !receipt.is_null()))?;
            }
        }
        Ok(())
    }

    fn ask_headers(&mut self, node: usize, from: u64, upto: u64) -> Result<(), Violation> {
        for (height, told) in (from..).zip(chain::headers(self.network, node, from, upto)) {
            self.history.header_told(node, height, told)?;
        }
        Ok(())
    }

    /// A node's height, which may only grow; `None` while it does not answer.
    fn height(&mut self, node: usize) -> Result<Option<u64>, Violation> {
        let height = self.network.height(node);
        height.map_or(Ok(()), |height| self.history.height_told(node, height))?;
        Ok(height)
    }

    fn highest(&mut self) -> Result<u64, Violation> {
        let heights = (0..self.network.count()).map(|node| self.height(node));
        let heights = heights.collect::<Result<Vec<_>, _>>()?;
        Ok(heights.into_iter().flatten().max().unwrap_or_default())
    }

    fn all_at(&mut self, height: u64) -> Result<bool, Violation> {
        for node in 0..self.network.count() {
            if self.height(node)? < Some(height) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn wait(
        &mut self,
        what: &str,
        mut done: impl FnMut(&mut Self) -> Result<bool, Violation>,
    ) -> Result<(), Violation> {
        let since = Instant::now();
        while !done(self)? {
            if since.elapsed() > PATIENCE {
                return Err(Violation::Stalled { what: what.to_owned(), waited_ms: ms(since) });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// Milliseconds since an instant.
pub fn ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_plan_and_another_seed_another() {
        assert_eq!(Plan::random(7, 4, 50), Plan::random(7, 4, 50));
        assert_ne!(Plan::random(7, 4, 50).strikes, Plan::random(8, 4, 50).strikes);
    }

    #[test]
    fn a_plan_hits_one_two_and_all_nodes_and_nobody_twice_at_once() {
        let plan = Plan::random(1, 4, 200);
        assert_eq!(plan.strikes.len(), 200);
        let of_size = |size| plan.strikes.iter().filter(|strike| strike.victims.len() == size).count();
        assert_eq!((of_size(1), of_size(2), of_size(4)), (140, 40, 20));
        for strike in &plan.strikes {
            let mut victims = strike.victims.clone();
            victims.sort_unstable();
            victims.dedup();
            assert_eq!(victims.len(), strike.victims.len());
            assert!(victims.iter().all(|victim| *victim < 4));
        }
        let given = Plan::of_sizes(1, 4, &[1, 4]);
        assert_eq!(given.strikes.iter().map(|strike| strike.victims.len()).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn a_summary_takes_the_nearest_rank() {
        let times: Vec<u64> = (1..=200).rev().collect();
        let expected = json!({ "count": 200, "min": 1, "median": 100, "p99": 198, "max": 200 });
        assert_eq!(summary(&times), expected);
        let one = json!({ "count": 1, "min": 5, "median": 5, "p99": 5, "max": 5 });
        assert_eq!(summary(&[5]), one);
        let none = json!({ "count": 0, "min": null, "median": null, "p99": null, "max": null });
        assert_eq!(summary(&[]), none);
    }
}
