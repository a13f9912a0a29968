//! Where everything stands: the database, the node beside the service, the validators, and whoever asks.

use concordat_light::Rpc as _;
use concordat_sql::{
    Database,
    read::{Tip, moment},
};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Ask},
    node::{Node, check_chain, failed},
    problem::{Kind, Problem},
    service::Service,
};

/// The document of the status.
pub(crate) async fn of(service: &Service, ask: Ask<'_>) -> Result<Answer, Problem> {
    ask.parameters.end(&[])?;
    let (tip, caller) = (&ask.admitted.tip, &ask.admitted.caller);
    let commit = service.reader.attendance(tip.height).await?;
    let node = match service.beside.looks() {
        None => Value::Null,
        Some(Ok((node, permit))) => {
            let chain = tip.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                look(&node, &chain)
            });
            told(looked.await.map_err(|error| Problem::internal("a look at the node ended", error))?)
        }
        Some(Err(problem)) => told(Err(problem)),
    };
    let document = json!({
        "chain_id": tip.chain_id,
        "height": tip.height,
        "hash": format!("0x{}", hex::encode(&tip.hash)),
        "time": moment(tip.time_ms),
        "digest": hex::encode(&tip.digest),
        "schema": Database::newest_migration(),
        "commit": commit,
        "node": node,
        "you": {
            "account": caller.account,
            "organisation": caller.organisation,
            "jurisdiction": caller.jurisdiction,
            "scope": caller.scope,
        },
    });
    Ok(Answer { document, rows: 0 })
}

/// A node that cannot be asked is told of, and hides nothing of the rest.
fn told(looked: Result<Value, Problem>) -> Value {
    looked.unwrap_or_else(|problem| json!({ "problem": problem.kind.slug() }))
}

/// How far the node is, and how far the database is behind it.
fn look(node: &Node, tip: &Tip) -> Result<Value, Problem> {
    let status = node.quick.call("status", json!({})).map_err(|error| failed(&error))?;
    let chain = status.pointer("/node_info/network").and_then(Value::as_str);
    check_chain(chain.unwrap_or_default(), &tip.chain_id)?;
    let (height, catching_up) = read(&status).ok_or_else(|| {
        tracing::warn!("the node tells no height");
        Problem::new(Kind::NodeAway, "it does not tell how far it is")
    })?;
    let behind = height.saturating_sub(tip.height).max(0);
    Ok(json!({ "height": height, "catching_up": catching_up, "database_behind": behind }))
}

fn read(status: &Value) -> Option<(i64, bool)> {
    let info = status.get("sync_info")?;
    let height = info.get("latest_block_height")?.as_str()?.parse().ok()?;
    Some((height, info.get("catching_up")?.as_bool()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_whole_or_not_at_all() {
        let status = |height: Value, catching_up: Value| json!({ "sync_info": { "latest_block_height": height, "catching_up": catching_up } });
        assert_eq!(read(&status(json!("7"), json!(false))), Some((7, false)));
        assert_eq!(read(&status(json!(7), json!(false))), None);
        assert_eq!(read(&status(json!("7"), Value::Null)), None);
        assert_eq!(read(&json!({})), None);
    }

    #[test]
    fn a_node_that_cannot_be_asked_is_told_by_the_type_of_its_problem() {
        let away = Problem::new(Kind::NodeAway, "a secret of the inside");
        assert_eq!(told(Err(away)), json!({ "problem": "node-away" }));
    }
}
