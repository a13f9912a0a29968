//! An order becomes rows: its own, and what transactions read of it.
//!
//! What transactions read is made from the orders that bind now: those that lapsed go whenever such a row is written
//! anyway, and bind nobody until then.

use concordat_governance::order::{Measure, Order, Target};
use concordat_types::{Address, B256, ReadError};

use super::{
    records::{Entry, OrderHalt, SubjectEntry, TokenEntry},
    tables,
};
use crate::{
    account::corrupt,
    contracts::{self, Contract},
    identity::{self, Record, bars},
    system::{RowKey, Rows, Write},
};

/// The most rows that [`kept`] reads: two of identities, standing, authority, details, what binds the account, tokens and
/// two of subjects; or a contract's.
pub(crate) const ROWS: usize = 9;

/// The rows of orders on one target that were imposed, confirmed or ended at this height, the older one first.
pub(crate) fn kept(rows: &mut impl Rows, height: u64, orders: &[&Order]) -> Result<Vec<Write>, ReadError> {
    let mut writes: Vec<Write> =
        orders.iter().map(|order| (tables::order_key(order.id), Some(order.to_row()))).collect();
    let Some(newest) = orders.last() else { return Ok(writes) };
    match (&newest.terms.target, newest.terms.measure) {
        (Target::Account(identity), _) => {
            Page { rows, height, orders, writes: &mut writes }.account(*identity)?;
        }
        (Target::Contract(contract), Measure::Halt) => {
            Page { rows, height, orders, writes: &mut writes }.contract(*contract)?;
        }
        _ => {}
    }
    Ok(writes)
}

/// What is written of some orders.
struct Page<'a, R> {
    rows: &'a mut R,
    height: u64,
    orders: &'a [&'a Order],
    writes: &'a mut Vec<Write>,
}

impl<R: Rows> Page<'_, R> {
    fn account(&mut self, identity: Address) -> Result<(), ReadError> {
        let before = tables::binding(self.rows, identity)?;
        let subject = self.subject_now(identity, &before)?;
        let mut entries: Vec<Entry> = before.iter().filter(|entry| self.stays(entry)).cloned().collect();
        for order in self.binding() {
            let shut = (order.terms.measure == Measure::Blacklist).then_some(subject).flatten();
            entries.push(Entry::of(order, shut));
        }
        self.mark(identity, !entries.is_empty())?;
        self.write_list(tables::binding_key(identity), entries);
        self.tokens(identity)?;
        self.subjects(subject)
    }

    /// Whether an entry is none of these orders', and binds.
    fn stays(&self, entry: &Entry) -> bool {
        entry.binds(self.height) && !self.concerns(entry.order)
    }

    fn concerns(&self, id: u64) -> bool {
        self.orders.iter().any(|order| order.id == id)
    }

    /// Those of these orders that bind from now on.
    fn binding(&self) -> Vec<&Order> {
        self.orders.iter().copied().filter(|order| order.binds(self.height)).collect()
    }

    /// Says in the standing of the account that acts for an identity whether orders are to be read.
    fn mark(&mut self, identity: Address, ordered: bool) -> Result<(), ReadError> {
        let account = identity::tables::bound(self.rows, identity)?.account;
        let standing = identity::tables::standing(self.rows, account)?;
        let standing = standing.ok_or_else(|| corrupt(format!("the standing of {account}")))?;
        if standing.ordered != ordered {
            let row = identity::StandingRow { ordered, ..standing }.to_row();
            self.writes.push((identity::tables::standing_key(account), Some(row)));
        }
        Ok(())
    }

    fn tokens(&mut self, holder: Address) -> Result<(), ReadError> {
        let token = |order: &Order| match order.terms.measure {
            Measure::FreezeToken(token) => Some(token),
            _ => None,
        };
        if !self.orders.iter().any(|order| token(order).is_some()) {
            return Ok(());
        }
        let mut entries = tables::tokens(self.rows)?;
        entries.retain(|entry| entry.binds(self.height) && !self.concerns(entry.order));
        for order in self.binding() {
            let until = order.last_height().unwrap_or(0);
            entries.extend(token(order).map(|token| TokenEntry { token, holder, order: order.id, until }));
        }
        self.write_list(tables::tokens_key(), entries);
        Ok(())
    }

    /// The subject that a blacklisting shuts out: the one on which it was imposed, whatever the account's certificate has
    /// said since.
    fn subject_now(&mut self, identity: Address, before: &[Entry]) -> Result<Option<B256>, ReadError> {
        if !self.orders.iter().any(|order| order.terms.measure == Measure::Blacklist) {
            return Ok(None);
        }
        let mut imposed = before.iter().filter(|entry| self.concerns(entry.order));
        if let Some(subject) = imposed.find_map(Entry::subject) {
            return Ok(Some(subject));
        }
        let account = identity::tables::bound(self.rows, identity)?.account;
        let known = identity::tables::account(self.rows, account)?;
        let known = known.ok_or_else(|| corrupt(format!("the account {account} of an order")))?;
        Ok(Some(bars::subject(&known.org, &known.common_name)))
    }

    fn subjects(&mut self, subject: Option<B256>) -> Result<(), ReadError> {
        let Some(subject) = subject else { return Ok(()) };
        let mut entries = tables::subject(self.rows, subject)?;
        entries.retain(|entry| entry.binds(self.height) && !self.concerns(entry.order));
        for order in self.binding().into_iter().filter(|order| order.terms.measure == Measure::Blacklist) {
            entries.push(SubjectEntry { order: order.id, until: order.last_height().unwrap_or(0) });
        }
        self.write_list(tables::subject_key(subject), entries);
        Ok(())
    }

    /// One order stops a contract at a time.
    fn contract(&mut self, contract: Address) -> Result<(), ReadError> {
        let known = contracts::tables::contract(self.rows, contract)?.unwrap_or_default();
        let halt = self
            .binding()
            .last()
            .map(|order| OrderHalt { order: order.id, until: order.last_height().unwrap_or(0) });
        let row = Contract { order: halt, ..known }.to_row();
        self.writes.push((contracts::tables::contract_key(contract), Some(row)));
        Ok(())
    }

    /// Writes a list, or takes the row of an empty one away.
    fn write_list<T>(&mut self, key: RowKey, list: Vec<T>)
    where
        Vec<T>: Record,
    {
        let row = (!list.is_empty()).then(|| list.to_row());
        self.writes.push((key, row));
    }
}
