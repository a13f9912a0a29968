//! What many accounts and many blocks cost: processor time of a transaction, memory, and the time that a
//! node takes to start.
//!
//! For each size a chain of one validator is made in a node's own folder: a state with so many enrolled
//! accounts, then small blocks, then full ones between accounts at random. The last are measured, with
//! everything that the store does in the background. Then a node goes on from there.

pub(super) mod population;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use concordat_pki_authority::{Passphrase, PrivateKey};
use concordat_types::Genesis;
use ed25519_zebra::SigningKey;
use eyre::{Result, bail};
use serde::Serialize;
use serde_json::json;

use super::{
    accounts::Signed,
    bound::UnitCosts,
    chain::{Chain, Seal, Start},
    measure,
    network::Processes,
    stats::{each_per_tx, per_tx, tenth, thousandth},
};
use crate::client::Client;
use population::{Load, Population};

/// Transfers of a full block.
const BLOCK_TXS: usize = 1_000;

/// Full blocks before the measured ones: caches and allocators warm up.
const WARM_UP_BLOCKS: usize = 10;

/// The store is at rest when it took less than a tenth of a core for so long.
const REST: Duration = Duration::from_millis(500);

/// Transfers that the node takes of either kind: the first ones warm up its caches, the others are measured. Enough
/// of them that the database's rare and long works, of which each may or may not fall into a short window, count as
/// they come on average.
pub(super) const NODE_TXS: [usize; 2] = [30_000, 150_000];

/// In how many turns nodes that are compared take the measured transfers.
const TURNS: usize = 5;

/// Accounts that transfer among themselves, as in the sustained load, while the others only exist.
const ACTIVE: usize = 1_000;

/// Submissions of one request.
const REQUEST_TXS: usize = 100;

/// How large to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The small and the large number of accounts.
    pub accounts: [usize; 2],
    /// Small blocks of the large chain.
    pub blocks: usize,
    /// Full blocks that are measured.
    pub full_blocks: usize,
    /// What keys and payees come from.
    pub seed: u64,
}

/// What was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scale {
    /// The small chain, then the large one.
    pub steps: Vec<Step>,
    /// A node's processor time per transfer among the active accounts: the large state over the small one.
    pub ratio: f64,
    /// The same for transfers among all accounts at random, none of which any cache knows.
    pub ratio_uniform: f64,
    /// The same of what the parts cost without signatures, which cost the same in both.
    pub ratio_uniform_without_signatures: f64,
}

/// One size.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Step {
    /// Enrolled accounts with a balance.
    pub accounts: usize,
    /// Blocks in the chain when the node starts.
    pub blocks: u64,
    /// Processor time of one transfer among all accounts, outside a node, in microseconds: all of the following.
    pub cpu_us_per_tx: f64,
    /// Its parts.
    pub unit_costs: UnitCosts,
    /// What the store does in the background, compactions above all.
    pub background_us: f64,
    /// Memory of a node that has taken transfers, in mebibytes.
    pub rss_mb: u64,
    /// Processor time of that node per transfer among the active accounts, in microseconds: interfaces and
    /// consensus of one validator, too.
    pub node_cpu_us_per_tx: f64,
    /// Where it goes, by kind of thread.
    pub by_thread: BTreeMap<String, f64>,
    /// The same among all accounts at random.
    pub node_cpu_us_per_tx_uniform: f64,
    /// Where that goes.
    pub by_thread_uniform: BTreeMap<String, f64>,
    /// From the start of a node's process until its interfaces answer, in seconds.
    pub startup_s: f64,
}

impl Scale {
    /// A table for people.
    pub fn table(&self) -> String {
        let row = |step: &Step| {
            format!(
                "{:<42} {} µs of CPU per transfer of {ACTIVE} accounts, {} of all, {} MB, start in {} s with {} blocks\n",
                format!("{} accounts", step.accounts),
                step.node_cpu_us_per_tx,
                step.node_cpu_us_per_tx_uniform,
                step.rss_mb,
                step.startup_s,
                step.blocks,
            )
        };
        let rows: String = self.steps.iter().map(row).collect();
        let ratios = format!("{} ({} when all transfer at random)", self.ratio, self.ratio_uniform);
        format!("{rows}{:<42} {ratios}\n", "large : small")
    }
}

/// Measures both sizes.
pub fn measure(plan: &Plan, say: impl Fn(&str)) -> Result<Scale> {
    let [small, large] = plan.accounts;
    let mut small = Size::start(plan, small, plan.blocks.min(100), &say)?;
    let mut large = Size::start(plan, large, plan.blocks, &say)?;
    say("scale: both nodes take the same load in turns ...");
    measure_nodes([&mut small, &mut large])?;
    let [small, large] = [small.step, large.step];
    let ratio = |cost: fn(&Step) -> f64| thousandth(cost(&large) / cost(&small).max(f64::EPSILON));
    let scale = Scale {
        ratio: ratio(|step| step.node_cpu_us_per_tx),
        ratio_uniform: ratio(|step| step.node_cpu_us_per_tx_uniform),
        ratio_uniform_without_signatures: ratio(|step| step.cpu_us_per_tx - step.unit_costs.signature_us),
        steps: vec![small, large],
    };
    say(&format!("  {} times, {} when all transfer at random", scale.ratio, scale.ratio_uniform));
    Ok(scale)
}

