//! An effect becomes rows, Solidity events and events for the node.

use alloy_sol_types::SolEvent as _;
use concordat_governance::{
    Action, Committee, Effect, Member,
    effect::{Change, End, Freeze, Seat},
    facts::{Frozen, Membership, OrganisationFacts, ValidatorFacts},
};
use concordat_permissions::PolicyId;
use concordat_types::{Address, B256, Bytes, OrgId};

use super::{abi::IGovernance as abi, facts::ChainFacts, records::AccountFreeze, tables};
use crate::{
    account::corrupt,
    identity::{self, IdentityEvent, Organisation, OrganisationIndex, Record as _, ValidatorRecord},
    permissions::{self, changed},
    rules::{self, Limit, LimitId},
    system::{Effects, Rows, SystemError},
};

/// What an effect writes, and where it stands in the making.
struct Applier<'a, R> {
    rows: &'a mut R,
    height: u64,
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
    let (rows, height) = (&mut *facts.rows, facts.height);
    let mut applier = Applier { rows, height, proposal, action, effects, committee: None, validators: None };
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
            Change::Policy { id, after, .. } => self.policy(id, after.as_deref()),
            Change::Limit { id, after, .. } => self.limit(id, after.as_ref()),
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
        let mut standing = identity::tables::standing(self.rows, account)?
            .ok_or_else(|| corrupt(format!("the standing of {account}")))?;
        standing.frozen = after.is_some();
        self.write(identity::tables::standing_key(account), Some(standing.to_row()));
        let freeze = after.map(|freeze| self.imposed(freeze));
        self.write(tables::freeze_key(account), freeze.as_ref().map(AccountFreeze::to_row));
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

    /// A freeze that is imposed at this height.
    fn imposed(&self, freeze: &Freeze) -> AccountFreeze {
        let until = match freeze.end {
            End::Never => 0,
            End::At(height) => height,
            End::After(blocks) => self.height.saturating_add(blocks),
        };
        let Freeze { scope, basis, emergency, .. } = freeze;
        let frozen = Frozen { scope: *scope, basis: basis.clone(), until, emergency: *emergency };
        AccountFreeze { frozen, since: self.height, proposal: self.proposal }
    }
}
