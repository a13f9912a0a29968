//! Surveillance of the ledger as the database has it: follows the projection, judges each block, and keeps what was found.
//!
//! Invariants: one PostgreSQL transaction holds what was found in whole blocks and where the watcher stands, so that no end
//! of either side leaves a gap or a finding twice. What the engine keeps besides is had again from the ledger and from the
//! findings. Nothing here acts on the ledger: a freeze is proposed by people.

mod acts;
mod backtest;
mod findings;
mod follow;
mod history;
mod holders;
mod orders;
mod people;
mod read;
mod trail;
mod warm;
mod write;

use concordat_surveillance::{Engine, Limits, List, Rule, engine::EngineError};
use serde::Serialize;

pub use backtest::{Backtest, Summary, backtest};
pub(crate) use findings::{COLUMNS, kept};
pub use findings::{Kept, Query, list, show};
pub use follow::watch;
pub use trail::{Act, Step, act};
pub(crate) use trail::{is_whole, step};

use crate::SqlError;

/// By what is judged.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The list of the sanctioned.
    pub list: Option<List>,
    /// What the engine may hold.
    pub limits: Limits,
}

impl Plan {
    fn engine(&self) -> Result<Engine, WatchError> {
        Ok(Engine::new(self.rules.clone(), self.list.clone(), self.limits)?)
    }
}

/// How far a watcher is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WatchProgress {
    /// The newest block that was judged, or seen again.
    pub height: u64,
    /// Where the projection stands, or the last block to judge.
    pub tip: u64,
    /// Whether blocks of before are seen again.
    pub again: bool,
    /// Blocks since it started.
    pub blocks: u64,
    /// What happened in them.
    pub events: u64,
    /// Findings since it started.
    pub findings: u64,
    /// Blocks a second since it was told last.
    pub blocks_per_second: u64,
    /// Events a second since it was told last.
    pub events_per_second: u64,
    /// How long the rest takes at that rate, in seconds; none where nothing moves.
    pub seconds_left: Option<u64>,
    /// Why it waits, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
}

/// Why nothing is watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The database failed, or is not as it has to be.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The rules do not go to work.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Nothing is there to be watched.
    #[error("nothing is projected into this database yet; run `concordat audit project`")]
    NothingProjected,
    /// Another watcher writes.
    #[error("another watcher is writing to this database; there can be one at a time")]
    Busy,
    /// What was found is of another chain.
    #[error(
        "what was found in this database is of another chain than its ledger: {what}; empty the schema watch"
    )]
    OtherChain {
        /// What differs.
        what: String,
    },
    /// The projection is not as far as the watcher was.
    #[error(
        "the ledger stands at block {ledger}, the watcher was at {watcher} already: let `concordat audit project` go on first"
    )]
    Behind {
        /// Where the projection stands.
        ledger: u64,
        /// Where the watcher stood.
        watcher: u64,
    },
    /// Blocks are not there any more.
    #[error("block {height} is not in ledger.blocks; attach the partition that it was archived with")]
    Missing {
        /// Which.
        height: u64,
    },
    /// It has begun elsewhere already.
    #[error("the watcher has begun already and stands at block {height}; --from is for the first time")]
    Begun {
        /// Where it stands.
        height: u64,
    },
    /// There are no blocks in a range.
    #[error("nothing to judge from {from} to {to}: the ledger holds blocks {first} to {last}")]
    NoRange {
        /// From here.
        from: u64,
        /// To here.
        to: u64,
        /// The lowest height.
        first: u64,
        /// The highest.
        last: u64,
    },
    /// A finding is not there.
    #[error("there is no finding {id}; `concordat audit findings list` names them")]
    NoFinding {
        /// As it was asked for.
        id: String,
    },
    /// Several findings are meant.
    #[error("several findings begin with {id}; write more of it")]
    Ambiguous {
        /// As it was asked for.
        id: String,
    },
    /// A finding is closed.
    #[error("finding {id} is closed; comment on it, or wait for another one")]
    Closed {
        /// Which.
        id: String,
    },
    /// A finding is acknowledged.
    #[error("finding {id} is acknowledged already, by {person}")]
    Acknowledged {
        /// Which.
        id: String,
        /// By whom.
        person: String,
    },
    /// A text cannot be kept.
    #[error("{what} has to be 1 to {longest} bytes long, without control characters")]
    Text {
        /// Which.
        what: &'static str,
        /// How long it may be.
        longest: usize,
    },
}

impl WatchError {
    /// Whether it may pass by itself.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Sql(error) => error.may_pass(),
            Self::Busy | Self::Behind { .. } => true,
            _ => false,
        }
    }
}

/// A height as the database has it.
fn signed(height: u64) -> i64 {
    i64::try_from(height).unwrap_or(i64::MAX)
}

/// A height of the database.
fn unsigned(height: i64) -> u64 {
    u64::try_from(height).unwrap_or_default()
}
