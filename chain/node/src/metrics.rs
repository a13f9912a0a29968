//! The node's own metrics, all under `concordat_`.

use concordat_core::{governance::InForce, known_protocol_version};
use concordat_rpc::SubmitError;
use concordat_types::{B256, Block, Receipt};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::ledger::Tip;

/// Buckets from a tenth of a millisecond to three seconds.
const SECONDS: [f64; 12] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0];

/// The node's own metrics.
pub struct NodeMetrics {
    /// Height of the newest committed block.
    pub height: IntGauge,
    /// Time spent executing and building proposals.
    pub build_seconds: Histogram,
    /// Time spent executing others' proposals.
    pub execute_seconds: Histogram,
    /// Time spent in the durable commit.
    pub commit_seconds: Histogram,
    /// Proposals that broke a rule.
    pub blocks_refused: IntCounter,
    /// Conflicting messages signed by one validator.
    pub equivocations: IntCounter,
    /// Pieces of evidence in the store, of this run and those before.
    pub evidence_kept: IntGauge,
    /// Malformed or wrongly signed transactions that peers told.
    pub gossip_refused: IntCounter,
    certificate_left_seconds: IntGaugeVec,
    block_interval_seconds: Histogram,
    block_transactions: IntCounter,
    outcomes: IntCounterVec,
    gas_used: IntCounter,
    block_time: IntGauge,
    pool_transactions: IntGauge,
    pool_bytes: IntGauge,
    /// Heights that this node has signed for and the store did not have at the start.
    pub store_lost_blocks: IntGauge,
    disk_free_bytes: IntGauge,
    store_keys: IntGauge,
    store_bytes: IntGaugeVec,
    store_errors: IntCounterVec,
    last_end: IntGaugeVec,
    protocol_version: IntGaugeVec,
    submissions: IntCounterVec,
    last_block: std::sync::Mutex<Option<std::time::Instant>>,
}

