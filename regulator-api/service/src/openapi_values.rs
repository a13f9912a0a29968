//! What values parameters take, as JSON Schema has it: as exactly as the service judges them.

use concordat_sql::read::{Kind, List, STANDS};
use serde_json::{Value, json};

use crate::{
    findings::{GRADES, STATES},
    params::MOST_ROWS,
    routes::Endpoint,
};

const ADDRESS: &str = "^0x[0-9a-fA-F]{40}$";

/// The values of a parameter.
pub(crate) fn of(endpoint: Endpoint, name: &str) -> Value {
    let height = json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX });
    let time = json!({ "type": "string", "format": "date-time" });
    let words = |words: &[&str]| json!({ "type": "string", "enum": words });
    match (endpoint, name) {
        (_, "from" | "to") => height,
        (_, "since" | "until") => time,
        (_, "at") => json!({ "anyOf": [height, time] }),
        (_, "limit") => json!({ "type": "integer", "minimum": 1, "maximum": MOST_ROWS }),
        (_, "before") => json!({ "type": "integer", "minimum": 1, "maximum": i64::MAX }),
        (_, "hops") => json!({ "type": "integer", "minimum": 1, "maximum": concordat_sql::read::MOST_HOPS }),
        (_, "history") => words(&["true", "false"]),
        (_, "order") => words(&["asc", "desc"]),
        (_, "direction") => words(&["out", "in"]),
        (_, "deploy" | "judged") => words(&["true", "false"]),
        (Endpoint::Findings, "grade") => words(&GRADES),
        (Endpoint::Findings, "state") => words(&STATES),
        (Endpoint::Finding | Endpoint::FindingActs, "id") => text("^0x[0-9a-fA-F]{64}$"),
        (Endpoint::Explanation, "method") => text("^0x[0-9a-fA-F]{8}$"),
        (Endpoint::Explanation, "account" | "contract") => text(ADDRESS),
        (Endpoint::Evidence, "subject") => text("^(0x[0-9a-fA-F]{40}|[a-z][a-z0-9-]{0,30}[a-z0-9])$"),
        (_, "least") => text("^[0-9]{1,77}$"),
        (_, "cursor") => text("^[A-Za-z0-9_-]{1,2048}$"),
        (Endpoint::Stream(list) | Endpoint::Export(list), "after") => place(list),
        (Endpoint::Page(list) | Endpoint::Stream(list) | Endpoint::Export(list), name) => filter(list, name),
        (Endpoint::Object(object), "hash") if object.list == "blocks" => {
            text("^([0-9]{1,18}|0x[0-9a-fA-F]{64})$")
        }
        (Endpoint::Object(object), name) => {
            List::named(object.list).map_or(json!({}), |list| filter(list, name))
        }
        (Endpoint::Flows | Endpoint::Findings, "organisation") => text("^[a-z][a-z0-9-]{0,30}[a-z0-9]$"),
        (_, "account" | "token") => text(ADDRESS),
        _ => value(Kind::Text),
    }
}

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// The id of a row, as feeds tell it.
fn place(list: &List) -> Value {
    let more = list.place_length(!list.is_journal()).saturating_sub(1);
    text(&format!("^[0-9]{{1,18}}(:[0-9]{{1,18}}){{{more}}}$"))
}

fn filter(list: &List, name: &str) -> Value {
    list.filters.iter().find(|filter| filter.name == name).map_or(json!({}), |filter| value(filter.kind))
}

fn value(kind: Kind) -> Value {
    match kind {
        Kind::Address => text(ADDRESS),
        Kind::Hash => text("^0x[0-9a-fA-F]{64}$"),
        Kind::Bytes => text("^0x([0-9a-fA-F]{2}){0,64}$"),
        Kind::Int => json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX }),
        Kind::Number => text("^[0-9]{1,78}$"),
        Kind::Stands => json!({ "type": "string", "enum": STANDS }),
        Kind::Text | Kind::Member => {
            json!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[^\\u0000]+$" })
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::routes::all;

    #[test]
    fn every_parameter_of_every_path_says_what_it_takes() {
        let document = crate::document();
        for (path, endpoint) in all() {
            let operation = &document["paths"][&path][endpoint.method().to_lowercase()];
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let schema = &parameter["schema"];
                let says = ["pattern", "enum", "minimum", "format", "anyOf"]
                    .iter()
                    .any(|word| !schema[word].is_null());
                assert!(says, "{path}: {parameter}");
            }
        }
    }
}
