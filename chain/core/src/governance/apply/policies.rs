//! Policies, run-time rules and who may deploy.

use concordat_governance::effect::Listed;
use concordat_permissions::{ListKind, PolicyId};
use concordat_types::Bytes;

use super::{super::abi::IGovernance as abi, Applier};
use crate::{
    account::corrupt,
    contracts::tables::{List, deploy_list_key, kind_write},
    permissions::{self, changed},
    rules::{self, Limit, LimitId},
    system::{Rows, SystemError},
};

impl<R: Rows> Applier<'_, R> {
    /// Policies bind from the next transaction on. The effect was resolved from this very set.
    pub(super) fn policy(&mut self, id: &str, after: Option<&str>) -> Result<(), SystemError> {
        let known: PolicyId = id.parse().map_err(|_| corrupt(format!("the id of policy {id}")))?;
        let enacted = changed(&permissions::tables::enacted(self.rows)?, &known, after, self.proposal);
        self.effects.writes.extend(permissions::tables::writes(&known, &enacted));
        let log =
            abi::PolicyChanged { id: id.to_owned(), enacted: after.is_some(), proposalId: self.proposal };
        self.log(&log);
        Ok(())
    }

    /// Run-time rules bind from the next transaction on. The effect was resolved from those that there are.
    pub(super) fn limit(&mut self, id: &str, after: Option<&Bytes>) -> Result<(), SystemError> {
        let wrong = || corrupt(format!("the rule {id}"));
        let known: LimitId = id.parse().map_err(|_| wrong())?;
        let limit = after.map(|bytes| Limit::decode(bytes).map_err(|_| wrong())).transpose()?;
        let enacted = rules::changed(&rules::tables::enacted(self.rows)?, &known, limit, self.proposal);
        self.effects.writes.extend(rules::tables::writes(&known, &enacted));
        let log =
            abi::LimitChanged { id: id.to_owned(), inForce: after.is_some(), proposalId: self.proposal };
        self.log(&log);
        Ok(())
    }

    /// Who may deploy: from the next transaction on.
    pub(super) fn deploy_list(&mut self, before: &Listed, after: &Listed) -> Result<(), SystemError> {
        let kind = ListKind::from_code(after.kind.code())
            .ok_or_else(|| corrupt("the kind of the list of who may deploy"))?;
        if before.kind != after.kind {
            self.effects.writes.push(kind_write(deploy_list_key(), kind));
        }
        for (accounts, listed) in [(&before.accounts, false), (&after.accounts, true)] {
            let writes = accounts.iter().map(|account| List::Deploy.member_write(*account, listed));
            self.effects.writes.extend(writes);
        }
        let (added, removed) = (after.accounts.clone(), before.accounts.clone());
        let log = abi::DeployListChanged { kind: kind.code(), added, removed, proposalId: self.proposal };
        self.log(&log);
        Ok(())
    }
}
