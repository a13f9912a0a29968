//! A run-time rule, and what makes it one. Governance calls it a limit.

use std::collections::BTreeSet;

use concordat_permissions::PolicyId;
use concordat_types::{Address, B256, OrgId, U256};
use serde::{Deserialize, Serialize};

use crate::system::is_system;

/// The most rules in force.
pub const MAX_LIMITS: usize = 200;

/// The longest canonical bytes of a rule.
pub const MAX_LIMIT_BYTES: usize = 8 * 1024;

/// The longest reason, in bytes.
pub const MAX_REASON_BYTES: usize = 200;

/// The most addresses on a list of counterparties.
pub const MAX_ADDRESSES: usize = 64;

/// The longest window: 366 days.
pub const MAX_WINDOW_SECS: u64 = 366 * 86_400;

/// The last word of an event's data, or of a method's arguments, that a rule can look at.
pub const MAX_WORD: u8 = 31;

/// Minutes of a day.
const DAY_MINUTES: u16 = 1_440;

/// All days of the week.
const ALL_DAYS: u8 = 0x7f;

/// The id of a rule: in the alphabet of policies' ids.
pub type LimitId = PolicyId;

/// What a rule watches. Numbers are 32-byte words of Solidity's ABI, so that arguments before them must be static.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// Events with this first topic.
    Event(B256),
    /// Calls of the method with this selector, by transactions and by contracts.
    Method([u8; 4]),
}

/// Where a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Topic 1 to 3 of an event: an indexed argument. Topic 0 says which event it is.
    Topic(u8),
    /// A word of an event's data, or of a method's arguments, from 0 to [`MAX_WORD`].
    Word(u8),
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The contract; `None` for any but the system's.
    pub contract: Option<Address>,
    /// What it does.
    pub watched: Watched,
    /// Where the amount stands.
    pub amount: Option<Place>,
    /// Where the counterparty stands.
    pub counterparty: Option<Place>,
}

/// Whose transactions a rule binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binds {
    /// Everybody's.
    Everybody,
    /// Those of an organisation's people.
    Organisation(OrgId),
    /// An account's.
    Account(Address),
}

/// Whose acts are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Per {
    /// Those of the account that signed.
    Account = 1,
    /// Those of its organisation.
    Organisation = 2,
}

/// The most that is moved within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cumulative {
    /// The most.
    pub max: U256,
    /// How long the window is: 1 to [`MAX_WINDOW_SECS`].
    pub window_secs: u64,
    /// By whom.
    pub per: Per,
}

/// How often something may happen within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Velocity {
    /// How often.
    pub max: u64,
    /// How long the window is: 1 to [`MAX_WINDOW_SECS`].
    pub window_secs: u64,
    /// By whom.
    pub per: Per,
}

/// With whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counterparties {
    /// Only with these.
    Allow(BTreeSet<Address>),
    /// With all but these.
    Deny(BTreeSet<Address>),
}

/// A minute of the day, UTC: 0 to 1,440.
pub type Clock = u16;

/// When, in UTC by the time of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The first minute.
    pub from: Clock,
    /// The first minute that no longer counts. Where it comes before `from`, the hours pass midnight.
    pub to: Clock,
    /// Days of the week, bit 0 for Monday. After midnight the next day's bit counts.
    pub days: u8,
}

/// What happens where a rule is violated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Effect {
    /// The transaction is undone, and an alert raised.
    #[default]
    Revert = 1,
    /// An alert is raised.
    Alert = 2,
}

/// A run-time rule. All its conditions must hold; what cannot be decided violates it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "super::form::Form", into = "super::form::Form")]
pub struct Limit {
    /// Its id.
    pub id: LimitId,
    /// Why it is there, for people: 1 to [`MAX_REASON_BYTES`].
    pub reason: String,
    /// What it is about.
    pub subject: Subject,
    /// Whom it binds.
    pub binds: Binds,
    /// The most that one transfer moves.
    pub max_amount: Option<U256>,
    /// The most that is moved within a window.
    pub total: Option<Cumulative>,
    /// How often it may happen within a window.
    pub count: Option<Velocity>,
    /// With whom.
    pub counterparties: Option<Counterparties>,
    /// When.
    pub hours: Option<Hours>,
    /// What happens where it is violated.
    pub effect: Effect,
}

