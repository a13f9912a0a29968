//! Percentiles and time series of latencies.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::Serialize;

/// A transaction whose receipt was seen.
#[derive(Clone, Copy, Debug)]
pub struct Confirmation {
    /// When.
    pub at: Instant,
    /// How long after its submission.
    pub latency: Duration,
}

/// A distribution of latencies, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half are at most this.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// None is more.
    pub max: f64,
    /// How many there are.
    pub count: usize,
}

impl Latency {
    /// The distribution of some confirmations; all zero if there are none.
    pub fn of(confirmations: &[Confirmation]) -> Self {
        let mut ms: Vec<f64> = confirmations.iter().map(|one| milliseconds(one.latency)).collect();
        ms.sort_by(f64::total_cmp);
        Self {
            p50: percentile(&ms, 0.50),
            p99: percentile(&ms, 0.99),
            max: ms.last().copied().map_or(0.0, tenth),
            count: ms.len(),
        }
    }
}

/// The nearest-rank percentile of ascending numbers, to a tenth; zero of none.
pub fn percentile(ascending: &[f64], fraction: f64) -> f64 {
    let rank = (fraction * ascending.len() as f64).ceil() as usize;
    ascending.get(rank.saturating_sub(1)).copied().map_or(0.0, tenth)
}

/// One second of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Second {
    /// Seconds since the load began.
    pub t: u64,
    /// Transactions confirmed in it.
    pub tps: usize,
    /// Their latencies.
    pub latency_ms: Latency,
}

/// Whole seconds from `start` on, empty ones included.
pub fn per_second(start: Instant, confirmations: &[Confirmation]) -> Vec<Second> {
    let second = |one: &Confirmation| one.at.saturating_duration_since(start).as_secs();
    let mut sorted = confirmations.to_vec();
    sorted.sort_by_key(|one| one.at);
    let end = sorted.last().map_or(0, |last| second(last) + 1);
    let mut rest = sorted.as_slice();
    let mut seconds = Vec::new();
    for t in 0..end {
        let (now, later) = rest.split_at(rest.partition_point(|one| second(one) <= t));
        seconds.push(Second { t, tps: now.len(), latency_ms: Latency::of(now) });
        rest = later;
    }
    seconds
}

/// Nanoseconds as microseconds for each of so many transactions.
pub fn per_tx(ns: u64, transactions: usize) -> f64 {
    tenth(ns as f64 / 1e3 / transactions.max(1) as f64)
}

/// The same of each kind of thread, but for those that did nothing worth a tenth.
pub fn each_per_tx(by_thread: BTreeMap<String, u64>, transactions: usize) -> BTreeMap<String, f64> {
    let each = by_thread.into_iter().map(|(name, ns)| (name, per_tx(ns, transactions)));
    each.filter(|(_, us)| *us > 0.0).collect()
}

/// Rounded to a tenth: more is noise.
pub fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Rounded to a thousandth, for ratios.
pub fn thousandth(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmations(start: Instant, of: &[(u64, u64)]) -> Vec<Confirmation> {
        let one = |(at, latency): &(u64, u64)| Confirmation {
            at: start + Duration::from_millis(*at),
            latency: Duration::from_millis(*latency),
        };
        of.iter().map(one).collect()
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&hundred, 0.50), 50.0);
        assert_eq!(percentile(&hundred, 0.99), 99.0);
        assert_eq!(percentile(&hundred, 1.0), 100.0);
        assert_eq!(percentile(&[7.0], 0.01), 7.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn a_latency_needs_no_order() {
        let some = confirmations(Instant::now(), &[(0, 30), (1, 10), (2, 20)]);
        assert_eq!(Latency::of(&some), Latency { p50: 20.0, p99: 30.0, max: 30.0, count: 3 });
        assert_eq!(Latency::of(&[]), Latency::default());
    }

    #[test]
    fn seconds_without_confirmations_are_shown_as_such() {
        let start = Instant::now();
        let seconds = per_second(start, &confirmations(start, &[(2_500, 5), (100, 1), (900, 3)]));
        assert_eq!(seconds.iter().map(|second| second.tps).collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!(seconds[0].latency_ms.max, 3.0);
        assert!(per_second(start, &[]).is_empty());
    }
}
