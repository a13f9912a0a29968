//! The pool's doors: transactions come in from applications and from peers, signatures are checked once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use concordat_core::{BlockEnv, ExecError, TxInvalid};
use concordat_rpc::{PoolStatus, PoolTx, SubmitError};
use concordat_state::{State, Store};
use concordat_types::{
    Address, B256, Bytes, ChainParams, SignedTx, VerifiedTx,
    tx::{GOSSIP_BATCH, TxError, decode_gossip, encode_gossip},
};
use rayon::prelude::*;
use tokio::sync::{Notify, broadcast, mpsc};

use crate::{
    ledger::lock,
    metrics::NodeMetrics,
    pool::{Budget, Pool, PoolLimits},
};

/// Transactions of a message that are checked, and enter the pool, together.
const GOSSIP_STEP: usize = 32;

/// Fewer transactions than these are checked by the thread that has them: to wake others and to wait for them takes longer.
const WORTH_SHARING: usize = 16;

/// The most bytes in one gossip message.
const GOSSIP_BYTES: usize = 512 * 1024;

/// Transactions that wait to be told to the peers; more are told when they are repeated.
const OUTBOX: usize = 16_384;

/// How long transactions are gathered before they are told: many in one message cost the peers far less
/// than many messages, and a block takes longer anyway.
const GATHER: Duration = Duration::from_millis(5);

/// What waits this long is told to the peers again: one of them may have been away.
const REPEAT_AFTER: Duration = Duration::from_secs(2);

/// Followers of pending transactions that are further behind than this miss some.
const PENDING_BUFFERED: usize = 8_192;

/// Bytes of a generation of [`CheckedInBlocks`]: what a busy chain brings in some seconds.
const CHECKED_BYTES: usize = 4 << 20;

/// The pool and its doors.
pub struct TxPool {
    pool: Mutex<Pool>,
    checked_in_blocks: Mutex<CheckedInBlocks>,
    /// What the next block will be executed in, and the state that it starts from.
    next: Mutex<Option<Next>>,
    chain_id: u64,
    store: Store,
    work: Notify,
    pending: broadcast::Sender<Arc<VerifiedTx>>,
    outbox: mpsc::Sender<Arc<VerifiedTx>>,
    metrics: Arc<NodeMetrics>,
}

#[derive(Clone)]
struct Next {
    state: State,
    env: BlockEnv,
}

impl TxPool {
    /// An empty pool, and what it wants told to the peers.
    pub fn new(
        limits: PoolLimits,
        store: Store,
        genesis: &concordat_types::Genesis,
        metrics: Arc<NodeMetrics>,
    ) -> (Arc<Self>, mpsc::Receiver<Arc<VerifiedTx>>) {
        let (outbox, told) = mpsc::channel(OUTBOX);
        let pool = Self {
            pool: Mutex::new(Pool::new(limits)),
            checked_in_blocks: Mutex::default(),
            next: Mutex::new(None),
            chain_id: genesis.evm_chain_id,
            store,
            work: Notify::new(),
            pending: broadcast::Sender::new(PENDING_BUFFERED),
            outbox,
            metrics,
        };
        (Arc::new(pool), told)
    }

    /// Takes a transaction from an application.
    pub fn submit(&self, raw: Bytes) -> Result<B256, SubmitError> {
        self.enter(self.unknown(raw).and_then(|tx| Ok(tx.verify(self.chain_id)?)))
    }

    /// Takes several, in this order; their signatures are checked on all cores.
    pub fn submit_all(&self, raws: Vec<Bytes>) -> Vec<Result<B256, SubmitError>> {
        let unknown: Vec<_> = raws.into_iter().map(|raw| self.unknown(raw)).collect();
        // Nothing but arithmetic: what waited for a lock there could wait for itself.
        let verified: Vec<Result<VerifiedTx, SubmitError>> =
            unknown.into_par_iter().map(|tx| Ok(tx?.verify(self.chain_id)?)).collect();
        verified.into_iter().map(|tx| self.enter(tx)).collect()
    }

    /// What is cheap to find out comes before the signature: the form, and whether we have it already.
    fn unknown(&self, raw: Bytes) -> Result<SignedTx, SubmitError> {
        let tx = SignedTx::parse(raw)?;
        if lock(&self.pool).get(&tx.hash()).is_some() {
            return Err(SubmitError::AlreadyKnown);
        }
        match self.store.tx(&tx.hash()) {
            Ok(None) => Ok(tx),
            Ok(Some(_)) => Err(SubmitError::AlreadyKnown),
            Err(error) => Err(SubmitError::Unavailable(error.to_string())),
        }
    }

