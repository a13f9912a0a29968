//! Token buckets: how much a peer may send.

use std::time::{Duration, Instant};

use crate::config::Rate;

/// A bucket of messages and one of bytes; both start full and hold what two seconds bring.
#[derive(Clone, Debug)]
pub struct RateLimit {
    rate: Rate,
    messages: f64,
    bytes: f64,
    refilled: Instant,
}

/// The seconds of sustained rate that a bucket holds.
pub const BURST_SECONDS: f64 = 2.0;

impl RateLimit {
    /// A full bucket.
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            messages: f64::from(rate.messages_per_second) * BURST_SECONDS,
            bytes: f64::from(rate.bytes_per_second) * BURST_SECONDS,
            refilled: now,
        }
    }

    /// How long nothing was taken.
    pub fn idle(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.refilled)
    }

    /// Takes bytes of a message, and the message itself when it is complete; `false` if there is not enough. What
    /// was refused is not owed.
    pub fn take(&mut self, bytes: usize, complete: bool, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.refilled = now;
        let refill = |level: f64, rate: u32| {
            let rate = f64::from(rate);
            (level.max(0.0) + rate * elapsed).min(rate * BURST_SECONDS)
        };
        self.messages = refill(self.messages, self.rate.messages_per_second) - f64::from(u8::from(complete));
        self.bytes = refill(self.bytes, self.rate.bytes_per_second) - bytes as f64;
        self.messages >= 0.0 && self.bytes >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sustained_rate_passes_and_a_flood_does_not() {
        let start = Instant::now();
        let mut limit = RateLimit::new(Rate { messages_per_second: 10, bytes_per_second: 1000 }, start);
        let mut now = start;
        for _ in 0..100 {
            now += Duration::from_millis(100);
            assert!(limit.take(100, true, now));
        }
        let accepted = (0..100).filter(|_| limit.take(1, true, now)).count();
        assert!((10..=20).contains(&accepted), "{accepted}");
    }

    #[test]
    fn bytes_are_limited_too_and_fragments_do_not_count_as_messages() {
        let now = Instant::now();
        let mut limit = RateLimit::new(Rate { messages_per_second: 1, bytes_per_second: 1000 }, now);
        for _ in 0..20 {
            assert!(limit.take(100, false, now));
        }
        assert!(!limit.take(1, false, now));
    }
}
