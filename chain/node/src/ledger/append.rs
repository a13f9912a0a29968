//! Appending blocks that the network decided, one by one, without consensus and without peers: from an archive.

use std::sync::Arc;

use bytes::Bytes;
use concordat_consensus::{Address, ConsensusBlock, DecidedBlock, ProposerOrder, ValidatorSet};
use concordat_types::{
    Block,
    block::{BlockError, block_id},
    commit::{CommitError, verify_commit},
};
use prost::Message as _;
use tendermint::block::Commit;
use tendermint_proto::v0_38::types as pb;

use super::{InvalidBlock, JudgeError, Ledger, LedgerError, Tip, application, judge::Circumstances, version};

/// Why a block is not the next one of the chain.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Not a block.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Not a commit.
    #[error("its commit is malformed: {0}")]
    Malformed(String),
    /// The validators have not signed it.
    #[error("its commit does not hold: {0}")]
    Commit(#[from] CommitError),
    /// It is signed, and breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidBlock),
    /// The ledger failed: no verdict on the block.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Ledger {
    /// Commits the next block, of which nothing is believed: more than two thirds of the validators' power must have signed
    /// it, and it is executed. Tells how many transactions it has.
    pub fn append(&self, block: Bytes, commit: &[u8]) -> Result<u64, AppendError> {
        let tip = self.tip();
        let known = concordat_core::known_protocol_version();
        version::check(&tip.next, tip.next_height(), known)?;
        let decided = self.decided_next(&tip, block, commit)?;
        let judged =
            self.judge(&decided.block.bytes, Circumstances::Decided).map_err(|error| match error {
                JudgeError::Invalid(reason) => AppendError::Invalid(reason),
                JudgeError::Ledger(error) => AppendError::Ledger(error),
            })?;
        self.settle(&decided)?;
        Ok(judged.block.txs.len() as u64)
    }

    /// The block with its commit, as consensus would hand it over.
    fn decided_next(&self, tip: &Tip, bytes: Bytes, commit: &[u8]) -> Result<DecidedBlock, AppendError> {
        let malformed = |error: &dyn std::error::Error| AppendError::Malformed(error.to_string());
        let raw = pb::Commit::decode(commit).map_err(|error| malformed(&error))?;
        let commit = Commit::try_from(raw).map_err(|error| malformed(&error))?;
        let block = Block::decode(&bytes)?;
        let (height, id) = (tip.next_height(), block_id(&block, &bytes)?);
        verify_commit(&commit, &self.genesis.chain_id, height, &id, &tip.validators)?;
        let validators = ValidatorSet::of(&tip.validators, &ProposerOrder::default())
            .map_err(|error| LedgerError::Task(error.to_string()))?;
        let proposer = <[u8; 20]>::try_from(block.header.proposer_address.as_bytes()).unwrap_or_default();
        let block = ConsensusBlock {
            height,
            round: u32::from(commit.round),
            proposer: Address(proposer),
            id: application::block_id(&block, id.part_set_header),
            bytes,
        };
        Ok(DecidedBlock { block: Arc::new(block), commit, validators })
    }
}
