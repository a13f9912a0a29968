//! Which policies a request concerns, found without looking at the others.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    facts::{Action, Request},
    policy::Policy,
    scope::{PrincipalScope, ResourceScope},
    sight::Sight,
};

/// Policies by action, principal and resource of their scopes. Each stands at exactly one place per action.
#[derive(Debug, Default)]
pub(crate) struct Index {
    actions: BTreeMap<Action, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    /// The places of policies in their list, in order.
    places: BTreeMap<(PrincipalScope, ResourceScope), Vec<usize>>,
    /// What any policy on this action sees.
    sight: Sight,
}

impl Index {
    /// Files policies by their places in a list.
    pub(crate) fn new(policies: &[Arc<Policy>]) -> Self {
        let mut index = Self::default();
        for (place, policy) in policies.iter().enumerate() {
            for action in &policy.scope.actions {
                let entry = index.actions.entry(*action).or_default();
                let key = (policy.scope.principal, policy.scope.resource);
                entry.places.entry(key).or_default().push(place);
                entry.sight = entry.sight | policy.sight;
            }
        }
        index
    }

    /// The places of the policies whose scopes a request is in, in order.
    pub(crate) fn candidates(&self, request: &Request<'_>) -> Vec<usize> {
        let Some(entry) = self.actions.get(&request.action) else { return Vec::new() };
        let principals = PrincipalScope::of(&request.principal);
        let resources = ResourceScope::of(&request.resource);
        let mut found: Vec<usize> = Vec::new();
        for principal in principals {
            for resource in resources.into_iter().flatten() {
                found.extend(entry.places.get(&(principal, resource)).into_iter().flatten());
            }
        }
        found.sort_unstable();
        found
    }

    /// What any policy on an action sees.
    pub(crate) fn sight(&self, action: Action) -> Sight {
        self.actions.get(&action).map(|entry| entry.sight).unwrap_or_default()
    }
}
