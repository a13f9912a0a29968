//! What surveillance has found, as a mandate shows it.
//!
//! Invariants: a finding is its subject's business, and is shown to whom the mandate covers the subject. That it is about a
//! token is not enough: the numbers tell of what the subject does besides. The committee and the rules are nobody's, so that what is
//! found about them is shown to a mandate over everything alone. A page looks at a bounded number of findings.

use concordat_types::{Address, OrgId};
use serde_json::{Map, Value, json};
use sqlx::postgres::PgRow;

use super::{
    Bind, Query, Reader, RequestError, Scope,
    catalogue::List,
    cover::Cover,
    page::{PageError, Position, moment},
    query::MOST,
    scope::{belongs, owned},
};
use crate::{
    SqlError,
    watch::{COLUMNS, Kept, is_whole, kept, step},
};

/// Findings that are looked at for a page.
const LOOKED_AT: i64 = 2_000;

/// What a subject's address is, and null where it has none.
const ACCOUNT: &str = "CASE WHEN f.subject_kind = 'account' THEN decode(substr(f.subject, 3), 'hex') END";

/// Which findings are wanted.
#[derive(Clone, Debug, Default)]
pub struct FindingsWanted {
    /// As of this block.
    pub as_of: i64,
    /// From this height.
    pub from: Option<i64>,
    /// To this height.
    pub to: Option<i64>,
    /// Of this rule.
    pub rule: Option<String>,
    /// About this account.
    pub account: Option<Address>,
    /// About this organisation; with an account as well, about nobody.
    pub organisation: Option<OrgId>,
    /// Of this grade.
    pub grade: Option<String>,
    /// `open`, `acknowledged` or `closed`.
    pub state: Option<String>,
    /// Whether the rule could judge.
    pub judged: Option<bool>,
    /// What may be shown.
    pub scope: Scope,
    /// After the finding at this place.
    pub after: Option<Position>,
    /// So many, at most 1000.
    pub limit: i64,
}

/// A page of findings, the newest first.
#[derive(Clone, Debug, Default)]
pub struct FindingsPage {
    /// Each an object.
    pub rows: Vec<Value>,
    /// Where the next page begins; none: there is none. A page may be short, or empty, and there may be more.
    pub next: Option<Position>,
    /// The newest block that was judged; none where surveillance never ran.
    pub judged_to: Option<i64>,
}

/// The columns of a finding in a page, and what they hold, as `List::columns` tells them.
pub const FINDING_COLUMNS: [(&str, &str); 15] = [
    ("id", "string"),
    ("height", "integer"),
    ("time", "string"),
    ("rule", "string"),
    ("rule_digest", "string"),
    ("list", "string"),
    ("grade", "string"),
    ("judged", "boolean"),
    ("subject_kind", "string"),
    ("account", "string"),
    ("organisation", "string"),
    ("asset", "string"),
    ("explanation", "string"),
    ("reference", "string"),
    ("state", "string"),
];

impl Reader {
    /// A page of findings.
    ///
    /// # Errors
    /// [`RequestError::Place`]; whatever the database says.
    pub async fn findings(&self, wanted: &FindingsWanted) -> Result<FindingsPage, PageError> {
        let cover = self.cover_of_subjects(&wanted.scope, wanted.as_of).await?;
        let edge = self.fetch(&edge(wanted)?, "findings").await?;
        let edge = edge.first().map(place).transpose()?;
        let found = self.fetch(&page(wanted, &cover, edge.as_ref())?, "findings").await?;
        let limit = usize::try_from(wanted.limit.clamp(1, MOST)).unwrap_or_default();
        let shown = found.get(..limit).unwrap_or(&found);
        let next = match shown.last() {
            Some(last) if found.len() > limit => Some(place_of(last)?),
            _ => edge,
        };
        let rows = shown.iter().map(|row| Ok(row_of(&kept(row)?))).collect::<Result<_, SqlError>>()?;
        Ok(FindingsPage { rows, next, judged_to: self.judged_to().await? })
    }

