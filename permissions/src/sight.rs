//! Which facts a policy can see. Two requests that agree in these get the same answer of it.

use std::ops::BitOr;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, Template, Var};

use crate::scope::{PrincipalScope, ResourceScope, Scope, type_name};

/// A set of facts.
///
/// The action, the kind of the resource, and whether the principal's role is an account's belong to every set: they
/// need not be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight(u16);

impl Sight {
    pub(crate) const ACCOUNT: Sight = Sight(1);
    pub(crate) const ROLE: Sight = Sight(1 << 1);
    pub(crate) const ORGANISATION: Sight = Sight(1 << 2);
    pub(crate) const CONTRACT: Sight = Sight(1 << 3);
    pub(crate) const CONTRACT_ORGANISATION: Sight = Sight(1 << 4);
    pub(crate) const ADMINISTRATOR: Sight = Sight(1 << 5);
    pub(crate) const SYSTEM: Sight = Sight(1 << 6);
    pub(crate) const INTERNAL: Sight = Sight(1 << 7);
    pub(crate) const CALLER: Sight = Sight(1 << 8);
    pub(crate) const METHOD: Sight = Sight(1 << 9);
    pub(crate) const TIME: Sight = Sight(1 << 10);
    pub(crate) const DEPLOY_LIST: Sight = Sight(1 << 11);
    pub(crate) const CONTRACT_LIST: Sight = Sight(1 << 12);
    pub(crate) const METHOD_LIST: Sight = Sight(1 << 13);

    const NOTHING: Sight = Sight(0);
    const PRINCIPAL: Sight = Sight(Self::ACCOUNT.0 | Self::ROLE.0 | Self::ORGANISATION.0);
    const RESOURCE: Sight =
        Sight(Self::CONTRACT.0 | Self::CONTRACT_ORGANISATION.0 | Self::ADMINISTRATOR.0 | Self::SYSTEM.0);
    const CONTEXT: Sight = Sight(
        Self::INTERNAL.0
            | Self::CALLER.0
            | Self::METHOD.0
            | Self::TIME.0
            | Self::DEPLOY_LIST.0
            | Self::CONTRACT_LIST.0
            | Self::METHOD_LIST.0,
    );
    const EVERYTHING: Sight = Sight(Self::PRINCIPAL.0 | Self::RESOURCE.0 | Self::CONTEXT.0);

    /// Whether a fact is among them.
    pub(crate) const fn has(self, fact: Sight) -> bool {
        self.0 & fact.0 == fact.0
    }

    /// What a policy sees.
    pub(crate) fn of(scope: &Scope, body: &Template) -> Self {
        let clauses = body.clauses().iter().map(|clause| match clause {
            Clause::When(expr) | Clause::Unless(expr) => seen(expr),
        });
        clauses.fold(in_scope(scope), BitOr::bitor)
    }
}

impl BitOr for Sight {
    type Output = Sight;

    fn bitor(self, other: Sight) -> Sight {
        Sight(self.0 | other.0)
    }
}

const fn in_scope(scope: &Scope) -> Sight {
    let principal = match scope.principal {
        PrincipalScope::Any => Sight::NOTHING,
        PrincipalScope::Account(_) => Sight::ACCOUNT,
        PrincipalScope::Organisation(_) => Sight::ORGANISATION,
        PrincipalScope::Role(_) => Sight::ROLE,
    };
    let resource = match scope.resource {
        ResourceScope::Any | ResourceScope::Ledger | ResourceScope::AnyContract => Sight::NOTHING,
        ResourceScope::Contract(_) => Sight::CONTRACT,
        ResourceScope::Organisation(_) => Sight::CONTRACT_ORGANISATION,
    };
    Sight(principal.0 | resource.0)
}

fn seen(expr: &Expr) -> Sight {
    match expr {
        Expr::GetAttr { expr, attr } => attribute(expr, attr),
        Expr::HasAttr { expr, attrs } => attribute(expr, &attrs.head),
        Expr::BinaryOp { op: BinaryOp::In, left, right } => membership(left, right),
        Expr::Is { expr, in_expr, .. } => match in_expr {
            Some(group) => membership(expr, group),
            // What kind of thing something is belongs to every set.
            None if matches!(**expr, Expr::Var(_)) => Sight::NOTHING,
            None => seen(expr),
        },
        Expr::Var(variable) => whole(variable),
        Expr::Literal(_) => Sight::NOTHING,
        Expr::UnaryOp { expr, .. } | Expr::Like { expr, .. } => seen(expr),
        Expr::BinaryOp { left, right, .. } => seen(left) | seen(right),
        Expr::IfThenElse { cond, then_expr, else_expr } => seen(cond) | seen(then_expr) | seen(else_expr),
        Expr::Set(items) => items.iter().map(|item| seen(item)).fold(Sight::NOTHING, BitOr::bitor),
        Expr::Record(fields) => fields.values().map(|field| seen(field)).fold(Sight::NOTHING, BitOr::bitor),
        // Nothing else is ever in a policy that has no slots. Were it, it would see everything.
        _ => Sight::EVERYTHING,
    }
}

const fn whole(variable: &Var) -> Sight {
    match variable {
        Var::Principal => Sight::PRINCIPAL,
        Var::Action => Sight::NOTHING,
        Var::Resource => Sight::RESOURCE,
        Var::Context => Sight::CONTEXT,
    }
}

/// `principal.role` and the like; of attributes unknown here, the whole is seen.
fn attribute(of: &Expr, name: &str) -> Sight {
    let Expr::Var(variable) = of else { return seen(of) };
    match (variable, name) {
        (Var::Principal, "organisation") => Sight::ORGANISATION,
        (Var::Principal, "role") => Sight::ROLE,
        (Var::Resource, "administrator") => Sight::ADMINISTRATOR,
        (Var::Resource, "organisation") => Sight::CONTRACT_ORGANISATION,
        (Var::Resource, "system") => Sight::SYSTEM,
        (Var::Context, "internal") => Sight::INTERNAL,
        (Var::Context, "caller") => Sight::CALLER,
        (Var::Context, "method") => Sight::METHOD,
        (Var::Context, "time") => Sight::TIME,
        (Var::Context, "deployList" | "onDeployList") => Sight::DEPLOY_LIST,
        (Var::Context, "contractList" | "onContractList") => Sight::CONTRACT_LIST,
        (Var::Context, "methodList" | "onMethodList") => Sight::METHOD_LIST,
        _ => whole(variable),
    }
}

/// `principal in Role::"operator"` and the like: of literals, only the facts of their type are seen.
fn membership(member: &Expr, group: &Expr) -> Sight {
    let Expr::Var(variable) = member else { return seen(member) | seen(group) };
    match group {
        Expr::Literal(literal) => literal_membership(variable, literal),
        Expr::Set(items) => {
            items.iter().map(|item| membership(member, item)).fold(Sight::NOTHING, BitOr::bitor)
        }
        other => whole(variable) | seen(other),
    }
}

fn literal_membership(variable: &Var, group: &Literal) -> Sight {
    let Literal::EntityUID(uid) = group else { return whole(variable) };
    match (variable, type_name(&uid.ty)) {
        (Var::Principal, Some("Role")) => Sight::ROLE,
        (Var::Principal, Some("Organisation")) => Sight::ORGANISATION,
        (Var::Principal, Some("Account")) => Sight::ACCOUNT,
        (Var::Resource, Some("Organisation")) => Sight::CONTRACT_ORGANISATION,
        (Var::Resource, Some("Contract")) => Sight::CONTRACT,
        _ => whole(variable),
    }
}
