//! Writing blocks: rows, digests and where the projection stands, in one transaction of PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};

use concordat_types::B256;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _, postgres::PgRow};

use crate::{
    Database, Source, SqlError,
    cell::Row,
    database::check_schema,
    digest::Digest,
    holdings,
    project::{BlockData, FORMAT, Holdings, Projection, Settled},
    registered::{self, Abis},
    tables::Table,
};

/// Heights in a partition. Part of the schema: partitions that are there already keep theirs.
pub(crate) const SPAN: u64 = 1_000_000;

/// The advisory lock of the projector: "concordat" in ASCII, cut.
const LOCK: i64 = 0x636f_6e63_6f72_6461;

/// Holdings remembered, some 150 bytes each. Beyond, all are forgotten and read again as they are needed.
const HOLDINGS: usize = 500_000;

/// Bytes sent at a time.
const SENT_BYTES: usize = 1 << 20;

/// Where the projection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) chain_id: String,
    pub(crate) format: i32,
    /// The newest height; one below the genesis where nothing is written yet.
    pub(crate) height: i64,
    pub(crate) block_hash: Vec<u8>,
    /// The digest over all blocks.
    pub(crate) digest: Digest,
}

/// The one who writes.
pub(crate) struct Writer {
    connection: PgConnection,
    cursor: Cursor,
    holdings: Holdings,
    abis: Abis,
    /// Partitions that are known to be there, by the number of their span.
    partitions: BTreeSet<u64>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) blocks: u64,
    pub(crate) transactions: u64,
    pub(crate) rows: u64,
}

/// What goes into one transaction of PostgreSQL.
struct Batch {
    /// Where the projection stands after it.
    cursor: Cursor,
    rows: BTreeMap<Table, Vec<Row>>,
    digests: Vec<Row>,
    /// Events by registered ABIs, which no digest is over.
    registered: Vec<Row>,
    written: Written,
}

impl Batch {
    fn after(cursor: Cursor) -> Self {
        let (rows, digests, registered) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { cursor, rows, digests, registered, written: Written::default() }
    }

    fn add(&mut self, data: &BlockData, settled: Settled, abis: &Abis) {
        let (running, digest) = settled.digest_row(data.height, &self.cursor.digest);
        self.digests.push(digest);
        self.cursor.height = i64::try_from(data.height).unwrap_or(i64::MAX);
        (self.cursor.digest, self.cursor.block_hash) = (running, data.hash.to_vec());
        self.registered.extend(abis.rows(data));
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.written.blocks = self.written.blocks.saturating_add(1);
        self.written.transactions = self.written.transactions.saturating_add(number(data.receipts.len()));
        for (table, rows) in settled.rows {
            self.written.rows = self.written.rows.saturating_add(number(rows.len()));
            self.rows.entry(table).or_default().extend(rows);
        }
    }
}

