//! A regulator's database with as many transactions as a busy network makes in a year, which no chain has made.

use std::{
    sync::Mutex,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use concordat_sql::cluster::Cluster;
use eyre::{Result, WrapErr as _, eyre};

use super::super::stats::tenth;

/// What it is made by: sections, the first of which comes before the others.
const SQL: &str = include_str!("ledger.sql");

/// What sections begin with.
const SECTION: &str = "\n-- part\n";

/// Transactions of a block on average. How many it is for one lies between 50 and 150.
pub(super) const MEAN: u64 = 100;

/// Accounts.
pub(super) const ACCOUNTS: u64 = 10_000;

/// Banks.
pub(super) const BANKS: u64 = 39;

/// Tokens.
pub(super) const TOKENS: u64 = 20;

/// What is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ledger {
    /// Blocks.
    pub(super) blocks: u64,
    /// Transactions.
    pub(super) transactions: u64,
    /// How long it took to make it, in seconds.
    pub(super) seconds: f64,
}

/// Fills a database that was migrated with no fewer than so many transactions.
pub(super) fn fill(cluster: &Cluster, transactions: u64, seed: u64) -> Result<Ledger> {
    let from = Instant::now();
    // The sizes of 101 blocks that follow on one another have their mean; of the last ones they may not.
    let blocks = transactions.div_ceil(MEAN) + 101;
    let text = SQL
        .replace("{seed}", &seed.to_string())
        .replace("{accounts}", &ACCOUNTS.to_string())
        .replace("{blocks}", &blocks.to_string())
        .replace("{now_ms}", &SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().to_string());
    let mut sections = text.split(SECTION);
    let first = sections.next().ok_or_else(|| eyre!("nothing to make a ledger by"))?;
    cluster.query(first).wrap_err("what all tables are made of")?;
    let sections = Mutex::new(sections);
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let next = sections.lock().map_err(|_| eyre!("a thread panicked"))?.next();
                let Some(section) = next else { return Ok(()) };
                cluster.query(section).wrap_err("a table of the ledger")?;
            }
        };
        let other = scope.spawn(work);
        work()?;
        other.join().map_err(|_| eyre!("a thread panicked"))?
    })?;
    // As the database does itself in time.
    cluster.query("VACUUM (ANALYZE)")?;
    let transactions = cluster.query("SELECT count(*) FROM ledger.transactions")?.parse()?;
    Ok(Ledger { blocks, transactions, seconds: tenth(from.elapsed().as_secs_f64()) })
}

/// Adds a supervisor of the regulator, from its beginning on.
pub(super) fn supervise(
    cluster: &Cluster,
    number: usize,
    (account, fingerprint): (&[u8], &[u8]),
    mandate: &serde_json::Value,
) -> Result<()> {
    let bytes = |bytes: &[u8]| format!("'\\x{}'::bytea", hex::encode(bytes));
    let (account, fingerprint) = (bytes(account), bytes(fingerprint));
    cluster.query(&format!(
        "INSERT INTO ledger.account_standings VALUES (5, 900000 + {number}, NULL, false, {account}, 'active', 'regulator', false, 4000000000, 90, sha256({account}));
         INSERT INTO ledger.account_details VALUES (5, 900000 + {number}, NULL, false, {account}, 'supervisor {number}', {fingerprint}, 0, 5);
         INSERT INTO ledger.regulators VALUES (5, {number}, NULL, false, {account}, 'regulator', '{mandate}', 5, 1)"
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_ledger_is_one_that_is_put_in() {
        let names = ["{seed}", "{accounts}", "{blocks}", "{now_ms}"];
        let text = names.iter().fold(SQL.to_owned(), |text, name| {
            assert!(text.contains(name), "{name}");
            text.replace(name, "1")
        });
        let left: Vec<&str> = text.split('{').skip(1).filter(|rest| !rest.starts_with(['}', '"'])).collect();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(SQL.split(SECTION).count(), 7);
    }
}
