//! Blocks that were decoded lately.
//!
//! One block is looked at several times: when its signatures are checked ahead, when it is identified, when it is
//! judged, and again in the next round. Decoding one, with its hashes, costs as much as a fifth of executing it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use concordat_types::{Block, block::BlockError};

use super::lock;

/// The most bytes of encoded blocks that are remembered: those whose signatures are checked ahead.
const MOST_BYTES: usize = 16 << 20;

/// Encoded blocks and what they decode to, the newest last.
pub(super) struct DecodedBlocks {
    blocks: Mutex<VecDeque<(Bytes, Arc<Block>)>>,
    most_bytes: usize,
}

impl Default for DecodedBlocks {
    fn default() -> Self {
        Self::of_at_most(MOST_BYTES)
    }
}

impl DecodedBlocks {
    fn of_at_most(most_bytes: usize) -> Self {
        Self { blocks: Mutex::default(), most_bytes }
    }

    /// [`Block::decode`], unless these bytes were decoded lately. Whoever asks first does the work, outside of
    /// the lock; two who ask at the same time both do.
    pub(super) fn decode(&self, bytes: &Bytes) -> Result<Arc<Block>, BlockError> {
        if let Some(known) = self.known(bytes) {
            return Ok(known);
        }
        let block = Arc::new(Block::decode(bytes)?);
        let mut blocks = lock(&self.blocks);
        blocks.push_back((bytes.clone(), block.clone()));
        let mut held: usize = blocks.iter().map(|(bytes, _)| bytes.len()).sum();
        while held > self.most_bytes
            && let Some((oldest, _)) = blocks.pop_front()
        {
            held = held.saturating_sub(oldest.len());
        }
        Ok(block)
    }

    fn known(&self, bytes: &Bytes) -> Option<Arc<Block>> {
        let blocks = lock(&self.blocks);
        blocks.iter().find(|(known, _)| known == bytes).map(|(_, block)| block.clone())
    }

    /// Forgets the blocks up to a height: it is decided.
    pub(super) fn forget(&self, height: u64) {
        lock(&self.blocks).retain(|(_, block)| block.height() > height);
    }
}

#[cfg(test)]
mod tests {
    use concordat_types::{
        B256, ChainParams, Validator, ValidatorSet,
        block::{HeaderContext, data_hash, empty_hash},
    };
    use tendermint::Time;

    use super::*;

    fn encoded(height: u64) -> Bytes {
        let key = ed25519_zebra::SigningKey::from([7; 32]);
        let public_key = ed25519_zebra::VerificationKey::from(&key).into();
        let validator = Validator { org: "bank-a".parse().unwrap(), public_key, power: 1 };
        let (set, params) = (ValidatorSet::new(vec![validator]).unwrap(), ChainParams::default());
        let context = HeaderContext {
            chain_id: "test",
            height,
            last_block_id: None,
            validators: &set,
            next_validators: &set,
            params: &params,
            app_hash: B256::ZERO,
            last_results_hash: empty_hash(),
        };
        let proposer = set.validators()[0].address();
        let header = context.header(Time::unix_epoch(), proposer, data_hash(&[]), None).unwrap();
        Block { header, txs: Vec::new(), last_commit: None }.encode().into()
    }

    #[test]
    fn what_was_decoded_is_not_decoded_again_until_its_height_is_decided() {
        let blocks = DecodedBlocks::default();
        let first = blocks.decode(&encoded(5)).unwrap();
        assert!(Arc::ptr_eq(&first, &blocks.decode(&encoded(5)).unwrap()));
        let next = blocks.decode(&encoded(6)).unwrap();
        blocks.forget(5);
        assert!(!Arc::ptr_eq(&first, &blocks.decode(&encoded(5)).unwrap()));
        assert!(Arc::ptr_eq(&next, &blocks.decode(&encoded(6)).unwrap()));
    }

    #[test]
    fn bytes_that_are_no_block_are_an_error_each_time() {
        let blocks = DecodedBlocks::default();
        assert!(blocks.decode(&Bytes::from_static(b"no block")).is_err());
        assert!(blocks.decode(&Bytes::from_static(b"no block")).is_err());
        assert!(lock(&blocks.blocks).is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let each = encoded(1).len();
        let blocks = DecodedBlocks::of_at_most(3 * each);
        for height in 1..=9 {
            blocks.decode(&encoded(height)).unwrap();
        }
        let heights: Vec<u64> = lock(&blocks.blocks).iter().map(|(_, block)| block.height()).collect();
        assert_eq!(heights, [7, 8, 9]);
    }
}
