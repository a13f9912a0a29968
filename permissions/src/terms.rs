//! What conditions are made of, and how much that is to evaluate.
//!
//! The count is a rule of consensus: gas is charged by it. It is taken from the structure of a policy, not from its text,
//! because a long reason costs nothing and a short pattern may cost much.

use cedar_policy::pst::{Clause, Expr, Template, UnaryOp};

/// A text that is read as a time or a duration, each time that it is evaluated.
const READ_TERMS: u64 = 8;

/// What an expression is made of.
pub(crate) fn parts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. } => vec![&**expr],
        Expr::Is { expr, in_expr, .. } => {
            let group = in_expr.as_ref().map(|group| &**group);
            std::iter::once(&**expr).chain(group).collect()
        }
        Expr::BinaryOp { left, right, .. } => vec![&**left, &**right],
        Expr::IfThenElse { cond, then_expr, else_expr } => vec![&**cond, &**then_expr, &**else_expr],
        Expr::Set(items) => items.iter().map(|item| &**item).collect(),
        Expr::Record(fields) => fields.values().map(|field| &**field).collect(),
        _ => Vec::new(),
    }
}

/// How many terms a policy's conditions have.
pub(crate) fn count(body: &Template) -> u64 {
    let terms = body.clauses().iter().map(|clause| match clause {
        Clause::When(expr) | Clause::Unless(expr) => within(expr),
    });
    terms.fold(0, u64::saturating_add)
}

fn within(expr: &Expr) -> u64 {
    let own = match expr {
        Expr::UnaryOp { op: UnaryOp::Datetime | UnaryOp::Duration, .. } => READ_TERMS,
        // Each part of a pattern may be held against each character of a text.
        Expr::Like { pattern, .. } => u64::try_from(pattern.len()).unwrap_or(u64::MAX).saturating_add(1),
        _ => 1,
    };
    parts(expr).into_iter().map(within).fold(own, u64::saturating_add)
}
