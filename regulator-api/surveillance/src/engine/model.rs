//! A second engine, which keeps nothing: it looks through the whole past for each event and each rule. What both find has
//! to be the same.

use std::collections::BTreeSet;

use concordat_types::{Address, U256};

use crate::{
    event::{About, Asset, BlockEvents, Event, Position, Transfer, What},
    finding::{Finding, Subject},
    list::List,
    rule::{Condition, Counted, Hit, Rule, Side},
    time::{Span, Stamp},
};

/// What tells a finding of the model from others.
pub(super) type Told = (u64, String, Subject, String, Vec<Position>);

pub(super) fn told(finding: &Finding) -> Told {
    assert!(finding.judged, "{finding:?}");
    let Finding { height, rule, subject, asset, evidence, .. } = finding.clone();
    (height, rule, subject, asset, evidence)
}

type Found = (Subject, Option<Asset>, Vec<Position>);

/// What the rules find in these blocks.
pub(super) fn findings(rules: &[Rule], list: &List, blocks: &[BlockEvents]) -> Vec<Told> {
    let (mut found, mut when) = (Vec::<Told>::new(), Vec::<Stamp>::new());
    for (at, block) in blocks.iter().enumerate() {
        for place in 0..block.events.len() {
            let past = Past { blocks: &blocks[..=at], place, list };
            for rule in rules {
                for (subject, asset, evidence) in past.judge(rule) {
                    let asset = asset.map(|asset| asset.to_string()).unwrap_or_default();
                    let same = |told: &Told| told.1 == rule.id && told.2 == subject && told.3 == asset;
                    let covered =
                        |then: &Stamp| rule.quiet.is_some_and(|quiet| quiet.covers(block.stamp(), *then));
                    if found.iter().zip(&when).any(|(told, then)| same(told) && covered(then)) {
                        continue;
                    }
                    found.push((block.height, rule.id.clone(), subject, asset, evidence));
                    when.push(block.stamp());
                }
            }
        }
    }
    found
}

/// Everything up to one event of the last block.
struct Past<'a> {
    blocks: &'a [BlockEvents],
    place: usize,
    list: &'a List,
}

