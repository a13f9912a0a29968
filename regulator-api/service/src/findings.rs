//! What surveillance has found, and what supervisors do about it. Who does it is told by the certificate, never by the body.

use concordat_sql::{
    read::{FINDING_COLUMNS, FindingsWanted},
    watch::{self, Act, WatchError},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Ask, as_of},
    auth::Caller,
    body::nothing,
    cursor::{self, Cursor},
    params::{MOST_ROWS, Parameters},
    problem::{Kind, Problem},
    service::Service,
};

/// Parameters of the list.
pub(crate) const TAKES: &[&str] = &[
    "rule",
    "grade",
    "state",
    "judged",
    "account",
    "organisation",
    "from",
    "to",
    "since",
    "until",
    "limit",
    "cursor",
];

/// What comes of a finding, and what has become of it.
pub(crate) const GRADES: [&str; 3] = ["note", "alert", "propose-freeze"];
pub(crate) const STATES: [&str; 3] = ["open", "acknowledged", "closed"];

/// What may be done about one.
pub(crate) const ACTS: [&str; 3] = ["acknowledge", "comment", "close"];

/// The longest comment, in characters.
pub(crate) const COMMENT: usize = 1_000;

/// What somebody does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    act: String,
    #[serde(default)]
    comment: String,
}

/// A page of findings.
pub(crate) async fn page(service: &Service, mut ask: Ask<'_>) -> Result<Answer, Problem> {
    let tip = &ask.admitted.tip;
    let digest = cursor::digest(ask.path, ask.parameters.all());
    let parameters = &mut ask.parameters;
    let cursor = parameters.take("cursor").map(|text| Cursor::decode(&text, &digest)).transpose()?;
    let (from, to) = parameters.period(&service.reader, tip).await?;
    let wanted = FindingsWanted {
        as_of: cursor.as_ref().map_or(tip.height, |cursor| cursor.h.min(tip.height)),
        from,
        to,
        rule: parameters.take("rule").map(|text| plain("rule", text)).transpose()?,
        account: parameters.address("account")?,
        organisation: parameters.parsed("organisation", "the id of an organisation")?,
        grade: one_of(parameters, "grade", &GRADES)?,
        state: one_of(parameters, "state", &STATES)?,
        judged: parameters.word("judged", &[("true", true), ("false", false)])?,
        scope: ask.admitted.caller.scope.clone(),
        limit: parameters.number("limit", 1, MOST_ROWS)?.unwrap_or(100),
        after: cursor.map(|cursor| cursor.k),
    };
    parameters.end(TAKES)?;
    let page = service.reader.findings(&wanted).await?;
    let next = page.next.map(|place| Cursor::new(digest, wanted.as_of, place).encode());
    let rows = page.rows.len();
    let document = json!({
        "data": page.rows,
        "next": next,
        "judged_to": page.judged_to,
        "as_of": as_of(wanted.as_of, tip),
    });
    Ok(Answer { document, rows })
}

