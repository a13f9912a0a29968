//! Accounts and assets by small numbers: fifty rules find what they keep of an account by comparing four bytes, and its
//! address is looked up once for all of them.
//!
//! Invariant: a number stands for one name as long as any rule keeps something under it. Which number that is changes
//! nothing in what is found.

use std::collections::BTreeMap;

use concordat_types::Address;

use crate::event::{Asset, What};

/// The names from which on it looks for what nobody keeps anything of.
const FIRST_SWEEP: usize = 4_096;

/// An account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AccountNo(u32);

impl AccountNo {
    /// The lowest and the highest that there can be.
    pub(super) const ALL: (Self, Self) = (Self(0), Self(u32::MAX));
}

/// An asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AssetNo(u32);

/// What an account has of an asset.
pub(super) type Purse = (AssetNo, AccountNo);

/// The numbers of what an event names: of its accounts in the order in which it names them, and of its asset.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbered {
    pub accounts: [AccountNo; 2],
    pub asset: AssetNo,
}

/// Numbers for names.
#[derive(Debug)]
struct Numbers<T> {
    known: BTreeMap<T, u32>,
    free: Vec<u32>,
    next: u32,
}

impl<T: Ord> Numbers<T> {
    const fn new() -> Self {
        Self { known: BTreeMap::new(), free: Vec::new(), next: 0 }
    }

    fn of(&mut self, name: T) -> u32 {
        if let Some(number) = self.known.get(&name) {
            return *number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            let number = self.next;
            // Four thousand million names would not fit into memory.
            self.next = self.next.saturating_add(1);
            number
        });
        self.known.insert(name, number);
        number
    }

    fn forget(&mut self, used: &Marks) {
        let free = &mut self.free;
        self.known.retain(|_, number| {
            let kept = used.has(*number);
            if !kept {
                free.push(*number);
            }
            kept
        });
    }
}

/// Numbers that are in use.
#[derive(Debug)]
struct Marks(Vec<bool>);

impl Marks {
    fn up_to(next: u32) -> Self {
        Self(vec![false; usize::try_from(next).unwrap_or(usize::MAX)])
    }

    fn mark(&mut self, number: u32) {
        if let Some(mark) = usize::try_from(number).ok().and_then(|place| self.0.get_mut(place)) {
            *mark = true;
        }
    }

    fn has(&self, number: u32) -> bool {
        usize::try_from(number).ok().and_then(|place| self.0.get(place)).is_some_and(|mark| *mark)
    }
}

/// What rules keep something of.
#[derive(Debug)]
pub(super) struct Used {
    accounts: Marks,
    assets: Marks,
}

impl Used {
    pub(super) fn account(&mut self, AccountNo(number): AccountNo) {
        self.accounts.mark(number);
    }

    pub(super) fn purse(&mut self, (AssetNo(asset), account): Purse) {
        self.assets.mark(asset);
        self.account(account);
    }
}

/// The numbers of accounts and assets.
#[derive(Debug)]
pub(super) struct Names {
    accounts: Numbers<Address>,
    assets: Numbers<Asset>,
    first_sweep: usize,
    next_sweep: usize,
}

impl Default for Names {
    fn default() -> Self {
        Self::sweeping_from(FIRST_SWEEP)
    }
}

impl Names {
    /// Looks for what is not used any more from so many names on.
    pub(super) const fn sweeping_from(first_sweep: usize) -> Self {
        Self { accounts: Numbers::new(), assets: Numbers::new(), first_sweep, next_sweep: first_sweep }
    }

    /// The numbers of what an event names, where rules keep entries of such events by account.
    pub(super) fn of(&mut self, what: &What) -> Numbered {
        match what {
            What::Transfer(transfer) => Numbered {
                accounts: [transfer.from, transfer.to].map(|account| AccountNo(self.accounts.of(account))),
                asset: AssetNo(self.assets.of(transfer.asset)),
            },
            What::Transaction { sender } => Numbered {
                accounts: [AccountNo(self.accounts.of(*sender)), AccountNo::default()],
                ..Numbered::default()
            },
            _ => Numbered::default(),
        }
    }

    /// Forgets names that nobody keeps anything of, once there are so many that it may be worth it. Between blocks only.
    pub(super) fn sweep(&mut self, mark: impl FnOnce(&mut Used)) {
        if self.len() < self.next_sweep {
            return;
        }
        let mut used =
            Used { accounts: Marks::up_to(self.accounts.next), assets: Marks::up_to(self.assets.next) };
        mark(&mut used);
        self.accounts.forget(&used.accounts);
        self.assets.forget(&used.assets);
        self.next_sweep = self.len().saturating_mul(2).max(self.first_sweep);
    }

    fn len(&self) -> usize {
        self.accounts.known.len().saturating_add(self.assets.known.len())
    }
}

#[cfg(test)]
mod tests {
    use concordat_types::U256;

    use super::*;
    use crate::event::Transfer;

    fn gives(from: u8, to: u8) -> What {
        let (asset, [from, to]) =
            (Asset { token: Address::ZERO, id: U256::ZERO }, [from, to].map(Address::repeat_byte));
        What::Transfer(Transfer { asset, from, to, amount: U256::ONE })
    }

    #[test]
    fn a_number_is_given_again_only_once_nobody_keeps_anything_under_it() {
        let mut names = Names::sweeping_from(1);
        let Numbered { accounts: [one, two], asset } = names.of(&gives(1, 2));
        assert_ne!(one, two);
        names.sweep(|used| used.purse((asset, two)));
        let again = names.of(&gives(3, 2));
        assert_eq!((again.accounts, again.asset), ([one, two], asset), "the first is not in use any more");
        assert_eq!(names.of(&What::Transaction { sender: Address::repeat_byte(2) }).accounts[0], two);
        names.of(&gives(4, 5));
        names.sweep(|used| used.account(two));
        assert_eq!(names.len(), 1, "the asset is not in use either");
    }

    #[test]
    fn it_is_not_looked_through_before_it_may_be_worth_it() {
        let mut names = Names::sweeping_from(4);
        names.of(&gives(1, 2));
        names.sweep(|_| panic!("there are three names"));
        names.of(&gives(3, 4));
        names.sweep(|_| ());
        assert_eq!(names.len(), 0);
    }
}