impl Past<'_> {
    fn block(&self) -> &BlockEvents {
        self.blocks.last().unwrap()
    }

    fn event(&self) -> &Event {
        &self.block().events[self.place]
    }

    fn now(&self) -> Stamp {
        self.block().stamp()
    }

    /// All events up to and with this one.
    fn all(&self) -> Vec<(&BlockEvents, &Event)> {
        let mut all: Vec<_> = self
            .blocks
            .iter()
            .flat_map(|block| block.events.iter().map(move |event| (block, event)))
            .collect();
        all.truncate(all.len() - (self.block().events.len() - self.place - 1));
        all
    }

    fn within(&self, window: Span) -> Vec<(&BlockEvents, &Event)> {
        let mut all = self.all();
        all.retain(|(block, _)| window.covers(self.now(), block.stamp()));
        all
    }

    fn judge(&self, rule: &Rule) -> Vec<Found> {
        match &rule.condition {
            Condition::Frequency { of, count, window } => self.frequency(rule, *of, *count, *window),
            Condition::Structuring { side, below, from, total, count, window } => {
                let small = |t: &Transfer| t.amount >= *from && t.amount < *below;
                self.pieces(rule, *side, small, (*total, *count), *window)
            }
            Condition::RoundTrip { hops, returned, amount, window } => {
                self.circle(rule, *hops, *returned, *amount, *window)
            }
            Condition::DormantAwakened { idle, amount } => self.dormant(rule, *idle, *amount),
            Condition::AbnormalAmount { times, sample, least, amount } => {
                self.abnormal(rule, *times, (*sample, *least), *amount)
            }
            Condition::Sanctions { hits } => self.sanctions(rule, hits),
            _ => self.committee(rule),
        }
    }

    fn frequency(&self, rule: &Rule, of: Counted, count: usize, window: Span) -> Vec<Found> {
        let Some(subject) = counted(rule, of, self.block(), self.event()) else { return vec![] };
        let mut same = self.within(window);
        same.retain(|(block, event)| counted(rule, of, block, event).as_ref() == Some(&subject));
        let Some(first) = same.len().checked_sub(count) else { return vec![] };
        vec![(subject, None, same[first..].iter().map(|(_, event)| event.at).collect())]
    }

    fn pieces(
        &self,
        rule: &Rule,
        side: Side,
        small: impl Fn(&Transfer) -> bool,
        (total, count): (U256, usize),
        window: Span,
    ) -> Vec<Found> {
        let of = |block: &BlockEvents, event: &Event| {
            let transfer = transfer(rule, event).filter(|t| small(t))?;
            let account = side.of(&transfer);
            rule.filter.takes(account, &block.parties).then_some((account, transfer.asset))
        };
        let Some(key) = of(self.block(), self.event()) else { return vec![] };
        let mut same = self.within(window);
        same.retain(|(block, event)| of(block, event) == Some(key));
        let sum = same.iter().fold(U256::ZERO, |sum, (_, e)| sum + transfer(rule, e).unwrap().amount);
        if same.len() < count || sum < total {
            return vec![];
        }
        vec![(Subject::Account(key.0), Some(key.1), same.iter().map(|(_, event)| event.at).collect())]
    }

    fn circle(&self, rule: &Rule, hops: u64, returned: u64, least: U256, window: Span) -> Vec<Found> {
        let Some(last) = transfer(rule, self.event()).filter(|t| proper(rule, t)) else { return vec![] };
        if !rule.filter.takes(last.to, &self.block().parties) {
            return vec![];
        }
        let mut edges: Vec<(Position, Transfer)> = Vec::new();
        for (_, event) in self.within(window) {
            edges.extend(transfer(rule, event).filter(|t| proper(rule, t)).map(|t| (event.at, t)));
        }
        edges.pop();
        let mut path = Vec::new();
        let way = Way { edges: &edges, last, hops: usize::try_from(hops).unwrap(), returned, least };
        if !way.find(0, &mut path) {
            return vec![];
        }
        let evidence = path.iter().map(|edge| edges[*edge].0).chain([self.event().at]).collect();
        vec![(Subject::Account(last.to), Some(last.asset), evidence)]
    }

    fn dormant(&self, rule: &Rule, idle: Span, amount: U256) -> Vec<Found> {
        let Some(transfer) = transfer(rule, self.event()) else { return vec![] };
        let from = transfer.from;
        if transfer.amount < amount || !rule.filter.takes(from, &self.block().parties) {
            return vec![];
        }
        let sent = |block: &&BlockEvents| {
            block.events.iter().any(|event| event.what == What::Transaction { sender: from })
        };
        let before = &self.blocks[..self.blocks.len() - 1];
        let Some(last) = before.iter().rev().find(sent) else { return vec![] };
        match idle.covers(self.now(), last.stamp()) {
            true => vec![],
            false => vec![(Subject::Account(from), Some(transfer.asset), vec![self.event().at])],
        }
    }

    fn abnormal(&self, rule: &Rule, times: u64, (sample, least): (usize, usize), amount: U256) -> Vec<Found> {
        let Some(now) = transfer(rule, self.event()) else { return vec![] };
        if now.amount < amount || !rule.filter.takes(now.from, &self.block().parties) {
            return vec![];
        }
        let mut all = self.all();
        all.pop();
        let mut before: Vec<U256> = Vec::new();
        for (_, event) in all {
            if let What::Transfer(t) = &event.what
                && (t.from, t.asset) == (now.from, now.asset)
                && t.amount > U256::ZERO
            {
                before.push(t.amount);
            }
        }
        let last = &before[before.len().saturating_sub(sample)..];
        let sum = last.iter().fold(U256::ZERO, |sum, amount| sum + amount);
        if last.len() < least || now.amount * U256::from(last.len()) < sum * U256::from(times) {
            return vec![];
        }
        vec![(Subject::Account(now.from), Some(now.asset), vec![self.event().at])]
    }

    fn sanctions(&self, rule: &Rule, hits: &BTreeSet<Hit>) -> Vec<Found> {
        let named: Vec<(Hit, Address, Option<Asset>)> = match &self.event().what {
            What::Transfer(t) if transfer(rule, self.event()).is_some() => {
                vec![(Hit::Sender, t.from, Some(t.asset)), (Hit::Recipient, t.to, Some(t.asset))]
            }
            What::Enrolled { account, .. } => vec![(Hit::Enrolled, *account, None)],
            _ => vec![],
        };
        let parties = &self.block().parties;
        let listed = |account: &Address| self.list.find(*account, parties.get(account)).is_some();
        let mut wanted: Vec<_> = named.into_iter().filter(|(hit, ..)| hits.contains(hit)).collect();
        wanted.retain(|(_, account, _)| listed(account) && rule.filter.takes(*account, parties));
        wanted.dedup_by_key(|(_, account, _)| *account);
        wanted
            .into_iter()
            .map(|(_, account, asset)| (Subject::Account(account), asset, vec![self.event().at]))
            .collect()
    }

    fn committee(&self, rule: &Rule) -> Vec<Found> {
        let parties = &self.block().parties;
        let (account, found) = match (&rule.condition, &self.event().what) {
            (Condition::LateBallot { blocks }, What::Ballot { member, closes, .. }) => {
                (*member, self.block().height + blocks > *closes)
            }
            (Condition::HastyExecution { blocks }, What::Executed { proposer, earliest, .. }) => {
                (*proposer, self.block().height < earliest + blocks)
            }
            (Condition::OwnMatter, What::Ballot { member, about, .. }) => {
                let own = |one: &About| match one {
                    About::Account(account) => account == member,
                    About::Organisation(org) => parties.get(member).is_some_and(|p| p.organisation == *org),
                };
                (*member, about.iter().any(own))
            }
            _ => return vec![],
        };
        let found = found && rule.filter.takes(account, parties);
        found.then(|| (Subject::Account(account), None, vec![self.event().at])).into_iter().collect()
    }
}

