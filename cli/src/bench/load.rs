//! The load: submits signed transfers in JSON-RPC batches, with a bounded number in flight.
//!
//! One thread per node, each with its own accounts, so that an account's transactions leave in the order of
//! their nonces. A thread whose node does not answer goes to the next one, as a client would, and submits
//! again what was not confirmed.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy_primitives::{B256, Bytes};
use eyre::{Result, WrapErr as _, bail};
use serde::Deserialize;

use super::{
    accounts::{Account, Signed},
    stats::Confirmation,
};

/// Most transactions in one request; a node's default limit of calls in a batch.
const BATCH: usize = 100;

/// How long a sender rests when every account has enough in flight.
const REST: Duration = Duration::from_millis(2);

/// How long a node may take to answer before a client tries another one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What was submitted and what came of it, shared by the senders and the follower.
#[derive(Default)]
pub struct Flight {
    sent: Mutex<HashMap<B256, Sent>>,
    departed: AtomicU64,
    outstanding: Vec<AtomicU32>,
    confirmed: Mutex<Vec<Confirmation>>,
    /// Receipts that say "failed".
    pub failed: AtomicU64,
    /// Submissions that a node refused; each is tried again.
    pub refused: AtomicU64,
    refusal: Mutex<Option<String>>,
}

struct Sent {
    account: Option<usize>,
    /// How many left before it: an account's go in the order of their nonces.
    order: u64,
    at: Instant,
    raw: Bytes,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flight {
    /// Nothing in flight, for so many accounts.
    pub fn new(accounts: usize) -> Self {
        Self { outstanding: (0..accounts).map(|_| AtomicU32::new(0)).collect(), ..Self::default() }
    }

    fn outstanding(&self, account: usize) -> u32 {
        self.outstanding.get(account).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    fn depart(&self, account: Option<usize>, tx: &Signed, at: Instant) {
        let order = self.departed.fetch_add(1, Ordering::Relaxed);
        lock(&self.sent).insert(tx.hash, Sent { account, order, at, raw: tx.raw.clone() });
        if let Some(count) = account.and_then(|account| self.outstanding.get(account)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn leave(&self, hash: &B256) -> Option<Sent> {
        let sent = lock(&self.sent).remove(hash)?;
        if let Some(count) = sent.account.and_then(|account| self.outstanding.get(account)) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
        Some(sent)
    }

    /// A receipt was seen. Others' transactions are none of ours.
    pub fn confirm(&self, hash: &B256, succeeded: bool, at: Instant) {
        let Some(sent) = self.leave(hash) else { return };
        if succeeded {
            let latency = at.saturating_duration_since(sent.at);
            lock(&self.confirmed).push(Confirmation { at, latency });
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The confirmations since the last call.
    pub fn take_confirmed(&self) -> Vec<Confirmation> {
        std::mem::take(&mut *lock(&self.confirmed))
    }

    /// How many are in flight.
    pub fn in_flight(&self) -> usize {
        lock(&self.sent).len()
    }

    /// Waits until nothing is in flight. Returns how many remained after all patience.
    pub fn drain(&self, patience: Duration) -> usize {
        let until = Instant::now() + patience;
        while self.in_flight() > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.in_flight()
    }

    /// What a node said when it first refused one.
    pub fn refusal(&self) -> Option<String> {
        lock(&self.refusal).clone()
    }

    /// What these accounts have in flight, in the order in which it left.
    fn unconfirmed(&self, accounts: std::ops::Range<usize>) -> Vec<(usize, Signed)> {
        let sent = lock(&self.sent);
        let own = sent.iter().filter_map(|(hash, sent)| {
            let account = sent.account.filter(|account| accounts.contains(account))?;
            Some((sent.order, account, Signed { hash: *hash, raw: sent.raw.clone() }))
        });
        let mut own: Vec<_> = own.collect();
        own.sort_unstable_by_key(|(order, ..)| *order);
        own.into_iter().map(|(_, account, tx)| (account, tx)).collect()
    }
}

/// How fast to submit.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// As much as is confirmed, with so many in flight for each account.
    Saturate(u32),
    /// So many per second, all senders together, whatever comes back. A transaction's latency counts from
    /// the moment at which it was due, so that a stalled sender hides nothing.
    PerSecond(f64),
}

/// Submits until a moment in time, from all accounts, to all nodes.
pub fn run(
    accounts: &mut [Account],
    flight: &Flight,
    urls: &[String],
    pace: Pace,
    until: Instant,
) -> Result<()> {
    let share = accounts.len().div_ceil(urls.len()).max(1);
    let senders = accounts.len().div_ceil(share);
    let pace = match pace {
        Pace::PerSecond(rate) => Pace::PerSecond(rate / senders as f64),
        saturate @ Pace::Saturate(_) => saturate,
    };
    std::thread::scope(|scope| {
        let spawn = |(node, accounts): (usize, _)| {
            let door = Door::new(urls, node);
            let mut sender = Sender { accounts, first: node * share, flight, door, cursor: 0 };
            scope.spawn(move || match pace {
                Pace::Saturate(each) => sender.saturate(each, until),
                // Senders start apart, so that a slow pace is even.
                Pace::PerSecond(rate) => sender.keep_pace(rate, node as f64 / senders as f64, until),
            })
        };
        let threads: Vec<_> = accounts.chunks_mut(share).enumerate().map(spawn).collect();
        let mut done = threads.into_iter().map(|thread| thread.join());
        done.try_for_each(|done| done.unwrap_or_else(|_| bail!("a sender of the load panicked")))
    })
}

/// Submits transactions that belong to no account of the load, and waits until all are confirmed.
pub fn submit_all(txs: &[Signed], flight: &Flight, urls: &[String], patience: Duration) -> Result<()> {
    let mut doors: Vec<Door> = (0..urls.len()).map(|node| Door::new(urls, node)).collect();
    let count = doors.len().max(1);
    for (batch, turn) in txs.chunks(BATCH).zip(0..) {
        let now = Instant::now();
        batch.iter().for_each(|tx| flight.depart(None, tx, now));
        let Some(door) = doors.get_mut(turn % count) else { bail!("there is no node to submit to") };
        if let Some(Err(reason)) = door.post(batch)?.into_iter().find(Result::is_err) {
            bail!("a node refused to set up the load: {reason}");
        }
    }
    match flight.drain(patience) {
        0 if flight.failed.load(Ordering::Relaxed) == 0 => Ok(()),
        0 => bail!("a transaction that sets up the load failed"),
        left => {
            bail!("{left} transactions that set up the load are in no block after {} s", patience.as_secs())
        }
    }
}

/// A part of the accounts, and the thread that submits for them.
struct Sender<'a> {
    accounts: &'a mut [Account],
    /// Index of the first of them.
    first: usize,
    flight: &'a Flight,
    door: Door<'a>,
    cursor: usize,
}

impl Sender<'_> {
    fn saturate(&mut self, each: u32, until: Instant) -> Result<()> {
        while Instant::now() < until {
            let batch = self.collect(BATCH, each);
            if batch.len() < BATCH / 2 {
                std::thread::sleep(REST);
            }
            let now = Instant::now();
            self.submit(batch.into_iter().map(|(account, tx)| (account, tx, now)).collect())?;
        }
        Ok(())
    }

    fn keep_pace(&mut self, rate: f64, offset: f64, until: Instant) -> Result<()> {
        let start = Instant::now();
        let due = |n: usize| start + Duration::from_secs_f64((n as f64 + offset) / rate);
        let mut sent = 0;
        while Instant::now() < until {
            let now = Instant::now();
            let ready = (sent..sent + BATCH).take_while(|n| due(*n) <= now).count();
            let batch = self.collect(ready, u32::MAX);
            let timed: Vec<_> =
                batch.into_iter().zip(sent..).map(|((account, tx), n)| (account, tx, due(n))).collect();
            sent += timed.len();
            if timed.is_empty() {
                std::thread::sleep(
                    due(sent).min(until).saturating_duration_since(now).max(Duration::from_micros(500)),
                );
            }
            self.submit(timed)?;
        }
        Ok(())
    }

    /// Takes up to `most` transactions, one per account and turn, from accounts with room.
    fn collect(&mut self, most: usize, each: u32) -> Vec<(usize, Signed)> {
        let mut batch = Vec::new();
        let count = self.accounts.len();
        for _ in 0..count {
            if batch.len() >= most {
                break;
            }
            let index = self.cursor % count;
            self.cursor = index + 1;
            let Some(account) = self.accounts.get_mut(index) else { break };
            if self.flight.outstanding(self.first + index) < each {
                batch.extend(account.queue.pop_front().map(|tx| (self.first + index, tx)));
            }
        }
        batch
    }

    fn submit(&mut self, batch: Vec<(usize, Signed, Instant)>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        batch.iter().for_each(|(account, tx, at)| self.flight.depart(Some(*account), tx, *at));
        let batch: Vec<_> = batch.into_iter().map(|(account, tx, _)| (account, tx)).collect();
        match self.pass_on(&batch) {
            Ok(refused) => self.take_back(refused),
            Err(_) => return self.go_elsewhere(),
        }
        Ok(())
    }

    /// Submits a batch through the present door. Gives what the node refused, and why.
    fn pass_on(&mut self, batch: &[(usize, Signed)]) -> Result<Vec<Refused>> {
        let txs: Vec<Signed> = batch.iter().map(|(_, tx)| tx.clone()).collect();
        let answers = self.door.post(&txs)?;
        let refused = batch.iter().zip(answers).filter_map(|((account, tx), answer)| {
            answer.err().map(|reason| Refused { account: *account, tx: tx.clone(), reason })
        });
        Ok(refused.collect())
    }

    /// What was refused is tried again. From the last one on, so that an account's stand in order again.
    fn take_back(&mut self, refused: Vec<Refused>) {
        for Refused { account, tx, reason } in refused.into_iter().rev() {
            if self.flight.leave(&tx.hash).is_none() {
                continue;
            }
            self.flight.refused.fetch_add(1, Ordering::Relaxed);
            lock(&self.flight.refusal).get_or_insert(reason);
            if let Some(account) = self.accounts.get_mut(account - self.first) {
                account.queue.push_front(tx);
            }
        }
    }

    /// The node is gone: whatever it did not pass on is submitted to another one.
    fn go_elsewhere(&mut self) -> Result<()> {
        self.door.next()?;
        let own = self.first..self.first + self.accounts.len();
        let mut refused = Vec::new();
        for batch in self.flight.unconfirmed(own).chunks(BATCH) {
            match self.pass_on(batch) {
                Ok(some) => refused.extend(some),
                Err(_) => return self.go_elsewhere(),
            }
        }
        self.take_back(refused);
        Ok(())
    }
}

/// A transaction that a node did not take.
struct Refused {
    account: usize,
    tx: Signed,
    reason: String,
}

/// A connection to one node, and the others' addresses.
struct Door<'a> {
    agent: ureq::Agent,
    urls: &'a [String],
    at: usize,
    failures: usize,
}

#[derive(Deserialize)]
struct Answer {
    id: usize,
    error: Option<AnswerError>,
}

#[derive(Deserialize)]
struct AnswerError {
    message: String,
}

impl<'a> Door<'a> {
    fn new(urls: &'a [String], at: usize) -> Self {
        let config =
            ureq::Agent::config_builder().timeout_global(Some(ANSWER_TIMEOUT)).http_status_as_error(false);
        Self { agent: config.build().into(), urls, at, failures: 0 }
    }

    fn next(&mut self) -> Result<()> {
        self.at = (self.at + 1) % self.urls.len();
        self.failures += 1;
        if self.failures > 4 * self.urls.len() {
            bail!("no node answers any more");
        }
        Ok(())
    }

    /// Submits a batch. One answer for each: taken, or why not.
    fn post(&mut self, txs: &[Signed]) -> Result<Vec<Result<(), String>>> {
        let Some(url) = self.urls.get(self.at) else { bail!("there is no node {}", self.at) };
        let mut response = self
            .agent
            .post(url)
            .content_type("application/json")
            .send(batch_json(txs))
            .wrap_err_with(|| format!("{url} does not answer"))?;
        let body = response.body_mut().read_to_string()?;
        let answers: Vec<Answer> = serde_json::from_str(&body)
            .wrap_err_with(|| format!("{url} said: {}", body.chars().take(200).collect::<String>()))?;
        let mut results = vec![Ok(()); txs.len()];
        for Answer { id, error } in answers {
            // What a node knows or has in a block already was submitted through another one.
            let error = error.filter(|error| {
                !["already known", "nonce too low"].iter().any(|known| error.message.starts_with(known))
            });
            if let (Some(result), Some(error)) = (results.get_mut(id), error) {
                *result = Err(error.message);
            }
        }
        Ok(results)
    }
}

/// A JSON-RPC batch of `eth_sendRawTransaction`; the ids are the places.
fn batch_json(txs: &[Signed]) -> String {
    let mut body = String::from("[");
    for (id, tx) in txs.iter().enumerate() {
        let comma = if id == 0 { "" } else { "," };
        let raw = hex::encode(&tx.raw);
        // Writing to a string cannot fail.
        let _ = write!(
            body,
            r#"{comma}{{"jsonrpc":"2.0","id":{id},"method":"eth_sendRawTransaction","params":["0x{raw}"]}}"#
        );
    }
    body.push(']');
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tx(seed: u8) -> Signed {
        Signed { hash: B256::repeat_byte(seed), raw: Bytes::from(vec![seed; 3]) }
    }

    #[test]
    fn a_batch_is_json_rpc_with_places_as_ids() {
        let body: serde_json::Value = serde_json::from_str(&batch_json(&[tx(1), tx(2)])).unwrap();
        assert_eq!(body[1]["id"], 1);
        assert_eq!(body[1]["params"][0], "0x020202");
        assert_eq!(batch_json(&[]), "[]");
    }

    #[test]
    fn an_account_has_room_again_once_its_receipt_is_seen() {
        let flight = Flight::new(2);
        let start = Instant::now();
        flight.depart(Some(1), &tx(1), start);
        assert_eq!((flight.outstanding(0), flight.outstanding(1), flight.in_flight()), (0, 1, 1));
        flight.confirm(&tx(1).hash, true, start + Duration::from_millis(7));
        flight.confirm(&tx(9).hash, true, start);
        assert_eq!((flight.outstanding(1), flight.in_flight()), (0, 0));
        let confirmed = flight.take_confirmed();
        assert_eq!(confirmed.len(), 1, "what we did not send is not counted");
        assert_eq!(confirmed[0].latency, Duration::from_millis(7));
    }

    #[test]
    fn what_is_submitted_again_keeps_its_order() {
        let flight = Flight::new(3);
        for seed in [5, 1, 9, 3, 7] {
            flight.depart(Some(1), &tx(seed), Instant::now());
        }
        flight.depart(Some(2), &tx(2), Instant::now());
        flight.depart(None, &tx(4), Instant::now());
        flight.confirm(&tx(9).hash, true, Instant::now());
        let again: Vec<_> = flight.unconfirmed(0..2).into_iter().map(|(_, tx)| tx.raw[0]).collect();
        assert_eq!(again, [5, 1, 3, 7]);
    }

    #[test]
    fn a_failed_receipt_confirms_nothing() {
        let flight = Flight::new(1);
        flight.depart(Some(0), &tx(1), Instant::now());
        flight.confirm(&tx(1).hash, false, Instant::now());
        assert!(flight.take_confirmed().is_empty());
        assert_eq!(flight.failed.load(Ordering::Relaxed), 1);
    }
}
