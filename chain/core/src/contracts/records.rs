//! What is kept of contracts.

use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_governance::action::Basis;
use concordat_permissions::ListKind;
use concordat_types::{Address, Bytes, OrgId};

use crate::{identity::Record, orders::OrderHalt};

/// Whether a contract answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContractState {
    /// It does.
    #[default]
    Active,
    /// It does not until it is unfrozen.
    Frozen {
        /// The last height at which the freeze binds; zero: until it is lifted.
        until: u64,
    },
    /// Never again.
    Retired,
}

impl ContractState {
    /// Whether calls are refused at a height.
    pub const fn binds(&self, height: u64) -> bool {
        match self {
            Self::Active => false,
            Self::Frozen { until } => *until == 0 || height <= *until,
            Self::Retired => true,
        }
    }
}

/// A contract. Each call reads it, so that it is small: what stopped a contract, and why, stands elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// The account that signed the transaction which made it; `None` if it was there from the start.
    pub creator: Option<Address>,
    /// The organisation of that account.
    pub organisation: Option<OrgId>,
    /// Who keeps its lists.
    pub administrator: Option<Address>,
    /// The height at which it was made; zero if it was there from the start.
    pub created: u64,
    /// Whether it answers.
    pub state: ContractState,
    /// How its list of who may call it binds.
    pub list: ListKind,
    /// How many of its methods have a list that binds: without any, calls read none.
    pub method_lists: u32,
    /// The proposal that approved of its deployment, if one did.
    pub approval: Option<u64>,
    /// The order of a regulator that stops it, if there is one; it may have lapsed.
    pub order: Option<OrderHalt>,
}

// The numbers are part of the state and never change meaning.
const ACTIVE: u8 = 0;
const FROZEN: u8 = 1;
const RETIRED: u8 = 2;

#[derive(RlpEncodable, RlpDecodable)]
#[rlp(trailing)]
struct ContractRow {
    creator: Bytes,
    organisation: String,
    administrator: Bytes,
    created: u64,
    state: u8,
    until: u64,
    list: u8,
    method_lists: u32,
    approval: Option<u64>,
    order: Option<OrderHalt>,
}

impl Record for Contract {
    fn to_row(&self) -> Bytes {
        let (state, until) = match self.state {
            ContractState::Active => (ACTIVE, 0),
            ContractState::Frozen { until } => (FROZEN, until),
            ContractState::Retired => (RETIRED, 0),
        };
        alloy_rlp::encode(ContractRow {
            creator: bytes(self.creator),
            organisation: self.organisation.as_ref().map(ToString::to_string).unwrap_or_default(),
            administrator: bytes(self.administrator),
            created: self.created,
            state,
            until,
            list: self.list.code(),
            method_lists: self.method_lists,
            approval: self.approval,
            order: self.order,
        })
        .into()
    }

    fn from_row(row: &[u8]) -> Option<Self> {
        let decoded: ContractRow = alloy_rlp::decode_exact(row).ok()?;
        let ContractRow { creator, organisation, administrator, created, state, until, .. } = decoded;
        let ContractRow { list, method_lists, approval, order, .. } = decoded;
        let organisation = if organisation.is_empty() { None } else { Some(organisation.parse().ok()?) };
        let state = match (state, until) {
            (ACTIVE, 0) => ContractState::Active,
            (FROZEN, until) => ContractState::Frozen { until },
            (RETIRED, 0) => ContractState::Retired,
            _ => return None,
        };
        let (creator, administrator) = (account(&creator)?, account(&administrator)?);
        let list = ListKind::from_code(list)?;
        let contract = Self {
            creator,
            organisation,
            administrator,
            created,
            state,
            list,
            method_lists,
            approval,
            order,
        };
        // One form only: a proposal's number and an order at the end, or none.
        (*contract.to_row() == *row).then_some(contract)
    }
}

fn bytes(account: Option<Address>) -> Bytes {
    account.map(|account| Bytes::copy_from_slice(account.as_slice())).unwrap_or_default()
}

/// `None` for bytes that are no account; `Some(None)` where there is none.
fn account(bytes: &[u8]) -> Option<Option<Address>> {
    if bytes.is_empty() { Some(None) } else { Address::try_from(bytes).ok().map(Some) }
}

/// What was last imposed on a contract and not lifted. Whether it is a freeze is said by the contract's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractHalt {
    /// Why.
    pub basis: Basis,
    /// The last height at which it binds; zero: until it is lifted, or for good.
    pub until: u64,
    /// Whether it is an emergency's, which lapses unless it is confirmed.
    pub emergency: bool,
    /// The height at which it was imposed.
    pub since: u64,
    /// The proposal that imposed it.
    pub proposal: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct HaltRow {
    basis: Basis,
    until: u64,
    emergency: bool,
    since: u64,
    proposal: u64,
}

