//! Whether this node's clock agrees with those of the others.
//!
//! A block that was decided had a time that more than two thirds of the validators found close to their clocks.
//! So how far that is from our clock, when the proposal arrived, says how wrong ours is.

use std::{collections::VecDeque, time::Duration};

use super::Host;
use crate::context::BlockTime;

/// How many decided blocks are looked at. The lower quartile of them counts: blocks are late at times, on a slow
/// line or a busy machine, but never early.
const SAMPLES: usize = 9;
/// With fewer than these nothing is said.
const MIN_SAMPLES: usize = 3;

/// What our clock shows when others' blocks arrive, compared with the blocks' times.
#[derive(Clone, Debug)]
pub struct ClockWatch {
    precision_ms: i64,
    /// Our clock minus the block's time, in milliseconds, newest last.
    offsets: VecDeque<i64>,
    off: bool,
}

/// That our clock has been found wrong, or right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is this far ahead, in milliseconds; behind if negative.
    Off(i64),
    /// It agrees with the others again.
    Right,
}

impl ClockWatch {
    /// Correct clocks are at most `precision` apart.
    pub fn new(precision: Duration) -> Self {
        let mut watch = Self { precision_ms: 0, offsets: VecDeque::new(), off: false };
        watch.set_precision(precision);
        watch
    }

    /// From now on, correct clocks are at most `precision` apart.
    pub fn set_precision(&mut self, precision: Duration) {
        self.precision_ms = i64::try_from(precision.as_millis()).unwrap_or(i64::MAX);
    }

    /// Another validator's block of the time `block` was decided; it had arrived at `arrived` by our clock.
    pub fn decided(&mut self, block: BlockTime, arrived: BlockTime) -> Option<Turn> {
        self.offsets.push_back(arrived.millis_since(block));
        if self.offsets.len() > SAMPLES {
            self.offsets.pop_front();
        }
        let offset = self.offset_ms()?;
        let off = offset.saturating_abs() > self.precision_ms;
        let turned = std::mem::replace(&mut self.off, off) != off;
        turned.then_some(if off { Turn::Off(offset) } else { Turn::Right })
    }

    /// How far our clock is ahead, in milliseconds, with the time that blocks travel at least; behind if negative.
    pub fn offset_ms(&self) -> Option<i64> {
        let mut sorted: Vec<i64> = self.offsets.iter().copied().collect();
        sorted.sort_unstable();
        (sorted.len() >= MIN_SAMPLES).then(|| sorted.get(sorted.len() / 4).copied()).flatten()
    }

    /// How far correct clocks are apart at most.
    pub fn precision(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.precision_ms).unwrap_or(0))
    }

    /// Whether our clock is further from the others than correct clocks are.
    pub fn is_off(&self) -> bool {
        self.off
    }
}

impl Host {
    /// How far this node's clock is ahead of the others', in milliseconds, once that is known.
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.state().clock.offset_ms()
    }

    /// Compares this node's clock with the time of another validator's block that was decided.
    pub(super) fn compare_clock(&self, block: BlockTime, arrived: BlockTime) {
        let (turn, offset, off) = {
            let clock = &mut self.state().clock;
            (clock.decided(block, arrived), clock.offset_ms(), clock.is_off())
        };
        let metrics = &self.network.metrics;
        metrics.clock_offset.set(offset.unwrap_or(0) as f64 / 1_000.0);
        metrics.clock_off.set(i64::from(off));
        match turn {
            Some(Turn::Off(offset_ms)) => tracing::warn!(
                offset_ms,
                "This node's clock is {}: blocks that the others agree on have other times. Set it (NTP). Until \
                 then this node's proposals are refused, and it refuses others'",
                if offset_ms > 0 { "ahead" } else { "behind" }
            ),
            Some(Turn::Right) => tracing::info!("This node's clock agrees with the others' again"),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> BlockTime {
        BlockTime { seconds: 1_000_000, nanos: 0 }.after(Duration::from_millis(millis))
    }

    fn watch() -> ClockWatch {
        ClockWatch::new(Duration::from_millis(500))
    }

    #[test]
    fn clock_that_is_behind_or_ahead_is_noticed_once_and_how_far() {
        for (arrived, offset) in [(at(0), -120_000), (at(240_000), 120_000)] {
            let mut watch = watch();
            let turns: Vec<_> = (0..20).filter_map(|_| watch.decided(at(120_000), arrived)).collect();
            assert_eq!(turns, [Turn::Off(offset)]);
            assert_eq!(watch.offset_ms(), Some(offset));
        }
    }

    #[test]
    fn right_clock_and_single_outliers_are_no_news() {
        let mut watch = watch();
        for n in 0..100 {
            let delay = if n % 2 == 0 { 30_000 } else { 40 };
            assert_eq!(watch.decided(at(n * 1_000), at(n * 1_000 + delay)), None);
        }
        assert!(!watch.is_off());
    }

    #[test]
    fn clock_that_was_set_right_is_noticed_too() {
        let mut watch = watch();
        let turns: Vec<_> =
            (0..9).filter_map(|n| watch.decided(at(n * 1_000 + 60_000), at(n * 1_000))).collect();
        assert_eq!(turns, [Turn::Off(-60_000)]);
        assert!(watch.is_off());
        let turns: Vec<_> =
            (0..9).filter_map(|n| watch.decided(at(n * 1_000 + 90_000), at(n * 1_000 + 90_010))).collect();
        assert_eq!(turns, [Turn::Right]);
    }

    #[test]
    fn another_precision_is_another_verdict_on_the_same_clock() {
        let mut watch = watch();
        let turns =
            |watch: &mut ClockWatch| (0..9).filter_map(|_| watch.decided(at(0), at(800))).collect::<Vec<_>>();
        assert_eq!(turns(&mut watch), [Turn::Off(800)]);
        watch.set_precision(Duration::from_secs(1));
        assert_eq!((turns(&mut watch), watch.precision()), (vec![Turn::Right], Duration::from_secs(1)));
    }

    #[test]
    fn nothing_is_said_before_there_are_enough_blocks() {
        let mut watch = watch();
        assert_eq!(watch.decided(at(60_000), at(0)), None);
        assert_eq!(watch.decided(at(60_000), at(0)), None);
        assert_eq!(watch.offset_ms(), None);
    }
}
