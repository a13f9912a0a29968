//! The bound: what one core needs to check, execute and durably commit the same transfers, with nothing
//! around it. No consensus, network or interface: the crates that the nodes consist of, on real blocks.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use concordat_core::genesis_state;
use concordat_types::Genesis;
use eyre::Result;
use serde::Serialize;

use super::{
    accounts::{Signed, Workload},
    chain::{Chain, Seal, Start},
    stats::tenth,
};

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
    let state = genesis_state(genesis)?;
    // Certificates are valid from now on, not from the genesis on.
    let time_secs = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let start = Start { state: &state.changes, validators: state.validators, time_secs };
    let mut chain = Chain::start(genesis, folder, start, Seal::Blank)?;
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
