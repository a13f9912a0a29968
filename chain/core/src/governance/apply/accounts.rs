//! Freezes, keys and bars of accounts, and regulators.

use alloy_sol_types::SolEvent as _;
use concordat_governance::{
    Action,
    action::{BarTarget, Basis},
    effect::Freeze,
    facts::{Bound, Frozen},
    regulator::{Power, RegulatorFacts},
};
use concordat_pki_verify::Purpose;
use concordat_types::{Address, B256};

use super::{
    super::{
        abi::IGovernance as abi,
        records::{AccountFreeze, RegulatorRecord},
        tables,
    },
    Applier,
};
use crate::{
    account::corrupt,
    identity::{self, Bar, Record as _, bars, recovery},
    system::{Rows, SystemError},
};

impl<R: Rows> Applier<'_, R> {
    pub(super) fn freeze(&mut self, account: Address, after: Option<&Freeze>) -> Result<(), SystemError> {
        // A freeze binds the identity, whichever of its accounts was named.
        let Bound { identity, account } = identity::tables::bound(self.rows, account)?;
        let mut standing = identity::tables::standing(self.rows, account)?
            .ok_or_else(|| corrupt(format!("the standing of {account}")))?;
        standing.frozen = after.is_some();
        self.write(identity::tables::standing_key(account), Some(standing.to_row()));
        let freeze = after.map(|freeze| self.imposed(freeze));
        let kept = if freeze.is_none() { self.lifted(identity)? } else { None };
        let row = freeze.as_ref().or(kept.as_ref()).map(AccountFreeze::to_row);
        self.write(tables::freeze_key(identity), row);
        let log = match freeze {
            None => abi::AccountUnfrozen { account, proposalId: self.proposal }.encode_log_data(),
            Some(AccountFreeze { frozen, .. }) => abi::AccountFrozen {
                account,
                scope: frozen.scope.code(),
                document: frozen.basis.document,
                documentReference: frozen.basis.reference,
                until: frozen.until,
                proposalId: self.proposal,
            }
            .encode_log_data(),
        };
        self.effects.logs.push(log);
        Ok(())
    }

    /// A freeze that is imposed at this height.
    fn imposed(&self, freeze: &Freeze) -> AccountFreeze {
        let until = self.last_height(freeze.end);
        let Freeze { scope, basis, emergency, .. } = freeze;
        let frozen = Frozen { scope: *scope, basis: basis.clone(), until, emergency: *emergency };
        AccountFreeze { frozen, since: self.height, proposal: self.proposal }
    }

    /// What is kept of a freeze that is lifted: an emergency counts as lapsed with the block before, so that the next one
    /// has to wait as long as if nobody had lifted it.
    fn lifted(&mut self, identity: Address) -> Result<Option<AccountFreeze>, SystemError> {
        let Some(until) = self.block_before() else { return Ok(None) };
        let freeze = tables::freeze(self.rows, identity)?.filter(|freeze| freeze.frozen.emergency);
        Ok(freeze.map(|freeze| AccountFreeze { frozen: Frozen { until, ..freeze.frozen }, ..freeze }))
    }

    /// An identity gets the key of the action's path, which was found to hold when the effect was resolved.
    pub(super) fn identity(&mut self, before: Address) -> Result<(), SystemError> {
        let Action::RecoverKey { chain, .. } = self.action else {
            return Err(corrupt("the action of a recovery").into());
        };
        let Self { height, time_secs, proposal, .. } = *self;
        let path = identity::check_member_path(self.rows, chain, Purpose::Account, time_secs)?;
        let decided = recovery::Decided { height, time_secs, proposal };
        let effects = recovery::rebind(self.rows, before, &path, decided)?;
        self.extend(effects);
        Ok(())
    }

    pub(super) fn bar(&mut self, target: &BarTarget, after: Option<&Basis>) -> Result<(), SystemError> {
        let bar = after.map(|basis| Bar {
            document: basis.document,
            reference: basis.reference.clone(),
            since: self.height,
            proposal: self.proposal,
            subject: B256::ZERO,
        });
        let document = bar.as_ref().map(|bar| bar.document).unwrap_or_default();
        let reference = bar.as_ref().map(|bar| bar.reference.clone()).unwrap_or_default();
        let (barred, proposal) = (bar.is_some(), self.proposal);
        let (effects, log) = match target {
            BarTarget::Account(identity) => {
                let log = abi::AccountBarred {
                    identity: *identity,
                    barred,
                    document,
                    documentReference: reference,
                    proposalId: proposal,
                };
                (bars::set_account(self.rows, *identity, bar)?, log.encode_log_data())
            }
            BarTarget::Node(node_key) => {
                let log = abi::NodeBarred {
                    nodeKeyHash: *node_key,
                    barred,
                    document,
                    documentReference: reference,
                    proposalId: proposal,
                };
                (bars::set_node(*node_key, bar), log.encode_log_data())
            }
        };
        self.extend(effects);
        self.effects.logs.push(log);
        Ok(())
    }

    /// A mandate binds from the next transaction on.
    pub(super) fn regulator(
        &mut self,
        identity: Address,
        after: Option<&RegulatorFacts>,
    ) -> Result<(), SystemError> {
        let mut index = tables::regulator_index(self.rows)?;
        match after {
            Some(_) => index.0.insert(identity),
            None => index.0.remove(&identity),
        };
        let (since, proposal) = (self.height, self.proposal);
        let record = after.map(|facts| RegulatorRecord { facts: facts.clone(), since, proposal });
        self.write(tables::regulator_key(identity), record.as_ref().map(RegulatorRecord::to_row));
        self.write(tables::regulator_index_key(), (!index.0.is_empty()).then(|| index.to_row()));
        let mandate = after.map(|facts| &facts.mandate);
        let log = abi::RegulatorChanged {
            identity,
            registered: mandate.is_some(),
            jurisdiction: mandate.map(|mandate| mandate.jurisdiction.clone()).unwrap_or_default(),
            powers: mandate.map_or(0, |mandate| Power::bits(&mandate.powers)),
            until: mandate.map_or(0, |mandate| mandate.until),
            proposalId: proposal,
        };
        self.log(&log);
        Ok(())
    }
}
