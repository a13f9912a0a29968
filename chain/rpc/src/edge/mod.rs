//! The edges that clients meet: listeners, TLS, limits, who may call, counting.

mod answer;
mod flow;
mod guard;
pub(crate) mod http;
mod metrics;
mod rate;
mod serve;
pub(crate) mod socket;
mod tls;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    Limits, ListenerConfig,
    jsonrpc::{Call, RpcError, RpcResult},
};

pub use metrics::RpcMetrics;
pub use serve::{RpcParts, RpcServers, ServeError, serve};
pub(crate) use serve::{SubscribableService, is_upgrade};
pub(crate) use socket::{Session, Told};
pub use tls::{ClientAuthorizer, ClientRefusal, ServerIdentity, TlsEdge};

/// Calls of one batch that run at the same time.
const BATCH_CONCURRENCY: usize = 8;

/// What came of a call, and how long it took.
pub(crate) struct Outcome {
    pub result: RpcResult,
    pub took: Duration,
}

/// One interface's methods.
pub(crate) trait Service: Send + Sync + 'static {
    /// The interface's name in metrics.
    const INTERFACE: &'static str;

    /// Runs a call.
    fn call(self: Arc<Self>, call: Call) -> impl Future<Output = RpcResult> + Send;

    /// Runs the calls of one request; the outcomes stand in the order of the calls.
    fn call_all(self: Arc<Self>, calls: Vec<Call>) -> impl Future<Output = Vec<Outcome>>
    where
        Self: Sized,
    {
        call_each(self, calls)
    }

    /// The method's name if it is one, else `unknown`: metrics have a bounded set of labels.
    fn label(&self, method: &str) -> &'static str;

    /// The methods that this node offers, for people who look.
    fn index(&self) -> Value;

    /// An error in the interface's own dress.
    fn dress(error: RpcError) -> RpcError {
        error
    }
}

/// Runs calls for themselves, several at the same time.
pub(crate) async fn call_each<S: Service>(service: Arc<S>, calls: Vec<Call>) -> Vec<Outcome> {
    let run = |call| {
        let service = Arc::clone(&service);
        async move {
            let began = Instant::now();
            let result = service.call(call).await;
            Outcome { result, took: began.elapsed() }
        }
    };
    stream::iter(calls).map(run).buffered(BATCH_CONCURRENCY).collect().await
}

/// A service behind its edge.
pub(crate) struct Edge<S> {
    pub service: Arc<S>,
    pub limits: Limits,
    pub listener: ListenerConfig,
    pub metrics: Arc<RpcMetrics>,
    pub rate: rate::RateLimiter,
    pub authorizer: Option<Arc<dyn ClientAuthorizer>>,
    /// Changes when the node stops.
    pub closing: watch::Receiver<()>,
}
