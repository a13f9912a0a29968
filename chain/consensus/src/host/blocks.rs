//! The undecided blocks that this node knows, and what it thinks of them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::SystemTime,
};

use concordat_types::OrgId;

use crate::{
    application::{ConsensusBlock, Verdict},
    context::BlockId,
};

/// Who brought a block: an organisation's validator, or `None` for this node and for decided blocks.
pub type Sender = Option<OrgId>;

/// A known block.
#[derive(Clone, Debug)]
pub struct Known {
    /// The block, as first seen.
    pub block: Arc<ConsensusBlock>,
    /// What the ledger said, once it has.
    pub verdict: Option<Verdict>,
    /// Whether the ledger has it on disk.
    pub stored: bool,
    /// When it arrived as a fresh proposal, by this node's clock. Nobody knows any more if that was before a
    /// restart.
    pub arrived: Option<SystemTime>,
    /// Who brought it.
    sender: Sender,
}

/// The most undecided blocks kept per height and sender. A sender over its quota loses its own blocks, never
/// another's: otherwise one member could fill the space that the honest block needs.
pub const MAX_BLOCKS_PER_SENDER: usize = 8;
/// How far from the present round a block may be proposed to be looked at.
pub const MAX_ROUNDS_AWAY: u32 = 10;

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

    /// Adds a block unless it is known. Where its sender has too many at that height, its worst one goes.
    pub fn insert(&mut self, block: Arc<ConsensusBlock>, verdict: Option<Verdict>, sender: Sender) {
        if self.known.contains_key(&block.id) {
            return;
        }
        let siblings = self
            .known
            .iter()
            .filter(|(_, known)| known.block.height == block.height && known.sender == sender);
        if siblings.clone().count() >= MAX_BLOCKS_PER_SENDER {
            // Valid blocks go last: the engine may ask for them. Those of old rounds go first.
            let worst = siblings
                .min_by_key(|(id, known)| (known.verdict == Some(Verdict::Valid), known.block.round, **id))
                .map(|(id, _)| *id);
            worst.map(|id| self.known.remove(&id));
        }
        self.known.insert(block.id, Known { block, verdict, stored: false, arrived: None, sender });
    }

    /// Adds a block that this node had on disk when it started.
    pub fn restore(&mut self, block: Arc<ConsensusBlock>) {
        let restored = Known { block, verdict: None, stored: true, arrived: None, sender: None };
        self.known.insert(restored.block.id, restored);
    }

    /// Notes the ledger's verdict.
    pub fn judge(&mut self, id: &BlockId, verdict: Verdict) {
        if let Some(known) = self.known.get_mut(id) {
            known.verdict = Some(verdict);
        }
    }

    /// Notes that the block arrived as a fresh proposal. The first time counts.
    pub fn arrived(&mut self, id: &BlockId, at: SystemTime) {
        if let Some(known) = self.known.get_mut(id) {
            known.arrived.get_or_insert(at);
        }
    }

    /// Notes that the block is on disk.
    pub fn mark_stored(&mut self, id: &BlockId) {
        if let Some(known) = self.known.get_mut(id) {
            known.stored = true;
        }
    }

    /// Whether the block is brought to the engine's notice in this round for the first time. `now` is the
    /// present round: rounds far from it do not count, so that what is remembered stays bounded.
    pub fn first_delivery(&mut self, id: &BlockId, round: u32, now: u32) -> bool {
        let near = |round: u32| round.abs_diff(now) <= MAX_ROUNDS_AWAY;
        let known = &self.known;
        self.delivered.retain(|(id, round)| near(*round) && known.contains_key(id));
        near(round) && self.delivered.insert((*id, round))
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
    use std::time::Duration;

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

    fn bank(name: &str) -> Sender {
        Some(name.parse().unwrap())
    }

    #[test]
    fn sender_over_its_quota_loses_its_own_blocks_and_nobody_else_s() {
        let mut blocks = Blocks::default();
        blocks.insert(block(5, 0, 200), None, bank("bank-b"));
        for byte in 0..100 {
            blocks.insert(block(5, u32::from(byte), byte), None, bank("bank-a"));
        }
        assert_eq!(blocks.at(5).len(), MAX_BLOCKS_PER_SENDER + 1);
        assert!(blocks.get(&block(5, 0, 200).id).is_some());
        assert!(blocks.get(&block(5, 99, 99).id).is_some(), "the newest is kept");
    }

    #[test]
    fn valid_blocks_outlive_others_of_their_sender() {
        let mut blocks = Blocks::default();
        blocks.insert(block(5, 0, 0), Some(Verdict::Valid), bank("bank-a"));
        for byte in 1..100 {
            blocks.insert(block(5, u32::from(byte), byte), None, bank("bank-a"));
        }
        assert!(blocks.get(&block(5, 0, 0).id).is_some());
    }

    #[test]
    fn deliveries_are_bounded_to_rounds_near_the_present_one() {
        let mut blocks = Blocks::default();
        blocks.insert(block(5, 0, 0), None, bank("bank-a"));
        let id = block(5, 0, 0).id;
        let delivered = (0..1_000).filter(|round| blocks.first_delivery(&id, *round, 0)).count();
        assert_eq!(delivered as u32, MAX_ROUNDS_AWAY + 1);
        assert!(!blocks.first_delivery(&id, 3, 0), "a second time");
        assert!(blocks.first_delivery(&id, 500, 495), "rounds go on");
        assert!(blocks.delivered.len() <= 1);
    }

    #[test]
    fn block_keeps_the_time_at_which_it_first_arrived_and_has_none_from_before_a_restart() {
        let mut blocks = Blocks::default();
        blocks.restore(block(5, 0, 0));
        blocks.insert(block(5, 0, 1), None, bank("bank-a"));
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        blocks.arrived(&block(5, 0, 1).id, at(7));
        blocks.arrived(&block(5, 0, 1).id, at(9));
        let known = |byte| blocks.get(&block(5, 0, byte).id).map(|known| (known.stored, known.arrived));
        assert_eq!(known(0), Some((true, None)));
        assert_eq!(known(1), Some((false, Some(at(7)))));
    }

    #[test]
    fn decided_heights_are_forgotten() {
        let mut blocks = Blocks::default();
        blocks.insert(block(5, 0, 0), None, None);
        blocks.insert(block(6, 0, 1), None, None);
        blocks.prune(6);
        assert!(blocks.at(5).is_empty());
        assert_eq!(blocks.at(6).len(), 1);
    }

    #[test]
    fn bodies_are_not_printed() {
        let mut blocks = Blocks::default();
        blocks.insert(block(5, 0, 1), None, None);
        let printed = format!("{blocks:?}");
        assert!(!printed.contains("secret") && printed.contains("11 bytes"), "{printed}");
    }
}
