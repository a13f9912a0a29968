//! When a validator whose guard is lost may vote again.
//!
//! A key may have signed in a former life of which no record is left: at some height whose predecessor was
//! decided before this process started. Block times grow with every height, and more than a third of honest
//! validators only accept a time up to the clocks' precision ahead of their own clocks, which in turn are at
//! most that far from ours. So that predecessor's time is at most twice the precision after our start. Once
//! we have committed a block with a later time, every following height is one that the key has never signed.
//! (docs/adr/0008)

use std::time::Duration;

use crate::context::BlockTime;

/// A validator without a record of what it has signed, waiting for a block that is surely new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abstention {
    until: BlockTime,
    precision: Duration,
}

impl Abstention {
    /// Begins at `started`, the time of this node's clock at its start. `precision` is how far two correct
    /// clocks may be apart.
    pub fn new(started: BlockTime, precision: Duration) -> Self {
        Self { until: started.after(precision.saturating_mul(2)), precision }
    }

    /// The time that a block must exceed to end this.
    pub fn until(&self) -> BlockTime {
        self.until
    }

    /// A block of this time was committed, at `now` by this node's clock: whether the validator may vote
    /// at the heights that follow. `caught_up` says that the network has not been seen to be further.
    ///
    /// A decided block ahead of our clock proves that the clock is behind. Then it was at the start as well,
    /// and no block up to this one counts as new.
    pub fn ends(&mut self, block: BlockTime, now: BlockTime, caught_up: bool) -> bool {
        if block > now.after(self.precision) {
            self.until = self.until.max(block.after(self.precision.saturating_mul(2)));
            return false;
        }
        caught_up && block > self.until
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PRECISION: Duration = Duration::from_millis(500);

    fn at(millis: i64) -> BlockTime {
        BlockTime { seconds: 1_000, nanos: 0 }.after(Duration::from_millis(millis as u64))
    }

    #[test]
    fn old_blocks_and_blocks_within_twice_the_precision_do_not_end_it() {
        let mut abstention = Abstention::new(at(0), PRECISION);
        assert!(!abstention.ends(BlockTime::default(), at(5_000), true), "synced, years old");
        assert!(!abstention.ends(at(0), at(5_000), true));
        assert!(!abstention.ends(at(1_000), at(5_000), true), "exactly twice the precision");
        assert!(abstention.ends(at(1_001), at(5_000), true));
    }

    #[test]
    fn new_block_does_not_end_it_while_the_network_is_known_to_be_further() {
        let mut abstention = Abstention::new(at(0), PRECISION);
        assert!(!abstention.ends(at(2_000), at(5_000), false));
        assert!(abstention.ends(at(3_000), at(5_000), true));
    }

    #[test]
    fn clock_that_is_behind_never_ends_it_until_it_is_set() {
        let mut abstention = Abstention::new(at(0), PRECISION);
        for seconds in 1..100 {
            // The clock is a minute behind the blocks.
            let now = at(seconds * 1_000);
            assert!(!abstention.ends(now.after(Duration::from_secs(60)), now, true));
        }
        let seen = at(159_000);
        assert!(!abstention.ends(seen, seen, true), "no block up to the last from the future counts");
        assert!(abstention.ends(at(160_001), at(160_001), true));
    }

    proptest! {
        /// Former lives with correct clocks: whatever they signed lies at or below the height that ends this.
        #[test]
        fn nothing_signed_before_can_be_signed_again(
            steps in prop::collection::vec(1..3_000i64, 2..40),
            signed in 0usize..40,
            ahead in 0..=500i64,
            skew in 0..=500i64,
        ) {
            // Block times in ms; block i is decided at least `steps[i]` after the one before, its time up to
            // the precision ahead of the clocks of those that accept it.
            let times: Vec<i64> = steps.iter().scan(0, |time, step| { *time += step; Some(*time) }).collect();
            let signed = signed % times.len();
            // The key signed at height `signed + 1`, so block `signed` was decided before our start. Our
            // clock is up to the precision behind those that accepted its time.
            let started = (times[signed] - ahead - skew).max(0);
            let mut abstention = Abstention::new(at(started), PRECISION);
            let ends = times.iter().position(|time| abstention.ends(at(*time), at(1_000_000), true));
            prop_assert!(ends.is_none_or(|ends| ends > signed));
        }
    }
}
