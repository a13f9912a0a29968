//! Orders of regulators: what each imposes, on whom, by which document, and how it ends.
//!
//! ```text
//!   imposed ──▶ provisional ──confirm──▶ confirmed ──▶ until its height, or released
//!                   │  └── nobody confirms: it lapses by itself, with no write
//!                   └── released, or superseded by its issuer's own correction
//! ```
//!
//! An order binds from the next transaction on, by the word of one regulator. So it lapses unless a second one, or the
//! committee, confirms it in time: whoever confirms is never whoever imposed. Whether it binds is read off its row and
//! the height, so that nothing has to be written when it lapses.

mod anchor;
mod decide;
mod refusal;
mod wire;

use std::fmt;

use alloy_primitives::{Address, B256};
use concordat_types::OrgId;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

pub use anchor::decide_anchor;
pub use decide::{
    Imposed, Lineage, OrderFacts, decide_answer, decide_confirmation, decide_order, decide_release,
};
pub(crate) use decide::{check_open, check_pending};
pub use refusal::{OrderRefusal, Spared};

use crate::{action::Basis, regulator::Power};

/// The most orders that bind one account at a time: each transaction of such an account reads them.
pub const MAX_BINDING: usize = 16;

/// The most orders on tokens that bind at a time: each block reads them.
pub const MAX_TOKEN_ORDERS: usize = 256;

/// What an order does to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Refuses whatever the account sends, renewals included.
    FreezeAll,
    /// Refuses its business: deployments and calls of contracts.
    FreezeOutgoing,
    /// Refuses its calls of one contract, also those that other contracts make on its behalf.
    FreezeContract(Address),
    /// Keeps its tokens of one contract where they are, whoever moves them.
    FreezeToken(Address),
    /// Shuts the identity out, with the subject of its certificate.
    Blacklist,
    /// Refuses calls of a contract.
    Halt,
    /// Demands that something is corrected. It refuses nothing.
    Demand,
}

impl Measure {
    /// Its stable code. The numbers are stored in the authenticated state and never change meaning.
    pub const fn code(self) -> u8 {
        match self {
            Measure::FreezeAll => 1,
            Measure::FreezeOutgoing => 2,
            Measure::FreezeContract(_) => 3,
            Measure::FreezeToken(_) => 4,
            Measure::Blacklist => 5,
            Measure::Halt => 6,
            Measure::Demand => 7,
        }
    }

    /// The measure with this code, and the contract of those that name one.
    pub const fn from_code(code: u8, contract: Option<Address>) -> Option<Self> {
        match (code, contract) {
            (1, None) => Some(Measure::FreezeAll),
            (2, None) => Some(Measure::FreezeOutgoing),
            (3, Some(contract)) => Some(Measure::FreezeContract(contract)),
            (4, Some(contract)) => Some(Measure::FreezeToken(contract)),
            (5, None) => Some(Measure::Blacklist),
            (6, None) => Some(Measure::Halt),
            (7, None) => Some(Measure::Demand),
            _ => None,
        }
    }

    /// The contract that it names besides its target.
    pub const fn contract(self) -> Option<Address> {
        match self {
            Measure::FreezeContract(contract) | Measure::FreezeToken(contract) => Some(contract),
            _ => None,
        }
    }

    /// Its name in commands, documents and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Measure::FreezeAll => "freeze-all",
            Measure::FreezeOutgoing => "freeze-outgoing",
            Measure::FreezeContract(_) => "freeze-contract",
            Measure::FreezeToken(_) => "freeze-token",
            Measure::Blacklist => "blacklist",
            Measure::Halt => "halt",
            Measure::Demand => "demand",
        }
    }

    /// The power that a mandate must give for it.
    pub const fn power(self) -> Power {
        match self {
            Measure::Halt => Power::FreezeContracts,
            Measure::Demand => Power::DemandCorrection,
            _ => Power::FreezeAccounts,
        }
    }

    /// Whether it refuses all that an account sends.
    pub const fn shuts_out(self) -> bool {
        matches!(self, Measure::FreezeAll | Measure::Blacklist)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.contract().map_or(Ok(()), |contract| write!(f, " {contract}"))
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whom or what an order is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// An identity, by the address of its first key.
    Account(Address),
    /// A contract.
    Contract(Address),
    /// An organisation.
    Organisation(OrgId),
}

impl Target {
    /// Its address; zero for an organisation.
    pub fn address(&self) -> Address {
        match self {
            Target::Account(address) | Target::Contract(address) => *address,
            Target::Organisation(_) => Address::ZERO,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Account(account) => write!(f, "account {account}"),
            Target::Contract(contract) => write!(f, "contract {contract}"),
            Target::Organisation(id) => write!(f, "organisation {id}"),
        }
    }
}

/// What an order says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// What it does.
    pub measure: Measure,
    /// To whom or what.
    pub target: Target,
    /// The document that orders it; of a demand, its text.
    pub basis: Basis,
    /// The last height at which it binds, zero: until it is released; of a demand, the height by which it is due.
    pub until: u64,
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { measure, target, basis: Basis { document, reference }, until } = self;
        write!(f, "{measure} of {target}")?;
        match until {
            0 => f.write_str(", until it is released")?,
            until => write!(f, ", through height {until}")?,
        }
        write!(f, "; basis {reference:?} {document}")
    }
}

