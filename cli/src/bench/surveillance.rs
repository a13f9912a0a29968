//! What surveillance costs: fifty rules of all kinds, over transfers that are made up, and over the blocks that the
//! regulator's database was filled with.

mod generated;
mod rules;

use std::fmt::Write as _;

use concordat_surveillance::{Asset, Engine, Limits, Recalled, Unknown};
use concordat_types::{Address, U256};
use eyre::Result;
use generated::Generated;
pub use generated::amount;
pub use rules::Rulebook;
use serde::Serialize;

use super::{
    measure,
    stats::{per_tx, tenth},
};

/// How many accounts transfer, the one time and the other.
const ACCOUNTS: [u64; 2] = [1_000, 100_000];

/// Tokens that are transferred.
const TOKENS: u8 = 5;

/// Transfers of a block, and how far blocks are apart: 5,000 transfers a second.
const BLOCK_TRANSFERS: u64 = 1_000;
const BLOCK_MS: u64 = 200;

/// Blocks with which the windows of most rules fill, and those that are measured.
const FILLING_BLOCKS: u64 = 1_500;
const BLOCKS: u64 = 300;

/// What was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Surveillance {
    /// Rules.
    pub rules: usize,
    /// The engine alone, by the number of accounts.
    pub engine: Vec<Judged>,
    /// The watcher with PostgreSQL; absent where that was not measured.
    pub watcher: Option<Watched>,
}

/// The engine alone.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Judged {
    /// Accounts that transfer.
    pub accounts: u64,
    /// Transactions with a transfer each.
    pub transactions: u64,
    /// What was found in them.
    pub findings: usize,
    /// How often a rule could not judge.
    pub unjudged: usize,
    /// Processor time of each, in microseconds.
    pub us_per_tx: f64,
    /// Transactions for each second of processor time.
    pub tx_per_core_second: f64,
}

/// The watcher: reading, judging and writing.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Watched {
    /// Blocks.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// What was found in them.
    pub findings: u64,
    /// From the start of the watcher to its end, in seconds.
    pub seconds: f64,
    /// Transactions for each second of that.
    pub tx_per_second: f64,
    /// Processor time of the watcher for each transaction, in microseconds.
    pub watcher_us_per_tx: f64,
    /// The same of PostgreSQL.
    pub postgres_us_per_tx: f64,
    /// Transactions for each second of processor time, both together.
    pub tx_per_core_second: f64,
}

impl Surveillance {
    /// Lines for people.
    pub fn table(&self) -> String {
        let mut engine = String::new();
        for Judged { accounts, tx_per_core_second, us_per_tx, .. } in &self.engine {
            let comma = if engine.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ =
                write!(engine, "{comma}{tx_per_core_second}/s of {accounts} accounts ({us_per_tx} µs each)");
        }
        let name = format!("surveillance by {} rules", self.rules);
        let mut table = format!("{name:<42} transactions per core: {engine}\n");
        if let Some(watcher) = &self.watcher {
            let Watched { tx_per_core_second, tx_per_second, .. } = watcher;
            let (own, postgres) = (watcher.watcher_us_per_tx, watcher.postgres_us_per_tx);
            let _ = writeln!(
                table,
                "{:<42} {tx_per_core_second} transactions/s of a core: watcher {own} + PostgreSQL {postgres} µs; \
                 {tx_per_second}/s on this machine, {} findings",
                "the same from the database", watcher.findings
            );
        }
        table
    }
}

/// Measures the engine alone.
pub fn measure(seed: u64, say: impl Fn(&str)) -> Result<Surveillance> {
    let tokens: Vec<Address> = (1..=TOKENS).map(|n| Address::repeat_byte(0xe0 | n)).collect();
    let rulebook = Rulebook::new(&tokens, &["bank-a", "bank-b", "bank-c", "bank-d"]);
    let mut measured = Surveillance { rules: rulebook.rules()?.len(), ..Surveillance::default() };
    for accounts in ACCOUNTS {
        say(&format!("fifty rules judge transfers of {accounts} accounts ..."));
        measured.engine.push(judge(&rulebook, Generated::new(accounts, &tokens, seed))?);
    }
    Ok(measured)
}

