//! Who anchors the head of a supervisor's log of reads.

use alloy_primitives::Address;
use concordat_types::{OrgId, Role};

use super::{OrderFacts, OrderRefusal};
use crate::{Refusal, ResolveError, facts::Ability};

/// Decides an anchor that counts so many reads: the organisation whose log it is of. A registered regulator anchors that
/// of its organisation, and so does an auditor of the same one, whose key a service may hold.
pub fn decide_anchor<F: OrderFacts>(
    facts: &mut F,
    sender: Address,
    count: u64,
) -> Result<OrgId, ResolveError<F::Error>> {
    let not_anchoring = OrderRefusal::NotAnchoring { sender };
    let account = facts.account(sender).map_err(ResolveError::Facts)?;
    let Some(account) = account.filter(|it| matches!(it.role, Role::Regulator | Role::Auditor)) else {
        return Err(not_anchoring.into());
    };
    if account.ability != Ability::Now {
        return Err(Refusal::NotInGoodStanding { sender }.into());
    }
    let (height, identity) = (facts.height(), facts.bound(sender).map_err(ResolveError::Facts)?.identity);
    let regulators = facts.regulators().map_err(ResolveError::Facts)?;
    let vouched = regulators.iter().any(|(regulator, entry)| {
        let own = if account.role == Role::Regulator { *regulator == identity } else { true };
        own && entry.organisation == account.organisation && entry.mandate.holds(height)
    });
    if !vouched {
        return Err(not_anchoring.into());
    }
    let organisation = account.organisation;
    let have = facts.anchored(&organisation).map_err(ResolveError::Facts)?;
    if count <= have {
        return Err(OrderRefusal::AnchorNotNewer { organisation, have, presented: count }.into());
    }
    Ok(organisation)
}
