//! Value that returns to whom it came from: a search through the transfers of a window, bounded in steps.

use concordat_types::{Address, U256};

use super::{
    case::{Case, numbers},
    rings::{Entry, Rings},
};
use crate::{
    event::{Asset, Position, Transfer},
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
pub(super) fn round_trip(
    rings: &mut Rings<(Asset, Address)>,
    rule: RoundTrip,
    case: &Case,
) -> Option<Verdict> {
    let transfer = case.transfer()?;
    let Transfer { asset, from, to, .. } = *transfer;
    let except = &case.rule.filter.except;
    let nobody = [from, to].iter().any(|party| *party == Address::ZERO || except.contains(party));
    let amount = transfer.amount.min(MAX_AMOUNT);
    // Too little to be a part of anything that begins large enough.
    if nobody || from == to || !rule.carries(amount, rule.amount) {
        return None;
    }
    let subject = Subject::Account(to);
    let wanted = case.takes(to) && case.is_heard(&subject, Some(asset), true);
    let told = wanted.then(|| search(rings, rule, case, transfer, amount)).flatten();
    match rings.push((asset, from), case.entry()) {
        None => told.or_else(|| case.full()),
        Some(_) => told,
    }
}

fn search(
    rings: &Rings<(Asset, Address)>,
    rule: RoundTrip,
    case: &Case,
    last: &Transfer,
    amount: U256,
) -> Option<Verdict> {
    let asset = last.asset;
    let mut search = Search {
        rings,
        rule,
        asset,
        origin: last.to,
        target: last.from,
        last: amount,
        now: case.now(),
        steps: case.limits.steps,
        cut: false,
        path: Vec::new(),
    };
    let subject = Subject::Account(last.to);
    if !search.begin() {
        let why =
            "it has more transfers, or its partners have, than are searched through; name those in except";
        return search.cut.then(|| case.unjudged(subject, Some(asset), why)).flatten();
    }
    let sent = search.path.first().map(|entry| entry.amount).unwrap_or_default();
    let evidence: Vec<Position> = search.path.iter().map(|entry| entry.at).chain([case.event.at]).collect();
    let decided = numbers([
        ("sent", sent.to_string()),
        ("returned", last.amount.to_string()),
        ("hops", evidence.len().to_string()),
        ("asset", asset.to_string()),
        ("window", rule.window.to_string()),
    ]);
    Some(Verdict { subject, asset: Some(asset), evidence, decided: Ok(decided) })
}

/// A search for transfers, one after the other, from the origin to the target, which the last transfer closes.
struct Search<'a> {
    rings: &'a Rings<(Asset, Address)>,
    rule: RoundTrip,
    asset: Asset,
    origin: Address,
    target: Address,
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
    /// Tries every transfer of the origin, the oldest first.
    fn begin(&mut self) -> bool {
        for entry in self.out_of(self.origin, None) {
            if !self.step() {
                return false;
            }
            let begins = entry.amount >= self.rule.amount && self.rule.carries(self.last, entry.amount);
            if begins && self.is_within(entry) && self.go(entry, entry.amount) {
                return true;
            }
        }
        false
    }

    /// Goes along a transfer, and on from there.
    fn go(&mut self, entry: &'a Entry, first: U256) -> bool {
        self.path.push(*entry);
        if entry.other == self.target {
            return true;
        }
        // The last transfer is a hop, too.
        let hops = u64::try_from(self.path.len()).unwrap_or(u64::MAX).saturating_add(1);
        if hops < self.rule.hops && self.on(entry, first) {
            return true;
        }
        self.path.pop();
        false
    }

    fn on(&mut self, before: &Entry, first: U256) -> bool {
        for entry in self.out_of(before.other, Some(before.at)) {
            if !self.step() {
                return false;
            }
            let returns =
                entry.other == self.origin || self.path.iter().any(|past| past.other == entry.other);
            if !returns
                && self.rule.carries(entry.amount, first)
                && self.is_within(entry)
                && self.go(entry, first)
            {
                return true;
            }
        }
        false
    }

    fn out_of(
        &mut self,
        account: Address,
        after: Option<Position>,
    ) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let ring = self.rings.get(&(self.asset, account));
        self.cut |= ring.is_some_and(|ring| ring.is_cut(self.rule.window, self.now));
        ring.into_iter().flat_map(move |ring| ring.after(after))
    }

    fn is_within(&self, entry: &Entry) -> bool {
        self.rule.window.covers(self.now, entry.stamp)
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
