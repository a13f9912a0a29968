//! The transaction pool: what waits for a block, fair between senders.
//!
//! Pure bookkeeping: no clock, no locks, no state reads. Callers pass the time and what the state said.
//!
//! - One transaction per sender and nonce; with no fees, nothing can outbid the first that came.
//! - A sender's transactions leave in the order of their nonces; senders take turns, so that one sender's
//!   flood delays others by one transaction, not by all of its own.
//! - Regulators' orders go first, so many of a block, then calls of all system contracts: a flood delays no freeze.
//! - Everything is bounded: in count, in bytes, per sender, in distance from the next nonce, in time.
//! - Choosing a block's transactions, and taking leave of them, costs what they are, not what waits.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use concordat_rpc::{PoolStatus, PoolTx, SubmitError};
use concordat_types::{Address, B256, VerifiedTx};
use serde::{Deserialize, Serialize};

/// Bounds of the pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolLimits {
    /// Most transactions in total.
    pub transactions: usize,
    /// Most bytes in total.
    pub bytes: usize,
    /// Most transactions of one sender, which is also how far a nonce may lie ahead.
    pub per_sender: usize,
    /// A transaction that waits longer than this is dropped, in milliseconds.
    pub lifetime_ms: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { transactions: 50_000, bytes: 64 * 1024 * 1024, per_sender: 4_096, lifetime_ms: 3_600_000 }
    }
}

/// How much a block may take from the pool.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bytes of all transactions together.
    pub bytes: usize,
    /// Sum of all gas limits; the executor's count of gas used decides in the end.
    pub gas: u64,
    /// Transactions.
    pub transactions: usize,
}

/// Senders in a row whose transactions do not fit what is left of a block: after so many it counts as full.
const MISFITS: usize = 64;

/// How many regulators' orders a block takes before all else. Those beyond wait with the calls of system contracts.
const FIRST_ORDERS: usize = 16;

/// Old transactions are looked for so many times in a lifetime.
const EXPIRY_CHECKS: u32 = 16;

struct Entry {
    tx: Arc<VerifiedTx>,
    entered: Instant,
    /// When the peers were last told.
    told: Instant,
}

#[derive(Default)]
struct Sender {
    /// Whether it has the role regulator, so that its orders go first.
    regulator: bool,
    /// Its place among the senders: lower ones go first. Whoever is served gets the highest.
    turn: u64,
    /// The nonce that the state expects next.
    next: u64,
    waiting: BTreeMap<u64, Entry>,
}

impl Sender {
    /// The transaction that the state expects next.
    fn head(&self) -> Option<&Entry> {
        self.waiting.get(&self.next)
    }

    /// How many of the waiting ones follow the state's nonce without a gap.
    fn executable(&self) -> usize {
        let run = self.waiting.keys().zip(self.next..);
        run.take_while(|(nonce, expected)| **nonce == *expected).count()
    }
}

/// The pool.
pub struct Pool {
    limits: PoolLimits,
    senders: HashMap<Address, Sender>,
    hashes: HashMap<B256, (Address, u64)>,
    /// Senders with an executable transaction, by their turns.
    ready: BTreeMap<u64, Address>,
    /// Those of them whose next transaction calls a system contract.
    urgent: BTreeMap<u64, Address>,
    /// Those of them who are regulators and order something.
    orders: BTreeMap<u64, Address>,
    next_turn: u64,
    bytes: usize,
    /// The height that the next block will have, as far as this pool was told.
    next_height: u64,
    /// When old transactions are looked for again.
    next_expiry: Option<Instant>,
}

