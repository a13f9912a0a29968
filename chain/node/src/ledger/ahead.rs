//! Signatures of blocks that are about to be judged, checked while the blocks before them execute.
//!
//! A node that catches up knows dozens of blocks ahead. Two thirds of what a block costs are its
//! transactions' signatures, which depend on nothing that is in the state, so they need not wait for it.
//!
//! Each thread takes a whole block: were a block's transactions shared out among the threads, all would wait at the
//! end of each block for the one that execution has taken its core from.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZero,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use concordat_consensus::SyncedBlock;
use concordat_types::{Bytes, VerifiedTx};

use super::lock;
use crate::workers;

/// A block's transactions, their signatures checked.
type Checked = Vec<Arc<VerifiedTx>>;

/// Work pauses when this many checked transactions wait for their blocks: about 10 MB.
const MOST_READY: usize = 16_384;

/// The most encoded blocks that wait for their turn; more are checked when they are judged.
const MOST_WAITING: usize = 256;

#[derive(Default)]
struct Queue {
    /// Blocks by height.
    waiting: BTreeMap<u64, SyncedBlock>,
    /// The heights that are being checked.
    under_way: BTreeSet<u64>,
    /// Checked transactions by height.
    ready: BTreeMap<u64, Checked>,
    closed: bool,
}

impl Queue {
    fn ready_txs(&self) -> usize {
        self.ready.values().map(Vec::len).sum()
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }

    /// The lowest waiting block, once there is room for what comes of it. `None` at the end.
    fn next(&self) -> Option<(u64, SyncedBlock)> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.closed {
                return None;
            }
            if queue.ready_txs() < MOST_READY
                && let Some((height, block)) = queue.waiting.pop_first()
            {
                queue.under_way.insert(height);
                return Some((height, block));
            }
            queue = self.wait(queue);
        }
    }

    fn done(&self, height: u64, txs: Option<Checked>) {
        let mut queue = lock(&self.queue);
        queue.under_way.remove(&height);
        if let Some(txs) = txs {
            queue.ready.insert(height, txs);
        }
        self.changed.notify_all();
    }
}

/// A block's turn. Whoever waits for it is told when it ends, in whatever way.
struct Turn<'a> {
    shared: &'a Shared,
    height: u64,
    txs: Option<Checked>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.shared.done(self.height, self.txs.take());
    }
}

/// Threads that check signatures ahead. They end with this value.
pub(super) struct Ahead(Arc<Shared>);

impl Ahead {
    /// Starts as many threads. `check` gives the transactions of an encoded block, or nothing if one is wrong:
    /// what is wrong will be said when the block is judged.
    pub(super) fn start(
        threads: NonZero<usize>,
        check: impl Fn(&SyncedBlock) -> Option<Checked> + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let this = Self(Arc::default());
        let check = Arc::new(check);
        for index in 0..threads.get() {
            let (shared, check) = (Arc::clone(&this.0), Arc::clone(&check));
            // Not at the cost of the block that executes: everything waits for that one.
            workers::background(format!("ahead-{index}"), move || {
                while let Some((height, block)) = shared.next() {
                    let mut turn = Turn { shared: &shared, height, txs: None };
                    turn.txs = check(&block);
                }
            })?;
        }
        Ok(this)
    }

    /// Takes encoded blocks that will be judged soon.
    pub(super) fn expect(&self, blocks: Vec<(u64, SyncedBlock)>) {
        let mut queue = lock(&self.0.queue);
        for (height, block) in blocks {
            let known = queue.ready.contains_key(&height) || queue.under_way.contains(&height);
            if !known && queue.waiting.len() < MOST_WAITING {
                queue.waiting.insert(height, block);
            }
        }
        self.0.changed.notify_all();
    }

    /// Whether a block above `height` is at hand.
    pub(super) fn expects_after(&self, height: u64) -> bool {
        let queue = lock(&self.0.queue);
        let last = [queue.waiting.keys().next_back(), queue.ready.keys().next_back(), queue.under_way.last()];
        last.into_iter().flatten().any(|known| *known > height)
    }

