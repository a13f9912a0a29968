//! The interface as OpenAPI 3.1, made from the tables that requests are answered from, so that it cannot say otherwise.

use concordat_sql::read::{LISTS, List};
use serde_json::{Map, Value, json};

use crate::{
    feed::PARQUET,
    findings, openapi_links,
    openapi_values::of,
    problem::Kind,
    routes::{Endpoint, all},
};

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for (path, endpoint) in all() {
        let operations = paths.entry(path.clone()).or_insert_with(|| json!({}));
        if let Value::Object(operations) = operations {
            operations.insert(endpoint.method().to_lowercase(), operation(&path, endpoint));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Concordat for supervisors",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Reads of the ledger over mutual TLS. Every read is on a log. Columns are those of the tables in \
                docs/regulator.md; bytes are 0x and hexadecimal digits, amounts are strings of decimal digits, times are RFC 3339.",
        },
        "security": [{ "certificate": [], "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "certificate": { "type": "mutualTLS", "description": "The certificate that is enrolled on the chain, of a P-256 key." },
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "By POST /v1/token, bound to the certificate (RFC 8705)." },
            },
            "schemas": schemas(),
        },
    })
}

fn schemas() -> Value {
    let mut schemas = Map::new();
    for list in LISTS {
        schemas.insert(list.name.into(), row(list));
    }
    schemas.insert("findings".into(), findings::schema());
    let types: Vec<String> =
        Kind::ALL.iter().map(|kind| format!("urn:concordat:problem:{}", kind.slug())).collect();
    let codes: Vec<String> = Kind::ALL
        .iter()
        .map(|kind| format!("{}: {} ({})", kind.code(), kind.title(), kind.status()))
        .collect();
    schemas.insert(
        "problem".into(),
        json!({
            "type": "object",
            "description": format!("RFC 9457. Codes: {}.", codes.join("; ")),
            "required": ["type", "title", "status", "detail", "code"],
            "properties": {
                "type": { "type": "string", "enum": types },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string" },
                "code": { "type": "integer" },
            },
        }),
    );
    Value::Object(schemas)
}

fn row(list: &List) -> Value {
    let property = |(name, holds): (&str, &str)| {
        let schema = if holds == "any" { json!({}) } else { json!({ "type": [holds, "null"] }) };
        (name.to_owned(), schema)
    };
    let properties: Map<String, Value> = list.columns().map(property).collect();
    json!({ "type": "object", "description": list.about, "properties": properties })
}

fn operation(path: &str, endpoint: Endpoint) -> Value {
    let mut operation = Map::new();
    operation.insert("operationId".into(), openapi_links::id(path, endpoint).into());
    operation.insert("summary".into(), summary(endpoint).into());
    let mut parameters: Vec<Value> = named_in(path).map(|name| parameter(endpoint, &name, "path")).collect();
    parameters.extend(query_of(endpoint).into_iter().map(|name| parameter(endpoint, &name, "query")));
    if !parameters.is_empty() {
        operation.insert("parameters".into(), Value::Array(parameters));
    }
    let body = match endpoint {
        Endpoint::Token => Some(token_body()),
        Endpoint::Order => Some(order_body()),
        Endpoint::FindingActs => Some(findings::body()),
        _ => None,
    };
    if let Some(body) = body {
        operation.insert("requestBody".into(), body);
    }
    if endpoint.is_open() || matches!(endpoint, Endpoint::Token) {
        operation.insert("security".into(), json!([{ "certificate": [] }]));
    }
    operation.insert("responses".into(), responses(path, endpoint));
    Value::Object(operation)
}

fn responses(path: &str, endpoint: Endpoint) -> Value {
    let mut good = answer(endpoint);
    let links = openapi_links::of(path, endpoint);
    if let (Value::Object(fields), false) = (&mut good, links.is_empty()) {
        fields.insert("links".into(), Value::Object(links));
    }
    let mut responses = json!({ "200": good, "default": problem("A problem.") });
    if let (Value::Object(fields), true) = (&mut responses, reads_the_ledger(endpoint)) {
        fields.insert("422".into(), problem(unprocessable(endpoint)));
    }
    responses
}

/// Why an answer cannot be, though the request is understood.
const fn unprocessable(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Order => {
            "`no-order`: nothing but acts on orders is handed on. `refused`: by the chain, in its words."
        }
        _ => {
            "`ahead`: the chain has not come to that height or time. `too-wide`: it takes too long, or is too much."
        }
    }
}

