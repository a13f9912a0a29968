//! A rule at work: with what it keeps of the past.

use concordat_types::{Address, B256};

use super::{
    Limits,
    case::Case,
    circles::{self, RoundTrip},
    committee,
    history::{self, Abnormal},
    memory::Memory,
    quiet::Quiet,
    rings::Rings,
    sanctions,
    windows::{self, Structuring},
};
use crate::{
    event::{Asset, BlockEvents, Event},
    finding::{Finding, Subject, Verdict},
    list::List,
    rule::{Condition, MAX_EVIDENCE, Rule},
};

/// A rule at work.
#[derive(Debug)]
pub(super) struct Live {
    pub rule: Rule,
    pub digest: B256,
    pub quiet: Quiet,
    /// The hash of the list, where the rule asks it.
    pub list: Option<B256>,
    state: State,
}

#[derive(Debug)]
enum State {
    Nothing,
    Subjects(Rings<Subject>),
    Pieces(Rings<(Address, Asset)>),
    Ways(Rings<(Asset, Address)>),
}

impl State {
    const fn of(condition: &Condition, limits: Limits) -> Self {
        let cap = limits.entries;
        match condition {
            Condition::Frequency { count, window, .. } => Self::Subjects(Rings::new(*window, *count, cap)),
            Condition::Structuring { window, .. } => Self::Pieces(Rings::new(*window, MAX_EVIDENCE, cap)),
            Condition::RoundTrip { window, .. } => Self::Ways(Rings::new(*window, MAX_EVIDENCE, cap)),
            _ => Self::Nothing,
        }
    }
}

/// What rules have in common while they look at an event.
pub(super) struct Around<'a> {
    pub block: &'a BlockEvents,
    pub event: &'a Event,
    pub memory: &'a Memory,
    pub list: &'a List,
    pub limits: Limits,
    pub judging: bool,
}

impl Live {
    pub(super) fn new(rule: Rule, list: Option<B256>, limits: Limits) -> Self {
        let state = State::of(&rule.condition, limits);
        let list = list.filter(|_| matches!(rule.condition, Condition::Sanctions { .. }));
        Self { digest: rule.digest(), quiet: Quiet::new(), list, state, rule }
    }

    /// Looks at an event.
    pub(super) fn see(&mut self, around: &Around, found: &mut Vec<Finding>) {
        let Self { rule, digest, quiet, list, state } = self;
        let Around { block, event, memory, list: names, limits, judging } = *around;
        let case = Case { rule, block, event, memory, list: names, limits, quiet, judging };
        let now = case.now();
        let verdicts: Vec<Verdict> = match (&rule.condition, state) {
            (Condition::Sanctions { hits }, _) => sanctions::sanctions(hits, &case),
            (condition, state) => judge(condition, state, &case).into_iter().collect(),
        };
        for verdict in verdicts {
            let judged = verdict.decided.is_ok();
            quiet.remember(rule.quiet, now, verdict.subject.clone(), verdict.asset, judged);
            found.push(verdict.finding(rule, *digest, *list, now));
        }
    }
}

fn judge(condition: &Condition, state: &mut State, case: &Case) -> Option<Verdict> {
    match (condition, state) {
        (Condition::Frequency { of, count, window }, State::Subjects(rings)) => {
            windows::frequency(rings, (*of, *count, *window), case)
        }
        (Condition::Structuring { side, below, from, total, count, window }, State::Pieces(rings)) => {
            let (side, count, window) = (*side, *count, *window);
            let rule = Structuring { side, below: *below, from: *from, total: *total, count, window };
            windows::structuring(rings, &rule, case)
        }
        (Condition::RoundTrip { hops, returned, amount, window }, State::Ways(rings)) => {
            let rule = RoundTrip { hops: *hops, returned: *returned, amount: *amount, window: *window };
            circles::round_trip(rings, rule, case)
        }
        (Condition::DormantAwakened { idle, amount }, _) => history::dormant(*idle, *amount, case),
        (Condition::AbnormalAmount { times, sample, least, amount }, _) => {
            let rule = Abnormal { times: *times, sample: *sample, least: *least, amount: *amount };
            history::abnormal(rule, case)
        }
        (Condition::LateBallot { blocks }, _) => committee::late_ballot(*blocks, case),
        (Condition::HastyExecution { blocks }, _) => committee::hasty_execution(*blocks, case),
        (Condition::OwnMatter, _) => committee::own_matter(case),
        // Each condition has the state that it was given.
        _ => None,
    }
}
