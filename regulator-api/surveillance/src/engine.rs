//! The engine: rules at work on blocks, one after the other.
//!
//! What it keeps of the past is bounded, and can be had again: windows by seeing again the blocks within them
//! ([`Engine::warm`]), what was found lately from the findings ([`Engine::remember`]), and what accounts did before from the
//! ledger ([`Engine::unknown`]). After that it finds what it would have found without a break.

mod case;
mod circles;
mod committee;
mod facts;
mod history;
mod live;
mod memory;
mod names;
mod quiet;
mod rings;
mod sanctions;
mod ways;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use case::Topic;
use concordat_types::{Address, B256};
use facts::Facts;
use live::{Around, Live};
use memory::Memory;
pub use memory::{Recalled, Unknown};
use names::Names;

use crate::{
    event::{Asset, BlockEvents, Event, Transfer, What},
    finding::{Finding, Subject},
    list::List,
    rule::{Condition, Rule},
    time::{Span, Stamp},
};

/// What an engine may hold and do at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries within the window of one rule, some 150 bytes each. Beyond, the rule says that it cannot judge.
    pub entries: usize,
    /// Transfers that the search for one way back looks at. Beyond, the rule says that it cannot judge.
    pub steps: usize,
    /// Amounts and accounts remembered, some 40 bytes each. Beyond, those that were not asked for lately are forgotten and
    /// asked for again.
    pub remembered: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 500_000, steps: 1_000, remembered: 5_000_000 }
    }
}

/// Why an engine does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A rule asks the list of the sanctioned, and there is none.
    #[error("rule {rule} asks the list of the sanctioned, and none is named; name one by --sanctions")]
    NoList {
        /// Which rule.
        rule: String,
    },
}

/// How far back an engine has to see again before it goes on: the longest windows of its rules, and the longest times for
/// which they keep quiet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Horizon {
    /// In blocks.
    pub blocks: u64,
    /// In seconds of block time.
    pub seconds: u64,
}

impl Horizon {
    fn of(spans: impl Iterator<Item = Span>) -> Self {
        spans.fold(Self::default(), |far, span| match span {
            Span::Blocks(blocks) => Self { blocks: blocks.max(far.blocks), ..far },
            Span::Seconds(seconds) => Self { seconds: seconds.max(far.seconds), ..far },
        })
    }
}

/// What an engine has to be given of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interests {
    /// Transactions.
    pub transactions: bool,
    /// Transfers.
    pub transfers: bool,
    /// Acts of the committee, and enrolments.
    pub acts: bool,
    /// Who parties are.
    pub parties: bool,
}

/// Which rules look at an event, in their order.
#[derive(Debug, Default)]
struct Index {
    by_topic: BTreeMap<Topic, Vec<usize>>,
    /// Of transfers and holdings of a token that some rule names, instead.
    by_token: BTreeMap<(Topic, Address), Vec<usize>>,
}

impl Index {
    /// The rules that are `wanted`.
    fn of(rules: &[Live], wanted: impl Fn(&Condition) -> bool) -> Self {
        let named = rules.iter().flat_map(|live| live.rule.filter.tokens.iter().copied());
        let tokens: BTreeSet<Address> = named.collect();
        let mut index = Self::default();
        for (place, live) in rules.iter().enumerate().filter(|(_, live)| wanted(&live.rule.condition)) {
            for topic in Topic::of_rule(&live.rule) {
                let (own, by_token) =
                    (&live.rule.filter.tokens, matches!(topic, Topic::Transfer | Topic::Holding));
                if own.is_empty() || !by_token {
                    index.by_topic.entry(topic).or_default().push(place);
                }
                let looked_at = |token: &&Address| by_token && (own.is_empty() || own.contains(*token));
                for token in tokens.iter().filter(looked_at) {
                    index.by_token.entry((topic, *token)).or_default().push(place);
                }
            }
        }
        index
    }

