//! The projector: writes what the node has, then what it gets, until it is told to stop.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{Database, Source, SqlError, project::BlockData, write::Writer};

/// How long it rests where nothing is new. Blocks come less often.
const POLL: Duration = Duration::from_millis(20);

/// How long it waits for a database that is away, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Blocks and transactions that go into one transaction of PostgreSQL.
const BATCH_BLOCKS: usize = 500;
const BATCH_TRANSACTIONS: usize = 20_000;

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// What the projector does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Ends when it has what the node had at that moment.
    pub until_tip: bool,
}

/// How far it is.
#[derive(Clone, Debug, Serialize)]
pub struct Progress {
    /// The newest block in the database.
    pub height: u64,
    /// The node's newest block.
    pub tip: u64,
    /// Blocks written since it started.
    pub blocks: u64,
    /// Transactions.
    pub transactions: u64,
    /// Rows.
    pub rows: u64,
    /// Blocks a second since it was told last.
    pub blocks_per_second: u64,
    /// Transactions a second since it was told last.
    pub transactions_per_second: u64,
    /// How long the rest takes at that rate, in seconds; none where nothing moves.
    pub seconds_left: Option<u64>,
    /// Why it waits, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
}

/// Writes until `stop` is set, or as [`Options`] say. A database that is away is waited for.
///
/// # Errors
/// All but those that may pass ([`SqlError::may_pass`]).
pub async fn run(
    database: &Database,
    source: &mut Source,
    options: Options,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(&Progress),
) -> Result<(), SqlError> {
    let (mut meter, mut wait) = (Meter::new(), FIRST_WAIT);
    loop {
        let height = meter.progress.height;
        match follow(database, source, options, stop, &mut meter, tell).await {
            Err(error) if error.may_pass() && !stop.load(Ordering::Relaxed) => {
                if meter.progress.height > height {
                    wait = FIRST_WAIT;
                }
                meter.wait_for(&error, tell);
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            }
            ended => return ended,
        }
    }
}

async fn follow(
    database: &Database,
    source: &mut Source,
    options: Options,
    stop: &AtomicBool,
    meter: &mut Meter,
    tell: &mut dyn FnMut(&Progress),
) -> Result<(), SqlError> {
    let mut tip = source.catch_up()?.height;
    let mut writer = Writer::open(database, source).await?;
    let goal = options.until_tip.then_some(tip);
    meter.begin(&writer, tip);
    while !stop.load(Ordering::Relaxed) {
        if writer.next() > tip {
            if goal.is_some_and(|goal| writer.next() > goal) {
                break;
            }
            tokio::time::sleep(POLL).await;
        } else {
            let batch = next_batch(source, writer.next(), tip)?;
            let written = writer.write(&batch).await?;
            meter.add(written, writer.next().saturating_sub(1), tip, tell);
        }
        tip = source.catch_up()?.height;
    }
    tell(&meter.progress);
    Ok(())
}

/// The next blocks, up to the tip, as many as go into one transaction.
fn next_batch(source: &mut Source, from: u64, tip: u64) -> Result<Vec<BlockData>, SqlError> {
    let (mut batch, mut transactions) = (Vec::new(), 0_usize);
    for height in from..=tip {
        let data = source.block(height)?;
        transactions = transactions.saturating_add(data.receipts.len());
        batch.push(data);
        if batch.len() >= BATCH_BLOCKS || transactions >= BATCH_TRANSACTIONS {
            break;
        }
    }
    Ok(batch)
}

/// Keeps account of how fast it goes.
struct Meter {
    progress: Progress,
    since: Instant,
    blocks: u64,
    transactions: u64,
}

impl Meter {
    fn new() -> Self {
        let progress = Progress {
            height: 0,
            tip: 0,
            blocks: 0,
            transactions: 0,
            rows: 0,
            blocks_per_second: 0,
            transactions_per_second: 0,
            seconds_left: None,
            waiting: None,
        };
        Self { progress, since: Instant::now(), blocks: 0, transactions: 0 }
    }

    fn begin(&mut self, writer: &Writer, tip: u64) {
        (self.progress.height, self.progress.tip) = (writer.next().saturating_sub(1), tip);
        self.progress.waiting = None;
        self.since = Instant::now();
    }

    fn wait_for(&mut self, error: &SqlError, tell: &mut dyn FnMut(&Progress)) {
        self.progress.waiting = Some(error.to_string());
        tell(&self.progress);
    }

    fn add(
        &mut self,
        written: crate::write::Written,
        height: u64,
        tip: u64,
        tell: &mut dyn FnMut(&Progress),
    ) {
        let progress = &mut self.progress;
        (progress.height, progress.tip) = (height, tip);
        progress.blocks = progress.blocks.saturating_add(written.blocks);
        progress.transactions = progress.transactions.saturating_add(written.transactions);
        progress.rows = progress.rows.saturating_add(written.rows);
        self.blocks = self.blocks.saturating_add(written.blocks);
        self.transactions = self.transactions.saturating_add(written.transactions);
        if self.since.elapsed() < TOLD_EVERY {
            return;
        }
        let milliseconds = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let rate = |count: u64| count.saturating_mul(1000).checked_div(milliseconds).unwrap_or_default();
        progress.blocks_per_second = rate(self.blocks);
        progress.transactions_per_second = rate(self.transactions);
        progress.seconds_left = tip.saturating_sub(height).checked_div(progress.blocks_per_second);
        tell(progress);
        (self.blocks, self.transactions, self.since) = (0, 0, Instant::now());
    }
}
