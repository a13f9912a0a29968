//! What somebody may be shown: a mandate, or less.

use std::collections::BTreeSet;

use concordat_types::{Address, OrgId};
use serde::{Deserialize, Serialize};

use super::query::{Bind, Query};

/// The organisations and the contracts of which rows may be shown; `None`: of all.
///
/// As mandates have it: a row is shown if one of its parties belongs to such an organisation, or if it is about such a
/// contract. Whoever supervises one bank and nothing else has that bank and an empty set of contracts.
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
        let about_contracts = !self.contracts.is_empty();
        let contracts = match &scope.contracts {
            None if about_contracts => return,
            Some(contracts) if about_contracts => contracts.iter().map(|one| one.to_vec()).collect(),
            _ => Vec::new(),
        };
        // Everything is some organisation's business.
        let Some(organisations) = scope.organisations.as_ref().filter(|_| !self.is_public()) else { return };
        let mut any: Vec<String> = Vec::new();
        if !organisations.is_empty() {
            let names = query.bind(Bind::Texts(organisations.iter().map(ToString::to_string).collect()));
            self.add_parties(&names, &mut any);
        }
        if !contracts.is_empty() {
            let named = query.bind(Bind::ManyBytes(contracts));
            any.extend(self.contracts.iter().map(|column| format!("t.{column} = ANY({named})")));
        }
        query.condition(&if any.is_empty() { "false".to_owned() } else { format!("({})", any.join(" OR ")) });
    }

    /// Conditions by which a row is one of some organisations'.
    fn add_parties(&self, names: &str, any: &mut Vec<String>) {
        any.extend(self.accounts.iter().map(|column| belongs(&format!("t.{column}"), names)));
        any.extend(self.organisations.iter().map(|column| format!("t.{column} = ANY({names})")));
        any.extend(self.contracts.iter().map(|column| owned(&format!("t.{column}"), names)));
        if self.by_sender {
            let sender = "(SELECT x.sender FROM ledger.transactions x WHERE x.height = t.height AND x.tx_index = t.tx_index)";
            any.push(belongs(sender, names));
        }
    }
}

/// Whether an account is one of some organisations': authorities never change hands, so that any row of each tells.
///
/// A scalar, not `EXISTS`: that the planner may answer by reading all accounts first.
fn belongs(account: &str, organisations: &str) -> String {
    format!(
        "(SELECT a.organisation FROM ledger.account_standings s JOIN ledger.authorities a ON a.authority = s.authority \
         WHERE s.account = {account} LIMIT 1) = ANY({organisations})"
    )
}

/// Whether a contract is one of some organisations'.
fn owned(contract: &str, organisations: &str) -> String {
    format!(
        "(SELECT c.organisation FROM ledger.contracts c WHERE c.contract = {contract} ORDER BY c.height DESC LIMIT 1) \
         = ANY({organisations})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(organisations: Option<&[&str]>) -> Scope {
        let organisations =
            organisations.map(|names| names.iter().map(|name| name.parse().unwrap()).collect());
        Scope { organisations, contracts: None }
    }

    #[test]
    fn both_scopes_together_allow_what_each_allows() {
        let (whole, two, one) = (scope(None), scope(Some(&["bank-a", "bank-b"])), scope(Some(&["bank-b"])));
        assert_eq!(whole.and(&two), two);
        assert_eq!(two.and(&one), one);
        assert_eq!(one.and(&scope(Some(&["bank-c"]))), scope(Some(&[])), "nothing, not everything");
        assert!(
            one.is_within(&two) && one.is_within(&whole) && !whole.is_within(&one) && !two.is_within(&one)
        );
    }

    fn conditions(reach: Reach, scope: &Scope) -> Vec<String> {
        let mut query = Query::default();
        reach.restrict(scope, &mut query);
        query.conditions().to_vec()
    }

    #[test]
    fn what_is_public_is_left_out_of_no_scope_and_an_empty_scope_leaves_nothing() {
        let nothing = Scope { contracts: Some([].into()), ..scope(Some(&[])) };
        let reach = Reach { accounts: &["sender"], contracts: &["recipient"], ..Reach::default() };
        assert!(conditions(Reach::default(), &nothing).is_empty());
        assert_eq!(conditions(reach, &nothing), ["false"]);
    }

    #[test]
    fn either_an_organisation_or_a_contract_suffices_and_all_of_one_is_all() {
        let reach = Reach { accounts: &["sender"], contracts: &["recipient"], ..Reach::default() };
        let token = Some([Address::repeat_byte(1)].into());
        assert!(conditions(reach, &scope(Some(&["bank-a"]))).is_empty(), "all contracts are supervised");
        let both = conditions(reach, &Scope { contracts: token.clone(), ..scope(Some(&["bank-a"])) });
        assert!(both[0].contains("= ANY($1)") && both[0].contains(" OR t.recipient = ANY($2)"));
        assert_eq!(
            conditions(reach, &Scope { contracts: token, ..scope(Some(&[])) }),
            ["(t.recipient = ANY($1))"]
        );
        let accounts = Reach { accounts: &["account"], ..Reach::default() };
        assert_eq!(
            conditions(accounts, &scope(Some(&[]))),
            ["false"],
            "what is about no contract is no contract's"
        );
    }
}
