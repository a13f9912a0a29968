//! Names in policies that nothing ever has: an address in upper case would match nobody, and nobody would notice.
//! Also kinds of values that no fact is of. And the accounts that a policy names.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use cedar_policy::pst::{Clause, Expr, Literal, Template, UnaryOp};
use concordat_types::OrgId;

use crate::{
    scope::{PrincipalScope, Scope, address, type_name},
    terms::parts,
};

const NO_FACT: &str = "no fact is of that kind, so leave it out";

/// A literal, and how to mend it.
pub(crate) type Mend = (String, &'static str);

/// The first literal of a policy's conditions that names nothing. Those of its scope are checked where it is read.
pub(crate) fn misspelt(body: &Template) -> Option<Mend> {
    body.clauses().iter().find_map(|clause| match clause {
        Clause::When(expr) | Clause::Unless(expr) => within(expr),
    })
}

fn within(expr: &Expr) -> Option<Mend> {
    match expr {
        Expr::Literal(literal) => check(literal),
        // Whether Cedar knows them depends on what else is built with it, which must make no difference.
        Expr::UnaryOp { op: UnaryOp::Ip, .. } => Some(("ip".to_owned(), NO_FACT)),
        Expr::UnaryOp { op: UnaryOp::Decimal, .. } => Some(("decimal".to_owned(), NO_FACT)),
        _ => parts(expr).into_iter().find_map(within),
    }
}

/// The accounts that a policy names, however its text spells them: in its scope, and in its conditions.
pub(crate) fn accounts(scope: &Scope, body: &Template) -> BTreeSet<Address> {
    let mut found = BTreeSet::new();
    if let PrincipalScope::Account(account) = scope.principal {
        found.insert(account);
    }
    for clause in body.clauses() {
        let (Clause::When(expr) | Clause::Unless(expr)) = clause;
        gather(expr, &mut found);
    }
    found
}

fn gather(expr: &Expr, found: &mut BTreeSet<Address>) {
    if let Expr::Literal(Literal::EntityUID(uid)) = expr
        && type_name(&uid.ty) == Some("Account")
    {
        found.extend(address(&uid.eid));
    }
    parts(expr).into_iter().for_each(|part| gather(part, found));
}

fn check(literal: &Literal) -> Option<Mend> {
    match literal {
        Literal::EntityUID(uid) => {
            let (well_formed, mend) = match type_name(&uid.ty) {
                Some("Account" | "Contract") => {
                    (address(&uid.eid).is_some(), "write 0x and 40 digits in lower case")
                }
                Some("Organisation") => {
                    (uid.eid.parse::<OrgId>().is_ok(), "write the organisation's id, as in bank-a")
                }
                // The schema lists all others.
                _ => (true, ""),
            };
            (!well_formed).then(|| (uid.eid.to_string(), mend))
        }
        Literal::String(text) => {
            let prefix: String = text.chars().take(2).collect::<String>().to_lowercase();
            let misspelt = prefix == "0x" && address(text).is_none() && !is_method(text);
            misspelt.then(|| {
                (text.to_string(), "write methods as 0x and 8 digits, addresses as 0x and 40, in lower case")
            })
        }
        _ => None,
    }
}

fn is_method(text: &str) -> bool {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix("0x").is_some_and(|digits| digits.len() == 8 && digits.bytes().all(lower))
}
