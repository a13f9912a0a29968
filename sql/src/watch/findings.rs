//! What was found, and what became of it.

use serde::Serialize;
use serde_json::Value;
use sqlx::{PgConnection, Postgres, QueryBuilder, postgres::PgRow};

use super::{
    WatchError,
    read::{edited, get},
    signed,
    trail::{Step, is_whole, steps},
};
use crate::{Database, SqlError, database::check_schema};

/// A finding that is kept.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Its id, in hex.
    pub id: String,
    /// The block in which it was found.
    pub height: i64,
    /// That block's time, in milliseconds.
    pub time_ms: i64,
    /// Which rule.
    pub rule: String,
    /// The digest of its version.
    pub rule_digest: String,
    /// SHA-256 of the list of the sanctioned, where the rule asked it.
    pub list: Option<String>,
    /// What comes of it.
    pub grade: String,
    /// Whether the rule could judge.
    pub judged: bool,
    /// What the subject is.
    pub subject_kind: String,
    /// Which.
    pub subject: String,
    /// The asset; empty where there is none.
    pub asset: String,
    /// Where the evidence stands.
    pub evidence: Value,
    /// The numbers that decided.
    pub numbers: Value,
    /// In words.
    pub explanation: String,
    /// The law or the guideline behind the rule.
    pub reference: String,
    /// open, acknowledged or closed.
    pub state: String,
    /// What people did about it; of a list, nothing is told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trail: Vec<Step>,
    /// Whether each step is the one that was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trail_whole: Option<bool>,
    /// The transactions of the evidence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transactions: Vec<String>,
}

/// Which findings are asked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Of this rule.
    pub rule: Option<String>,
    /// Of this grade.
    pub grade: Option<String>,
    /// open, acknowledged or closed.
    pub state: Option<String>,
    /// About this account or organisation.
    pub subject: Option<String>,
    /// From this height on.
    pub from: Option<u64>,
    /// Up to this height.
    pub to: Option<u64>,
    /// Only those that could not be judged.
    pub unjudged: bool,
    /// After this one, by its whole id.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// The columns of a finding `f`, its state, and its place last.
pub(crate) const COLUMNS: &str =
    "SELECT encode(f.id, 'hex'), f.height, f.time_ms, f.rule, encode(f.rule_digest, 'hex'),
        encode(f.list, 'hex'), f.grade, f.judged, f.subject_kind, f.subject, f.asset, f.evidence::text,
        f.numbers::text, f.explanation, f.reference, s.state, f.place
    FROM watch.findings f CROSS JOIN LATERAL (
        SELECT CASE WHEN bool_or(t.act = 'close') THEN 'closed'
            WHEN bool_or(t.act = 'acknowledge') THEN 'acknowledged' ELSE 'open' END AS state
        FROM watch.trail t WHERE t.finding = f.id
    ) s WHERE true";

/// Findings, the earliest first.
///
/// # Errors
/// [`WatchError::NoFinding`] where `after` is none, and whatever the database says.
pub async fn list(database: &Database, query: &Query) -> Result<Vec<Kept>, WatchError> {
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    let mut sql = QueryBuilder::<Postgres>::new(COLUMNS);
    if let Some(after) = &query.after {
        let after = find(&mut connection, after).await?;
        sql.push(
            " AND (f.height, f.place, f.id) > (SELECT height, place, id FROM watch.findings WHERE id = ",
        );
        sql.push_bind(after).push(")");
    }
    let equal = [
        ("f.rule", &query.rule),
        ("f.grade", &query.grade),
        ("s.state", &query.state),
        ("f.subject", &query.subject),
    ];
    for (column, wanted) in equal {
        if let Some(wanted) = wanted {
            sql.push(format!(" AND {column} = ")).push_bind(wanted.clone());
        }
    }
    for (comparison, height) in [(" AND f.height >= ", query.from), (" AND f.height <= ", query.to)] {
        if let Some(height) = height {
            sql.push(comparison).push_bind(signed(height));
        }
    }
    if query.unjudged {
        sql.push(" AND NOT f.judged");
    }
    sql.push(" ORDER BY f.height, f.place, f.id LIMIT ")
        .push_bind(i64::try_from(query.limit).unwrap_or(i64::MAX));
    let rows = sql.build().fetch_all(&mut connection).await.map_err(SqlError::at("read findings"))?;
    Ok(rows.iter().map(kept).collect::<Result<_, SqlError>>()?)
}

