//! Every path: one table, from which requests are answered and the document is made.

use concordat_sql::read::{LISTS, List};

/// What a path answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Endpoint {
    /// Makes a token.
    Token,
    /// The keys of tokens.
    Keys,
    /// The document of the interface.
    Document,
    /// Where the chain and the database stand.
    Status,
    /// Hands an order to the node.
    Order,
    /// A page of a list.
    Page(&'static List),
    /// One thing with what belongs to it.
    Object(&'static Object),
    /// Everything about an account.
    Picture,
    /// What an account has.
    Holdings,
    /// Where tokens go.
    Flows,
    /// Why somebody may or may not do something.
    Explanation,
    /// What somebody did, as a signed package.
    Evidence,
    /// What surveillance has found.
    Findings,
    /// One of these findings.
    Finding,
    /// What somebody does about it.
    FindingActs,
    /// What was read.
    Reads,
    /// The end of the log of reads.
    ReadsHead,
    /// A list as it grows.
    Stream(&'static List),
    /// A list from a height to another.
    Export(&'static List),
}

/// One thing, and lists of what belongs to it.
#[derive(Debug)]
pub(crate) struct Object {
    /// The path's name and the list that it is a row of.
    pub(crate) list: &'static str,
    /// The filter that finds it.
    pub(crate) key: &'static str,
    /// Sections: their name, list and filter.
    pub(crate) with: &'static [(&'static str, &'static str, &'static str)],
    /// What it is.
    pub(crate) about: &'static str,
}

/// Things that have a path.
pub(crate) const OBJECTS: &[Object] = &[
    Object { list: "blocks", key: "hash", with: &[], about: "A block, by its height or its hash." },
    Object {
        list: "transactions",
        key: "hash",
        with: &[],
        about: "A transaction with its logs, events and transfers.",
    },
    Object {
        list: "organisations",
        key: "organisation",
        with: &[
            ("validators", "validators", "organisation"),
            ("authorities", "authorities", "organisation"),
            ("accounts", "accounts", "organisation"),
            ("contracts", "contracts", "organisation"),
            ("regulators", "regulators", "organisation"),
            ("orders", "orders", "organisation"),
            ("alerts", "alerts", "organisation"),
        ],
        about: "A member organisation.",
    },
    Object {
        list: "proposals",
        key: "proposal",
        with: &[
            ("ballots", "ballots", "proposal"),
            ("payload", "payloads", "proposal"),
            ("consents", "consents", "proposal"),
            ("rollbacks", "rollbacks", "proposal"),
        ],
        about: "A proposal with its ballots.",
    },
    Object {
        list: "contracts",
        key: "contract",
        with: &[
            ("halts", "contract-halts", "contract"),
            ("orders", "orders", "contract"),
            ("attributes", "contract-attributes", "contract"),
            ("versions", "contract-versions", "proxy"),
            ("alerts", "alerts", "contract"),
        ],
        about: "A contract, what stops it, by the committee (`halts`) and by regulators (`orders`, as they stand), what is attested of \
            it, and its versions.",
    },
    Object { list: "policies", key: "policy", with: &[], about: "A policy." },
    Object {
        list: "rules",
        key: "rule",
        with: &[("alerts", "alerts", "rule")],
        about: "A run-time rule and its alerts.",
    },
];

/// A path that was found: what answers it, its name for metrics, and what stands in place of `{...}`.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) name: &'static str,
    pub(crate) argument: Option<&'a str>,
}

impl Endpoint {
    /// The method that it takes.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Token | Self::Order | Self::FindingActs => "POST",
            _ => "GET",
        }
    }

    /// The methods that its path takes.
    pub(crate) fn allowed(self) -> &'static str {
        match self {
            Self::Order => "GET, POST",
            Self::Page(list) if list.name == "orders" => "GET, POST",
            other => other.method(),
        }
    }

    /// Whether a certificate alone suffices.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Keys | Self::Document)
    }
}