/// Who confirmed or ended an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A regulator, or whoever answered a demand, by its identity.
    Identity(Address),
    /// The committee, by this proposal.
    Proposal(u64),
    /// Its issuer, by this later order.
    Order(u64),
}

/// Who took a step, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Who.
    pub by: By,
    /// At which height.
    pub height: u64,
}

/// How an order was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum How {
    /// By its issuer, or by the committee.
    Released = 1,
    /// By a later order of its issuer, which corrects it.
    Superseded = 2,
    /// A demand, by whom it was addressed to.
    Answered = 3,
}

/// The end of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub how: How,
    /// By whom and when.
    pub mark: Mark,
    /// Why.
    pub basis: Basis,
}

/// How an order stands at a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Status {
    /// It binds, and lapses unless it is confirmed.
    Provisional = 0,
    /// It binds.
    Confirmed = 1,
    /// It was released.
    Released = 2,
    /// Nobody confirmed it in time.
    Lapsed = 3,
    /// Its issuer has put another in its place.
    Superseded = 4,
    /// A demand that was answered.
    Answered = 5,
    /// It was confirmed, and its last height is past. A demand is overdue.
    Over = 6,
}

impl Status {
    /// Its stable code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Its name in commands, documents and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Provisional => "provisional",
            Status::Confirmed => "confirmed",
            Status::Released => "released",
            Status::Lapsed => "lapsed",
            Status::Superseded => "superseded",
            Status::Answered => "answered",
            Status::Over => "over",
        }
    }

    /// The status with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        use Status::{Answered, Confirmed, Lapsed, Over, Provisional, Released, Superseded};
        [Provisional, Confirmed, Released, Lapsed, Superseded, Answered, Over]
            .into_iter()
            .find(|status| status.code() == code)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number, from 1.
    pub id: u64,
    /// What it says.
    pub terms: Terms,
    /// The regulator that imposed it, by its identity.
    pub issuer: Address,
    /// The organisation that vouched for that regulator then.
    pub organisation: OrgId,
    /// The height at which it was imposed.
    pub issued: u64,
    /// The last height at which it binds, and can be confirmed, unless it is.
    pub lapses: u64,
    /// The order before it on the same target; zero if it is the first.
    pub before: u64,
    /// Who confirmed it.
    pub confirmed: Option<Mark>,
    /// How it was ended.
    pub ended: Option<Ended>,
}

impl Order {
    /// SHA-256 of what was imposed: what a confirmation binds.
    pub fn digest(&self) -> B256 {
        B256::from_slice(&Sha256::digest(wire::imposed(self)))
    }

    /// The last height at which it binds if nobody ends it; `None`: for good.
    pub fn last_height(&self) -> Option<u64> {
        let until = (self.terms.until != 0).then_some(self.terms.until);
        match self.confirmed {
            Some(_) => until,
            None => Some(until.map_or(self.lapses, |until| until.min(self.lapses))),
        }
    }

    /// How it stands at a height.
    pub fn status(&self, height: u64) -> Status {
        match &self.ended {
            Some(Ended { how: How::Released, .. }) => return Status::Released,
            Some(Ended { how: How::Superseded, .. }) => return Status::Superseded,
            Some(Ended { how: How::Answered, .. }) => return Status::Answered,
            None => {}
        }
        let past = self.last_height().is_some_and(|last| height > last);
        match (self.confirmed, past) {
            (None, false) => Status::Provisional,
            (None, true) => Status::Lapsed,
            (Some(_), false) => Status::Confirmed,
            (Some(_), true) => Status::Over,
        }
    }

    /// Whether it binds at a height.
    pub fn binds(&self, height: u64) -> bool {
        matches!(self.status(height), Status::Provisional | Status::Confirmed)
    }

    /// Whether it can still be answered or released at a height. A demand waits for its answer also when it is overdue.
    pub fn is_open(&self, height: u64) -> bool {
        let overdue = self.terms.measure == Measure::Demand && self.status(height) == Status::Over;
        overdue || self.binds(height)
    }

    /// The same, confirmed.
    pub(crate) fn confirmed(&self, mark: Mark) -> Self {
        Self { confirmed: Some(mark), ..self.clone() }
    }

    /// The same, ended.
    pub(crate) fn ended(&self, how: How, mark: Mark, basis: &Basis) -> Self {
        Self { ended: Some(Ended { how, mark, basis: basis.clone() }), ..self.clone() }
    }

    /// The same once the committee has confirmed it by a proposal.
    pub fn confirmed_by_vote(&self, proposal: u64, height: u64) -> Self {
        self.confirmed(Mark { by: By::Proposal(proposal), height })
    }

    /// The same once the committee has lifted it by a proposal.
    pub fn lifted_by_vote(&self, proposal: u64, height: u64, basis: &Basis) -> Self {
        self.ended(How::Released, Mark { by: By::Proposal(proposal), height }, basis)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        wire::decode(bytes)
    }
}

#[cfg(test)]
mod tests;
