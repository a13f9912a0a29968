//! Verifying: rows are made again from the chain and compared with what the database says now, cell by cell.
//!
//! Digests are compared too, but trusted in nothing: whoever can change a row can change its digest.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use crate::{
    Database, Source, SqlError,
    cell::{Cell, Row, read_expression},
    database::check_schema,
    digest::Digest,
    holdings,
    project::{Holdings, Projection},
    tables::{Column, Table, Type},
    write::{Cursor, check_cursor, read_cursor},
};

/// Blocks that are compared at a time.
const AT_A_TIME: u64 = 64;

/// The table of digests, which the projection adds to those that it fills.
const DIGESTS: &[Column] = &[
    Column { name: "height", holds: Type::Int },
    Column { name: "digest", holds: Type::Bytes },
    Column { name: "running", holds: Type::Bytes },
    Column { name: "tables", holds: Type::Json },
];

/// What was compared, and what differs.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// From this height.
    pub from: u64,
    /// To this height.
    pub to: u64,
    /// Rows that are as they should be.
    pub rows: u64,
    /// The digest over all blocks up to there.
    pub digest: String,
    /// The first difference.
    pub difference: Option<Difference>,
}

/// The first place where the database is not what the chain says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// The row: the columns that order it, and their values.
    pub row: String,
    /// The column; none where a row is missing, or there is one too many.
    pub column: Option<String>,
    /// What the chain says.
    pub expected: String,
    /// What the database says.
    pub found: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { table, row, column, expected, found } = self;
        match column {
            Some(column) => {
                write!(f, "{table}, {row}, {column}: the chain says {expected}, the database {found}")
            }
            None => write!(f, "{table}, {row}: the chain says {expected}, the database {found}"),
        }
    }
}

/// What is carried from one piece of the range to the next.
struct Walk {
    holdings: Holdings,
    running: Digest,
    rows: u64,
}

/// A piece of the range. Its bounds in the database are wider at the ends, so that rows beyond are found.
#[derive(Clone, Copy)]
struct Piece {
    heights: (u64, u64),
    bounds: (i64, i64),
}

/// Compares the rows of a range of heights; all of them, and nothing beyond, where no range is given.
///
/// Balances are sums: from the middle on they are compared on top of what the database says of the block before.
///
/// # Errors
/// [`SqlError::NoRange`], and what keeps it from reading either side.
pub async fn verify(
    database: &Database,
    source: &mut Source,
    from: Option<u64>,
    to: Option<u64>,
) -> Result<Verified, SqlError> {
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    let mut transaction = connection.begin().await.map_err(SqlError::at("begin"))?;
    // One picture of the database, whatever the projector adds meanwhile.
    let still = transaction.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").await;
    still.map_err(SqlError::at("begin"))?;
    let cursor = read_cursor(&mut transaction).await?;
    // After that, so that the node is not behind a projector that goes on.
    source.catch_up()?;
    check_cursor(&cursor, source)?;
    let start = source.start();
    let reached = u64::try_from(cursor.height).unwrap_or_default();
    let (from, to) = (from.unwrap_or(start), to.unwrap_or(reached));
    if from < start || from > to || to > reached || cursor.height < 0 {
        return Err(SqlError::NoRange { from, to, height: cursor.height });
    }
    let whole = (from == start, to == reached);
    compare(&mut transaction, source, (from, to), whole, &cursor).await
}

async fn compare(
    connection: &mut PgConnection,
    source: &mut Source,
    (from, to): (u64, u64),
    (first, last): (bool, bool),
    cursor: &Cursor,
) -> Result<Verified, SqlError> {
    let running = if first { [0; 32] } else { running_before(connection, from).await? };
    let mut walk = Walk { holdings: Holdings::new(), running, rows: 0 };
    let mut difference = None;
    let mut next = from;
    while next <= to && difference.is_none() {
        let end = to.min(next.saturating_add(AT_A_TIME).saturating_sub(1));
        let low = if first && next == from { i64::MIN } else { i64::try_from(next).unwrap_or(i64::MAX) };
        let high = if last && end == to { i64::MAX } else { i64::try_from(end).unwrap_or(i64::MAX) };
        let piece = Piece { heights: (next, end), bounds: (low, high) };
        difference = compare_piece(connection, source, from, piece, &mut walk).await?;
        next = end.saturating_add(1);
    }
    if difference.is_none() && last && walk.running != cursor.digest {
        difference = Some(Difference {
            table: "ledger.projection_cursor".into(),
            row: format!("height {}", cursor.height),
            column: Some("digest".into()),
            expected: hex::encode(walk.running),
            found: hex::encode(cursor.digest),
        });
    }
    Ok(Verified { from, to, rows: walk.rows, digest: hex::encode(walk.running), difference })
}

