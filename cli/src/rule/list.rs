//! `concordat rule list` and `alerts`: which rules bind, and where they were violated.

use std::str::FromStr;

use alloy_primitives::{Address, B256, Log, keccak256};
use alloy_sol_types::SolEvent as _;
use clap::{Args, ValueEnum};
use concordat_core::{
    RULES,
    rules::{Binds, Code, Effect, Limit, LimitId, abi::IRules},
};
use concordat_types::OrgId;
use eyre::{Result, WrapErr as _, eyre};
use serde_json::{Value, json};

use super::visible;
use crate::{
    client::{Client, NodeArgs, quantity},
    list::{Entry, Page, PageArgs},
    table::AsOf,
};

/// How many blocks one search spans.
const STEP: u64 = 1_000;

/// How far back alerts are looked for if nothing is said.
const SPAN: u64 = 10_000;

/// Arguments of `concordat rule list`.
#[derive(Args)]
pub struct ListArgs {
    /// Only those that undo, or only alert.
    #[arg(long, value_enum)]
    effect: Option<EffectName>,
    /// Only those that bind this organisation by name.
    #[arg(long, value_name = "ORGANISATION")]
    organisation: Option<OrgId>,
    /// Only those that bind this account by name.
    #[arg(long, value_name = "ADDRESS")]
    account: Option<Address>,
    /// Only those about this contract by name.
    #[arg(long, value_name = "ADDRESS")]
    contract: Option<Address>,
    /// As the state stood after this block; the newest if absent.
    #[arg(long)]
    height: Option<u64>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// Arguments of `concordat rule alerts`.
#[derive(Args)]
pub struct AlertsArgs {
    /// Only those of this rule.
    #[arg(long, value_name = "ID")]
    rule: Option<LimitId>,
    /// Only those about transactions of this account.
    #[arg(long, value_name = "ADDRESS")]
    account: Option<Address>,
    /// Only those about transactions of this organisation's accounts.
    #[arg(long, value_name = "ORGANISATION")]
    organisation: Option<OrgId>,
    /// From this height on; 10,000 blocks back if absent.
    #[arg(long, value_name = "HEIGHT")]
    from_height: Option<u64>,
    /// Through this height; the newest if absent.
    #[arg(long, value_name = "HEIGHT")]
    to_height: Option<u64>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// What happens where a rule is violated.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EffectName {
    /// The transaction is undone, and an alert raised.
    Revert,
    /// An alert is raised.
    Alert,
}

/// Runs `concordat rule list`.
pub(super) fn list(args: &ListArgs, json: bool) -> Result<()> {
    let client = args.node.connect()?;
    let chain = AsOf::new(&client, args.height)?;
    let ids = chain.ask_one(RULES, IRules::limitsCall {})?;
    let calls: Vec<_> = ids.iter().map(|id| IRules::limitCall { id: id.clone() }).collect();
    let mut rules = Vec::new();
    for told in chain.ask(RULES, &calls)? {
        let limit = Limit::decode(&told.rule)
            .map_err(|error| eyre!("the node's rule is none that this program knows, update it: {error}"))?;
        rules.push((limit, told.proposal));
    }
    let key = |(limit, _): &(Limit, u64)| limit.id.to_string();
    let page = args.page.cut(rules, key, |rule| args.takes(&rule.0).then(|| entry(rule)))?;
    page.show(json, "no rule matches")
}

impl ListArgs {
    fn takes(&self, limit: &Limit) -> bool {
        let effect = self.effect.is_none_or(|effect| {
            limit.effect == if effect == EffectName::Revert { Effect::Revert } else { Effect::Alert }
        });
        let organisation =
            self.organisation.as_ref().is_none_or(|id| limit.binds == Binds::Organisation(id.clone()));
        let account = self.account.is_none_or(|account| limit.binds == Binds::Account(account));
        let contract = self.contract.is_none_or(|contract| limit.subject.contract == Some(contract));
        effect && organisation && account && contract
    }
}

fn entry((limit, proposal): &(Limit, u64)) -> Entry {
    let binds = match &limit.binds {
        Binds::Everybody => "everybody".to_owned(),
        Binds::Organisation(id) => format!("organisation {id}"),
        Binds::Account(account) => format!("account {account}"),
    };
    let contract = limit.subject.contract.map_or_else(|| "any contract".to_owned(), |to| to.to_string());
    let effect = match limit.effect {
        Effect::Revert => "revert",
        Effect::Alert => "alert",
    };
    let line = format!(
        "{:<24} {effect:<7} binds {binds} at {contract}, by proposal {proposal}: {}",
        limit.id,
        visible(&limit.reason)
    );
    let said = json!({ "id": limit.id, "proposal": proposal, "rule": limit });
    Entry { key: limit.id.to_string(), said, line }
}

/// Where an alert stands: the block, and the log's place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64, u64);

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('-')
            .and_then(|(height, index)| Some((height.parse().ok()?, index.parse().ok()?)));
        let (height, index) = parts.ok_or("alerts are named HEIGHT-INDEX")?;
        Ok(Self(height, index))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// Runs `concordat rule alerts`.
pub(super) fn alerts(args: &AlertsArgs, json: bool) -> Result<()> {
    let client = args.node.connect()?;
    let last = args.to_height.map_or_else(|| client.height(), Ok)?;
    let after: Option<Place> = args.page.after()?;
    let first = args.from_height.unwrap_or(last.saturating_sub(SPAN));
    let mut from = after.map_or(first, |after| first.max(after.0));
    let mut page = Page::default();
    while from <= last {
        let upto = last.min(from.saturating_add(STEP - 1));
        let found = args.search(&client, (from, upto))?;
        let mut wanted = found.into_iter().filter(|(place, alert)| {
            Some(*place) > after
                && args.organisation.as_ref().is_none_or(|id| id.as_str() == alert.organisation)
        });
        if !wanted.all(|(place, alert)| page.push(alert_entry(place, &alert), &args.page)) {
            break;
        }
        from = upto.saturating_add(1);
    }
    page.show(json, &format!("no alert was raised from block {first} to {last}"))
}

impl AlertsArgs {
    fn search(&self, client: &Client, (from, upto): (u64, u64)) -> Result<Vec<(Place, IRules::Alert)>> {
        let rule = self.rule.as_ref().map(|id| keccak256(id.as_str()));
        let account = self.account.map(|account| account.into_word());
        let topics: [Option<B256>; 3] = [Some(IRules::Alert::SIGNATURE_HASH), rule, account];
        let filter = json!({
            "address": RULES,
            "fromBlock": format!("{from:#x}"),
            "toBlock": format!("{upto:#x}"),
            "topics": topics,
        });
        let logs = client.call("eth_getLogs", json!([filter]))?;
        let logs = logs.as_array().ok_or_else(|| eyre!("the node tells no logs"))?;
        logs.iter().map(read).collect()
    }
}

fn read(told: &Value) -> Result<(Place, IRules::Alert)> {
    let log: Log = serde_json::from_value(told.clone()).wrap_err("the node's log is malformed")?;
    let alert = IRules::Alert::decode_log(&log).wrap_err("the node tells a log that is no alert")?;
    Ok((Place(quantity(&told["blockNumber"])?, quantity(&told["logIndex"])?), alert.data))
}

fn alert_entry(place: Place, alert: &IRules::Alert) -> Entry {
    let IRules::Alert { account, rule, organisation, contractAddress, code, proposal, .. } = alert;
    let why = Code::from_code(*code).map_or_else(|| format!("code {code}"), |code| code.to_string());
    let said = json!({
        "place": place.to_string(),
        "height": place.0,
        "rule": rule,
        "account": account,
        "organisation": organisation,
        "contract": contractAddress,
        "code": code,
        "why": why,
        "proposal": proposal,
    });
    let line = format!("{place}  {rule:<24} {account} of {organisation} at {contractAddress}: {why}");
    Entry { key: place.to_string(), said, line: visible(&line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_named_by_its_place() {
        assert_eq!("12-3".parse(), Ok(Place(12, 3)));
        assert_eq!(Place(12, 3).to_string(), "12-3");
        assert!(Place(12, 3) < Place(12, 4) && Place(12, 4) < Place(13, 0));
        for wrong in ["12", "12-", "-3", "a-b", ""] {
            assert!(wrong.parse::<Place>().unwrap_err().contains("HEIGHT-INDEX"), "{wrong}");
        }
    }
}
