//! The undecided blocks that this node knows, and what it thinks of them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    application::{ConsensusBlock, Verdict},
    context::BlockId,
};

/// A known block.
#[derive(Clone, Debug)]
pub struct Known {
    /// The block, as first seen.
    pub block: Arc<ConsensusBlock>,
    /// What the ledger said, once it has.
    pub verdict: Option<Verdict>,
    /// Whether the ledger has it on disk.
    pub stored: bool,
}

/// The most undecided blocks kept per height: a few rounds' worth.
pub const MAX_BLOCKS: usize = 16;
/// The most blocks kept per round: more than one means that its proposer misbehaves.
const MAX_BLOCKS_PER_ROUND: usize = 2;

/// Blocks of the present height and the next.
#[derive(Debug, Default)]
pub struct Blocks {
    known: HashMap<BlockId, Known>,
    /// Which block was brought to the engine's notice in which round.
    delivered: HashSet<(BlockId, u32)>,
}

impl Blocks {
    /// The block with this identity.
    pub fn get(&self, id: &BlockId) -> Option<&Known> {
        self.known.get(id)
    }

    /// The blocks proposed for a height.
    pub fn at(&self, height: u64) -> Vec<Known> {
        self.known.values().filter(|known| known.block.height == height).cloned().collect()
    }

    /// Adds a block unless it is known; `false` if there are too many of its height.
    pub fn insert(&mut self, block: Arc<ConsensusBlock>, verdict: Option<Verdict>) -> bool {
        let siblings = || self.known.values().filter(|known| known.block.height == block.height);
        let full = siblings().count() >= MAX_BLOCKS
            || siblings().filter(|known| known.block.round == block.round).count() >= MAX_BLOCKS_PER_ROUND;
        if full && !self.known.contains_key(&block.id) {
            return false;
        }
        self.known.entry(block.id).or_insert(Known { block, verdict, stored: false });
        true
    }

    /// Notes the ledger's verdict.
    pub fn judge(&mut self, id: &BlockId, verdict: Verdict) {
        if let Some(known) = self.known.get_mut(id) {
            known.verdict = Some(verdict);
        }
    }

    /// Notes that the block is on disk.
    pub fn mark_stored(&mut self, id: &BlockId) {
        if let Some(known) = self.known.get_mut(id) {
            known.stored = true;
        }
    }

    /// Whether the block is brought to the engine's notice in this round for the first time.
    pub fn first_delivery(&mut self, id: &BlockId, round: u32) -> bool {
        self.delivered.len() < 64 * MAX_BLOCKS && self.delivered.insert((*id, round))
    }

    /// Forgets everything below `height`.
    pub fn prune(&mut self, height: u64) {
        self.known.retain(|_, known| known.block.height >= height);
        let known = &self.known;
        self.delivered.retain(|(id, _)| known.contains_key(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Address, BlockTime};

    fn block(height: u64, round: u32, byte: u8) -> Arc<ConsensusBlock> {
        let id =
            BlockId { hash: [byte; 32], parts_total: 1, parts_hash: [0; 32], time: BlockTime::default() };
        Arc::new(ConsensusBlock {
            height,
            round,
            proposer: Address([0; 20]),
            id,
            bytes: bytes::Bytes::from_static(b"secret body"),
        })
    }

    #[test]
    fn number_of_blocks_is_bounded_and_pruned() {
        let mut blocks = Blocks::default();
        let accepted = (0..100).filter(|byte| blocks.insert(block(5, u32::from(*byte), *byte), None)).count();
        assert_eq!(accepted, MAX_BLOCKS);
        assert!(blocks.insert(block(6, 0, 200), None));
        assert!(blocks.first_delivery(&block(5, 0, 0).id, 0));
        assert!(!blocks.first_delivery(&block(5, 0, 0).id, 0));
        blocks.prune(6);
        assert!(blocks.at(5).is_empty());
        assert_eq!(blocks.at(6).len(), 1);
        assert!(blocks.delivered.is_empty());
    }

    #[test]
    fn proposer_gets_two_blocks_per_round_at_most() {
        let mut blocks = Blocks::default();
        let accepted = (0..100).filter(|byte| blocks.insert(block(5, 3, *byte), None)).count();
        assert_eq!(accepted, MAX_BLOCKS_PER_ROUND);
        assert!(blocks.insert(block(5, 4, 200), None));
    }

    #[test]
    fn bodies_are_not_printed() {
        let mut blocks = Blocks::default();
        blocks.insert(block(5, 0, 1), None);
        let printed = format!("{blocks:?}");
        assert!(!printed.contains("secret") && printed.contains("11 bytes"), "{printed}");
    }
}
