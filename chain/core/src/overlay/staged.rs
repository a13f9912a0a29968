//! What a transaction changes in system contracts, which counts once it has succeeded.

use concordat_types::{Bytes, ReadError, StateReader};

use super::{CachedRow, Overlay, Tracked};
use crate::{
    access::SlotAccess,
    system::{Effects, RowKey, Rows as _, SlotWrite, Then, Write},
};

impl<R: StateReader> Overlay<R> {
    /// Holds a system call's changes until its transaction is over.
    pub(crate) fn stage(&mut self, effects: Effects) {
        self.staged = Some(effects);
    }

    /// Remembers why a system call could not read.
    pub(crate) fn fail(&mut self, failure: ReadError) {
        self.failure = Some(failure);
    }

    /// The read error of the transaction that just failed.
    pub(crate) fn take_failure(&mut self) -> Option<ReadError> {
        self.failure.take()
    }

    /// Forgets what the running transaction would have changed in system contracts.
    pub(crate) fn discard_staged(&mut self) {
        self.staged = None;
    }

    /// The call that has to follow what the running transaction has staged.
    pub(crate) fn then(&self) -> Option<&Then> {
        self.staged.as_ref()?.then.as_ref()
    }

    /// The row that a decision writes, while the calls that follow it run: whom they call is told what was decided.
    pub(super) fn decided_row(&self, key: &RowKey) -> Option<&Option<Bytes>> {
        let Effects { writes, .. } = self.staged.as_ref().filter(|effects| effects.then.is_some())?;
        writes.iter().rev().find(|(written, _)| written == key).map(|(_, row)| row)
    }

    /// Applies what the running transaction has staged; the slots of contracts that it changes.
    pub(crate) fn apply_staged(&mut self) -> Result<Vec<SlotAccess>, ReadError> {
        let Some(effects) = self.staged.take() else { return Ok(Vec::new()) };
        self.write_rows(effects.writes)?;
        let restored =
            effects.slots.into_iter().map(|write| self.write_slot(write)).collect::<Result<_, _>>()?;
        self.events.extend(effects.events);
        // Any row may bear on anyone's standing, on the policies and on the rules, and such transactions are rare.
        self.standings.clear();
        self.backings.clear();
        self.contracts.clear();
        self.policies = None;
        self.limits = None;
        self.token_orders = None;
        self.approval_required = None;
        Ok(restored)
    }

    /// Writes a slot as a contract would have, so that the state, its root and its history hold it.
    fn write_slot(&mut self, (contract, slot, after): SlotWrite) -> Result<SlotAccess, ReadError> {
        let before = self.word(contract, slot)?;
        let storage = &mut self.cached(contract)?.storage;
        storage.entry(slot).or_insert(Tracked::unchanged(before)).now = after;
        Ok(SlotAccess { contract, slot, before, after })
    }

    /// Writes the rows of contracts that the transaction which just succeeded has made.
    pub(crate) fn write_made(&mut self, writes: Vec<Write>) -> Result<(), ReadError> {
        if !writes.is_empty() {
            self.write_rows(writes)?;
            // Whoever called an address before a contract came there saw none.
            self.contracts.clear();
        }
        Ok(())
    }

    /// Writes rows. Nothing that is kept decoded may rest on them, as nothing does on what rules count.
    pub(crate) fn write_rows(&mut self, writes: Vec<Write>) -> Result<(), ReadError> {
        for (key, value) in writes {
            let before = self.row(&key)?;
            let row = self.rows.entry(key).or_insert(CachedRow { before: before.clone(), now: before });
            row.now = value;
        }
        Ok(())
    }
}
