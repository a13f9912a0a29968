//! From a request body to its answer.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};

use super::{Edge, Service, guard::Refusal};
use crate::jsonrpc::{Body, Call, Reply, RpcError, RpcResult, parse_body, reply_batch};

/// Calls of one batch that run at the same time.
const BATCH_CONCURRENCY: usize = 8;

/// One call on its way to an answer.
enum Job {
    /// To be run.
    Run(Call),
    /// Answered by the connection itself.
    Answered(Call, RpcResult),
    /// No call at all.
    Refused(Reply),
}

/// The calls of a body, in order.
pub(crate) struct Plan {
    jobs: Vec<Job>,
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

/// Lets the connection answer what concerns itself; the rest is to be run.
pub(crate) fn plan<S: Service>(
    body: Body,
    mut by_connection: impl FnMut(&Call) -> Option<RpcResult>,
) -> Plan {
    let mut job = |call: Result<Call, (serde_json::Value, RpcError)>| match call {
        Err((id, error)) => Job::Refused(Reply { id, result: Err(S::dress(error)) }),
        Ok(call) => match by_connection(&call) {
            Some(result) => Job::Answered(call, result),
            None => Job::Run(call),
        },
    };
    match body {
        Body::Single(call) => Plan { jobs: vec![job(call)], batch: false },
        Body::Batch(calls) => Plan { jobs: calls.into_iter().map(job).collect(), batch: true },
    }
}

/// Runs a plan and writes the answer; `None` where there is nothing to answer, as with notifications.
pub(crate) async fn run<S: Service>(edge: Arc<Edge<S>>, plan: Plan) -> Option<Vec<u8>> {
    let limit = edge.limits.response_bytes;
    let replies = stream::iter(plan.jobs).map(|job| reply(&edge, job)).buffered(BATCH_CONCURRENCY);
    let replies: Vec<Reply> = replies.filter_map(std::future::ready).collect().await;
    match replies.as_slice() {
        [] => None,
        [single] if !plan.batch => Some(single.encode(limit)),
        all => Some(reply_batch(all, limit)),
    }
}

/// Does one job; `None` for a notification.
async fn reply<S: Service>(edge: &Arc<Edge<S>>, job: Job) -> Option<Reply> {
    let (id, label, result, took) = match job {
        Job::Refused(reply) => {
            edge.metrics.observe_refused(S::INTERFACE, "malformed");
            return Some(reply);
        }
        Job::Answered(call, result) => (call.id, edge.service.label(&call.method), result, Duration::ZERO),
        Job::Run(call) => {
            let (id, label, began) = (call.id.clone(), edge.service.label(&call.method), Instant::now());
            let result = Arc::clone(&edge.service).call(call).await;
            (id, label, result, began.elapsed())
        }
    };
    edge.metrics.observe(S::INTERFACE, label, result.is_ok(), took);
    id.map(|id| Reply { id, result: result.map_err(S::dress) })
}