async fn compare_piece(
    connection: &mut PgConnection,
    source: &mut Source,
    from: u64,
    piece: Piece,
    walk: &mut Walk,
) -> Result<Option<Difference>, SqlError> {
    let mut expected: BTreeMap<Table, Vec<Row>> = BTreeMap::new();
    let mut digests = Vec::new();
    let before = i64::try_from(from).unwrap_or(i64::MAX);
    for height in piece.heights.0..=piece.heights.1 {
        let projection = Projection::of(&source.block(height)?)?;
        if before > i64::try_from(source.start()).unwrap_or(i64::MAX) {
            holdings::load(connection, projection.touched(), before, &mut walk.holdings).await?;
        }
        let settled = projection.settle(&mut walk.holdings);
        let (running, row) = settled.digest_row(height, &walk.running);
        walk.running = running;
        digests.push(row);
        settled.rows.into_iter().for_each(|(table, rows)| expected.entry(table).or_default().extend(rows));
    }
    for table in Table::ALL {
        let rows = expected.remove(table).unwrap_or_default();
        let shape =
            Shape { name: table.to_string(), columns: table.columns(), position: table.position().len() };
        let difference = compare_table(connection, &shape, piece.bounds, &rows).await?;
        if difference.is_some() {
            return Ok(difference);
        }
        walk.rows = walk.rows.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
    }
    let shape = Shape { name: "ledger.block_digests".into(), columns: DIGESTS, position: 1 };
    compare_table(connection, &shape, piece.bounds, &digests).await
}

/// A table as it is compared: the first columns order its rows.
struct Shape {
    name: String,
    columns: &'static [Column],
    position: usize,
}

async fn compare_table(
    connection: &mut PgConnection,
    shape: &Shape,
    (low, high): (i64, i64),
    expected: &[Row],
) -> Result<Option<Difference>, SqlError> {
    let columns: Vec<String> =
        shape.columns.iter().map(|column| read_expression(column.name, column.holds)).collect();
    // Of the table, not of what is selected: that is text, where 10 comes before 2.
    let order: Vec<String> =
        shape.columns.iter().take(shape.position).map(|column| format!("t.{}", column.name)).collect();
    let sql = format!(
        "SELECT {} FROM {} t WHERE t.height >= $1 AND t.height <= $2 ORDER BY {}",
        columns.join(", "),
        shape.name,
        order.join(", ")
    );
    let doing = || format!("read {}", shape.name);
    let found =
        sqlx::query(&sql).bind(low).bind(high).fetch_all(connection).await.map_err(SqlError::at(doing()))?;
    let mut expected = expected.iter();
    for row in &found {
        let mut cells = Vec::with_capacity(shape.columns.len());
        for (at, column) in shape.columns.iter().enumerate() {
            let text: Option<String> = row.try_get(at).map_err(SqlError::at(doing()))?;
            cells.push(Cell::read(column.holds, text));
        }
        if let Some(difference) = shape.compare(expected.next(), &cells) {
            return Ok(Some(difference));
        }
    }
    Ok(expected.next().map(|missing| shape.missing(missing)))
}

impl Shape {
    /// What differs between the row that should be next and the one that is. Cells that could not be read are `None`.
    fn compare(&self, expected: Option<&Row>, found: &[Option<Cell>]) -> Option<Difference> {
        let place = |cell: Option<&Cell>| match cell {
            Some(Cell::Int(number)) => Some(*number),
            _ => None,
        };
        let found_at: Vec<Option<i64>> =
            found.iter().take(self.position).map(|cell| place(cell.as_ref())).collect();
        let Some(expected) = expected else { return Some(self.extra(found)) };
        let expected_at: Vec<Option<i64>> =
            expected.iter().take(self.position).map(|cell| place(Some(cell))).collect();
        match expected_at.cmp(&found_at) {
            std::cmp::Ordering::Less => return Some(self.missing(expected)),
            std::cmp::Ordering::Greater => return Some(self.extra(found)),
            std::cmp::Ordering::Equal => {}
        }
        let mut cells = self.columns.iter().zip(expected.iter().zip(found));
        let (column, (expected_cell, found_cell)) =
            cells.find(|(_, (expected, found))| found.as_ref() != Some(*expected))?;
        Some(Difference {
            table: self.name.clone(),
            row: self.describe(expected.iter().map(Cell::show)),
            column: Some(column.name.to_owned()),
            expected: expected_cell.show(),
            found: found_cell.as_ref().map_or_else(|| "what is no such value".to_owned(), Cell::show),
        })
    }