/// A finding by its id or the beginning of it, with all that people did about it.
///
/// # Errors
/// [`WatchError::NoFinding`], [`WatchError::Ambiguous`], and whatever the database says.
pub async fn show(database: &Database, id: &str) -> Result<Kept, WatchError> {
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    let finding = find(&mut connection, id).await?;
    let mut sql = QueryBuilder::<Postgres>::new(COLUMNS);
    sql.push(" AND f.id = ").push_bind(finding.clone());
    let row = sql.build().fetch_one(&mut connection).await.map_err(SqlError::at("read a finding"))?;
    let mut kept = kept(&row)?;
    kept.trail = steps(&mut connection, &finding).await?;
    kept.trail_whole = Some(is_whole(&finding, &kept.trail));
    kept.transactions = transactions(&mut connection, &finding).await?;
    Ok(kept)
}

/// The hashes of the transactions of a finding's evidence.
async fn transactions(connection: &mut PgConnection, finding: &[u8]) -> Result<Vec<String>, SqlError> {
    let query = "SELECT DISTINCT t.height, t.tx_index, '0x' || encode(t.hash, 'hex') FROM watch.findings f
        CROSS JOIN LATERAL jsonb_to_recordset(f.evidence) AS e (height BIGINT, \"txIndex\" BIGINT)
        JOIN ledger.transactions t ON t.height = e.height AND t.tx_index = e.\"txIndex\"
        WHERE f.id = $1 ORDER BY t.height, t.tx_index";
    let rows = sqlx::query(query).bind(finding).fetch_all(connection).await;
    rows.map_err(SqlError::at("read the evidence"))?.iter().map(|row| get(row, 2)).collect()
}

/// Reads those columns.
pub(crate) fn kept(row: &PgRow) -> Result<Kept, SqlError> {
    let document = |at: usize| {
        let text: &str = get(row, at)?;
        serde_json::from_str(text).map_err(|_| edited("a finding's evidence is none"))
    };
    Ok(Kept {
        id: get(row, 0)?,
        height: get(row, 1)?,
        time_ms: get(row, 2)?,
        rule: get(row, 3)?,
        rule_digest: get(row, 4)?,
        list: get(row, 5)?,
        grade: get(row, 6)?,
        judged: get(row, 7)?,
        subject_kind: get(row, 8)?,
        subject: get(row, 9)?,
        asset: get(row, 10)?,
        evidence: document(11)?,
        numbers: document(12)?,
        explanation: get(row, 13)?,
        reference: get(row, 14)?,
        state: get(row, 15)?,
        trail: Vec::new(),
        trail_whole: None,
        transactions: Vec::new(),
    })
}

/// The id of the one finding whose id begins like this.
pub(super) async fn find(connection: &mut PgConnection, id: &str) -> Result<Vec<u8>, WatchError> {
    let none = || WatchError::NoFinding { id: id.chars().take(70).collect() };
    let begins = id.strip_prefix("0x").unwrap_or(id);
    if begins.is_empty() || begins.len() > 64 || !begins.is_ascii() {
        return Err(none());
    }
    let bound =
        |fill: &str| hex::decode(format!("{begins}{}", fill.repeat(64_usize.saturating_sub(begins.len()))));
    let (Ok(lowest), Ok(highest)) = (bound("0"), bound("f")) else { return Err(none()) };
    let query = sqlx::query("SELECT id FROM watch.findings WHERE id BETWEEN $1 AND $2 LIMIT 2");
    let rows = query.bind(lowest).bind(highest).fetch_all(connection).await;
    let rows = rows.map_err(SqlError::at("look for a finding"))?;
    match rows.as_slice() {
        [] => Err(none()),
        [row] => Ok(get(row, 0)?),
        _ => Err(WatchError::Ambiguous { id: id.to_owned() }),
    }
}
