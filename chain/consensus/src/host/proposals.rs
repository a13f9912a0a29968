//! Proposing, receiving and judging blocks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_malachitebft_core_consensus::LocallyProposedValue;
use arc_malachitebft_core_types::{Round, Validity};
use bytes::Bytes;
use concordat_types::Role;
use ractor::RpcReplyPort;

use super::{
    Host,
    assembly::{Claim, parts},
    blocks::Known,
};
use crate::{
    EngineFailure,
    application::{AppError, ConsensusBlock, Origin, ProposalRequest, Verdict},
    codec::encode_part,
    context::{Address, BlockId, ConcordatContext, Height},
    signing::commit_from_certificate,
    transport::{Channel, Misbehaviour, PeerIdentity},
};

impl Host {
    /// Builds, sends and stores the block of a round that is ours; then tells the engine.
    pub async fn propose(
        self: Arc<Self>,
        (height, round): (Height, Round),
        timeout: Duration,
        reply: RpcReplyPort<LocallyProposedValue<ConcordatContext>>,
    ) {
        let (Some(address), Some(number)) = (self.address, round.as_u32()) else { return };
        if self.abstains_until().is_some() {
            // Nobody could be told: the proposal would not be signed.
            return;
        }
        let block = match self.own_block(height.0, number, address) {
            Some(block) => block,
            None => match self.build(height, number, address, timeout).await {
                Some(block) => block,
                None => return,
            },
        };
        // The parts travel while the block is written: only the proposal's signature commits us to it.
        self.send_parts(&block, round, Round::Nil, address);
        if let Err(error) = self.store(&block).await {
            tracing::error!(%height, %round, %error, "Own block not stored; not proposing");
            return;
        }
        let _ = reply.send(LocallyProposedValue::new(height, round, block.id));
    }

    /// The block that we proposed in this round before a crash: proposing another one would equivocate.
    fn own_block(&self, height: u64, round: u32, address: Address) -> Option<Arc<ConsensusBlock>> {
        let known = self.state().blocks.at(height);
        known
            .into_iter()
            .map(|known| known.block)
            .find(|block| block.round == round && block.proposer == address)
    }

    async fn build(
        self: &Arc<Self>,
        height: Height,
        round: u32,
        proposer: Address,
        timeout: Duration,
    ) -> Option<Arc<ConsensusBlock>> {
        let last_commit = self.last_commit(height);
        let request = ProposalRequest { height: height.0, round, proposer, timeout, last_commit };
        let proposed = match self.app.propose(request).await {
            Ok(proposed) => proposed,
            Err(error) => {
                tracing::error!(%height, round, %error, "No block to propose; this round is lost");
                return None;
            }
        };
        if proposed.bytes.len() > self.settings.max_block_bytes || proposed.bytes.is_empty() {
            let (got, max) = (proposed.bytes.len(), self.settings.max_block_bytes);
            tracing::error!(%height, round, got, max, "The built block has an impossible size; this round is lost");
            return None;
        }
        let block =
            ConsensusBlock { height: height.0, round, proposer, id: proposed.id, bytes: proposed.bytes };
        let block = Arc::new(block);
        self.state().blocks.insert(Arc::clone(&block), Some(Verdict::Valid), None);
        Some(block)
    }

    /// The commit of the height before, with the precommits that arrived since.
    fn last_commit(&self, height: Height) -> Option<tendermint::block::Commit> {
        let (certificate, validators) = self.state().last_decision.clone()?;
        if certificate.height.0.checked_add(1) != Some(height.0) {
            return None;
        }
        let certificate = self.network.gate().complete(certificate, &validators);
        commit_from_certificate(&certificate, &validators).ok()
    }

    fn send_parts(&self, block: &ConsensusBlock, round: Round, valid_round: Round, proposer: Address) {
        let claim = Claim {
            height: Height(block.height),
            round,
            valid_round,
            proposer,
            block_id: block.id,
            total_bytes: block.bytes.len() as u64,
        };
        for part in parts(claim, block.bytes.clone()) {
            match encode_part(&part) {
                Ok(bytes) => self.network.mesh.broadcast(Channel::Parts, &bytes, Some(Role::Validator)),
                Err(error) => tracing::error!(%error, "Block part cannot be encoded"),
            }
        }
    }

    /// Sends a known block again, for a later round.
    pub fn restream(&self, round: Round, valid_round: Round, proposer: Address, id: &BlockId) {
        let known = self.state().blocks.get(id).cloned();
        match known {
            Some(Known { block, .. }) => self.send_parts(&block, round, valid_round, proposer),
            None => tracing::warn!(%id, "Asked to send a block again that is not known"),
        }
    }

    /// If the claimed block is known, judges it for the claimed round at once; the parts are not needed.
    pub fn propose_known(self: &Arc<Self>, claim: Claim) -> bool {
        let known = self.state().blocks.get(&claim.block_id).cloned();
        let Some(known) = known.filter(|known| known.block.height == claim.height.0) else { return false };
        self.consider(claim, known.block);
        true
    }

