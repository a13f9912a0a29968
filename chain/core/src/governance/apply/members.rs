//! Members, validators and the committee.

use concordat_governance::{
    Action, Member,
    effect::Seat,
    facts::{Membership, OrganisationFacts, ValidatorFacts},
};
use concordat_types::{Address, B256, OrgId};

use super::{
    super::{abi::IGovernance as abi, tables},
    Applier,
};
use crate::{
    account::corrupt,
    identity::{self, IdentityEvent, Organisation, OrganisationIndex, Record as _, ValidatorRecord},
    system::{Rows, SystemError},
};

impl<R: Rows> Applier<'_, R> {
    pub(super) fn organisation(
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
        self.log(&log);
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

    pub(super) fn validator(
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
        self.log(&log);
        self.effects.events.push(match (before, after) {
            (None, _) => IdentityEvent::ValidatorAdmitted { org: organisation, consensus_key },
            (_, None) => IdentityEvent::ValidatorRetired { org: organisation, consensus_key },
            _ => IdentityEvent::ValidatorChanged { org: organisation, consensus_key },
        });
        Ok(())
    }

    pub(super) fn seat(
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
        self.log(&log);
        Ok(())
    }
}
