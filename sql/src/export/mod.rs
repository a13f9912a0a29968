//! Bulk export: the rows of a table, between two heights, as files that other programs read.
//!
//! Rows stream from one picture of the database into the files; nothing grows with how many there are. Lines (NDJSON, CSV)
//! go into one file, Parquet into parts that begin and end with whole blocks. A manifest says what is there: an export that
//! was killed goes on after the last whole line, or with the next part.

mod error;
mod file;
mod lines;
mod manifest;
mod parquet;
mod records;
mod rows;
mod sheet;
mod transfers;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::Serialize;
use sqlx::{Connection as _, Executor as _, PgConnection};

pub use error::ExportError;
pub use lines::{csv_document, json_document, read_json_document};
pub use manifest::{Manifest, Part};
pub use records::{Bounds, PROVEN, Records, records};
pub use sheet::{Sheet, SheetError};
pub use transfers::{Transfer, Transfers, transfers};

use self::rows::{Range, Rows};
use crate::{
    Database, SqlError,
    cell::{Cell, Row},
    database::check_schema,
    tables::Table,
    write::{Cursor, read_cursor},
};

/// The tables that are exported. None of their texts has a line of its own: what a file of lines rests on.
pub const EXPORTED: [Table; 6] = [
    Table::Blocks,
    Table::Transactions,
    Table::Logs,
    Table::DecodedEvents,
    Table::TokenTransfers,
    Table::TokenBalances,
];

/// Rows after which a part of Parquet ends with its block, where nothing else is asked for.
pub const PART_ROWS: u64 = 250_000;

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// What the files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Columns, compressed by Snappy, in parts of a folder.
    Parquet,
    /// A JSON document a line, in one file.
    Ndjson,
    /// Comma-separated values with a header, in one file.
    Csv,
}

impl Format {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

/// What is exported, and where to.
#[derive(Clone, Debug)]
pub struct Export {
    /// The table.
    pub table: Table,
    /// The form.
    pub format: Format,
    /// The first height; the first that the database holds if absent.
    pub from: Option<u64>,
    /// The last height; the newest in the database if absent.
    pub to: Option<u64>,
    /// The file; the folder for Parquet.
    pub output: PathBuf,
    /// Goes on with an export that did not end.
    pub resume: bool,
    /// Rows after which a part ends with its block; of Parquet alone.
    pub part_rows: u64,
}

/// How far it is.
#[derive(Clone, Debug, Serialize)]
pub struct ExportProgress {
    /// The height that was reached.
    pub height: i64,
    /// The last height.
    pub to: u64,
    /// Rows written, those before a resumption included.
    pub rows: u64,
}

/// Finds one of [`EXPORTED`] by its name.
///
/// # Errors
/// The names that there are.
pub fn exported_table(name: &str) -> Result<Table, String> {
    let found = EXPORTED.into_iter().find(|table| table.name() == name);
    found.ok_or_else(|| format!("exported are {}", EXPORTED.map(Table::name).join(", ")))
}

/// Exports. What is there already is never overwritten.
///
/// # Errors
/// [`ExportError`].
pub async fn export(
    database: &Database,
    export: &Export,
    tell: &mut dyn FnMut(&ExportProgress),
) -> Result<Manifest, ExportError> {
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    let mut transaction = connection.begin().await.map_err(SqlError::at("begin"))?;
    // One picture, whatever the projector adds meanwhile.
    let still = transaction.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").await;
    still.map_err(SqlError::at("begin"))?;
    let cursor = read_cursor(&mut transaction).await?;
    let (mut manifest, path) = match export.resume {
        true => Manifest::resume(export, &cursor.chain_id)?,
        false => Manifest::begin(export, &cursor.chain_id, range(&mut transaction, export, &cursor).await?)?,
    };
    if manifest.complete {
        return Ok(manifest);
    }
    if i64::try_from(manifest.to).unwrap_or(i64::MAX) > cursor.height {
        return Err(ExportError::NoRange { from: manifest.from, to: manifest.to, height: cursor.height });
    }
    manifest.write(&path)?;
    let mut meter = Meter { last: Instant::now(), to: manifest.to, tell };
    match export.format {
        Format::Parquet => parquet::write(&mut transaction, export, &mut manifest, &path, &mut meter).await?,
        _ => lines::write(&mut transaction, export, &mut manifest, &mut meter).await?,
    }
    manifest.digest = digest_at(&mut transaction, manifest.to).await?;
    manifest.complete = true;
    manifest.write(&path)?;
    Ok(manifest)
}

/// The heights that are meant, which the database must hold.
async fn range(
    connection: &mut PgConnection,
    export: &Export,
    cursor: &Cursor,
) -> Result<(u64, u64), ExportError> {
    let first: Option<i64> = sqlx::query_scalar("SELECT min(height) FROM ledger.block_digests")
        .fetch_one(connection)
        .await
        .map_err(SqlError::at("read where it begins"))?;
    let first = first.and_then(|first| u64::try_from(first).ok());
    let newest = u64::try_from(cursor.height).ok();
    let (from, to) = (export.from.or(first), export.to.or(newest));
    let wanted = (from.unwrap_or_default(), to.unwrap_or_default());
    let none = ExportError::NoRange { from: wanted.0, to: wanted.1, height: cursor.height };
    let (Some(from), Some(to), Some(first), Some(newest)) = (from, to, first, newest) else {
        return Err(none);
    };
    if from < first || from > to || to > newest { Err(none) } else { Ok((from, to)) }
}

/// The digest over all blocks up to a height: whoever exports the same from a database with the same digest gets the same.
async fn digest_at(connection: &mut PgConnection, height: u64) -> Result<Option<String>, SqlError> {
    let digest: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT running FROM ledger.block_digests WHERE height = $1")
            .bind(i64::try_from(height).unwrap_or(i64::MAX))
            .fetch_optional(connection)
            .await
            .map_err(SqlError::at("read a digest"))?;
    Ok(digest.map(hex::encode))
}

/// The height of a row: its first cell.
fn height_of(row: &Row) -> i64 {
    match row.first() {
        Some(Cell::Int(height)) => *height,
        _ => 0,
    }
}

/// Tells how far it is, now and then.
struct Meter<'a> {
    last: Instant,
    to: u64,
    tell: &'a mut dyn FnMut(&ExportProgress),
}

impl Meter<'_> {
    fn reached(&mut self, height: i64, rows: u64) {
        if self.last.elapsed() >= TOLD_EVERY {
            (self.tell)(&ExportProgress { height, to: self.to, rows });
            self.last = Instant::now();
        }
    }
}

/// The file or folder of an export, for its errors.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
