//! An effect becomes rows, Solidity events and events for the node.

mod calls;

use alloy_primitives::LogData;
use alloy_sol_types::SolEvent as _;
use concordat_governance::{
    Action, Committee, Effect, Member,
    action::{BarTarget, Basis, Reversed},
    effect::{Change, End, Freeze, Halt, Listed, Seat},
    facts::{Attested, Bound, Frozen, Membership, OrganisationFacts, ValidatorFacts},
    regulator::{Power, RegulatorFacts},
};
use concordat_permissions::{ListKind, PolicyId};
use concordat_pki_verify::Purpose;
use concordat_types::{Address, B256, Bytes, OrgId};

use super::{
    abi::IGovernance as abi,
    facts::ChainFacts,
    parameters::{self, Schedule},
    records::{AccountFreeze, RegulatorRecord, RollbackRecord},
    tables,
};
use crate::{
    account::corrupt,
    contracts::{
        self, Approval, Contract, ContractAttributes, ContractHalt, ContractState,
        tables::{
            List, approval_key, approval_rule_write, attributes_key, contract_key, deploy_list_key, halt_key,
            kind_write,
        },
    },
    identity::{
        self, Bar, IdentityEvent, Organisation, OrganisationIndex, Record as _, ValidatorRecord, bars,
        recovery,
    },
    permissions::{self, changed},
    rules::{self, Limit, LimitId},
    system::{Effects, Rows, SystemError},
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
                self.effects.logs.push(log.encode_log_data());
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
                self.effects.logs.push(log.encode_log_data());
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

    fn write(&mut self, key: crate::system::RowKey, row: Option<Bytes>) {
        self.effects.writes.push((key, row));
    }

    fn organisation(
        &mut self,
        id: &OrgId,
        before: Option<&OrganisationFacts>,
        after: Option<&OrganisationFacts>,
    ) -> Result<(), SystemError> {
        let Some(after) = after else { return Ok(()) };
        let mut organisation = match before {
            None => self.new_organisation(id, after)?,
            Some(_) => identity::tables::organisation(self.rows, id)?
                .ok_or_else(|| corrupt(format!("the row of organisation {id}")))?,
        };
        organisation.active = after.membership == Membership::Active;
        organisation.expelled = after.membership == Membership::Expelled;
        match self.action {
            Action::AdmitOrganisation(admission) => organisation.ca_certificates = admission.roots.clone(),
            Action::SetAuthorities { roots, .. } => organisation.ca_certificates = roots.clone(),
            _ => {}
        }
        self.write(identity::tables::organisation_key(id), Some(organisation.to_row()));
        let (organisation, membership) = (id.to_string(), after.membership as u8);
        let log = abi::OrganisationChanged { organisation, membership, proposalId: self.proposal };
        self.effects.logs.push(log.encode_log_data());
        self.effects.events.push(IdentityEvent::OrganisationChanged { org: id.clone() });
        Ok(())
    }

    /// A new member, in the list of all. Its validators come by vote, so that it has no budget for its own.
    fn new_organisation(
        &mut self,
        id: &OrgId,
        facts: &OrganisationFacts,
    ) -> Result<Organisation, SystemError> {
        let mut ids = identity::tables::organisation_ids(self.rows)?;
        ids.insert(id.clone());
        let index = OrganisationIndex(ids).to_row();
        self.write(identity::tables::organisation_index_key(), Some(index));
        Ok(Organisation {
            id: id.clone(),
            name: facts.name.clone(),
            ca_certificates: Vec::new(),
            roles: facts.roles.clone(),
            active: true,
            expelled: false,
            admitted_height: self.height,
            power_budget: 0,
        })
    }

    fn validator(
        &mut self,
        consensus_key: B256,
        before: Option<&ValidatorFacts>,
        after: Option<&ValidatorFacts>,
    ) -> Result<(), SystemError> {
        let mut all = match self.validators.take() {
            Some(all) => all,
            None => identity::tables::validators(self.rows)?,
        };
        let known = all.iter().find(|v| v.consensus_key == consensus_key.0);
        let admitted_height = known.map_or(self.height, |known| known.admitted_height);
        all.retain(|v| v.consensus_key != consensus_key.0);
        let record = after.map(|facts| ValidatorRecord {
            org: facts.organisation.clone(),
            consensus_key: consensus_key.0,
            power: facts.power,
            node_spki: facts.node_key,
            node_address: facts.node_address.clone(),
            admitted_height,
        });
        let row = record.as_ref().map(ValidatorRecord::to_row);
        all.extend(record);
        self.validators = Some(all);
        self.write(identity::tables::validator_key(consensus_key), row);
        let Some(either) = after.or(before) else { return Ok(()) };
        let (organisation, power) = (either.organisation.clone(), after.map_or(0, |facts| facts.power));
        let log = abi::ValidatorChanged {
            consensusKey: consensus_key,
            organisation: organisation.to_string(),
            power,
            proposalId: self.proposal,
        };
        self.effects.logs.push(log.encode_log_data());
        self.effects.events.push(match (before, after) {
            (None, _) => IdentityEvent::ValidatorAdmitted { org: organisation, consensus_key },
            (_, None) => IdentityEvent::ValidatorRetired { org: organisation, consensus_key },
            _ => IdentityEvent::ValidatorChanged { org: organisation, consensus_key },
        });
        Ok(())
    }

    fn seat(
        &mut self,
        address: Address,
        before: Option<&Seat>,
        after: Option<&Seat>,
    ) -> Result<(), SystemError> {
        let committee = match self.committee.take() {
            Some(committee) => committee,
            None => tables::committee(self.rows)?,
        };
        self.committee = Some(match after {
            None => committee.without(&address),
            Some(Seat { organisation, weight }) => {
                let member = Member { address, organisation: organisation.clone(), weight: *weight };
                // The effect was resolved from this very committee.
                committee.with(member).map_err(|error| corrupt(format!("the committee ({error})")))?
            }
        });
        let Some(either) = after.or(before) else { return Ok(()) };
        let log = abi::SeatChanged {
            member: address,
            organisation: either.organisation.to_string(),
            weight: after.map_or(0, |seat| seat.weight),
            proposalId: self.proposal,
        };
        self.effects.logs.push(log.encode_log_data());
        Ok(())
    }

    fn freeze(&mut self, account: Address, after: Option<&Freeze>) -> Result<(), SystemError> {
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

    /// An identity gets the key of the action's path, which was found to hold when the effect was resolved.
    fn identity(&mut self, before: Address) -> Result<(), SystemError> {
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

    fn bar(&mut self, target: &BarTarget, after: Option<&Basis>) -> Result<(), SystemError> {
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
    fn regulator(&mut self, identity: Address, after: Option<&RegulatorFacts>) -> Result<(), SystemError> {
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
        self.effects.logs.push(log.encode_log_data());
        Ok(())
    }

    fn extend(&mut self, effects: Effects) {
        self.effects.writes.extend(effects.writes);
        self.effects.logs.extend(effects.logs);
        self.effects.events.extend(effects.events);
        self.effects.slots.extend(effects.slots);
    }

    /// Policies bind from the next transaction on. The effect was resolved from this very set.
    fn policy(&mut self, id: &str, after: Option<&str>) -> Result<(), SystemError> {
        let known: PolicyId = id.parse().map_err(|_| corrupt(format!("the id of policy {id}")))?;
        let enacted = changed(&permissions::tables::enacted(self.rows)?, &known, after, self.proposal);
        self.effects.writes.extend(permissions::tables::writes(&known, &enacted));
        let log =
            abi::PolicyChanged { id: id.to_owned(), enacted: after.is_some(), proposalId: self.proposal };
        self.effects.logs.push(log.encode_log_data());
        Ok(())
    }

    /// Who may deploy: from the next transaction on.
    fn deploy_list(&mut self, before: &Listed, after: &Listed) -> Result<(), SystemError> {
        let kind = ListKind::from_code(after.kind.code())
            .ok_or_else(|| corrupt("the kind of the list of who may deploy"))?;
        if before.kind != after.kind {
            self.effects.writes.push(kind_write(deploy_list_key(), kind));
        }
        for (accounts, listed) in [(&before.accounts, false), (&after.accounts, true)] {
            let writes = accounts.iter().map(|account| List::Deploy.member_write(*account, listed));
            self.effects.writes.extend(writes);
        }
        let (added, removed) = (after.accounts.clone(), before.accounts.clone());
        let log = abi::DeployListChanged { kind: kind.code(), added, removed, proposalId: self.proposal };
        self.effects.logs.push(log.encode_log_data());
        Ok(())
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
        self.effects.logs.push(log.encode_log_data());
        for Reversed { height, hash } in &rollback.transactions {
            let log = abi::TransactionReversed { hash: *hash, height: *height, proposalId: proposal };
            self.effects.logs.push(log.encode_log_data());
        }
        Ok(())
    }

    /// Run-time rules bind from the next transaction on. The effect was resolved from those that there are.
    fn limit(&mut self, id: &str, after: Option<&Bytes>) -> Result<(), SystemError> {
        let wrong = || corrupt(format!("the rule {id}"));
        let known: LimitId = id.parse().map_err(|_| wrong())?;
        let limit = after.map(|bytes| Limit::decode(bytes).map_err(|_| wrong())).transpose()?;
        let enacted = rules::changed(&rules::tables::enacted(self.rows)?, &known, limit, self.proposal);
        self.effects.writes.extend(rules::tables::writes(&known, &enacted));
        let log =
            abi::LimitChanged { id: id.to_owned(), inForce: after.is_some(), proposalId: self.proposal };
        self.effects.logs.push(log.encode_log_data());
        Ok(())
    }

    /// Calls are refused from the next transaction on, or answered again.
    fn contract_halt(&mut self, address: Address, after: Option<&Halt>) -> Result<(), SystemError> {
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

    fn contract_administrator(
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
        self.effects.logs.push(log.encode_log_data());
        Ok(())
    }

    /// Who may deploy an init code: from the next transaction on.
    fn approval(&mut self, code: B256, deployer: Address, after: Option<u64>) {
        let proposal = self.proposal;
        let approval = after.map(|until| Approval { until, proposal });
        self.write(approval_key(code, deployer), approval.as_ref().map(Approval::to_row));
        let until = after.unwrap_or_default();
        let log = abi::DeploymentApproved { code, deployer, until, proposalId: proposal };
        self.effects.logs.push(log.encode_log_data());
    }

    /// What contracts are told of each other from the next transaction on.
    fn attributes(&mut self, contract: Address, after: Option<&Attested>) {
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
        self.effects.logs.push(log.encode_log_data());
    }

    /// A contract's row; of one that was there from the start, it is made now.
    fn contract(&mut self, address: Address) -> Result<Contract, SystemError> {
        Ok(contracts::tables::contract(self.rows, address)?.unwrap_or_default())
    }

    /// The last height of what is imposed at this height.
    const fn last_height(&self, end: End) -> u64 {
        match end {
            End::Never => 0,
            End::At(height) => height,
            End::After(blocks) => self.height.saturating_add(blocks),
        }
    }

    /// What is kept of a freeze that is lifted: an emergency counts as lapsed with the block before, so that the next one
    /// has to wait as long as if nobody had lifted it.
    fn lifted(&mut self, identity: Address) -> Result<Option<AccountFreeze>, SystemError> {
        let Some(until) = self.block_before() else { return Ok(None) };
        let freeze = tables::freeze(self.rows, identity)?.filter(|freeze| freeze.frozen.emergency);
        Ok(freeze.map(|freeze| AccountFreeze { frozen: Frozen { until, ..freeze.frozen }, ..freeze }))
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

    /// The height before this one, which as the end of a freeze says that it binds no longer; there is none before the
    /// first.
    fn block_before(&self) -> Option<u64> {
        self.height.checked_sub(1).filter(|height| *height > 0)
    }

    /// A freeze that is imposed at this height.
    fn imposed(&self, freeze: &Freeze) -> AccountFreeze {
        let until = self.last_height(freeze.end);
        let Freeze { scope, basis, emergency, .. } = freeze;
        let frozen = Frozen { scope: *scope, basis: basis.clone(), until, emergency: *emergency };
        AccountFreeze { frozen, since: self.height, proposal: self.proposal }
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
