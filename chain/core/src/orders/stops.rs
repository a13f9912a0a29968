//! What the transactions of an account with orders read of them.

use std::{collections::BTreeMap, sync::Arc};

use concordat_governance::order::Measure;
use concordat_types::{Address, ReadError};

use super::tables;
use crate::{account::corrupt, standing::Action, system::Rows};

/// An order that refuses something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Which.
    pub order: u64,
    /// The last height at which it binds; zero: until it is released.
    pub until: u64,
}

impl Stop {
    /// Whether it binds at a height.
    pub const fn binds(&self, height: u64) -> bool {
        self.until == 0 || height <= self.until
    }

    /// Of two, the one that binds for longer.
    fn longer(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.until == 0 || (self.until != 0 && other.until > self.until) => other,
            _ => self,
        }
    }
}

/// The orders that bear on all transactions of an account, of each scope the one that binds for longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stops {
    /// Refuses whatever it sends.
    pub all: Option<Stop>,
    /// Refuses its business.
    pub outgoing: Option<Stop>,
}

impl Stops {
    /// The order that refuses an action at a height.
    pub(crate) fn refusing(&self, height: u64, action: Action) -> Option<u64> {
        let binding = |stop: Option<Stop>| stop.filter(|stop| stop.binds(height)).map(|stop| stop.order);
        let business = matches!(action, Action::Deploy | Action::CallContract);
        binding(self.all).or_else(|| binding(self.outgoing).filter(|_| business))
    }
}

/// The contracts that an account is kept from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shut(Option<Arc<BTreeMap<Address, Stop>>>);

impl Shut {
    /// The order that keeps it from a contract at a height.
    pub(crate) fn order(&self, contract: Address, height: u64) -> Option<u64> {
        let stop = self.0.as_ref()?.get(&contract)?;
        stop.binds(height).then_some(stop.order)
    }
}

/// All of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) stops: Stops,
    pub(crate) shut: Shut,
}

impl Binding {
    /// Reads what binds an identity whose account is marked as ordered.
    pub(crate) fn read(rows: &mut impl Rows, identity: Address) -> Result<Self, ReadError> {
        let (mut stops, mut contracts) = (Stops::default(), BTreeMap::new());
        for entry in tables::binding(rows, identity)? {
            let measure = entry.measure().ok_or_else(|| corrupt(format!("the orders on {identity}")))?;
            let stop = Stop { order: entry.order, until: entry.until() };
            match measure {
                Measure::FreezeAll | Measure::Blacklist => stops.all = Some(stop.longer(stops.all)),
                Measure::FreezeOutgoing => stops.outgoing = Some(stop.longer(stops.outgoing)),
                Measure::FreezeContract(contract) => {
                    let longer = stop.longer(contracts.get(&contract).copied());
                    contracts.insert(contract, longer);
                }
                // Tokens are looked at once a transaction has run; the others bind no account.
                Measure::FreezeToken(_) | Measure::Halt | Measure::Demand => {}
            }
        }
        let shut = Shut((!contracts.is_empty()).then(|| Arc::new(contracts)));
        Ok(Self { stops, shut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_orders_the_one_that_binds_longest_is_told() {
        let stop = |order, until| Stop { order, until };
        assert_eq!(stop(1, 9).longer(Some(stop(2, 10))), stop(2, 10));
        assert_eq!(stop(1, 0).longer(Some(stop(2, 10))), stop(1, 0));
        assert_eq!(stop(1, 9).longer(Some(stop(2, 0))), stop(2, 0));
        assert_eq!(stop(1, 9).longer(None), stop(1, 9));
    }

    #[test]
    fn a_stop_of_business_leaves_renewals_and_the_chain_itself_and_each_ends_with_its_height() {
        let (all, outgoing) = (Stop { order: 1, until: 9 }, Stop { order: 2, until: 0 });
        let stops = Stops { all: Some(all), outgoing: Some(outgoing) };
        assert_eq!(stops.refusing(9, Action::Renew), Some(1));
        assert_eq!(stops.refusing(10, Action::Renew), None);
        assert_eq!(stops.refusing(10, Action::CallSystem), None);
        assert_eq!(stops.refusing(10, Action::CallContract), Some(2));
        assert_eq!(Stops::default().refusing(1, Action::Deploy), None);
    }
}
