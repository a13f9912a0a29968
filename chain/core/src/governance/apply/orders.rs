//! Orders of regulators, as the committee confirms and lifts them.

use concordat_governance::{Action, effect::OrderStage};

use super::{super::abi::IGovernance as abi, Applier};
use crate::{
    account::corrupt,
    orders::{book, tables},
    system::{Rows, SystemError},
};

impl<R: Rows> Applier<'_, R> {
    /// What the committee has confirmed binds until its end, and what it has lifted no longer, from the next transaction on.
    pub(super) fn order(&mut self, id: u64, stage: OrderStage) -> Result<(), SystemError> {
        let (Action::ConfirmOrder { basis, .. } | Action::LiftOrder { basis, .. }) = self.action else {
            return Err(corrupt("the action of a vote on an order").into());
        };
        let (height, proposal) = (self.height, self.proposal);
        let order = tables::named(self.rows, id)?;
        let (target, issuer) = (order.terms.target.address(), order.issuer);
        let (document, reference) = (basis.document, basis.reference.clone());
        let confirms = stage == OrderStage::Confirmed;
        let order = match confirms {
            true => order.confirmed_by_vote(proposal, height),
            false => order.lifted_by_vote(proposal, height, basis),
        };
        self.effects.writes.extend(book::kept(self.rows, height, &[&order])?);
        self.log(&abi::OrderDecided {
            orderId: id,
            target,
            issuer,
            confirmed: confirms,
            document,
            documentReference: reference,
            proposalId: proposal,
        });
        Ok(())
    }
}
