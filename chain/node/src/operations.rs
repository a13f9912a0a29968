//! The interface for operations: is the node alive, is it ready, what does it measure.
//!
//! Served in plaintext: it shows no secret and takes no order.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, web};
use concordat_consensus::{BlockTime, ConsensusStatus};
use concordat_rpc::NodeApi;
use concordat_types::{OrgId, Role};
use prometheus::Registry;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::{api::Api, ledger::Tip, metrics::NodeMetrics};

/// What the routes answer from.
pub struct Operations {
    pub(crate) api: Arc<Api>,
    pub(crate) registry: Registry,
    pub(crate) metrics: Arc<NodeMetrics>,
    /// The earliest expiry of each certificate path of this node, in Unix seconds.
    pub(crate) expiries: Vec<(&'static str, i64)>,
    /// The data folder, whose disk may fill up.
    pub(crate) data: PathBuf,
}

/// The running interface.
pub struct OperationsServer {
    /// Where it listens.
    pub address: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
}

impl OperationsServer {
    /// Waits until it ends by itself, which it should not.
    pub async fn failed(&mut self) -> io::Error {
        match (&mut self.task).await {
            Ok(Ok(())) => io::Error::other(format!("the operations listener on {} stopped", self.address)),
            Ok(Err(error)) => error,
            Err(failure) => io::Error::other(failure),
        }
    }

    /// Answers what has been asked and stops.
    pub async fn stop(self) {
        self.handle.stop(true).await;
    }
}

/// Starts the interface.
pub fn serve(listen: SocketAddr, operations: Operations) -> io::Result<OperationsServer> {
    let shared = web::Data::new(operations);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .route("/healthz", web::get().to(healthz))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(metrics))
            .route("/evidence", web::get().to(evidence))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(2)
    .bind(listen)?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    let server = server.run();
    let handle = server.handle();
    Ok(OperationsServer { address, handle, task: tokio::spawn(server) })
}

/// The process works. Restart it if this does not answer.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// The node can serve: it is not catching up and, as a validator, sees enough of the others to decide.
async fn readyz(state: web::Data<Operations>) -> HttpResponse {
    let sync = state.api.sync_status();
    let tip = state.api.ledger.tip();
    let consensus = state.api.consensus.status();
    let (power, total) = (reachable_power(&state.api, &tip, &consensus), tip.validators.total_power());
    // Without more than two thirds of the power in reach, nothing that this node takes can become final.
    let quorum = u128::from(power) * 3 > u128::from(total) * 2;
    let ready = !sync.catching_up && quorum;
    let body = json!({
        "ready": ready,
        "height": tip.height,
        "catching_up": sync.catching_up,
        "highest_known_height": sync.highest_height,
        "peers": consensus.peers.len(),
        "reachable_power": power,
        "total_power": total,
        "votes": votes(&state.api, &tip, &consensus),
        "clock_offset_ms": consensus.clock_offset_ms,
        "abstains_until": consensus.abstains_until.map(rfc3339),
    });
    if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

/// Whether this node votes: it is a validator of the next height, and knows what its key has signed before.
fn votes(api: &Api, tip: &Tip, consensus: &ConsensusStatus) -> bool {
    let mut validators = tip.validators.validators().iter();
    let validator = validators.any(|validator| api.info.consensus_key == Some(validator.public_key));
    validator && consensus.abstains_until.is_none()
}

/// The power of the validators that are connected, this node's own included if it votes. An organisation's
/// validators are taken as connected when one of its validator nodes is.
fn reachable_power(api: &Api, tip: &Tip, consensus: &ConsensusStatus) -> u64 {
    let own = api.info.consensus_key.filter(|_| consensus.abstains_until.is_none());
    let connected = |org: &OrgId| consensus.peers.iter().any(|p| p.role == Role::Validator && p.org == *org);
    let validators = tip.validators.validators().iter();
    validators.filter(|v| own == Some(v.public_key) || connected(&v.org)).map(|v| v.power).sum()
}

fn rfc3339(time: BlockTime) -> String {
    tendermint::Time::from_unix_timestamp(time.seconds, time.nanos)
        .map_or_else(|_| format!("{} s after 1970", time.seconds), |time| time.to_rfc3339())
}

pub(crate) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Conflicting messages that this node has seen validators sign, both with their signatures.
async fn evidence(state: web::Data<Operations>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "evidence": state.api.ledger.evidence() }))
}

async fn metrics(state: web::Data<Operations>) -> HttpResponse {
    state.metrics.certificates(&state.expiries, unix_now());
    if let Ok(stats) = state.api.ledger.store().stats() {
        state.metrics.store(&stats);
    }
    state.metrics.store_errors();
    if let Ok(disk) = rustix::fs::statvfs(&state.data) {
        state.metrics.disk_free(disk.f_bavail.saturating_mul(disk.f_frsize));
    }
    let mut text = concordat_monitoring::encode(&state.registry);
    text.push_str(&concordat_monitoring::text_of_openmetrics(&state.api.consensus.encode_prometheus()));
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_end_that_nobody_asked_for_is_a_failure_with_the_address() {
        let server = HttpServer::new(App::new).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        let mut running = OperationsServer { address, handle: handle.clone(), task: tokio::spawn(server) };
        let stays = tokio::time::timeout(std::time::Duration::from_millis(20), running.failed()).await;
        assert!(stays.is_err(), "it runs");
        handle.stop(true).await;
        let failure = running.failed().await.to_string();
        assert!(failure.contains(&address.to_string()), "{failure}");
        running.stop().await;
    }
}
