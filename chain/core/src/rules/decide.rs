//! What a rule says of an event or a call. Pure: it reads nothing, and writes nothing.

use std::{collections::BTreeSet, fmt};

use concordat_types::{Address, B256, Log, OrgId, U256};

use super::{
    limit::{Binds, Counterparties, Limit, Place},
    window::Window,
};

/// Something that a rule may watch.
#[derive(Clone, Copy, Debug)]
pub enum Act<'a> {
    /// An event of a contract.
    Event(&'a Log),
    /// A call of a contract's method.
    Call {
        /// The contract.
        contract: Address,
        /// Selector and arguments, at least as far as rules look.
        input: &'a [u8],
    },
}

impl Act<'_> {
    /// The contract.
    pub const fn contract(&self) -> Address {
        match self {
            Self::Event(log) => log.address,
            Self::Call { contract, .. } => *contract,
        }
    }

    /// The word at a place, if there is one.
    fn word(&self, place: Place) -> Option<B256> {
        match (self, place) {
            (Self::Event(log), Place::Topic(topic)) => log.topics().get(usize::from(topic)).copied(),
            (Self::Event(log), Place::Word(word)) => word_of(&log.data.data, word),
            (Self::Call { input, .. }, Place::Word(word)) => word_of(input.get(4..)?, word),
            (Self::Call { .. }, Place::Topic(_)) => None,
        }
    }
}

fn word_of(data: &[u8], word: u8) -> Option<B256> {
    let start = usize::from(word).checked_mul(32)?;
    data.get(start..start.checked_add(32)?).map(B256::from_slice)
}

/// How a rule is violated. The numbers never change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Code {
    /// A word that a condition needs is missing, or is no address.
    Undecidable = 1,
    /// Not at this time.
    OutsideHours = 2,
    /// Not with this counterparty.
    CounterpartyDenied = 3,
    /// Only with others.
    CounterpartyNotAllowed = 4,
    /// More than one transfer may move.
    AmountAboveMax = 5,
    /// More than may be moved within the window.
    TotalAboveMax = 6,
    /// More often than it may happen within the window.
    TooOften = 7,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 7] = [
        Self::Undecidable,
        Self::OutsideHours,
        Self::CounterpartyDenied,
        Self::CounterpartyNotAllowed,
        Self::AmountAboveMax,
        Self::TotalAboveMax,
        Self::TooOften,
    ];

    /// The stable number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The code with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Undecidable => "a word that the rule needs is missing or is no address",
            Self::OutsideHours => "it is outside of the allowed hours",
            Self::CounterpartyDenied => "the counterparty is on the list of those denied",
            Self::CounterpartyNotAllowed => "the counterparty is not on the list of those allowed",
            Self::AmountAboveMax => "the amount is above what one transfer may move",
            Self::TotalAboveMax => "the total is above what may be moved within the window",
            Self::TooOften => "it happens more often than it may within the window",
        })
    }
}

/// What a rule has counted of whoever acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Amounts.
    pub total: Window,
    /// How often.
    pub count: Window,
}

/// What a rule says of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How the act violates it, if it does.
    pub violation: Option<Code>,
    /// The counters with this act, for where the act stands.
    pub counters: Counters,
}

impl Binds {
    /// Whether a rule binds an account of an organisation.
    pub fn binds(&self, account: Address, organisation: &OrgId) -> bool {
        match self {
            Self::Everybody => true,
            Self::Organisation(id) => id == organisation,
            Self::Account(other) => *other == account,
        }
    }
}

/// The counterparty of an act, where a rule lists some. Its identity is to be known to [`decide`].
pub fn counterparty(limit: &Limit, act: &Act<'_>) -> Option<Address> {
    limit.counterparties.as_ref()?;
    act.word(limit.subject.counterparty?).and_then(address)
}

/// What a rule says of an act that it watches, by somebody whom it binds. `identity` is that of the act's
/// [`counterparty`], if it has one: a list that names either of them names both.
pub fn decide(
    limit: &Limit,
    act: &Act<'_>,
    identity: Option<Address>,
    at_secs: u64,
    counters: Counters,
) -> Decision {
    let amount =
        limit.subject.amount.and_then(|place| act.word(place)).map(|word| U256::from_be_bytes(word.0));
    let violation = violation(limit, (counterparty(limit, act), identity), amount, at_secs, &counters);
    Decision { violation, counters: counted(limit, amount, at_secs, counters) }
}

fn violation(
    limit: &Limit,
    counterparty: (Option<Address>, Option<Address>),
    amount: Option<U256>,
    at_secs: u64,
    counters: &Counters,
) -> Option<Code> {
    if limit.hours.is_some_and(|hours| !hours.contain(at_secs)) {
        return Some(Code::OutsideHours);
    }
    if let Some(list) = &limit.counterparties
        && let Some(code) = listed(list, counterparty)
    {
        return Some(code);
    }
    let needs_amount = limit.max_amount.is_some() || limit.total.is_some();
    if needs_amount && amount.is_none() {
        return Some(Code::Undecidable);
    }
    let amount = amount.unwrap_or_default();
    if limit.max_amount.is_some_and(|max| amount > max) {
        return Some(Code::AmountAboveMax);
    }
    if let Some(total) = limit.total
        && !fits(&counters.total, at_secs, total.window_secs, amount, total.max)
    {
        return Some(Code::TotalAboveMax);
    }
    if let Some(count) = limit.count
        && !fits(&counters.count, at_secs, count.window_secs, U256::ONE, U256::from(count.max))
    {
        return Some(Code::TooOften);
    }
    None
}

/// What a list says of a counterparty's account and identity.
fn listed(list: &Counterparties, (account, identity): (Option<Address>, Option<Address>)) -> Option<Code> {
    let Some(account) = account else { return Some(Code::Undecidable) };
    let named = |list: &BTreeSet<Address>| {
        list.contains(&account) || identity.is_some_and(|identity| list.contains(&identity))
    };
    match list {
        Counterparties::Allow(list) if !named(list) => Some(Code::CounterpartyNotAllowed),
        Counterparties::Deny(list) if named(list) => Some(Code::CounterpartyDenied),
        _ => None,
    }
}

/// The address in a word, which has zeros before it.
fn address(word: B256) -> Option<Address> {
    let address = Address::from_word(word);
    (address.into_word() == word).then_some(address)
}

/// Whether so much more stays within a maximum. A sum beyond every number does not.
fn fits(window: &Window, at_secs: u64, window_secs: u64, more: U256, max: U256) -> bool {
    let sum = window.sum(at_secs, window_secs).and_then(|sum| sum.checked_add(more));
    sum.is_some_and(|sum| sum <= max)
}

fn counted(limit: &Limit, amount: Option<U256>, at_secs: u64, mut counters: Counters) -> Counters {
    if let Some(total) = limit.total {
        counters.total.add(at_secs, total.window_secs, amount.unwrap_or_default());
    }
    if let Some(count) = limit.count {
        counters.count.add(at_secs, count.window_secs, U256::ONE);
    }
    counters
}
