//! The URI style: every method is also a page.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    guard::fn_guard,
    http::{Method as HttpMethod, StatusCode, header},
    web::{self, Data, Path, ServiceConfig},
};
use serde_json::json;

use super::{Comet, args::Args, methods, service::reads};
use crate::{
    edge::{Edge, Service, http, is_upgrade, socket},
    jsonrpc::{Reply, RpcError},
};

/// The id of answers to URI requests (CometBFT `rpc/jsonrpc/server`).
const URI_ID: i64 = -1;

/// Where what is.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/")
                .route(web::post().to(http::post::<Comet>))
                .route(web::get().to(http::index::<Comet>))
                .route(web::method(HttpMethod::OPTIONS).to(http::preflight::<Comet>)),
        )
        .service(
            web::resource("/websocket")
                .route(web::route().guard(fn_guard(is_upgrade)).to(socket::open::<Comet>)),
        )
        .service(web::resource("/{method}").route(web::get().to(get)));
}

/// A method called by its page.
async fn get(request: HttpRequest, path: Path<String>, edge: Data<Arc<Edge<Comet>>>) -> HttpResponse {
    let admitted =
        edge.admit(&request).and_then(|()| edge.charge(request.peer_addr().map(|peer| peer.ip()), 1));
    if let Err(refusal) = admitted {
        return edge.refuse(&refusal);
    }
    let began = std::time::Instant::now();
    let label = edge.service.label(&path);
    let result = match methods::find(&path) {
        Some(method) => {
            let args = Args::from_uri(request.query_string());
            match edge.check_reading(&request, &reads(method, &args)) {
                Ok(()) => Arc::clone(&edge.service).run(method, args).await,
                Err(refused) => Err(refused),
            }
        }
        None => Err(RpcError::method_not_found(&path)),
    };
    edge.metrics.observe(Comet::INTERFACE, label, result.is_ok(), began.elapsed());
    let status = match &result {
        Ok(_) => StatusCode::OK,
        Err(error) if error.code == RpcError::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        Err(error) if error.code == RpcError::READ_REFUSED => StatusCode::FORBIDDEN,
        Err(error) if error.code == RpcError::INVALID_PARAMS => StatusCode::BAD_REQUEST,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let reply = Reply { id: json!(URI_ID), result: result.map_err(Comet::dress) };
    let mut response = HttpResponse::build(status)
        .insert_header(header::ContentType::json())
        .body(reply.encode(edge.limits.response_bytes));
    edge.cors(&request, &mut response);
    response
}
