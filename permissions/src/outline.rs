//! A policy in short, for lists: what it does, to whom, to which actions, on what.

use std::fmt;

use serde::Serialize;

use crate::{
    facts::Action,
    policy::Policy,
    scope::{OrgKey, PrincipalScope, ResourceScope},
};

/// A policy's effect and first line in short words. What its conditions say stands in its text alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// Whom it is about: `everybody`, `account 0x…`, `organisation bank-a`, `role operator`.
    pub who: String,
    /// The actions, in order.
    pub actions: Vec<Action>,
    /// On what: `anything`, `the ledger`, `any contract`, `contract 0x…`, `contracts of bank-b`.
    pub on: String,
    /// Whether conditions narrow it further.
    pub conditional: bool,
}

impl Outline {
    pub(crate) fn of(policy: &Policy) -> Self {
        let scope = &policy.scope;
        Self {
            effect: match policy.effect {
                cedar_policy::Effect::Permit => "permit",
                cedar_policy::Effect::Forbid => "forbid",
            },
            who: who(&scope.principal),
            actions: scope.actions.clone(),
            on: on(&scope.resource),
            conditional: policy.terms > 0,
        }
    }
}

impl fmt::Display for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { effect, who, on, conditional, .. } = self;
        let actions = if self.actions == Action::ALL {
            "anything".to_owned()
        } else {
            self.actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let conditions = if *conditional { ", on conditions" } else { "" };
        write!(f, "{effect} {who}: {actions} on {on}{conditions}")
    }
}

fn who(scope: &PrincipalScope) -> String {
    match scope {
        PrincipalScope::Any => "everybody".to_owned(),
        PrincipalScope::Account(account) => format!("account {account:#x}"),
        PrincipalScope::Organisation(id) => format!("organisation {id}"),
        PrincipalScope::Role(role) => format!("role {role}"),
    }
}

fn on(scope: &ResourceScope) -> String {
    match scope {
        ResourceScope::Any => "anything".to_owned(),
        ResourceScope::Ledger => "the ledger".to_owned(),
        ResourceScope::AnyContract => "any contract".to_owned(),
        ResourceScope::Contract(address) => format!("contract {address:#x}"),
        ResourceScope::Organisation(id) => format!("contracts of {id}"),
    }
}

impl fmt::Display for OrgKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use crate::kit::{catalogue, enacted};

    fn outlined(body: &str) -> String {
        let set = catalogue().with(&[enacted("the-policy", body)]).unwrap();
        set.outline(&"the-policy".parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_policy_is_told_by_its_effect_and_its_first_line() {
        let contract = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
        let call = "action == Action::\"call\"";
        for (body, told) in [
            (format!("permit (principal, {call}, resource);"), "permit everybody: call on anything".to_owned()),
            (
                format!("forbid (principal in Organisation::\"bank-a\", {call}, resource == Contract::\"{contract}\");"),
                format!("forbid organisation bank-a: call on contract {contract}"),
            ),
            (
                format!("forbid (principal == Account::\"{contract}\", {call}, resource in Organisation::\"bank-b\");"),
                format!("forbid account {contract}: call on contracts of bank-b"),
            ),
            (
                "permit (principal in Role::\"operator\", action in [Action::\"create\", Action::\"deploy\"], \
                 resource is Ledger) unless { context.onDeployList };"
                    .to_owned(),
                "permit role operator: deploy, create on the ledger, on conditions".to_owned(),
            ),
        ] {
            assert_eq!(outlined(&body), told, "{body}");
        }
    }

    #[test]
    fn every_policy_of_the_catalogue_has_an_outline_and_unknown_ones_have_none() {
        let set = catalogue();
        assert!(set.policies().all(|(policy, _)| set.outline(&policy.id).is_some()));
        assert_eq!(set.outline(&"no-such".parse().unwrap()), None);
        let exclusive = set.outline(&"exclusive-roles".parse().unwrap()).unwrap();
        assert_eq!(
            (exclusive.effect, exclusive.who.as_str(), exclusive.conditional),
            ("forbid", "everybody", true)
        );
    }
}
