//! Judging a proposed block: everything that a correct proposer must have done.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use concordat_core::{BlockExecutor, ExecError};
use concordat_types::{
    B256, Block,
    block::{HeaderContext, empty_hash},
    commit::verify_commit,
    validator::ConsensusAddress,
};
use tendermint::{Time, block::Header};

use super::{Executed, InvalidBlock, JudgeError, Ledger, LedgerError, Tip, timed};

/// What besides the block itself its validity depends on.
#[derive(Clone, Copy)]
pub(super) enum Circumstances {
    /// Proposed for the first time, by this round's proposer.
    Fresh {
        /// Who proposes in this round.
        proposer: ConsensusAddress,
        /// This node's clock when it arrived.
        now: Time,
    },
    /// Said to be proposed again: another validator may have made it, some time ago. That is the sender's
    /// word, so a time ahead of ours is refused all the same: it would make every later honest time wrong.
    Again {
        /// This node's clock when it arrived.
        now: Time,
    },
    /// Decided by the network.
    Decided,
}

impl Ledger {
    /// Checks and executes an encoded block for the next height. What is found is kept for the commit.
    pub(super) fn judge(&self, bytes: &Bytes, about: Circumstances) -> Result<Arc<Executed>, JudgeError> {
        let tip = self.tip();
        let limit = tip.next.params.block_max_bytes;
        if bytes.len() as u64 > limit {
            return Err(InvalidBlock::TooLarge { size: bytes.len(), limit }.into());
        }
        let block = self.decoded.decode(bytes).map_err(InvalidBlock::from)?;
        let hash = block.hash();
        check_against_chain(&block, &tip.context(&self.genesis), about)?;
        check_time(&block.header, &tip, about)?;
        // The header commits to the signatures in the last commit, not to what they are said to sign: a block with the
        // hash of one that is known may be another one.
        if let Some(known) = self.remembered(&hash).filter(|known| known.block == block) {
            return Ok(known);
        }
        check_last_commit(&block, &tip, &self.genesis.chain_id)?;
        let executed = timed(&self.metrics.execute_seconds, || self.execute(&tip, block, hash))?;
        self.remember(executed.clone());
        Ok(executed)
    }

    /// Executes a block on top of the tip.
    fn execute(&self, tip: &Tip, block: Arc<Block>, hash: B256) -> Result<Arc<Executed>, JudgeError> {
        let txs = self.verify_transactions(&block)?;
        let env = self.env(tip, block.header.time);
        let reader = self.store.state().map_err(LedgerError::from)?;
        let ours = |error: ExecError| JudgeError::Ledger(error.into());
        let mut executor = BlockExecutor::new(reader, env).map_err(|e| ours(e.into()))?;
        for (index, tx) in txs.iter().enumerate() {
            match executor.execute(tx) {
                Ok(_) => {}
                Err(ExecError::Invalid(reason)) => {
                    return Err(InvalidBlock::Transaction { index, reason: reason.to_string() }.into());
                }
                Err(error) => return Err(ours(error)),
            }
        }
        let outcome = executor.finish().map_err(ours)?;
        Ok(Arc::new(Executed::new(hash, block, outcome, txs)))
    }
}

/// The header is exactly what the chain so far and the block's own content give.
fn check_against_chain(
    block: &Block,
    context: &HeaderContext<'_>,
    about: Circumstances,
) -> Result<(), InvalidBlock> {
    let have = &block.header;
    let proposer = ConsensusAddress::try_from(have.proposer_address.as_bytes())
        .map_err(|_| InvalidBlock::Header("proposer_address is no address".into()))?;
    if context.validators.by_address(&proposer).is_none() {
        return Err(InvalidBlock::Header("proposer_address is no validator of this height".into()));
    }
    if matches!(about, Circumstances::Fresh { proposer: expected, .. } if expected != proposer) {
        return Err(InvalidBlock::Header("proposer_address is not this round's proposer".into()));
    }
    // Decoding has found that the header commits to the content.
    let data_hash = have.data_hash.unwrap_or_else(empty_hash);
    let want = context.header(have.time, proposer, data_hash, block.last_commit.as_ref())?;
    if *have == want { Ok(()) } else { Err(InvalidBlock::Header(differences(have, &want))) }
}

/// Names the fields in which two headers differ.
fn differences(have: &Header, want: &Header) -> String {
    let fields = [
        ("version", have.version == want.version),
        ("chain_id", have.chain_id == want.chain_id),
        ("height", have.height == want.height),
        ("last_block_id", have.last_block_id == want.last_block_id),
        ("last_commit_hash", have.last_commit_hash == want.last_commit_hash),
        ("data_hash", have.data_hash == want.data_hash),
        ("validators_hash", have.validators_hash == want.validators_hash),
        ("next_validators_hash", have.next_validators_hash == want.next_validators_hash),
        ("consensus_hash", have.consensus_hash == want.consensus_hash),
        ("app_hash", have.app_hash == want.app_hash),
        ("last_results_hash", have.last_results_hash == want.last_results_hash),
        ("evidence_hash", have.evidence_hash == want.evidence_hash),
    ];
    let names: Vec<&str> = fields.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
    names.join(", ")
}

/// Time grows with every block; a fresh proposal's time is also close to ours (CometBFT ADR 071), and no
/// proposal's is ahead of it.
fn check_time(header: &Header, tip: &Tip, about: Circumstances) -> Result<(), InvalidBlock> {
    if !header.time.after(tip.time) {
        return Err(InvalidBlock::Time(format!(
            "{} is not after the previous block's {}",
            header.time, tip.time
        )));
    }
    let (now, may_be_old) = match about {
        Circumstances::Fresh { now, .. } => (now, false),
        Circumstances::Again { now } => (now, true),
        Circumstances::Decided => return Ok(()),
    };
    let params = &tip.next.params;
    let precision = Duration::from_millis(params.clock_precision_ms);
    let delay = Duration::from_millis(params.message_delay_ms);
    let earliest = header.time.checked_sub(precision).unwrap_or(header.time);
    let latest = header.time.checked_add(precision + delay).unwrap_or(header.time);
    if now.before(earliest) || (now.after(latest) && !may_be_old) {
        return Err(InvalidBlock::Time(format!(
            "{} is too far from this node's {now}; check both clocks (NTP)",
            header.time
        )));
    }
    Ok(())
}

fn check_last_commit(block: &Block, tip: &Tip, chain_id: &str) -> Result<(), InvalidBlock> {
    match (&block.last_commit, &tip.commit, &tip.last_validators) {
        (None, None, _) => Ok(()),
        (Some(commit), Some(seen), Some(validators)) => {
            verify_commit(commit, chain_id, tip.height, &seen.block_id, validators)?;
            Ok(())
        }
        (Some(_), _, _) => Err(InvalidBlock::Header("the first block carries a commit".into())),
        (None, _, _) => Err(InvalidBlock::Header("the block carries no commit of the one before".into())),
    }
}

#[cfg(test)]
mod tests;
