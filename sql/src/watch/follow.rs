//! The watcher: judges what the projection has, then what it gets, until it is told to stop.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use concordat_surveillance::{BlockEvents, Engine, Finding};
use sqlx::PgConnection;

use super::{
    Plan, WatchError, WatchProgress, history,
    holders::add_holders,
    read::Reader,
    warm,
    write::{self, Cursor, Ledger},
};
use crate::{Database, database::check_schema, run::Options};

/// How long it rests where nothing is new.
const POLL: Duration = Duration::from_millis(50);

/// How long it waits for a database that is away, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// Judges until `stop` is set, or as [`Options`] say. A database that is away is waited for. `from` is the first block to
/// judge, where none was judged yet.
///
/// # Errors
/// All but those that may pass ([`WatchError::may_pass`]).
pub async fn watch(
    database: &Database,
    plan: &Plan,
    from: Option<u64>,
    options: Options,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(&WatchProgress),
) -> Result<(), WatchError> {
    // Rules that do not go to work do not wait for a database either.
    plan.engine()?;
    let (mut meter, mut wait, mut from) = (Meter::new(), FIRST_WAIT, from);
    loop {
        let height = meter.progress.height;
        match follow(database, plan, &mut from, options, stop, &mut meter, tell).await {
            Err(error) if error.may_pass() && !stop.load(Ordering::Relaxed) => {
                if meter.progress.height > height {
                    wait = FIRST_WAIT;
                }
                meter.progress.waiting = Some(error.to_string());
                tell(&meter.progress);
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            }
            ended => return ended,
        }
    }
}

async fn follow(
    database: &Database,
    plan: &Plan,
    from: &mut Option<u64>,
    options: Options,
    stop: &AtomicBool,
    meter: &mut Meter,
    tell: &mut dyn FnMut(&WatchProgress),
) -> Result<(), WatchError> {
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    write::lock(&mut connection).await?;
    let mut watcher = Watcher::open(connection, plan, *from, tell).await?;
    *from = None;
    let mut tip = watcher.ledger.height;
    meter.begin(watcher.cursor.height, tip);
    while !stop.load(Ordering::Relaxed) {
        if watcher.cursor.height < tip {
            let (judged, findings) = watcher.judge(tip).await?;
            meter.add(&judged, findings, (watcher.cursor.height, tip), tell);
        } else if options.until_tip {
            break;
        } else {
            tokio::time::sleep(POLL).await;
            tip = write::ledger(&mut watcher.connection).await?.height;
        }
    }
    tell(&meter.progress);
    Ok(())
}

/// The one who judges and writes.
struct Watcher {
    connection: PgConnection,
    engine: Engine,
    reader: Reader,
    ledger: Ledger,
    cursor: Cursor,
}

impl Watcher {
    async fn open(
        mut connection: PgConnection,
        plan: &Plan,
        from: Option<u64>,
        tell: &mut dyn FnMut(&WatchProgress),
    ) -> Result<Self, WatchError> {
        let ledger = write::ledger(&mut connection).await?;
        let cursor = write::begin(&mut connection, &ledger, from).await?;
        let mut engine = plan.engine()?;
        write::keep_versions(&mut connection, &engine, cursor.height.saturating_add(1)).await?;
        warm::see_again(&mut connection, &mut engine, cursor.height, tell).await?;
        let now = write::stamp(&mut connection, cursor.height).await?;
        warm::remember(&mut connection, &mut engine, now).await?;
        let reader = Reader::new(engine.interests());
        Ok(Self { connection, engine, reader, ledger, cursor })
    }

    /// Judges the next blocks up to the tip, as many as are judged at a time; those, and how much was found.
    async fn judge(&mut self, tip: u64) -> Result<(Vec<BlockEvents>, usize), WatchError> {
        let Self { connection, engine, reader, ledger, cursor } = self;
        let mut blocks = reader.next(connection, cursor.height.saturating_add(1), tip).await?;
        if let (Some(list), Some(first)) = (engine.list(), blocks.first_mut())
            && cursor.list != Some(list.hash)
        {
            add_holders(connection, list, first).await?;
        }
        let found = judge(connection, engine, &blocks).await?;
        let height = blocks.last().map_or(cursor.height, |block| block.height);
        // A list that no rule asks is as if it had not been read.
        let after = Cursor { height, list: engine.list().map(|list| list.hash).or(cursor.list) };
        write::commit(connection, ledger, &found, cursor, &after).await?;
        *cursor = after;
        Ok((blocks, found.len()))
    }
}

/// What an engine finds in the next blocks, once it was told what it has to know of before.
pub(super) async fn judge(
    connection: &mut PgConnection,
    engine: &mut Engine,
    blocks: &[BlockEvents],
) -> Result<Vec<Finding>, WatchError> {
    let Some(first) = blocks.first() else { return Ok(Vec::new()) };
    let unknown = engine.unknown(blocks);
    let recalled = history::recall(connection, unknown, first.height).await?;
    engine.recall(recalled);
    Ok(blocks.iter().flat_map(|block| engine.block(block)).collect())
}

/// Keeps account of how fast it goes.
pub(super) struct Meter {
    pub(super) progress: WatchProgress,
    since: Instant,
    blocks: u64,
    events: u64,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { progress: WatchProgress::default(), since: Instant::now(), blocks: 0, events: 0 }
    }

    pub(super) fn begin(&mut self, height: u64, tip: u64) {
        (self.progress.height, self.progress.tip) = (height, tip);
        self.progress.waiting = None;
        self.since = Instant::now();
    }

    pub(super) fn add(
        &mut self,
        blocks: &[BlockEvents],
        findings: usize,
        (height, tip): (u64, u64),
        tell: &mut dyn FnMut(&WatchProgress),
    ) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let new = count(blocks.len());
        let events = blocks.iter().fold(0_u64, |sum, block| sum.saturating_add(count(block.events.len())));
        let progress = &mut self.progress;
        (progress.height, progress.tip) = (height, tip);
        progress.blocks = progress.blocks.saturating_add(new);
        progress.events = progress.events.saturating_add(events);
        progress.findings = progress.findings.saturating_add(count(findings));
        self.blocks = self.blocks.saturating_add(new);
        self.events = self.events.saturating_add(events);
        if self.since.elapsed() < TOLD_EVERY {
            return;
        }
        let milliseconds = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let rate = |count: u64| count.saturating_mul(1000).checked_div(milliseconds).unwrap_or_default();
        progress.blocks_per_second = rate(self.blocks);
        progress.events_per_second = rate(self.events);
        progress.seconds_left = tip.saturating_sub(height).checked_div(progress.blocks_per_second);
        tell(progress);
        (self.blocks, self.events, self.since) = (0, 0, Instant::now());
    }
}