/// Why something is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Not the canonical bytes of a rule.
    #[error(
        "the bytes are no rule in its one canonical form; make them from the rule's JSON with this version"
    )]
    Malformed,
    /// More than there may be.
    #[error("the rule takes {have} bytes, more than the {MAX_LIMIT_BYTES} allowed; shorten it")]
    TooLong {
        /// How many.
        have: usize,
    },
    /// More rules than there may be.
    #[error("{have} rules would be in force, more than the {MAX_LIMITS} allowed; repeal one first")]
    TooMany {
        /// How many.
        have: usize,
    },
    /// No id.
    #[error(
        "rule id {0:?} must be 2 to 64 characters of a-z, 0-9 and '-', start with a letter and not end in '-'"
    )]
    Id(String),
    /// It is to be known by another id.
    #[error("the rule calls itself {have}; propose it under that id")]
    OtherId {
        /// What it says.
        have: LimitId,
    },
    /// Text that people could not read, or read wrongly.
    #[error(
        "rule {id}: the reason must be 1 to {MAX_REASON_BYTES} bytes without control characters or spaces around it"
    )]
    Reason {
        /// Of which rule.
        id: LimitId,
    },
    /// No rule may hinder governance, or the registry.
    #[error("rule {id} concerns the system contract {contract}, which no rule may; name another contract")]
    SystemContract {
        /// Which rule.
        id: LimitId,
        /// Which contract.
        contract: Address,
    },
    /// Whoever signs is told by the identity: a later key's address would bind nobody.
    #[error("rule {id} names {account}, a later key of identity {identity}; name the identity")]
    LaterKey {
        /// Which rule.
        id: LimitId,
        /// Whom it names.
        account: Address,
        /// Whom it should name.
        identity: Address,
    },
    /// A rule that says nothing.
    #[error("rule {id} has no condition; give it one of max_amount, total, count, counterparties, hours")]
    NoCondition {
        /// Which rule.
        id: LimitId,
    },
    /// A condition without what it is about, or the other way round.
    #[error("rule {id}: {condition} needs {place}; say where that stands, or leave the condition out")]
    NoPlace {
        /// Which rule.
        id: LimitId,
        /// Which condition.
        condition: &'static str,
        /// What it is about.
        place: &'static str,
    },
    /// A word that cannot be there.
    #[error("rule {id}: the {place} must be topic 1 to 3 of an event, or word 0 to {MAX_WORD}")]
    Place {
        /// Which rule.
        id: LimitId,
        /// Of what.
        place: &'static str,
    },
    /// A window of no length, or one that is too long.
    #[error("rule {id}: the window of {condition} is {have} s but must be 1 to {MAX_WINDOW_SECS}")]
    Window {
        /// Which rule.
        id: LimitId,
        /// Of which condition.
        condition: &'static str,
        /// What it was.
        have: u64,
    },
    /// A list of the wrong length.
    #[error("rule {id} lists {have} counterparties; 1 to {MAX_ADDRESSES} are allowed")]
    Addresses {
        /// Which rule.
        id: LimitId,
        /// How many there were.
        have: usize,
    },
    /// Hours that never come, or always.
    #[error(
        "rule {id}: hours must begin before 24:00, end by 24:00, not be empty, and name at least one day"
    )]
    Hours {
        /// Which rule.
        id: LimitId,
    },
    /// A part of the JSON form that cannot be read.
    #[error("rule {id}: {field} {have:?} is none; {mend}")]
    Field {
        /// Of which rule, as it calls itself.
        id: String,
        /// Which part.
        field: &'static str,
        /// What it was, shortened.
        have: String,
        /// What it should be.
        mend: &'static str,
    },
}

/// Reads the bytes of a rule that is to be known by an id.
pub(crate) fn read_as(id: &str, bytes: &[u8]) -> Result<Limit, LimitError> {
    let limit = Limit::decode(bytes)?;
    if limit.id.as_str() == id { Ok(limit) } else { Err(LimitError::OtherId { have: limit.id }) }
}

/// Checks that there may be so many rules.
pub(crate) const fn check_count(have: usize) -> Result<(), LimitError> {
    if have > MAX_LIMITS { Err(LimitError::TooMany { have }) } else { Ok(()) }
}