    fn enter(&self, verified: Result<VerifiedTx, SubmitError>) -> Result<B256, SubmitError> {
        let result = verified.and_then(|tx| self.insert(Arc::new(tx)));
        self.metrics.submitted(&result);
        let tx = result?;
        let hash = tx.hash();
        // A full outbox is no loss: what waits is told again.
        let _ = self.outbox.try_send(tx);
        Ok(hash)
    }

    /// Asks the state, then the pool.
    fn insert(&self, tx: Arc<VerifiedTx>) -> Result<Arc<VerifiedTx>, SubmitError> {
        let size = loop {
            let Next { state, env } = self.next()?;
            let admission = concordat_core::admission(&state, &tx, &env).map_err(|error| match error {
                ExecError::Invalid(invalid) => SubmitError::Invalid(invalid),
                other => SubmitError::Unavailable(other.to_string()),
            })?;
            let mut pool = lock(&self.pool);
            if pool.knows_later_than(env.height) {
                // A block was committed since the state was read. It may have moved the sender's nonce, and has
                // told the pool already: with the old one the transaction would wait for ever.
                continue;
            }
            pool.insert(tx.clone(), admission.state_nonce, Instant::now())?;
            if admission.orders {
                pool.note_regulator(tx.sender());
            }
            break pool.size();
        };
        self.metrics.pool(size);
        self.work.notify_waiters();
        // Nobody listening is no error.
        let _ = self.pending.send(tx.clone());
        Ok(tx)
    }

    fn next(&self) -> Result<Next, SubmitError> {
        lock(&self.next).clone().ok_or_else(|| SubmitError::Unavailable("the node is starting".into()))
    }

    /// Takes what a peer tells: a list of raw transactions. Wrong ones are counted, not answered. Gives how many
    /// signatures were bad: a node tells only what it has checked, so that is the peer's own doing. Other faults
    /// may come from a different version of the program.
    pub fn receive(&self, message: &[u8]) -> Result<usize, alloy_rlp::Error> {
        let raws = decode_gossip(message)?;
        // Few at a time: what is checked should be in the pool before a block asks for it.
        Ok(raws.chunks(GOSSIP_STEP).map(|some| self.receive_some(some)).sum())
    }

    /// Gives how many signatures were bad.
    fn receive_some(&self, raws: &[Bytes]) -> usize {
        let parsed: Vec<SignedTx> =
            raws.iter().filter_map(|raw| self.or_count(SignedTx::parse(raw.clone()))).collect();
        let verified: Vec<Result<Arc<VerifiedTx>, TxError>> =
            parsed.into_par_iter().filter_map(|tx| self.verify_told(tx)).collect();
        let forged = verified.iter().filter(|tx| matches!(tx, Err(TxError::BadSignature(_)))).count();
        for tx in verified.into_iter().filter_map(|tx| self.or_count(tx)) {
            // Stale, known or out of room: nothing to say to the peer.
            let _ = self.insert(tx);
        }
        forged
    }

    /// Checks what a peer tells; `None` if the pool has it. Asked as late as can be: this work waits for
    /// others, and meanwhile a block may have brought the same transaction.
    fn verify_told(&self, tx: SignedTx) -> Option<Result<Arc<VerifiedTx>, TxError>> {
        if lock(&self.pool).get(&tx.hash()).is_some() {
            return None;
        }
        let checked = lock(&self.checked_in_blocks).get(&tx.hash());
        Some(checked.map_or_else(|| tx.verify(self.chain_id).map(Arc::new), Ok))
    }

    fn or_count<T>(&self, result: Result<T, TxError>) -> Option<T> {
        if result.is_err() {
            self.metrics.gossip_refused.inc();
        }
        result.ok()
    }

    /// Resolves once the next block would find something.
    pub async fn wait_for_work(&self) {
        loop {
            let notified = self.work.notified();
            if lock(&self.pool).has_executable() {
                return;
            }
            notified.await;
        }
    }

