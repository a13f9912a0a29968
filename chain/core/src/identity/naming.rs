//! What names accounts and would bind nobody by naming a later key of an identity: policies and run-time rules.
//!
//! Both speak of identities. Neither may name a later key, so that none that is named may become one. Lists need no
//! look: who is on one has enrolled, and a recovery takes only keys that have not.

use std::sync::Arc;

use concordat_types::Address;

use super::{ActError, RegistryError};
use crate::{
    permissions::{Policies, tables as policies},
    rules::{LimitSet, tables as limits},
    system::{GasMeter, Rows, SystemError, gas},
};

/// The policies and the run-time rules in force.
pub(crate) struct Naming {
    policies: Arc<Policies>,
    limits: Arc<LimitSet>,
}

impl Naming {
    /// Reads them, charged for as if nobody in this process knew them.
    pub(crate) fn read(rows: &mut impl Rows, meter: &mut GasMeter) -> Result<Self, SystemError> {
        meter.charge_each(4, gas::ROW_READ)?;
        let count = policies::ids(rows)?.len().saturating_add(limits::ids(rows)?.len());
        meter.charge_each(count, gas::ROW_READ.saturating_add(gas::LISTED))?;
        Ok(Self { policies: Policies::in_force(rows)?, limits: LimitSet::in_force(rows)? })
    }

    /// What names an account, in words.
    pub(crate) fn place(&self, account: Address) -> Option<String> {
        if let Some(id) = self.policies.set().naming(account) {
            return Some(format!("policy {id}"));
        }
        let mut limits = self.limits.enacted().iter();
        let naming = limits.find(|enacted| enacted.limit.accounts().any(|named| named == account))?;
        Some(format!("rule {}", naming.limit.id))
    }

    /// Checks that nothing names an account that is to become a later key.
    pub(crate) fn check(&self, account: Address) -> Result<(), ActError> {
        match self.place(account) {
            None => Ok(()),
            Some(by) => Err(RegistryError::KeyNamed { account, by }.into()),
        }
    }
}