fn one_of(
    parameters: &mut Parameters,
    name: &str,
    words: &[&'static str],
) -> Result<Option<String>, Problem> {
    let words: Vec<(&str, &'static str)> = words.iter().map(|word| (*word, *word)).collect();
    Ok(parameters.word(name, &words)?.map(ToOwned::to_owned))
}

fn plain(name: &str, text: String) -> Result<String, Problem> {
    let fits = (1..=128).contains(&text.chars().count()) && !text.contains('\0');
    let wrong = || Problem::new(Kind::Malformed, format!("{name} is text of 1 to 128 characters"));
    fits.then_some(text).ok_or_else(wrong)
}

/// A finding with its evidence, its trail, and where these lead.
pub(crate) async fn of(service: &Service, ask: Ask<'_>) -> Result<Answer, Problem> {
    ask.parameters.end(&[])?;
    let tip = &ask.admitted.tip;
    let mut found = find(service, &ask).await?;
    let links = links(&found);
    let rows = ["evidence", "transactions", "trail"].iter().filter_map(|name| found.get(*name)?.as_array());
    let rows = rows.map(Vec::len).fold(1, usize::saturating_add);
    if let Value::Object(fields) = &mut found {
        fields.insert("links".into(), links);
        fields.insert("as_of".into(), as_of(tip.height, tip));
    }
    Ok(Answer { document: found, rows })
}

async fn find(service: &Service, ask: &Ask<'_>) -> Result<Value, Problem> {
    let (tip, scope) = (&ask.admitted.tip, &ask.admitted.caller.scope);
    let found = service.reader.finding(id(ask.found.argument)?, tip.height, scope).await?;
    found.ok_or_else(nothing)
}

/// The id that a path names.
fn id(text: Option<&str>) -> Result<[u8; 32], Problem> {
    let wrong = || Problem::new(Kind::Malformed, "a finding's id is 0x and 64 hexadecimal digits");
    let bytes = text.and_then(|text| hex::decode(text.strip_prefix("0x")?).ok());
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)
}

/// Paths of what a finding rests on, as far as the mandate shows it.
fn links(found: &Value) -> Value {
    let mut links = Map::new();
    for (name, list) in [("account", "accounts"), ("organisation", "organisations")] {
        if let Some(subject) = found[name].as_str() {
            links.insert(name.into(), format!("/v1/{list}/{subject}").into());
        }
    }
    let hashes = found["transactions"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let paths: Vec<String> = hashes.map(|hash| format!("/v1/transactions/{hash}")).collect();
    links.insert("transactions".into(), json!(paths));
    if let Some(id) = found["id"].as_str() {
        links.insert("acts".into(), format!("/v1/findings/{id}/acts").into());
    }
    Value::Object(links)
}

/// Adds a step to a finding's trail; the finding as it is then.
pub(crate) async fn act(service: &Service, ask: Ask<'_>, body: &[u8]) -> Result<Answer, Problem> {
    ask.parameters.end(&[])?;
    // Whoever is not shown it does nothing about it, and does not learn that it is there.
    find(service, &ask).await?;
    let (act, comment) = read(body)?;
    let id = hex::encode(id(ask.found.argument)?);
    let person = person(&ask.admitted.caller);
    watch::act(&service.database, &id, act, &person, &comment).await?;
    of(service, ask).await
}

fn read(body: &[u8]) -> Result<(Act, String), Problem> {
    let takes = "the body is a JSON object with act (acknowledge, comment or close) and comment, which only an \
                 acknowledgement may lack";
    let wrong = || Problem::new(Kind::Malformed, takes);
    let wish: Wish = serde_json::from_slice(body).map_err(|_| wrong())?;
    let act = wish.act.parse().map_err(|()| wrong())?;
    if wish.comment.chars().count() > COMMENT {
        return Err(Problem::new(Kind::Malformed, format!("a comment has at most {COMMENT} characters")));
    }
    Ok((act, wish.comment))
}

/// Who does it, as the chain knows them.
fn person(caller: &Caller) -> String {
    format!("{} {:#x}", caller.organisation, caller.account)
}

impl From<WatchError> for Problem {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Sql(error) => error.into(),
            WatchError::NoFinding { .. } | WatchError::Ambiguous { .. } => nothing(),
            WatchError::Closed { .. } => {
                Self::new(Kind::Conflict, "the finding is closed: comment on it, or wait for another one")
            }
            WatchError::Acknowledged { person, .. } => {
                Self::new(Kind::Conflict, format!("the finding is acknowledged already, by {person}"))
            }
            WatchError::Text { .. } => Self::new(
                Kind::Malformed,
                "the comment is some text without control characters; only an acknowledgement may lack it",
            ),
            error => Self::internal("a finding's trail cannot be added to", error),
        }
    }
}

/// A finding in a page, as JSON Schema has it.
pub(crate) fn schema() -> Value {
    let property = |(name, holds): &(&str, &str)| ((*name).to_owned(), json!({ "type": [holds, "null"] }));
    let properties: Map<String, Value> = FINDING_COLUMNS.iter().map(property).collect();
    json!({ "type": "object", "description": "What surveillance has found.", "properties": properties })
}

/// What the body of an act is.
pub(crate) fn body() -> Value {
    let comment = "^[^\\u0000-\\u0009\\u000B-\\u001F\\u007F-\\u009F]*$";
    let schema = json!({
        "type": "object",
        "required": ["act"],
        "additionalProperties": false,
        "properties": {
            "act": { "type": "string", "enum": ACTS },
            "comment": {
                "type": "string", "maxLength": COMMENT, "pattern": comment,
                "description": "Why; only an acknowledgement may lack it.",
            },
        },
    });
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_one_of_three_and_nothing_beside_it_is_taken() {
        assert_eq!(read(br#"{"act":"acknowledge"}"#).unwrap(), (Act::Acknowledge, String::new()));
        assert_eq!(read(br#"{"act":"close","comment":"a loan"}"#).unwrap(), (Act::Close, "a loan".into()));
        let long = format!(r#"{{"act":"comment","comment":"{}"}}"#, "x".repeat(COMMENT + 1));
        for body in [r#"{"act":"reopen"}"#, r#"{"act":"close","person":"A. Meier"}"#, "{}", "[]", "", &long] {
            assert_eq!(read(body.as_bytes()).unwrap_err().kind, Kind::Malformed, "{body}");
        }
    }

    #[test]
    fn the_acts_of_the_document_are_those_that_there_are() {
        assert!(ACTS.iter().all(|name| name.parse::<Act>().is_ok_and(|act| act.name() == *name)));
    }

    #[test]
    fn links_lead_to_what_is_told_and_to_nothing_else() {
        let found =
            json!({ "id": "0x01", "account": "0x02", "organisation": null, "transactions": ["0x03"] });
        let expected = json!({
            "account": "/v1/accounts/0x02",
            "transactions": ["/v1/transactions/0x03"],
            "acts": "/v1/findings/0x01/acts",
        });
        assert_eq!(links(&found), expected);
    }
}
