//! The interface for operations: is the node alive, is it ready, what does it measure.
//!
//! Served in plaintext: it shows no secret and takes no order.

use std::{net::SocketAddr, sync::Arc};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, web};
use concordat_rpc::NodeApi;
use prometheus::Registry;
use serde_json::json;

use crate::{api::Api, metrics::NodeMetrics};

/// What the routes answer from.
pub struct Operations {
    pub(crate) api: Arc<Api>,
    pub(crate) registry: Registry,
    pub(crate) metrics: Arc<NodeMetrics>,
    pub(crate) validator: bool,
}

/// The running interface.
pub struct OperationsServer {
    /// Where it listens.
    pub address: SocketAddr,
    handle: ServerHandle,
}

impl OperationsServer {
    /// Answers what has been asked and stops.
    pub async fn stop(self) {
        self.handle.stop(true).await;
    }
}

/// Starts the interface.
pub fn serve(listen: SocketAddr, operations: Operations) -> std::io::Result<OperationsServer> {
    let shared = web::Data::new(operations);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .route("/healthz", web::get().to(healthz))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(metrics))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(2)
    .bind(listen)?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(OperationsServer { address, handle })
}

/// The process works. Restart it if this does not answer.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// The node can serve: it is not catching up and, as a validator, sees enough of the others to decide.
async fn readyz(state: web::Data<Operations>) -> HttpResponse {
    let sync = state.api.sync_status();
    let tip = state.api.ledger.tip();
    let others = tip.validators.validators().len().saturating_sub(1);
    let connected = state.api.consensus.status().peers.len();
    // Tolerating f of 3f + 1, a validator needs 2f others.
    let needed = if state.validator { others.div_ceil(3) * 2 } else { usize::from(others > 0) };
    let ready = !sync.catching_up && connected >= needed.min(others);
    let body = json!({
        "ready": ready,
        "height": tip.height,
        "catching_up": sync.catching_up,
        "highest_known_height": sync.highest_height,
        "peers": connected,
        "peers_needed": needed.min(others),
    });
    if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

async fn metrics(state: web::Data<Operations>) -> HttpResponse {
    if let Ok(stats) = state.api.ledger.store().stats() {
        state.metrics.store(&stats);
    }
    let mut text = concordat_monitoring::encode(&state.registry);
    text.push_str(&state.api.consensus.encode_prometheus());
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}
