//! A rule at work: with what it keeps of the past.

use concordat_types::B256;

use super::{
    Limits,
    case::Case,
    circles::{self, RoundTrip},
    committee,
    facts::Facts,
    history::{self, Abnormal},
    names::{AccountNo, Purse, Used},
    quiet::Quiet,
    rings::Rings,
    sanctions,
    ways::Ways,
    windows::{self, Structuring},
};
use crate::{
    event::{BlockEvents, Event},
    finding::{Finding, Subject, Verdict},
    rule::{Condition, Counted, MAX_EVIDENCE, Rule},
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
    Accounts(Rings<AccountNo>),
    Subjects(Rings<Subject>),
    Pieces(Rings<Purse>),
    Ways(Ways),
}

impl State {
    const fn of(condition: &Condition, limits: Limits) -> Self {
        let cap = limits.entries;
        match condition {
            Condition::Frequency { of: Counted::Transactions | Counted::Transfers(_), count, window } => {
                Self::Accounts(Rings::new(*window, *count, cap))
            }
            Condition::Frequency { count, window, .. } => Self::Subjects(Rings::new(*window, *count, cap)),
            Condition::Structuring { window, .. } => Self::Pieces(Rings::new(*window, MAX_EVIDENCE, cap)),
            Condition::RoundTrip { window, .. } => Self::Ways(Ways::new(*window, MAX_EVIDENCE, cap)),
            _ => Self::Nothing,
        }
    }

    fn mark(&self, used: &mut Used) {
        match self {
            Self::Nothing | Self::Subjects(_) => {}
            Self::Accounts(rings) => rings.all().for_each(|(account, _)| used.account(*account)),
            Self::Pieces(rings) => rings.all().for_each(|(purse, _)| used.purse(*purse)),
            Self::Ways(ways) => ways.mark(used),
        }
    }
}

/// What rules have in common while they look at an event.
pub(super) struct Around<'a, 'b> {
    pub block: &'a BlockEvents,
    pub event: &'a Event,
    pub facts: &'a Facts<'b>,
    pub limits: Limits,
    pub judging: bool,
}

impl Live {
    pub(super) fn new(rule: Rule, list: Option<B256>, limits: Limits) -> Self {
        let state = State::of(&rule.condition, limits);
        let list = list.filter(|_| matches!(rule.condition, Condition::Sanctions { .. }));
        Self { digest: rule.digest(), quiet: Quiet::new(), list, state, rule }
    }

    /// Tells under what it keeps something.
    pub(super) fn mark(&self, used: &mut Used) {
        self.state.mark(used);
    }

    /// Looks at an event.
    pub(super) fn see(&mut self, around: &Around, found: &mut Vec<Finding>) {
        let Self { rule, digest, quiet, list, state } = self;
        let Around { block, event, facts, limits, judging } = *around;
        let case = Case { rule, block, event, facts, limits, quiet, judging };
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
        (Condition::Frequency { of, count, window }, State::Accounts(rings)) => {
            let subject = windows::counted(*of, case)?;
            let Subject::Account(account) = subject else { return None };
            let key = case.facts.number(account)?;
            windows::frequency(rings, (key, subject), (*count, *window), case)
        }
        (Condition::Frequency { of, count, window }, State::Subjects(rings)) => {
            let subject = windows::counted(*of, case)?;
            windows::frequency(rings, (subject.clone(), subject), (*count, *window), case)
        }
        (Condition::Structuring { side, below, from, total, count, window }, State::Pieces(rings)) => {
            let (side, count, window) = (*side, *count, *window);
            let rule = Structuring { side, below: *below, from: *from, total: *total, count, window };
            windows::structuring(rings, &rule, case)
        }
        (Condition::RoundTrip { hops, returned, amount, window }, State::Ways(ways)) => {
            let rule = RoundTrip { hops: *hops, returned: *returned, amount: *amount, window: *window };
            circles::round_trip(ways, rule, case)
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