    /// The checked transactions of the block at `height`, if these are they; waits for the check to end if
    /// it has begun. What was kept for lower heights is dropped: they have been judged.
    pub(super) fn take(&self, height: u64, raws: &[Bytes]) -> Option<Checked> {
        let mut queue = lock(&self.0.queue);
        while queue.under_way.contains(&height) && !queue.closed {
            queue = self.0.wait(queue);
        }
        queue.waiting = queue.waiting.split_off(&height.saturating_add(1));
        let later = queue.ready.split_off(&height.saturating_add(1));
        let taken = std::mem::replace(&mut queue.ready, later).remove(&height);
        self.0.changed.notify_all();
        drop(queue);
        taken.filter(|txs| txs.len() == raws.len() && txs.iter().zip(raws).all(|(tx, raw)| tx.raw() == raw))
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        lock(&self.0.queue).closed = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::pool::tests::tx;

    const ONE: NonZero<usize> = NonZero::<usize>::MIN;

    fn one(height: u64) -> Vec<(u64, SyncedBlock)> {
        vec![(height, SyncedBlock { bytes: height.to_be_bytes().to_vec().into(), ..SyncedBlock::default() })]
    }

    fn raws(txs: &[Arc<VerifiedTx>]) -> Vec<Bytes> {
        txs.iter().map(|tx| tx.raw().clone()).collect()
    }

    /// So many threads, which check a block of `count` copies of one transaction each time they are told to, and say when
    /// they begin.
    fn stepwise(threads: usize, count: usize) -> (Ahead, mpsc::Receiver<SyncedBlock>, mpsc::Sender<()>) {
        let (begun, begins) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let may_go_on = Mutex::new(may_go_on);
        let check = move |block: &SyncedBlock| {
            begun.send(block.clone()).ok()?;
            lock(&may_go_on).recv().ok()?;
            Some(vec![tx(1, 0); count])
        };
        (Ahead::start(NonZero::new(threads).unwrap(), check).unwrap(), begins, go_on)
    }

    #[test]
    fn checked_transactions_are_given_to_their_block_and_no_other() {
        let (ahead, _begins, go_on) = stepwise(1, 2);
        let txs = vec![tx(1, 0); 2];
        for wanted in [raws(&txs), raws(&[tx(1, 0), tx(2, 0)]), raws(&txs[..1])] {
            ahead.expect(one(5));
            go_on.send(()).unwrap();
            while lock(&ahead.0.queue).ready.is_empty() {
                std::thread::yield_now();
            }
            let taken = ahead.take(5, &wanted);
            assert_eq!(taken.as_ref(), (wanted == raws(&txs)).then_some(&txs));
        }
        assert_eq!(ahead.take(5, &raws(&txs)), None, "given once");
    }

    #[test]
    fn blocks_above_are_known_until_their_turn_has_come() {
        let (ahead, begins, go_on) = stepwise(1, 1);
        assert!(!ahead.expects_after(0));
        ahead.expect([one(5), one(6)].concat());
        begins.recv().unwrap();
        assert!(ahead.expects_after(4) && ahead.expects_after(5));
        assert!(!ahead.expects_after(6));
        go_on.send(()).unwrap();
        begins.recv().unwrap();
        assert_eq!(ahead.take(5, &raws(&[tx(1, 0)])), Some(vec![tx(1, 0)]));
        assert!(ahead.expects_after(5), "it is being checked");
        go_on.send(()).unwrap();
        assert_eq!(ahead.take(6, &raws(&[tx(1, 0)])), Some(vec![tx(1, 0)]));
        assert!(!ahead.expects_after(0), "all were judged");
    }

    #[test]
    fn check_that_has_begun_is_waited_for() {
        let (ahead, begins, go_on) = stepwise(1, 1);
        ahead.expect(one(5));
        begins.recv().unwrap();
        std::thread::scope(|scope| {
            let taking = scope.spawn(|| ahead.take(5, &raws(&[tx(1, 0)])));
            go_on.send(()).unwrap();
            assert_eq!(taking.join().unwrap(), Some(vec![tx(1, 0)]));
        });
    }

    #[test]
    fn each_thread_has_a_block_of_its_own_and_the_lowest_are_first() {
        let (ahead, begins, go_on) = stepwise(2, 1);
        ahead.expect([one(7), one(5), one(6)].concat());
        let mut first = [begins.recv().unwrap(), begins.recv().unwrap()];
        first.sort_by_key(|block| block.bytes.clone());
        assert_eq!(first, [one(5)[0].1.clone(), one(6)[0].1.clone()]);
        (0..3).for_each(|_| go_on.send(()).unwrap());
        assert_eq!(begins.recv().unwrap(), one(7)[0].1);
        for height in 5..=7 {
            assert_eq!(ahead.take(height, &raws(&[tx(1, 0)])), Some(vec![tx(1, 0)]));
        }
    }

    #[test]
    fn block_that_was_judged_before_its_turn_is_not_checked() {
        let (ahead, begins, go_on) = stepwise(1, 1);
        ahead.expect(one(5));
        begins.recv().unwrap();
        ahead.expect([one(6), one(7)].concat());
        assert_eq!(ahead.take(6, &[]), None);
        go_on.send(()).unwrap();
        assert_eq!(begins.recv().unwrap(), one(7)[0].1);
        go_on.send(()).unwrap();
    }

    #[test]
    fn work_pauses_while_too_much_is_ready() {
        let (ahead, begins, go_on) = stepwise(1, MOST_READY);
        ahead.expect([one(5), one(6)].concat());
        assert_eq!(begins.recv().unwrap(), one(5)[0].1);
        go_on.send(()).unwrap();
        go_on.send(()).unwrap();
        assert_eq!(ahead.take(5, &[]), None);
        assert_eq!(begins.recv().unwrap(), one(6)[0].1);
        assert!(lock(&ahead.0.queue).ready_txs() <= MOST_READY);
    }

    #[test]
    fn failed_check_leaves_the_block_to_whoever_judges_it() {
        let ahead = Ahead::start(ONE, |_| None).unwrap();
        ahead.expect(one(5));
        assert_eq!(ahead.take(5, &[]), None);
    }

    #[test]
    #[allow(clippy::panic, reason = "what happens then is what is tested")]
    fn nobody_waits_for_a_check_that_panicked() {
        let (begun, begins) = mpsc::channel();
        let ahead = Ahead::start(ONE, move |_| {
            let _ = begun.send(());
            panic!("in a test")
        });
        let ahead = ahead.unwrap();
        ahead.expect(one(5));
        begins.recv().unwrap();
        assert_eq!(ahead.take(5, &[]), None);
    }
}