fn transfer(rule: &Rule, event: &Event) -> Option<Transfer> {
    let What::Transfer(transfer) = event.what else { return None };
    let tokens = &rule.filter.tokens;
    (tokens.is_empty() || tokens.contains(&transfer.asset.token)).then_some(transfer)
}

/// Between two others, neither of whom is left out.
fn proper(rule: &Rule, transfer: &Transfer) -> bool {
    let parties = [transfer.from, transfer.to];
    let left_out = |party: &Address| *party == Address::ZERO || rule.filter.except.contains(party);
    transfer.from != transfer.to && !parties.iter().any(left_out)
}

fn counted(rule: &Rule, of: Counted, block: &BlockEvents, event: &Event) -> Option<Subject> {
    let account =
        |account: Address| rule.filter.takes(account, &block.parties).then_some(Subject::Account(account));
    match (of, &event.what) {
        (Counted::Transactions, What::Transaction { sender }) => account(*sender),
        (Counted::Transfers(Side::Sender), What::Transfer(_)) => account(transfer(rule, event)?.from),
        (Counted::Transfers(Side::Recipient), What::Transfer(_)) => account(transfer(rule, event)?.to),
        (Counted::Proposals, What::Proposed { member, .. }) => account(*member),
        (Counted::Freezes, What::Freeze { .. }) => Some(Subject::Committee),
        (Counted::Enrolments, What::Enrolled { organisation, .. }) => {
            let wanted = &rule.filter.organisations;
            (wanted.is_empty() || wanted.contains(organisation))
                .then(|| Subject::Organisation(organisation.clone()))
        }
        _ => None,
    }
}

/// Ways from who gets the last transfer to who gives it.
struct Way<'a> {
    edges: &'a [(Position, Transfer)],
    last: Transfer,
    hops: usize,
    returned: u64,
    least: U256,
}

impl Way<'_> {
    /// The first way in the order of places, those that begin with a shorter one after it.
    fn find(&self, from: usize, path: &mut Vec<usize>) -> bool {
        let at = path.last().map_or(self.last.to, |edge| self.edges[*edge].1.to);
        if at == self.last.from {
            return true;
        }
        if path.len() + 1 >= self.hops {
            return false;
        }
        for edge in from..self.edges.len() {
            let next = self.edges[edge].1;
            if next.asset != self.last.asset || next.from != at {
                continue;
            }
            let first = path.first().map_or(next.amount, |first| self.edges[*first].1.amount);
            let carries = |amount: U256| amount * U256::from(1000) >= first * U256::from(self.returned);
            let again = next.to == self.last.to || path.iter().any(|past| self.edges[*past].1.to == next.to);
            if first >= self.least && carries(next.amount) && carries(self.last.amount) && !again {
                path.push(edge);
                if self.find(edge + 1, path) {
                    return true;
                }
                path.pop();
            }
        }
        false
    }
}