impl Pool {
    /// An empty pool.
    pub fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            senders: HashMap::new(),
            hashes: HashMap::new(),
            ready: BTreeMap::new(),
            urgent: BTreeMap::new(),
            orders: BTreeMap::new(),
            next_turn: 0,
            bytes: 0,
            next_height: 0,
            next_expiry: None,
        }
    }

    /// Puts a transaction in, whose sender's next nonce in the state is `state_nonce`.
    pub fn insert(&mut self, tx: Arc<VerifiedTx>, state_nonce: u64, now: Instant) -> Result<(), SubmitError> {
        self.advance(tx.sender(), state_nonce);
        self.check_room(&tx, state_nonce)?;
        let (sender, nonce, hash, size) = (tx.sender(), tx.nonce(), tx.hash(), tx.raw().len());
        let turn = self.next_turn;
        let account = self.senders.entry(sender).or_insert_with(|| Sender { turn, ..Sender::default() });
        if account.turn == turn {
            self.next_turn = turn.saturating_add(1);
        }
        account.next = account.next.max(state_nonce);
        account.waiting.insert(nonce, Entry { tx, entered: now, told: now });
        self.hashes.insert(hash, (sender, nonce));
        self.bytes += size;
        self.index(sender);
        Ok(())
    }

    /// Says of a sender with transactions here that it has the role regulator.
    pub fn note_regulator(&mut self, sender: Address) {
        if let Some(account) = self.senders.get_mut(&sender) {
            account.regulator = true;
        }
        self.index(sender);
    }

    /// Puts a sender where its waiting transactions belong, or forgets it if it has none.
    fn index(&mut self, sender: Address) {
        let Some(account) = self.senders.get(&sender) else { return };
        let (turn, head) = (account.turn, account.head());
        let goes = |lane: Lane| head.is_some_and(|entry| lane.takes(account, &entry.tx));
        let (ready, urgent, orders) = (goes(Lane::Rest), goes(Lane::System), goes(Lane::Orders));
        let lists = [(&mut self.ready, ready), (&mut self.urgent, urgent), (&mut self.orders, orders)];
        for (list, belongs) in lists {
            match belongs {
                true => list.insert(turn, sender),
                false => list.remove(&turn),
            };
        }
        if account.waiting.is_empty() {
            self.senders.remove(&sender);
        }
    }

    /// The senders' turns come after all others'.
    fn send_to_end(&mut self, senders: impl IntoIterator<Item = Address>) {
        for sender in senders {
            let Some(account) = self.senders.get_mut(&sender) else { continue };
            self.ready.remove(&account.turn);
            self.urgent.remove(&account.turn);
            self.orders.remove(&account.turn);
            account.turn = self.next_turn;
            self.next_turn = self.next_turn.saturating_add(1);
            self.index(sender);
        }
    }

    fn check_room(&self, tx: &VerifiedTx, state_nonce: u64) -> Result<(), SubmitError> {
        if self.hashes.contains_key(&tx.hash()) {
            return Err(SubmitError::AlreadyKnown);
        }
        let (have, limit) = (self.hashes.len(), self.limits.transactions);
        if have >= limit || self.bytes + tx.raw().len() > self.limits.bytes {
            return Err(SubmitError::PoolFull { have: have as u64, limit: limit as u64 });
        }
        let account = self.senders.get(&tx.sender());
        let next = account.map_or(state_nonce, |account| account.next.max(state_nonce));
        let window = self.limits.per_sender as u64;
        if tx.nonce() < next {
            return Err(concordat_core::TxInvalid::NonceTooLow { next, tx: tx.nonce() }.into());
        }
        if tx.nonce() - next >= window {
            return Err(SubmitError::NonceTooFar { have: tx.nonce(), next, window });
        }
        if let Some(holder) = account.and_then(|account| account.waiting.get(&tx.nonce())) {
            return Err(SubmitError::NonceHeld { nonce: tx.nonce(), by: holder.tx.hash() });
        }
        match account.map(|account| account.waiting.len()) {
            Some(have) if have >= self.limits.per_sender => {
                Err(SubmitError::SenderFull { sender: tx.sender(), have: have as u64, limit: window })
            }
            _ => Ok(()),
        }
    }

    /// What the next block should try, in order: orders first, then system calls, then senders in turns. Whoever was
    /// served goes to the end of the queue for the next block.
    pub fn select(&mut self, budget: Budget) -> Vec<Arc<VerifiedTx>> {
        let mut selection = Selection { budget, chosen: Vec::new(), taken: HashMap::new(), misfits: 0 };
        let lanes = [(&self.orders, Lane::Orders), (&self.urgent, Lane::System), (&self.ready, Lane::Rest)];
        for (senders, lane) in lanes {
            self.fill(senders, &mut selection, lane);
        }
        let turn = |sender: &Address| self.senders.get(sender).map(|account| account.turn);
        let mut served: Vec<(Option<u64>, Address)> =
            selection.taken.keys().map(|sender| (turn(sender), *sender)).collect();
        served.sort_unstable();
        self.send_to_end(served.into_iter().map(|(_, sender)| sender));
        selection.chosen
    }

    /// Goes round the senders until none has anything more, or the block is full. Each round takes one
    /// transaction of a sender; who got none is not asked again.
    fn fill(&self, senders: &BTreeMap<u64, Address>, selection: &mut Selection, lane: Lane) {
        let mut first_round = senders.values();
        let mut served = VecDeque::new();
        while !selection.is_full() && selection.chosen.len() < lane.most() {
            let Some(address) = first_round.next().or_else(|| served.pop_front()) else { return };
            let Some(account) = self.senders.get(address) else { continue };
            let taken = selection.taken.get(address).copied().unwrap_or(0);
            let Some(entry) = account.waiting.get(&account.next.saturating_add(taken)) else { continue };
            if !lane.takes(account, &entry.tx) {
                continue;
            }
            if selection.take(*address, &entry.tx) {
                served.push_back(address);
            }
        }
    }

    /// Whether the pool has been told of a block after those that make `next_height` the next one. What the
    /// state said about nonces before that block must not be put in any more: nobody would correct it.
    pub fn knows_later_than(&self, next_height: u64) -> bool {
        self.next_height > next_height
    }

    /// Drops what a committed block holds, and what its senders' new nonces make stale.
    pub fn committed(&mut self, nonces: impl IntoIterator<Item = (Address, u64)>, next_height: u64) {
        self.next_height = next_height;
        for (sender, next) in nonces {
            self.advance(sender, next);
        }
    }

    /// Notes a sender's next nonce, as the state has it, and drops what that makes stale: no waiting nonce is ever
    /// below the next one.
    fn advance(&mut self, sender: Address, next: u64) {
        let Some(account) = self.senders.get_mut(&sender).filter(|account| account.next < next) else {
            return;
        };
        account.next = next;
        let keep = account.waiting.split_off(&next);
        let gone = std::mem::replace(&mut account.waiting, keep);
        self.forget(gone.into_values());
        // Its head has changed: no list may lead to the old one.
        self.index(sender);
    }

    /// Drops one transaction that turned out impossible. Those of higher nonces wait for another in its place.
    pub fn remove(&mut self, hash: &B256) {
        let Some(&(sender, nonce)) = self.hashes.get(hash) else { return };
        let gone = self.senders.get_mut(&sender).and_then(|account| account.waiting.remove(&nonce));
        self.forget(gone.into_iter());
        self.index(sender);
    }

    /// Drops what has waited too long. Returns how many those were.
    pub fn expire(&mut self, now: Instant) -> usize {
        if self.next_expiry.is_some_and(|next| now < next) {
            return 0;
        }
        let lifetime = Duration::from_millis(self.limits.lifetime_ms);
        self.next_expiry = now.checked_add(lifetime / EXPIRY_CHECKS);
        let old = |entry: &Entry| now.saturating_duration_since(entry.entered) > lifetime;
        let (mut gone, mut senders) = (Vec::new(), Vec::new());
        for (sender, account) in &mut self.senders {
            let before = gone.len();
            gone.extend(account.waiting.extract_if(.., |_, entry| old(entry)).map(|(_, entry)| entry));
            senders.extend((gone.len() > before).then_some(*sender));
        }
        let count = gone.len();
        self.forget(gone.into_iter());
        senders.into_iter().for_each(|sender| self.index(sender));
        count
    }

    fn forget(&mut self, gone: impl Iterator<Item = Entry>) {
        for entry in gone {
            self.hashes.remove(&entry.tx.hash());
            self.bytes -= entry.tx.raw().len();
        }
    }

    /// The verified transaction of a hash, so that nobody checks its signature twice.
    pub fn get(&self, hash: &B256) -> Option<&Arc<VerifiedTx>> {
        let (sender, nonce) = self.hashes.get(hash)?;
        Some(&self.senders.get(sender)?.waiting.get(nonce)?.tx)
    }

    /// Whether the next block would find anything.
    pub fn has_executable(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The nonce after the sender's executable transactions; `None` if there are none.
    pub fn pending_nonce(&self, sender: &Address) -> Option<u64> {
        let account = self.senders.get(sender)?;
        match account.executable() {
            0 => None,
            run => Some(account.next.saturating_add(run as u64)),
        }
    }

    /// A waiting transaction, for those who ask.
    pub fn view(&self, hash: &B256) -> Option<PoolTx> {
        let (sender, nonce) = self.hashes.get(hash)?;
        let account = self.senders.get(sender)?;
        let end = account.next.saturating_add(account.executable() as u64);
        Some(PoolTx { tx: account.waiting.get(nonce)?.tx.clone(), executable: *nonce < end })
    }

    /// A sender's waiting transactions by nonce.
    pub fn of_sender(&self, sender: &Address) -> Vec<PoolTx> {
        let Some(account) = self.senders.get(sender) else { return Vec::new() };
        let end = account.next.saturating_add(account.executable() as u64);
        let view = |(nonce, entry): (&u64, &Entry)| PoolTx { tx: entry.tx.clone(), executable: *nonce < end };
        account.waiting.iter().map(view).collect()
    }

    /// At most `limit` of all waiting transactions.
    pub fn content(&self, limit: usize) -> Vec<PoolTx> {
        self.senders.keys().flat_map(|sender| self.of_sender(sender)).take(limit).collect()
    }

    /// What has waited since before `then` and was not told since, for being told to the peers again:
    /// executable ones first. Each call gives others until all have been told.
    pub fn to_repeat(&mut self, then: Instant, now: Instant, limit: usize) -> Vec<Arc<VerifiedTx>> {
        let mut due: Vec<(u64, &mut Entry)> = self
            .senders
            .values_mut()
            .flat_map(|account| {
                let next = account.next;
                account.waiting.iter_mut().map(move |(nonce, entry)| (nonce.saturating_sub(next), entry))
            })
            .filter(|(_, entry)| entry.told <= then)
            .collect();
        due.sort_by_key(|(ahead, _)| *ahead);
        let tell = |(_, entry): (u64, &mut Entry)| {
            entry.told = now;
            entry.tx.clone()
        };
        due.into_iter().take(limit).map(tell).collect()
    }

    /// Transactions and bytes in the pool.
    pub fn size(&self) -> (usize, usize) {
        (self.hashes.len(), self.bytes)
    }

    /// How full the pool is.
    pub fn status(&self) -> PoolStatus {
        let pending = self.senders.values().map(Sender::executable).sum::<usize>();
        PoolStatus {
            pending: pending as u64,
            queued: self.hashes.len().saturating_sub(pending) as u64,
            bytes: self.bytes as u64,
        }
    }
}

