//! The registry of contracts as a Solidity contract: decodes calls, charges, and encodes answers.

use alloy_primitives::Address;
use alloy_sol_types::{SolCall as _, SolInterface as _, SolValue as _};
use concordat_permissions::ListKind;
use concordat_types::{B256, Bytes};

use super::{
    abi::IContracts::{self as abi, IContractsCalls as Calls},
    acts::{Administering, MAX_ACCOUNTS, revert},
    approvals, attributes,
    records::{Contract, ContractHalt, ContractState},
    tables::{self, EXISTING_ROWS, List},
    versions,
};
use crate::identity::tables::identity_of;
use crate::system::{
    self, CONTRACTS, Effects, GasMeter, Reply, Rows, SystemCall, SystemContract, SystemError, gas,
};

/// The most call data of any function, in bytes: a list of accounts, and what the ABI puts around it.
const MAX_CALL_BYTES: usize = 32 * MAX_ACCOUNTS + 256;

/// Version of the interface.
const VERSION: u64 = 1;

/// The registry of contracts.
#[derive(Clone, Copy, Debug)]
pub struct Contracts;

/// Functions that change something.
const fn changes(selector: [u8; 4]) -> bool {
    matches!(
        selector,
        abi::setContractListCall::SELECTOR
            | abi::setMethodListCall::SELECTOR
            | abi::addToContractListCall::SELECTOR
            | abi::removeFromContractListCall::SELECTOR
            | abi::addToMethodListCall::SELECTOR
            | abi::removeFromMethodListCall::SELECTOR
            | abi::setAdministratorCall::SELECTOR
            | abi::reviewCall::SELECTOR
    )
}

impl SystemContract for Contracts {
    const ADDRESS: Address = CONTRACTS;

    fn call(call: &SystemCall, rows: &mut impl Rows, meter: &mut GasMeter) -> Result<Reply, SystemError> {
        let asked: Calls = system::decode(call, meter, changes, MAX_CALL_BYTES)?;
        if !changes(asked.selector()) {
            let output = view(asked, call, rows, meter)?;
            return Ok(Reply { output: output.into(), effects: None });
        }
        let effects = act(asked, &mut Administering { call, rows, meter: &mut *meter })?;
        meter.charge(effects.gas())?;
        Ok(Reply { output: Bytes::new(), effects: Some(effects) })
    }
}

fn act<R: Rows>(asked: Calls, to: &mut Administering<'_, R>) -> Result<Effects, SystemError> {
    match asked {
        Calls::setContractList(asked) => to.set_contract_list(asked.contractAddress, asked.kind),
        Calls::setMethodList(asked) => to.set_method_list(asked.contractAddress, asked.method.0, asked.kind),
        Calls::addToContractList(asked) => {
            to.change_contract_list(asked.contractAddress, &asked.accounts, true)
        }
        Calls::removeFromContractList(asked) => {
            to.change_contract_list(asked.contractAddress, &asked.accounts, false)
        }
        Calls::addToMethodList(asked) => {
            to.change_method_list((asked.contractAddress, asked.method.0), &asked.accounts, true)
        }
        Calls::removeFromMethodList(asked) => {
            to.change_method_list((asked.contractAddress, asked.method.0), &asked.accounts, false)
        }
        Calls::setAdministrator(asked) => to.set_administrator(asked.contractAddress, asked.administrator),
        Calls::review(asked) => approvals::review(to.call, &asked, to.rows, to.meter),
        // `changes` let nothing else through.
        _ => Err(revert(abi::MalformedCall {})),
    }
}

type Answer = Result<Vec<u8>, SystemError>;

