//! Flows of tokens.

use concordat_sql::read::{Direction, FlowQuery, MOST_HOPS, Start};
use concordat_types::{OrgId, U256};
use serde_json::json;

use crate::{
    answer::{Answer, Ask, as_of},
    problem::{Kind, Problem},
    service::Service,
};

/// Its parameters.
pub(crate) const TAKES: &[&str] =
    &["account", "organisation", "direction", "hops", "token", "least", "from", "to", "since", "until"];

/// The document of flows.
pub(crate) async fn of(service: &Service, mut ask: Ask<'_>) -> Result<Answer, Problem> {
    let tip = &ask.admitted.tip;
    let (from, to) = ask.parameters.period(&service.reader, tip).await?;
    let parameters = &mut ask.parameters;
    let account = parameters.address("account")?;
    let organisation: Option<OrgId> = parameters.parsed("organisation", "the id of an organisation")?;
    let start = match (account, organisation) {
        (Some(account), None) => Start::Account(account),
        (None, Some(organisation)) => Start::Organisation(organisation),
        _ => {
            return Err(Problem::new(
                Kind::Malformed,
                "flows begin at an account or at an organisation: name one",
            ));
        }
    };
    let directions = [("out", Direction::Out), ("in", Direction::In)];
    let direction = parameters.word("direction", &directions)?.unwrap_or(Direction::Out);
    let hops = parameters.number("hops", 1, i64::from(MOST_HOPS))?.unwrap_or(1);
    let token = parameters.address("token")?;
    let least: Option<U256> = parameters.digits("least")?;
    parameters.end(TAKES)?;
    let query = FlowQuery {
        start,
        direction,
        hops: u8::try_from(hops).unwrap_or(1),
        from: from.unwrap_or(0),
        to: to.unwrap_or(tip.height).min(tip.height),
        token,
        least,
        scope: ask.admitted.caller.scope.clone(),
    };
    let flows = service.reader.flows(&query).await?;
    let rows = flows.flows.len();
    let document = json!({
        "flows": flows.flows,
        "organisations": flows.organisations,
        "parties": flows.parties,
        "truncated": flows.truncated,
        "from": query.from,
        "to": query.to,
        "as_of": as_of(tip.height, tip),
    });
    Ok(Answer { document, rows })
}
