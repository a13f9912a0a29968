//! What the interfaces count.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

/// Upper bounds of the latency buckets, in seconds.
const LATENCY_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 10.0];

/// Counters of both interfaces. Labels come from the method tables, so their number is bounded.
pub struct RpcMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    refused: IntCounterVec,
    handshakes: IntCounterVec,
    sockets: IntGaugeVec,
}

impl RpcMetrics {
    /// Makes the metrics and registers them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new("rpc_requests_total", "RPC calls answered, by interface, method and result"),
                &["interface", "method", "result"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new("rpc_request_seconds", "Time to answer an RPC call")
                    .buckets(LATENCY_BUCKETS.to_vec()),
                &["interface", "method"],
            )?,
            refused: IntCounterVec::new(
                Opts::new("rpc_refused_total", "RPC requests refused at the edge, by reason"),
                &["interface", "reason"],
            )?,
            handshakes: IntCounterVec::new(
                Opts::new("rpc_handshakes_total", "TLS handshakes of applications, begun and completed"),
                &["interface", "stage"],
            )?,
            sockets: IntGaugeVec::new(
                Opts::new("rpc_websockets", "Open WebSocket connections"),
                &["interface"],
            )?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.handshakes.clone()))?;
        registry.register(Box::new(metrics.sockets.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn observe(&self, interface: &str, method: &str, succeeded: bool, took: Duration) {
        let result = if succeeded { "ok" } else { "error" };
        let counter: IntCounter = self.requests.with_label_values(&[interface, method, result]);
        let histogram: Histogram = self.seconds.with_label_values(&[interface, method]);
        counter.inc();
        histogram.observe(took.as_secs_f64());
    }

    pub(crate) fn observe_refused(&self, interface: &str, reason: &'static str) {
        self.refused.with_label_values(&[interface, reason]).inc();
    }

    pub(crate) fn handshake_begun(&self, interface: &str) {
        self.handshakes.with_label_values(&[interface, "begun"]).inc();
    }

    pub(crate) fn handshake_completed(&self, interface: &str) {
        self.handshakes.with_label_values(&[interface, "completed"]).inc();
    }

    pub(crate) fn socket_opened(&self, interface: &str) {
        self.sockets.with_label_values(&[interface]).inc();
    }

    pub(crate) fn socket_closed(&self, interface: &str) {
        self.sockets.with_label_values(&[interface]).dec();
    }
}