fn view(asked: Calls, call: &SystemCall, rows: &mut impl Rows, meter: &mut GasMeter) -> Answer {
    let height = call.height;
    match asked {
        Calls::contractInfo(asked) => {
            meter.charge_each(EXISTING_ROWS, gas::ROW_READ)?;
            Ok(info(tables::existing(rows, asked.contractAddress)?, height).abi_encode())
        }
        Calls::halt(asked) => halt(asked.contractAddress, height, rows, meter),
        Calls::contractList(asked) => {
            meter.charge(gas::ROW_READ)?;
            let contract = tables::contract(rows, asked.contractAddress)?;
            Ok(abi_kind(contract.unwrap_or_default().list))
        }
        Calls::methodList(asked) => {
            meter.charge(gas::ROW_READ)?;
            let kind = tables::method_list(rows, asked.contractAddress, asked.method.0)?;
            Ok(abi_kind(kind))
        }
        Calls::isOnContractList(asked) => {
            listed(List::Contract(asked.contractAddress), asked.account, rows, meter)
        }
        Calls::isOnMethodList(asked) => {
            listed(List::Method(asked.contractAddress, asked.method.0), asked.account, rows, meter)
        }
        Calls::deployList(_) => {
            meter.charge(gas::ROW_READ)?;
            Ok(abi_kind(tables::deploy_list(rows)?))
        }
        Calls::isOnDeployList(asked) => listed(List::Deploy, asked.account, rows, meter),
        Calls::attributes(asked) => attributes::attributes(asked.contractAddress, call, rows, meter),
        Calls::rating(asked) => attributes::rating(asked.contractAddress, call, rows, meter),
        Calls::approvalRequired(_) => {
            meter.charge(gas::ROW_READ)?;
            Ok(tables::approval_required(rows)?.abi_encode())
        }
        Calls::approval(asked) => approval(asked.code, asked.deployer, rows, meter),
        Calls::reviewOf(asked) => review_of(asked.id, asked.reviewer, rows, meter),
        Calls::approvedBy(asked) => {
            meter.charge(gas::ROW_READ)?;
            let contract = tables::contract(rows, asked.contractAddress)?.unwrap_or_default();
            Ok(contract.approval.unwrap_or_default().abi_encode())
        }
        Calls::version(_) => Ok(VERSION.abi_encode()),
        Calls::implementation(asked) => versions::told(asked.contractAddress, rows, meter),
        Calls::versions(asked) => versions::versions(&asked, rows, meter),
        _ => Err(revert(abi::MalformedCall {})),
    }
}

fn abi_kind(kind: ListKind) -> Vec<u8> {
    abi::contractListCall::abi_encode_returns(&kind.code())
}

fn listed(list: List, account: Address, rows: &mut impl Rows, meter: &mut GasMeter) -> Answer {
    meter.charge_each(2, gas::ROW_READ)?;
    let identity = identity_of(rows, account)?;
    Ok(list.has(rows, identity)?.abi_encode())
}

fn approval(code: B256, deployer: Address, rows: &mut impl Rows, meter: &mut GasMeter) -> Answer {
    meter.charge_each(2, gas::ROW_READ)?;
    let deployer = identity_of(rows, deployer)?;
    let known = tables::approval(rows, code, deployer)?;
    let (proposal, until) = known.map_or((0, 0), |known| (known.proposal, known.until));
    Ok((proposal, until).abi_encode())
}

fn review_of(id: u64, reviewer: Address, rows: &mut impl Rows, meter: &mut GasMeter) -> Answer {
    meter.charge_each(2, gas::ROW_READ)?;
    let reviewer = identity_of(rows, reviewer)?;
    let known = tables::review(rows, id, reviewer)?;
    let (approves, report, height) =
        known.map_or((false, B256::ZERO, 0), |known| (known.approves, known.report, known.height));
    Ok((approves, report, height).abi_encode())
}

fn info(contract: Option<Contract>, height: u64) -> abi::ContractInfo {
    let exists = contract.is_some();
    let contract = contract.unwrap_or_default();
    abi::ContractInfo {
        exists,
        creator: contract.creator.unwrap_or_default(),
        organisation: contract.organisation.as_ref().map(ToString::to_string).unwrap_or_default(),
        administrator: contract.administrator.unwrap_or_default(),
        created: contract.created,
        status: match contract.state {
            ContractState::Retired => 2,
            state => u8::from(state.binds(height)),
        },
        list: contract.list.code(),
        methodLists: contract.method_lists,
    }
}

fn halt(address: Address, height: u64, rows: &mut impl Rows, meter: &mut GasMeter) -> Answer {
    meter.charge_each(2, gas::ROW_READ)?;
    let state = tables::contract(rows, address)?.unwrap_or_default().state;
    let halt = match state {
        ContractState::Active => None,
        _ => Some(tables::halt(rows, address)?),
    };
    Ok(abi_halt(halt, state, height).abi_encode())
}

fn abi_halt(halt: Option<ContractHalt>, state: ContractState, height: u64) -> abi::Halt {
    let (document, document_reference, until, emergency, since, proposal) = match halt {
        None => (B256::ZERO, String::new(), 0, false, 0, 0),
        Some(ContractHalt { basis, until, emergency, since, proposal }) => {
            (basis.document, basis.reference, until, emergency, since, proposal)
        }
    };
    abi::Halt {
        binds: state.binds(height),
        retired: state == ContractState::Retired,
        document,
        documentReference: document_reference,
        until,
        emergency,
        since,
        proposalId: proposal,
    }
}
