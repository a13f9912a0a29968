//! Whom and what a policy's first line is about, in a form that requests are looked up by.

use alloy_primitives::Address;
use cedar_policy::pst::{
    ActionConstraint, EntityOrSlot, EntityType, EntityUID, PrincipalConstraint, ResourceConstraint, Template,
};
use concordat_types::{OrgId, Role};

use crate::facts::{Action, Principal, Resource};

/// An organisation's id, filled up with zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OrgKey([u8; 32]);

impl From<&OrgId> for OrgKey {
    fn from(id: &OrgId) -> Self {
        // An id has at most 32 bytes, none of them zero.
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(id.as_str().bytes()) {
            *to = from;
        }
        Self(key)
    }
}

impl OrgKey {
    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        // An id is ASCII and holds no zero.
        std::str::from_utf8(&self.0).unwrap_or_default().trim_end_matches('\0')
    }
}

/// Whom a policy is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PrincipalScope {
    Any,
    Account(Address),
    Organisation(OrgKey),
    Role(Role),
}

impl PrincipalScope {
    /// The scopes that a principal is in.
    pub(crate) fn of(principal: &Principal<'_>) -> [Self; 4] {
        [
            Self::Any,
            Self::Account(principal.account),
            Self::Organisation(principal.organisation.into()),
            Self::Role(principal.role),
        ]
    }
}

/// What a policy is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ResourceScope {
    Any,
    Ledger,
    AnyContract,
    Contract(Address),
    Organisation(OrgKey),
}

impl ResourceScope {
    /// The scopes that a resource is in; the first one stands for those that there are not.
    pub(crate) fn of(resource: &Resource<'_>) -> [Option<Self>; 4] {
        match resource {
            Resource::Ledger => [Some(Self::Any), Some(Self::Ledger), None, None],
            Resource::Contract(contract) => [
                Some(Self::Any),
                Some(Self::AnyContract),
                Some(Self::Contract(contract.address)),
                contract.organisation.map(|id| Self::Organisation(id.into())),
            ],
        }
    }
}

/// A policy's first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) principal: PrincipalScope,
    /// The actions, in order.
    pub(crate) actions: Vec<Action>,
    pub(crate) resource: ResourceScope,
}

/// Which part of a scope matches nothing, and how to mend it.
pub(crate) type Mend = (&'static str, &'static str);

impl Scope {
    /// Reads it.
    pub(crate) fn read(body: &Template) -> Result<Self, Mend> {
        let principal = principal(&body.principal).ok_or((
            "the principal",
            "write principal == Account::\"0x…\", or in an Organisation or a Role",
        ))?;
        let actions = actions(&body.action)
            .filter(|actions| !actions.is_empty())
            .ok_or((
                "the action",
                "write action == Action::\"…\" or action in [Action::\"…\"], of deploy, create, call, delegatecall, \
                 staticcall, read and administer",
            ))?;
        let resource = resource(&body.resource).ok_or((
            "the resource",
            "write resource == Contract::\"0x…\", resource == Ledger::\"this\", or in an Organisation",
        ))?;
        Ok(Self { principal, actions, resource })
    }

    /// Whether a principal is in it.
    pub(crate) fn has_principal(&self, principal: &Principal<'_>) -> bool {
        PrincipalScope::of(principal).contains(&self.principal)
    }

    /// Whether an action on a resource is in it.
    pub(crate) fn has_deed(&self, action: Action, resource: &Resource<'_>) -> bool {
        self.actions.contains(&action) && ResourceScope::of(resource).contains(&Some(self.resource))
    }
}

/// What an entity type or an entity is called in the schema, without a namespace.
pub(crate) fn type_name(of: &EntityType) -> Option<&str> {
    of.0.namespace.is_empty().then(|| of.0.id.as_str())
}

fn entity(of: &EntityOrSlot) -> Option<&EntityUID> {
    match of {
        EntityOrSlot::Entity(uid) => Some(uid),
        EntityOrSlot::Slot(_) => None,
    }
}

fn principal(constraint: &PrincipalConstraint) -> Option<PrincipalScope> {
    match constraint {
        PrincipalConstraint::Any => Some(PrincipalScope::Any),
        PrincipalConstraint::Eq(of) => account(entity(of)?),
        PrincipalConstraint::Is(of) => (type_name(of)? == "Account").then_some(PrincipalScope::Any),
        PrincipalConstraint::In(of) => principals(entity(of)?),
        PrincipalConstraint::IsIn(kind, of) => {
            (type_name(kind)? == "Account").then(|| principals(entity(of)?)).flatten()
        }
    }
}

fn account(uid: &EntityUID) -> Option<PrincipalScope> {
    let address = (type_name(&uid.ty)? == "Account").then(|| address(&uid.eid)).flatten();
    address.map(PrincipalScope::Account)
}

fn principals(uid: &EntityUID) -> Option<PrincipalScope> {
    match type_name(&uid.ty)? {
        "Account" => account(uid),
        "Organisation" => Some(PrincipalScope::Organisation((&uid.eid.parse::<OrgId>().ok()?).into())),
        "Role" => uid.eid.parse().ok().map(PrincipalScope::Role),
        _ => None,
    }
}

fn resource(constraint: &ResourceConstraint) -> Option<ResourceScope> {
    match constraint {
        ResourceConstraint::Any => Some(ResourceScope::Any),
        ResourceConstraint::Eq(of) => one(entity(of)?),
        ResourceConstraint::Is(of) => match type_name(of)? {
            "Ledger" => Some(ResourceScope::Ledger),
            "Contract" => Some(ResourceScope::AnyContract),
            _ => None,
        },
        ResourceConstraint::In(of) => resources(entity(of)?),
        ResourceConstraint::IsIn(kind, of) => {
            (type_name(kind)? == "Contract").then(|| resources(entity(of)?)).flatten()
        }
    }
}

fn one(uid: &EntityUID) -> Option<ResourceScope> {
    match type_name(&uid.ty)? {
        "Ledger" => (uid.eid == "this").then_some(ResourceScope::Ledger),
        "Contract" => address(&uid.eid).map(ResourceScope::Contract),
        _ => None,
    }
}

fn resources(uid: &EntityUID) -> Option<ResourceScope> {
    match type_name(&uid.ty)? {
        "Organisation" => Some(ResourceScope::Organisation((&uid.eid.parse::<OrgId>().ok()?).into())),
        "Contract" => one(uid),
        _ => None,
    }
}

fn actions(constraint: &ActionConstraint) -> Option<Vec<Action>> {
    let named = |uid: &EntityUID| uid.eid.parse::<Action>().ok();
    match constraint {
        ActionConstraint::Any => Some(Action::ALL.to_vec()),
        ActionConstraint::Eq(uid) => Some(vec![named(uid)?]),
        ActionConstraint::In(uids) => {
            let mut actions: Vec<Action> = uids.iter().map(named).collect::<Option<_>>()?;
            actions.sort_unstable();
            actions.dedup();
            Some(actions)
        }
    }
}

/// An address in its one form in policies: lower case, with `0x`.
pub(crate) fn address(text: &str) -> Option<Address> {
    let digits = text.strip_prefix("0x")?;
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (digits.len() == 40 && digits.bytes().all(lower)).then(|| digits.parse().ok()).flatten()
}
