//! HTTP requests.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Payload},
};

use super::{
    Edge, Service, answer,
    guard::{Refusal, check_content_type},
};
use crate::jsonrpc::Body;

/// A JSON-RPC request by POST.
pub(crate) async fn post<S: Service>(
    request: HttpRequest,
    payload: Payload,
    edge: Data<Arc<Edge<S>>>,
) -> HttpResponse {
    let body = match receive(&request, payload, &edge).await {
        Ok(body) => body,
        Err(refusal) => return edge.refuse(&refusal),
    };
    let plan = answer::plan(&edge, &request, body, |_| None);
    let answered = answer::run(Arc::clone(edge.get_ref()), plan).await;
    let mut response =
        HttpResponse::Ok().insert_header(header::ContentType::json()).body(answered.unwrap_or_default());
    edge.cors(&request, &mut response);
    response
}

/// What there is to call.
pub(crate) async fn index<S: Service>(request: HttpRequest, edge: Data<Arc<Edge<S>>>) -> HttpResponse {
    if let Err(refusal) = edge.admit(&request) {
        return edge.refuse(&refusal);
    }
    let mut response = HttpResponse::Ok().json(edge.service.index());
    edge.cors(&request, &mut response);
    response
}

/// A browser asking whether its page may call.
pub(crate) async fn preflight<S: Service>(request: HttpRequest, edge: Data<Arc<Edge<S>>>) -> HttpResponse {
    if let Err(refusal) = edge.admit(&request) {
        return edge.refuse(&refusal);
    }
    let mut response = HttpResponse::NoContent().finish();
    edge.cors(&request, &mut response);
    response
}

async fn receive<S: Service>(
    request: &HttpRequest,
    payload: Payload,
    edge: &Edge<S>,
) -> Result<Body, Refusal> {
    edge.admit(request)?;
    check_content_type(request.headers().get(header::CONTENT_TYPE))?;
    let limit = edge.limits.body_bytes;
    let body = match payload.to_bytes_limited(limit).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err(Refusal::Body),
        Err(_) => return Err(Refusal::TooLarge { limit }),
    };
    answer::accept(edge, request.peer_addr().map(|peer| peer.ip()), &body)
}
