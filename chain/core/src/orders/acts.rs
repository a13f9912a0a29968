//! The functions that change an order.

use alloy_primitives::LogData;
use alloy_sol_types::{SolEvent as _, SolValue as _};
use concordat_governance::{
    Facts as _, Refusal,
    action::Basis,
    order::{self, By, Imposed, Order, OrderRefusal, Terms},
};
use concordat_types::{Address, B256, Bytes};

use super::{abi::IOrders as abi, book, tables};
use crate::{
    governance::{ChainFacts, revert, stop},
    identity::Record as _,
    system::{Effects, Reply, Rows, SystemError},
};

/// Imposes an order.
pub(super) fn impose<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    sender: Address,
    terms: Terms,
) -> Result<Reply, SystemError> {
    facts.charge_rows(1)?;
    let id = tables::order_count(facts.rows)?.checked_add(1);
    let id = id.ok_or_else(|| revert(&Refusal::HeightOverflow))?;
    let Imposed { order, superseded } = order::decide_order(facts, id, sender, terms).map_err(stop)?;
    let steps: Vec<&Order> = superseded.iter().chain([&order]).collect();
    let mut effects = keep(facts, &steps)?;
    let lineage = order.terms.lineage().map(tables::lineage_key);
    let named = [tables::order_count_key(), tables::target_key(&order.terms.target)];
    effects.writes.extend(named.into_iter().chain(lineage).map(|key| (key, Some(id.to_row()))));
    effects.logs.extend(superseded.as_ref().map(|old| superseded_log(old, id)));
    effects.logs.push(imposed_log(&order));
    Ok(Reply { output: id.abi_encode().into(), effects: Some(effects) })
}

/// Confirms an order.
pub(super) fn confirm<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    sender: Address,
    id: u64,
    digest: B256,
) -> Result<Reply, SystemError> {
    let order = find(facts, id)?;
    let order = order::decide_confirmation(facts, &order, sender, digest).map_err(stop)?;
    let by = order.confirmed.map_or(Address::ZERO, |mark| identity(mark.by));
    let (target, issuer) = (order.terms.target.address(), order.issuer);
    let log = abi::OrderConfirmed { id, target, issuer, by };
    settle(facts, &order, log.encode_log_data())
}

/// Releases an order.
pub(super) fn release<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    sender: Address,
    id: u64,
    basis: Basis,
) -> Result<Reply, SystemError> {
    let order = find(facts, id)?;
    let order = order::decide_release(facts, &order, sender, &basis).map_err(stop)?;
    let log = abi::OrderReleased {
        id,
        target: order.terms.target.address(),
        issuer: order.issuer,
        by: ended_by(&order),
        document: basis.document,
        documentReference: basis.reference,
    };
    settle(facts, &order, log.encode_log_data())
}

/// Answers a demand.
pub(super) fn answer<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    sender: Address,
    id: u64,
    basis: Basis,
) -> Result<Reply, SystemError> {
    let order = find(facts, id)?;
    let order = order::decide_answer(facts, &order, sender, &basis).map_err(stop)?;
    let log = abi::DemandAnswered {
        id,
        target: order.terms.target.address(),
        issuer: order.issuer,
        by: ended_by(&order),
        document: basis.document,
        documentReference: basis.reference,
    };
    settle(facts, &order, log.encode_log_data())
}

/// The order with this number.
pub(super) fn find<R: Rows>(facts: &mut ChainFacts<'_, R>, id: u64) -> Result<Order, SystemError> {
    facts.order(id)?.ok_or_else(|| revert(&OrderRefusal::UnknownOrder { id }.into()))
}

fn settle<R: Rows>(facts: &mut ChainFacts<'_, R>, order: &Order, log: LogData) -> Result<Reply, SystemError> {
    let mut effects = keep(facts, &[order])?;
    effects.logs.push(log);
    Ok(Reply { output: Bytes::new(), effects: Some(effects) })
}

fn keep<R: Rows>(facts: &mut ChainFacts<'_, R>, orders: &[&Order]) -> Result<Effects, SystemError> {
    facts.charge_rows(book::ROWS)?;
    let writes = book::kept(facts.rows, facts.height, orders)?;
    Ok(Effects { writes, ..Effects::default() })
}

const fn identity(by: By) -> Address {
    match by {
        By::Identity(identity) => identity,
        By::Proposal(_) | By::Order(_) => Address::ZERO,
    }
}

fn ended_by(order: &Order) -> Address {
    order.ended.as_ref().map_or(Address::ZERO, |ended| identity(ended.mark.by))
}

fn superseded_log(order: &Order, by: u64) -> LogData {
    let (target, issuer) = (order.terms.target.address(), order.issuer);
    abi::OrderSuperseded { id: order.id, target, issuer, by }.encode_log_data()
}

fn imposed_log(order: &Order) -> LogData {
    let Terms { measure, target, basis, until } = &order.terms;
    let organisation = match target {
        order::Target::Organisation(id) => id.to_string(),
        _ => String::new(),
    };
    abi::OrderImposed {
        id: order.id,
        target: target.address(),
        issuer: order.issuer,
        measure: measure.code(),
        contractAddress: measure.contract().unwrap_or_default(),
        organisation,
        document: basis.document,
        documentReference: basis.reference.clone(),
        until: *until,
        lapses: order.lapses,
        digest: order.digest(),
    }
    .encode_log_data()
}
