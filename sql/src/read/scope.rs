//! What somebody may be shown: a mandate, or less.

use std::collections::BTreeSet;

use concordat_types::{Address, OrgId};
use serde::{Deserialize, Serialize};

use super::{
    cover::Cover,
    query::{Bind, Query},
};

/// The organisations and the contracts of which rows may be shown; `None`: of all.
///
/// As mandates have it: a row is shown if one of its parties belongs to such an organisation, or if it is about such a
/// contract. Whoever supervises one bank and nothing else has that bank and an empty set of contracts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

    /// Whether a scope leaves rows out. Everything is some organisation's business.
    pub(crate) fn is_restricted(&self, scope: &Scope) -> bool {
        let all_contracts = !self.contracts.is_empty() && scope.contracts.is_none();
        !self.is_public() && scope.organisations.is_some() && !all_contracts
    }

    /// Adds what a scope leaves of the rows named `t`: by whom it covers where these are named, else row by row.
    pub(crate) fn restrict(&self, scope: &Scope, cover: &Cover, query: &mut Query) {
        if !self.is_restricted(scope) {
            return;
        }
        let mut any: Vec<String> = Vec::new();
        let names = || scope.organisations.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
        match &cover.accounts {
            Some(accounts) => self.add_accounts(accounts, &mut any, query),
            None => {
                let names = query.bind(Bind::Texts(names()));
                any.extend(self.account_expressions().map(|account| belongs(&account, &names)));
            }
        }
        if !self.organisations.is_empty() {
            let names = query.bind(Bind::Texts(names()));
            any.extend(self.organisations.iter().map(|column| format!("t.{column} = ANY({names})")));
        }
        match &cover.contracts {
            Some(contracts) => self.add_contracts(contracts.iter().cloned().collect(), &mut any, query),
            None => {
                let names = query.bind(Bind::Texts(names()));
                any.extend(self.contracts.iter().map(|column| owned(&format!("t.{column}"), &names)));
                let named = scope.contracts.iter().flatten().map(|one| one.to_vec());
                self.add_contracts(named.collect(), &mut any, query);
            }
        }
        query.condition(&if any.is_empty() { "false".to_owned() } else { format!("({})", any.join(" OR ")) });
    }

    /// What tells an account of a row.
    fn account_expressions(&self) -> impl Iterator<Item = String> {
        let sender = "(SELECT x.sender FROM ledger.transactions x WHERE x.height = t.height AND x.tx_index = t.tx_index)";
        let columns = self.accounts.iter().map(|column| format!("t.{column}"));
        columns.chain(self.by_sender.then(|| sender.to_owned()))
    }

    fn add_accounts(&self, accounts: &BTreeSet<Vec<u8>>, any: &mut Vec<String>, query: &mut Query) {
        if accounts.is_empty() || (self.accounts.is_empty() && !self.by_sender) {
            return;
        }
        let accounts = query.bind(Bind::ManyBytes(accounts.iter().cloned().collect()));
        any.extend(self.account_expressions().map(|account| format!("{account} = ANY({accounts})")));
    }

    fn add_contracts(&self, contracts: Vec<Vec<u8>>, any: &mut Vec<String>, query: &mut Query) {
        if contracts.is_empty() || self.contracts.is_empty() {
            return;
        }
        let contracts = query.bind(Bind::ManyBytes(contracts));
        any.extend(self.contracts.iter().map(|column| format!("t.{column} = ANY({contracts})")));
    }
}

/// Whether an account is one of some organisations': authorities never change hands, so that any row of each tells.
///
/// A scalar, not `EXISTS`: that the planner may answer by reading all accounts first. Of whom authorities are is asked once, not for
/// each account: that takes a third of the time.
pub(super) fn belongs(account: &str, organisations: &str) -> String {
    format!(
        "(SELECT s.authority FROM ledger.account_standings s WHERE s.account = {account} LIMIT 1) \
         = ANY(ARRAY(SELECT a.authority FROM ledger.authorities a WHERE a.organisation = ANY({organisations})))"
    )
}

/// Whether a contract is one of some organisations'.
pub(super) fn owned(contract: &str, organisations: &str) -> String {
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
        within(reach, scope, &Cover::default())
    }

    fn within(reach: Reach, scope: &Scope, cover: &Cover) -> Vec<String> {
        let mut query = Query::default();
        reach.restrict(scope, cover, &mut query);
        query.conditions().to_vec()
    }

    #[test]
    fn what_is_public_is_left_out_of_no_scope_and_an_empty_scope_leaves_nothing() {
        let nothing = Scope { contracts: Some([].into()), ..scope(Some(&[])) };
        let reach = Reach { accounts: &["sender"], contracts: &["recipient"], ..Reach::default() };
        let nobody = Cover { accounts: Some([].into()), contracts: Some([].into()) };
        assert!(within(Reach::default(), &nothing, &nobody).is_empty());
        assert_eq!(within(reach, &nothing, &nobody), ["false"]);
    }

    #[test]
    fn either_an_organisation_or_a_contract_suffices_and_all_of_one_is_all() {
        let reach = Reach { accounts: &["sender"], contracts: &["recipient"], ..Reach::default() };
        let token = Some([Address::repeat_byte(1)].into());
        assert!(conditions(reach, &scope(Some(&["bank-a"]))).is_empty(), "all contracts are supervised");
        let both = conditions(reach, &Scope { contracts: token.clone(), ..scope(Some(&["bank-a"])) });
        assert!(both[0].contains("= ANY($1)") && both[0].ends_with(" OR t.recipient = ANY($3))"));
        let named = Cover { accounts: Some([].into()), contracts: Some([vec![1; 20]].into()) };
        let only = Scope { contracts: token, ..scope(Some(&[])) };
        assert_eq!(within(reach, &only, &named), ["(t.recipient = ANY($1))"]);
        let accounts = Reach { accounts: &["account"], ..Reach::default() };
        let about_no_contract = within(accounts, &only, &named);
        assert_eq!(about_no_contract, ["false"], "what is about no contract is no contract's");
    }

    #[test]
    fn whom_a_scope_covers_is_named_where_these_are_few() {
        let reach = Reach { accounts: &["sender"], contracts: &["token"], ..Reach::default() };
        let few = Cover { accounts: Some([vec![7; 20]].into()), contracts: Some([vec![9; 20]].into()) };
        let bank = Scope { contracts: Some([].into()), ..scope(Some(&["bank-a"])) };
        assert_eq!(within(reach, &bank, &few), ["(t.sender = ANY($1) OR t.token = ANY($2))"]);
        let logs = Reach { contracts: &["address"], by_sender: true, ..Reach::default() };
        let told = within(logs, &bank, &few);
        assert!(told[0].contains("x.tx_index = t.tx_index) = ANY($1) OR t.address = ANY($2)"), "{told:?}");
    }
}
