//! From a request to its answer: every one of them goes this way, and none leaves before its entry is on the log.

use std::time::Instant;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{ConnectionType, header},
    web::{Bytes, Data, Payload},
};
use concordat_sql::read::{Entry, Tip, moment};
use concordat_types::B256;
use serde_json::{Value, json};

use crate::{
    auth::Office,
    body, evidence,
    feed::{self, Form},
    findings,
    gate::Admitted,
    node::check_chain,
    openapi,
    orders::{self, Order},
    params::Parameters,
    problem::{Kind, Problem},
    rate::Stranger,
    routes::{Endpoint, Found, find},
    service::{Service, now_ms},
    tls::Shown,
    token::Claims,
};

/// The longest path with its query that is answered, and of others the beginning that is logged.
const LONGEST_PATH: usize = 4096;

/// The status of an entry that says what is about to be done: 102, Processing.
const ABOUT_TO: i64 = 102;

/// An answer.
pub(crate) struct Answer {
    /// Its document.
    pub(crate) document: Value,
    /// Rows in it.
    pub(crate) rows: usize,
}

/// Of the path of a client without a certificate, so much is logged: whoever can connect can write it.
const NAMELESS_PATH: usize = 256;

/// What is known of a request so far, for the log.
struct Trace {
    entry: Entry,
    name: &'static str,
    began: Instant,
}

/// What a request brings.
pub(crate) struct Ask<'a> {
    pub(crate) path: &'a str,
    pub(crate) found: Found<'a>,
    pub(crate) parameters: Parameters,
    pub(crate) admitted: &'a Admitted,
}

/// What is sent.
enum Sent {
    Document(Answer, Option<Tip>),
    File(evidence::File, Tip),
    Feed(Box<feed::Feed>),
}

/// Answers a request.
pub(crate) async fn entry(request: HttpRequest, payload: Payload, service: Data<Service>) -> HttpResponse {
    let shown = request.conn_data::<Shown>().cloned();
    let mut trace = Trace::of(&request, shown.as_ref());
    let outcome = match &shown {
        Some(shown) if !service.rates.admit(shown.certificate, trace.began) => {
            return trace.unlogged(&service, &Problem::new(Kind::TooMany, "wait a second"));
        }
        Some(shown) => answer(&request, payload, &service, shown, &mut trace).await,
        // Whatever it asks for: no path, no method and no token is looked at.
        None => {
            Err(Problem::new(Kind::NoCertificate, "connect again and show the certificate of your account"))
        }
    };
    trace.finish(&service, outcome).await
}

async fn answer(
    request: &HttpRequest,
    payload: Payload,
    service: &Data<Service>,
    shown: &Shown,
    trace: &mut Trace,
) -> Result<Sent, Problem> {
    if request.uri().path_and_query().is_some_and(|path| path.as_str().len() > LONGEST_PATH) {
        return Err(Problem::new(Kind::Malformed, format!("paths have at most {LONGEST_PATH} bytes")));
    }
    let method = request.method().as_str();
    let Some(found) = find(request.path(), method) else { return Err(unknown_path()) };
    trace.name = found.name;
    if method != found.endpoint.method() {
        return Err(Problem::method(found.endpoint.allowed()));
    }
    if found.endpoint.is_open() {
        let document = match found.endpoint {
            Endpoint::Keys => service.keys().document(),
            _ => openapi::document(),
        };
        return Ok(Sent::Document(Answer { document, rows: 0 }, None));
    }
    if matches!(found.endpoint, Endpoint::Token) {
        return make_token(payload, service, shown, trace).await;
    }
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let claims = service.claims(header, shown)?;
    trace.authorised_by(&claims);
    let admitted = service.admit_with(shown, &claims).await?;
    trace.entry.as_of = Some(admitted.tip.height);
    check_office(admitted.caller.office, found.endpoint)?;
    let parameters = Parameters::read(request.query_string())?;
    let ask = Ask { path: request.path(), found, parameters, admitted: &admitted };
    match ask.found.endpoint {
        Endpoint::Stream(list) | Endpoint::Export(list) => {
            let form = Form::of(request, matches!(ask.found.endpoint, Endpoint::Stream(_)));
            let last = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
            let last = last.map(ToOwned::to_owned);
            let opening =
                feed::Opening { service: service.clone(), shown: shown.clone(), claims, form, last };
            Ok(Sent::Feed(Box::new(opening.open(list, ask, trace.entry.clone()).await?)))
        }
        Endpoint::Order => {
            ask.parameters.end(&[])?;
            let sent = hand_in(payload, service, &admitted, trace).await?;
            Ok(Sent::Document(sent, Some(admitted.tip.clone())))
        }
        Endpoint::FindingActs => {
            let answer = findings::act(service, ask, &read_body(payload).await?).await?;
            Ok(Sent::Document(answer, Some(admitted.tip.clone())))
        }
        Endpoint::Evidence => {
            let file = evidence::of(service, ask, &claims.case).await?;
            Ok(Sent::File(file, admitted.tip.clone()))
        }
        _ => Ok(Sent::Document(body::of(service, ask).await?, Some(admitted.tip.clone()))),
    }
}