fn problem(about: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/problem" });
    json!({ "description": about, "content": { "application/problem+json": { "schema": schema } } })
}

/// Whether the answer rests on rows of a range, or of a height.
const fn reads_the_ledger(endpoint: Endpoint) -> bool {
    !matches!(endpoint, Endpoint::Token | Endpoint::Keys | Endpoint::Document | Endpoint::Status)
}

fn summary(endpoint: Endpoint) -> String {
    let text = match endpoint {
        Endpoint::Token => "Makes a token for a purpose and a case.",
        Endpoint::Keys => "The keys of tokens, as a JWK set.",
        Endpoint::Document => "This document.",
        Endpoint::Order => {
            "Hands an order that your own key has signed to the node; the key never comes here."
        }
        Endpoint::Status => "Where the chain and the database stand, and who you are.",
        Endpoint::Page(list) => return list.about.to_owned(),
        Endpoint::Object(object) => object.about,
        Endpoint::Picture => {
            "Everything about an account: what it is and was, what it did and has, and what binds it: freezes, bars and orders."
        }
        Endpoint::Holdings => "What an account has of every token, at any height.",
        Endpoint::Flows => "Where tokens go from an account or an organisation, or come from, some hops out.",
        Endpoint::Explanation => {
            "Whether somebody may call a contract or make one, and why: by the chain's own functions, after a block, on the \
             state of the node beside the service."
        }
        Endpoint::Evidence => {
            "Everything that somebody did between two heights, with the proof that nothing is missing: a signed ZIP. The case \
             is the token's."
        }
        Endpoint::Findings => {
            "What surveillance has found about whom the mandate covers: the newest first. What is about nobody, a mandate over \
             everything shows."
        }
        Endpoint::Finding => {
            "A finding with its evidence, what people did about it, and paths of whom and what it is about."
        }
        Endpoint::FindingActs => {
            "Takes a finding on, comments on it, or closes it, in the name of the certificate; the finding as it is then."
        }
        Endpoint::Reads => "What was read: for auditors.",
        Endpoint::ReadsHead => "The end of the log of reads, to be anchored on the chain.",
        Endpoint::Stream(list) => {
            return format!("As they come, by Server-Sent Events or NDJSON: {}", list.about);
        }
        Endpoint::Export(list) => {
            return format!("All of a range, oldest first, as NDJSON or Parquet: {}", list.about);
        }
    };
    text.to_owned()
}

/// The names in braces.
fn named_in(path: &str) -> impl Iterator<Item = String> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(ToOwned::to_owned)
}

fn query_of(endpoint: Endpoint) -> Vec<String> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match endpoint {
        Endpoint::Page(list) => list.parameters(),
        Endpoint::Object(_) | Endpoint::Picture | Endpoint::Holdings => names(&["at"]),
        Endpoint::Flows => names(crate::flow::TAKES),
        Endpoint::Explanation => names(crate::explanation::TAKES),
        Endpoint::Evidence => names(crate::evidence::TAKES),
        Endpoint::Findings => names(findings::TAKES),
        Endpoint::Reads => names(&["before", "limit", "account", "organisation"]),
        Endpoint::Stream(list) | Endpoint::Export(list) => {
            let filters = list.filters.iter().map(|filter| filter.name.to_owned());
            filters.chain(names(&["from", "to", "since", "until", "after"])).collect()
        }
        Endpoint::Token
        | Endpoint::Order
        | Endpoint::Keys
        | Endpoint::Document
        | Endpoint::Status
        | Endpoint::Finding
        | Endpoint::FindingActs
        | Endpoint::ReadsHead => Vec::new(),
    }
}

fn parameter(endpoint: Endpoint, name: &str, place: &str) -> Value {
    let about = match name {
        "from" | "to" => "A height.",
        "since" | "until" => "A time, RFC 3339.",
        "at" => "A height or a time: as of then.",
        "history" => "true: every row that ever was, not what holds.",
        "order" => "asc or desc.",
        "limit" => "Rows, 1 to 1000.",
        "cursor" => "`next` of the page before.",
        "after" => "The id of the last row that was received; Last-Event-ID does the same.",
        "hops" => "How far, 1 to 5.",
        "direction" => "out or in.",
        "least" => "Flows of less are left out.",
        "subject" => "Whom it is about: an address, or the id of an organisation.",
        "method" => "The first four bytes of the call; one without data if absent.",
        "deploy" => "true: a contract would be made, instead of one called.",
        _ => "",
    };
    let mut parameter = json!({ "name": name, "in": place, "required": is_required(endpoint, name, place), "schema": of(endpoint, name) });
    if let (Value::Object(fields), false) = (&mut parameter, about.is_empty()) {
        fields.insert("description".into(), about.into());
    }
    parameter
}

