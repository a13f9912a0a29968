//! The committee confirms orders of regulators, and lifts them.

use super::Resolved;
use crate::{
    Facts, ResolveError,
    effect::{Change, OrderSide, OrderStage},
    order::{Order, OrderRefusal, check_open, check_pending},
};

pub(super) fn confirm<F: Facts>(id: u64, facts: &mut F) -> Resolved<F> {
    let (order, height) = (find(id, facts)?, facts.height());
    check_pending(&order, height)?;
    Ok(change(&order, OrderStage::Provisional, OrderStage::Confirmed).into())
}

/// Whether it was confirmed meanwhile is left out of the effect: else whoever confirms it would void the vote.
pub(super) fn lift<F: Facts>(id: u64, facts: &mut F) -> Resolved<F> {
    let (order, height) = (find(id, facts)?, facts.height());
    check_open(&order, height)?;
    Ok(change(&order, OrderStage::InForce, OrderStage::Lifted).into())
}

fn find<F: Facts>(id: u64, facts: &mut F) -> Result<Order, ResolveError<F::Error>> {
    let order = facts.order(id).map_err(ResolveError::Facts)?;
    Ok(order.ok_or(OrderRefusal::UnknownOrder { id })?)
}

fn change(order: &Order, before: OrderStage, after: OrderStage) -> Change {
    let side = |stage| OrderSide { terms: order.terms.clone(), issuer: order.issuer, stage };
    Change::Order { id: order.id, before: side(before), after: side(after) }
}
