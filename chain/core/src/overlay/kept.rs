//! What a block keeps decoded, and when it is read anew.

use std::sync::Arc;

use concordat_types::{Address, OrgId, ReadError, StateReader};

use super::Overlay;
use crate::{
    contracts,
    identity::tables,
    orders::TokenOrders,
    permissions::Policies,
    rules::LimitSet,
    standing::{Backing, Enrolled},
};

impl<R: StateReader> Overlay<R> {
    /// The sender's standing, read and decoded once per block.
    pub(crate) fn standing(&mut self, address: Address) -> Result<Option<Enrolled>, ReadError> {
        if let Some(standing) = self.standings.get(&address) {
            return Ok(standing.clone());
        }
        let standing = Enrolled::read(self, address, Self::backing)?;
        self.standings.insert(address, standing.clone());
        Ok(standing)
    }

    /// The policies in force at this place in the block.
    pub(crate) fn policies(&mut self) -> Result<Arc<Policies>, ReadError> {
        if let Some(policies) = &self.policies {
            return Ok(policies.clone());
        }
        let policies = Policies::in_force(self)?;
        self.policies = Some(policies.clone());
        Ok(policies)
    }

    /// The run-time rules in force at this place in the block.
    pub(crate) fn limits(&mut self) -> Result<Arc<LimitSet>, ReadError> {
        if let Some(limits) = &self.limits {
            return Ok(limits.clone());
        }
        let limits = LimitSet::in_force(self)?;
        self.limits = Some(limits.clone());
        Ok(limits)
    }

    /// The orders that keep tokens where they are at this place in the block; `None` where there are none.
    pub(crate) fn token_orders(&mut self) -> Result<Option<Arc<TokenOrders>>, ReadError> {
        if let Some(orders) = &self.token_orders {
            return Ok(orders.clone());
        }
        let orders = TokenOrders::in_force(self)?;
        self.token_orders = Some(orders.clone());
        Ok(orders)
    }

    /// Whether deployments need an approval at this place in the block.
    pub(crate) fn approval_required(&mut self) -> Result<bool, ReadError> {
        if let Some(required) = self.approval_required {
            return Ok(required);
        }
        let required = contracts::tables::approval_required(self)?;
        self.approval_required = Some(required);
        Ok(required)
    }

    fn backing(&mut self, authority: u32) -> Result<Backing, ReadError> {
        if let Some(backing) = self.backings.get(&authority) {
            return Ok(backing.clone());
        }
        let backing = Backing::read(self, authority)?;
        self.backings.insert(authority, backing.clone());
        Ok(backing)
    }

    /// The organisation of an account that has enrolled, whatever became of its standing since.
    pub(crate) fn organisation_of(&mut self, address: Address) -> Result<Option<Arc<OrgId>>, ReadError> {
        // Senders are known, and of others no more is read than this takes.
        if let Some(enrolled) = self.standings.get(&address) {
            return Ok(enrolled.as_ref().map(|enrolled| enrolled.organisation.clone()));
        }
        let Some(standing) = tables::standing(self, address)? else { return Ok(None) };
        Ok(Some(self.backing(standing.authority)?.organisation().clone()))
    }
}
