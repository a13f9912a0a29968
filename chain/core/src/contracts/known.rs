//! What execution knows of what a transaction or a call is about: facts for the policies, and what stops it before
//! they are asked.

use std::{fmt, sync::Arc};

use alloy_sol_types::SolError as _;
use concordat_governance::order::Measure;
use concordat_permissions::{ContractFacts, ListKind, Listing};
use concordat_types::{Address, Bytes};

use super::{
    abi::IContracts,
    records::{Contract, ContractState},
    tables::{self, List, Method},
};
use crate::{
    orders::{OrderHalt, abi::IOrders},
    permissions::Deed,
    system::{GasMeter, Rows, SystemError, gas, is_system},
};

/// A contract that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halted {
    /// It is frozen.
    Frozen {
        /// Which.
        contract: Address,
        /// The last height at which it is; zero: until that is lifted.
        until: u64,
    },
    /// An order of a regulator stops it.
    Ordered {
        /// Which contract.
        contract: Address,
        /// Which order, and until when.
        halt: OrderHalt,
    },
    /// It is retired.
    Retired {
        /// Which.
        contract: Address,
    },
}

impl Halted {
    /// What stops a contract at a height: what the committee has decided, or else an order.
    fn of(contract: Address, row: &Contract, height: u64) -> Option<Self> {
        let ordered = row.order.filter(|halt| halt.binds(height));
        Self::by_vote(contract, row.state, height)
            .or_else(|| ordered.map(|halt| Self::Ordered { contract, halt }))
    }

    fn by_vote(contract: Address, state: ContractState, height: u64) -> Option<Self> {
        if !state.binds(height) {
            return None;
        }
        match state {
            ContractState::Active => None,
            ContractState::Frozen { until } => Some(Self::Frozen { contract, until }),
            ContractState::Retired => Some(Self::Retired { contract }),
        }
    }

    /// The Solidity error `ContractFrozen` or `ContractRetired`, or that of an order.
    pub fn abi_encode(&self) -> Bytes {
        match *self {
            Self::Frozen { contract, until } => {
                IContracts::ContractFrozen { contractAddress: contract, until }.abi_encode()
            }
            Self::Ordered { contract, halt: OrderHalt { order, until } } => IOrders::OrderInForce {
                id: order,
                measure: Measure::Halt.code(),
                account: Address::ZERO,
                contractAddress: contract,
                // The contract's row is short, since each call reads it.
                documentReference: String::new(),
                until,
            }
            .abi_encode(),
            Self::Retired { contract } => {
                IContracts::ContractRetired { contractAddress: contract }.abi_encode()
            }
        }
        .into()
    }
}

impl fmt::Display for Halted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frozen { contract, until: 0 } => {
                write!(f, "contract {contract} is frozen until that is lifted")
            }
            Self::Frozen { contract, until } => {
                write!(f, "contract {contract} is frozen through height {until}")
            }
            Self::Ordered { contract, halt: OrderHalt { order, until: 0 } } => {
                write!(f, "contract {contract} is halted by order {order} until it is released")
            }
            Self::Ordered { contract, halt: OrderHalt { order, until } } => {
                write!(f, "contract {contract} is halted by order {order} through height {until}")
            }
            Self::Retired { contract } => write!(f, "contract {contract} is retired for good"),
        }
    }
}

/// For whom, and when, it is to be known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The account that signed.
    pub(crate) account: Address,
    /// The block's height.
    pub(crate) height: u64,
}

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// The contract's row.
    contract: Option<Arc<Contract>>,
    /// What refuses every call of it.
    pub(crate) halted: Option<Halted>,
    pub(crate) deploy_list: Listing,
    pub(crate) contract_list: Listing,
    pub(crate) method_list: Listing,
}

impl Known {
    /// The facts about the contract at an address.
    pub(crate) fn facts(&self, address: Address) -> ContractFacts<'_> {
        let contract = self.contract.as_deref();
        ContractFacts {
            address,
            organisation: contract.and_then(|contract| contract.organisation.as_ref()),
            administrator: contract.and_then(|contract| contract.administrator),
            system: is_system(&address),
        }
    }
}