impl Writer {
    /// Connects, and checks that the database is this program's, this chain's and as the projector left it.
    pub(crate) async fn open(database: &Database, source: &Source) -> Result<Self, SqlError> {
        let mut connection = database.connect().await?;
        // What a crash of the server takes back is whole blocks and the cursor with them: they are written again.
        connection
            .execute("SET synchronous_commit = off")
            .await
            .map_err(SqlError::at("turn off waiting for the disk"))?;
        check_schema(&mut connection).await?;
        let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut connection)
            .await
            .map_err(SqlError::at("take the projector's lock"))?;
        if !locked {
            return Err(SqlError::Busy);
        }
        begin(&mut connection, source).await?;
        let cursor = read_cursor(&mut connection).await?;
        check_cursor(&cursor, source)?;
        check_untouched(&mut connection, &cursor, source).await?;
        let (holdings, abis, partitions) = (Holdings::new(), Abis::default(), BTreeSet::new());
        Ok(Self { connection, cursor, holdings, abis, partitions })
    }

    /// The next height to write.
    pub(crate) fn next(&self) -> u64 {
        u64::try_from(self.cursor.height.saturating_add(1)).unwrap_or_default()
    }

    /// Writes the next blocks, all or none. After an error the writer is of no use: what was written is known only to
    /// the database.
    pub(crate) async fn write(&mut self, blocks: &[BlockData]) -> Result<Written, SqlError> {
        let projections: Vec<Projection> = blocks.iter().map(Projection::of).collect::<Result<_, _>>()?;
        let touched = projections.iter().flat_map(Projection::touched);
        let before = self.cursor.height.saturating_add(1);
        holdings::load(&mut self.connection, touched, before, &mut self.holdings).await?;
        self.abis.refresh(&mut self.connection).await?;
        let mut batch = Batch::after(self.cursor.clone());
        for (data, projection) in blocks.iter().zip(projections) {
            batch.add(data, projection.settle(&mut self.holdings), &self.abis);
        }
        self.commit(&batch).await?;
        self.cursor = batch.cursor;
        if self.holdings.len() > HOLDINGS {
            self.holdings.clear();
        }
        Ok(batch.written)
    }

    async fn commit(&mut self, batch: &Batch) -> Result<(), SqlError> {
        let Batch { cursor, rows, digests, registered, .. } = batch;
        let spans = self.spans_to_come(cursor.height);
        let mut transaction = self.connection.begin().await.map_err(SqlError::at("begin"))?;
        for span in &spans {
            make_partitions(&mut transaction, *span).await?;
        }
        for (table, rows) in rows {
            let columns: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
            copy(&mut transaction, &table.to_string(), &columns, rows).await?;
        }
        let columns = ["height", "digest", "running", "tables"];
        copy(&mut transaction, "ledger.block_digests", &columns, digests).await?;
        registered::write(&mut transaction, registered).await?;
        move_cursor(&mut transaction, self.cursor.height, cursor).await?;
        transaction.commit().await.map_err(SqlError::at("commit"))?;
        self.partitions.extend(spans);
        Ok(())
    }

    /// The spans whose partitions are not known to be there: those of the blocks to be written, and the one after.
    fn spans_to_come(&self, last: i64) -> Vec<u64> {
        let last = u64::try_from(last).unwrap_or_default();
        let (from, to) = (span_of(self.next()), span_of(last).saturating_add(1));
        (from..=to).filter(|span| !self.partitions.contains(span)).collect()
    }
}

const fn span_of(height: u64) -> u64 {
    height / SPAN
}

/// Writes the first cursor where there is none.
async fn begin(connection: &mut PgConnection, source: &Source) -> Result<(), SqlError> {
    let start = i64::try_from(source.start()).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO ledger.projection_cursor (chain_id, initial_height, format, height, block_hash, digest)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(source.chain_id())
    .bind(start.saturating_add(1))
    .bind(FORMAT)
    .bind(start.saturating_sub(1))
    .bind(&B256::ZERO[..])
    .bind(&[0_u8; 32][..])
    .execute(connection)
    .await
    .map_err(SqlError::at("write the first cursor"))?;
    Ok(())
}

/// Moves the cursor, if nobody else has.
async fn move_cursor(connection: &mut PgConnection, from: i64, to: &Cursor) -> Result<(), SqlError> {
    let moved = sqlx::query(
        "UPDATE ledger.projection_cursor SET height = $1, block_hash = $2, digest = $3, updated = now() WHERE height = $4",
    )
    .bind(to.height)
    .bind(&to.block_hash)
    .bind(&to.digest[..])
    .bind(from)
    .execute(connection)
    .await
    .map_err(SqlError::at("move the cursor"))?;
    match moved.rows_affected() {
        1 => Ok(()),
        _ => Err(SqlError::Edited { what: "its cursor has moved".into() }),
    }
}

/// Where the projection stands.
pub(crate) async fn read_cursor(connection: &mut PgConnection) -> Result<Cursor, SqlError> {
    let query = "SELECT chain_id, format, height, block_hash, digest FROM ledger.projection_cursor";
    let row: Option<PgRow> =
        sqlx::query(query).fetch_optional(connection).await.map_err(SqlError::at("read the cursor"))?;
    let row = row.ok_or_else(|| SqlError::Edited { what: "it has no cursor".into() })?;
    let failed = || SqlError::at("read the cursor");
    let digest: &[u8] = row.try_get(4).map_err(failed())?;
    Ok(Cursor {
        chain_id: row.try_get(0).map_err(failed())?,
        format: row.try_get(1).map_err(failed())?,
        height: row.try_get(2).map_err(failed())?,
        block_hash: row.try_get(3).map_err(failed())?,
        digest: digest
            .try_into()
            .map_err(|_| SqlError::Edited { what: "its cursor's digest is none".into() })?,
    })
}

