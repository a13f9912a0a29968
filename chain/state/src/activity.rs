//! What proves that nothing of anybody's activity is missing: who had a part in each block, and the history of blocks.
//!
//! Activities go with the bodies and receipts that they lead to. Nodes of the history stay, as headers do: some 80 bytes
//! for a block, which prove all that is still there.

use alloy_primitives::B256;
use concordat_types::{
    Receipt,
    activity::{Activity, BlockActivity, Claim, NodeAt, Part, ProvenBlock, ProvenTransaction, merkle},
    block::to_b256,
    receipt::results_hash,
};

use crate::{Store, StoreError, db::Durability, schema::Table};

impl Store {
    /// Who had a part in the block at `height`; `None` where it has no transactions.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] where the block's body is no longer, or on a node that joined from a snapshot never was, kept.
    pub fn activity(&self, height: u64) -> Result<Option<BlockActivity>, StoreError> {
        if !self.is_shown(height) {
            return Ok(None);
        }
        self.refuse_pruned_body(height)?;
        let activity = self.decoded(Table::Activity, height, BlockActivity::decode)?;
        // Pruning may have come in between.
        self.refuse_pruned_body(height)?;
        Ok(activity)
    }

    /// Nodes of the history of blocks.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where one is missing.
    pub fn history_nodes(&self, places: &[NodeAt]) -> Result<Vec<B256>, StoreError> {
        let node = |at: &NodeAt| {
            let bytes = self.db().get(Table::Mountains, at.key())?.unwrap_or_default();
            B256::try_from(bytes.as_slice()).map_err(|_| {
                StoreError::corrupt(
                    "the history of blocks",
                    format!("node {} of level {}", at.index, at.level),
                )
            })
        };
        places.iter().map(node).collect()
    }

    /// The blocks of a claim's chain from the one at `next` on downwards, until the chain leaves the range or what is told
    /// has so many bytes: at least one block, where there is one. Nothing of it need be believed: [`Claim::verify`].
    ///
    /// # Errors
    /// [`StoreError::Pruned`] where the chain leads to a block whose body is no longer kept, [`StoreError::Corrupt`] where
    /// it leads to none in which the subject had a part.
    pub fn prove_activity(
        &self,
        claim: &Claim,
        next: u64,
        most: usize,
    ) -> Result<Vec<ProvenBlock>, StoreError> {
        let (mut blocks, mut height, mut bytes) = (Vec::new(), next, 0usize);
        while height >= claim.from.max(1) && bytes < most {
            let block = self.proven_block(claim, height)?;
            bytes = bytes.saturating_add(size_of(&block));
            height = block.activity.previous.min(height.saturating_sub(1));
            blocks.push(block);
        }
        Ok(blocks)
    }

    fn proven_block(&self, claim: &Claim, height: u64) -> Result<ProvenBlock, StoreError> {
        let corrupt =
            || StoreError::corrupt(format!("the activity of block {height}"), "the subject is not in it");
        let block = self.activity(height)?.ok_or_else(corrupt)?;
        let (activity, activity_place, activity_path) = block.prove(&claim.subject).ok_or_else(corrupt)?;
        let path = claim.peaks.path(block.place).ok_or_else(corrupt)?;
        let transactions = match height <= claim.to {
            true => self.proven_transactions(height, &activity)?,
            false => Vec::new(),
        };
        let BlockActivity { place, record, .. } = block;
        let path = self.history_nodes(&path)?;
        Ok(ProvenBlock { record, place, path, activity, activity_place, activity_path, transactions })
    }

    fn proven_transactions(
        &self,
        height: u64,
        activity: &Activity,
    ) -> Result<Vec<ProvenTransaction>, StoreError> {
        let missing =
            || StoreError::corrupt(format!("block {height}"), "a transaction of an activity is missing");
        let txs = self.block(height)?.ok_or_else(missing)?.txs;
        let receipts = self.receipts(height)?.ok_or_else(missing)?;
        let results = merkle::Tree::new(receipts.iter().map(Receipt::result_leaf).collect());
        let prove = |part: &Part| {
            let index = usize::try_from(part.index).map_err(|_| missing())?;
            let (raw, receipt) = txs.get(index).zip(receipts.get(index)).ok_or_else(missing)?;
            let (raw, receipt) = (raw.clone(), receipt.encode().into());
            Ok(ProvenTransaction { raw, receipt, path: results.path(index) })
        };
        activity.parts.iter().map(prove).collect()
    }

    /// Keeps nodes of the history that were there before the first block that this store has.
    pub fn put_history_nodes(&self, nodes: &[(NodeAt, B256)]) -> Result<(), StoreError> {
        let mut batch = self.db().batch();
        nodes.iter().for_each(|(at, node)| batch.put(Table::Mountains, at.key(), node));
        self.writer()?.write(batch, Durability::Synced)
    }

    /// Whether what is kept of a block's activity belongs to its receipts and to the history.
    pub(crate) fn activity_fits(&self, height: u64, receipts: &[Receipt]) -> Result<bool, StoreError> {
        let Some(BlockActivity { place, record, activities }) = self.activity(height)? else {
            return Ok(true);
        };
        let leaves = activities.iter().map(Activity::leaf).collect();
        let node = self.history_nodes(&[NodeAt { level: 0, index: place }])?;
        Ok(record.height == height
            && record.results_hash == to_b256(results_hash(receipts))
            && record.activity_root == merkle::root(leaves)
            && node == [record.leaf()])
    }
}

/// About how many bytes a block takes in an answer, where bytes stand in hex.
fn size_of(block: &ProvenBlock) -> usize {
    const HASH: usize = 70;
    const FIXED: usize = 600;
    let told = |tx: &ProvenTransaction| {
        let bytes = tx.raw.len().saturating_add(tx.receipt.len()).saturating_mul(2);
        bytes.saturating_add(tx.path.len().saturating_mul(HASH)).saturating_add(HASH)
    };
    let hashes = block.path.len().saturating_add(block.activity_path.len()).saturating_mul(HASH);
    let parts = block.activity.parts.len().saturating_mul(30);
    block
        .transactions
        .iter()
        .map(told)
        .fold(FIXED.saturating_add(hashes).saturating_add(parts), usize::saturating_add)
}
