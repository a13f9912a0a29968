//! What validators vote on: a block's identity.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use arc_malachitebft_core_types::Value;

/// A block's time: seconds and nanoseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockTime {
    /// Whole seconds since the Unix epoch.
    pub seconds: i64,
    /// Nanoseconds of that second, below 1 000 000 000.
    pub nanos: u32,
}

impl BlockTime {
    /// The first second that CometBFT's timestamps cannot express (the year 10000).
    pub const END_SECONDS: i64 = 253_402_300_800;

    /// Whether CometBFT can express this time: the years 1970 to 9999.
    pub fn is_well_formed(&self) -> bool {
        (0..Self::END_SECONDS).contains(&self.seconds) && self.nanos < 1_000_000_000
    }

    /// This much later, up to the last time there is.
    pub fn after(self, span: Duration) -> Self {
        Self::of_duration(self.since_epoch().saturating_add(span))
    }

    /// How much later this is than `other`, in milliseconds; negative if it is earlier.
    pub fn millis_since(self, other: Self) -> i64 {
        let millis = |time: Self| i64::try_from(time.since_epoch().as_millis()).unwrap_or(i64::MAX);
        millis(self).saturating_sub(millis(other))
    }

    /// The time since the Unix epoch; times before it count as the epoch.
    pub fn since_epoch(self) -> Duration {
        Duration::new(u64::try_from(self.seconds).unwrap_or(0), self.nanos.min(999_999_999))
    }

    fn of_duration(since_epoch: Duration) -> Self {
        let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
        Self { seconds, nanos: since_epoch.subsec_nanos() }
    }
}

impl From<SystemTime> for BlockTime {
    /// A clock's reading; before 1970 it counts as the epoch.
    fn from(clock: SystemTime) -> Self {
        Self::of_duration(clock.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }
}

/// Identifies a block in votes: CometBFT's block id, and the header's time.
///
/// The time is part of the identity because CometBFT's votes carry a timestamp and the engine rebuilds
/// each precommit from the certificate, which has no room for one per validator: every precommit for a
/// block is signed with the block's own time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    /// The hash of the block's header.
    pub hash: [u8; 32],
    /// How many parts the encoded block has.
    pub parts_total: u32,
    /// The Merkle root of the block's parts.
    pub parts_hash: [u8; 32],
    /// The time in the block's header.
    pub time: BlockTime,
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.hash))
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Value for BlockId {
    type Id = BlockId;

    fn id(&self) -> BlockId {
        *self
    }
}