/// A block's transactions while they are chosen.
struct Selection {
    budget: Budget,
    chosen: Vec<Arc<VerifiedTx>>,
    taken: HashMap<Address, u64>,
    /// Transactions in a row that did not fit.
    misfits: usize,
}

impl Selection {
    fn is_full(&self) -> bool {
        self.chosen.len() >= self.budget.transactions || self.misfits >= MISFITS
    }

    /// Takes the transaction if it fits. A sender whose transaction does not fit is done for this block.
    fn take(&mut self, sender: Address, tx: &Arc<VerifiedTx>) -> bool {
        let (size, gas) = (tx.raw().len(), tx.gas_limit());
        if size > self.budget.bytes || gas > self.budget.gas {
            self.misfits += 1;
            return false;
        }
        self.misfits = 0;
        self.budget.bytes -= size;
        self.budget.gas -= gas;
        self.chosen.push(tx.clone());
        *self.taken.entry(sender).or_default() += 1;
        true
    }
}

fn is_urgent(tx: &VerifiedTx) -> bool {
    tx.kind().to().is_some_and(concordat_core::is_system)
}

/// Which transactions a block takes before others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// Regulators' orders.
    Orders,
    /// Calls of system contracts.
    System,
    /// Everything.
    Rest,
}

impl Lane {
    fn takes(self, account: &Sender, tx: &VerifiedTx) -> bool {
        match self {
            Self::Orders => account.regulator && tx.kind().to() == Some(&concordat_core::ORDERS),
            Self::System => is_urgent(tx),
            Self::Rest => true,
        }
    }

    /// How many of a block's transactions there are at most once it is done.
    const fn most(self) -> usize {
        match self {
            Self::Orders => FIRST_ORDERS,
            Self::System | Self::Rest => usize::MAX,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
