//! Every way in which a step of an order is refused, with a stable code and its facts.

use alloy_primitives::{Address, B256};
use concordat_types::OrgId;

use super::{Status, Target};

/// Why a step of an order is refused. The codes continue those of [`crate::Refusal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the facts that each message spells out")]
pub enum OrderRefusal {
    /// No such number.
    #[error("there is no order {id}")]
    UnknownOrder { id: u64 },
    /// It would never bind, or be due at once.
    #[error("the order would end at height {until}; this is height {height}: give a later one")]
    OrderOver { until: u64, height: u64 },
    /// Another supervisor's.
    #[error("the mandate of {sender} does not cover {target}; an admit-regulator proposal gives another one")]
    NotCovered { sender: Address, target: Target },
    /// Supervision is not at one regulator's disposal.
    #[error("an order cannot be about {account}: {reason}")]
    OrderAgainst { account: Address, reason: Spared },
    /// The same once more, or another regulator's that is not decided yet.
    #[error("order {id} binds already; wait for its confirmation or its end")]
    OrderStands { id: u64 },
    /// An order is no way to freeze for ever.
    #[error("order {id} on {target} did not last; the next may follow at height {from}")]
    OrderRepeated { id: u64, target: Target, from: u64 },
    /// More than each transaction, or each block, is to read.
    #[error("{have} orders bind already, and no more than {most} can: release one first")]
    TooManyOrders { have: usize, most: usize },
    /// It is too late, or has been done.
    #[error("order {id} is {status}")]
    OrderNotOpen { id: u64, status: Status },
    /// Nobody judges its own case.
    #[error("order {id} was imposed by {sender}: another regulator or the committee confirms it")]
    OwnOrder { id: u64, sender: Address },
    /// Four eyes, and two houses where there are two.
    #[error(
        "order {id} was imposed for {organisation} as well: a regulator of another organisation confirms it"
    )]
    SameOrganisation { id: u64, organisation: OrgId },
    /// The confirmation is for another order.
    #[error("order {id} has the digest {have}, but the confirmation is for {presented}: read it again")]
    OtherOrder { id: u64, have: B256, presented: B256 },
    /// Who imposed releases.
    #[error("order {id} was imposed by {issuer}: it releases it, or a lift-order proposal lifts it")]
    NotIssuer { id: u64, issuer: Address },
    /// Only demands are answered.
    #[error("order {id} is no demand for a correction, so that there is nothing to answer")]
    NoDemand { id: u64 },
    /// Only whom it is addressed to answers.
    #[error(
        "order {id} is not addressed to {sender}: a registrar of the organisation that it is about answers"
    )]
    NotAddressed { id: u64, sender: Address },
    /// No such scope.
    #[error("{code} is no scope of an order: 1 is all, 2 outgoing, 3 one contract, 4 one token")]
    UnknownScope { code: u8 },
    /// One or the other.
    #[error("an order of scope {code} was given {}: give {}", named(*.given), named(!*.given))]
    ScopeOfContract { code: u8, given: bool },
    /// A demand is addressed to somebody.
    #[error("a demand is about an organisation or a contract: name one of them")]
    NoAddressee,
    /// A log only grows.
    #[error("{have} reads are anchored for {organisation}; the next anchor counts more than {presented}")]
    AnchorNotNewer { organisation: OrgId, have: u64, presented: u64 },
    /// Only who reads for a supervisor anchors its log.
    #[error(
        "{sender} is neither a registered regulator nor an auditor of the organisation of one: only these anchor reads"
    )]
    NotAnchoring { sender: Address },
}

const fn named(contract: bool) -> &'static str {
    if contract { "a contract" } else { "no contract" }
}

impl OrderRefusal {
    /// A stable number.
    pub const fn code(&self) -> u16 {
        match self {
            Self::UnknownOrder { .. } => 130,
            Self::OrderOver { .. } => 131,
            Self::NotCovered { .. } => 132,
            Self::OrderAgainst { .. } => 133,
            Self::OrderStands { .. } => 134,
            Self::OrderRepeated { .. } => 135,
            Self::TooManyOrders { .. } => 136,
            Self::OrderNotOpen { .. } => 137,
            Self::OwnOrder { .. } => 138,
            Self::SameOrganisation { .. } => 139,
            Self::OtherOrder { .. } => 140,
            Self::NotIssuer { .. } => 141,
            Self::NoDemand { .. } => 142,
            Self::NotAddressed { .. } => 143,
            Self::UnknownScope { .. } => 144,
            Self::ScopeOfContract { .. } => 145,
            Self::NoAddressee => 146,
            Self::AnchorNotNewer { .. } => 147,
            Self::NotAnchoring { .. } => 148,
        }
    }
}

/// Whom an order is never about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Spared {
    /// Nobody orders itself.
    #[error("it is the regulator's own")]
    Issuer,
    /// Supervisors do not disable each other.
    #[error("it is a regulator's; the committee alone decides about regulators")]
    Regulator,
}
