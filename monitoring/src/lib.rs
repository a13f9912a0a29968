//! What operations see: the log and the metrics of every program.
//!
//! Invariant: nothing secret is ever given to this crate; it formats and counts what it is told.

use std::collections::{HashMap, HashSet};

use prometheus::{Encoder as _, TextEncoder};
use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub use prometheus;

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is none.
    #[error(
        "log filter {filter:?} is not understood: {reason}; use a level such as info, or target=level pairs"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A second call.
    #[error("the log is set up already")]
    Twice,
}

/// Starts logging to standard error. Once per process.
///
/// The consensus engine logs every step at `info`: it is kept at `warn` unless the filter names it.
pub fn init_log(filter: &str, format: LogFormat) -> Result<(), LogError> {
    let directives = if filter.contains("malachite") {
        filter.to_owned()
    } else {
        format!("{filter},arc_malachitebft=warn,arc_malachitebft_engine::node=error,ractor=warn")
    };
    let env = EnvFilter::builder()
        .parse(&directives)
        .map_err(|e| LogError::Filter { filter: filter.to_owned(), reason: e.to_string() })?;
    let registry = tracing_subscriber::registry().with(env);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(true);
    match format {
        LogFormat::Text => registry.with(layer.with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    }
    .map_err(|_| LogError::Twice)
}

/// A registry whose every metric name starts with `concordat_` and carries the given labels.
pub fn registry(labels: HashMap<String, String>) -> prometheus::Result<prometheus::Registry> {
    prometheus::Registry::new_custom(Some("concordat".into()), Some(labels))
}

/// All metrics in Prometheus' text format 0.0.4.
pub fn encode(registry: &prometheus::Registry) -> String {
    let mut out = Vec::new();
    match TextEncoder::new().encode(&registry.gather(), &mut out) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        Err(error) => format!("# metrics could not be encoded: {error}\n"),
    }
}

/// OpenMetrics 1.0 in Prometheus' text format 0.0.4, which every collector reads. They differ in that
/// OpenMetrics declares a counter without the `_total` of its samples, has units, and marks its end.
pub fn text_of_openmetrics(openmetrics: &str) -> String {
    let counters: HashSet<&str> = openmetrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let declared =
            ["# HELP ", "# TYPE "].into_iter().find_map(|kind| Some((kind, line.strip_prefix(kind)?)));
        match declared.and_then(|(kind, rest)| Some((kind, rest.split_once(' ')?))) {
            Some((kind, (name, rest))) if counters.contains(name) => {
                text.extend([kind, name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_becomes_the_text_format() {
        let openmetrics = "# HELP frames Frames received.\n# TYPE frames counter\n\
                           frames_total{channel=\"sync\"} 5\n# HELP rounds Rounds.\n# TYPE rounds gauge\n\
                           # UNIT rounds rounds\nrounds 1\n# EOF\n";
        let text = "# HELP frames_total Frames received.\n# TYPE frames_total counter\n\
                    frames_total{channel=\"sync\"} 5\n# HELP rounds Rounds.\n# TYPE rounds gauge\nrounds 1\n";
        assert_eq!(text_of_openmetrics(openmetrics), text);
    }

    #[test]
    fn metrics_carry_the_prefix_and_the_labels() {
        let registry = registry(HashMap::from([("chain".into(), "test".into())])).unwrap();
        let counter = prometheus::IntCounter::new("things_total", "Things.").unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        counter.inc();
        assert!(encode(&registry).contains("concordat_things_total{chain=\"test\"} 1"));
    }

    #[test]
    fn a_filter_that_is_none_is_refused_by_name() {
        let error = init_log("no=such=thing", LogFormat::Text).unwrap_err().to_string();
        assert!(error.contains("no=such=thing"), "{error}");
    }
}
