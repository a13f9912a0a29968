//! WebSocket connections: calls, answered as they finish, and pushed events.

use std::{
    collections::BTreeSet, future::Future, net::IpAddr, ops::RangeInclusive, sync::Arc, time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Payload},
};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError};
use concordat_core::Readable;
use futures::{StreamExt as _, future::LocalBoxFuture, stream::FuturesUnordered};
use tokio::sync::watch;

use super::{Edge, Pieces, answer, flow::Flow, guard::Refusal, serve::SubscribableService};
use crate::jsonrpc::{Call, Reply, RpcResult};

/// Calls of one connection that run at the same time; a client that sends more waits.
const MAX_IN_FLIGHT: usize = 64;
/// How often a quiet client is asked whether it is there; it has as long to answer.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// An answer in the making; `None` in the end where there is nothing to answer.
type Work = LocalBoxFuture<'static, Option<Vec<u8>>>;

/// Most missed blocks that subscribers are told of at once; the rest follow with the next block.
const MAX_MISSED: u64 = 64;

/// The height that a connection's subscribers were told of last. A client that is slower than the chain misses
/// blocks of the channel; they are told from the store, in order.
#[derive(Debug, Default)]
pub(crate) struct Told(Option<u64>);

impl Told {
    /// What to tell now that a block has come: it, after those that were missed.
    pub fn upto(&mut self, height: u64) -> RangeInclusive<u64> {
        let first = self.0.map_or(height, |told| told.saturating_add(1));
        let last = height.min(first.saturating_add(MAX_MISSED));
        self.0 = self.0.max(Some(last));
        first..=last
    }

    /// Nobody listens any more.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}

/// What one connection remembers: its subscriptions.
pub(crate) trait Session: Sized + 'static {
    /// Something to tell subscribers of.
    type Event;

    /// Answers a call that concerns the subscriptions; `None` for all others.
    fn subscribe(&mut self, call: &Call) -> Option<RpcResult>;

    /// Waits for an event. Nothing is lost when the future is dropped.
    fn receive(&mut self) -> impl Future<Output = Self::Event>;

    /// What to push because of an event.
    fn push(&mut self, event: Self::Event) -> Pieces;
}

/// Opens a connection.
pub(crate) async fn open<S: SubscribableService>(
    request: HttpRequest,
    payload: Payload,
    edge: Data<Arc<Edge<S>>>,
) -> Result<HttpResponse, actix_web::Error> {
    if let Err(refusal) = edge.admit(&request) {
        return Ok(edge.refuse(&refusal));
    }
    let (response, sender, messages) = actix_ws::handle(&request, payload)?;
    let limit = edge.limits.body_bytes;
    let messages = messages.max_frame_size(limit).aggregate_continuations().max_continuation_size(limit);
    let edge = Arc::clone(edge.get_ref());
    let session = S::session(&edge);
    let client = request.peer_addr().map(|peer| peer.ip());
    let closing = edge.closing.clone();
    let flow = Arc::new(Flow::default());
    let response = response.map_body(|_, body| flow.meter(body)).map_into_boxed_body();
    let connection =
        Connection { client, request, edge, sender, flow, session, reads: BTreeSet::new(), closing };
    actix_web::rt::spawn(connection.run(messages));
    Ok(response)
}

struct Connection<S: SubscribableService> {
    edge: Arc<Edge<S>>,
    /// Kept for the certificate behind it.
    request: HttpRequest,
    client: Option<IpAddr>,
    sender: actix_ws::Session,
    flow: Arc<Flow>,
    session: S::Session,
    /// What was subscribed to on this connection, and ends it once it may not be read.
    reads: BTreeSet<Readable>,
    /// Changes when the node stops.
    closing: watch::Receiver<()>,
}

/// Why a connection ends.
enum End {
    /// The client went away, or cannot be reached.
    Gone,
    /// We end it, and say why.
    Because(CloseCode, &'static str),
}

impl<S: SubscribableService> Connection<S> {
    async fn run(mut self, messages: AggregatedMessageStream) {
        self.edge.metrics.socket_opened(S::INTERFACE);
        let end = self.serve(messages).await;
        self.edge.metrics.socket_closed(S::INTERFACE);
        if let Err(End::Because(code, why)) = end {
            // The client may be gone already; then there is nobody to tell.
            let _ = self.sender.close(Some(CloseReason { code, description: Some(why.into()) })).await;
        }
    }

