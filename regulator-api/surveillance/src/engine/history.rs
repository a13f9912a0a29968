//! Rules over what an account has done before: that it was idle, or how much it gives on average.

use concordat_types::U256;

use super::case::{Case, numbers};
use crate::{
    finding::{Subject, Verdict},
    rule::MAX_AMOUNT,
    time::Span,
};

/// An engine that was not told; whoever feeds it has made a mistake.
const UNTOLD: &str = "what the account has done before is not known";

/// Whether an account gives much after a long time without a transaction.
pub(super) fn dormant(idle: Span, amount: U256, case: &Case) -> Option<Verdict> {
    let transfer = case.transfer()?;
    let (account, asset) = (transfer.from, transfer.asset);
    if transfer.amount < amount || !case.takes(account) {
        return None;
    }
    let subject = Subject::Account(account);
    let Some(last) = case.facts.active() else { return case.unjudged(subject, Some(asset), UNTOLD) };
    // Contracts never send a transaction: what never woke up did not fall asleep.
    let last = last?;
    let now = case.now();
    if idle.covers(now, last) || !case.is_heard(&subject, Some(asset), true) {
        return None;
    }
    let decided = numbers([
        ("amount", transfer.amount.to_string()),
        ("asset", asset.to_string()),
        ("last", last.height.to_string()),
        ("idle", idle.to_string()),
    ]);
    Some(Verdict { subject, asset: Some(asset), evidence: vec![case.event.at], decided: Ok(decided) })
}

/// The conditions of [`crate::rule::Condition::AbnormalAmount`].
#[derive(Clone, Copy)]
pub(super) struct Abnormal {
    pub times: u64,
    pub sample: usize,
    pub least: usize,
    pub amount: U256,
}

/// Whether an account gives many times what it gives on average.
pub(super) fn abnormal(rule: Abnormal, case: &Case) -> Option<Verdict> {
    let transfer = case.transfer()?;
    let (account, asset) = (transfer.from, transfer.asset);
    if transfer.amount < rule.amount || !case.takes(account) {
        return None;
    }
    let subject = Subject::Account(account);
    let Some(gave) = case.facts.gave() else { return case.unjudged(subject, Some(asset), UNTOLD) };
    let (count, sum) = gave.last(rule.sample);
    if count < rule.least {
        return None;
    }
    let count = U256::from(count);
    let ordinary =
        transfer.amount.min(MAX_AMOUNT).saturating_mul(count) < sum.saturating_mul(U256::from(rule.times));
    if ordinary || !case.is_heard(&subject, Some(asset), true) {
        return None;
    }
    let decided = numbers([
        ("amount", transfer.amount.to_string()),
        ("asset", asset.to_string()),
        ("mean", sum.checked_div(count).unwrap_or_default().to_string()),
        ("sample", count.to_string()),
        ("times", rule.times.to_string()),
    ]);
    Some(Verdict { subject, asset: Some(asset), evidence: vec![case.event.at], decided: Ok(decided) })
}
