//! What was found lately: the same is not found again for a while.

use std::collections::BTreeMap;

use crate::{
    event::Asset,
    finding::Subject,
    time::{Span, Stamp},
};

/// The findings from which on it looks for what has passed.
const FIRST_SWEEP: usize = 1024;

/// Of each subject, and each asset of its, the newest finding; those that could not be judged apart.
#[derive(Debug)]
pub(super) struct Quiet {
    newest: BTreeMap<(Subject, Option<Asset>, bool), Stamp>,
    next_sweep: usize,
}

impl Quiet {
    pub(super) const fn new() -> Self {
        Self { newest: BTreeMap::new(), next_sweep: FIRST_SWEEP }
    }

    pub(super) fn covers(
        &self,
        quiet: Option<Span>,
        now: Stamp,
        subject: &Subject,
        asset: Option<Asset>,
        judged: bool,
    ) -> bool {
        let Some(quiet) = quiet.filter(|_| !self.newest.is_empty()) else { return false };
        let newest = self.newest.get(&(subject.clone(), asset, judged));
        newest.is_some_and(|newest| quiet.covers(now, *newest))
    }

    pub(super) fn remember(
        &mut self,
        quiet: Option<Span>,
        now: Stamp,
        subject: Subject,
        asset: Option<Asset>,
        judged: bool,
    ) {
        let Some(quiet) = quiet else { return };
        let newest = self.newest.entry((subject, asset, judged)).or_insert(now);
        *newest = now.max(*newest);
        if self.newest.len() >= self.next_sweep {
            self.newest.retain(|_, newest| quiet.covers(now, *newest));
            self.next_sweep = self.newest.len().saturating_mul(2).max(FIRST_SWEEP);
        }
    }
}