/// Refuses a cursor of another chain, another format, or another history than the node's.
pub(crate) fn check_cursor(cursor: &Cursor, source: &Source) -> Result<(), SqlError> {
    let Cursor { chain_id, format, height, .. } = cursor;
    if chain_id != source.chain_id() {
        return Err(SqlError::OtherChain { have: chain_id.clone(), want: source.chain_id().to_owned() });
    }
    if *format != FORMAT {
        return Err(SqlError::OtherFormat { have: *format, want: FORMAT });
    }
    let next = u64::try_from(height.saturating_add(1)).unwrap_or_default();
    let floor = source.floor()?;
    if next < floor {
        return Err(SqlError::Pruned { floor, next });
    }
    let Ok(reached) = u64::try_from(*height) else { return Ok(()) };
    if reached < source.start() {
        return Ok(());
    }
    match source.hash(reached)? {
        None => Err(SqlError::Ahead { database: *height, node: source.tip()?.height }),
        Some(node) if node.as_slice() != cursor.block_hash => {
            Err(SqlError::Forked { height: reached, database: hex::encode(&cursor.block_hash), node })
        }
        Some(_) => Ok(()),
    }
}

/// Refuses a database whose newest digest is not the cursor's, or that has rows above it.
async fn check_untouched(
    connection: &mut PgConnection,
    cursor: &Cursor,
    source: &Source,
) -> Result<(), SqlError> {
    let query = "SELECT height, running FROM ledger.block_digests ORDER BY height DESC LIMIT 1";
    let row: Option<PgRow> = sqlx::query(query)
        .fetch_optional(connection)
        .await
        .map_err(SqlError::at("read the newest digest"))?;
    let newest = match &row {
        None => None,
        Some(row) => {
            let height: i64 = row.try_get(0).map_err(SqlError::at("read the newest digest"))?;
            let running: Vec<u8> = row.try_get(1).map_err(SqlError::at("read the newest digest"))?;
            Some((height, running))
        }
    };
    let begun = u64::try_from(cursor.height).is_ok_and(|height| height >= source.start());
    let expected = begun.then(|| (cursor.height, cursor.digest.to_vec()));
    if newest == expected {
        return Ok(());
    }
    Err(SqlError::Edited { what: format!("its newest digest is not the one of block {}", cursor.height) })
}

async fn make_partitions(connection: &mut PgConnection, span: u64) -> Result<(), SqlError> {
    let (from, to) = (span.saturating_mul(SPAN), span.saturating_add(1).saturating_mul(SPAN));
    for table in Table::ALL.iter().filter(|table| table.is_partitioned()) {
        let partition = format!("{table}_p{span:06}");
        let doing = || format!("make the partition {partition}");
        // Asked first: making one shuts out readers for a moment even where it is there already.
        let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(&partition)
            .fetch_one(&mut *connection)
            .await
            .map_err(SqlError::at(doing()))?;
        if !there {
            let sql =
                format!("CREATE TABLE {partition} PARTITION OF {table} FOR VALUES FROM ({from}) TO ({to})");
            connection.execute(sql.as_str()).await.map_err(SqlError::at(doing()))?;
        }
    }
    Ok(())
}

/// What begins and what ends the binary format of `COPY`.
const COPY_HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const COPY_TAIL: [u8; 2] = (-1_i16).to_be_bytes();

/// Writes rows into a table.
pub(crate) async fn copy(
    connection: &mut PgConnection,
    table: &str,
    columns: &[&str],
    rows: &[Row],
) -> Result<(), SqlError> {
    if rows.is_empty() {
        return Ok(());
    }
    let doing = || format!("write {table}");
    let statement = format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", columns.join(", "));
    let mut sink = connection.copy_in_raw(&statement).await.map_err(SqlError::at(doing()))?;
    let fields = i16::try_from(columns.len()).unwrap_or(i16::MAX).to_be_bytes();
    let mut bytes = Vec::with_capacity(SENT_BYTES);
    bytes.extend_from_slice(COPY_HEAD);
    for row in rows {
        bytes.extend(fields);
        row.iter().for_each(|cell| cell.copy(&mut bytes));
        if bytes.len() >= SENT_BYTES {
            sink.send(&bytes[..]).await.map_err(SqlError::at(doing()))?;
            bytes.clear();
        }
    }
    bytes.extend(COPY_TAIL);
    sink.send(&bytes[..]).await.map_err(SqlError::at(doing()))?;
    sink.finish().await.map_err(SqlError::at(doing()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_lie_in_spans_of_a_million() {
        assert_eq!([0, 999_999, 1_000_000, u64::MAX].map(span_of), [0, 0, 1, u64::MAX / SPAN]);
    }
}
