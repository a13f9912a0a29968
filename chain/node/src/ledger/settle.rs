//! Committing: one atomic, durable write per block, then telling everyone.

use std::sync::{Arc, atomic::Ordering};

use concordat_consensus::DecidedBlock;
use concordat_core::{ORDERS, genesis_state, known_protocol_version};
use concordat_rpc::CommittedBlock;
use concordat_state::{CommitBatch, GenesisBatch, OnDisk, Store, ValidatorsFrom};
use concordat_types::{Block, Genesis, Receipt};
use tendermint::Hash;

use super::{
    Executed, JudgeError, Ledger, LedgerError, Tip, judge::Circumstances, lock, timed, tip::encode_commit,
    version,
};

/// The first block's height.
pub(super) const INITIAL_HEIGHT: u64 = 1;

/// The store's note that holds the hash of the genesis document.
pub(crate) const GENESIS_NOTE: &str = "genesis";

/// Writes the genesis state into an empty store; otherwise makes sure that it is this genesis'.
pub(super) fn start_or_match_genesis(store: &Store, genesis: &Genesis) -> Result<(), LedgerError> {
    let expected = genesis.hash();
    if let Some(stored) = store.chain_id()? {
        let have = store.note(GENESIS_NOTE)?.unwrap_or_default();
        if stored == genesis.chain_id && have == expected.as_slice() {
            return Ok(());
        }
        // A genesis is written after its note, an import before.
        if have.is_empty() {
            return Err(LedgerError::UnfinishedImport);
        }
        let (have, want) = (alloy_primitives::hex::encode_prefixed(have), genesis.chain_id.clone());
        return Err(LedgerError::OtherGenesis { stored, have, want, expected });
    }
    let state = genesis_state(genesis)?;
    let encoded = state.validators.encode();
    note_genesis(store, genesis)?;
    store.init_genesis(&GenesisBatch {
        chain_id: &genesis.chain_id,
        initial_height: INITIAL_HEIGHT,
        time_ms: u64::try_from(genesis.genesis_time).unwrap_or(0).saturating_mul(1_000),
        changes: &state.changes,
        validators: &[ValidatorsFrom { height: INITIAL_HEIGHT, encoded }],
    })?;
    Ok(())
}

/// Binds the store to a genesis document.
pub fn note_genesis(store: &Store, genesis: &Genesis) -> Result<(), LedgerError> {
    Ok(store.put_note(GENESIS_NOTE, genesis.hash().as_slice())?)
}

impl Ledger {
    /// Commits a decided block and moves the tip.
    pub(super) fn settle(&self, decided: &DecidedBlock) -> Result<Arc<Tip>, LedgerError> {
        let executed = self.executed_or_execute(decided)?;
        let Executed { hash, block, outcome, .. } = &*executed;
        let seen_commit = encode_commit(&decided.commit);
        let announced = outcome.validators.clone();
        // CometBFT: what block H decides about validators takes effect at H + 2.
        let validators: Vec<ValidatorsFrom> = announced
            .iter()
            .map(|set| ValidatorsFrom { height: block.height() + 2, encoded: set.encode() })
            .collect();
        let committed = timed(&self.metrics.commit_seconds, || {
            self.store.commit(&CommitBatch {
                block,
                block_hash: *hash,
                receipts: &outcome.receipts,
                changes: &outcome.changes,
                seen_commit: &seen_commit,
                validators: &validators,
                notes: &[],
                history: outcome.history.as_ref(),
                on_disk: self.on_disk(block.height()),
            })
        })?;
        let tip = Arc::new(self.tip().advance(
            block,
            *hash,
            decided.commit.clone(),
            committed.state_root,
            Hash::Sha256(outcome.results_hash.0),
            (announced, outcome.next),
        ));
        self.announce(&executed, tip.clone());
        Ok(tip)
    }

    /// A block that is followed by one which two thirds decided, and a peer sent, can be had again: the disk may
    /// work while the next one executes. This node votes for none before it is up to date, and stores what it
    /// votes for after everything else is on disk.
    fn on_disk(&self, height: u64) -> OnDisk {
        if self.ahead.expects_after(height) { OnDisk::Soon } else { OnDisk::Now }
    }

    fn executed_or_execute(&self, decided: &DecidedBlock) -> Result<Arc<Executed>, LedgerError> {
        if let Some(known) = self.remembered(&decided.block.id.hash.into()) {
            return Ok(known);
        }
        // After a crash, or when catching up: two thirds decided it, so it is valid or we are wrong.
        self.judge(&decided.block.bytes, Circumstances::Decided).map_err(|error| match error {
            JudgeError::Ledger(error) => error,
            JudgeError::Invalid(reason) => {
                LedgerError::DecidedInvalid { height: decided.block.height, reason: reason.to_string() }
            }
        })
    }

    fn announce(&self, executed: &Executed, tip: Arc<Tip>) {
        let Executed { hash, block, outcome, next_nonces } = executed;
        lock(&self.executed).clear();
        if tip.next.upgrade != self.tip().next.upgrade {
            version::tell(&tip.next, known_protocol_version());
        }
        self.metrics.protocol(&tip.next);
        self.decoded.forget(block.height());
        self.metrics.block_committed(block, &outcome.receipts, &tip);
        let seconds = u64::try_from(tip.time.unix_timestamp()).unwrap_or(0);
        self.pool.block_committed(next_nonces, (tip.next_height(), seconds), tip.next.params);
        self.tip.send_replace(tip);
        if !outcome.identity_events.is_empty() || has_order(&outcome.receipts) {
            self.identity_generation.fetch_add(1, Ordering::SeqCst);
        }
        // While nobody listens, as on a node that catches up, no copy is made.
        if self.blocks.receiver_count() > 0 {
            let (block, receipts) = (Block::clone(block), outcome.receipts.clone());
            let _ = self.blocks.send(Arc::new(CommittedBlock { block, hash: *hash, receipts }));
        }
    }
}

/// Whether a regulator's order began or ended: it may shut out who is connected.
fn has_order(receipts: &[Receipt]) -> bool {
    receipts.iter().flat_map(|receipt| &receipt.logs).any(|log| log.address == ORDERS)
}
