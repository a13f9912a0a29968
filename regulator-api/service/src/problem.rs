//! What goes wrong, as clients are told: problem documents (RFC 9457). Nothing of the database's words is in one.

use std::fmt;

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use concordat_sql::{
    SqlError,
    read::{FlowError, PageError, RequestError},
};
use serde_json::{Value, json};

macro_rules! kinds {
    ($( $(#[$doc:meta])* $variant:ident = $code:literal $status:literal $slug:literal $title:literal; )*) => {
        /// What went wrong. Codes and types never change meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Kind {
            $( $(#[$doc])* $variant, )*
        }

        impl Kind {
            /// Every kind, in the order of codes.
            pub(crate) const ALL: &'static [Kind] = &[$( Kind::$variant, )*];

            /// Its code.
            pub(crate) const fn code(self) -> u16 {
                match self { $( Kind::$variant => $code, )* }
            }

            /// The status of the answer.
            pub(crate) const fn status(self) -> u16 {
                match self { $( Kind::$variant => $status, )* }
            }

            /// The end of its type.
            pub(crate) const fn slug(self) -> &'static str {
                match self { $( Kind::$variant => $slug, )* }
            }

            /// What it is called.
            pub(crate) const fn title(self) -> &'static str {
                match self { $( Kind::$variant => $title, )* }
            }
        }
    };
}

kinds! {
    /// No such path, or nothing there that the caller may be shown.
    NotFound = 1 404 "not-found" "Nothing is there, or nothing that you may be shown";
    /// A path that has other methods.
    Method = 2 405 "method" "This path takes another method";
    /// A body that is too large.
    TooLarge = 3 413 "too-large" "The body is too large";
    /// Too many requests.
    TooMany = 4 429 "too-many" "Too many requests";
    /// A parameter or a body that is not understood.
    Malformed = 5 400 "malformed" "The request is not understood";
    /// A cursor that belongs to another request.
    ForeignCursor = 6 400 "foreign-cursor" "The cursor belongs to another request";
    /// More than can be looked through in time.
    TooWide = 7 422 "too-wide" "This takes too long; narrow it";
    /// A height above the newest block.
    Ahead = 8 422 "ahead" "The chain is not that far";
    /// Somebody else has done it, or it is over.
    Conflict = 9 409 "conflict" "This cannot be done any more";
    /// The certificate's key is no account's.
    NotEnrolled = 20 401 "not-enrolled" "This certificate's key has no account on the chain";
    /// The account has another certificate.
    OtherCertificate = 21 401 "other-certificate" "The chain knows another certificate of this account";
    /// It has expired.
    CertificateExpired = 22 401 "certificate-expired" "The certificate has expired";
    /// It is revoked.
    CertificateRevoked = 23 401 "certificate-revoked" "The certificate, or one above it, is revoked";
    /// The account is barred.
    Barred = 24 403 "barred" "The account is not in good standing";
    /// The organisation is suspended.
    Suspended = 25 403 "suspended" "The organisation is not in good standing";
    /// The account is frozen.
    Frozen = 26 403 "frozen" "The account is frozen";
    /// The role reads nothing here.
    Role = 27 403 "role" "This role may not read that";
    /// There is no mandate in force.
    NoMandate = 28 403 "no-mandate" "No mandate to observe is in force";
    /// No certificate is shown.
    NoCertificate = 29 401 "no-certificate" "A client certificate is needed";
    /// There is no token.
    NoToken = 40 401 "no-token" "A token is needed";
    /// It is none that this service has made.
    BadToken = 41 401 "bad-token" "The token is not this service's, or was altered";
    /// It has expired.
    TokenExpired = 42 401 "token-expired" "The token has expired";
    /// It belongs to another certificate.
    ForeignToken = 43 401 "foreign-token" "The token is bound to another certificate";
    /// A scope beyond the mandate.
    ScopeTooWide = 44 403 "scope-too-wide" "The mandate does not cover that scope";
    /// A purpose that there is not.
    Purpose = 45 400 "purpose" "There is no such purpose";
    /// A transaction of another's key.
    ForeignSigner = 50 403 "foreign-signer" "The transaction is not signed by your own key";
    /// A transaction that orders nothing.
    NoOrder = 51 422 "no-order" "The transaction is no order";
    /// What the chain, or the node, does not take.
    Refused = 52 422 "refused" "The chain refuses the order";
    /// The database does not answer.
    Away = 60 503 "database-away" "The database does not answer";
    /// Its schema is another program's.
    Schema = 61 503 "schema" "The database's schema is not this program's";
    /// It has no block.
    Empty = 62 503 "empty" "The database has no block yet";
    /// It has fallen behind.
    Stale = 63 503 "stale" "The database has fallen behind the chain";
    /// The read cannot be logged.
    Unlogged = 64 503 "unlogged" "The read cannot be logged";
    /// The service ends.
    Ending = 65 503 "ending" "The service ends";
    /// The configuration names nothing for it.
    NotConfigured = 66 503 "not-configured" "The service is not set up for that";
    /// The node gives no answer.
    NodeAway = 67 503 "node-away" "The node gives no answer";
    /// Node and database contradict each other, or the node its proofs.
    Contradiction = 68 503 "contradiction" "What was found does not hold together";
    /// Something of ours failed.
    Internal = 99 500 "internal" "The service failed";
}

/// What went wrong, and in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) detail: String,
    /// The methods that the path takes, where it was another one.
    pub(crate) allow: Option<&'static str>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), allow: None }
    }

    /// A failure of the service's own. Its cause goes to the log alone: it may tell of the inside.
    pub(crate) fn internal(what: &str, error: impl fmt::Display) -> Self {
        tracing::error!(%error, "{what}");
        Self::new(Kind::Internal, "the cause is in the service's log")
    }

    /// A path that takes another method, or others.
    pub(crate) fn method(allowed: &'static str) -> Self {
        let detail = format!("it is {}", allowed.replace(", ", " or "));
        Self { allow: Some(allowed), ..Self::new(Kind::Method, detail) }
    }

    /// The document.
    pub(crate) fn document(&self) -> Value {
        json!({
            "type": format!("urn:concordat:problem:{}", self.kind.slug()),
            "title": self.kind.title(),
            "status": self.kind.status(),
            "detail": self.detail,
            "code": self.kind.code(),
        })
    }

    /// The answer.
    pub(crate) fn response(&self) -> HttpResponse {
        let status = StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        response.content_type("application/problem+json").insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(method) = self.allow {
            response.insert_header((header::ALLOW, method));
        }
        match self.kind {
            Kind::TooMany => response.insert_header((header::RETRY_AFTER, "1")),
            Kind::Away | Kind::Stale | Kind::Unlogged | Kind::NodeAway => {
                response.insert_header((header::RETRY_AFTER, "5"))
            }
            _ if status == StatusCode::UNAUTHORIZED => response
                .insert_header((header::WWW_AUTHENTICATE, format!("Bearer error=\"{}\"", self.kind.slug()))),
            _ => &mut response,
        };
        response.body(self.document().to_string())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.slug(), self.detail)
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        let kind = if error == RequestError::Place { Kind::ForeignCursor } else { Kind::Malformed };
        Self::new(kind, error.to_string())
    }
}

