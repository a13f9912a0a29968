//! Sync: serving decided blocks, and taking them.

use std::{ops::RangeInclusive, sync::Arc};

use arc_malachitebft_core_types::{Round, Validity};
use arc_malachitebft_engine::host::SyncedValueOutcome;
use arc_malachitebft_sync::RawDecidedValue;
use bytes::Bytes;
use ractor::RpcReplyPort;

use super::{Host, proposed_value};
use crate::{
    application::{AppError, ConsensusBlock, Origin, SyncedBlock, Verdict},
    context::{Address, ConcordatContext, Height},
    signing::certificate_from_commit,
};

impl Host {
    /// Answers with as many blocks of the range, from its start, as there are and fit into a response.
    ///
    /// Few answers are made at a time: each may take megabytes. Nobody waits any more for one that was given up
    /// while it waited for its turn.
    pub async fn serve(
        self: Arc<Self>,
        range: RangeInclusive<Height>,
        reply: RpcReplyPort<Vec<RawDecidedValue<ConcordatContext>>>,
    ) {
        let Ok(_turn) = self.serving.acquire().await else { return };
        if reply.is_closed() {
            return;
        }
        let _ = reply.send(self.stored_range(range).await);
    }

    async fn stored_range(&self, range: RangeInclusive<Height>) -> Vec<RawDecidedValue<ConcordatContext>> {
        let mut values = Vec::new();
        let mut total = 0usize;
        for height in range.start().0..=range.end().0 {
            let value = match self.stored(height).await {
                Ok(Some(value)) => value,
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(height, error, "Stored block cannot be served");
                    break;
                }
            };
            total = total.saturating_add(value.value_bytes.len());
            if total > self.settings.max_response_bytes && !values.is_empty() {
                break;
            }
            values.push(value);
        }
        values
    }

    async fn stored(&self, height: u64) -> Result<Option<RawDecidedValue<ConcordatContext>>, String> {
        let stored = self.app.decided(height).await.map_err(|error| error.to_string())?;
        let Some(stored) = stored else { return Ok(None) };
        let certificate = certificate_from_commit(&stored.commit).map_err(|error| error.to_string())?;
        Ok(Some(RawDecidedValue::new(stored.block.join(), certificate)))
    }

    /// Judges a block that a peer says was decided. The engine has checked the certificate.
    pub async fn synced(
        self: Arc<Self>,
        (height, round): (Height, Round),
        proposer: Address,
        joined: Bytes,
        reply: RpcReplyPort<SyncedValueOutcome<ConcordatContext>>,
    ) {
        let SyncedBlock { bytes, .. } = SyncedBlock::split(&joined);
        let outcome = self.judge_synced(height, round, proposer, bytes).await;
        let _ = reply.send(outcome);
    }

    async fn judge_synced(
        self: &Arc<Self>,
        height: Height,
        round: Round,
        proposer: Address,
        bytes: Bytes,
    ) -> SyncedValueOutcome<ConcordatContext> {
        if bytes.len() > self.settings.max_block_bytes {
            return SyncedValueOutcome::PeerFault;
        }
        let Ok(id) = self.identify(bytes.clone()).await else { return SyncedValueOutcome::PeerFault };
        let Some(number) = round.as_u32() else { return SyncedValueOutcome::PeerFault };
        let block = Arc::new(ConsensusBlock { height: height.0, round: number, proposer, id, bytes });
        self.state().blocks.insert(Arc::clone(&block), None, None);
        // Both take a while, and neither needs the other.
        let (stored, verdict) =
            tokio::join!(self.store_if_voting(&block), self.verdict(&block, Origin::Synced));
        if let Err(error) = stored {
            tracing::error!(%height, %error, "Synced block not stored");
            return SyncedValueOutcome::LocalTransientError;
        }
        let validity = match verdict {
            Verdict::Valid => Validity::Valid,
            Verdict::Undecidable { reason } => {
                tracing::error!(%height, reason, "Synced block could not be judged; trying again");
                self.network.metrics.blocks_undecidable.inc();
                return SyncedValueOutcome::LocalTransientError;
            }
            Verdict::Invalid { reason } => {
                tracing::error!(
                    %height, reason,
                    "The network decided a block that this node finds invalid: is its software the network's version?"
                );
                self.network.metrics.block_rejected("decided_but_invalid");
                Validity::Invalid
            }
        };
        SyncedValueOutcome::Verdict(proposed_value(&block, Round::Nil, validity))
    }

    /// A validator's log will name the block after a crash, so it must be there.
    async fn store_if_voting(&self, block: &Arc<ConsensusBlock>) -> Result<(), AppError> {
        if self.network.votes_now() { self.store(block).await } else { Ok(()) }
    }
}
