//! Value that returns to whom it came from: a search through the transfers of a window, bounded in steps. It goes no way
//! whose last part is missing: who is one transfer away from the end has to have given something to whom it ends at.

use concordat_types::{Address, U256};

use super::{
    case::{Case, numbers},
    names::{AccountNo, AssetNo},
    rings::Entry,
    ways::Ways,
};
use crate::{
    event::{Position, Transfer},
    finding::{Subject, Verdict},
    rule::MAX_AMOUNT,
    time::{Span, Stamp},
};

/// The conditions of [`crate::rule::Condition::RoundTrip`].
#[derive(Clone, Copy)]
pub(super) struct RoundTrip {
    pub hops: u64,
    pub returned: u64,
    pub amount: U256,
    pub window: Span,
}

impl RoundTrip {
    /// Whether so much carries on what began as `first`. Amounts are at most [`MAX_AMOUNT`], so that nothing overflows.
    fn carries(&self, amount: U256, first: U256) -> bool {
        let part = first.saturating_mul(U256::from(self.returned));
        amount.saturating_mul(U256::from(1000)) >= part
    }
}

/// Whether a transfer brings value back to whom it goes to.
pub(super) fn round_trip(ways: &mut Ways, rule: RoundTrip, case: &Case) -> Option<Verdict> {
    let transfer = case.transfer()?;
    let Transfer { from, to, .. } = *transfer;
    let except = &case.rule.filter.except;
    let nobody = [from, to].iter().any(|party| *party == Address::ZERO || except.contains(party));
    let amount = transfer.amount.min(MAX_AMOUNT);
    // Too little to be a part of anything that begins large enough.
    if nobody || from == to || !rule.carries(amount, rule.amount) {
        return None;
    }
    let subject = Subject::Account(to);
    let wanted = case.takes(to) && case.is_heard(&subject, Some(transfer.asset), true);
    let told = wanted.then(|| search(ways, rule, case, transfer)).flatten();
    let [from, _] = case.facts.numbers.accounts;
    match ways.push((case.facts.numbers.asset, from), case.entry()) {
        false => told.or_else(|| case.full()),
        true => told,
    }
}

fn search(ways: &Ways, rule: RoundTrip, case: &Case, last: &Transfer) -> Option<Verdict> {
    let [target, origin] = case.facts.numbers.accounts;
    let mut search = Search {
        ways,
        rule,
        asset: case.facts.numbers.asset,
        origin,
        target,
        last: last.amount.min(MAX_AMOUNT),
        now: case.now(),
        steps: case.limits.steps,
        cut: false,
        path: Vec::new(),
    };
    let (subject, asset) = (Subject::Account(last.to), Some(last.asset));
    if !search.begin() {
        let why =
            "it has more transfers, or its partners have, than are searched through; name those in except";
        return search.cut.then(|| case.unjudged(subject, asset, why)).flatten();
    }
    let sent = search.path.first().map(|entry| entry.amount).unwrap_or_default();
    let evidence: Vec<Position> = search.path.iter().map(|entry| entry.at).chain([case.event.at]).collect();
    let decided = numbers([
        ("sent", sent.to_string()),
        ("returned", last.amount.to_string()),
        ("hops", evidence.len().to_string()),
        ("asset", last.asset.to_string()),
        ("window", rule.window.to_string()),
    ]);
    Some(Verdict { subject, asset, evidence, decided: Ok(decided) })
}

/// A search for transfers, one after the other, from the origin to the target, which the last transfer closes.
struct Search<'a> {
    ways: &'a Ways,
    rule: RoundTrip,
    asset: AssetNo,
    origin: AccountNo,
    target: AccountNo,
    /// How much the last transfer brings.
    last: U256,
    now: Stamp,
    /// Transfers that may still be looked at.
    steps: usize,
    /// Whether it has not looked at everything.
    cut: bool,
    path: Vec<Entry>,
}

impl<'a> Search<'a> {
    fn begin(&mut self) -> bool {
        // The last transfer is a hop, too.
        let hops = self.rule.hops.saturating_sub(1);
        self.ways.may_have_got((self.asset, self.target), self.now) && self.go_on(self.origin, None, hops)
    }

    /// Goes on from an account by so many transfers at most, after the one that came to it. Tries every transfer, the
    /// oldest first.
    fn go_on(&mut self, account: AccountNo, after: Option<Position>, hops: u64) -> bool {
        let purse = (self.asset, account);
        if hops == 0 || (hops == 1 && !self.ways.may_have_given(purse, self.target, after, self.now)) {
            return false;
        }
        let ways: &'a Ways = self.ways;
        let ring = ways.given(purse);
        self.cut |= ring.is_some_and(|ring| ring.is_cut(self.rule.window, self.now));
        for entry in ring.into_iter().flat_map(|ring| ring.after(after)) {
            if !self.step() {
                return false;
            }
            let ends = entry.other == self.target;
            if (hops == 1 && !ends) || !self.is_part(entry) {
                continue;
            }
            self.path.push(*entry);
            if ends || self.go_on(entry.other, Some(entry.at), hops.saturating_sub(1)) {
                return true;
            }
            self.path.pop();
        }
        false
    }

    /// Whether a transfer can come next on the way.
    fn is_part(&self, entry: &Entry) -> bool {
        let carries = match self.path.first() {
            None => entry.amount >= self.rule.amount && self.rule.carries(self.last, entry.amount),
            Some(first) => self.rule.carries(entry.amount, first.amount),
        };
        let returns = entry.other == self.origin || self.path.iter().any(|past| past.other == entry.other);
        carries && !returns && self.rule.window.covers(self.now, entry.stamp)
    }

    /// One step more; false where there have been enough.
    fn step(&mut self) -> bool {
        match self.steps.checked_sub(1) {
            Some(left) => {
                self.steps = left;
                true
            }
            None => {
                self.cut = true;
                false
            }
        }
    }
}
