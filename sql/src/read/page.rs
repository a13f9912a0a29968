//! Pages: rows as JSON, and where the next page begins.

use serde_json::{Map, Value};
use sqlx::{
    Postgres, Row as _,
    postgres::{PgArguments, PgRow},
    query::Query as SqlQuery,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Bind, List, Query, Reader, RequestError, Wanted, query::MOST};
use crate::{SqlError, tables::Type};

/// Where a row stands in its list, as text.
pub type Position = Vec<String>;

/// A page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its rows, each an object.
    pub rows: Vec<Value>,
    /// Where each of them stands.
    pub places: Vec<Position>,
    /// Whether there are more.
    pub more: bool,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// It was asked for wrongly.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The database failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

impl Page {
    /// Where its last row stands.
    pub fn last(&self) -> Option<&Position> {
        self.places.last()
    }
}

impl Reader {
    /// A page of a list.
    ///
    /// # Errors
    /// [`RequestError::Place`]; whatever the database says.
    pub async fn page(&self, list: &'static List, wanted: &Wanted) -> Result<Page, PageError> {
        let query = list.query(wanted)?;
        let found = self.fetch(&query, list.name).await?;
        let limit = usize::try_from(wanted.limit.clamp(1, MOST)).unwrap_or_default();
        let mut page = Page { more: found.len() > limit, ..Page::default() };
        for row in found.iter().take(limit) {
            let (shown, place) = list.read(row, wanted.history)?;
            page.rows.push(shown);
            page.places.push(place);
        }
        Ok(page)
    }

    /// Runs a statement.
    pub(crate) async fn fetch(&self, query: &Query, what: &str) -> Result<Vec<PgRow>, SqlError> {
        let mut statement = sqlx::query(&query.sql);
        for bind in &query.binds {
            statement = bound(statement, bind);
        }
        statement.fetch_all(&self.pool).await.map_err(SqlError::at(format!("read {what}")))
    }

    /// How a statement would be run, for whoever looks after indexes.
    ///
    /// # Errors
    /// [`RequestError::Place`]; whatever the database says.
    pub async fn plan(&self, list: &'static List, wanted: &Wanted) -> Result<Vec<String>, PageError> {
        let mut query = list.query(wanted)?;
        query.sql.insert_str(0, "EXPLAIN ");
        let rows = self.fetch(&query, list.name).await?;
        let line = |row: &PgRow| row.try_get(0).map_err(SqlError::at("read a plan"));
        Ok(rows.iter().map(line).collect::<Result<_, _>>()?)
    }
}

fn bound<'q>(
    statement: SqlQuery<'q, Postgres, PgArguments>,
    bind: &'q Bind,
) -> SqlQuery<'q, Postgres, PgArguments> {
    match bind {
        Bind::Int(number) => statement.bind(number),
        Bind::Number(text) | Bind::Text(text) => statement.bind(text),
        Bind::Bytes(bytes) => statement.bind(bytes),
        Bind::Texts(texts) => statement.bind(texts),
        Bind::ManyBytes(many) => statement.bind(many),
    }
}

impl List {
    /// A row as JSON, and its place.
    fn read(&self, row: &PgRow, history: bool) -> Result<(Value, Position), SqlError> {
        let mut shown = Map::new();
        let mut at = 0_usize;
        let mut next = || -> Result<Option<String>, SqlError> {
            let text = row.try_get(at).map_err(SqlError::at(format!("read {}", self.name)))?;
            at = at.saturating_add(1);
            Ok(text)
        };
        for column in self.shown() {
            shown.insert(column.name.into(), json(column.holds, next()?));
        }
        shown.insert("time".into(), next()?.and_then(|text| text.parse().ok()).map_or(Value::Null, moment));
        for extra in self.extras {
            shown.insert(extra.name.into(), json(extra.holds, next()?));
        }
        let mut place = Vec::new();
        for _ in self.place(history) {
            place.push(next()?.unwrap_or_default());
        }
        Ok((Value::Object(shown), place))
    }
}

/// What is selected by [`crate::cell::read_expression`] as JSON: bytes with `0x`, big numbers as strings.
pub(crate) fn json(holds: Type, text: Option<String>) -> Value {
    let Some(text) = text else { return Value::Null };
    match holds {
        Type::Int => text.parse::<i64>().map_or(Value::Null, Value::from),
        Type::Number | Type::Text => Value::String(text),
        Type::Bytes => Value::String(format!("0x{text}")),
        Type::Bool => Value::Bool(text == "true"),
        Type::Json => serde_json::from_str(&text).unwrap_or(Value::Null),
    }
}

/// Milliseconds since 1970 as RFC 3339.
pub fn moment(time_ms: i64) -> Value {
    let nanoseconds = i128::from(time_ms).saturating_mul(1_000_000);
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).map_or(Value::Null, Value::String)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{json, *};

    #[test]
    fn cells_are_json_without_loss() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(json(Type::Int, text("7")), json!(7));
        assert_eq!(
            json(Type::Number, text("340282366920938463463374607431768211456")),
            json!("340282366920938463463374607431768211456")
        );
        assert_eq!(json(Type::Bytes, text("00ff")), json!("0x00ff"));
        assert_eq!(json(Type::Bool, text("true")), json!(true));
        assert_eq!(json(Type::Json, text("{\"a\": [1]}")), json!({ "a": [1] }));
        assert_eq!(json(Type::Text, None), Value::Null);
    }

    #[test]
    fn moments_are_rfc_3339() {
        assert_eq!(moment(1_700_000_000_250), json!("2023-11-14T22:13:20.25Z"));
    }
}