impl NodeMetrics {
    /// Makes the metrics and registers them.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let make = Maker(registry);
        Ok(Self {
            height: make.gauge("height", "Height of the newest committed block.")?,
            build_seconds: make
                .histogram("build_seconds", "Time to build a proposal, execution included.")?,
            execute_seconds: make
                .histogram("execute_seconds", "Time to execute a proposal of another node.")?,
            commit_seconds: make.histogram("commit_seconds", "Time of the durable commit of a block.")?,
            blocks_refused: make.counter("blocks_refused_total", "Proposals that broke a rule.")?,
            equivocations: make.counter("equivocations_total", "Conflicting messages of one validator.")?,
            evidence_kept: make.gauge("evidence_kept", "Stored evidence of validators' contradictions.")?,
            gossip_refused: make
                .counter("gossip_refused_total", "Malformed or wrongly signed transactions from peers.")?,
            certificate_left_seconds: make.gauges(
                "certificate_left_seconds",
                "Time until a certificate of this node expires; a day has 86400 seconds.",
                &["certificate"],
            )?,
            block_interval_seconds: make
                .histogram("block_interval_seconds", "Time between two commits on this node.")?,
            block_transactions: make.counter("transactions_total", "Committed transactions.")?,
            outcomes: make.counters("outcomes_total", "Committed transactions by outcome.", &["outcome"])?,
            gas_used: make.counter("gas_used_total", "Gas of committed transactions.")?,
            block_time: make.gauge("block_time_seconds", "Time of the newest block, Unix seconds.")?,
            pool_transactions: make.gauge("pool_transactions", "Transactions that wait for a block.")?,
            pool_bytes: make.gauge("pool_bytes", "Bytes of waiting transactions.")?,
            store_keys: make.gauge("store_keys", "Keys of the newest state.")?,
            store_bytes: make.gauges(
                "store_bytes",
                "Bytes of the database, on disk and in memory.",
                &["part"],
            )?,
            store_lost_blocks: make.gauge(
                "store_lost_blocks",
                "Blocks that this node has helped to decide and its store did not have when it started.",
            )?,
            disk_free_bytes: make
                .gauge("disk_free_bytes", "Room left on the disk of the data folder, in bytes.")?,
            store_errors: make.counters(
                "store_errors_total",
                "Failures of the database and damage that it met, by kind.",
                &["kind"],
            )?,
            last_end: make.gauges(
                "last_end",
                "1 for the reason why the run before this one ended.",
                &["reason"],
            )?,
            protocol_version: make.gauges(
                "protocol_version",
                "Protocol versions: of the next block, scheduled (0 if none is), and the highest that this program knows.",
                &["kind"],
            )?,
            submissions: make.counters(
                "submissions_total",
                "Transactions submitted by applications, by what the pool said.",
                &["result"],
            )?,
            last_block: std::sync::Mutex::new(None),
        })
    }

    /// Counts a committed block.
    pub fn block_committed(&self, block: &Block, receipts: &[Receipt], tip: &Tip) {
        self.height.set(i64::try_from(tip.height).unwrap_or(i64::MAX));
        self.block_time.set(tip.time.unix_timestamp());
        self.block_transactions.inc_by(block.txs.len() as u64);
        self.gas_used.inc_by(receipts.iter().map(|receipt| receipt.gas_used).sum());
        for receipt in receipts {
            let label = format!("{:?}", receipt.outcome).to_lowercase();
            self.outcomes.with_label_values(&[&label]).inc();
        }
        let before = crate::ledger::lock(&self.last_block).replace(tip.committed_at);
        if let Some(before) = before {
            self.block_interval_seconds
                .observe(tip.committed_at.saturating_duration_since(before).as_secs_f64());
        }
    }

    /// Counts a submission.
    pub fn submitted<T>(&self, result: &Result<T, SubmitError>) {
        let label = match result {
            Ok(_) => "accepted",
            Err(SubmitError::Transaction(reason)) => reason.kind(),
            Err(SubmitError::Invalid(reason)) => reason.kind(),
            Err(SubmitError::AlreadyKnown) => "already_known",
            Err(SubmitError::NonceTooFar { .. }) => "nonce_too_far",
            Err(SubmitError::NonceHeld { .. }) => "nonce_held",
            Err(SubmitError::PoolFull { .. } | SubmitError::SenderFull { .. }) => "full",
            Err(SubmitError::Unavailable(_)) => "unavailable",
        };
        self.submissions.with_label_values(&[label]).inc();
    }

    /// Shows how long the node's certificates last, judged now.
    pub fn certificates(&self, expiries: &[(&'static str, i64)], now_secs: i64) {
        for (name, not_after) in expiries {
            let left = not_after.saturating_sub(now_secs);
            self.certificate_left_seconds.with_label_values(&[name]).set(left);
        }
    }

    /// Shows what the database holds. Asked for at every scrape: it costs microseconds.
    pub fn store(&self, stats: &concordat_state::Stats) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.store_keys.set(gauge(stats.keys));
        let parts = [
            ("tree", stats.tree_bytes),
            ("write_buffer", stats.write_buffer_bytes),
            ("block_cache", stats.block_cache_bytes),
            ("disk", stats.disk_bytes),
        ];
        for (part, bytes) in parts {
            self.store_bytes.with_label_values(&[part]).set(gauge(bytes));
        }
    }

    /// Counts what the store has met since the last time.
    pub fn store_errors(&self) {
        for (kind, count) in concordat_state::faults() {
            let counter = self.store_errors.with_label_values(&[kind]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }

    /// Shows why the run before ended.
    pub fn last_end(&self, reason: &str) {
        self.last_end.with_label_values(&[reason]).set(1);
    }

    /// Shows which protocol version the next block has, which is to come, and which are known.
    pub fn protocol(&self, next: &InForce) {
        let scheduled = next.upgrade.map_or(0, |upgrade| upgrade.version);
        let versions = [
            ("running", next.params.protocol_version),
            ("scheduled", scheduled),
            ("known", known_protocol_version()),
        ];
        for (kind, version) in versions {
            let gauge = self.protocol_version.with_label_values(&[kind]);
            gauge.set(i64::try_from(version).unwrap_or(i64::MAX));
        }
    }

    /// Shows how many bytes are left on the disk of the data folder.
    pub fn disk_free(&self, bytes: u64) {
        self.disk_free_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Shows how full the pool is: transactions and bytes.
    pub fn pool(&self, (transactions, bytes): (usize, usize)) {
        self.pool_transactions.set(transactions as i64);
        self.pool_bytes.set(bytes as i64);
    }
}

/// Makes and registers metrics.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn add<T: prometheus::core::Collector + Clone + 'static>(&self, metric: T) -> prometheus::Result<T> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.add(IntGauge::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.add(IntCounter::new(name, help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str) -> prometheus::Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()))?)
    }
}

/// The first 20 bytes of a public key's fingerprint, as CometBFT names nodes.
pub fn node_id(spki_sha256: &B256) -> [u8; 20] {
    let mut id = [0; 20];
    id.iter_mut().zip(spki_sha256).for_each(|(to, from)| *to = *from);
    id
}
