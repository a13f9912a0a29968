//! An effect becomes rows, Solidity events and events for the node.

mod accounts;
mod calls;
mod contracts;
mod members;
mod orders;
mod policies;

use alloy_sol_types::SolEvent;
use concordat_governance::{
    Action, Committee, Effect,
    action::Reversed,
    effect::{Change, End},
};
use concordat_types::Bytes;

use super::{
    abi::IGovernance as abi,
    facts::ChainFacts,
    parameters::{self, Schedule},
    records::RollbackRecord,
    tables,
};
use crate::{
    account::corrupt,
    contracts::tables::approval_rule_write,
    identity::{self, Record as _, ValidatorRecord, recovery},
    orders::book,
    system::{Effects, RowKey, Rows, SystemError},
};

/// What an effect writes, and where it stands in the making.
struct Applier<'a, R> {
    rows: &'a mut R,
    height: u64,
    time_secs: u64,
    proposal: u64,
    action: &'a Action,
    effects: &'a mut Effects,
    committee: Option<Committee>,
    validators: Option<Vec<ValidatorRecord>>,
}

/// Adds what an effect changes to `effects`. What it reads was charged for when the effect was resolved.
pub(super) fn apply<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    proposal: u64,
    action: &Action,
    effect: &Effect,
    effects: &mut Effects,
) -> Result<(), SystemError> {
    if let Action::RecoverKey { chain, .. } = action {
        // Its path is checked again, and the rows of the new account are written after others are read.
        facts.charge_certificates(chain.len())?;
        facts.charge_rows(recovery::REBIND_ROWS)?;
    }
    if matches!(action, Action::ConfirmOrder { .. } | Action::LiftOrder { .. }) {
        facts.charge_rows(book::ROWS)?;
    }
    let (rows, height, time_secs) = (&mut *facts.rows, facts.height, facts.time_secs);
    let (committee, validators) = (None, None);
    let mut applier = Applier { rows, height, time_secs, proposal, action, effects, committee, validators };
    for change in &effect.changes {
        applier.change(change)?;
    }
    applier.finish();
    Ok(())
}

impl<R: Rows> Applier<'_, R> {
    fn change(&mut self, change: &Change) -> Result<(), SystemError> {
        match change {
            Change::Organisation { id, before, after } => {
                self.organisation(id, before.as_ref(), after.as_ref())
            }
            Change::Validator { consensus_key, before, after } => {
                self.validator(*consensus_key, before.as_ref(), after.as_ref())
            }
            Change::Seat { member, before, after } => self.seat(*member, before.as_ref(), after.as_ref()),
            Change::Rule { kind, after, .. } => {
                self.write(tables::rule_key(*kind), Some(after.to_row()));
                let log = abi::RuleChanged { kind: kind.code(), proposalId: self.proposal };
                self.log(&log);
                Ok(())
            }
            Change::Freeze { account, after, .. } => self.freeze(*account, after.as_ref()),
            Change::Identity { before, .. } => self.identity(before.account),
            Change::Bar { target, after, .. } => self.bar(target, after.as_ref()),
            Change::Regulator { identity, after, .. } => self.regulator(*identity, after.as_ref()),
            Change::Policy { id, after, .. } => self.policy(id, after.as_deref()),
            Change::DeployList { before, after } => self.deploy_list(before, after),
            Change::ContractHalt { contract, after, .. } => self.contract_halt(*contract, after.as_ref()),
            Change::ContractAdministrator { contract, after, .. } => {
                self.contract_administrator(*contract, *after)
            }
            Change::Attributes { contract, after, .. } => {
                self.attributes(*contract, after.as_ref());
                Ok(())
            }
            Change::Approval { code, deployer, after, .. } => {
                self.approval(*code, *deployer, *after);
                Ok(())
            }
            Change::ApprovalRule { after, .. } => {
                self.effects.writes.push(approval_rule_write(*after));
                let log = abi::ApprovalRuleChanged { required: *after, proposalId: self.proposal };
                self.log(&log);
                Ok(())
            }
            Change::Limit { id, after, .. } => self.limit(id, after.as_ref()),
            Change::Parameters { after, .. } => {
                parameters::set(after, self.proposal, self.effects);
                Ok(())
            }
            Change::Protocol { running, after, .. } => {
                let schedule = Schedule { running: *running, upgrade: *after };
                parameters::schedule(schedule, self.proposal, self.effects);
                Ok(())
            }
            Change::Slot { contract, slot, after, .. } => {
                self.effects.slots.push((*contract, *slot, *after));
                Ok(())
            }
            Change::RollBack { .. } => self.rollback(),
            Change::Implementation { contract, after, .. } => self.implementation(*contract, after),
            Change::Correction { contract, correction, .. } => self.correction(*contract, correction),
            // It stays: told for the ballots alone.
            Change::Code { .. } => Ok(()),
            Change::Migration { contract, call, .. } => {
                self.migration(*contract, call);
                Ok(())
            }
            Change::Order { id, after, .. } => self.order(*id, after.stage),
        }
    }

    /// Writes the rows that list others, once.
    fn finish(mut self) {
        if let Some(committee) = self.committee.take() {
            self.write(tables::committee_key(), Some(committee.to_row()));
        }
        if let Some(validators) = self.validators.take() {
            let index = identity::tables::validator_index(validators.iter());
            self.write(identity::tables::validator_index_key(), Some(index));
        }
    }

    fn write(&mut self, key: RowKey, row: Option<Bytes>) {
        self.effects.writes.push((key, row));
    }

    fn log(&mut self, event: &impl SolEvent) {
        self.effects.logs.push(event.encode_log_data());
    }

    fn extend(&mut self, effects: Effects) {
        self.effects.writes.extend(effects.writes);
        self.effects.logs.extend(effects.logs);
        self.effects.events.extend(effects.events);
        self.effects.slots.extend(effects.slots);
    }

    /// What was rolled back, and for good. The words of the slots stand in the proposal's payload.
    fn rollback(&mut self) -> Result<(), SystemError> {
        let Action::RollBack(rollback) = self.action else {
            return Err(corrupt("the action of a rollback").into());
        };
        let record = RollbackRecord::of(rollback, self.height);
        let proposal = self.proposal;
        self.write(tables::rollback_key(proposal), Some(record.to_row()));
        let RollbackRecord { height, root, slots, .. } = record;
        let log = abi::StateRolledBack { proposalId: proposal, height, root, slots };
        self.log(&log);
        for Reversed { height, hash } in &rollback.transactions {
            let log = abi::TransactionReversed { hash: *hash, height: *height, proposalId: proposal };
            self.log(&log);
        }
        Ok(())
    }

    /// The last height of what is imposed at this height.
    const fn last_height(&self, end: End) -> u64 {
        match end {
            End::Never => 0,
            End::At(height) => height,
            End::After(blocks) => self.height.saturating_add(blocks),
        }
    }

    /// The height before this one, which as the end of a freeze says that it binds no longer; there is none before the
    /// first.
    fn block_before(&self) -> Option<u64> {
        self.height.checked_sub(1).filter(|height| *height > 0)
    }
}