impl Record for ContractHalt {
    fn to_row(&self) -> Bytes {
        let Self { basis, until, emergency, since, proposal } = self.clone();
        alloy_rlp::encode(HaltRow { basis, until, emergency, since, proposal }).into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let HaltRow { basis, until, emergency, since, proposal } = alloy_rlp::decode_exact(bytes).ok()?;
        Some(Self { basis, until, emergency, since, proposal })
    }
}

/// How a list binds, as a row. A list that binds nobody has none.
impl Record for ListKind {
    fn to_row(&self) -> Bytes {
        Bytes::copy_from_slice(&[self.code()])
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let [code] = *bytes else { return None };
        Self::from_code(code).filter(|kind| *kind != ListKind::None)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{B256, hex};

    use super::*;

    fn contract() -> Contract {
        Contract {
            creator: Some(Address::repeat_byte(1)),
            organisation: Some("bank-a".parse().unwrap()),
            administrator: Some(Address::repeat_byte(2)),
            created: 7,
            state: ContractState::Frozen { until: 500 },
            list: ListKind::Deny,
            method_lists: 3,
            approval: None,
            order: None,
        }
    }

    #[test]
    fn rows_of_contracts_are_golden() {
        let row = contract().to_row();
        let (one, two) = ("01".repeat(20), "02".repeat(20));
        assert_eq!(hex::encode(&row), format!("f83894{one}8662616e6b2d6194{two}07018201f40203"));
        for state in [ContractState::Active, ContractState::Frozen { until: 0 }, ContractState::Retired] {
            let contract = Contract { state, ..contract() };
            assert_eq!(Contract::from_row(&contract.to_row()), Some(contract));
        }
        let approved = Contract { approval: Some(9), ..contract() };
        assert_eq!(
            hex::encode(approved.to_row()),
            format!("f83994{one}8662616e6b2d6194{two}07018201f4020309")
        );
        assert_eq!(Contract::from_row(&approved.to_row()), Some(approved.clone()));
        let halt = OrderHalt { order: 7, until: 0 };
        let ordered = Contract { order: Some(halt), ..contract() };
        assert_eq!(
            hex::encode(ordered.to_row()),
            format!("f83c94{one}8662616e6b2d6194{two}07018201f4020380c20780")
        );
        assert_eq!(Contract::from_row(&ordered.to_row()), Some(ordered));
        let both = Contract { order: Some(halt), ..approved.clone() };
        assert_eq!(Contract::from_row(&both.to_row()), Some(both));
        let zero = hex::decode("c9808080808080808080").unwrap();
        assert_eq!(Contract::from_row(&zero), None, "no number in another form");
        assert_eq!(hex::encode(Contract::default().to_row()), "c88080808080808080");
        assert_eq!(Contract::from_row(&Contract::default().to_row()), Some(Contract::default()));
    }

    #[test]
    fn other_bytes_are_no_contract() {
        let row = |creator: &[u8], organisation: &str, state, until, list| {
            alloy_rlp::encode(ContractRow {
                creator: Bytes::copy_from_slice(creator),
                organisation: organisation.into(),
                administrator: Bytes::new(),
                created: 0,
                state,
                until,
                list,
                method_lists: 0,
                approval: None,
                order: None,
            })
        };
        assert!(Contract::from_row(&row(&[], "", 1, 5, 2)).is_some());
        for bytes in [
            row(&[1; 19], "", 0, 0, 0),
            row(&[], "Bank A", 0, 0, 0),
            row(&[], "", 0, 5, 0),
            row(&[], "", 2, 5, 0),
            row(&[], "", 3, 0, 0),
            row(&[], "", 0, 0, 3),
            vec![0xc0],
            vec![],
        ] {
            assert_eq!(Contract::from_row(&bytes), None, "{}", hex::encode(bytes));
        }
    }

    #[test]
    fn what_stops_a_contract_is_golden() {
        let basis = Basis { document: B256::repeat_byte(9), reference: "Order 7".into() };
        let halt = ContractHalt { basis, until: 500, emergency: true, since: 3, proposal: 2 };
        let golden = format!("f0e9a0{}874f7264657220378201f4010302", "09".repeat(32));
        assert_eq!(hex::encode(halt.to_row()), golden);
        assert_eq!(ContractHalt::from_row(&halt.to_row()), Some(halt));
        assert_eq!(ContractHalt::from_row(&[0xc0]), None);
    }

    #[test]
    fn kinds_of_lists_have_a_row_if_they_bind() {
        assert_eq!(ListKind::from_row(&[1]), Some(ListKind::Allow));
        assert_eq!(ListKind::Deny.to_row()[..], [2]);
        for bytes in [&[][..], &[0], &[3], &[1, 1]] {
            assert_eq!(ListKind::from_row(bytes), None);
        }
    }
}
