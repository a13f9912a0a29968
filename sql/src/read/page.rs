//! Pages: rows as JSON, and where the next page begins.

use std::{collections::BTreeSet, sync::Arc};

use concordat_types::OrgId;
use serde_json::{Map, Value};
use sqlx::{
    Postgres, Row as _,
    postgres::{PgArguments, PgRow},
    query::Query as SqlQuery,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Bind, Chosen, List, Query, Reader, RequestError, Scope, Wanted,
    catalogue::{Kind, MEMBERS},
    cover::{Cover, accounts},
    query::MOST,
};
use crate::{SqlError, tables::Type};

/// Pages that are looked through for the first rows of a list.
const PAGES: usize = 32;

/// Where a row stands in its list, as text.
pub type Position = Vec<String>;

/// A page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its rows, each an object.
    pub rows: Vec<Value>,
    /// Where each of them stands.
    pub places: Vec<Position>,
    /// Where the next page begins; none: there is none. A page may be short, or have no row at all, and there may be more.
    pub next: Option<Position>,
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
    /// Its first rows are too far apart.
    #[error(
        "the first rows of {list} are too far apart to be found at once; ask for {list} itself, page by page"
    )]
    Apart {
        /// The list.
        list: &'static str,
    },
}

impl Reader {
    /// A page of a list. Where its rows are rare among those that have to be looked at, it ends after so much work.
    ///
    /// # Errors
    /// [`RequestError::Place`]; whatever the database says.
    pub async fn page(&self, list: &'static List, wanted: &Wanted) -> Result<Page, PageError> {
        let wanted = self.prepared(list, wanted).await?;
        let cover = self.cover(list, &wanted).await?;
        if !list.is_direct(&wanted) {
            return self.bounded_page(list, wanted, &cover).await;
        }
        let found = self.fetch(&list.query_within(&wanted, &cover)?, list.name).await?;
        let limit = usize::try_from(wanted.limit).unwrap_or_default();
        let mut page = Page::default();
        for row in found.iter().take(limit) {
            let (shown, place) = list.read(row, wanted.history)?;
            page.rows.push(shown);
            page.places.push(place);
        }
        page.next = page.places.last().filter(|_| found.len() > limit).cloned();
        Ok(page)
    }

    /// The first rows of a list, as many as are wanted or there are: for whoever shows them beside other things and can not go
    /// on.
    ///
    /// # Errors
    /// As [`Reader::page`]; [`PageError::Apart`].
    pub async fn first(&self, list: &'static List, wanted: &Wanted) -> Result<Vec<Value>, PageError> {
        let (mut wanted, mut rows) = (wanted.clone(), Vec::new());
        for _ in 0..PAGES {
            let page = self.page(list, &wanted).await?;
            wanted.limit = wanted.limit.saturating_sub(i64::try_from(page.rows.len()).unwrap_or(i64::MAX));
            rows.extend(page.rows);
            if wanted.limit <= 0 || page.next.is_none() {
                return Ok(rows);
            }
            wanted.after = page.next;
        }
        Err(PageError::Apart { list: list.name })
    }

    /// Whom the scope of a request covers, where that matters.
    async fn cover(&self, list: &List, wanted: &Wanted) -> Result<Arc<Cover>, SqlError> {
        self.cover_of(list, &wanted.scope, wanted.as_of).await
    }

    /// Whom a scope covers, where a list shows less within it.
    pub(super) async fn cover_of(
        &self,
        list: &List,
        scope: &Scope,
        as_of: i64,
    ) -> Result<Arc<Cover>, SqlError> {
        if list.reach.is_restricted(scope) {
            return self.covers.of(&self.pool, scope, as_of).await;
        }
        Ok(Arc::default())
    }

    /// A request as it is put to the database: without the scope, where a filter leaves only what it shows anyhow; and with
    /// an organisation's accounts by name, where they are few.
    async fn prepared(&self, list: &'static List, wanted: &Wanted) -> Result<Wanted, SqlError> {
        let mut wanted = Wanted { limit: wanted.limit.clamp(1, MOST), ..wanted.clone() };
        if list.is_covered(&wanted, &*self.cover(list, &wanted).await?) {
            wanted.scope = Scope::default();
        }
        for chosen in &mut wanted.filters {
            let (Kind::Member, Bind::Text(organisation)) = (chosen.filter.kind, &chosen.value) else {
                continue;
            };
            // What is no id is nobody's.
            let organisation: BTreeSet<OrgId> = organisation.parse().into_iter().collect();
            if let Some(accounts) = accounts(&self.pool, &organisation).await? {
                let value = Bind::ManyBytes(accounts.into_iter().collect());
                *chosen = Chosen { filter: &MEMBERS, value };
            }
        }
        Ok(wanted)
    }

    /// Runs a statement.
    pub(crate) async fn fetch(&self, query: &Query, what: &str) -> Result<Vec<PgRow>, SqlError> {
        let mut statement = sqlx::query(&query.sql);
        for bind in &query.binds {
            statement = bound(statement, bind);
        }
        statement.fetch_all(&self.pool).await.map_err(SqlError::at(format!("read {what}")))
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
    pub(super) fn read(&self, row: &PgRow, history: bool) -> Result<(Value, Position), SqlError> {
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
