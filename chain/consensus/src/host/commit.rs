//! Starting heights and committing decisions.

use std::sync::Arc;

use arc_malachitebft_core_types::HeightParams;
use arc_malachitebft_engine::host::Next;
use ractor::RpcReplyPort;
use tokio::sync::watch;

use super::Host;
use crate::{
    EngineFailure,
    application::{ConsensusBlock, DecidedBlock, NextHeight},
    context::{CommitCertificate, ConcordatContext, Height, ValidatorSet},
    signing::commit_from_certificate,
};

type StartReply = RpcReplyPort<(Height, HeightParams<ConcordatContext>)>;

impl Host {
    fn params(&self, next: &NextHeight) -> HeightParams<ConcordatContext> {
        HeightParams::new(next.validators.clone(), self.timeouts(next), None)
    }

    /// Finds out where the ledger stands, waits for peers, and starts the engine there.
    pub async fn start(self: Arc<Self>, reply: StartReply) {
        let next = match self.app.start().await {
            Ok(next) => next,
            Err(source) => return self.fail(EngineFailure::Start { source }),
        };
        self.follow_precision(&next);
        self.abstain_without_record();
        if let Some(source) = next.blocked.clone() {
            return self.fail(EngineFailure::Start { source });
        }
        match self.app.load_undecided(next.height).await {
            Ok(blocks) => {
                let mut state = self.state();
                for block in blocks {
                    state.blocks.restore(Arc::new(block));
                }
            }
            Err(source) => return self.fail(EngineFailure::Start { source }),
        }
        self.network.advance(&next);
        let _ =
            tokio::time::timeout(self.settings.connect_wait, self.wait_for_quorum(&next.validators)).await;
        self.wait_to_start(next.height).await;
        let _ = reply.send((Height(next.height), self.params(&next)));
    }

    fn follow_precision(&self, next: &NextHeight) {
        if let Some(precision) = next.clock_precision {
            self.state().clock.set_precision(precision);
        }
    }

    /// Waits until validators with more than two thirds of the power are connected, ourselves included.
    async fn wait_for_quorum(&self, set: &ValidatorSet) {
        let own = self.address;
        let enough = |peers: &[Arc<crate::PeerIdentity>]| {
            let present = set.validators().iter().filter(|validator| {
                own == Some(validator.address())
                    || peers.iter().any(|peer| {
                        peer.role == concordat_types::Role::Validator && peer.org.as_str() == validator.org()
                    })
            });
            let power: u64 = present.map(|validator| validator.power()).sum();
            u128::from(power) * 3 > u128::from(set.total_power()) * 2
        };
        self.network.mesh.wait_for_peers(enough).await;
    }

    async fn wait_to_start(&self, height: u64) {
        self.state().waiting = Some(height);
        tokio::select! {
            () = self.app.wait_to_start(height) => {}
            () = self.network.progress.wait_for(height) => {}
        }
        self.state().waiting = None;
    }

    /// Commits a decision. The acknowledgement and [`finalized`](Self::finalized) wait for it.
    pub fn decided(self: &Arc<Self>, certificate: CommitCertificate, reply: RpcReplyPort<()>) {
        let (done, result) = watch::channel(None);
        self.state().commit = Some(result);
        let host = Arc::clone(self);
        self.failure.spawn_critical("the commit of a block", async move {
            let height = certificate.height.0;
            match host.commit(certificate).await {
                Ok(next) => {
                    done.send_replace(Some(next));
                    let _ = reply.send(());
                }
                Err(EngineFailure::Stopping) => {}
                Err(failure) => {
                    tracing::error!(height, "The decision is not committed");
                    host.fail(failure);
                }
            }
        });
    }

    async fn commit(&self, certificate: CommitCertificate) -> Result<NextHeight, EngineFailure> {
        let height = certificate.height.0;
        let validators = self.network.gate().validators().cloned();
        let validators = validators.ok_or_else(|| self.unknown_decision(height))?;
        let block = self.decided_block(&certificate, &validators).await?;
        let inconsistent =
            |error: &dyn std::fmt::Display| EngineFailure::Inconsistent { height, reason: error.to_string() };
        let complete = self.network.gate().complete(certificate.clone(), &validators);
        let commit = commit_from_certificate(&complete, &validators).map_err(|e| inconsistent(&e))?;
        let decided = DecidedBlock { block, commit, validators: validators.clone() };
        let time = certificate.value_id.time;
        let next = {
            let _committing = self.committing.lock().await;
            if *self.stopping.borrow() {
                return Err(EngineFailure::Stopping);
            }
            self.app.commit(decided).await.map_err(|source| EngineFailure::Commit { height, source })?
        };
        self.committed(certificate, validators, &next);
        self.reconsider_abstention(height, time).await;
        Ok(next)
    }

    fn committed(&self, certificate: CommitCertificate, validators: ValidatorSet, next: &NextHeight) {
        let block = certificate.value_id;
        let arrived = {
            let mut state = self.state();
            // Whatever the round was: the time is that of whoever built the block.
            let arrived = state.blocks.get(&block).and_then(|known| known.arrived);
            state.last_decision = Some((certificate, validators));
            state.blocks.prune(next.height);
            arrived
        };
        if let Some(arrived) = arrived {
            self.compare_clock(block.time, arrived.into());
        }
        self.follow_precision(next);
        self.network.metrics.committed.inc();
        self.network.advance(next);
        // The block may have revoked somebody.
        self.network.mesh.recheck_if_changed();
    }

    fn unknown_decision(&self, height: u64) -> EngineFailure {
        EngineFailure::UnknownDecision { height, folder: self.settings.wal_dir.clone() }
    }

    /// The decided block, with the round and the proposer that the decision names.
    async fn decided_block(
        &self,
        certificate: &CommitCertificate,
        validators: &ValidatorSet,
    ) -> Result<Arc<ConsensusBlock>, EngineFailure> {
        let (Height(height), id) = (certificate.height, certificate.value_id);
        let known = self.state().blocks.get(&id).map(|known| Arc::clone(&known.block));
        let block = match known {
            Some(block) => block,
            None => {
                let stored = self.app.load_undecided(height).await;
                let stored = stored.map_err(|source| EngineFailure::Commit { height, source })?;
                let found = stored.into_iter().find(|block| block.id == id);
                Arc::new(found.ok_or_else(|| self.unknown_decision(height))?)
            }
        };
        let round = certificate.round.as_u32().unwrap_or(0);
        let proposer = validators.proposer(certificate.height, round).address();
        if block.round == round && block.proposer == proposer {
            return Ok(block);
        }
        Ok(Arc::new(ConsensusBlock { round, proposer, ..(*block).clone() }))
    }

    /// Starts the next height once the decision is committed and there is a reason to.
    pub async fn finalized(self: Arc<Self>, reply: RpcReplyPort<Next<ConcordatContext>>) {
        let Some(mut commit) = self.state().commit.clone() else { return };
        let next = match commit.wait_for(Option::is_some).await {
            Ok(next) => next.clone(),
            // The commit failed, which has been reported.
            Err(_) => return,
        };
        let Some(next) = next else { return };
        if let Some(source) = next.blocked.clone() {
            return self.fail(EngineFailure::Blocked { height: next.height, source });
        }
        self.wait_to_start(next.height).await;
        let _ = reply.send(Next::Start(Height(next.height), self.params(&next)));
    }
}
