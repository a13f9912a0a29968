//! From a request body to its answer.

use std::{net::IpAddr, sync::Arc, time::Duration};

use actix_web::HttpRequest;
use futures::StreamExt as _;
use serde_json::Value;

use super::{Edge, Outcome, Service, guard::Refusal};
use crate::jsonrpc::{Answer, Body, Call, NoCall, Reply, RpcResult, parse_body};

/// How one call of a body gets its answer.
enum Job {
    /// It is the next of [`Plan::calls`]. Without an id it is a notification, which is not answered.
    Run { id: Option<Value>, label: &'static str },
    /// The connection itself has answered it.
    Answered { id: Option<Value>, label: &'static str, result: RpcResult },
    /// It is no call at all.
    Refused(Reply),
}

/// The calls of a body, in order.
pub(crate) struct Plan {
    jobs: Vec<Job>,
    /// What is still to be run.
    calls: Vec<Call>,
    batch: bool,
}

/// Reads a body and charges its calls to the client.
pub(crate) fn accept<S: Service>(
    edge: &Edge<S>,
    client: Option<IpAddr>,
    bytes: &[u8],
) -> Result<Body, Refusal> {
    let body = parse_body(bytes, &edge.limits).map_err(Refusal::Malformed)?;
    edge.charge(client, body.calls())?;
    Ok(body)
}

/// Lets the connection answer what concerns itself, and refuses what its client may not read; the rest is to be run.
pub(crate) fn plan<S: Service>(
    edge: &Edge<S>,
    request: &HttpRequest,
    body: Body,
    mut by_connection: impl FnMut(&Call) -> Option<RpcResult>,
) -> Plan {
    let (asked, batch) = match body {
        Body::Single(call) => (vec![call], false),
        Body::Batch(calls) => (calls, true),
    };
    let mut calls = Vec::with_capacity(asked.len());
    let job = |call: Result<Call, NoCall>| match call {
        Err(no_call) => {
            let (id, error) = *no_call;
            Job::Refused(Reply { id, result: Err(S::dress(error)) })
        }
        Ok(mut call) => {
            let refused = edge.refuse_reading(request, &call).err();
            let result = refused.map(Err).or_else(|| by_connection(&call));
            let label = edge.service.label(&call.method);
            let id = call.id.take();
            match result {
                Some(result) => Job::Answered { id, label, result },
                None => {
                    calls.push(call);
                    Job::Run { id, label }
                }
            }
        }
    };
    let jobs = asked.into_iter().map(job).collect();
    Plan { jobs, calls, batch }
}

/// Runs a plan and writes the answer; `None` where there is nothing to answer, as with notifications.
pub(crate) async fn run<S: Service>(edge: Arc<Edge<S>>, plan: Plan) -> Option<Vec<u8>> {
    let mut answer = Answer::new(plan.batch, edge.limits.response_bytes);
    let mut outcomes = Arc::clone(&edge.service).call_all(plan.calls).await;
    for job in plan.jobs {
        let (id, label, Outcome { result, took }) = match job {
            Job::Refused(reply) => {
                edge.metrics.observe_refused(S::INTERFACE, "malformed");
                answer.add(&reply);
                continue;
            }
            Job::Answered { id, label, result } => (id, label, Outcome { result, took: Duration::ZERO }),
            Job::Run { id, label } => {
                (id, label, outcomes.next().await.expect("each call that was run has an outcome"))
            }
        };
        edge.metrics.observe(S::INTERFACE, label, result.is_ok(), took);
        if let Some(id) = id {
            answer.add(&Reply { id, result: result.map_err(S::dress) });
        }
    }
    answer.finish()
}
