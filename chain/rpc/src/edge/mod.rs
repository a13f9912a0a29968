//! The edges that clients meet: listeners, TLS, limits, who may call, counting.

mod answer;
mod blocking;
mod flow;
mod guard;
pub(crate) mod http;
mod metrics;
mod push;
mod rate;
mod reads;
mod serve;
pub(crate) mod socket;
mod tls;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use concordat_core::Readable;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    Limits, ListenerConfig,
    jsonrpc::{Call, RpcError, RpcResult},
};

pub(crate) use blocking::Places;
pub use metrics::RpcMetrics;
pub(crate) use push::{Pieces, pieces};
pub use serve::{RpcParts, RpcServers, ServeError, serve};
pub(crate) use serve::{SubscribableService, is_upgrade};
pub(crate) use socket::{Session, Told};
pub use tls::{ClientAuthorizer, ClientRefusal, ReadDenied, ServerIdentity, TlsEdge};

/// Calls of one batch that run at the same time.
const BATCH_CONCURRENCY: usize = 8;

/// What came of a call, and how long it took.
pub(crate) struct Outcome {
    pub result: RpcResult,
    pub took: Duration,
}

/// What comes of the calls of one request. It is taken one by one, so that few results are held at the same time.
pub(crate) type Outcomes = BoxStream<'static, Outcome>;

/// One interface's methods.
pub(crate) trait Service: Send + Sync + 'static {
    /// The interface's name in metrics.
    const INTERFACE: &'static str;

    /// Runs a call.
    fn call(self: Arc<Self>, call: Call) -> impl Future<Output = RpcResult> + Send;

    /// Runs the calls of one request; the outcomes come in the order of the calls, as they are taken.
    fn call_all(self: Arc<Self>, calls: Vec<Call>) -> impl Future<Output = Outcomes>
    where
        Self: Sized,
    {
        std::future::ready(call_each(self, calls))
    }

    /// What a call reads of the ledger: nothing at all, where it is empty.
    fn reads(&self, call: &Call) -> Vec<Readable>;

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
pub(crate) fn call_each<S: Service>(service: Arc<S>, calls: Vec<Call>) -> Outcomes {
    let run = move |call| {
        let service = Arc::clone(&service);
        async move {
            let began = Instant::now();
            let result = service.call(call).await;
            Outcome { result, took: began.elapsed() }
        }
    };
    stream::iter(calls).map(run).buffered(BATCH_CONCURRENCY).boxed()
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::jsonrpc::Params;

    /// Counts the calls that were begun.
    #[derive(Default)]
    struct Begun(AtomicUsize);

    impl Service for Begun {
        const INTERFACE: &'static str = "test";

        async fn call(self: Arc<Self>, _: Call) -> RpcResult {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Value::Null)
        }

        fn label(&self, _: &str) -> &'static str {
            "unknown"
        }

        fn reads(&self, _: &Call) -> Vec<Readable> {
            Vec::new()
        }

        fn index(&self) -> Value {
            Value::Null
        }
    }

    #[tokio::test]
    async fn few_results_of_a_batch_are_held_before_they_are_taken() {
        let service = Arc::new(Begun::default());
        let call = Call { id: None, method: "m".into(), params: Params::Positional(Vec::new()) };
        let mut outcomes = Arc::clone(&service).call_all(vec![call; 100]).await;
        assert!(outcomes.next().await.is_some_and(|outcome| outcome.result.is_ok()));
        assert!(service.0.load(Ordering::SeqCst) <= BATCH_CONCURRENCY + 1);
        assert_eq!(outcomes.count().await, 99);
    }
}
