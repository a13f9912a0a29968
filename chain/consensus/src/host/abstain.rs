//! Not voting, as long as nobody knows what this validator's key has signed before.

use super::Host;
use crate::{
    context::BlockTime,
    signing::{Abstention, ConsensusSigner},
};

/// A committed block may be this many heights below what others say they have and still count as the
/// newest: they move on while we commit.
const NEARLY_CAUGHT_UP: u64 = 2;

impl Host {
    /// Begins to abstain if the signer has no record.
    pub fn abstain_without_record(&self) {
        if self.signer.as_ref().is_none_or(|signer| signer.has_record()) {
            return;
        }
        let now = BlockTime::from(self.settings.clock.now());
        let abstention = Abstention::new(now, self.state().clock.precision());
        tracing::warn!(
            until_unix_seconds = abstention.until().seconds,
            "The vote guard is missing, so nobody knows what this validator's key has signed. It abstains until \
             it has committed a block that is later than its start. On a network that has never run, begin \
             the guard with `concordat node guard --never-signed`"
        );
        self.set_abstention(Some(abstention));
    }

    /// Until which block time this validator abstains, if it does.
    pub fn abstains_until(&self) -> Option<BlockTime> {
        self.state().abstention.map(|abstention| abstention.until())
    }

    /// A block was committed: it may show that all further heights are new to this validator's key.
    pub async fn reconsider_abstention(&self, height: u64, block: BlockTime) {
        let Some(signer) = self.signer.as_ref() else { return };
        let Some(mut abstention) = self.state().abstention else { return };
        let now = BlockTime::from(self.settings.clock.now());
        let caught_up = height.saturating_add(NEARLY_CAUGHT_UP) >= self.network.progress.common_tip();
        let ends = abstention.ends(block, now, caught_up);
        self.set_abstention(Some(abstention));
        if ends {
            self.vote_from_now_on(signer.as_ref(), height).await;
        }
    }

    async fn vote_from_now_on(&self, signer: &dyn ConsensusSigner, height: u64) {
        match signer.begin_record(height).await {
            Ok(()) => {
                self.set_abstention(None);
                tracing::info!(height, "A new vote guard is begun; this validator votes above this height");
            }
            // Tried again with the next block.
            Err(error) => tracing::error!(%error, "The vote guard cannot be begun; this validator abstains"),
        }
    }

    fn set_abstention(&self, abstention: Option<Abstention>) {
        let metrics = &self.network.metrics;
        metrics.abstaining.set(i64::from(abstention.is_some()));
        metrics.abstains_until.set(abstention.map_or(0, |abstention| abstention.until().seconds));
        self.state().abstention = abstention;
    }
}