/// Whether nothing can be answered without it.
fn is_required(endpoint: Endpoint, name: &str, place: &str) -> bool {
    place == "path"
        || matches!((endpoint, name), (Endpoint::Explanation, "account") | (Endpoint::Evidence, "subject"))
}

fn token_body() -> Value {
    let names = |pattern: &str| json!({ "type": ["array", "null"], "items": { "type": "string", "pattern": pattern } });
    let schema = json!({
        "type": "object",
        "required": ["purpose", "case"],
        "additionalProperties": false,
        "properties": {
            "purpose": { "type": "string", "pattern": "^[a-z0-9-]{1,32}$", "description": "One of those that the service knows." },
            "case": { "type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[^\\u0000-\\u001F\\u007F-\\u009F]+$" },
            "organisations": names("^[a-z][a-z0-9-]{0,30}[a-z0-9]$"),
            "contracts": names("^0x[0-9a-fA-F]{40}$"),
        },
    });
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

fn order_body() -> Value {
    let about = "The transaction, signed by the key of the certificate that is shown, as `concordat order … --offline` prints it.";
    let schema = json!({
        "type": "object",
        "required": ["raw"],
        "additionalProperties": false,
        "properties": { "raw": { "type": "string", "pattern": "^0x([0-9a-fA-F]{2})+$", "description": about } },
    });
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

/// What whoever goes through pages has to know.
const NEXT: &str = "Where the next page begins, as `cursor`. A page may be short, even empty, while it is there: a page ends after a \
    bounded amount of work. Go on until it is null.";

fn answer(endpoint: Endpoint) -> Value {
    let named = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let row = |list: &List| named(list.name);
    let page = |row: Value, more: Option<(&str, Value)>| {
        let mut properties = Map::new();
        properties.insert("data".into(), json!({ "type": "array", "items": row }));
        properties.insert("next".into(), json!({ "type": ["string", "null"], "description": NEXT }));
        properties.insert("as_of".into(), json!({ "type": "object" }));
        properties.extend(more.map(|(name, schema)| (name.to_owned(), schema)));
        json!({ "description": "A page.", "content": { "application/json": { "schema": { "type": "object", "properties": properties } } } })
    };
    match endpoint {
        Endpoint::Page(list) => page(row(list), None),
        Endpoint::Findings => {
            let about = "The newest block that surveillance has judged; null where it never ran.";
            let judged = json!({ "type": ["integer", "null"], "description": about });
            page(named("findings"), Some(("judged_to", judged)))
        }
        Endpoint::Finding | Endpoint::FindingActs => {
            json!({ "description": "The finding.", "content": { "application/json": { "schema": named("findings") } } })
        }
        Endpoint::Stream(list) => {
            let schema = json!({ "schema": row(list) });
            json!({ "description": "Rows.", "content": { "text/event-stream": schema, "application/x-ndjson": schema } })
        }
        Endpoint::Export(list) => {
            let (lines, file) = (json!({ "schema": row(list) }), json!({}));
            json!({ "description": "Rows.", "content": { "application/x-ndjson": lines, (PARQUET): file } })
        }
        Endpoint::Order => {
            let properties = json!({
                "hash": { "type": "string", "description": "Of the transaction: what became of it, /v1/transactions/{hash} tells." },
                "says": { "type": "string", "description": "What it asks of the chain, in words." },
            });
            json!({ "description": "It is handed on.", "content": { "application/json": { "schema": { "type": "object", "properties": properties } } } })
        }
        Endpoint::Evidence => json!({ "description": "The package.", "content": { "application/zip": {} } }),
        _ => {
            json!({ "description": "It.", "content": { "application/json": { "schema": { "type": "object" } } } })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_golden() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let text = serde_json::to_string_pretty(&document()).unwrap();
            std::fs::write(&path, format!("{text}\n")).unwrap();
        }
        let agreed: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(agreed, document(), "{}: UPDATE_GOLDEN=1 writes it anew", path.display());
    }
}