impl From<PageError> for Problem {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Request(error) => error.into(),
            PageError::Sql(error) => error.into(),
            error @ PageError::Apart { .. } => Self::new(Kind::TooWide, error.to_string()),
        }
    }
}

impl From<FlowError> for Problem {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Sql(error) => error.into(),
            error @ FlowError::TooMany => Self::new(Kind::TooWide, error.to_string()),
        }
    }
}

/// What the database says goes to the log of operations, never to a client.
impl From<SqlError> for Problem {
    fn from(error: SqlError) -> Self {
        if error.took_too_long() {
            return Self::new(Kind::TooWide, "ask for a shorter range, or by a filter that leaves less");
        }
        tracing::warn!(%error, "the database failed");
        match error {
            SqlError::SchemaOlder { .. } | SqlError::SchemaNewer { .. } => Self::new(
                Kind::Schema,
                "whoever operates the service runs `concordat audit migrate`, or upgrades it",
            ),
            error if error.may_pass() => Self::new(Kind::Away, "try again in a while"),
            _ => Self::new(Kind::Internal, "the cause is in the service's log"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_and_types_are_unique_and_in_order() {
        let codes: Vec<u16> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        assert!(codes.is_sorted_by(|one, next| one < next), "{codes:?}");
        let slugs: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        assert_eq!(slugs.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| StatusCode::from_u16(kind.status()).is_ok()));
    }

    #[test]
    fn a_problem_is_told_as_rfc_9457_has_it() {
        let told = Problem::new(Kind::TokenExpired, "it ended at 12:00").document();
        let expected = json!({
            "type": "urn:concordat:problem:token-expired",
            "title": "The token has expired",
            "status": 401,
            "detail": "it ended at 12:00",
            "code": 42,
        });
        assert_eq!(told, expected);
    }
}
