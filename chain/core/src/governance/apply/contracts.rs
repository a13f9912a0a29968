//! What holds of contracts.

use alloy_primitives::LogData;
use alloy_sol_types::SolEvent as _;
use concordat_governance::{action::Basis, effect::Halt, facts::Attested};
use concordat_types::{Address, B256};

use super::{super::abi::IGovernance as abi, Applier};
use crate::{
    contracts::{
        self, Approval, Contract, ContractAttributes, ContractHalt, ContractState,
        tables::{approval_key, attributes_key, contract_key, halt_key},
    },
    identity::Record as _,
    system::{Rows, SystemError},
};

impl<R: Rows> Applier<'_, R> {
    /// Calls are refused from the next transaction on, or answered again.
    pub(super) fn contract_halt(
        &mut self,
        address: Address,
        after: Option<&Halt>,
    ) -> Result<(), SystemError> {
        let contract = self.contract(address)?;
        let halted = |basis: &Basis, until, emergency| {
            let (since, proposal) = (self.height, self.proposal);
            Some(ContractHalt { basis: basis.clone(), until, emergency, since, proposal })
        };
        let (state, halt) = match after {
            None => match self.lifted_halt(address, contract.state)? {
                None => (ContractState::Active, None),
                Some(halt) => (ContractState::Frozen { until: halt.until }, Some(halt)),
            },
            Some(Halt::Frozen { basis, end, emergency }) => {
                let until = self.last_height(*end);
                (ContractState::Frozen { until }, halted(basis, until, *emergency))
            }
            Some(Halt::Retired { basis }) => (ContractState::Retired, halted(basis, 0, false)),
        };
        self.write(contract_key(address), Some(Contract { state, ..contract }.to_row()));
        self.write(halt_key(address), halt.as_ref().map(ContractHalt::to_row));
        let imposed = halt.filter(|_| after.is_some());
        self.effects.logs.push(halt_log(address, state, imposed, self.proposal));
        Ok(())
    }

    /// The same for a contract.
    fn lifted_halt(
        &mut self,
        address: Address,
        state: ContractState,
    ) -> Result<Option<ContractHalt>, SystemError> {
        let Some(until) = self.block_before() else { return Ok(None) };
        if state == ContractState::Active {
            return Ok(None);
        }
        let halt = contracts::tables::halt(self.rows, address)?;
        Ok(halt.emergency.then_some(ContractHalt { until, ..halt }))
    }

    pub(super) fn contract_administrator(
        &mut self,
        address: Address,
        after: Option<Address>,
    ) -> Result<(), SystemError> {
        let contract = Contract { administrator: after, ..self.contract(address)? };
        self.write(contract_key(address), Some(contract.to_row()));
        let administrator = after.unwrap_or_default();
        let log = abi::ContractAdministratorChanged {
            contractAddress: address,
            administrator,
            proposalId: self.proposal,
        };
        self.log(&log);
        Ok(())
    }

    /// A contract's row; of one that was there from the start, it is made now.
    fn contract(&mut self, address: Address) -> Result<Contract, SystemError> {
        Ok(contracts::tables::contract(self.rows, address)?.unwrap_or_default())
    }

    /// Who may deploy an init code: from the next transaction on.
    pub(super) fn approval(&mut self, code: B256, deployer: Address, after: Option<u64>) {
        let proposal = self.proposal;
        let approval = after.map(|until| Approval { until, proposal });
        self.write(approval_key(code, deployer), approval.as_ref().map(Approval::to_row));
        let until = after.unwrap_or_default();
        let log = abi::DeploymentApproved { code, deployer, until, proposalId: proposal };
        self.log(&log);
    }

    /// What contracts are told of each other from the next transaction on.
    pub(super) fn attributes(&mut self, contract: Address, after: Option<&Attested>) {
        let (since, proposal) = (self.height, self.proposal);
        let known = after.map(|attested| ContractAttributes { attested: attested.clone(), since, proposal });
        self.write(attributes_key(contract), known.as_ref().map(ContractAttributes::to_row));
        let log = abi::AttributesChanged {
            contractAddress: contract,
            attested: after.is_some(),
            codeHash: after.map(|attested| attested.code).unwrap_or_default(),
            rating: after.map_or(0, |attested| attested.attributes.rating),
            proposalId: proposal,
        };
        self.log(&log);
    }
}

/// The event of what stops a contract, or no longer does.
fn halt_log(address: Address, state: ContractState, halt: Option<ContractHalt>, proposal: u64) -> LogData {
    let Some(ContractHalt { basis, until, .. }) = halt else {
        return abi::ContractUnfrozen { contractAddress: address, proposalId: proposal }.encode_log_data();
    };
    let (document, reference) = (basis.document, basis.reference);
    match state {
        ContractState::Retired => abi::ContractRetired {
            contractAddress: address,
            document,
            documentReference: reference,
            proposalId: proposal,
        }
        .encode_log_data(),
        _ => abi::ContractFrozen {
            contractAddress: address,
            document,
            documentReference: reference,
            until,
            proposalId: proposal,
        }
        .encode_log_data(),
    }
}