async fn make_token(
    payload: Payload,
    service: &Service,
    shown: &Shown,
    trace: &mut Trace,
) -> Result<Sent, Problem> {
    let admitted = service.admit(shown).await?;
    trace.entry.organisation = Some(admitted.caller.organisation.clone());
    trace.entry.as_of = Some(admitted.tip.height);
    let body = read_body(payload).await?;
    let (claims, document) = service.token(&admitted, shown, &body)?;
    trace.authorised_by(&claims);
    Ok(Sent::Document(Answer { document, rows: 0 }, Some(admitted.tip)))
}

/// Hands an order to the node. The log says which one, and that it is about to be handed on, before anything is.
async fn hand_in(
    payload: Payload,
    service: &Service,
    admitted: &Admitted,
    trace: &mut Trace,
) -> Result<Answer, Problem> {
    let signed = orders::read(&read_body(payload).await?)?;
    let (node, permit) = service.beside.takes_orders()?;
    check_chain(&node.genesis.chain_id, &admitted.tip.chain_id)?;
    trace.concerns(signed.hash());
    let order = Order::of(signed, node.genesis.evm_chain_id, admitted.caller.account)?;
    service.journal.add(Entry { status: ABOUT_TO, ..trace.entry.clone() }).await?;
    let handed = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        order.send(&node)
    });
    handed.await.map_err(|error| Problem::internal("the handing in of an order ended", error))?
}

async fn read_body(payload: Payload) -> Result<Bytes, Problem> {
    const MOST: usize = 16 * 1024;
    match payload.to_bytes_limited(MOST).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Problem::new(Kind::Malformed, "the body ended early")),
        Err(_) => Err(Problem::new(Kind::TooLarge, format!("bodies have at most {MOST} bytes"))),
    }
}

fn unknown_path() -> Problem {
    Problem::new(Kind::NotFound, "there is no such path; GET /v1/openapi.json has all of them")
}

/// Regulators read the ledger, auditors what was read; both, where the chain stands.
fn check_office(office: Office, endpoint: Endpoint) -> Result<(), Problem> {
    let wants = match endpoint {
        Endpoint::Status => return Ok(()),
        Endpoint::Reads | Endpoint::ReadsHead => Office::Auditor,
        _ => Office::Regulator,
    };
    if office == wants {
        return Ok(());
    }
    let detail = match wants {
        Office::Auditor => "the log of reads is for auditors",
        Office::Regulator => "auditors read the log of reads, and nothing of the ledger's business",
    };
    Err(Problem::new(Kind::Role, detail))
}

impl Trace {
    fn of(request: &HttpRequest, shown: Option<&Shown>) -> Self {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let longest = if shown.is_some() { LONGEST_PATH } else { NAMELESS_PATH };
        let entry = Entry {
            time_ms: now_ms(),
            account: shown.and_then(|shown| shown.account).map(|account| account.to_vec()),
            certificate: shown.map(|shown| shown.certificate.to_vec()),
            method: request.method().as_str().chars().take(32).collect(),
            path: path.chars().take(longest).collect(),
            ..Entry::default()
        };
        Self { entry, name: "none", began: Instant::now() }
    }

