//! What somebody may be shown: a mandate, or less.

use std::collections::BTreeSet;

use concordat_types::{Address, OrgId};
use serde::{Deserialize, Serialize};

use super::query::{Bind, Query};

/// The organisations and the contracts of which rows may be shown; `None`: of all.
///
/// A row is shown if one of its parties belongs to such an organisation and the contract that it is about is such a
/// contract: both, so that whoever supervises two banks and one token sees what these banks do with that token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The organisations.
    #[serde(default)]
    pub organisations: Option<BTreeSet<OrgId>>,
    /// The contracts.
    #[serde(default)]
    pub contracts: Option<BTreeSet<Address>>,
}

impl Scope {
    /// What both allow.
    pub fn and(&self, other: &Self) -> Self {
        Self {
            organisations: both(self.organisations.as_ref(), other.organisations.as_ref()),
            contracts: both(self.contracts.as_ref(), other.contracts.as_ref()),
        }
    }

    /// Whether all that this one allows is allowed by another.
    pub fn is_within(&self, other: &Self) -> bool {
        self.and(other) == *self
    }

    /// Whether nothing is left out.
    pub const fn is_whole(&self) -> bool {
        self.organisations.is_none() && self.contracts.is_none()
    }
}

fn both<T: Ord + Clone>(one: Option<&BTreeSet<T>>, other: Option<&BTreeSet<T>>) -> Option<BTreeSet<T>> {
    match (one, other) {
        (None, None) => None,
        (Some(only), None) | (None, Some(only)) => Some(only.clone()),
        (Some(one), Some(other)) => Some(one.intersection(other).cloned().collect()),
    }
}

/// Whose a row is: by which of its columns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reach {
    /// Columns with accounts, or contracts that act as holders.
    pub(crate) accounts: &'static [&'static str],
    /// Columns with organisations.
    pub(crate) organisations: &'static [&'static str],
    /// Columns with the contract that the row is about.
    pub(crate) contracts: &'static [&'static str],
    /// Whether whoever sent the row's transaction is a party.
    pub(crate) by_sender: bool,
}

impl Reach {
    /// Whether every supervisor sees every row: how the network is governed is everybody's business.
    pub(crate) const fn is_public(&self) -> bool {
        self.accounts.is_empty() && self.organisations.is_empty() && self.contracts.is_empty()
    }

    /// Adds what a scope leaves of the rows named `t`.
    pub(crate) fn restrict(&self, scope: &Scope, query: &mut Query) {
        if self.is_public() {
            return;
        }
        if let Some(organisations) = &scope.organisations {
            let names = organisations.iter().map(ToString::to_string).collect();
            let parameter = query.bind(Bind::Texts(names));
            let mut any: Vec<String> = Vec::new();
            for column in self.accounts {
                any.push(belongs(&format!("t.{column}"), &parameter));
            }
            any.extend(self.organisations.iter().map(|column| format!("t.{column} = ANY({parameter})")));
            any.extend(self.contracts.iter().map(|column| owned(&format!("t.{column}"), &parameter)));
            if self.by_sender {
                any.push(format!(
                    "EXISTS (SELECT FROM ledger.transactions x WHERE x.height = t.height AND x.tx_index = t.tx_index AND {})",
                    belongs("x.sender", &parameter)
                ));
            }
            query.condition(&format!("({})", any.join(" OR ")));
        }
        if let Some(contracts) = scope.contracts.as_ref().filter(|_| !self.contracts.is_empty()) {
            let parameter = query.bind(Bind::ManyBytes(contracts.iter().map(|one| one.to_vec()).collect()));
            let any = self.contracts.iter().map(|column| format!("t.{column} = ANY({parameter})"));
            query.condition(&format!("({})", any.collect::<Vec<_>>().join(" OR ")));
        }
    }
}

/// Whether an account is one of an organisation's: authorities never change hands, so that any row of each tells.
fn belongs(account: &str, organisations: &str) -> String {
    format!(
        "EXISTS (SELECT FROM ledger.account_standings s JOIN ledger.authorities a ON a.authority = s.authority \
         WHERE s.account = {account} AND a.organisation = ANY({organisations}))"
    )
}

/// Whether a contract is one of an organisation's.
fn owned(contract: &str, organisations: &str) -> String {
    format!(
        "EXISTS (SELECT FROM ledger.contracts c WHERE c.contract = {contract} AND c.organisation = ANY({organisations}))"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(organisations: Option<&[&str]>) -> Scope {
        let organisations = organisations.map(|names| names.iter().map(|name| name.parse().unwrap()).collect());
        Scope { organisations, contracts: None }
    }

    #[test]
    fn both_scopes_together_allow_what_each_allows() {
        let (whole, two, one) = (scope(None), scope(Some(&["bank-a", "bank-b"])), scope(Some(&["bank-b"])));
        assert_eq!(whole.and(&two), two);
        assert_eq!(two.and(&one), one);
        assert_eq!(one.and(&scope(Some(&["bank-c"]))), scope(Some(&[])), "nothing, not everything");
        assert!(one.is_within(&two) && one.is_within(&whole) && !whole.is_within(&one) && !two.is_within(&one));
    }

    #[test]
    fn what_is_public_is_left_out_of_no_scope_and_an_empty_scope_leaves_nothing() {
        let mut query = Query::default();
        Reach::default().restrict(&scope(Some(&[])), &mut query);
        assert!(query.conditions().is_empty());
        let reach = Reach { accounts: &["sender"], contracts: &["recipient"], ..Reach::default() };
        reach.restrict(&scope(Some(&[])), &mut query);
        assert_eq!(query.conditions().len(), 1);
        assert!(query.conditions()[0].contains("a.organisation = ANY($1)"), "{:?}", query.conditions());
    }
}
