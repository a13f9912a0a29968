//! Documents: what each path answers.

use concordat_types::Address;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Ask, as_of},
    cursor::Cursor,
    explanation, findings, flow, objects,
    params::MOST_ROWS,
    problem::{Kind, Problem},
    routes::Endpoint,
    service::Service,
    status,
};

/// The document of a request.
pub(crate) async fn of(service: &Service, ask: Ask<'_>) -> Result<Answer, Problem> {
    match ask.found.endpoint {
        Endpoint::Status => status::of(service, ask).await,
        Endpoint::Page(_) => page(service, ask).await,
        Endpoint::Object(object) => objects::of(service, object, ask).await,
        Endpoint::Picture => picture(service, ask).await,
        Endpoint::Holdings => holdings(service, ask).await,
        Endpoint::Flows => flow::of(service, ask).await,
        Endpoint::Explanation => explanation::of(service, ask).await,
        Endpoint::Findings => findings::page(service, ask).await,
        Endpoint::Finding => findings::of(service, ask).await,
        Endpoint::Reads => reads(service, ask).await,
        Endpoint::ReadsHead => reads_head(service, &ask).await,
        _ => Err(Problem::new(Kind::NotFound, "there is no such path")),
    }
}

async fn page(service: &Service, ask: Ask<'_>) -> Result<Answer, Problem> {
    let Endpoint::Page(list) = ask.found.endpoint else {
        return Err(Problem::new(Kind::NotFound, "there is no such path"));
    };
    let tip = &ask.admitted.tip;
    let (mut wanted, digest) = ask.parameters.wanted(ask.path, list, &service.reader, tip).await?;
    wanted.scope = ask.admitted.caller.scope.clone();
    let page = service.reader.page(list, &wanted).await?;
    let next = page.next.map(|place| Cursor::new(digest, wanted.as_of, place).encode());
    let rows = page.rows.len();
    let document = json!({ "data": page.rows, "next": next, "as_of": as_of(wanted.as_of, tip) });
    Ok(Answer { document, rows })
}

/// The address that a path names.
pub(crate) fn address(text: Option<&str>) -> Result<Address, Problem> {
    let wrong = || Problem::new(Kind::Malformed, "an account is an address: 0x and 40 hexadecimal digits");
    text.and_then(concordat_sql::read::address).ok_or_else(wrong)
}

/// What is left out and what is not there look the same.
pub(crate) fn nothing() -> Problem {
    Problem::new(Kind::NotFound, "it is not there, or the mandate does not cover it")
}

async fn picture(service: &Service, mut ask: Ask<'_>) -> Result<Answer, Problem> {
    let account = address(ask.found.argument)?;
    let height = ask.parameters.as_of(&service.reader, &ask.admitted.tip).await?;
    ask.parameters.end(&["at"])?;
    let picture = service.reader.picture(account, height, &ask.admitted.caller.scope).await?;
    let mut document = picture.ok_or_else(nothing)?;
    let rows = rows_of(&document);
    if let Value::Object(fields) = &mut document {
        fields.insert("as_of".into(), as_of(height, &ask.admitted.tip));
    }
    Ok(Answer { document, rows })
}

/// Rows of all sections.
fn rows_of(document: &Value) -> usize {
    let sections = document.as_object().into_iter().flat_map(serde_json::Map::values);
    sections.filter_map(Value::as_array).map(Vec::len).fold(0, usize::saturating_add)
}

async fn holdings(service: &Service, mut ask: Ask<'_>) -> Result<Answer, Problem> {
    let account = address(ask.found.argument)?;
    let height = ask.parameters.as_of(&service.reader, &ask.admitted.tip).await?;
    ask.parameters.end(&["at"])?;
    let held = service.reader.holdings(account, height, &ask.admitted.caller.scope).await?;
    let rows = held.len();
    Ok(Answer { document: json!({ "data": held, "as_of": as_of(height, &ask.admitted.tip) }), rows })
}

async fn reads(service: &Service, mut ask: Ask<'_>) -> Result<Answer, Problem> {
    let own = ask.admitted.caller.organisation.clone();
    let sees_all = service.config.oversight.iter().any(|one| one.to_string() == own);
    let before = ask.parameters.number("before", 1, i64::MAX)?;
    let limit = ask.parameters.number("limit", 1, MOST_ROWS)?.unwrap_or(100);
    let account = ask.parameters.address("account")?;
    let named: Option<String> = ask.parameters.take("organisation");
    ask.parameters.end(&["before", "limit", "account", "organisation"])?;
    let organisation = match named {
        Some(named) if !sees_all && named != own => return Err(nothing()),
        None if !sees_all => Some(own),
        named => named,
    };
    let account = account.as_ref().map(|account| account.as_slice());
    let entries = service.log.entries(before, organisation.as_deref(), account, limit).await?;
    let next = entries.last().filter(|_| i64::try_from(entries.len()) == Ok(limit));
    let next = next.and_then(|entry| entry["seq"].as_i64());
    let rows = entries.len();
    Ok(Answer { document: json!({ "data": entries, "before": next }), rows })
}

async fn reads_head(service: &Service, ask: &Ask<'_>) -> Result<Answer, Problem> {
    ask.parameters.end(&[])?;
    let head = service.log.head().await?;
    Ok(Answer { document: json!(head), rows: 0 })
}