/// What is known of what a deed is about, charged for before it is read: the contract's row, and those of lists that
/// bind. That depends on the state and the deed alone, so that the gas does.
pub(crate) fn known(
    rows: &mut impl Rows,
    meter: &mut GasMeter,
    place: Place,
    deed: &Deed,
) -> Result<Known, SystemError> {
    let Some(address) = deed.contract else {
        meter.charge(gas::ROW_READ)?;
        let kind = tables::deploy_list(rows)?;
        let deploy_list = listing(rows, meter, (List::Deploy, kind), place.account)?;
        return Ok(Known { deploy_list, ..Known::default() });
    };
    if is_system(&address) {
        return Ok(Known::default());
    }
    meter.charge(gas::ROW_READ)?;
    let Some(contract) = rows.contract(address)? else { return Ok(Known::default()) };
    let list = (List::Contract(address), contract.list);
    let contract_list = listing(rows, meter, list, place.account)?;
    let method_list = match deed.method {
        Some(method) if contract.method_lists > 0 => {
            method_listing(rows, meter, (address, method), place.account)?
        }
        _ => Listing::default(),
    };
    let halted = Halted::of(address, &contract, place.height);
    Ok(Known { contract: Some(contract), halted, contract_list, method_list, ..Known::default() })
}

fn method_listing(
    rows: &mut impl Rows,
    meter: &mut GasMeter,
    (contract, method): (Address, Method),
    account: Address,
) -> Result<Listing, SystemError> {
    meter.charge(gas::ROW_READ)?;
    let kind = tables::method_list(rows, contract, method)?;
    listing(rows, meter, (List::Method(contract, method), kind), account)
}

/// How an account stands to a list. Who is on one that binds nobody is not looked up.
fn listing(
    rows: &mut impl Rows,
    meter: &mut GasMeter,
    (list, kind): (List, ListKind),
    account: Address,
) -> Result<Listing, SystemError> {
    if kind == ListKind::None {
        return Ok(Listing::default());
    }
    meter.charge(gas::ROW_READ)?;
    Ok(Listing { kind, listed: list.has(rows, account)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_binds_through_its_last_height_and_retirement_for_good() {
        let contract = Address::repeat_byte(1);
        let halted = |state, height| Halted::of(contract, &Contract { state, ..Contract::default() }, height);
        assert_eq!(halted(ContractState::Active, 9), None);
        let until = 9;
        assert_eq!(halted(ContractState::Frozen { until }, 9), Some(Halted::Frozen { contract, until }));
        assert_eq!(halted(ContractState::Frozen { until }, 10), None);
        assert!(halted(ContractState::Frozen { until: 0 }, u64::MAX).is_some());
        assert_eq!(halted(ContractState::Retired, u64::MAX), Some(Halted::Retired { contract }));
    }

    #[test]
    fn an_order_stops_a_contract_through_its_last_height_and_a_freeze_is_told_first() {
        let (contract, halt) = (Address::repeat_byte(1), OrderHalt { order: 7, until: 9 });
        let row = Contract { order: Some(halt), ..Contract::default() };
        assert_eq!(Halted::of(contract, &row, 9), Some(Halted::Ordered { contract, halt }));
        assert_eq!(Halted::of(contract, &row, 10), None);
        let frozen = Contract { state: ContractState::Frozen { until: 9 }, ..row };
        assert_eq!(Halted::of(contract, &frozen, 9), Some(Halted::Frozen { contract, until: 9 }));
        let text = Halted::Ordered { contract, halt }.to_string();
        assert!(text.ends_with("is halted by order 7 through height 9"), "{text}");
    }

    #[test]
    fn people_read_what_is_frozen_and_for_how_long() {
        let contract = Address::ZERO;
        let texts = [
            (Halted::Frozen { contract, until: 0 }, "frozen until that is lifted"),
            (Halted::Frozen { contract, until: 9 }, "frozen through height 9"),
            (Halted::Retired { contract }, "retired for good"),
        ];
        for (halted, text) in texts {
            assert_eq!(halted.to_string(), format!("contract {contract} is {text}"));
        }
    }
}
