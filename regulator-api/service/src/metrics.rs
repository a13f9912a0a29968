//! What operations see: how many answers of which path and status, and how long they took. No names, no addresses.

use concordat_sql::read::Held;
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// Seconds of the histogram's steps.
const STEPS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// All series.
pub(crate) struct Metrics {
    registry: Registry,
    answers: Option<IntCounterVec>,
    seconds: Option<HistogramVec>,
    height: Option<IntGauge>,
    log: Option<LogGauges>,
}

/// The log of reads, and what of it the chain vouches for.
struct LogGauges {
    entries: IntGauge,
    anchored: IntGauge,
    anchored_at: IntGauge,
}

impl LogGauges {
    fn new(registry: &Registry) -> Option<Self> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).ok()?;
            registry.register(Box::new(gauge.clone())).ok()?;
            Some(gauge)
        };
        Some(Self {
            entries: gauge("concordat_regulator_reads", "Entries of the log of reads.")?,
            anchored: gauge(
                "concordat_regulator_reads_anchored",
                "Entries of the log of reads up to the newest anchor on chain that they agree with.",
            )?,
            anchored_at: gauge(
                "concordat_regulator_reads_anchored_time_seconds",
                "Unix time of the block with that anchor; 0 where there is none.",
            )?,
        })
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        // The names are right and stand there once, so that none of these fails.
        let answers = IntCounterVec::new(
            Opts::new("concordat_regulator_answers_total", "Answers by endpoint and status."),
            &["endpoint", "status"],
        )
        .ok();
        let options = HistogramOpts::new("concordat_regulator_seconds", "Time to an answer, by endpoint.");
        let seconds = HistogramVec::new(options.buckets(STEPS.to_vec()), &["endpoint"]).ok();
        let height =
            IntGauge::new("concordat_regulator_height", "The newest block that was answered from.").ok();
        answers.iter().for_each(|one| drop(registry.register(Box::new(one.clone()))));
        seconds.iter().for_each(|one| drop(registry.register(Box::new(one.clone()))));
        height.iter().for_each(|one| drop(registry.register(Box::new(one.clone()))));
        let log = LogGauges::new(&registry);
        Self { registry, answers, seconds, height, log }
    }
}

impl Metrics {
    /// Counts an answer.
    pub(crate) fn observe(&self, endpoint: &str, status: u16, seconds: f64) {
        if let Some(answers) = &self.answers {
            answers.with_label_values(&[endpoint, &status.to_string()]).inc();
        }
        if let Some(histogram) = &self.seconds {
            histogram.with_label_values(&[endpoint]).observe(seconds);
        }
    }

    /// Notes the newest block.
    pub(crate) fn stands_at(&self, height: i64) {
        self.height.iter().for_each(|gauge| gauge.set(height));
    }

    /// Notes how many entries the log of reads has, and what of it the chain vouches for.
    pub(crate) fn log_is(&self, entries: i64, held: Option<Held>) {
        let Some(gauges) = &self.log else { return };
        gauges.entries.set(entries);
        gauges.anchored.set(held.map_or(0, |held| held.count));
        let time_ms = held.and_then(|held| held.time_ms).unwrap_or_default();
        gauges.anchored_at.set(time_ms.checked_div(1000).unwrap_or_default());
    }

    /// In the text format.
    pub(crate) fn text(&self) -> String {
        let mut out = Vec::new();
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}
