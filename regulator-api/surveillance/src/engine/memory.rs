//! What is remembered of accounts from before any window: when they last sent a transaction, and what they gave last.
//!
//! It is learnt from the ledger when an account is first judged by it, and kept up from there on; how much of it is held
//! changes nothing in what is found.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use concordat_types::{Address, U256};

use crate::{
    event::{Asset, BlockEvents, What},
    time::Stamp,
};

/// What an engine has to be told before it judges blocks: as it was after the block before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// When these accounts last sent a transaction.
    pub active: BTreeSet<Address>,
    /// What these accounts last gave of an asset, but for transfers of nothing.
    pub amounts: BTreeSet<(Asset, Address)>,
    /// So many of each.
    pub sample: usize,
}

/// The answer to [`Unknown`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recalled {
    /// When an account last sent a transaction; none where it never did.
    pub active: BTreeMap<Address, Option<Stamp>>,
    /// What it last gave, the oldest first.
    pub amounts: BTreeMap<(Asset, Address), Vec<U256>>,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    active: BTreeMap<Address, Option<Stamp>>,
    amounts: BTreeMap<(Asset, Address), VecDeque<U256>>,
    /// The most amounts of a key.
    sample: usize,
    /// The most amounts and accounts; beyond, all is forgotten and learnt again.
    most: usize,
    held: usize,
    /// Who has sent something in this block.
    senders: Vec<Address>,
}

impl Memory {
    pub(super) fn new(sample: usize, most: usize) -> Self {
        Self { sample, most, ..Self::default() }
    }

    pub(super) const fn sample(&self) -> usize {
        self.sample
    }

    /// Forgets all where it is too much. Between blocks only.
    pub(super) fn shrink(&mut self) {
        if self.held > self.most {
            (self.active, self.amounts, self.held) = (BTreeMap::new(), BTreeMap::new(), 0);
        }
    }

    /// When an account last sent a transaction before this block; `None` where that was not learnt.
    pub(super) fn active(&self, account: Address) -> Option<Option<Stamp>> {
        self.active.get(&account).copied()
    }

    /// What an account last gave before now, the oldest first.
    pub(super) fn amounts(&self, asset: Asset, account: Address) -> Option<&VecDeque<U256>> {
        self.amounts.get(&(asset, account))
    }

    pub(super) fn learn(&mut self, recalled: Recalled) {
        for (account, last) in recalled.active {
            self.active.entry(account).or_insert_with(|| {
                self.held = self.held.saturating_add(1);
                last
            });
        }
        for (key, amounts) in recalled.amounts {
            self.amounts.entry(key).or_insert_with(|| {
                self.held = self.held.saturating_add(amounts.len()).saturating_add(1);
                amounts.into()
            });
        }
    }

    /// Keeps up with an event.
    pub(super) fn see(&mut self, what: &What) {
        match what {
            What::Transaction { sender } if self.active.contains_key(sender) => self.senders.push(*sender),
            What::Transfer(transfer) if !transfer.amount.is_zero() => {
                let Some(amounts) = self.amounts.get_mut(&(transfer.asset, transfer.from)) else { return };
                amounts.push_back(transfer.amount);
                self.held = self.held.saturating_add(1);
                if amounts.len() > self.sample {
                    amounts.pop_front();
                    self.held = self.held.saturating_sub(1);
                }
            }
            _ => {}
        }
    }

    /// What was sent in this block lies before the next one.
    pub(super) fn end(&mut self, block: &BlockEvents) {
        for sender in self.senders.drain(..) {
            self.active.insert(sender, Some(block.stamp()));
        }
    }
}
