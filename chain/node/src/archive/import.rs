//! Filling a ledger from an archive: each block's commit is checked, and each block executed.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use concordat_state::{Store, StoreOptions};
use concordat_types::Genesis;
use prometheus::Registry;

use super::{ArchiveError, ChainOf, Folder, Range};
use crate::{
    admission::TxPool,
    ledger::{AppendError, Ledger, LedgerError},
    metrics::NodeMetrics,
    pool::PoolLimits,
};

/// What a step has taken.
#[derive(Clone, Copy, Debug)]
pub struct Imported {
    /// The heights that were taken.
    pub range: Range,
    /// Transactions in them.
    pub transactions: u64,
}

/// Takes an archive's blocks into a ledger, in their order.
pub struct Importer {
    ledger: Ledger,
    folder: Folder,
    chain: ChainOf,
}

impl Importer {
    /// Opens the ledger in a node's data folder, or begins one there by the genesis document, and goes on after its newest
    /// block. No node may run on it meanwhile.
    pub fn open(data: &Path, folder: Folder, genesis: Genesis) -> Result<Self, ArchiveError> {
        let path = data.join("ledger");
        fs::create_dir_all(&path).map_err(ArchiveError::at("create", &path))?;
        let store = Store::open(&path, &StoreOptions::default())?;
        let task = |error: &dyn std::error::Error| LedgerError::Task(error.to_string());
        let metrics = Arc::new(NodeMetrics::register(&Registry::new()).map_err(|error| task(&error))?);
        let (pool, _) = TxPool::new(PoolLimits::default(), store.clone(), &genesis, metrics.clone());
        let chain = ChainOf { chain_id: genesis.chain_id.clone(), genesis: genesis.hash() };
        Ok(Self { ledger: Ledger::open(store, Arc::new(genesis), pool, metrics)?, folder, chain })
    }

    /// The ledger's newest block.
    pub fn height(&self) -> u64 {
        self.ledger.tip().height
    }

    /// Takes the file that has the next block, and tells what it has taken; `None` where no file has it yet. After an error
    /// all blocks before the one that it names stand.
    ///
    /// # Errors
    /// [`ArchiveError::Gap`] where the archive goes on later, and what is wrong with a file or a block of it.
    pub fn step(&self) -> Result<Option<Imported>, ArchiveError> {
        let next = self.height().saturating_add(1);
        let Some(range) = following(&self.folder.ranges()?, next).map_err(|later| ArchiveError::Gap {
            missing: next,
            next: later.first,
            path: self.folder.path_of(&later),
        })?
        else {
            return Ok(None);
        };
        let blocks = self.folder.read(&range, &self.chain)?;
        let mut transactions = 0u64;
        for (height, block) in (blocks.first..).zip(blocks.blocks).filter(|(height, _)| *height >= next) {
            let taken = self.ledger.append(Bytes::from(block.block), &block.commit);
            let taken = taken.map_err(|reason| match reason {
                AppendError::Ledger(error) => ArchiveError::Ledger(error),
                reason => {
                    let (path, reason) = (self.folder.path_of(&range), Box::new(reason));
                    ArchiveError::Refused { height, path, reason }
                }
            })?;
            transactions = transactions.saturating_add(taken);
        }
        Ok(Some(Imported { range: Range { first: next, ..range }, transactions }))
    }
}

/// The file with block `next`; the first one above it, as an error, where there is a gap.
fn following(ranges: &[Range], next: u64) -> Result<Option<Range>, Range> {
    let above = ranges.iter().filter(|range| range.last >= next);
    match above.min_by_key(|range| range.first) {
        None => Ok(None),
        Some(range) if range.first <= next => Ok(Some(*range)),
        Some(range) => Err(*range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_with_the_next_block_is_found_and_a_gap_is_told() {
        let range = |first, last| Range { first, last };
        let ranges = [range(1, 10), range(11, 20), range(31, 40)];
        assert_eq!(following(&ranges, 1), Ok(Some(range(1, 10))));
        assert_eq!(following(&ranges, 15), Ok(Some(range(11, 20))), "in the middle of a file");
        assert_eq!(following(&ranges, 21), Err(range(31, 40)));
        assert_eq!(following(&ranges, 41), Ok(None));
        assert_eq!(following(&[range(1, 10), range(5, 30)], 12), Ok(Some(range(5, 30))), "files may overlap");
        assert_eq!(following(&[], 1), Ok(None));
    }
}