    /// A finding with its evidence, of whose transactions those are told that the scope shows, and with what people did about
    /// it; none where there is no such finding, or the scope does not cover its subject.
    ///
    /// # Errors
    /// Whatever the database says; [`SqlError::Edited`] for rows that no watcher writes.
    pub async fn finding(&self, id: [u8; 32], as_of: i64, scope: &Scope) -> Result<Option<Value>, SqlError> {
        let cover = self.cover_of_subjects(scope, as_of).await?;
        let mut query = Query::default();
        let finding = query.bind(Bind::Bytes(id.to_vec()));
        query.condition(&format!("f.id = {finding}"));
        restrict(scope, &cover, &mut query);
        query.sql = format!("{COLUMNS} AND {}", query.joined());
        let rows = self.fetch(&query, "a finding").await?;
        let Some(found) = rows.first().map(kept).transpose()? else { return Ok(None) };
        let mut document = row_of(&found);
        if let Value::Object(fields) = &mut document {
            fields.insert("numbers".into(), found.numbers.clone());
            fields.insert("evidence".into(), pieces(&found.evidence));
            fields.insert("transactions".into(), json!(self.evidence(&id, as_of, scope).await?));
            fields.extend(self.trail(&id).await?);
        }
        Ok(Some(document))
    }

    /// The hashes of the transactions of a finding's evidence that a scope shows.
    async fn evidence(&self, id: &[u8; 32], as_of: i64, scope: &Scope) -> Result<Vec<String>, SqlError> {
        let Some(list) = List::named("transactions") else { return Ok(Vec::new()) };
        let cover = self.cover_of(list, scope, as_of).await?;
        let mut query = Query::default();
        let id = query.bind(Bind::Bytes(id.to_vec()));
        query.condition(&format!("f.id = {id}"));
        list.reach.restrict(scope, &cover, &mut query);
        query.sql = format!(
            "SELECT DISTINCT t.height, t.tx_index, '0x' || encode(t.hash, 'hex') FROM watch.findings f
             CROSS JOIN LATERAL jsonb_to_recordset(f.evidence) AS e (height BIGINT, \"txIndex\" BIGINT)
             JOIN ledger.transactions t ON t.height = e.height AND t.tx_index = e.\"txIndex\"
             WHERE {} ORDER BY t.height, t.tx_index",
            query.joined()
        );
        let rows = self.fetch(&query, "the evidence").await?;
        let hash = |row: &PgRow| sqlx::Row::try_get(row, 2).map_err(SqlError::at("read the evidence"));
        rows.iter().map(hash).collect()
    }

    /// The steps about a finding, and whether each is the one that was added.
    async fn trail(&self, id: &[u8; 32]) -> Result<Map<String, Value>, SqlError> {
        let mut query = Query::default();
        let finding = query.bind(Bind::Bytes(id.to_vec()));
        query.sql = format!(
            "SELECT act, person, role, text, at_ms, encode(hash, 'hex') FROM watch.trail WHERE finding = {finding} ORDER BY step"
        );
        let rows = self.fetch(&query, "what was done").await?;
        let steps = rows.iter().map(step).collect::<Result<Vec<_>, _>>()?;
        let told = steps.iter().map(|step| {
            json!({
                "act": step.act,
                "person": step.person,
                "role": step.role,
                "comment": step.text,
                "time": moment(step.at_ms),
                "hash": format!("0x{}", step.hash),
            })
        });
        let told = Value::Array(told.collect());
        Ok(Map::from_iter([("trail".into(), told), ("trail_whole".into(), json!(is_whole(id, &steps)))]))
    }

    async fn judged_to(&self) -> Result<Option<i64>, SqlError> {
        let query = sqlx::query_scalar("SELECT height FROM watch.cursor");
        query.fetch_optional(&self.pool).await.map_err(SqlError::at("read where the watcher stands"))
    }

    /// Whom a scope covers, for subjects: accounts as well as contracts.
    async fn cover_of_subjects(&self, scope: &Scope, as_of: i64) -> Result<std::sync::Arc<Cover>, SqlError> {
        match List::named("accounts") {
            Some(list) => self.cover_of(list, scope, as_of).await,
            None => Ok(std::sync::Arc::default()),
        }
    }
}

/// The statement for the last finding that is looked at; it has no row where all that are left are looked at.
fn edge(wanted: &FindingsWanted) -> Result<Query, RequestError> {
    let mut query = Query::default();
    narrow(wanted, &mut query)?;
    query.sql = format!(
        "SELECT f.height, f.place, encode(f.id, 'hex') FROM watch.findings f WHERE {}
         ORDER BY f.height DESC, f.place DESC, f.id DESC OFFSET {} LIMIT 1",
        query.joined(),
        LOOKED_AT.saturating_sub(1)
    );
    Ok(query)
}

/// The statement for a page: of the findings that are looked at, those that are wanted.
fn page(wanted: &FindingsWanted, cover: &Cover, edge: Option<&Position>) -> Result<Query, RequestError> {
    let mut query = Query::default();
    narrow(wanted, &mut query)?;
    if let Some(edge) = edge {
        compare(edge, ">=", &mut query)?;
    }
    for (column, value) in [("f.grade", &wanted.grade), ("s.state", &wanted.state)] {
        if let Some(value) = value {
            let value = query.bind(Bind::Text(value.clone()));
            query.condition(&format!("{column} = {value}"));
        }
    }
    if let Some(judged) = wanted.judged {
        query.condition(if judged { "f.judged" } else { "NOT f.judged" });
    }
    restrict(&wanted.scope, cover, &mut query);
    let limit = query.bind(Bind::Int(wanted.limit.clamp(1, MOST).saturating_add(1)));
    query.sql = format!(
        "{COLUMNS} AND {} ORDER BY f.height DESC, f.place DESC, f.id DESC LIMIT {limit}",
        query.joined()
    );
    Ok(query)
}

/// What an index leads to.
fn narrow(wanted: &FindingsWanted, query: &mut Query) -> Result<(), RequestError> {
    let highest = wanted.to.map_or(wanted.as_of, |to| to.min(wanted.as_of));
    for (sign, height) in [("<=", Some(highest)), (">=", wanted.from)] {
        if let Some(height) = height {
            let height = query.bind(Bind::Int(height));
            query.condition(&format!("f.height {sign} {height}"));
        }
    }
    let account = wanted.account.map(|account| format!("{account:#x}"));
    let organisation = wanted.organisation.as_ref().map(ToString::to_string);
    for (column, value) in
        [("f.rule", wanted.rule.clone()), ("f.subject", account), ("f.subject", organisation)]
    {
        if let Some(value) = value {
            let value = query.bind(Bind::Text(value));
            query.condition(&format!("{column} = {value}"));
        }
    }
    wanted.after.as_ref().map_or(Ok(()), |after| compare(after, "<", query))
}

/// Adds on which side of a place findings stand. The height is said by itself, too: by it alone the planner knows how few there are.
fn compare(place: &Position, sign: &str, query: &mut Query) -> Result<(), RequestError> {
    let [height, at, id] = place.as_slice() else { return Err(RequestError::Place) };
    let number = |text: &String| text.parse().map(Bind::Int).map_err(|_| RequestError::Place);
    let id = hex::decode(id).ok().filter(|id| id.len() == 32).ok_or(RequestError::Place)?;
    let (height, at, id) =
        (query.bind(number(height)?), query.bind(number(at)?), query.bind(Bind::Bytes(id)));
    let with_equal = format!("{}=", sign.trim_end_matches('='));
    query.condition(&format!(
        "f.height {with_equal} {height} AND (f.height, f.place, f.id) {sign} ({height}, {at}, {id})"
    ));
    Ok(())
}

/// Adds what a scope leaves of findings: by whom they are about.
fn restrict(scope: &Scope, cover: &Cover, query: &mut Query) {
    let Some(organisations) = &scope.organisations else { return };
    let names = query.bind(Bind::Texts(organisations.iter().map(ToString::to_string).collect()));
    let mut any = vec![format!("f.subject_kind = 'organisation' AND f.subject = ANY({names})")];
    let mut named = |addresses: Vec<String>, any: &mut Vec<String>| {
        let addresses = query.bind(Bind::Texts(addresses));
        any.push(format!("f.subject_kind = 'account' AND f.subject = ANY({addresses})"));
    };
    let hex_of = |bytes: &Vec<u8>| format!("0x{}", hex::encode(bytes));
    match &cover.accounts {
        Some(accounts) => named(accounts.iter().map(hex_of).collect(), &mut any),
        None => any.push(belongs(ACCOUNT, &names)),
    }
    match (&scope.contracts, &cover.contracts) {
        (None, _) => {
            any.push(format!("EXISTS (SELECT FROM ledger.contracts c WHERE c.contract = {ACCOUNT})"))
        }
        (Some(_), Some(contracts)) => named(contracts.iter().map(hex_of).collect(), &mut any),
        (Some(contracts), None) => {
            named(contracts.iter().map(|one: &Address| format!("{one:#x}")).collect(), &mut any);
            any.push(owned(ACCOUNT, &names));
        }
    }
    query.condition(&format!("({})", any.join(" OR ")));
}

/// A finding as a page has it.
fn row_of(found: &Kept) -> Value {
    let about = |kind: &str| (found.subject_kind == kind).then_some(&found.subject);
    json!({
        "id": format!("0x{}", found.id),
        "height": found.height,
        "time": moment(found.time_ms),
        "rule": found.rule,
        "rule_digest": format!("0x{}", found.rule_digest),
        "list": found.list.as_ref().map(|list| format!("0x{list}")),
        "grade": found.grade,
        "judged": found.judged,
        "subject_kind": found.subject_kind,
        "account": about("account"),
        "organisation": about("organisation"),
        "asset": Some(&found.asset).filter(|asset| !asset.is_empty()),
        "explanation": found.explanation,
        "reference": found.reference,
        "state": found.state,
    })
}

/// Where the evidence stands, named as columns are.
fn pieces(evidence: &Value) -> Value {
    let piece = |piece: &Value| {
        json!({
            "height": piece["height"],
            "tx_index": piece["txIndex"],
            "log_index": piece["logIndex"],
            "item": piece["item"],
        })
    };
    Value::Array(evidence.as_array().into_iter().flatten().map(piece).collect())
}

fn place(row: &PgRow) -> Result<Position, SqlError> {
    let (height, place, id): (i64, i64, String) =
        sqlx::FromRow::from_row(row).map_err(SqlError::at("read findings"))?;
    Ok(vec![height.to_string(), place.to_string(), id])
}

/// The same of a row with all columns.
fn place_of(row: &PgRow) -> Result<Position, SqlError> {
    let failed = || SqlError::at("read findings");
    let id: String = sqlx::Row::try_get(row, 0).map_err(failed())?;
    let height: i64 = sqlx::Row::try_get(row, 1).map_err(failed())?;
    let place: i64 = sqlx::Row::try_get(row, 16).map_err(failed())?;
    Ok(vec![height.to_string(), place.to_string(), id])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(organisations: Option<&[&str]>, contracts: Option<Address>) -> Scope {
        let organisations =
            organisations.map(|names| names.iter().map(|name| name.parse().unwrap()).collect());
        Scope { organisations, contracts: contracts.map(|one| [one].into()) }
    }

    fn conditions(scope: &Scope, cover: &Cover) -> String {
        let mut query = Query::default();
        restrict(scope, cover, &mut query);
        query.conditions().join(" AND ")
    }

    #[test]
    fn what_is_found_about_nobody_is_left_to_mandates_over_everything() {
        assert_eq!(conditions(&scope(None, None), &Cover::default()), "");
        let few = Cover { accounts: Some([vec![7; 20]].into()), contracts: Some([].into()) };
        let told = conditions(&scope(Some(&["bank-a"]), Some(Address::ZERO)), &few);
        for part in told.trim_matches(['(', ')']).split(" OR ") {
            assert!(
                part.contains("subject_kind = 'account'") || part.contains("subject_kind = 'organisation'"),
                "{part}"
            );
        }
    }

    #[test]
    fn a_finding_has_the_columns_that_are_told_of_it() {
        let found = Kept {
            id: String::new(),
            height: 7,
            time_ms: 7000,
            rule: "circle".into(),
            rule_digest: String::new(),
            list: None,
            grade: "alert".into(),
            judged: true,
            subject_kind: "committee".into(),
            subject: String::new(),
            asset: String::new(),
            evidence: json!([{ "height": 7, "txIndex": 1, "logIndex": null, "item": 0 }]),
            numbers: json!({}),
            explanation: String::new(),
            reference: String::new(),
            state: "open".into(),
            trail: Vec::new(),
            trail_whole: None,
            transactions: Vec::new(),
        };
        let told = row_of(&found);
        let names: std::collections::BTreeSet<&str> = FINDING_COLUMNS.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            told.as_object().unwrap().keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>(),
            names
        );
        assert_eq!((&told["account"], &told["organisation"]), (&Value::Null, &Value::Null));
        assert_eq!(
            pieces(&found.evidence),
            json!([{ "height": 7, "tx_index": 1, "log_index": null, "item": 0 }])
        );
    }

    #[test]
    fn a_place_that_is_none_is_refused() {
        for place in [&["1", "2"][..], &["1", "2", "zz"], &["x", "2", &"00".repeat(32)], &["1", "2", "00"]] {
            let place: Position = place.iter().map(ToString::to_string).collect();
            let wanted = FindingsWanted { after: Some(place), ..FindingsWanted::default() };
            assert_eq!(edge(&wanted).unwrap_err(), RequestError::Place);
        }
    }
}
