//! Rows of a table as they stream out of the database.

use futures::{TryStreamExt as _, stream::BoxStream};
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use crate::{
    SqlError,
    cell::{Cell, Row},
    tables::{Table, Type},
};

/// Which rows: from this position on (above it, where some were read already) to the end of this height.
pub(super) struct Range {
    /// The first height.
    pub(super) from: u64,
    /// The last height.
    pub(super) to: u64,
    /// The position of the last row that is there already.
    pub(super) after: Option<Vec<i64>>,
}

/// Rows in the order of their positions.
pub(super) struct Rows<'c> {
    table: Table,
    stream: BoxStream<'c, Result<PgRow, sqlx::Error>>,
}

/// The statement that selects the rows of a range. Its bounds are numbers alone, so that they may stand in it.
pub(super) fn statement(table: Table, range: &Range) -> String {
    let after = range.after.as_ref().map(|after| {
        let after: Vec<String> = after.iter().map(ToString::to_string).collect();
        format!(" AND ({}) > ({})", position(table), after.join(", "))
    });
    let after = after.unwrap_or_default();
    where_holds(table, &format!("t.height >= {} AND t.height <= {}{after}", range.from, range.to))
}

/// The statement that selects the rows `t` of which a condition holds, in the order of their positions.
pub(super) fn where_holds(table: Table, condition: &str) -> String {
    let columns: Vec<String> =
        table.columns().iter().map(|column| select(column.name, column.holds)).collect();
    format!("SELECT {} FROM {table} t WHERE {condition} ORDER BY {}", columns.join(", "), position(table))
}

fn position(table: Table) -> String {
    let names: Vec<String> = table.position().iter().map(|name| format!("t.{name}")).collect();
    names.join(", ")
}

/// Numbers and documents come as text: what is exported is what the database says, whatever its width.
fn select(name: &str, holds: Type) -> String {
    match holds {
        Type::Int | Type::Bool | Type::Bytes => format!("t.{name}"),
        Type::Number | Type::Text | Type::Json => format!("t.{name}::text"),
    }
}

impl<'c> Rows<'c> {
    /// Begins to read. `statement` is of [`statement`], of the same table.
    pub(super) fn read(connection: &'c mut PgConnection, table: Table, statement: &'c str) -> Self {
        Self { table, stream: sqlx::query(statement).fetch(connection) }
    }

    /// The next row.
    pub(super) async fn next(&mut self) -> Result<Option<Row>, SqlError> {
        let doing = || format!("read {}", self.table);
        let Some(row) = self.stream.try_next().await.map_err(SqlError::at(doing()))? else { return Ok(None) };
        let columns = self.table.columns().iter().enumerate();
        let cells = columns.map(|(at, column)| cell(&row, at, column.holds).map_err(SqlError::at(doing())));
        cells.collect::<Result<Row, SqlError>>().map(Some)
    }
}

fn cell(row: &PgRow, at: usize, holds: Type) -> Result<Cell, sqlx::Error> {
    let text = || row.try_get::<Option<String>, _>(at);
    Ok(match holds {
        Type::Int => row.try_get::<Option<i64>, _>(at)?.map_or(Cell::Null, Cell::Int),
        Type::Bool => row.try_get::<Option<bool>, _>(at)?.map_or(Cell::Null, Cell::Bool),
        Type::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map_or(Cell::Null, Cell::Bytes),
        Type::Number => text()?.map_or(Cell::Null, Cell::Number),
        Type::Text => text()?.map_or(Cell::Null, Cell::Text),
        Type::Json => match text()? {
            None => Cell::Null,
            Some(text) => {
                Cell::Json(serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)))?)
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_selected_from_a_position_on() {
        let range = Range { from: 5, to: 9, after: Some(vec![6, 0, 2]) };
        let statement = statement(Table::DecodedEvents, &range);
        assert_eq!(
            statement,
            "SELECT t.height, t.tx_index, t.log_index, t.address, t.standard::text, t.name::text, t.arguments::text \
             FROM ledger.decoded_events t WHERE t.height >= 5 AND t.height <= 9 \
             AND (t.height, t.tx_index, t.log_index) > (6, 0, 2) ORDER BY t.height, t.tx_index, t.log_index"
        );
    }
}
