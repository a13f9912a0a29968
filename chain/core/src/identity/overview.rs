//! Organisations at a glance, page by page: membership, validators, seats on the committee.

use alloy_sol_types::{SolCall as _, SolValue as _};
use concordat_governance::Committee;
use concordat_types::OrgId;

use super::{
    RegistryError,
    abi::IIdentityRegistry as abi,
    records::{Organisation, ValidatorRecord},
    tables,
};
use crate::{
    account::corrupt,
    governance::tables as governance,
    system::{GasMeter, Rows, SystemError, gas},
};

/// The most organisations of a page.
const MAX_PAGE: u64 = 50;

/// What is told of each organisation besides its own row.
struct Overview {
    validators: Vec<ValidatorRecord>,
    committee: Committee,
}

/// Organisations from a place in the order of their identifiers on, and how many there are.
pub(super) fn page(
    rows: &mut impl Rows,
    meter: &mut GasMeter,
    (from, limit): (u64, u64),
) -> Result<Vec<u8>, SystemError> {
    meter.charge(gas::ROW_READ)?;
    let ids = tables::organisation_ids(rows)?;
    meter.charge_each(ids.len(), gas::LISTED)?;
    let places = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let (total, taken) = (ids.len(), places(limit.min(MAX_PAGE)));
    let asked: Vec<OrgId> = ids.into_iter().skip(places(from)).take(taken).collect();
    let overview = Overview::read(rows, meter)?;
    meter.charge_each(asked.len(), gas::ROW_READ)?;
    let mut page = Vec::new();
    for id in asked {
        let organisation = tables::organisation(rows, &id)?;
        let organisation = organisation.ok_or_else(|| corrupt(format!("the row of organisation {id}")))?;
        page.push(overview.summary(organisation));
    }
    let total = u64::try_from(total).unwrap_or(u64::MAX);
    Ok(abi::organisationPageCall::abi_encode_returns(&abi::organisationPageReturn { total, page }))
}

/// One organisation.
pub(super) fn one(rows: &mut impl Rows, meter: &mut GasMeter, id: &str) -> Result<Vec<u8>, SystemError> {
    meter.charge(gas::ROW_READ)?;
    let unknown = || RegistryError::UnknownOrganisation { organisation: id.chars().take(64).collect() };
    let refused = || SystemError::Revert(unknown().abi_encode());
    let known: OrgId = id.parse().map_err(|_| refused())?;
    let organisation = tables::organisation(rows, &known)?.ok_or_else(refused)?;
    let overview = Overview::read(rows, meter)?;
    Ok(overview.summary(organisation).abi_encode())
}

impl Overview {
    fn read(rows: &mut impl Rows, meter: &mut GasMeter) -> Result<Self, SystemError> {
        meter.charge_each(2, gas::ROW_READ)?;
        let committee = governance::committee(rows)?;
        let count = tables::validator_count(rows)?;
        meter.charge_each(count, gas::ROW_READ)?;
        Ok(Self { validators: tables::validators(rows)?, committee })
    }

    fn summary(&self, organisation: Organisation) -> abi::OrganisationSummary {
        let id = &organisation.id;
        let validators: Vec<u64> =
            self.validators.iter().filter(|v| v.org == *id).map(|validator| validator.power).collect();
        let members = self.committee.members().iter().filter(|member| member.organisation == *id);
        let seats: Vec<u64> = members.map(|member| member.weight).collect();
        let (validators, power) = counted(&validators);
        let (seats, weight) = counted(&seats);
        let membership = if organisation.expelled { 2 } else { u8::from(organisation.active) };
        abi::OrganisationSummary {
            membership,
            roles: organisation.roles.iter().map(ToString::to_string).collect(),
            admittedHeight: organisation.admitted_height,
            validators,
            power,
            seats,
            weight,
            name: organisation.name,
            id: organisation.id.into(),
        }
    }
}

/// How many there are, and what they come to.
fn counted(parts: &[u64]) -> (u64, u64) {
    let sum = parts.iter().fold(0u64, |sum, part| sum.saturating_add(*part));
    (u64::try_from(parts.len()).unwrap_or(u64::MAX), sum)
}
