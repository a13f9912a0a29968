//! One thing and what belongs to it.

use concordat_sql::read::{List, Wanted};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value};

use crate::{
    answer::{Answer, Ask, as_of},
    body::nothing,
    problem::Problem,
    routes::Object,
    service::Service,
};

/// Rows of a section; its list has the rest.
const ROWS: i64 = 100;

/// Sections that are looked up at once.
const AT_ONCE: usize = 4;

/// Logs of a transaction; the list has the rest.
const LOGS: i64 = 1000;

/// The document of a thing.
pub(crate) async fn of(service: &Service, object: &Object, mut ask: Ask<'_>) -> Result<Answer, Problem> {
    let tip = &ask.admitted.tip;
    let height = ask.parameters.as_of(&service.reader, tip).await?;
    ask.parameters.end(&["at"])?;
    let key = ask.found.argument.unwrap_or_default();
    let look = Look { service, ask: &ask, height };
    let by_height = (object.list == "blocks").then(|| key.parse::<i64>().ok()).flatten();
    let found = match by_height {
        Some(height) => {
            look.rows(object.list, |wanted| (wanted.from, wanted.to) = (Some(height), Some(height))).await?
        }
        None => look.filtered(object.list, object.key, key, 1).await?,
    };
    let mut found = found.into_iter();
    let thing = found.next().ok_or_else(nothing)?;
    let mut document = Map::new();
    let mut rows = 1_usize;
    let sections = match object.list {
        "transactions" => look.told_by(&thing).await?,
        _ => look.sections(object, key).await?,
    };
    document.insert("data".into(), thing);
    for (name, section) in sections {
        rows = rows.saturating_add(section.len());
        document.insert(name.into(), Value::Array(section));
    }
    document.insert("as_of".into(), as_of(height, tip));
    Ok(Answer { document: Value::Object(document), rows })
}

/// A look at lists, as of one height.
struct Look<'a> {
    service: &'a Service,
    ask: &'a Ask<'a>,
    height: i64,
}

type Sections = Vec<(&'static str, Vec<Value>)>;

impl Look<'_> {
    async fn rows(&self, list: &str, narrow: impl FnOnce(&mut Wanted)) -> Result<Vec<Value>, Problem> {
        let list = List::named(list).ok_or_else(nothing)?;
        let all = Wanted::newest(self.height, self.ask.admitted.caller.scope.clone());
        let mut wanted = Wanted { newest_first: list.is_journal(), limit: ROWS, ..all };
        narrow(&mut wanted);
        Ok(self.service.reader.first(list, &wanted).await?)
    }

    async fn filtered(
        &self,
        list: &str,
        filter: &str,
        value: &str,
        limit: i64,
    ) -> Result<Vec<Value>, Problem> {
        let chosen = List::named(list).ok_or_else(nothing)?.choose(filter, value)?;
        self.rows(list, |wanted| (wanted.filters, wanted.limit) = (vec![chosen], limit)).await
    }

    async fn sections(&self, object: &Object, key: &str) -> Result<Sections, Problem> {
        let sections = object.with.iter().map(async |(name, list, filter)| {
            Ok::<_, Problem>((*name, self.filtered(list, filter, key, ROWS).await?))
        });
        stream::iter(sections).buffered(AT_ONCE).try_collect().await
    }

    /// What a transaction's logs tell: of the lists by place, those at its own.
    async fn told_by(&self, transaction: &Value) -> Result<Sections, Problem> {
        let (height, place) = (transaction["height"].as_i64(), transaction["tx_index"].as_i64());
        let mut sections = Vec::new();
        for name in ["logs", "events", "transfers"] {
            let rows = self
                .rows(name, |wanted| {
                    (wanted.from, wanted.to, wanted.transaction) = (height, height, place);
                    (wanted.newest_first, wanted.limit) = (false, LOGS);
                })
                .await?;
            sections.push((name, rows));
        }
        Ok(sections)
    }
}
