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
    let small = step(plan, small, plan.blocks.min(100), &say)?;
    let large = step(plan, large, plan.blocks, &say)?;
    let ratio = |cost: fn(&Step) -> f64| thousandth(cost(&large) / cost(&small).max(f64::EPSILON));
    Ok(Scale {
        ratio: ratio(|step| step.node_cpu_us_per_tx),
        ratio_uniform: ratio(|step| step.node_cpu_us_per_tx_uniform),
        ratio_uniform_without_signatures: ratio(|step| step.cpu_us_per_tx - step.unit_costs.signature_us),
        steps: vec![small, large],
    })
}

fn step(plan: &Plan, accounts: usize, blocks: usize, say: &impl Fn(&str)) -> Result<Step> {
    let mut nodes = Processes::prepare(1, None)?;
    let genesis = Genesis::from_json(&std::fs::read_to_string(&nodes.network.genesis)?)?;
    let full = (WARM_UP_BLOCKS + plan.full_blocks) * BLOCK_TXS;
    say(&format!("scale: a state of {accounts} accounts, {blocks} blocks ..."));
    let node_txs = NODE_TXS.iter().sum();
    let everywhere = Load { among: accounts, transfers: blocks + full + node_txs };
    let loads = [everywhere, Load { among: ACTIVE, transfers: node_txs }];
    let population = Population::new(&nodes, &genesis, accounts, &loads, plan.seed)?;
    let time_secs = u64::try_from(genesis.genesis_time)?;
    let start = Start { state: &population.state, validators: population.validators, time_secs };
    let mut chain =
        Chain::start(&genesis, &nodes.ledger(0), start, Seal::Key(Box::new(consensus_key(&nodes)?)))?;
    drop(population.state);
    let (light, rest) = population.transfers.split_at(blocks);
    let (full, last) = rest.split_at(full);
    light.iter().try_for_each(|tx| chain.block(&[tx]))?;
    let mut step = Step { accounts, ..Step::default() };
    measure_blocks(&mut chain, full, &mut step)?;
    step.blocks = chain.store().latest().map_or(0, |tip| tip.height);
    drop(chain);
    measure_node(&mut nodes, last, &mut step)?;
    say(&format!(
        "  {} µs per transfer, {} at random, {} MB, start in {} s",
        step.node_cpu_us_per_tx, step.node_cpu_us_per_tx_uniform, step.rss_mb, step.startup_s
    ));
    Ok(step)
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

/// A node that goes on from the chain.
fn measure_node(nodes: &mut Processes, txs: &[Signed], step: &mut Step) -> Result<()> {
    let from = Instant::now();
    nodes.start_node(0)?;
    nodes.wait_for_height(0, step.blocks)?;
    step.startup_s = tenth(from.elapsed().as_secs_f64());
    let Some(pid) = nodes.pids().first().copied() else { bail!("the node does not run") };
    let client = Client::local(&nodes.network.nodes[0].ethereum);
    let (uniform, active) = txs.split_at(NODE_TXS.iter().sum());
    (step.node_cpu_us_per_tx_uniform, step.by_thread_uniform) = measure_load(&client, pid, uniform)?;
    (step.node_cpu_us_per_tx, step.by_thread) = measure_load(&client, pid, active)?;
    step.rss_mb = measure::rss_mb(pid)?;
    Ok(())
}

/// Processor time of the node per transfer, in microseconds, and by kind of thread.
pub(super) fn measure_load(
    client: &Client,
    pid: u32,
    txs: &[Signed],
) -> Result<(f64, BTreeMap<String, f64>)> {
    let (warm_up, measured) = txs.split_at(NODE_TXS[0]);
    submit_all(client, warm_up)?;
    rest(pid)?;
    let (before, mut threads_before) = (measure::cpu_total(pid)?, measure::cpu_by_thread(pid)?);
    submit_all(client, measured)?;
    // What the store still does because of them is theirs.
    rest(pid)?;
    let spent = measure::cpu_total(pid)?.saturating_sub(before);
    let since = |(name, ns): (String, u64)| {
        let earlier = threads_before.remove(&name).unwrap_or(0);
        (name, ns.saturating_sub(earlier))
    };
    let by_thread = measure::cpu_by_thread(pid)?.into_iter().map(since).collect();
    Ok((per_tx(spent, measured.len()), each_per_tx(by_thread, measured.len())))
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
