//! What is counted over the last seconds: a sliding window, kept in parts.
//!
//! A window of `w` seconds is kept in parts of `⌈w / 24⌉` seconds, which begin at multiples of that in Unix time. A part
//! counts as long as any of its seconds lies in the window. So the sum never falls short of what was counted in the
//! last `w` seconds, and it holds at most what was counted in the last `w + ⌈w / 24⌉`: the error is on the strict side,
//! and below one part. Windows of at most 24 seconds are exact.

use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_types::{Bytes, U256};

use super::wire;

/// Parts of a window.
pub const PARTS: u64 = 24;

/// The most parts that touch a window: one more than it has, since it seldom begins with one.
pub const MAX_PARTS: usize = 25;

/// What was counted, by part, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct Part {
    /// Its number: Unix seconds at its beginning, in lengths of a part.
    number: u64,
    sum: U256,
}

const fn part_secs(window_secs: u64) -> u64 {
    let secs = window_secs.div_ceil(PARTS);
    // A window of no length is no window; it must not divide by zero here.
    if secs == 0 { 1 } else { secs }
}

const fn number(time_secs: u64, part_secs: u64) -> u64 {
    match time_secs.checked_div(part_secs) {
        Some(number) => number,
        None => u64::MAX,
    }
}

impl Window {
    /// The sum of what counts at a time; `None` if it exceeds every number.
    pub fn sum(&self, at_secs: u64, window_secs: u64) -> Option<U256> {
        let first = first_part(at_secs, window_secs);
        let counted = self.parts.iter().filter(|part| part.number >= first);
        counted.map(|part| part.sum).try_fold(U256::ZERO, U256::checked_add)
    }

    /// Counts some more, and forgets what counts no longer. At its highest number a part stays.
    pub fn add(&mut self, at_secs: u64, window_secs: u64, more: U256) {
        let first = first_part(at_secs, window_secs);
        self.parts.retain(|part| part.number >= first);
        if more.is_zero() {
            return;
        }
        let number = number(at_secs, part_secs(window_secs));
        match self.parts.last_mut() {
            // Time never goes back; if it did, the newest part would go on counting.
            Some(last) if last.number >= number => last.sum = last.sum.saturating_add(more),
            _ => self.parts.push(Part { number, sum: more }),
        }
    }

    /// When the oldest of what counts at a time will no longer do so, in Unix seconds; zero if nothing counts.
    pub fn frees_at(&self, at_secs: u64, window_secs: u64) -> u64 {
        let first = first_part(at_secs, window_secs);
        let oldest = self.parts.iter().find(|part| part.number >= first);
        oldest.map_or(0, |part| {
            let end = part.number.saturating_add(1).saturating_mul(part_secs(window_secs));
            end.saturating_sub(1).saturating_add(window_secs)
        })
    }

    /// The canonical bytes: the RLP list of `[part, sum]`; `None` where nothing is counted.
    pub fn encode(&self) -> Option<Bytes> {
        (!self.parts.is_empty()).then(|| wire::encode(&self.parts).into())
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let parts: Vec<Part> = wire::decode(bytes)?;
        let ordered = parts.is_sorted_by(|one, other| one.number < other.number);
        let counts = parts.iter().all(|part| !part.sum.is_zero());
        let fits = (1..=MAX_PARTS).contains(&parts.len());
        (ordered && counts && fits).then_some(Self { parts })
    }
}

/// The first part of which a second lies in the window that ends at a time: in its last `window_secs` seconds.
const fn first_part(at_secs: u64, window_secs: u64) -> u64 {
    let earliest = at_secs.saturating_sub(window_secs.saturating_sub(1));
    number(earliest, part_secs(window_secs))
}