fn judge(rulebook: &Rulebook, mut generated: Generated) -> Result<Judged> {
    let mut engine = Engine::new(rulebook.rules()?, Some(rulebook.list()?), Limits::default())?;
    for _ in 0..FILLING_BLOCKS {
        engine.warm(&generated.block(BLOCK_TRANSFERS, BLOCK_MS));
    }
    let mut judged = Judged { accounts: generated.accounts(), ..Judged::default() };
    let mut spent = 0;
    for _ in 0..BLOCKS {
        let block = generated.block(BLOCK_TRANSFERS, BLOCK_MS);
        let (unknown, asking) = timed(|| engine.unknown(std::slice::from_ref(&block)));
        let recalled = before(&unknown);
        let (found, judging) = timed(|| {
            engine.recall(recalled);
            engine.block(&block)
        });
        spent += asking + judging;
        judged.findings += found.len();
        judged.unjudged += found.iter().filter(|finding| !finding.judged).count();
        judged.transactions += BLOCK_TRANSFERS;
    }
    judged.us_per_tx = per_tx(spent, usize::try_from(judged.transactions)?);
    judged.tx_per_core_second = per_core_second(judged.transactions, spent);
    Ok(judged)
}

/// Whoever is asked after has sent something long ago, and has given small amounts.
fn before(unknown: &Unknown) -> Recalled {
    let gave = |(asset, account): &(Asset, Address)| {
        let amounts = (0..unknown.sample).map(|n| U256::from(amount(u64::try_from(n).unwrap_or(0))));
        ((*asset, *account), amounts.collect())
    };
    Recalled {
        active: unknown.active.iter().map(|account| (*account, None)).collect(),
        amounts: unknown.amounts.iter().map(gave).collect(),
    }
}

/// What something comes to, and its processor time in nanoseconds.
fn timed<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = measure::own_cpu_ns();
    let done = work();
    (done, measure::own_cpu_ns().saturating_sub(before))
}

/// So many for each second of processor time.
pub(super) fn per_core_second(transactions: u64, ns: u64) -> f64 {
    (transactions as f64 / (ns as f64 / 1e9).max(f64::EPSILON)).round()
}

impl Watched {
    /// Of what the watcher has told, how long it took, and the processor time of it and of PostgreSQL in nanoseconds.
    pub(super) fn of(
        (blocks, transactions, findings): (u64, u64, u64),
        seconds: f64,
        (watcher_ns, postgres_ns): (u64, u64),
    ) -> Self {
        let each = |ns: u64| per_tx(ns, usize::try_from(transactions).unwrap_or(usize::MAX));
        Self {
            blocks,
            transactions,
            findings,
            seconds: tenth(seconds),
            tx_per_second: (transactions as f64 / seconds.max(f64::EPSILON)).round(),
            watcher_us_per_tx: each(watcher_ns),
            postgres_us_per_tx: each(postgres_ns),
            tx_per_core_second: per_core_second(transactions, watcher_ns.saturating_add(postgres_ns)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_told_to_people() {
        let engine = vec![
            Judged { accounts: 1_000, tx_per_core_second: 50_000.0, us_per_tx: 20.0, ..Judged::default() },
            Judged { accounts: 100_000, tx_per_core_second: 40_000.0, us_per_tx: 25.0, ..Judged::default() },
        ];
        let watcher = Some(Watched::of((10, 1_000, 3), 0.05, (20_000_000, 30_000_000)));
        let table = Surveillance { rules: 50, engine, watcher }.table();
        assert!(
            table.contains("50000/s of 1000 accounts (20 µs each), 40000/s of 100000 accounts"),
            "{table}"
        );
        assert!(table.contains("20000 transactions/s of a core: watcher 20 + PostgreSQL 30 µs"), "{table}");
        assert!(table.contains("20000/s on this machine, 3 findings"), "{table}");
    }

    #[test]
    fn what_is_made_up_is_judged_by_all_rules() {
        let tokens = [Address::repeat_byte(0xe1)];
        let rulebook = Rulebook::new(&tokens, &["bank-a"]);
        let mut engine =
            Engine::new(rulebook.rules().unwrap(), Some(rulebook.list().unwrap()), Limits::default())
                .unwrap();
        let mut generated = Generated::new(10, &tokens, 1);
        let mut found = 0;
        for _ in 0..20 {
            let block = generated.block(200, BLOCK_MS);
            let unknown = engine.unknown(std::slice::from_ref(&block));
            engine.recall(before(&unknown));
            found += engine.block(&block).len();
        }
        assert!(found > 0);
    }
}
