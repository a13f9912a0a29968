//! Orders in worlds: what decisions read of them, and a caller that keeps them.

use std::convert::Infallible;

use alloy_primitives::{Address, B256};
use concordat_governance::{
    Facts as _, Refusal,
    effect::OrderStage,
    order::{
        Imposed, Lineage, Measure, Order, OrderFacts, Target, Terms, decide_answer, decide_confirmation,
        decide_order, decide_release,
    },
};
use concordat_types::OrgId;

use super::{World, basis, refusal};

impl OrderFacts for World {
    fn newest(&mut self, lineage: Lineage) -> Result<Option<Order>, Infallible> {
        Ok(self.orders.iter().rev().find(|order| order.terms.lineage() == Some(lineage)).cloned())
    }

    fn newest_on(&mut self, target: &Target) -> Result<u64, Infallible> {
        Ok(self.orders.iter().rev().find(|order| order.terms.target == *target).map_or(0, |order| order.id))
    }

    fn binding(&mut self, identity: Address) -> Result<Vec<(u64, Measure)>, Infallible> {
        let on = self.orders.iter().filter(|order| order.terms.target == Target::Account(identity));
        let binding = on.filter(|order| order.binds(self.height));
        Ok(binding.map(|order| (order.id, order.terms.measure)).collect())
    }

    fn token_orders(&mut self) -> Result<usize, Infallible> {
        let tokens = |order: &&Order| matches!(order.terms.measure, Measure::FreezeToken(_));
        Ok(self.orders.iter().filter(tokens).filter(|order| order.binds(self.height)).count())
    }

    fn anchored(&mut self, organisation: &OrgId) -> Result<u64, Infallible> {
        Ok(self.anchors.get(organisation).copied().unwrap_or_default())
    }
}

impl World {
    /// Imposes an order; its number.
    pub fn order(&mut self, sender: Address, terms: Terms) -> Result<u64, Refusal> {
        let id = self.orders.len() as u64 + 1;
        let Imposed { order, superseded } = decide_order(self, id, sender, terms).map_err(refusal)?;
        superseded.into_iter().for_each(|old| self.keep_order(old));
        self.orders.push(order);
        Ok(id)
    }

    pub fn known_order(&mut self, id: u64) -> Order {
        self.orders[usize::try_from(id).unwrap() - 1].clone()
    }

    pub fn confirm_order(&mut self, sender: Address, id: u64) -> Result<(), Refusal> {
        let digest = self.known_order(id).digest();
        self.confirm_order_as(sender, id, digest)
    }

    pub fn confirm_order_as(&mut self, sender: Address, id: u64, digest: B256) -> Result<(), Refusal> {
        let order = self.known_order(id);
        let order = decide_confirmation(self, &order, sender, digest).map_err(refusal)?;
        self.keep_order(order);
        Ok(())
    }

    pub fn release_order(&mut self, sender: Address, id: u64) -> Result<(), Refusal> {
        let order = self.known_order(id);
        let order = decide_release(self, &order, sender, &basis()).map_err(refusal)?;
        self.keep_order(order);
        Ok(())
    }

    pub fn answer_order(&mut self, sender: Address, id: u64) -> Result<(), Refusal> {
        let order = self.known_order(id);
        let order = decide_answer(self, &order, sender, &basis()).map_err(refusal)?;
        self.keep_order(order);
        Ok(())
    }

    pub(super) fn decide_order(&mut self, id: u64, stage: OrderStage, proposal: u64) {
        let (order, height) = (self.known_order(id), self.height());
        self.keep_order(match stage {
            OrderStage::Confirmed => order.confirmed_by_vote(proposal, height),
            _ => order.lifted_by_vote(proposal, height, &basis()),
        });
    }

    /// Whether an order refuses all that an identity sends.
    pub fn is_shut_out(&self, identity: &Address) -> bool {
        let on = self.orders.iter().filter(|order| order.terms.target == Target::Account(*identity));
        on.filter(|order| order.terms.measure.shuts_out()).any(|order| order.binds(self.height))
    }

    fn keep_order(&mut self, order: Order) {
        let place = usize::try_from(order.id).unwrap() - 1;
        self.orders[place] = order;
    }
}
