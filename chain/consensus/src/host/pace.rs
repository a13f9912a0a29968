//! How long proposals take at present: what a round waits for one follows it.
//!
//! The configured timeout must do for a large block on a slow line. Where blocks come in a tenth of that, waiting
//! so long for a proposer that has just died is what clients notice most of its death.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Proposals that are looked at.
const SAMPLES: usize = 16;

/// With fewer than these the configured timeout stands.
const MIN_SAMPLES: usize = 4;

/// However fast proposals were, the next one may carry what a burst has brought.
const SHORTEST: Duration = Duration::from_millis(200);

/// How long the newest proposals took, from the beginning of their round until they had been judged.
#[derive(Clone, Debug, Default)]
pub struct Pace(VecDeque<Duration>);

impl Pace {
    /// The proposal of a round that began at `began` has been judged.
    pub fn judged(&mut self, began: Instant, now: Instant) {
        self.0.push_back(now.saturating_duration_since(began));
        if self.0.len() > SAMPLES {
            self.0.pop_front();
        }
    }

    /// How long to wait for a proposal: twice what the slowest of late took, at most as configured. One that
    /// comes later is seen as well, and makes the next wait longer.
    pub fn patience(&self, configured: Duration) -> Duration {
        let slowest = self.0.iter().max().filter(|_| self.0.len() >= MIN_SAMPLES);
        slowest.map_or(configured, |slowest| slowest.saturating_mul(2).max(SHORTEST).min(configured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIGURED: Duration = Duration::from_millis(400);

    fn after(took: impl IntoIterator<Item = u64>) -> Duration {
        let (mut pace, began) = (Pace::default(), Instant::now());
        took.into_iter().for_each(|ms| pace.judged(began, began + Duration::from_millis(ms)));
        pace.patience(CONFIGURED)
    }

    #[test]
    fn patience_follows_the_slowest_of_late_between_its_bounds() {
        assert_eq!(after([]), CONFIGURED);
        assert_eq!(after([10, 10, 10]), CONFIGURED, "too few to tell");
        assert_eq!(after([10, 10, 10, 10]), SHORTEST);
        assert_eq!(after([10, 150, 10, 10]), Duration::from_millis(300));
        assert_eq!(after([10, 900, 10, 10]), CONFIGURED);
        assert_eq!(after([900].into_iter().chain([120; 15])), CONFIGURED, "it still counts");
        assert_eq!(after([900].into_iter().chain([120; 16])), Duration::from_millis(240), "it is forgotten");
    }

    #[test]
    fn a_shorter_configured_timeout_stays() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        (0..4).for_each(|_| pace.judged(began, began));
        assert_eq!(pace.patience(Duration::from_millis(50)), Duration::from_millis(50));
    }
}