impl Limit {
    /// Checks everything that makes it a rule.
    pub fn check(&self) -> Result<(), LimitError> {
        let id = || self.id.clone();
        let readable = (1..=MAX_REASON_BYTES).contains(&self.reason.len())
            && self.reason.trim() == self.reason
            && !self.reason.chars().any(char::is_control);
        if !readable {
            return Err(LimitError::Reason { id: id() });
        }
        if let Some(contract) = self.subject.contract.filter(is_system) {
            return Err(LimitError::SystemContract { id: id(), contract });
        }
        self.check_place("amount", self.subject.amount)?;
        self.check_place("counterparty", self.subject.counterparty)?;
        self.check_conditions()?;
        let have = self.encode().len();
        if have > MAX_LIMIT_BYTES { Err(LimitError::TooLong { have }) } else { Ok(()) }
    }

    /// The accounts that it names: whom it binds, and the counterparties.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = Address> {
        let bound = match &self.binds {
            Binds::Account(account) => Some(*account),
            Binds::Everybody | Binds::Organisation(_) => None,
        };
        let listed = self.counterparties.iter().flat_map(|list| match list {
            Counterparties::Allow(list) | Counterparties::Deny(list) => list.iter().copied(),
        });
        bound.into_iter().chain(listed)
    }

    fn check_place(&self, what: &'static str, place: Option<Place>) -> Result<(), LimitError> {
        let event = matches!(self.subject.watched, Watched::Event(_));
        let fits = match place {
            None => true,
            Some(Place::Topic(topic)) => event && (1..=3).contains(&topic),
            Some(Place::Word(word)) => word <= MAX_WORD,
        };
        if fits { Ok(()) } else { Err(LimitError::Place { id: self.id.clone(), place: what }) }
    }

    fn check_conditions(&self) -> Result<(), LimitError> {
        let Self { max_amount, total, count, counterparties, hours, .. } = self;
        let Subject { amount, counterparty, .. } = self.subject;
        let needs = [
            ("max_amount", max_amount.is_some(), "amount", amount.is_some()),
            ("total", total.is_some(), "amount", amount.is_some()),
            ("counterparties", counterparties.is_some(), "counterparty", counterparty.is_some()),
        ];
        for (condition, there, place, known) in needs {
            if there && !known {
                return Err(LimitError::NoPlace { id: self.id.clone(), condition, place });
            }
        }
        if needs.iter().all(|(_, there, ..)| !there) && count.is_none() && hours.is_none() {
            return Err(LimitError::NoCondition { id: self.id.clone() });
        }
        self.check_window("total", total.map(|total| total.window_secs))?;
        self.check_window("count", count.map(|count| count.window_secs))?;
        if let Some(Counterparties::Allow(list) | Counterparties::Deny(list)) = counterparties
            && !(1..=MAX_ADDRESSES).contains(&list.len())
        {
            return Err(LimitError::Addresses { id: self.id.clone(), have: list.len() });
        }
        if hours.is_some_and(|hours| !hours.is_valid()) {
            return Err(LimitError::Hours { id: self.id.clone() });
        }
        Ok(())
    }

    fn check_window(&self, condition: &'static str, window_secs: Option<u64>) -> Result<(), LimitError> {
        match window_secs {
            Some(have) if !(1..=MAX_WINDOW_SECS).contains(&have) => {
                Err(LimitError::Window { id: self.id.clone(), condition, have })
            }
            _ => Ok(()),
        }
    }
}

impl Hours {
    /// All days of the week.
    pub const ALL_DAYS: u8 = ALL_DAYS;

    fn is_valid(self) -> bool {
        let Self { from, to, days } = self;
        let days = days != 0 && days <= ALL_DAYS;
        from < DAY_MINUTES && to <= DAY_MINUTES && from != to && days
    }

    /// Whether a time lies in them, in Unix seconds.
    pub const fn contain(self, time_secs: u64) -> bool {
        let Self { from, to, days } = self;
        let minute = time_secs.div_euclid(60).rem_euclid(1_440);
        // The first day of Unix time was a Thursday.
        let weekday = time_secs.div_euclid(86_400).saturating_add(3).rem_euclid(7);
        let (begun, over) = (minute >= from as u64, minute >= to as u64);
        let open = if from < to { begun && !over } else { begun || !over };
        open && (days as u64 >> weekday) & 1 == 1
    }
}
