//! Who may call: checks that need the request's head alone.

use std::{net::IpAddr, time::Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};

use super::{Edge, Service, tls::TlsPeer};
use crate::jsonrpc::{Reply, RpcError};

/// Why a request is refused before it is read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    /// A name that this node does not go by: DNS rebinding, or a proxy that should be named.
    #[error("invalid host specified: {0:?}; add it to allowed_hosts if it is yours")]
    Host(String),
    /// A web page that nobody allowed.
    #[error("origin {0:?} is not allowed to call; add it to allowed_origins if it is yours")]
    Origin(String),
    /// Browsers send other types without asking first.
    #[error("invalid content type, only application/json is supported")]
    ContentType,
    /// Too much to read.
    #[error("request body exceeds the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The body did not arrive.
    #[error("the request body could not be read")]
    Body,
    /// Too many requests.
    #[error("too many requests: this node allows {per_second} per second and client")]
    Rate {
        /// The limit.
        per_second: u32,
    },
    /// No JSON-RPC.
    #[error("{}", .0.message)]
    Malformed(RpcError),
    /// The certificate no longer authorises.
    #[error("the client certificate no longer authorises its holder")]
    Certificate,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Host(_) | Self::Origin(_) | Self::Certificate => StatusCode::FORBIDDEN,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body => StatusCode::BAD_REQUEST,
            // As JSON-RPC servers do: the error is in the body.
            Self::Malformed(_) => StatusCode::OK,
            Self::Rate { .. } => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::Origin(_) => "origin",
            Self::ContentType => "content_type",
            Self::TooLarge { .. } => "too_large",
            Self::Body => "body",
            Self::Malformed(_) => "malformed",
            Self::Rate { .. } => "rate",
            Self::Certificate => "certificate",
        }
    }

    /// The refusal as a JSON-RPC error.
    pub fn error(&self) -> RpcError {
        match self {
            Self::Rate { .. } => RpcError::limit_exceeded(self.to_string()),
            Self::Malformed(error) => error.clone(),
            _ => RpcError::invalid_request(self.to_string()),
        }
    }
}

impl<S: Service> Edge<S> {
    /// Counts a refusal and answers it.
    pub fn refuse(&self, refusal: &Refusal) -> HttpResponse {
        self.count(refusal);
        let body = Reply::refusal(S::dress(refusal.error())).encode(self.limits.response_bytes);
        let mut response = HttpResponse::build(refusal.status());
        response.insert_header(header::ContentType::json());
        if !matches!(refusal, Refusal::Malformed(_)) {
            response.force_close();
        }
        response.body(body)
    }

    /// Counts a refusal.
    pub fn count(&self, refusal: &Refusal) {
        self.metrics.observe_refused(S::INTERFACE, refusal.reason());
    }

    /// Checks host, origin and certificate.
    pub fn admit(&self, request: &HttpRequest) -> Result<(), Refusal> {
        if self.listener.plaintext {
            check_host(request.headers().get(header::HOST), &self.listener.allowed_hosts)?;
        }
        if let Some(origin) = request.headers().get(header::ORIGIN) {
            check_origin(origin, &self.listener.allowed_origins)?;
        }
        self.check_certificate(request)
    }

    /// Judges the client's certificate anew if the rules have changed since it was judged.
    pub fn check_certificate(&self, request: &HttpRequest) -> Result<(), Refusal> {
        let Some(authorizer) = &self.authorizer else { return Ok(()) };
        let peer = request.conn_data::<TlsPeer>().ok_or(Refusal::Certificate)?;
        peer.recheck(authorizer.as_ref()).map(|_| ()).map_err(|refusal| {
            tracing::info!(interface = S::INTERFACE, reason = %refusal.0, "client certificate no longer accepted");
            Refusal::Certificate
        })
    }

    /// Takes requests from the client's allowance.
    pub fn charge(&self, client: Option<IpAddr>, requests: usize) -> Result<(), Refusal> {
        let Some(client) = client else { return Ok(()) };
        match self.rate.take(client, requests, Instant::now()) {
            true => Ok(()),
            false => Err(Refusal::Rate { per_second: self.limits.requests_per_second }),
        }
    }

    /// Lets an allowed origin's page read the answer.
    pub fn cors(&self, request: &HttpRequest, response: &mut HttpResponse) {
        let Some(origin) = request.headers().get(header::ORIGIN) else { return };
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let fixed: [(HeaderName, &'static str); 3] = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// `application/json` and the older names for it (go-ethereum `rpc/http.go`).
pub(crate) fn check_content_type(content_type: Option<&HeaderValue>) -> Result<(), Refusal> {
    let text = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" | "application/json-rpc" | "application/jsonrequest" => Ok(()),
        _ => Err(Refusal::ContentType),
    }
}

/// A page that rebinds its own name to 127.0.0.1 still sends that name.
fn check_host(host: Option<&HeaderValue>, allowed: &[String]) -> Result<(), Refusal> {
    let host = host.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = host_name(host).to_ascii_lowercase();
    let by_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let known =
        by_address || name == "localhost" || allowed.iter().any(|host| host.eq_ignore_ascii_case(&name));
    if known { Ok(()) } else { Err(Refusal::Host(host.chars().take(128).collect())) }
}

/// The host without its port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn check_origin(origin: &HeaderValue, allowed: &[String]) -> Result<(), Refusal> {
    let origin = origin.to_str().unwrap_or_default();
    match allowed.iter().any(|allowed| allowed == origin) {
        true => Ok(()),
        false => Err(Refusal::Origin(origin.chars().take(128).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &'static str, allowed: &[&str]) -> bool {
        let allowed: Vec<String> = allowed.iter().map(|host| (*host).to_owned()).collect();
        check_host(Some(&HeaderValue::from_static(text)), &allowed).is_ok()
    }

    #[test]
    fn names_of_strangers_are_refused_and_addresses_are_not() {
        for good in ["localhost", "localhost:8545", "127.0.0.1:8545", "[::1]:8545", "[::1]", "LocalHost:1"] {
            assert!(host(good, &[]), "{good}");
        }
        for bad in
            ["", "evil.example", "evil.example:8545", "localhost.evil.example", "127.0.0.1.evil.example"]
        {
            assert!(!host(bad, &[]), "{bad}");
        }
        assert!(host("node.bank-a.example:8545", &["node.bank-a.example"]));
        assert!(check_host(None, &[]).is_err());
    }

    #[test]
    fn origins_must_be_allowed_exactly() {
        let allowed = ["https://console.example".to_owned()];
        assert!(check_origin(&HeaderValue::from_static("https://console.example"), &allowed).is_ok());
        for bad in ["http://console.example", "https://console.example.evil", "null", ""] {
            assert!(check_origin(&HeaderValue::from_static(bad), &allowed).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_json_is_read() {
        for (text, good) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("Application/JSON-RPC", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            assert_eq!(
                check_content_type(Some(&HeaderValue::from_str(text).unwrap())).is_ok(),
                good,
                "{text}"
            );
        }
        assert!(check_content_type(None).is_err());
    }
}
