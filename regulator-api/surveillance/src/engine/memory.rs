//! What is remembered of accounts from before any window: when they last sent a transaction, and what they gave last.
//!
//! It is learnt from the ledger when an account is first judged by it, and kept up from there on; how much of it is held
//! changes nothing in what is found.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use concordat_types::{Address, U256};

use crate::{
    event::{Asset, BlockEvents, What},
    rule::MAX_AMOUNT,
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

/// What an account gave last of an asset: sums rather than amounts, so that what any number of its last transfers come to
/// is one subtraction.
#[derive(Debug)]
pub(super) struct Gave {
    /// What it had given before its oldest transfer that is remembered, and after each one from there on; counted from
    /// anywhere, modulo 2^256.
    sums: VecDeque<U256>,
    /// The block for which it was asked for last.
    used: u64,
}

impl Gave {
    fn of(amounts: &[U256], used: u64) -> Self {
        let mut gave = Self { sums: VecDeque::from([U256::ZERO]), used };
        amounts.iter().for_each(|amount| gave.push(*amount));
        gave
    }

    fn push(&mut self, amount: U256) {
        let sum = self.sums.back().copied().unwrap_or_default();
        self.sums.push_back(sum.wrapping_add(amount.min(MAX_AMOUNT)));
    }

    /// How many transfers are remembered.
    fn len(&self) -> usize {
        self.sums.len().saturating_sub(1)
    }

    /// How many of its last transfers there are, `sample` at most, and what they come to. At most 1,000 of at most 2^224
    /// each: no sum comes near 2^256.
    pub(super) fn last(&self, sample: usize) -> (usize, U256) {
        let count = self.len().min(sample);
        let sum = |before: usize| self.sums.get(self.len().saturating_sub(before)).copied();
        let (now, then) = (sum(0).unwrap_or_default(), sum(count).unwrap_or_default());
        (count, now.wrapping_sub(then))
    }
}

/// When an account last sent a transaction.
#[derive(Debug)]
struct Active {
    last: Option<Stamp>,
    /// The block for which it was asked for last.
    used: u64,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    active: BTreeMap<Address, Active>,
    /// By account first, in which keys differ sooner.
    gave: BTreeMap<(Address, Asset), Gave>,
    /// The most amounts of a key.
    sample: usize,
    /// The most amounts and accounts.
    most: usize,
    held: usize,
    /// Who has sent something in this block.
    senders: Vec<Address>,
    /// The newest block for which something was asked for.
    now: u64,
}

impl Memory {
    pub(super) fn new(sample: usize, most: usize) -> Self {
        Self { sample, most, ..Self::default() }
    }

    pub(super) const fn sample(&self) -> usize {
        self.sample
    }

    /// Where it is too much, forgets what was not asked for lately, so that half of the room is free. Between blocks only.
    pub(super) fn shrink(&mut self) {
        if self.held <= self.most {
            return;
        }
        let mut by_use = BTreeMap::<u64, usize>::new();
        let gave = self.gave.values().map(|gave| (gave.used, gave.len().saturating_add(1)));
        for (used, weight) in gave.chain(self.active.values().map(|active| (active.used, 1))) {
            let sum = by_use.entry(used).or_default();
            *sum = sum.saturating_add(weight);
        }
        let (mut held, mut since) = (0_usize, None);
        for (used, weight) in by_use.into_iter().rev() {
            let more = held.saturating_add(weight);
            if more > self.most.checked_div(2).unwrap_or_default() {
                break;
            }
            (held, since) = (more, Some(used));
        }
        let is_kept = |used: u64| since.is_some_and(|since| used >= since);
        self.gave.retain(|_, gave| is_kept(gave.used));
        self.active.retain(|_, active| is_kept(active.used));
        self.held = held;
    }

    /// Whether it is known when an account last sent a transaction, for a block.
    pub(super) fn knows_active(&mut self, account: Address, height: u64) -> bool {
        self.now = height;
        self.active.get_mut(&account).map(|active| active.used = height).is_some()
    }

    /// Whether it is known what an account gave, for a block.
    pub(super) fn knows_gave(&mut self, asset: Asset, account: Address, height: u64) -> bool {
        self.now = height;
        self.gave.get_mut(&(account, asset)).map(|gave| gave.used = height).is_some()
    }

    /// When an account last sent a transaction before this block; `None` where that was not learnt.
    pub(super) fn active(&self, account: Address) -> Option<Option<Stamp>> {
        self.active.get(&account).map(|active| active.last)
    }

    /// What an account last gave before now.
    pub(super) fn gave(&self, asset: Asset, account: Address) -> Option<&Gave> {
        self.gave.get(&(account, asset))
    }

    pub(super) fn learn(&mut self, recalled: Recalled) {
        for (account, last) in recalled.active {
            self.active.entry(account).or_insert_with(|| {
                self.held = self.held.saturating_add(1);
                Active { last, used: self.now }
            });
        }
        for ((asset, account), amounts) in recalled.amounts {
            self.gave.entry((account, asset)).or_insert_with(|| {
                self.held = self.held.saturating_add(amounts.len()).saturating_add(1);
                Gave::of(&amounts, self.now)
            });
        }
    }

    /// Keeps up with an event.
    pub(super) fn see(&mut self, what: &What) {
        match what {
            What::Transaction { sender } if self.active.contains_key(sender) => self.senders.push(*sender),
            What::Transfer(transfer) if !transfer.amount.is_zero() => {
                let Some(gave) = self.gave.get_mut(&(transfer.from, transfer.asset)) else { return };
                gave.push(transfer.amount);
                self.held = self.held.saturating_add(1);
                if gave.len() > self.sample {
                    gave.sums.pop_front();
                    self.held = self.held.saturating_sub(1);
                }
            }
            _ => {}
        }
    }

    /// What was sent in this block lies before the next one.
    pub(super) fn end(&mut self, block: &BlockEvents) {
        for sender in self.senders.drain(..) {
            if let Some(active) = self.active.get_mut(&sender) {
                active.last = Some(block.stamp());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_last_ones_come_to_is_told_of_any_number_of_them() {
        let gave = Gave::of(&[5_u64, 7, 11].map(U256::from), 1);
        let told = |sample| {
            let (count, sum) = gave.last(sample);
            (count, sum.saturating_to::<u64>())
        };
        assert_eq!([0, 1, 2, 3, 9].map(told), [(0, 0), (1, 11), (2, 18), (3, 23), (3, 23)]);
        let most = Gave::of(&[U256::MAX; 3], 1);
        assert_eq!(
            most.last(2),
            (2, MAX_AMOUNT.saturating_add(MAX_AMOUNT)),
            "it counts as the most there is"
        );
    }

    #[test]
    fn what_was_asked_for_lately_is_remembered_longest() {
        let (asset, account) = (Asset { token: Address::ZERO, id: U256::ZERO }, Address::repeat_byte);
        let mut memory = Memory::new(10, 9);
        let amounts = (1..=4).map(|n| ((asset, account(n)), vec![U256::ONE; 2])).collect();
        memory.learn(Recalled { amounts, ..Recalled::default() });
        for n in 1..=4 {
            assert!(memory.knows_gave(asset, account(n), u64::from(n)));
        }
        memory.shrink();
        let known = [1, 2, 3, 4].map(|n| memory.gave(asset, account(n)).is_some());
        assert_eq!((known, memory.held), ([false, false, false, true], 3));
        memory.shrink();
        assert_eq!(memory.held, 3, "there is room");
    }
}