    /// Takes a block from a peer: checks that it is what it claims to be, stores and judges it.
    pub async fn received(self: Arc<Self>, peer: Arc<PeerIdentity>, claim: Claim, bytes: Bytes) {
        let arrived = self.settings.clock.now();
        let identified = self.identify(bytes.clone()).await;
        if identified.as_ref() != Ok(&claim.block_id) {
            self.network.metrics.block_rejected("not_as_claimed");
            let detail = match identified {
                Ok(id) => format!("sent block {id} as {}", claim.block_id),
                Err(error) => format!("sent bytes that are no block: {error}"),
            };
            self.network.mesh.disconnect(&peer.peer_id, Misbehaviour::offence("bad_block", detail));
            return;
        }
        let Some(round) = claim.round.as_u32() else { return };
        let Claim { height: Height(height), proposer, block_id: id, .. } = claim;
        let block = Arc::new(ConsensusBlock { height, round, proposer, id, bytes });
        {
            let blocks = &mut self.state().blocks;
            blocks.insert(Arc::clone(&block), None, Some(peer.org.clone()));
            if !claim.valid_round.is_defined() {
                blocks.arrived(&id, arrived);
            }
        }
        self.consider(claim, block);
    }

    /// Judges a block, unless its height has not started: then that happens when it does. Early blocks stay
    /// in memory only: nobody has voted for them, and a disk would be an invitation to fill it.
    fn consider(self: &Arc<Self>, claim: Claim, block: Arc<ConsensusBlock>) {
        let Some(round) = claim.round.as_u32() else { return };
        let turn = self.network.gate().is_turn_of(claim.height, round, &claim.proposer);
        let mut state = self.state();
        let (live, now) = (state.position.height == claim.height.0, state.position.round);
        if live && !turn {
            // It came before anybody knew whose turn it would be.
            self.network.metrics.dropped("not_the_proposer");
            return;
        }
        if live && state.blocks.first_delivery(&claim.block_id, round, now) {
            let host = Arc::clone(self);
            let proposed = ConsensusBlock { round, proposer: claim.proposer, ..(*block).clone() };
            self.spawn(host.judge(Arc::new(proposed), claim.valid_round));
        }
    }

    /// Judges what arrived before its height began, or was left from before a restart.
    pub fn consider_early(self: &Arc<Self>, height: u64) {
        let known = self.state().blocks.at(height);
        for Known { block, .. } in known {
            let claim = Claim {
                height: Height(height),
                round: Round::new(block.round),
                valid_round: Round::Nil,
                proposer: block.proposer,
                block_id: block.id,
                total_bytes: block.bytes.len() as u64,
            };
            self.consider(claim, block);
        }
    }

    async fn judge(self: Arc<Self>, block: Arc<ConsensusBlock>, valid_round: Round) {
        // What came before its height began here is as old as it was then, however long we waited. And what we
        // may have voted for before a restart is not invalid because it is old now.
        let arrived = self.state().blocks.get(&block.id).and_then(|known| known.arrived);
        let origin = match arrived.filter(|_| !valid_round.is_defined()) {
            Some(received_at) => Origin::Proposal { received_at },
            None => Origin::Reproposal { received_at: self.settings.clock.now() },
        };
        // The engine's log only holds the id, so it must not hear of a block that is not on disk.
        let (stored, verdict) = tokio::join!(self.store(&block), self.verdict(&block, origin));
        if let Err(error) = stored {
            tracing::error!(?block, %error, "Block not stored; not voting for it");
            return;
        }
        self.note_pace(&block);
        let validity = match &verdict {
            Verdict::Valid => Validity::Valid,
            Verdict::Invalid { reason } => {
                tracing::warn!(?block, proposer = %block.proposer, reason, "Proposed block is invalid");
                self.network.metrics.block_rejected("invalid");
                Validity::Invalid
            }
            Verdict::Undecidable { reason } => {
                tracing::error!(?block, reason, "Proposed block could not be judged; not voting for it");
                self.network.metrics.blocks_undecidable.inc();
                return;
            }
        };
        self.deliver(&block, valid_round, validity);
    }

    /// Notes how long a round's proposal took until it could be voted on.
    fn note_pace(&self, block: &ConsensusBlock) {
        let mut state = self.state();
        let began = state.began.get(&block.round).copied().filter(|_| state.position.height == block.height);
        if let Some(began) = began {
            state.pace.judged(began, Instant::now());
        }
    }

    /// Makes a block durable, unless it is.
    pub(super) async fn store(&self, block: &Arc<ConsensusBlock>) -> Result<(), AppError> {
        if self.state().blocks.get(&block.id).is_some_and(|known| known.stored) {
            return Ok(());
        }
        // A node that cannot write must not go on as if it could: it would neither vote nor say why.
        let fail = |source: &AppError| {
            self.fail(EngineFailure::Keep { height: block.height, source: source.clone() });
        };
        self.app.store_undecided(Arc::clone(block)).await.inspect_err(fail)?;
        self.state().blocks.mark_stored(&block.id);
        Ok(())
    }

    /// The ledger's verdict; a block once found valid stays so. That is safe whatever the origin was: they
    /// differ only in whether an old time is refused, and an old time harms nobody.
    pub(super) async fn verdict(&self, block: &Arc<ConsensusBlock>, origin: Origin) -> Verdict {
        let before = self.state().blocks.get(&block.id).and_then(|known| known.verdict.clone());
        if before == Some(Verdict::Valid) {
            return Verdict::Valid;
        }
        let verdict = self.app.validate(Arc::clone(block), origin).await;
        if !matches!(verdict, Verdict::Undecidable { .. }) {
            self.state().blocks.judge(&block.id, verdict.clone());
        }
        verdict
    }
}