/// Finds what answers a path; of one that answers several methods, by the method. Whether it takes the method is not looked at.
pub(crate) fn find<'a>(path: &'a str, method: &str) -> Option<Found<'a>> {
    let parts: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
    let found = |endpoint, name| Some(Found { endpoint, name, argument: None });
    match *parts.as_slice() {
        ["token"] => found(Endpoint::Token, "token"),
        ["jwks"] => found(Endpoint::Keys, "jwks"),
        ["openapi.json"] => found(Endpoint::Document, "openapi"),
        ["status"] => found(Endpoint::Status, "status"),
        ["orders"] if method == Endpoint::Order.method() => found(Endpoint::Order, "order"),
        ["flows"] => found(Endpoint::Flows, "flows"),
        ["permissions", "explanation"] => found(Endpoint::Explanation, "explanation"),
        ["evidence"] => found(Endpoint::Evidence, "evidence"),
        ["findings"] => found(Endpoint::Findings, "findings"),
        ["findings", id] => Some(Found { endpoint: Endpoint::Finding, name: "finding", argument: Some(id) }),
        ["findings", id, "acts"] => {
            Some(Found { endpoint: Endpoint::FindingActs, name: "finding-acts", argument: Some(id) })
        }
        ["reads"] => found(Endpoint::Reads, "reads"),
        ["reads", "head"] => found(Endpoint::ReadsHead, "reads-head"),
        ["accounts", account] => {
            Some(Found { endpoint: Endpoint::Picture, name: "account", argument: Some(account) })
        }
        ["accounts", account, "balances"] => {
            Some(Found { endpoint: Endpoint::Holdings, name: "holdings", argument: Some(account) })
        }
        ["stream", name] => found(Endpoint::Stream(journal(name)?), "stream"),
        ["export", name] => found(Endpoint::Export(List::named(name)?), "export"),
        [name] => List::named(name).and_then(|list| found(Endpoint::Page(list), list.name)),
        [name, key] => {
            let object = OBJECTS.iter().find(|object| object.list == name)?;
            Some(Found { endpoint: Endpoint::Object(object), name: "object", argument: Some(key) })
        }
        _ => None,
    }
}

/// A list that grows with the chain.
fn journal(name: &str) -> Option<&'static List> {
    List::named(name).filter(|list| list.is_journal())
}

/// Every path as a template, with what answers it; a path that takes several methods stands there for each.
pub(crate) fn all() -> Vec<(String, Endpoint)> {
    let path = |path: &str, endpoint| (path.to_owned(), endpoint);
    let mut all = vec![
        path("/v1/token", Endpoint::Token),
        path("/v1/jwks", Endpoint::Keys),
        path("/v1/openapi.json", Endpoint::Document),
        path("/v1/status", Endpoint::Status),
        path("/v1/flows", Endpoint::Flows),
        path("/v1/permissions/explanation", Endpoint::Explanation),
        path("/v1/evidence", Endpoint::Evidence),
        path("/v1/findings", Endpoint::Findings),
        path("/v1/findings/{id}", Endpoint::Finding),
        path("/v1/findings/{id}/acts", Endpoint::FindingActs),
        path("/v1/reads", Endpoint::Reads),
        path("/v1/reads/head", Endpoint::ReadsHead),
        path("/v1/accounts/{account}", Endpoint::Picture),
        path("/v1/accounts/{account}/balances", Endpoint::Holdings),
    ];
    all.extend(LISTS.iter().map(|list| (format!("/v1/{}", list.name), Endpoint::Page(list))));
    all.push(path("/v1/orders", Endpoint::Order));
    all.extend(
        OBJECTS.iter().map(|one| (format!("/v1/{}/{{{}}}", one.list, one.key), Endpoint::Object(one))),
    );
    let journals = LISTS.iter().filter(|list| list.is_journal());
    all.extend(journals.map(|list| (format!("/v1/stream/{}", list.name), Endpoint::Stream(list))));
    all.extend(LISTS.iter().map(|list| (format!("/v1/export/{}", list.name), Endpoint::Export(list))));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_table_is_found_and_answered_by_what_the_table_says() {
        for (template, endpoint) in all() {
            let path: String = template.replace(['{', '}'], "");
            let found = find(&path, endpoint.method()).unwrap_or_else(|| panic!("{path} is not found"));
            assert_eq!(format!("{:?}", found.endpoint), format!("{endpoint:?}"), "{path}");
            assert_eq!(found.argument.is_some(), template.contains('{'), "{path}");
            assert!(endpoint.allowed().contains(endpoint.method()), "{path}");
        }
    }

    #[test]
    fn a_path_says_every_method_that_it_takes() {
        for method in ["GET", "POST", "PUT"] {
            let allowed = |path| find(path, method).unwrap().endpoint.allowed();
            assert_eq!((allowed("/v1/orders"), allowed("/v1/bars")), ("GET, POST", "GET"), "{method}");
            assert_eq!(allowed("/v1/token"), "POST", "{method}");
        }
    }

    #[test]
    fn what_is_no_path_is_not_found() {
        for path in [
            "/",
            "/v1",
            "/v1/",
            "/v1/nothing",
            "/v2/blocks",
            "/v1/blocks/1/2",
            "/v1/stream/accounts",
            "/v1/permissions",
            "/v1/evidence/1",
            "/v1//",
        ] {
            assert!(find(path, "GET").is_none() && find(path, "POST").is_none(), "{path}");
        }
    }

    #[test]
    fn sections_of_things_are_lists_with_such_filters() {
        for object in OBJECTS {
            let known = |list: &str, filter: &str| {
                List::named(list).is_some_and(|list| list.filters.iter().any(|known| known.name == filter))
            };
            assert!(known(object.list, object.key), "{}", object.list);
            assert!(object.with.iter().all(|(_, list, filter)| known(list, filter)), "{}", object.list);
        }
    }
}
