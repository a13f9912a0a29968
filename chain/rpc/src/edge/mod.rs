//! The edges that clients meet: listeners, TLS, limits, who may call, counting.

mod answer;
mod guard;
pub(crate) mod http;
mod metrics;
mod rate;
mod serve;
pub(crate) mod socket;
mod tls;

use std::{future::Future, sync::Arc};

use serde_json::Value;
use tokio::sync::watch;

use crate::{
    Limits, ListenerConfig,
    jsonrpc::{Call, RpcError, RpcResult},
};

pub use metrics::RpcMetrics;
pub use serve::{RpcParts, RpcServers, ServeError, serve};
pub(crate) use serve::{SubscribableService, is_upgrade};
pub(crate) use socket::Session;
pub use tls::{ClientAuthorizer, ClientRefusal, ServerIdentity, TlsEdge};

/// One interface's methods.
pub(crate) trait Service: Send + Sync + 'static {
    /// The interface's name in metrics.
    const INTERFACE: &'static str;

    /// Runs a call.
    fn call(self: Arc<Self>, call: Call) -> impl Future<Output = RpcResult> + Send;

    /// The method's name if it is one, else `unknown`: metrics have a bounded set of labels.
    fn label(&self, method: &str) -> &'static str;

    /// The methods that this node offers, for people who look.
    fn index(&self) -> Value;

    /// An error in the interface's own dress.
    fn dress(error: RpcError) -> RpcError {
        error
    }
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