    fn find(&self, event: &Event) -> &[usize] {
        let topic = Topic::of(&event.what);
        let named = match &event.what {
            What::Transfer(transfer) => self.by_token.get(&(topic, transfer.asset.token)),
            What::Holding { asset, .. } => self.by_token.get(&(topic, asset.token)),
            _ => None,
        };
        named.or_else(|| self.by_topic.get(&topic)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Rules at work.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<Live>,
    index: Index,
    /// Of the rules that ask what accounts did before.
    asking: Index,
    names: Names,
    memory: Memory,
    list: List,
    limits: Limits,
}

impl Engine {
    /// An engine that has seen nothing yet.
    ///
    /// # Errors
    /// [`EngineError::NoList`].
    pub fn new(rules: Vec<Rule>, list: Option<List>, limits: Limits) -> Result<Self, EngineError> {
        let asks = |rule: &&Rule| matches!(rule.condition, Condition::Sanctions { .. });
        if let (None, Some(rule)) = (&list, rules.iter().find(asks)) {
            return Err(EngineError::NoList { rule: rule.id.clone() });
        }
        let sample = rules.iter().map(|rule| match rule.condition {
            Condition::AbnormalAmount { sample, .. } => sample,
            _ => 0,
        });
        let memory = Memory::new(sample.max().unwrap_or_default(), limits.remembered);
        let hash = list.as_ref().map(|list| list.hash);
        let rules: Vec<Live> = rules.into_iter().map(|rule| Live::new(rule, hash, limits)).collect();
        let index = Index::of(&rules, |_| true);
        let asks = |condition: &Condition| {
            matches!(condition, Condition::DormantAwakened { .. } | Condition::AbnormalAmount { .. })
        };
        let asking = Index::of(&rules, asks);
        let list = list.unwrap_or_default();
        Ok(Self { rules, index, asking, names: Names::default(), memory, list, limits })
    }

    /// The rules.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|live| &live.rule)
    }

    /// The list of the sanctioned, if a rule asks it.
    pub fn list(&self) -> Option<&List> {
        self.rules.iter().any(|live| live.list.is_some()).then_some(&self.list)
    }

    /// How far back blocks have to be seen again.
    pub fn windows(&self) -> Horizon {
        Horizon::of(self.rules().filter_map(|rule| rule.condition.window()))
    }

    /// How far back findings have to be remembered.
    pub fn quiet(&self) -> Horizon {
        Horizon::of(self.rules().filter_map(|rule| rule.quiet))
    }

    /// What it has to be given of each block.
    pub fn interests(&self) -> Interests {
        let mut wanted = Interests::default();
        for rule in self.rules() {
            for topic in Topic::of_rule(rule) {
                match topic {
                    Topic::Transaction => wanted.transactions = true,
                    Topic::Transfer => wanted.transfers = true,
                    Topic::Holding => {}
                    _ => wanted.acts = true,
                }
            }
            wanted.transactions |= matches!(rule.condition, Condition::DormantAwakened { .. });
            wanted.parties |= !rule.filter.organisations.is_empty()
                || !rule.filter.roles.is_empty()
                || matches!(rule.condition, Condition::Sanctions { .. } | Condition::OwnMatter);
        }
        wanted
    }

    /// What has to be told by [`Engine::recall`] before these blocks are judged, as it was before the first of them.
    pub fn unknown(&mut self, blocks: &[BlockEvents]) -> Unknown {
        self.memory.shrink();
        let mut unknown = Unknown { sample: self.memory.sample(), ..Unknown::default() };
        for block in blocks {
            for event in &block.events {
                let What::Transfer(transfer) = &event.what else { continue };
                let (active, gave) = self.asks(block, event, transfer);
                let (asset, from) = (transfer.asset, transfer.from);
                if active && !self.memory.knows_active(from, block.height) {
                    unknown.active.insert(from);
                }
                if gave && !self.memory.knows_gave(asset, from, block.height) {
                    unknown.amounts.insert((asset, from));
                }
            }
        }
        unknown
    }

    /// Whether rules will ask when who gives has last sent a transaction, and what it gave before.
    fn asks(&self, block: &BlockEvents, event: &Event, transfer: &Transfer) -> (bool, bool) {
        let (mut active, mut gave) = (false, false);
        for place in self.asking.find(event) {
            let Some(Live { rule, .. }) = self.rules.get(*place) else { continue };
            let takes = || rule.filter.takes(transfer.from, &block.parties);
            match rule.condition {
                Condition::DormantAwakened { amount, .. } => {
                    active = active || (transfer.amount >= amount && takes());
                }
                Condition::AbnormalAmount { amount, .. } => {
                    gave = gave || (transfer.amount >= amount && takes());
                }
                _ => {}
            }
        }
        (active, gave)
    }

    /// Learns what it asked for.
    pub fn recall(&mut self, recalled: Recalled) {
        self.memory.learn(recalled);
    }

    /// Remembers a finding of before: the same is not found again for a while.
    pub fn remember(
        &mut self,
        rule: B256,
        subject: &Subject,
        asset: Option<Asset>,
        judged: bool,
        found: Stamp,
    ) {
        for live in self.rules.iter_mut().filter(|live| live.digest == rule) {
            live.quiet.remember(live.rule.quiet, found, subject.clone(), asset, judged);
        }
    }

    /// Sees a block again that was judged before.
    pub fn warm(&mut self, block: &BlockEvents) {
        self.pass(block, false);
    }

    /// Judges the next block; what was found, in the order of events and of rules.
    pub fn block(&mut self, block: &BlockEvents) -> Vec<Finding> {
        self.pass(block, true)
    }

    fn pass(&mut self, block: &BlockEvents, judging: bool) -> Vec<Finding> {
        let Self { rules, index, names, memory, list, limits, .. } = self;
        names.sweep(|used| rules.iter().for_each(|live| live.mark(used)));
        let mut found = Vec::new();
        for event in &block.events {
            let facts = Facts::new(block, event, memory, list, names.of(&event.what));
            let around = Around { block, event, facts: &facts, limits: *limits, judging };
            for place in index.find(event) {
                if let Some(live) = rules.get_mut(*place) {
                    live.see(&around, &mut found);
                }
            }
            memory.see(&event.what);
        }
        memory.end(block);
        found
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
