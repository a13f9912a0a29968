//! What somebody is told whom an order refuses something.

use std::fmt;

use alloy_sol_types::SolError as _;
use concordat_governance::{
    action::MAX_REFERENCE_BYTES,
    order::{Measure, Order, Target},
};
use concordat_types::{Address, Bytes, ReadError, receipt::MAX_OUTPUT_BYTES};

use super::{abi::IOrders as abi, tables};
use crate::system::Rows;

/// The longest error: its selector, six words, the length of the reference and the reference.
const MAX_NOTICE_BYTES: usize = 4 + 32 * 7 + MAX_REFERENCE_BYTES.next_multiple_of(32);
const _: () = assert!(MAX_NOTICE_BYTES <= MAX_OUTPUT_BYTES, "a receipt keeps a whole notice");

/// An order that refuses something: its number, and where its document is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderNotice {
    /// The order's number.
    pub id: u64,
    /// What it does.
    pub measure: Measure,
    /// To whom.
    pub target: Target,
    /// Where the document that orders it is found.
    pub reference: String,
    /// The last height at which it binds; zero: until it is released.
    pub until: u64,
}

impl OrderNotice {
    fn of(order: Order) -> Self {
        let until = order.last_height().unwrap_or(0);
        let Order { id, terms, .. } = order;
        Self { id, measure: terms.measure, target: terms.target, reference: terms.basis.reference, until }
    }

    /// The Solidity error `OrderInForce`.
    pub fn abi_encode(&self) -> Bytes {
        let Self { id, measure, target, reference, until } = self;
        let (account, contract) = match target {
            Target::Account(account) => (*account, measure.contract().unwrap_or_default()),
            other => (Address::ZERO, other.address()),
        };
        abi::OrderInForce {
            id: *id,
            measure: measure.code(),
            account,
            contractAddress: contract,
            documentReference: reference.clone(),
            until: *until,
        }
        .abi_encode()
        .into()
    }
}

impl fmt::Display for OrderNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, measure, target, reference, until } = self;
        match measure {
            Measure::FreezeAll | Measure::FreezeOutgoing => f.write_str("frozen")?,
            Measure::FreezeContract(contract) => write!(f, "kept from contract {contract}")?,
            Measure::FreezeToken(token) => write!(f, "tokens of {token} held by {target} frozen")?,
            Measure::Blacklist => f.write_str("blacklisted")?,
            Measure::Halt => write!(f, "{target} halted")?,
            Measure::Demand => f.write_str("asked for a correction")?,
        }
        write!(f, " by order {id} (reference {reference:?}), ")?;
        match until {
            0 => f.write_str("until it is released"),
            until => write!(f, "through height {until}"),
        }
    }
}

/// What is told of an order that another row names.
pub(crate) fn notice(rows: &mut impl Rows, id: u64) -> Result<OrderNotice, ReadError> {
    Ok(OrderNotice::of(tables::named(rows, id)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_the_number_the_reference_and_until_when() {
        let (account, contract) = (Address::ZERO, Address::repeat_byte(1));
        let notice = |measure, until| {
            let (target, reference) = (Target::Account(account), "BaFin 7/2026".to_owned());
            OrderNotice { id: 7, measure, target, reference, until }.to_string()
        };
        assert_eq!(
            notice(Measure::FreezeAll, 900),
            "frozen by order 7 (reference \"BaFin 7/2026\"), through height 900"
        );
        assert!(notice(Measure::Blacklist, 0).ends_with("until it is released"));
        assert!(notice(Measure::FreezeContract(contract), 0).starts_with("kept from contract 0x0101"));
        assert!(notice(Measure::FreezeToken(contract), 0).contains("frozen by order 7"));
    }
}
