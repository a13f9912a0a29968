//! Rules over windows of time: how often, and how much in small pieces.

use super::{
    case::{Case, numbers},
    names::Purse,
    rings::Rings,
};
use crate::{
    event::What,
    finding::{Subject, Verdict},
    rule::{Counted, MAX_EVIDENCE, Side},
    time::Span,
};
use concordat_types::{Address, U256};

/// The conditions of [`crate::rule::Condition::Structuring`].
pub(super) struct Structuring {
    pub side: Side,
    pub below: U256,
    pub from: U256,
    pub total: U256,
    pub count: usize,
    pub window: Span,
}

/// Whether something has happened `count` times to a subject, which is kept by a key.
pub(super) fn frequency<K: Ord + Clone>(
    rings: &mut Rings<K>,
    (key, subject): (K, Subject),
    (count, window): (usize, Span),
    case: &Case,
) -> Option<Verdict> {
    // As many are kept as are asked for: a full ring is enough of them.
    let Some(ring) = rings.push(key, case.entry()) else { return case.full() };
    if ring.len() < count || !case.is_heard(&subject, None, true) {
        return None;
    }
    let decided = numbers([("count", count.to_string()), ("window", window.to_string())]);
    Some(Verdict { subject, asset: None, evidence: ring.positions(), decided: Ok(decided) })
}

/// Whom an event counts for.
pub(super) fn counted(of: Counted, case: &Case) -> Option<Subject> {
    let account = |account: Address| case.takes(account).then_some(Subject::Account(account));
    match (of, &case.event.what) {
        (Counted::Transactions, What::Transaction { sender }) => account(*sender),
        (Counted::Transfers(side), What::Transfer(_)) => account(side.of(case.transfer()?)),
        (Counted::Proposals, What::Proposed { member, .. }) => account(*member),
        (Counted::Freezes, What::Freeze { .. }) => Some(Subject::Committee),
        (Counted::Enrolments, What::Enrolled { organisation, .. }) => {
            let taken = case.rule.filter.takes_organisation(organisation);
            taken.then(|| Subject::Organisation(organisation.clone()))
        }
        _ => None,
    }
}

/// Whether much was moved in small pieces.
pub(super) fn structuring(rings: &mut Rings<Purse>, rule: &Structuring, case: &Case) -> Option<Verdict> {
    let transfer = case.transfer()?;
    let (account, asset) = (rule.side.of(transfer), transfer.asset);
    let small = transfer.amount >= rule.from && transfer.amount < rule.below;
    if !small || !case.takes(account) {
        return None;
    }
    let purse = (case.facts.numbers.asset, case.facts.number(account)?);
    let Some(ring) = rings.push(purse, case.entry()) else { return case.full() };
    let subject = Subject::Account(account);
    if ring.len() < rule.count || ring.sum() < rule.total {
        let cut = ring.is_cut(rule.window, case.now());
        let why = || format!("more than {MAX_EVIDENCE} such transfers lie within its window");
        return cut.then(|| case.unjudged(subject, Some(asset), why())).flatten();
    }
    if !case.is_heard(&subject, Some(asset), true) {
        return None;
    }
    let decided = numbers([
        ("count", ring.len().to_string()),
        ("sum", ring.sum().to_string()),
        ("below", rule.below.to_string()),
        ("asset", asset.to_string()),
        ("window", rule.window.to_string()),
    ]);
    Some(Verdict { subject, asset: Some(asset), evidence: ring.positions(), decided: Ok(decided) })
}
