//! Counters and gauges of consensus and transport, in the Prometheus text format.

use std::sync::{Mutex, PoisonError, atomic::AtomicU64};

use arc_malachitebft_metrics::Metrics as EngineMetrics;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Metric, Registry},
};

use crate::transport::Channel;

type Label = [(&'static str, &'static str); 1];

/// Everything that this crate counts. The engine's own metrics are among it.
#[derive(Debug)]
pub struct ConsensusMetrics {
    registry: Mutex<Registry>,
    /// The engine's metrics.
    pub(crate) engine: EngineMetrics,
    /// The height being decided.
    pub height: Gauge,
    /// The round being tried.
    pub round: Gauge,
    /// Connected peers.
    pub peers: Gauge,
    /// Validators that are not connected, silent or far behind.
    pub validators_away: Gauge,
    /// Blocks committed.
    pub committed: Counter,
    /// Messages that this validator refused to sign, and abstained.
    pub signing_refused: Counter,
    /// 1 while this validator abstains because its guard is lost.
    pub abstaining: Gauge,
    /// The block time until which it does, in Unix seconds; 0 when it votes.
    pub abstains_until: Gauge,
    /// How far this node's clock is ahead of the others', in seconds.
    pub clock_offset: Gauge<f64, AtomicU64>,
    /// 1 while this node's clock is too far from the others'.
    pub clock_off: Gauge,
    /// Equivocations proven.
    pub evidence: Counter,
    /// Peers kept away for a while.
    pub bans: Counter,
    /// Torn ends of the engine's log that were cut off at this start.
    pub log_torn: Counter,
    /// Bytes sent, before TLS.
    pub bytes_sent: Counter,
    handshakes_failed: Family<Label, Counter>,
    disconnects: Family<Label, Counter>,
    messages_dropped: Family<Label, Counter>,
    bytes_received: Family<Label, Counter>,
    frames_received: Family<Label, Counter>,
    outbound_dropped: Family<Label, Counter>,
    blocks_rejected: Family<Label, Counter>,
    /// Blocks that this node could not judge: its ledger failed.
    pub blocks_undecidable: Counter,
}

impl Default for ConsensusMetrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("concordat_consensus")),
            engine: EngineMetrics::new(),
            height: Gauge::default(),
            round: Gauge::default(),
            peers: Gauge::default(),
            validators_away: Gauge::default(),
            committed: Counter::default(),
            signing_refused: Counter::default(),
            abstaining: Gauge::default(),
            abstains_until: Gauge::default(),
            clock_offset: Gauge::default(),
            clock_off: Gauge::default(),
            evidence: Counter::default(),
            bans: Counter::default(),
            log_torn: Counter::default(),
            bytes_sent: Counter::default(),
            handshakes_failed: Family::default(),
            disconnects: Family::default(),
            messages_dropped: Family::default(),
            bytes_received: Family::default(),
            frames_received: Family::default(),
            outbound_dropped: Family::default(),
            blocks_rejected: Family::default(),
            blocks_undecidable: Counter::default(),
        };
        metrics.register();
        metrics.register_engine();
        metrics
    }
}

impl ConsensusMetrics {
    fn add(&self, name: &str, help: &str, metric: impl Metric) {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).register(name, help, metric);
    }

    fn register(&self) {
        self.add("height", "Height being decided", self.height.clone());
        self.add("round", "Round being tried", self.round.clone());
        self.add("peers", "Connected peers", self.peers.clone());
        self.add(
            "validators_away",
            "Validators that are not connected, silent or far behind, as seen when the height began",
            self.validators_away.clone(),
        );
        self.add("committed", "Blocks committed since the start", self.committed.clone());
        self.add("signing_refused", "Messages this validator refused to sign", self.signing_refused.clone());
        self.add(
            "abstaining",
            "1 while this validator abstains because its vote guard was lost",
            self.abstaining.clone(),
        );
        self.add(
            "abstains_until_seconds",
            "Block time until which this validator abstains, Unix seconds; 0 when it votes",
            self.abstains_until.clone(),
        );
        self.add(
            "clock_offset_seconds",
            "This node's clock minus that of the others, going by decided blocks",
            self.clock_offset.clone(),
        );
        self.add(
            "clock_off",
            "1 while this node's clock is further from the others than the chain allows",
            self.clock_off.clone(),
        );
        self.add("evidence", "Equivocations proven", self.evidence.clone());
        self.add("bans", "Peers kept away for a while: they broke the protocol", self.bans.clone());
        self.add("log_torn", "Torn ends of the engine's log, cut off at the start", self.log_torn.clone());
        self.add("bytes_sent", "Bytes sent to peers, before TLS", self.bytes_sent.clone());
        self.add(
            "handshakes_failed",
            "Peer connections not established, by reason",
            self.handshakes_failed.clone(),
        );
        self.add("disconnects", "Peer connections ended, by reason", self.disconnects.clone());
        self.add("messages_dropped", "Messages of peers dropped, by reason", self.messages_dropped.clone());
        self.add("bytes_received", "Bytes received from peers, by channel", self.bytes_received.clone());
        self.add("frames_received", "Frames received from peers, by channel", self.frames_received.clone());
        self.add(
            "outbound_dropped",
            "Messages not sent because a peer is slow, by channel",
            self.outbound_dropped.clone(),
        );
        self.add("blocks_rejected", "Proposed blocks rejected, by reason", self.blocks_rejected.clone());
        self.add(
            "blocks_undecidable",
            "Blocks that this node could not judge because its ledger failed",
            self.blocks_undecidable.clone(),
        );
    }

    fn register_engine(&self) {
        let engine = &self.engine;
        self.add("engine_time_per_block_seconds", "Time per block", engine.time_per_block.clone());
        self.add(
            "engine_consensus_time_seconds",
            "Time from proposal to decision",
            engine.consensus_time.clone(),
        );
        self.add("engine_time_per_step_seconds", "Time per step", engine.time_per_step.clone());
        self.add("engine_rounds", "Rounds needed per decision", engine.consensus_round.clone());
        self.add("engine_signing_seconds", "Time to sign", engine.signature_signing_time.clone());
        self.add(
            "engine_verification_seconds",
            "Time to check a signature",
            engine.signature_verification_time.clone(),
        );
        self.add(
            "engine_queue_heights",
            "Future heights with buffered messages",
            engine.queue_heights.clone(),
        );
        self.add("engine_queue_size", "Buffered messages of future heights", engine.queue_size.clone());
        self.add(
            "engine_safety_failure",
            "1 if the engine stopped to stay safe",
            engine.node_safety_failure.clone(),
        );
    }

    /// All metrics in the Prometheus text format.
    pub fn encode_prometheus(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }

    /// Counts a connection that was not established.
    pub(crate) fn handshake_failed(&self, reason: &'static str) {
        self.handshakes_failed.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts a connection that ended.
    pub(crate) fn disconnected(&self, reason: &'static str) {
        self.disconnects.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts a peer's message that was not passed on.
    pub(crate) fn dropped(&self, reason: &'static str) {
        self.messages_dropped.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts a rejected block.
    pub(crate) fn block_rejected(&self, reason: &'static str) {
        self.blocks_rejected.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts a received frame.
    pub(crate) fn received(&self, channel: Channel, bytes: usize) {
        let label = [("channel", channel.name())];
        self.frames_received.get_or_create(&label).inc();
        self.bytes_received.get_or_create(&label).inc_by(bytes as u64);
    }

    /// Counts a message that was not sent.
    pub(crate) fn outbound_dropped(&self, channel: Channel) {
        self.outbound_dropped.get_or_create(&[("channel", channel.name())]).inc();
    }
}
