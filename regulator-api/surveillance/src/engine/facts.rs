//! What rules ask about an event, looked up when the first of them asks, once for all.

use std::cell::OnceCell;

use concordat_types::Address;

use super::{
    memory::{Gave, Memory},
    names::{AccountNo, Numbered},
};
use crate::{
    event::{BlockEvents, Event, Party, What},
    list::{Entry, List},
    time::Stamp,
};

/// The facts about an event.
pub(super) struct Facts<'a> {
    block: &'a BlockEvents,
    event: &'a Event,
    memory: &'a Memory,
    list: &'a List,
    pub numbers: Numbered,
    accounts: [Option<Address>; 2],
    parties: [OnceCell<Option<&'a Party>>; 2],
    listed: [OnceCell<Option<&'a Entry>>; 2],
    active: OnceCell<Option<Option<Stamp>>>,
    gave: OnceCell<Option<&'a Gave>>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(
        block: &'a BlockEvents,
        event: &'a Event,
        memory: &'a Memory,
        list: &'a List,
        numbers: Numbered,
    ) -> Self {
        Self {
            block,
            event,
            memory,
            list,
            numbers,
            accounts: event.what.accounts(),
            parties: [OnceCell::new(), OnceCell::new()],
            listed: [OnceCell::new(), OnceCell::new()],
            active: OnceCell::new(),
            gave: OnceCell::new(),
        }
    }

    /// The number of an account that a transfer or a transaction names.
    pub(super) fn number(&self, account: Address) -> Option<AccountNo> {
        let named = self.accounts.iter().zip(self.numbers.accounts);
        named.into_iter().find(|(named, _)| **named == Some(account)).map(|(_, number)| number)
    }

    /// Who an account is, if it is enrolled.
    pub(super) fn party(&self, account: Address) -> Option<&'a Party> {
        let look = || self.block.parties.get(&account);
        match self.place(account).and_then(|place| self.parties.get(place)) {
            Some(cell) => *cell.get_or_init(look),
            None => look(),
        }
    }

    /// The entry of the list that an account falls under.
    pub(super) fn listed(&self, account: Address) -> Option<&'a Entry> {
        let look = || self.list.find(account, self.party(account));
        match self.place(account).and_then(|place| self.listed.get(place)) {
            Some(cell) => *cell.get_or_init(look),
            None => look(),
        }
    }

    /// Where the list comes from.
    pub(super) fn source(&self) -> &'a str {
        &self.list.source
    }

    /// When who gives has last sent a transaction before this block; `None` where that was not learnt.
    pub(super) fn active(&self) -> Option<Option<Stamp>> {
        let What::Transfer(transfer) = &self.event.what else { return None };
        *self.active.get_or_init(|| self.memory.active(transfer.from))
    }

    /// What who gives has given before of the asset; `None` where that was not learnt.
    pub(super) fn gave(&self) -> Option<&'a Gave> {
        let What::Transfer(transfer) = &self.event.what else { return None };
        *self.gave.get_or_init(|| self.memory.gave(transfer.asset, transfer.from))
    }

    fn place(&self, account: Address) -> Option<usize> {
        self.accounts.iter().position(|named| *named == Some(account))
    }
}