/// A node that goes on from a chain of one size.
struct Size {
    nodes: Processes,
    /// What it will take: [`NODE_TXS`] among all accounts, then as many among the active ones.
    txs: Vec<Signed>,
    step: Step,
}

impl Size {
    /// Makes the chain, measures its full blocks, and starts the node.
    fn start(plan: &Plan, accounts: usize, blocks: usize, say: &impl Fn(&str)) -> Result<Self> {
        let nodes = Processes::prepare(1, None)?;
        let genesis = Genesis::from_json(&std::fs::read_to_string(&nodes.network.genesis)?)?;
        let full = (WARM_UP_BLOCKS + plan.full_blocks) * BLOCK_TXS;
        say(&format!("scale: a state of {accounts} accounts, {blocks} blocks ..."));
        let node_txs = NODE_TXS.iter().sum();
        let everywhere = Load { among: accounts, transfers: blocks + full + node_txs };
        let loads = [everywhere, Load { among: ACTIVE, transfers: node_txs }];
        let population = Population::new(&nodes, &genesis, accounts, &loads, plan.seed)?;
        let time_secs = u64::try_from(genesis.genesis_time)?;
        let start = Start { state: &population.state, validators: population.validators, time_secs };
        let seal = Seal::Key(Box::new(consensus_key(&nodes)?));
        let mut chain = Chain::start(&genesis, &nodes.ledger(0), start, seal)?;
        drop(population.state);
        let mut transfers = population.transfers;
        let txs = transfers.split_off(blocks + full);
        let (light, full) = transfers.split_at(blocks);
        light.iter().try_for_each(|tx| chain.block(&[tx]))?;
        let mut step = Step { accounts, ..Step::default() };
        measure_blocks(&mut chain, full, &mut step)?;
        step.blocks = chain.store().latest().map_or(0, |tip| tip.height);
        drop(chain);
        let mut size = Self { nodes, txs, step };
        size.start_node()?;
        say(&format!("  the node starts in {} s", size.step.startup_s));
        Ok(size)
    }

    fn start_node(&mut self) -> Result<()> {
        let from = Instant::now();
        self.nodes.start_node(0)?;
        self.nodes.wait_for_height(0, self.step.blocks)?;
        self.step.startup_s = tenth(from.elapsed().as_secs_f64());
        Ok(())
    }

    /// The node, and what it takes among all accounts and among the active ones.
    fn loaded(&self) -> Result<[Loaded<'_>; 2]> {
        let (uniform, active) = self.txs.split_at(NODE_TXS.iter().sum());
        Ok([Loaded::of(&self.nodes, uniform)?, Loaded::of(&self.nodes, active)?])
    }
}

/// What transfers cost a node of either size.
fn measure_nodes(sizes: [&mut Size; 2]) -> Result<()> {
    let [small, large] = [&sizes[0], &sizes[1]].map(|size| size.loaded());
    let ([small_uniform, small_active], [large_uniform, large_active]) = (small?, large?);
    let uniform = measure_in_turns([small_uniform, large_uniform])?;
    let active = measure_in_turns([small_active, large_active])?;
    for ((size, uniform), active) in sizes.into_iter().zip(uniform).zip(active) {
        let step = &mut size.step;
        (step.node_cpu_us_per_tx_uniform, step.by_thread_uniform) = (uniform.us_per_tx, uniform.by_thread);
        (step.node_cpu_us_per_tx, step.by_thread) = (active.us_per_tx, active.by_thread);
        let Some(pid) = size.nodes.pid(0) else { bail!("the node does not run") };
        step.rss_mb = measure::rss_mb(pid)?;
    }
    Ok(())
}

/// Full blocks, and what the store does because of them.
fn measure_blocks(chain: &mut Chain<'_>, txs: &[Signed], step: &mut Step) -> Result<()> {
    let mut before = 0;
    for (place, block) in txs.chunks(BLOCK_TXS).enumerate() {
        if place == WARM_UP_BLOCKS {
            rest(std::process::id())?;
            chain.spent = [0; 3];
            before = measure::cpu_total(std::process::id())?;
        }
        chain.block(&block.iter().collect::<Vec<_>>())?;
    }
    rest(std::process::id())?;
    let all = measure::cpu_total(std::process::id())?.saturating_sub(before);
    let measured = txs.len().saturating_sub(WARM_UP_BLOCKS * BLOCK_TXS).max(1);
    let each = |ns: u64| tenth(ns as f64 / 1e3 / measured as f64);
    let [signature_us, execution_us, commit_us] = chain.spent.map(each);
    step.unit_costs = UnitCosts { signature_us, execution_us, commit_us };
    step.cpu_us_per_tx = each(all);
    step.background_us = tenth(step.cpu_us_per_tx - signature_us - execution_us - commit_us);
    Ok(())
}

