//! The functions that only answer.

use alloy_sol_types::SolValue as _;
use concordat_governance::order::{By, Order, OrderFacts as _, Target};
use concordat_types::{Address, OrgId};

use super::{abi::IOrders as abi, acts::find, records::ReadAnchor, tables};
use crate::{
    governance::ChainFacts,
    identity::tables::identity_of,
    system::{Rows, SystemError, gas},
};

/// The most orders that a call lists.
const MAX_LISTED: u64 = 100;

type Answer = Result<Vec<u8>, SystemError>;

/// An order.
pub(super) fn order<R: Rows>(facts: &mut ChainFacts<'_, R>, id: u64) -> Answer {
    let order = find(facts, id)?;
    Ok(abi_order(&order, facts.height).abi_encode())
}

/// Orders in the order of their numbers.
pub(super) fn orders<R: Rows>(facts: &mut ChainFacts<'_, R>, after: u64, limit: u64) -> Answer {
    facts.charge_rows(1)?;
    let count = tables::order_count(facts.rows)?;
    let last = after.saturating_add(limit.min(MAX_LISTED)).min(count);
    let mut listed = Vec::new();
    for id in after.saturating_add(1)..=last {
        facts.meter.charge(gas::LISTED)?;
        let order = find(facts, id)?;
        listed.push(abi_order(&order, facts.height));
    }
    Ok(listed.abi_encode())
}

/// Orders on an account or a contract, the newest first.
pub(super) fn orders_of<R: Rows>(facts: &mut ChainFacts<'_, R>, target: Address, limit: u64) -> Answer {
    facts.charge_rows(2)?;
    let target = match facts.rows.has_code(target)? {
        true => Target::Contract(target),
        false => Target::Account(identity_of(facts.rows, target)?),
    };
    on(facts, &target, limit)
}

/// Orders on an organisation, the newest first.
pub(super) fn orders_of_organisation<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    organisation: &str,
    limit: u64,
) -> Answer {
    match organisation.parse::<OrgId>() {
        Ok(id) => on(facts, &Target::Organisation(id), limit),
        Err(_) => Ok(Vec::<abi::Order>::new().abi_encode()),
    }
}

fn on<R: Rows>(facts: &mut ChainFacts<'_, R>, target: &Target, limit: u64) -> Answer {
    let (mut listed, limit) = (Vec::new(), limit.min(MAX_LISTED));
    let mut next = facts.newest_on(target)?;
    for _ in 0..limit {
        if next == 0 {
            break;
        }
        facts.meter.charge(gas::LISTED)?;
        let order = find(facts, next)?;
        next = order.before;
        listed.push(abi_order(&order, facts.height));
    }
    Ok(listed.abi_encode())
}

/// Orders that bind an account now.
pub(super) fn in_force<R: Rows>(facts: &mut ChainFacts<'_, R>, account: Address) -> Answer {
    facts.charge_rows(1)?;
    let identity = identity_of(facts.rows, account)?;
    let mut listed = Vec::new();
    for (id, _) in facts.binding(identity)? {
        facts.meter.charge(gas::LISTED)?;
        let order = find(facts, id)?;
        listed.push(abi_order(&order, facts.height));
    }
    Ok(listed.abi_encode())
}

/// How many orders there have been.
pub(super) fn order_count<R: Rows>(facts: &mut ChainFacts<'_, R>) -> Answer {
    facts.charge_rows(1)?;
    Ok(tables::order_count(facts.rows)?.abi_encode())
}

/// The newest anchor of an organisation's log of reads; all zero where there is none.
pub(super) fn read_anchor<R: Rows>(facts: &mut ChainFacts<'_, R>, organisation: &str) -> Answer {
    facts.charge_rows(1)?;
    let known = organisation.parse::<OrgId>().ok().map(|id| tables::anchor(facts.rows, &id)).transpose()?;
    let none = ReadAnchor { head: Default::default(), count: 0, height: 0, account: Address::ZERO };
    let ReadAnchor { head, count, height, account } = known.flatten().unwrap_or(none);
    Ok(abi::ReadAnchor { head, count, height, account }.abi_encode())
}

/// Who took a step: an identity, a proposal, a later order.
const fn told(by: By) -> (Address, u64, u64) {
    match by {
        By::Identity(identity) => (identity, 0, 0),
        By::Proposal(id) => (Address::ZERO, id, 0),
        By::Order(id) => (Address::ZERO, 0, id),
    }
}

fn abi_order(order: &Order, height: u64) -> abi::Order {
    let Order { id, terms, issuer, organisation, issued, lapses, before, confirmed, ended } = order;
    let (account, contract, of) = match &terms.target {
        Target::Account(account) => (*account, terms.measure.contract().unwrap_or_default(), String::new()),
        Target::Contract(contract) => (Address::ZERO, *contract, String::new()),
        Target::Organisation(id) => (Address::ZERO, Address::ZERO, id.to_string()),
    };
    let nobody = (Address::ZERO, 0, 0);
    let (confirmed_by, confirmed_by_proposal, _) = confirmed.map_or(nobody, |mark| told(mark.by));
    let (ended_by, ended_by_proposal, superseded_by) =
        ended.as_ref().map_or(nobody, |ended| told(ended.mark.by));
    let end = ended.as_ref().map(|ended| ended.basis.clone());
    abi::Order {
        id: *id,
        measure: terms.measure.code(),
        status: order.status(height).code(),
        account,
        contractAddress: contract,
        organisation: of,
        document: terms.basis.document,
        documentReference: terms.basis.reference.clone(),
        until: terms.until,
        issuer: *issuer,
        issuerOrganisation: organisation.to_string(),
        issued: *issued,
        lapses: *lapses,
        digest: order.digest(),
        confirmed: confirmed.map_or(0, |mark| mark.height),
        confirmedBy: confirmed_by,
        confirmedByProposal: confirmed_by_proposal,
        ended: ended.as_ref().map_or(0, |ended| ended.mark.height),
        endedBy: ended_by,
        endedByProposal: ended_by_proposal,
        supersededBy: superseded_by,
        endDocument: end.as_ref().map(|basis| basis.document).unwrap_or_default(),
        endReference: end.map(|basis| basis.reference).unwrap_or_default(),
        before: *before,
    }
}
