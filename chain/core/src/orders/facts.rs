//! What decisions about orders read of the state, charged for before it is read.

use concordat_governance::order::{Lineage, Measure, Order, OrderFacts, Target};
use concordat_types::{Address, OrgId};

use super::tables;
use crate::{
    account::corrupt,
    governance::ChainFacts,
    system::{Rows, SystemError},
};

impl<R: Rows> OrderFacts for ChainFacts<'_, R> {
    fn newest(&mut self, lineage: Lineage) -> Result<Option<Order>, SystemError> {
        self.charge_rows(2)?;
        match tables::newest(self.rows, lineage)? {
            0 => Ok(None),
            id => Ok(Some(tables::named(self.rows, id)?)),
        }
    }

    fn newest_on(&mut self, target: &Target) -> Result<u64, SystemError> {
        self.charge_rows(1)?;
        Ok(tables::newest_on(self.rows, target)?)
    }

    fn binding(&mut self, identity: Address) -> Result<Vec<(u64, Measure)>, SystemError> {
        self.charge_rows(1)?;
        let entries = tables::binding(self.rows, identity)?;
        let binding = entries.iter().filter(|entry| entry.binds(self.height));
        let told = binding.map(|entry| entry.measure().map(|measure| (entry.order, measure)));
        let told = told.collect::<Option<_>>();
        Ok(told.ok_or_else(|| corrupt(format!("the orders on {identity}")))?)
    }

    fn token_orders(&mut self) -> Result<usize, SystemError> {
        self.charge_rows(1)?;
        let height = self.height;
        Ok(tables::tokens(self.rows)?.iter().filter(|entry| entry.binds(height)).count())
    }

    fn anchored(&mut self, organisation: &OrgId) -> Result<u64, SystemError> {
        self.charge_rows(1)?;
        Ok(tables::anchor(self.rows, organisation)?.map_or(0, |anchor| anchor.count))
    }
}
