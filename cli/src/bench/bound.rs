//! The bound: what one core needs to check, execute and durably commit the same transfers, with nothing
//! around it. No consensus, network or interface: the crates that the nodes consist of, on real blocks.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{B256, Bytes};
use concordat_core::{BlockEnv, BlockExecutor, BlockOutcome, genesis_state};
use concordat_state::{CommitBatch, GenesisBatch, Store, StoreOptions, ValidatorsFrom};
use concordat_types::{
    Block, Genesis, SignedTx, ValidatorSet, VerifiedTx,
    block::{HeaderContext, block_id, empty_hash},
    receipt::results_hash,
};
use eyre::{Result, bail, eyre};
use serde::Serialize;
use tendermint::{Hash, Time, block::Id};

use super::{
    accounts::{Signed, Workload},
    measure::own_cpu_ns,
    stats::tenth,
};

/// What the commit of four validators takes in the store.
const SEEN_COMMIT: [u8; 640] = [0; 640];

/// Blocks that are not measured: caches and allocators warm up.
const WARM_UP_BLOCKS: usize = 2;

/// Enrolments of one block: their gas limits must fit.
const SETUP_BLOCK: usize = 90;

/// Processor time of one transfer on one core, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UnitCosts {
    /// Decoding it and recovering its sender from the signature.
    pub signature_us: f64,
    /// Executing it.
    pub execution_us: f64,
    /// Committing it: Merkle tree, history, indexes, the write-ahead log, one fsync per block.
    pub commit_us: f64,
}

impl UnitCosts {
    /// Transfers per second of one core that does nothing else.
    pub fn bound_tps(&self) -> f64 {
        let sum = self.signature_us + self.execution_us + self.commit_us;
        if sum > 0.0 { tenth(1e6 / sum) } else { 0.0 }
    }
}

/// Runs `blocks` blocks of `block_txs` transfers, the first ones that the accounts have signed.
pub fn measure(
    genesis: &Genesis,
    workload: &Workload,
    folder: &Path,
    blocks: usize,
    block_txs: usize,
) -> Result<UnitCosts> {
    let mut chain = Chain::start(genesis, folder)?;
    let setup: Vec<&Signed> = workload.enrolments.iter().chain([&workload.deployment]).collect();
    for txs in setup.chunks(SETUP_BLOCK) {
        chain.block(txs)?;
    }
    for txs in workload.grants.chunks(block_txs.max(1)) {
        chain.block(&txs.iter().collect::<Vec<_>>())?;
    }
    let deepest = workload.accounts.iter().map(|account| account.queue.len()).max().unwrap_or(0);
    let rounds = (0..deepest)
        .flat_map(|turn| workload.accounts.iter().filter_map(move |account| account.queue.get(turn)));
    let transfers: Vec<&Signed> = rounds.take((WARM_UP_BLOCKS + blocks) * block_txs).collect();
    let mut measured = 0;
    for (place, txs) in transfers.chunks(block_txs.max(1)).enumerate() {
        if place == WARM_UP_BLOCKS {
            chain.spent = [0; 3];
            measured = 0;
        }
        chain.block(txs)?;
        measured += txs.len();
    }
    let each = |ns: u64| tenth(ns as f64 / 1e3 / measured.max(1) as f64);
    let [signature_us, execution_us, commit_us] = chain.spent.map(each);
    Ok(UnitCosts { signature_us, execution_us, commit_us })
}

/// A chain without consensus.
struct Chain<'a> {
    genesis: &'a Genesis,
    store: Store,
    validators: ValidatorSet,
    last_block_id: Option<Id>,
    last_results_hash: Hash,
    time_secs: u64,
    /// Nanoseconds of processor time: signatures, execution, commits.
    spent: [u64; 3],
}