    /// Known transactions of a block, by place.
    pub fn lookup(&self, raws: &[Bytes]) -> Vec<Option<Arc<VerifiedTx>>> {
        let hashes: Vec<B256> = raws.iter().map(alloy_primitives::keccak256).collect();
        let pool = lock(&self.pool);
        hashes.iter().map(|hash| pool.get(hash).cloned()).collect()
    }

    /// Checks what [`Self::lookup`] did not know: many on all cores. An error names the place.
    pub fn verify_missing(
        &self,
        raws: &[Bytes],
        mut known: Vec<Option<Arc<VerifiedTx>>>,
    ) -> Result<Vec<Arc<VerifiedTx>>, (usize, TxError)> {
        let places = raws.iter().zip(&mut known).enumerate();
        let missing: Vec<_> = places.filter(|(_, (_, known))| known.is_none()).collect();
        let fill = |(index, (raw, place)): (usize, (&Bytes, &mut Option<Arc<VerifiedTx>>))| {
            let tx = verify(raw, self.chain_id).map_err(|error| (index, error))?;
            Ok(place.insert(tx).clone())
        };
        let newly: Result<Vec<_>, (usize, TxError)> = match missing.len() {
            ..WORTH_SHARING => missing.into_iter().map(fill).collect(),
            _ => missing.into_par_iter().map(fill).collect(),
        };
        let newly = newly?;
        let mut checked = lock(&self.checked_in_blocks);
        newly.into_iter().for_each(|tx| checked.insert(tx));
        drop(checked);
        Ok(known.into_iter().flatten().collect())
    }

    /// What the next block should try.
    pub fn select(&self, budget: Budget) -> Vec<Arc<VerifiedTx>> {
        lock(&self.pool).select(budget)
    }

    /// Drops a transaction that cannot stand in the next block. One that is merely early stays.
    pub fn drop_impossible(&self, tx: &VerifiedTx, reason: &TxInvalid) {
        if matches!(
            reason,
            TxInvalid::NonceTooHigh { .. } | TxInvalid::GasAboveBlock { .. } | TxInvalid::NotYetValid { .. }
        ) {
            return;
        }
        tracing::debug!(hash = %tx.hash(), %reason, "dropped from the pool");
        lock(&self.pool).remove(&tx.hash());
    }

    /// Drops a transaction, whatever it is.
    pub fn remove(&self, hash: &B256) {
        lock(&self.pool).remove(hash);
    }

    /// Follows a committed block: its transactions leave, and the next block's environment is set.
    pub fn block_committed(
        &self,
        next_nonces: &[(Address, u64)],
        (next_height, seconds): (u64, u64),
        params: ChainParams,
    ) {
        self.set_next(next_height, seconds, params);
        let mut pool = lock(&self.pool);
        pool.committed(next_nonces.iter().copied(), next_height);
        let expired = pool.expire(Instant::now());
        let size = pool.size();
        drop(pool);
        self.metrics.pool(size);
        if expired > 0 {
            tracing::info!(expired, "transactions waited too long and were dropped");
        }
    }

    /// Sets what admission is judged by: the state at the tip and the next block's environment.
    pub fn set_next(&self, height: u64, time_secs: u64, params: ChainParams) {
        let env = BlockEnv {
            chain_id: self.chain_id,
            height,
            time_secs,
            params,
            // Admission executes nothing.
            recent_signers: None,
        };
        match self.store.state() {
            Ok(state) => *lock(&self.next) = Some(Next { state, env }),
            Err(error) => {
                tracing::error!(%error, "the pool takes nothing until the state can be read");
                *lock(&self.next) = None;
            }
        }
    }

    /// Follows transactions as they enter.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<VerifiedTx>> {
        self.pending.subscribe()
    }

    /// A waiting transaction.
    pub fn view(&self, hash: &B256) -> Option<PoolTx> {
        lock(&self.pool).view(hash)
    }

    /// A sender's waiting transactions.
    pub fn of_sender(&self, sender: &Address) -> Vec<PoolTx> {
        lock(&self.pool).of_sender(sender)
    }

    /// At most `limit` waiting transactions.
    pub fn content(&self, limit: usize) -> Vec<PoolTx> {
        lock(&self.pool).content(limit)
    }

    /// How full the pool is.
    pub fn status(&self) -> PoolStatus {
        lock(&self.pool).status()
    }

    /// The nonce after a sender's executable transactions.
    pub fn pending_nonce(&self, sender: &Address) -> Option<u64> {
        lock(&self.pool).pending_nonce(sender)
    }

    /// What has waited long enough to be told again.
    fn to_repeat(&self) -> Vec<Arc<VerifiedTx>> {
        let now = Instant::now();
        let Some(then) = now.checked_sub(REPEAT_AFTER) else { return Vec::new() };
        lock(&self.pool).to_repeat(then, now, GOSSIP_BATCH)
    }
}