/// Waits until a process does nothing any more.
fn rest(pid: u32) -> Result<()> {
    loop {
        let before = measure::cpu_total(pid)?;
        std::thread::sleep(REST);
        let spent = measure::cpu_total(pid)?.saturating_sub(before);
        if u128::from(spent) * 10 < REST.as_nanos() {
            return Ok(());
        }
    }
}

/// A node that runs, and the transfers that it takes: as many as [`NODE_TXS`].
pub(super) struct Loaded<'a> {
    client: Client,
    pid: u32,
    warm_up: &'a [Signed],
    measured: &'a [Signed],
}

/// What transfers cost a node.
pub(super) struct Cost {
    /// Processor time of a transfer, in microseconds.
    pub us_per_tx: f64,
    /// Where it goes, by kind of thread.
    pub by_thread: BTreeMap<String, f64>,
}

/// Processor time, in nanoseconds.
#[derive(Default)]
struct Spent {
    total: u64,
    by_thread: BTreeMap<String, u64>,
}

impl<'a> Loaded<'a> {
    /// The only node of `nodes`.
    pub(super) fn of(nodes: &Processes, txs: &'a [Signed]) -> Result<Self> {
        let Some(pid) = nodes.pid(0) else { bail!("the node does not run") };
        let (warm_up, measured) = txs.split_at(NODE_TXS[0]);
        Ok(Self { client: Client::local(&nodes.network.nodes[0].ethereum), pid, warm_up, measured })
    }

    /// Takes some of what is measured; adds what was spent on it. What the store still does because of it counts.
    fn take(&self, txs: &[Signed], spent: &mut Spent) -> Result<()> {
        let (before, threads_before) = (measure::cpu_total(self.pid)?, measure::cpu_by_thread(self.pid)?);
        submit_all(&self.client, txs)?;
        rest(self.pid)?;
        spent.total += measure::cpu_total(self.pid)?.saturating_sub(before);
        for (thread, ns) in measure::cpu_by_thread(self.pid)? {
            let before = threads_before.get(&thread).copied().unwrap_or(0);
            *spent.by_thread.entry(thread).or_insert(0) += ns.saturating_sub(before);
        }
        Ok(())
    }
}

/// What their transfers cost nodes that are compared. They take them in turns: within minutes the speed of a machine
/// changes by more than what is looked for.
pub(super) fn measure_in_turns(nodes: [Loaded<'_>; 2]) -> Result<[Cost; 2]> {
    for node in &nodes {
        submit_all(&node.client, node.warm_up)?;
        rest(node.pid)?;
    }
    let [first, second] = nodes;
    let mut spent = [Spent::default(), Spent::default()];
    let share = first.measured.len().div_ceil(TURNS).max(1);
    for (one, other) in first.measured.chunks(share).zip(second.measured.chunks(share)) {
        first.take(one, &mut spent[0])?;
        second.take(other, &mut spent[1])?;
    }
    let cost = |spent: Spent| Cost {
        us_per_tx: per_tx(spent.total, first.measured.len()),
        by_thread: each_per_tx(spent.by_thread, first.measured.len()),
    };
    Ok(spent.map(cost))
}

fn submit_all(client: &Client, txs: &[Signed]) -> Result<()> {
    txs.chunks(REQUEST_TXS).try_for_each(|request| submit(client, request))?;
    match txs.last() {
        Some(last) => client.wait_for(last.hash, Duration::from_secs(60)).map(drop),
        None => Ok(()),
    }
}

fn submit(client: &Client, txs: &[Signed]) -> Result<()> {
    let one = |tx: &Signed| json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [tx.raw] });
    let answers = client.post(&txs.iter().map(one).collect())?;
    match answers.as_array().and_then(|all| all.iter().find(|one| !one["error"].is_null())) {
        None => Ok(()),
        Some(refused) => bail!("a transfer was refused: {}", refused["error"]),
    }
}

pub(super) fn consensus_key(nodes: &Processes) -> Result<SigningKey> {
    let passphrase = Passphrase::from_file(&nodes.network.passphrase_file)?;
    let file = nodes.network.nodes[0].config.with_file_name("consensus.key");
    Ok(SigningKey::from(*PrivateKey::read(&file, &passphrase)?.raw_secret()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_bar() {
        let step =
            Step { accounts: 1_000_000, blocks: 100_070, rss_mb: 500, startup_s: 2.5, ..Step::default() };
        let table = Scale { steps: vec![step], ratio: 1.2, ratio_uniform: 1.4, ..Scale::default() }.table();
        for word in ["1000000 accounts", "500 MB", "2.5 s", "100070 blocks", "1.2", "1.4"] {
            assert!(table.contains(word), "{word} is missing in {table}");
        }
    }
}
