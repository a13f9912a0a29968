//! Where an answer leads: to the next page, and from a row to the thing that it is about.

use concordat_sql::read::List;
use serde_json::{Map, Value, json};

use crate::routes::{Endpoint, OBJECTS, all};

/// The id of an operation: its path in words, `accounts-account-balances`.
pub(crate) fn id(path: &str, endpoint: Endpoint) -> String {
    let words = path.trim_start_matches("/v1/").split(['/', '.']);
    let mut words: Vec<&str> = words.map(|word| word.trim_matches(['{', '}'])).collect();
    if matches!(endpoint, Endpoint::Order) {
        words.push("send");
    }
    words.join("-")
}

/// The links of an answer.
pub(crate) fn of(path: &str, endpoint: Endpoint) -> Map<String, Value> {
    let mut links = Map::new();
    let list = match endpoint {
        Endpoint::Page(list) => Some(list),
        Endpoint::Findings => None,
        _ => return links,
    };
    let next = json!({
        "operationId": id(path, endpoint),
        "description": "The next page: the same path and filters, of the same block.",
        "parameters": { "cursor": "$response.body#/next" },
    });
    links.insert("next".into(), next);
    let thing = list.map_or_else(|| Some((id("/v1/findings/{id}", Endpoint::Finding), "id")), thing);
    if let Some((target, key)) = thing {
        let first = json!({
            "operationId": target,
            "description": "The thing that the first row is about, with what belongs to it.",
            "parameters": { key: format!("$response.body#/data/0/{key}") },
        });
        links.insert("first".into(), first);
    }
    links
}

/// The operation that tells of one row of a list, and its key: a parameter there, and a column here.
fn thing(list: &List) -> Option<(String, &'static str)> {
    let key = match list.name {
        "accounts" => "account",
        name => OBJECTS.iter().find(|object| object.list == name)?.key,
    };
    let path = format!("/v1/{}/{{{key}}}", list.name);
    all().into_iter().find(|(known, _)| *known == path).map(|(path, endpoint)| (id(&path, endpoint), key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_of_operations_are_unique() {
        let ids: BTreeSet<String> = all().iter().map(|(path, endpoint)| id(path, *endpoint)).collect();
        assert_eq!(ids.len(), all().len());
        assert_eq!(id("/v1/accounts/{account}/balances", Endpoint::Holdings), "accounts-account-balances");
        assert_eq!(id("/v1/orders", Endpoint::Order), "orders-send");
    }

    #[test]
    fn links_lead_to_operations_by_columns_that_rows_have() {
        let mut things = 0;
        for (path, endpoint) in all() {
            let Endpoint::Page(list) = endpoint else { continue };
            assert_eq!(of(&path, endpoint)["next"]["operationId"], id(&path, endpoint));
            let Some((target, key)) = thing(list) else { continue };
            things += 1;
            assert!(all().iter().any(|(path, endpoint)| id(path, *endpoint) == target), "{target}");
            assert!(list.columns().any(|(column, _)| column == key), "{} has no {key}", list.name);
        }
        assert_eq!(things, OBJECTS.len() + 1, "every thing, and accounts");
    }
}