fn verify(raw: &Bytes, chain_id: u64) -> Result<Arc<VerifiedTx>, TxError> {
    SignedTx::parse(raw.clone())?.verify(chain_id).map(Arc::new)
}

/// Tells the peers what the applications of this node submitted, until the pool is gone.
pub async fn tell_peers(
    pool: Arc<TxPool>,
    mut outbox: mpsc::Receiver<Arc<VerifiedTx>>,
    broadcast: impl Fn(bytes::Bytes),
) {
    let mut repeat = tokio::time::interval(REPEAT_AFTER);
    let mut batch = Vec::with_capacity(GOSSIP_BATCH);
    loop {
        tokio::select! {
            count = outbox.recv_many(&mut batch, GOSSIP_BATCH) => {
                if count == 0 {
                    return;
                }
                tokio::time::sleep(GATHER).await;
                while batch.len() < OUTBOX
                    && let Ok(tx) = outbox.try_recv()
                {
                    batch.push(tx);
                }
            }
            _ = repeat.tick() => batch.extend(pool.to_repeat()),
        }
        encode_batches(&batch).into_iter().for_each(&broadcast);
        batch.clear();
    }
}

/// Transactions that a block made us check before gossip did, so that it need not check them once more.
#[derive(Default)]
struct CheckedInBlocks {
    young: HashMap<B256, Arc<VerifiedTx>>,
    young_bytes: usize,
    old: HashMap<B256, Arc<VerifiedTx>>,
}

impl CheckedInBlocks {
    fn get(&self, hash: &B256) -> Option<Arc<VerifiedTx>> {
        self.young.get(hash).or_else(|| self.old.get(hash)).cloned()
    }

    /// Of two generations, the old one is forgotten when the young one is full.
    fn insert(&mut self, tx: Arc<VerifiedTx>) {
        if self.young_bytes >= CHECKED_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += tx.raw().len() + size_of::<VerifiedTx>();
        self.young.insert(tx.hash(), tx);
    }
}

/// RLP lists of raw transactions, each within the limits of one message.
fn encode_batches(txs: &[Arc<VerifiedTx>]) -> Vec<bytes::Bytes> {
    let mut messages = Vec::new();
    let (mut batch, mut size) = (Vec::new(), 0);
    let mut flush = |batch: &mut Vec<Bytes>| {
        if !batch.is_empty() {
            messages.push(bytes::Bytes::from(encode_gossip(&std::mem::take(batch))));
        }
    };
    for tx in txs {
        if size + tx.raw().len() > GOSSIP_BYTES || batch.len() >= GOSSIP_BATCH {
            flush(&mut batch);
            size = 0;
        }
        size += tx.raw().len();
        batch.push(tx.raw().clone());
    }
    flush(&mut batch);
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::tests::tx;

    #[test]
    fn what_a_block_made_us_check_is_known_for_a_while() {
        let mut checked = CheckedInBlocks::default();
        let txs: Vec<Arc<VerifiedTx>> = (0..5).map(|nonce| tx(1, nonce)).collect();
        let known = |checked: &CheckedInBlocks| -> Vec<bool> {
            txs.iter().map(|tx| checked.get(&tx.hash()).as_ref() == Some(tx)).collect()
        };
        txs.iter().take(2).for_each(|tx| checked.insert(tx.clone()));
        assert_eq!(known(&checked), [true, true, false, false, false]);
        let other = tx(2, 0);
        let fill = |checked: &mut CheckedInBlocks| {
            while checked.young_bytes < CHECKED_BYTES {
                checked.insert(other.clone());
            }
        };
        fill(&mut checked);
        checked.insert(txs[2].clone());
        assert_eq!(known(&checked), [true, true, true, false, false], "the generation before is kept");
        fill(&mut checked);
        checked.insert(other.clone());
        assert_eq!(known(&checked), [false, false, true, false, false], "the one before it is not");
    }
}
