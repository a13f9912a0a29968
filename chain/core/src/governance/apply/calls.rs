//! Decisions that end in a call in the name of the committee: upgrades of proxies, corrections of tokens.

use alloy_sol_types::SolCall as _;
use concordat_governance::{Action, action::Correction, facts::Implementation};
use concordat_types::{Address, B256, Bytes};
use sha2::{Digest as _, Sha256};

use super::Applier;
use crate::{
    account::corrupt,
    contracts::{
        self, Version,
        tables::{version_in_force_key, version_key},
    },
    governance::abi::{IGovernance as abi, IGovernedProxy},
    identity::Record as _,
    system::{GOVERNANCE, Rows, SystemError, Then, gas},
};

impl<R: Rows> Applier<'_, R> {
    /// A proxy hands its calls on to another implementation from the next transaction on. It is told now, and tells tools.
    pub(super) fn implementation(
        &mut self,
        proxy: Address,
        after: &Implementation,
    ) -> Result<(), SystemError> {
        let (height, proposal) = (self.height, self.proposal);
        let last = contracts::tables::version_in_force(self.rows, proxy)?;
        let number = last.map_or(contracts::FIRST, |version| version.number).saturating_add(1);
        let Implementation { address: implementation, code } = *after;
        let migration = self.migration_hash();
        let version = Version { number, implementation, code, since: height, proposal, migration };
        self.write(version_in_force_key(proxy), Some(version.to_row()));
        self.write(version_key(proxy, number), Some(version.to_row()));
        let log = abi::ContractUpgraded { proxy, implementation, codeHash: code, proposalId: proposal };
        self.log(&log);
        let call = IGovernedProxy::governedUpgradeCall { implementation }.abi_encode();
        self.then(proxy, gas::TELLING, call.into());
        Ok(())
    }

    /// The proxy is called as soon as it was told, so that its new implementation brings the storage into its own form. If it
    /// refuses, the execution reverts.
    pub(super) fn migration(&mut self, proxy: Address, call: &Bytes) {
        let log = abi::ContractMigrated { proxy, call: call.clone(), proposalId: self.proposal };
        self.log(&log);
        self.then(proxy, gas::DECIDED_CALL, call.clone());
    }

    fn migration_hash(&self) -> B256 {
        match self.action {
            Action::UpgradeContract { migration, .. } if !migration.is_empty() => {
                B256::from_slice(&Sha256::digest(migration))
            }
            _ => B256::ZERO,
        }
    }

    /// The token says whether the committee may. If not, the execution reverts.
    pub(super) fn correction(&mut self, token: Address, correction: &Correction) -> Result<(), SystemError> {
        let Action::Correct { basis, .. } = self.action else {
            return Err(corrupt("the action of a correction").into());
        };
        let log = abi::Corrected {
            contractAddress: token,
            call: correction.encode(),
            document: basis.document,
            documentReference: basis.reference.clone(),
            proposalId: self.proposal,
        };
        self.log(&log);
        self.then(token, gas::DECIDED_CALL, correction.encode());
        Ok(())
    }

    /// A call more follows, of the contract that the others are of: effects are about one.
    fn then(&mut self, target: Address, gas: u32, data: Bytes) {
        let then = self.effects.then.get_or_insert(Then { caller: GOVERNANCE, target, calls: Vec::new() });
        then.calls.push((gas, data));
    }
}
