//! `concordat account list`: who is enrolled, for whom, in which role, and whether it may act.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use clap::{Args, ValueEnum};
use concordat_core::{
    GOVERNANCE, IDENTITY_REGISTRY, ListedTable, abi::IIdentityRegistry as registry,
    governance::abi::IGovernance,
};
use concordat_types::{OrgId, Role};
use eyre::Result;
use serde_json::json;

use crate::{
    client::NodeArgs,
    list::{Entry, Page, PageArgs},
    table::AsOf,
};

/// Arguments of `concordat account list`.
#[derive(Args)]
pub struct ListArgs {
    /// Only those of this organisation.
    #[arg(long, value_name = "ORGANISATION")]
    organisation: Option<OrgId>,
    /// Only those in this role.
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
    /// Only those that stand so.
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Only those whose certificate ends before this time, in Unix seconds.
    #[arg(long, value_name = "SECONDS")]
    expiring_before: Option<u64>,
    /// As the state stood after this block; the newest if absent.
    #[arg(long)]
    height: Option<u64>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// How an account stands: the first of these that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Status {
    /// Another account acts for its identity.
    Replaced,
    /// Its identity is barred.
    Barred,
    /// Its certificate, or one above it, is revoked.
    Revoked,
    /// Its organisation is suspended or expelled.
    Suspended,
    /// It is frozen.
    Frozen,
    /// Its certificate has ended.
    Expired,
    /// None of that: it may act.
    Active,
}

/// An account as its views tell it.
struct Account {
    address: Address,
    entry: registry::Account,
    status: Status,
}

/// Runs `concordat account list`.
pub(super) fn list(args: &ListArgs, json: bool) -> Result<()> {
    let client = args.node.connect()?;
    let chain = AsOf::new(&client, args.height)?;
    let surroundings = Surroundings::read(&chain)?;
    let mut page = Page::default();
    // Three views tell how an account stands, so that they are asked for pages of accounts.
    chain.keys(ListedTable::Accounts, args.page.after()?, |addresses| {
        let accounts = surroundings.accounts(&chain, addresses)?;
        let mut wanted = accounts.iter().filter(|account| args.takes(account));
        Ok(wanted.all(|account| page.push(account.entry(), &args.page)))
    })?;
    page.show(json, "no account matches")
}

impl ListArgs {
    fn takes(&self, account: &Account) -> bool {
        let entry = &account.entry;
        self.organisation.as_ref().is_none_or(|id| id.as_str() == entry.organisation)
            && self.role.is_none_or(|role| role.to_string() == entry.role)
            && self.status.is_none_or(|status| status == account.status)
            && self.expiring_before.is_none_or(|before| entry.notAfter < before)
    }
}

/// What the standing of all accounts depends on.
struct Surroundings {
    time: u64,
    /// Whether each organisation is a member that may act.
    active: BTreeMap<String, bool>,
    /// Chains without a committee freeze nobody.
    committee: bool,
}

impl Surroundings {
    fn read(chain: &AsOf<'_>) -> Result<Self> {
        let ids = chain.ask_one(IDENTITY_REGISTRY, registry::organisationsCall {})?;
        let calls: Vec<_> =
            ids.iter().map(|id| registry::organisationSummaryCall { id: id.clone() }).collect();
        let summaries = chain.ask(IDENTITY_REGISTRY, &calls)?;
        let active = summaries.into_iter().map(|summary| (summary.id, summary.membership == 1)).collect();
        let committee = chain.has_code(GOVERNANCE)?;
        Ok(Self { time: chain.time()?, active, committee })
    }

    fn accounts(&self, chain: &AsOf<'_>, addresses: &[Address]) -> Result<Vec<Account>> {
        let all = || addresses.iter().copied();
        let calls: Vec<_> = all().map(|account| registry::accountCall { account }).collect();
        let entries = chain.ask(IDENTITY_REGISTRY, &calls)?;
        let calls: Vec<_> = all().map(|identity| registry::accountOfCall { identity }).collect();
        let acting = chain.ask(IDENTITY_REGISTRY, &calls)?;
        let calls: Vec<_> = all().map(|account| IGovernance::freezeCall { account }).collect();
        let frozen: Vec<bool> = match self.committee {
            true => chain.ask(GOVERNANCE, &calls)?.iter().map(|freeze| freeze.binds).collect(),
            false => vec![false; calls.len()],
        };
        let known = all().zip(entries).zip(acting.into_iter().zip(frozen));
        Ok(known
            .map(|((address, entry), (acting, frozen))| {
                let status = self.status(&entry, acting != address, frozen);
                Account { address, entry, status }
            })
            .collect())
    }

    fn status(&self, entry: &registry::Account, replaced: bool, frozen: bool) -> Status {
        let suspended = !self.active.get(&entry.organisation).copied().unwrap_or_default();
        match entry {
            // The certificate of an account that was replaced counts as revoked too.
            _ if replaced => Status::Replaced,
            _ if !entry.active => Status::Barred,
            _ if entry.revoked => Status::Revoked,
            _ if suspended => Status::Suspended,
            _ if frozen => Status::Frozen,
            _ if entry.notAfter < self.time => Status::Expired,
            _ => Status::Active,
        }
    }
}

impl Account {
    fn entry(&self) -> Entry {
        let Self { address, entry, status } = self;
        let status = status.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let line = format!(
            "{address}  {:<20} {:<18} {status:<10} until {}  {:?}",
            entry.organisation, entry.role, entry.notAfter, entry.commonName
        );
        let said = json!({
            "address": address,
            "organisation": entry.organisation,
            "role": entry.role,
            "commonName": entry.commonName,
            "status": status,
            "notBefore": entry.notBefore,
            "notAfter": entry.notAfter,
            "enrolledHeight": entry.enrolledHeight,
        });
        Entry { key: address.to_string(), said, line }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;

    use super::*;

    #[test]
    fn an_account_has_the_gravest_status_that_holds() {
        let active = BTreeMap::from([("bank-a".to_owned(), true), ("bank-b".to_owned(), false)]);
        let around = Surroundings { time: 100, active, committee: true };
        let entry = |organisation: &str, active, revoked, until| registry::Account {
            organisation: organisation.to_owned(),
            active,
            revoked,
            notAfter: until,
            role: String::new(),
            commonName: String::new(),
            serial: Bytes::new(),
            fingerprint: Default::default(),
            notBefore: 0,
            enrolledHeight: 0,
        };
        for (entry, replaced, frozen, status) in [
            (entry("bank-a", true, false, 100), false, false, Status::Active),
            (entry("bank-a", true, false, 99), false, false, Status::Expired),
            (entry("bank-a", true, false, 99), false, true, Status::Frozen),
            (entry("bank-b", true, false, 99), false, true, Status::Suspended),
            (entry("unknown", true, false, 100), false, false, Status::Suspended),
            (entry("bank-b", true, true, 99), false, true, Status::Revoked),
            (entry("bank-b", false, true, 99), false, true, Status::Barred),
            (entry("bank-b", false, true, 99), true, true, Status::Replaced),
        ] {
            assert_eq!(around.status(&entry, replaced, frozen), status);
        }
    }
}
