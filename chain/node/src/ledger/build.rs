//! Building a block to propose.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use concordat_core::{BlockExecutor, BlockOutcome, ExecError};
use concordat_types::{
    Block, Bytes, VerifiedTx,
    block::{data_hash, part_set_header},
    validator::ConsensusAddress,
};
use tendermint::{Time, block::Commit};

use super::{Executed, Ledger, LedgerError, Tip, timed};
use crate::pool::Budget;

/// What a header, a commit of the largest set and the protobuf frames may take of a block.
const BLOCK_OVERHEAD_BYTES: usize = 64 * 1024;

/// The most transactions in one block: bounds the time that a proposal takes to travel and execute. What has piled
/// up while a proposer was waited for is taken in several blocks, so that who waited longest waits for one of them.
const BLOCK_TRANSACTIONS: usize = 1_500;

/// A proposal ready to send.
pub(super) struct Built {
    pub(super) executed: Arc<Executed>,
    pub(super) bytes: Vec<u8>,
    pub(super) parts: tendermint::block::parts::Header,
}

impl Ledger {
    /// Builds the next block from the pool. `now` is this node's clock; at `deadline` the block is as full as it
    /// gets.
    pub(super) fn build(
        &self,
        height: u64,
        proposer: ConsensusAddress,
        late_commit: Option<Commit>,
        (now, deadline): (Time, Instant),
    ) -> Result<Built, LedgerError> {
        let tip = self.tip();
        if tip.next_height() != height {
            return Err(LedgerError::NotNext { asked: height, tip: tip.height });
        }
        let time = next_time(&tip, now);
        let (chosen, outcome) = timed(&self.metrics.build_seconds, || self.fill(&tip, time, deadline))?;
        let txs: Vec<Bytes> = chosen.iter().map(|tx| tx.raw().clone()).collect();
        let last_commit = late_commit.or_else(|| tip.commit.clone());
        let context = tip.context(&self.genesis);
        let header = context.header(time, proposer, data_hash(&txs), last_commit.as_ref())?;
        let block = Block { header, txs, last_commit };
        let bytes = block.encode();
        let parts = part_set_header(&bytes)?;
        let executed = Arc::new(Executed::new(block.hash(), Arc::new(block), outcome, chosen));
        self.remember(executed.clone());
        Ok(Built { executed, bytes, parts })
    }

    /// Executes what the pool offers; what turns out impossible at its place leaves the pool.
    fn fill(
        &self,
        tip: &Tip,
        time: Time,
        deadline: Instant,
    ) -> Result<(Vec<Arc<VerifiedTx>>, BlockOutcome), LedgerError> {
        let params = &tip.next.params;
        let bytes = usize::try_from(params.block_max_bytes).unwrap_or(usize::MAX);
        let budget = Budget {
            bytes: bytes.saturating_sub(BLOCK_OVERHEAD_BYTES),
            gas: params.block_gas_limit,
            transactions: BLOCK_TRANSACTIONS,
        };
        let env = self.env(tip, time);
        let mut executor = BlockExecutor::new(self.store.state()?, env).map_err(ExecError::from)?;
        let mut txs = Vec::new();
        for tx in self.pool.select(budget) {
            if Instant::now() >= deadline {
                break;
            }
            match executor.execute(&tx) {
                Ok(_) => txs.push(tx),
                Err(ExecError::Invalid(reason)) => self.pool.drop_impossible(&tx, &reason),
                Err(error @ ExecError::State(_)) => return Err(error.into()),
                Err(error) => {
                    // A fault of ours that this transaction shows. Without it the next round can go on.
                    tracing::error!(hash = %tx.hash(), %error, "dropped a transaction that execution fails on");
                    self.pool.remove(&tx.hash());
                    return Err(error.into());
                }
            }
        }
        Ok((txs, executor.finish()?))
    }
}

/// Our clock, but always later than the block before (CometBFT's proposer-based time).
fn next_time(tip: &Tip, now: Time) -> Time {
    let least = tip.time.checked_add(Duration::from_millis(1)).unwrap_or(tip.time);
    if now.after(least) { now } else { least }
}
