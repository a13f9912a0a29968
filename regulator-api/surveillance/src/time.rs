//! Moments of the chain, and lengths of time on it: so many blocks, or seconds of block time.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A moment: the height of a block and its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The height.
    pub height: u64,
    /// The block's time, in milliseconds.
    pub time_ms: u64,
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// So many blocks, the present one included.
    Blocks(u64),
    /// So many seconds of block time.
    Seconds(u64),
}

impl Span {
    /// Whether `then` lies less than this before `now`.
    pub fn covers(self, now: Stamp, then: Stamp) -> bool {
        match self {
            Self::Blocks(blocks) => now.height.saturating_sub(then.height) < blocks,
            Self::Seconds(seconds) => now.time_ms.saturating_sub(then.time_ms) < seconds.saturating_mul(1000),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocks(blocks) => write!(f, "{blocks} blocks"),
            Self::Seconds(seconds) => write!(f, "{seconds} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_covers_what_is_less_than_its_length_ago() {
        let at = |height, time_ms| Stamp { height, time_ms };
        assert!(Span::Blocks(1).covers(at(7, 0), at(7, 0)), "the present block");
        assert!(!Span::Blocks(1).covers(at(7, 0), at(6, 0)));
        assert!(Span::Seconds(1).covers(at(0, 1_999), at(0, 1_000)));
        assert!(!Span::Seconds(1).covers(at(0, 2_000), at(0, 1_000)));
    }
}
