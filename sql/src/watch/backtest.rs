//! Rules judged over blocks of before, to see what they would have found. Nothing is written.

use std::collections::BTreeMap;

use concordat_surveillance::{Finding, Subject};
use serde::Serialize;
use sqlx::{Executor as _, PgConnection};

use super::{
    Plan, WatchError, WatchProgress,
    follow::{Meter, judge},
    holders::add_holders,
    read::Reader,
    warm,
    write::{self, Ledger},
};
use crate::{Database, SqlError, database::check_schema};

/// What a rule would have found.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Which rule.
    pub rule: String,
    /// How often.
    pub findings: u64,
    /// How often it could not judge.
    pub unjudged: u64,
    /// In which block first.
    pub first: Option<u64>,
    /// In which block last.
    pub last: Option<u64>,
    /// About how many different subjects.
    pub subjects: usize,
}

/// What rules would have found.
#[derive(Clone, Debug, Serialize)]
pub struct Backtest {
    /// The first block that was judged.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// Of each rule, in their order.
    pub rules: Vec<Summary>,
    /// The findings, the earliest first, as many as were asked for.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub left_out: u64,
}

/// Judges the blocks from one height to another, the whole ledger where none is named. At most `most` findings are kept;
/// the summary is about all.
///
/// # Errors
/// [`WatchError::NoRange`], and whatever the database says.
pub async fn backtest(
    database: &Database,
    plan: &Plan,
    (from, to): (Option<u64>, Option<u64>),
    most: usize,
    tell: &mut dyn FnMut(&WatchProgress),
) -> Result<Backtest, WatchError> {
    let mut engine = plan.engine()?;
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    only_reads(&mut connection).await?;
    let (from, to) = range(&write::ledger(&mut connection).await?, from, to)?;
    warm::see_again(&mut connection, &mut engine, from.saturating_sub(1), tell).await?;
    let (mut reader, mut next, mut meter) = (Reader::new(engine.interests()), from, Meter::new());
    meter.begin(from.saturating_sub(1), to);
    let mut told = Told::new(&engine.rules().map(|rule| rule.id.clone()).collect::<Vec<_>>(), most);
    while next <= to {
        let mut blocks = reader.next(&mut connection, next, to).await?;
        if let (Some(list), Some(first), true) = (engine.list(), blocks.first_mut(), next == from) {
            add_holders(&mut connection, list, first).await?;
        }
        let found = judge(&mut connection, &mut engine, &blocks).await?;
        let height = blocks.last().map_or(to, |block| block.height);
        meter.add(&blocks, found.len(), (height, to), tell);
        next = height.saturating_add(1);
        found.into_iter().for_each(|finding| told.add(finding));
    }
    tell(&meter.progress);
    Ok(told.end(from, to))
}

/// The database itself sees to it that nothing is written.
async fn only_reads(connection: &mut PgConnection) -> Result<(), SqlError> {
    let only = "SET default_transaction_read_only = on";
    connection.execute(only).await.map_err(SqlError::at("give up writing"))?;
    Ok(())
}

fn range(ledger: &Ledger, from: Option<u64>, to: Option<u64>) -> Result<(u64, u64), WatchError> {
    let (first, last) = (ledger.first, ledger.height);
    let (from, to) = (from.unwrap_or(first), to.unwrap_or(last));
    if from < first || to > last || from > to {
        return Err(WatchError::NoRange { from, to, first, last });
    }
    Ok((from, to))
}

/// What was found so far.
struct Told {
    rules: Vec<Summary>,
    subjects: BTreeMap<String, std::collections::BTreeSet<Subject>>,
    findings: Vec<Finding>,
    most: usize,
    left_out: u64,
}

impl Told {
    fn new(ids: &[String], most: usize) -> Self {
        let none = |id: &String| Summary {
            rule: id.clone(),
            findings: 0,
            unjudged: 0,
            first: None,
            last: None,
            subjects: 0,
        };
        let rules = ids.iter().map(none).collect();
        Self { rules, subjects: BTreeMap::new(), findings: Vec::new(), most, left_out: 0 }
    }

    fn add(&mut self, finding: Finding) {
        if let Some(summary) = self.rules.iter_mut().find(|summary| summary.rule == finding.rule) {
            summary.findings = summary.findings.saturating_add(1);
            summary.unjudged = summary.unjudged.saturating_add(u64::from(!finding.judged));
            summary.first = summary.first.or(Some(finding.height));
            summary.last = Some(finding.height);
        }
        self.subjects.entry(finding.rule.clone()).or_default().insert(finding.subject.clone());
        match self.findings.len() < self.most {
            true => self.findings.push(finding),
            false => self.left_out = self.left_out.saturating_add(1),
        }
    }

    fn end(self, from: u64, to: u64) -> Backtest {
        let Self { mut rules, subjects, findings, left_out, .. } = self;
        for summary in &mut rules {
            summary.subjects = subjects.get(&summary.rule).map_or(0, std::collections::BTreeSet::len);
        }
        Backtest { from, to, rules, findings, left_out }
    }
}