    fn missing(&self, row: &[Cell]) -> Difference {
        self.presence(self.describe(row.iter().map(Cell::show)), "there is this row", "has none")
    }

    fn extra(&self, row: &[Option<Cell>]) -> Difference {
        let shown = row.iter().map(|cell| cell.as_ref().map(Cell::show).unwrap_or_default());
        self.presence(self.describe(shown), "there is no such row", "has it")
    }

    fn presence(&self, row: String, expected: &str, found: &str) -> Difference {
        let (table, expected, found) = (self.name.clone(), expected.to_owned(), found.to_owned());
        Difference { table, row, column: None, expected, found }
    }

    fn describe(&self, cells: impl Iterator<Item = String>) -> String {
        let named = self.columns.iter().take(self.position).zip(cells);
        named.map(|(column, cell)| format!("{} {cell}", column.name)).collect::<Vec<_>>().join(", ")
    }
}

/// The digest over all blocks before a height, as the database has it.
async fn running_before(connection: &mut PgConnection, height: u64) -> Result<Digest, SqlError> {
    let before = i64::try_from(height.saturating_sub(1)).unwrap_or(i64::MAX);
    let found: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT running FROM ledger.block_digests WHERE height = $1")
            .bind(before)
            .fetch_optional(connection)
            .await
            .map_err(SqlError::at("read a digest"))?;
    let digest = found.and_then(|digest| Digest::try_from(digest).ok());
    digest.ok_or_else(|| SqlError::Edited { what: format!("block {before} has no digest") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape { name: "ledger.logs".into(), columns: Table::Logs.columns(), position: 3 }
    }

    fn row(at: [i64; 3], address: u8) -> Row {
        let mut row: Row = at.map(Cell::Int).to_vec();
        row.extend([Cell::bytes([address]), Cell::Null, Cell::Null, Cell::Null, Cell::Null, Cell::bytes([])]);
        row
    }

    fn told(expected: Option<&Row>, found: Row) -> Option<String> {
        let found: Vec<Option<Cell>> = found.into_iter().map(Some).collect();
        shape().compare(expected, &found).map(|difference| difference.to_string())
    }

    #[test]
    fn the_table_the_row_and_the_column_of_a_difference_are_named() {
        let expected = row([5, 0, 2], 1);
        assert_eq!(told(Some(&expected), expected.clone()), None);
        let edited = told(Some(&expected), row([5, 0, 2], 9)).unwrap();
        assert_eq!(
            edited,
            "ledger.logs, height 5, tx_index 0, log_index 2, address: the chain says 0x01, the database 0x09"
        );
    }

    #[test]
    fn a_row_that_is_missing_or_one_too_many_is_named() {
        let expected = row([5, 0, 2], 1);
        let missing = told(Some(&expected), row([5, 1, 0], 1)).unwrap();
        assert!(missing.contains("log_index 2: the chain says there is this row"), "{missing}");
        let extra = told(Some(&expected), row([5, 0, 1], 1)).unwrap();
        assert!(extra.contains("log_index 1: the chain says there is no such row"), "{extra}");
        assert!(told(None, expected).unwrap().contains("no such row"));
    }

    #[test]
    fn a_cell_that_cannot_be_read_is_a_difference() {
        let expected = row([5, 0, 2], 1);
        let mut found: Vec<Option<Cell>> = expected.iter().cloned().map(Some).collect();
        found[3] = None;
        let difference = shape().compare(Some(&expected), &found).unwrap();
        assert_eq!(
            (difference.column.as_deref(), &*difference.found),
            (Some("address"), "what is no such value")
        );
    }
}
