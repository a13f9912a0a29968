//! One rule and one event: what is asked, and how it is answered.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use concordat_types::{Address, U256};

use super::{Limits, facts::Facts, quiet::Quiet, rings::Entry};
use crate::{
    event::{Asset, BlockEvents, Event, Party, Transfer, What},
    finding::{Subject, Verdict},
    rule::{MAX_AMOUNT, Rule},
    time::Stamp,
};

/// What a rule judges by.
pub(super) struct Case<'a, 'b> {
    pub rule: &'a Rule,
    pub block: &'a BlockEvents,
    pub event: &'a Event,
    pub facts: &'a Facts<'b>,
    pub limits: Limits,
    pub quiet: &'a Quiet,
    /// Whether findings are wanted, or the past is only seen again.
    pub judging: bool,
}

impl Case<'_, '_> {
    pub(super) const fn now(&self) -> Stamp {
        self.block.stamp()
    }

    pub(super) fn party(&self, account: Address) -> Option<&Party> {
        self.facts.party(account)
    }

    /// Whether the rule looks at an account.
    pub(super) fn takes(&self, account: Address) -> bool {
        self.rule.filter.takes_as(account, || self.facts.party(account))
    }

    /// The transfer, where it is one of a token that the rule looks at.
    pub(super) fn transfer(&self) -> Option<&Transfer> {
        let What::Transfer(transfer) = &self.event.what else { return None };
        self.takes_token(transfer.asset.token).then_some(transfer)
    }

    pub(super) fn takes_token(&self, token: Address) -> bool {
        self.rule.filter.tokens.is_empty() || self.rule.filter.tokens.contains(&token)
    }

    /// What is kept of the event.
    pub(super) fn entry(&self) -> Entry {
        let amount = match &self.event.what {
            What::Transfer(transfer) => transfer.amount.min(MAX_AMOUNT),
            _ => U256::ZERO,
        };
        let [_, other] = self.facts.numbers.accounts;
        Entry { stamp: self.now(), at: self.event.at, amount, other }
    }

    /// Whether a finding would be heard: the past is only seen again, and for a while nothing is told twice.
    pub(super) fn is_heard(&self, subject: &Subject, asset: Option<Asset>, judged: bool) -> bool {
        self.judging && !self.quiet.covers(self.rule.quiet, self.now(), subject, asset, judged)
    }

    /// It cannot be judged.
    pub(super) fn unjudged(
        &self,
        subject: Subject,
        asset: Option<Asset>,
        why: impl Into<Cow<'static, str>>,
    ) -> Option<Verdict> {
        let evidence = vec![self.event.at];
        let decided = Err(why.into().into_owned());
        self.is_heard(&subject, asset, false).then_some(Verdict { subject, asset, evidence, decided })
    }

    /// There is no room for what it would have to keep.
    pub(super) fn full(&self) -> Option<Verdict> {
        let most = self.limits.entries;
        self.unjudged(
            Subject::Rule,
            None,
            format!("more than {most} entries lie within its window; narrow it, or raise the limit"),
        )
    }
}

/// The numbers that decided, by their names.
pub(super) fn numbers<const N: usize>(named: [(&str, String); N]) -> BTreeMap<String, String> {
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Topics of events: what an engine finds rules by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Holding,
    Transaction,
    Transfer,
    Enrolled,
    Proposed,
    Ballot,
    Executed,
    Freeze,
}

impl Topic {
    pub(super) const fn of(what: &What) -> Self {
        match what {
            What::Holding { .. } => Self::Holding,
            What::Transaction { .. } => Self::Transaction,
            What::Transfer(_) => Self::Transfer,
            What::Enrolled { .. } => Self::Enrolled,
            What::Proposed { .. } => Self::Proposed,
            What::Ballot { .. } => Self::Ballot,
            What::Executed { .. } => Self::Executed,
            What::Freeze { .. } => Self::Freeze,
        }
    }

    /// Those that a rule looks at.
    pub(super) fn of_rule(rule: &Rule) -> BTreeSet<Self> {
        use crate::rule::{Condition, Counted, Hit};
        let hit = |hit: &Hit| match hit {
            Hit::Sender | Hit::Recipient => Self::Transfer,
            Hit::Holder => Self::Holding,
            Hit::Enrolled => Self::Enrolled,
        };
        let one = match &rule.condition {
            Condition::Sanctions { hits } => return hits.iter().map(hit).collect(),
            Condition::Frequency { of: Counted::Transactions, .. } => Self::Transaction,
            Condition::Frequency { of: Counted::Transfers(_), .. }
            | Condition::Structuring { .. }
            | Condition::RoundTrip { .. }
            | Condition::DormantAwakened { .. }
            | Condition::AbnormalAmount { .. } => Self::Transfer,
            Condition::Frequency { of: Counted::Proposals, .. } => Self::Proposed,
            Condition::Frequency { of: Counted::Freezes, .. } => Self::Freeze,
            Condition::Frequency { of: Counted::Enrolments, .. } => Self::Enrolled,
            Condition::LateBallot { .. } | Condition::OwnMatter => Self::Ballot,
            Condition::HastyExecution { .. } => Self::Executed,
        };
        BTreeSet::from([one])
    }
}
