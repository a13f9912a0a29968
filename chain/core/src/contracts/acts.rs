//! What an administrator changes. Each act decides first and returns what it writes.

use std::collections::BTreeSet;

use alloy_primitives::LogData;
use alloy_sol_types::{SolError, SolEvent as _};
use concordat_permissions::{Action, ListKind};
use concordat_types::{Address, ReadError, Role};

use super::{
    abi::IContracts as abi,
    known::{Halted, Place, known},
    records::{Contract, ContractState},
    tables::{self, EXISTING_ROWS, List, Method},
};
use crate::{
    identity::{
        Record as _,
        tables::{identity_of, standing as standing_row},
    },
    orders,
    permissions::{Asker, Deed, Policies, Sender},
    standing::{self, Backing, Enrolled, STANDING_ROWS, decide_sender},
    system::{Effects, GasMeter, Rows, SystemCall, SystemError, Write, gas},
};

/// The most accounts that a call may name.
pub(super) const MAX_ACCOUNTS: usize = 100;

/// A call that changes something, and its gas.
pub(super) struct Administering<'a, R> {
    pub(super) call: &'a SystemCall,
    pub(super) rows: &'a mut R,
    pub(super) meter: &'a mut GasMeter,
}

impl<R: Rows> Administering<'_, R> {
    /// Says how the contract's list binds.
    pub(super) fn set_contract_list(&mut self, address: Address, kind: u8) -> Result<Effects, SystemError> {
        let contract = self.administered(address)?;
        let kind = list_kind(kind)?;
        if contract.list == kind {
            return Err(revert(abi::NothingChanges {}));
        }
        let log = abi::ContractListSet { contractAddress: address, kind: kind.code(), by: self.call.caller };
        Ok(effects(
            vec![contract_write(address, &Contract { list: kind, ..contract })],
            log.encode_log_data(),
        ))
    }

    /// Says how the list of a method binds. The contract's row counts those that do.
    pub(super) fn set_method_list(
        &mut self,
        address: Address,
        method: Method,
        kind: u8,
    ) -> Result<Effects, SystemError> {
        let contract = self.administered(address)?;
        let kind = list_kind(kind)?;
        self.meter.charge(gas::ROW_READ)?;
        let before = tables::method_list(self.rows, address, method)?;
        if before == kind {
            return Err(revert(abi::NothingChanges {}));
        }
        let mut writes = vec![tables::kind_write(tables::method_list_key(address, method), kind)];
        let method_lists = match (before, kind) {
            (ListKind::None, _) => contract.method_lists.saturating_add(1),
            (_, ListKind::None) => contract.method_lists.saturating_sub(1),
            _ => contract.method_lists,
        };
        if method_lists != contract.method_lists {
            writes.push(contract_write(address, &Contract { method_lists, ..contract }));
        }
        let (kind, by) = (kind.code(), self.call.caller);
        let log = abi::MethodListSet { contractAddress: address, method: method.into(), kind, by };
        Ok(effects(writes, log.encode_log_data()))
    }

    /// Puts accounts on the contract's list, or takes them off.
    pub(super) fn change_contract_list(
        &mut self,
        address: Address,
        accounts: &[Address],
        listed: bool,
    ) -> Result<Effects, SystemError> {
        self.administered(address)?;
        let accounts = self.differing(List::Contract(address), accounts, listed)?;
        let writes = members(List::Contract(address), &accounts, listed);
        let by = self.call.caller;
        let log = abi::ContractListChanged { contractAddress: address, listed, accounts, by };
        Ok(effects(writes, log.encode_log_data()))
    }

    /// Puts accounts on the list of a method, or takes them off.
    pub(super) fn change_method_list(
        &mut self,
        (address, method): (Address, Method),
        accounts: &[Address],
        listed: bool,
    ) -> Result<Effects, SystemError> {
        self.administered(address)?;
        let accounts = self.differing(List::Method(address, method), accounts, listed)?;
        let writes = members(List::Method(address, method), &accounts, listed);
        let (method, by) = (method.into(), self.call.caller);
        let log = abi::MethodListChanged { contractAddress: address, method, listed, accounts, by };
        Ok(effects(writes, log.encode_log_data()))
    }

    /// Hands the contract over.
    pub(super) fn set_administrator(
        &mut self,
        address: Address,
        administrator: Address,
    ) -> Result<Effects, SystemError> {
        let contract = self.administered(address)?;
        let administrator = self.administrator(administrator)?;
        if contract.administrator == Some(administrator) {
            return Err(revert(abi::NothingChanges {}));
        }
        let log = abi::AdministratorSet { contractAddress: address, administrator, by: self.call.caller };
        let contract = Contract { administrator: Some(administrator), ..contract };
        Ok(effects(vec![contract_write(address, &contract)], log.encode_log_data()))
    }

    /// The contract, if the sender may administer it.
    fn administered(&mut self, address: Address) -> Result<Contract, SystemError> {
        self.meter.charge_each(EXISTING_ROWS, gas::ROW_READ)?;
        let contract = tables::existing(self.rows, address)?
            .ok_or_else(|| revert(abi::UnknownContract { contractAddress: address }))?;
        if contract.state == ContractState::Retired {
            return Err(SystemError::Revert(Halted::Retired { contract: address }.abi_encode()));
        }
        let asker = self.asker()?;
        let deed = Deed::direct(Action::Administer, Some(address), None);
        let place = Place { account: asker.sender.account, height: self.call.height };
        let known = known(self.rows, self.meter, place, &deed)?;
        self.meter.charge(gas::DECISION.saturating_add(asker.price(&deed, &known)))?;
        asker.ask(&deed, &known).map_err(|denial| SystemError::Revert(denial.abi_encode()))?;
        Ok(contract)
    }

    /// The sender as it asks the policies. A freeze of its business covers what it administers.
    fn asker(&mut self) -> Result<Asker, SystemError> {
        let SystemCall { caller: account, height, time_secs, .. } = *self.call;
        self.meter.charge_each(STANDING_ROWS.saturating_add(1), gas::ROW_READ)?;
        let enrolled = Enrolled::read(self.rows, account, Backing::read)?;
        // Nobody else's transaction is executed.
        let Enrolled { standing, identity, organisation, shut } =
            enrolled.ok_or_else(|| not_enrolled(account))?;
        if standing.freeze.is_some_and(|freeze| freeze.refuses(height, standing::Action::CallContract)) {
            return Err(revert(abi::SenderFrozen { account }));
        }
        if let Some(order) = standing.stops.refusing(height, standing::Action::CallContract) {
            self.meter.charge(gas::ROW_READ)?;
            return Err(SystemError::Revert(orders::notice(self.rows, order)?.abi_encode()));
        }
        let sender = Sender { account: identity, organisation, role: standing.role };
        Ok(Asker { policies: Policies::in_force(self.rows)?, sender, time_secs, binds: true, shut })
    }

    /// The identity of who is to keep the lists: somebody that does business, and may do so now.
    fn administrator(&mut self, account: Address) -> Result<Address, SystemError> {
        self.meter.charge_each(STANDING_ROWS, gas::ROW_READ)?;
        let (height, time) = (self.call.height, self.call.time_secs);
        let enrolled = Enrolled::read(self.rows, account, Backing::read)?;
        let fit = enrolled.filter(|Enrolled { standing, .. }| {
            matches!(standing.role, Role::Operator | Role::Developer)
                && decide_sender(standing, height, time, standing::Action::CallContract).is_ok()
        });
        fit.map(|fit| fit.identity).ok_or_else(|| revert(abi::NotAdministrator { account }))
    }

    /// The identities of those accounts that change, in the order of their addresses. Who comes on a list has enrolled:
    /// another address might become a later key of an identity, and the list would not bind it.
    fn differing(
        &mut self,
        list: List,
        accounts: &[Address],
        listed: bool,
    ) -> Result<Vec<Address>, SystemError> {
        if !(1..=MAX_ACCOUNTS).contains(&accounts.len()) {
            let count = |count: usize| alloy_primitives::U256::from(count);
            let (have, most) = (count(accounts.len()), count(MAX_ACCOUNTS));
            return Err(revert(abi::TooManyAccounts { have, most }));
        }
        self.meter.charge_each(accounts.len(), gas::ROW_READ.saturating_mul(3))?;
        for account in accounts.iter().filter(|_| listed) {
            if standing_row(self.rows, *account)?.is_none() {
                return Err(revert(abi::NotEnrolled { account: *account }));
            }
        }
        let identities: BTreeSet<Address> = accounts
            .iter()
            .map(|account| identity_of(self.rows, *account))
            .collect::<Result<_, ReadError>>()?;
        let mut differing = Vec::new();
        for identity in identities {
            if list.has(self.rows, identity)? != listed {
                differing.push(identity);
            }
        }
        if differing.is_empty() { Err(revert(abi::NothingChanges {})) } else { Ok(differing) }
    }
}

fn members(list: List, accounts: &[Address], listed: bool) -> Vec<Write> {
    accounts.iter().map(|account| list.member_write(*account, listed)).collect()
}

fn contract_write(address: Address, contract: &Contract) -> Write {
    (tables::contract_key(address), Some(contract.to_row()))
}

fn effects(writes: Vec<Write>, log: LogData) -> Effects {
    Effects { writes, logs: vec![log], ..Effects::default() }
}

fn list_kind(code: u8) -> Result<ListKind, SystemError> {
    ListKind::from_code(code).ok_or_else(|| revert(abi::UnknownListKind { kind: code }))
}

fn not_enrolled(account: Address) -> SystemError {
    SystemError::State(ReadError::Store {
        what: format!("the standing of {account}, whose transaction is executed"),
        reason: "there is none".into(),
    })
}

pub(super) fn revert(error: impl SolError) -> SystemError {
    SystemError::Revert(error.abi_encode().into())
}