    async fn serve(&mut self, mut messages: AggregatedMessageStream) -> Result<(), End> {
        let mut in_flight: FuturesUnordered<Work> = FuturesUnordered::new();
        let mut ping = tokio::time::interval(PING_INTERVAL);
        let mut heard = true;
        loop {
            tokio::select! {
                biased;
                Some(answer) = in_flight.next() => {
                    if let Some(answer) = answer {
                        self.check_certificate()?;
                        self.send(into_text(answer)).await?;
                    }
                }
                message = messages.recv(), if in_flight.len() < MAX_IN_FLIGHT => {
                    heard = true;
                    if let Some(work) = self.take(message).await? {
                        in_flight.push(work);
                    }
                }
                event = self.session.receive() => {
                    let mut pieces = self.session.push(event);
                    while let Some(texts) = pieces.next().await {
                        // Where a client is slow, blocks pass while it is told of others.
                        self.check_certificate()?;
                        self.check_reading()?;
                        for text in texts {
                            self.send(text).await?;
                        }
                    }
                }
                _ = self.closing.changed() => {
                    return Err(End::Because(CloseCode::Away, "the node is stopping"));
                }
                _ = ping.tick() => {
                    if !std::mem::take(&mut heard) {
                        return Err(End::Gone);
                    }
                    self.sender.ping(b"").await.map_err(|_| End::Gone)?;
                }
            }
        }
    }

    /// Takes a message in; the work that it asks for, if any.
    async fn take(
        &mut self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
    ) -> Result<Option<Work>, End> {
        match message {
            Some(Ok(AggregatedMessage::Text(text))) => self.begin(text.as_bytes()).map(Some),
            Some(Ok(AggregatedMessage::Binary(bytes))) => self.begin(&bytes).map(Some),
            Some(Ok(AggregatedMessage::Ping(payload))) => {
                self.sender.pong(&payload).await.map_err(|_| End::Gone)?;
                Ok(None)
            }
            Some(Ok(AggregatedMessage::Pong(_))) => Ok(None),
            Some(Err(ProtocolError::Overflow)) => {
                self.edge.count(&Refusal::TooLarge { limit: self.edge.limits.body_bytes });
                Err(End::Because(CloseCode::Size, "message exceeds the limit"))
            }
            Some(Ok(AggregatedMessage::Close(_))) => Err(End::Because(CloseCode::Normal, "")),
            None | Some(Err(_)) => Err(End::Gone),
        }
    }

    fn begin(&mut self, message: &[u8]) -> Result<Work, End> {
        self.check_certificate()?;
        let body = match answer::accept(&self.edge, self.client, message) {
            Ok(body) => body,
            Err(refusal) => {
                self.edge.count(&refusal);
                let error = S::dress(refusal.error());
                let text = Reply::refusal(error).encode(self.edge.limits.response_bytes);
                return Ok(Box::pin(std::future::ready(Some(text))));
            }
        };
        let Self { edge, request, session, reads, .. } = self;
        let plan = answer::plan(edge, request, body, |call| {
            let answered = session.subscribe(call)?;
            if answered.is_ok() && edge.authorizer.is_some() {
                reads.extend(edge.service.reads(call));
            }
            Some(answered)
        });
        Ok(Box::pin(answer::run(Arc::clone(&self.edge), plan)))
    }

    fn check_certificate(&self) -> Result<(), End> {
        self.edge.check_certificate(&self.request).map_err(|refusal| {
            self.edge.count(&refusal);
            End::Because(CloseCode::Policy, "client certificate no longer accepted")
        })
    }

    /// Asks whether the client may still read what it has subscribed to.
    fn check_reading(&self) -> Result<(), End> {
        let wanted: Vec<Readable> = self.reads.iter().copied().collect();
        self.edge.check_reading(&self.request, &wanted).map_err(|refused| {
            tracing::info!(
                interface = S::INTERFACE,
                reason = refused.message,
                "a subscriber may not read any more"
            );
            End::Because(CloseCode::Policy, "what was subscribed to may not be read any more")
        })
    }

    async fn send(&mut self, text: String) -> Result<(), End> {
        let limit = Duration::from_millis(self.edge.limits.send_timeout_ms);
        let sent = async {
            self.flow.admit(text.len()).await;
            self.sender.text(text).await
        };
        match tokio::time::timeout(limit, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

/// JSON is UTF-8.
fn into_text(json: Vec<u8>) -> String {
    String::from_utf8(json).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_heights_are_told_once_in_order_and_not_all_at_once() {
        let mut told = Told::default();
        assert_eq!(told.upto(7), 7..=7);
        assert_eq!(told.upto(8), 8..=8);
        assert_eq!(told.upto(12), 9..=12);
        assert!(told.upto(12).is_empty());
        assert_eq!(told.upto(1_000), 13..=13 + MAX_MISSED);
        assert_eq!(told.upto(1_001).next(), Some(14 + MAX_MISSED));
        told.forget();
        assert_eq!(told.upto(2_000), 2_000..=2_000);
    }
}
