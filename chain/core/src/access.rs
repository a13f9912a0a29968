//! What the transactions of a block did to the storage of contracts: whom a rollback would touch.

use std::collections::BTreeMap;

use concordat_types::{Address, B256, StateReader, U256, VerifiedTx};
use revm::state::EvmState;

use crate::{contracts, env::BlockEnv, error::ExecError, executor::BlockExecutor};

/// A slot that a transaction read or wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotAccess {
    /// Whose.
    pub contract: Address,
    /// Which.
    pub slot: U256,
    /// The word before the transaction.
    pub before: U256,
    /// The word after it: the same one where it was only read.
    pub after: U256,
}

/// What a transaction that succeeded did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxAccess {
    /// Its hash.
    pub hash: B256,
    /// The contracts that it made, in the order of addresses.
    pub made: Vec<Address>,
    /// The slots, in the order of contracts and slots.
    pub slots: Vec<SlotAccess>,
}

/// The least that a slot takes as text.
const SLOT_BYTES: usize = 150;

/// Runs a block and tells what those of its transactions did that succeeded: whatever others read, nothing came of it.
/// `reader` is the state before the block, `txs` are all of its transactions. What would take more than `limit_bytes` as
/// text is [`ExecError::TraceTooLarge`].
pub fn block_access<R: StateReader>(
    reader: R,
    env: BlockEnv,
    txs: &[VerifiedTx],
    limit_bytes: usize,
) -> Result<Vec<TxAccess>, ExecError> {
    let mut executor = BlockExecutor::looking_back(reader, env)?.watched();
    let (mut all, mut bytes) = (Vec::new(), 0usize);
    for tx in txs {
        executor.execute(tx)?;
        for access in executor.take_access() {
            bytes = bytes.saturating_add(access.slots.len().saturating_mul(SLOT_BYTES));
            all.push(TxAccess { hash: tx.hash(), ..access });
        }
        if bytes > limit_bytes {
            return Err(ExecError::TraceTooLarge { limit_bytes });
        }
    }
    Ok(all)
}

impl TxAccess {
    /// What the state tells that revm leaves behind a transaction: every slot that was loaded stands in it. Slots in an
    /// access list count as read.
    pub(crate) fn of(state: &EvmState) -> Self {
        let mut slots = BTreeMap::new();
        // What lived within the transaction alone has neither been before nor is after.
        for (contract, account) in state.iter().filter(|(_, account)| !account.is_selfdestructed()) {
            for (slot, word) in &account.storage {
                slots.insert((*contract, *slot), (word.original_value, word.present_value));
            }
        }
        let access = |((contract, slot), (before, after))| SlotAccess { contract, slot, before, after };
        Self {
            hash: B256::ZERO,
            made: contracts::made(state).into_iter().collect(),
            slots: slots.into_iter().map(access).collect(),
        }
    }
}
