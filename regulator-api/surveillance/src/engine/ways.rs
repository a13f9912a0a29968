//! Transfers as ways that value can go: by who gave, and between whom.

use std::collections::BTreeMap;

use super::{
    names::{AccountNo, AssetNo, Purse, Used},
    rings::{Entry, Ring, Rings},
};
use crate::{
    event::Position,
    time::{Span, Stamp},
};

/// The transfers within a window.
#[derive(Debug)]
pub(super) struct Ways {
    rings: Rings<Purse>,
    /// The newest transfer that is held of an asset, by who got it and who gave it.
    newest: BTreeMap<(AssetNo, AccountNo, AccountNo), Position>,
    window: Span,
    /// When the newest transfer was that had to go for a newer one of the same account.
    lost: Option<Stamp>,
}

impl Ways {
    pub(super) const fn new(window: Span, keep: usize, cap: usize) -> Self {
        Self { rings: Rings::new(window, keep, cap), newest: BTreeMap::new(), window, lost: None }
    }

    /// Adds a transfer; whether there is room for it.
    pub(super) fn push(&mut self, purse: Purse, entry: Entry) -> bool {
        let Self { rings, newest, lost, .. } = self;
        let ((asset, from), to, at) = (purse, entry.other, entry.at);
        let mut gone = |(asset, from): &Purse, entry: Entry, made_room: bool| {
            let pair = (*asset, entry.other, *from);
            if newest.get(&pair) == Some(&entry.at) {
                newest.remove(&pair);
            }
            if made_room {
                *lost = Some(entry.stamp).max(*lost);
            }
        };
        let pushed = rings.push_noting(purse, entry, &mut gone).is_some();
        if pushed {
            newest.insert((asset, to, from), at);
        }
        pushed
    }

    /// What an account has given.
    pub(super) fn given(&self, purse: Purse) -> Option<&Ring> {
        self.rings.get(&purse)
    }

    /// Whether somebody may have given something to an account: what had to go might have been that.
    pub(super) fn may_have_got(&self, (asset, to): Purse, now: Stamp) -> bool {
        let (lowest, highest) = AccountNo::ALL;
        let mut all = self.newest.range((asset, to, lowest)..=(asset, to, highest));
        all.next().is_some() || self.has_lost(now)
    }

    /// Whether one may have given something to another after a position.
    pub(super) fn may_have_given(
        &self,
        purse: Purse,
        to: AccountNo,
        after: Option<Position>,
        now: Stamp,
    ) -> bool {
        let newest = self.newest.get(&(purse.0, to, purse.1));
        newest.is_some_and(|newest| after.is_none_or(|after| *newest > after))
            || (self.has_lost(now) && self.given(purse).is_some_and(|ring| ring.is_cut(self.window, now)))
    }

    fn has_lost(&self, now: Stamp) -> bool {
        self.lost.is_some_and(|lost| self.window.covers(now, lost))
    }

    pub(super) fn mark(&self, used: &mut Used) {
        for (purse, entries) in self.rings.all() {
            used.purse(*purse);
            entries.for_each(|entry| used.account(entry.other));
        }
    }
}