    /// Says which transaction was brought: in place of a fragment, which no request has.
    fn concerns(&mut self, hash: B256) {
        self.entry.path.push_str(&format!("#{hash}"));
    }

    fn authorised_by(&mut self, claims: &Claims) {
        self.entry.organisation = Some(claims.org.clone());
        self.entry.purpose.clone_from(&claims.purpose);
        self.entry.case_ref.clone_from(&claims.case);
    }

    /// Puts the entry on the log, and answers.
    async fn finish(mut self, service: &Service, outcome: Result<Sent, Problem>) -> HttpResponse {
        self.entry.status = match &outcome {
            Ok(_) => 200,
            Err(problem) => i64::from(problem.kind.status()),
        };
        if let Ok(Sent::Document(answer, None)) = &outcome {
            // Nothing of anybody.
            return self.counted(service, document(answer, None));
        }
        let rows = match &outcome {
            Ok(Sent::Document(answer, _)) => answer.rows,
            Ok(Sent::File(file, _)) => file.rows,
            Ok(Sent::Feed(_)) | Err(_) => 0,
        };
        self.entry.rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let refused = outcome.as_ref().is_err_and(|problem| (400..500).contains(&problem.kind.status()));
        if refused && self.entry.organisation.is_none() {
            let nameless = self.entry.certificate.is_none();
            let stranger = if nameless { Stranger::Nameless } else { Stranger::WithCertificate };
            if !service.rates.admit_refused(stranger, self.began) {
                let problem = Problem::new(Kind::TooMany, "many are being refused; wait a second");
                return self.unlogged(service, &problem);
            }
        }
        // A database that is away can neither be read nor logged to.
        let away = outcome.as_ref().is_err_and(|problem| matches!(problem.kind, Kind::Away | Kind::Schema));
        let logged = if away { Ok(()) } else { service.journal.add(self.entry.clone()).await };
        let response = match logged.and(outcome) {
            Ok(Sent::Document(answer, tip)) => document(&answer, tip.as_ref()),
            Ok(Sent::File(file, tip)) => attachment(file, &tip),
            Ok(Sent::Feed(feed)) => feed.response(),
            Err(problem) => problem.response(),
        };
        self.counted(service, response)
    }

    fn unlogged(self, service: &Service, problem: &Problem) -> HttpResponse {
        self.counted(service, problem.response())
    }

    fn counted(self, service: &Service, mut response: HttpResponse) -> HttpResponse {
        if self.entry.certificate.is_none() {
            // Nothing that comes on this connection will have one.
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        service.metrics.observe(self.name, response.status().as_u16(), self.began.elapsed().as_secs_f64());
        response
    }
}

fn document(answer: &Answer, tip: Option<&Tip>) -> HttpResponse {
    let mut response = answered("application/json", tip);
    response.body(answer.document.to_string())
}

fn attachment(file: evidence::File, tip: &Tip) -> HttpResponse {
    let mut response = answered("application/zip", Some(tip));
    // Names are of letters, digits, dashes and dots alone.
    let named = format!("attachment; filename=\"{}\"", file.name);
    response.insert_header((header::CONTENT_DISPOSITION, named)).body(file.bytes)
}

fn answered(content_type: &str, tip: Option<&Tip>) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.content_type(content_type).insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(tip) = tip {
        response.insert_header(("Concordat-Height", tip.height.to_string()));
        if let Value::String(time) = moment(tip.time_ms) {
            response.insert_header(("Concordat-Time", time));
        }
    }
    response
}

/// The block as of which is read, as answers tell it.
pub(crate) fn as_of(height: i64, tip: &Tip) -> Value {
    json!({ "height": height, "newest": tip.height, "newest_time": moment(tip.time_ms) })
}
