//! What an engine knew before it stopped: the blocks within its windows, and what it found lately.

use concordat_surveillance::{Engine, Horizon, Stamp, Subject};
use sqlx::PgConnection;

use super::{
    WatchError, WatchProgress,
    read::{Reader, edited, get, hash, height},
    signed, unsigned,
};
use crate::SqlError;

/// Lets an engine see again what is within its windows, up to the block at `last`.
pub(super) async fn see_again(
    connection: &mut PgConnection,
    engine: &mut Engine,
    last: u64,
    tell: &mut dyn FnMut(&WatchProgress),
) -> Result<(), WatchError> {
    let Some(mut from) = begin(connection, engine.windows(), last).await? else { return Ok(()) };
    let mut reader = Reader::new(engine.interests());
    while from <= last {
        let blocks = reader.next(connection, from, last).await?;
        for block in &blocks {
            engine.warm(block);
            from = block.height.saturating_add(1);
        }
        let height = from.saturating_sub(1);
        tell(&WatchProgress { height, tip: last, again: true, ..WatchProgress::default() });
    }
    Ok(())
}

/// The first block within a horizon, seen from the one after `last`; none where there is none.
async fn begin(connection: &mut PgConnection, horizon: Horizon, last: u64) -> Result<Option<u64>, SqlError> {
    let lowest = last.saturating_add(1).saturating_sub(horizon.blocks);
    let by_blocks = "SELECT min(height) FROM ledger.blocks WHERE height BETWEEN $1 AND $2";
    let by_time = "SELECT min(b.height) FROM (
            SELECT height FROM ledger.blocks WHERE height <= $2 AND time >= to_timestamp((
                SELECT time_ms - $1 FROM ledger.blocks WHERE height = $2) / 1000.0)
            ORDER BY time, height LIMIT 1) b";
    let milliseconds = i64::try_from(horizon.seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    let mut first = None;
    for (sql, bound, wanted) in
        [(by_blocks, signed(lowest), horizon.blocks > 0), (by_time, milliseconds, horizon.seconds > 0)]
    {
        if wanted {
            let query = sqlx::query_scalar(sql).bind(bound).bind(signed(last));
            let found: Option<i64> =
                query.fetch_one(&mut *connection).await.map_err(SqlError::at("look for blocks"))?;
            first = first.into_iter().chain(found.map(unsigned)).min();
        }
    }
    Ok(first)
}

/// Reminds an engine of what it found up to a moment, as far back as it keeps quiet about it.
pub(super) async fn remember(
    connection: &mut PgConnection,
    engine: &mut Engine,
    now: Stamp,
) -> Result<(), SqlError> {
    let quiet = engine.quiet();
    let lowest = now.height.saturating_add(1).saturating_sub(quiet.blocks);
    let earliest = now.time_ms.saturating_sub(quiet.seconds.saturating_mul(1000));
    let digests: Vec<Vec<u8>> = engine.rules().map(|rule| rule.digest().to_vec()).collect();
    let query = sqlx::query(
        "SELECT DISTINCT ON (rule_digest, subject_kind, subject, asset, judged)
            rule_digest, subject_kind, subject, asset, judged, height, time_ms
         FROM watch.findings WHERE rule_digest = ANY($1) AND (height >= $2 OR time_ms >= $3)
         ORDER BY rule_digest, subject_kind, subject, asset, judged, height DESC",
    );
    let query = query.bind(digests).bind(signed(lowest)).bind(signed(earliest));
    let rows = query.fetch_all(connection).await.map_err(SqlError::at("read what was found"))?;
    for row in &rows {
        let (kind, name, asset): (&str, &str, &str) = (get(row, 1)?, get(row, 2)?, get(row, 3)?);
        let subject = Subject::read(kind, name).ok_or_else(|| edited("a finding's subject is none"))?;
        let asset = match asset {
            "" => None,
            text => Some(text.parse().map_err(|_| edited("a finding's asset is none"))?),
        };
        let found = Stamp { height: height(row, 5)?, time_ms: unsigned(get(row, 6)?) };
        engine.remember(hash(row, 0)?, &subject, asset, get(row, 4)?, found);
    }
    Ok(())
}