impl<'a> Chain<'a> {
    fn start(genesis: &'a Genesis, folder: &Path) -> Result<Self> {
        let store = Store::open(folder, &StoreOptions::default())?;
        let state = genesis_state(genesis)?;
        store.init_genesis(&GenesisBatch {
            chain_id: &genesis.chain_id,
            initial_height: 1,
            time_ms: u64::try_from(genesis.genesis_time)?.saturating_mul(1_000),
            changes: &state.changes,
            validators: &[ValidatorsFrom { height: 1, encoded: state.validators.encode() }],
        })?;
        // Certificates are valid from now on, not from the genesis on.
        let time_secs = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let validators = state.validators;
        let last_results_hash = empty_hash();
        Ok(Self {
            genesis,
            store,
            validators,
            last_block_id: None,
            last_results_hash,
            time_secs,
            spent: [0; 3],
        })
    }

    /// Makes a block and commits it. Every transaction must succeed.
    fn block(&mut self, txs: &[&Signed]) -> Result<()> {
        let raws: Vec<Bytes> = txs.iter().map(|tx| tx.raw.clone()).collect();
        let chain_id = self.genesis.evm_chain_id;
        let verified = self.timed(0, |_| {
            let verify = |raw: &Bytes| SignedTx::parse(raw.clone())?.verify(chain_id);
            Ok(raws.iter().map(verify).collect::<Result<Vec<VerifiedTx>, _>>()?)
        })?;
        let (height, state_root) = {
            let tip = self.store.latest().ok_or_else(|| eyre!("the store is empty"))?;
            (tip.height + 1, tip.state_root)
        };
        let outcome = self.timed(1, |chain| chain.execute(height, &verified))?;
        if let Some(failed) = outcome.receipts.iter().find(|receipt| !receipt.outcome.succeeded()) {
            bail!("a transaction of the bound failed: {}", failed.outcome.describe());
        }
        let block = self.assemble(height, state_root, raws)?;
        self.timed(2, |chain| {
            let batch = CommitBatch {
                block: &block,
                block_hash: block.hash(),
                receipts: &outcome.receipts,
                changes: &outcome.changes,
                seen_commit: &SEEN_COMMIT,
                validators: &[],
                notes: &[],
            };
            Ok(chain.store.commit(&batch)?)
        })?;
        self.last_results_hash = results_hash(&outcome.receipts);
        self.last_block_id = Some(block_id(&block, &block.encode())?);
        Ok(())
    }

    fn execute(&self, height: u64, txs: &[VerifiedTx]) -> Result<BlockOutcome> {
        let params = &self.genesis.params;
        let env = BlockEnv {
            chain_id: self.genesis.evm_chain_id,
            height,
            time_secs: self.time_secs,
            gas_limit: params.block_gas_limit,
            protocol_version: params.protocol_version,
        };
        let mut executor = BlockExecutor::new(self.store.state()?, env)?;
        for tx in txs {
            executor.execute(tx)?;
        }
        Ok(executor.finish()?)
    }

    fn assemble(&self, height: u64, app_hash: B256, txs: Vec<Bytes>) -> Result<Block> {
        let context = HeaderContext {
            chain_id: &self.genesis.chain_id,
            height,
            last_block_id: self.last_block_id,
            validators: &self.validators,
            next_validators: &self.validators,
            params: &self.genesis.params,
            app_hash,
            last_results_hash: self.last_results_hash,
        };
        let millis = u32::try_from(height % 1_000)?;
        let time =
            Time::from_unix_timestamp(i64::try_from(self.time_secs + height / 1_000)?, millis * 1_000_000)?;
        let proposer = self.validators.validators().first().ok_or_else(|| eyre!("no validators"))?.address();
        let header = context.header(time, proposer, &txs, None)?;
        Ok(Block { header, txs, last_commit: None })
    }

    fn timed<T>(&mut self, step: usize, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = own_cpu_ns();
        let done = work(self);
        let after = own_cpu_ns();
        if let Some(spent) = self.spent.get_mut(step) {
            *spent += after.saturating_sub(before);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_one_core_doing_all_three() {
        let costs = UnitCosts { signature_us: 30.0, execution_us: 10.0, commit_us: 10.0 };
        assert_eq!(costs.bound_tps(), 20_000.0);
        assert_eq!(UnitCosts::default().bound_tps(), 0.0);
    }
}
