//! What peers send: decoded, checked and handed on, in each connection's own task.

use std::{
    collections::HashMap,
    sync::{Arc, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use arc_malachitebft_core_consensus::HIDDEN_LOCK_ROUND;
use arc_malachitebft_core_types::{PolkaCertificate, RoundCertificate};
use arc_malachitebft_engine::network::{NetworkEvent, Status};
use arc_malachitebft_network::Channel as EngineChannel;
use arc_malachitebft_peer::PeerId;
use arc_malachitebft_sync::{Request, Response};
use async_trait::async_trait;
use bytes::Bytes;
use concordat_types::Role;

use super::{Gossip, Network, gate::Place, requests::outbound_id};
use crate::{
    codec::{
        BlockPart, CodecError, ConsensusMessage, SyncMessage, decode_consensus, decode_part, decode_sync,
    },
    context::{Address, ConcordatContext, Height, SignedProposal, SignedVote, ValidatorSet},
    transport::{Channel, MessageHandler, Misbehaviour, PeerIdentity},
};

/// What becomes of a message: handed on, dropped for a reason that is counted, or the peer's end.
enum Refusal {
    Drop(&'static str),
    Disconnect(Misbehaviour),
}

impl From<CodecError> for Refusal {
    fn from(error: CodecError) -> Self {
        Refusal::Disconnect(Misbehaviour::new("malformed", error))
    }
}

fn bad_signature(what: &str) -> Refusal {
    Refusal::Disconnect(Misbehaviour::new("bad_signature", format!("a {what} with a bad signature")))
}

#[async_trait]
impl MessageHandler for Network {
    fn connected(&self, peer: &Arc<PeerIdentity>) {
        let mut ports = self.ports();
        ports.peers.insert(peer.peer_id, Arc::clone(peer));
        ports.emit(&NetworkEvent::PeerConnected(peer.peer_id));
        // Makes the sync actor say where we stand, so that the newcomer knows whom to ask.
        ports.emit(&NetworkEvent::PeerSubscribed(peer.peer_id, EngineChannel::Sync));
    }

    fn disconnected(&self, peer: &Arc<PeerIdentity>) {
        self.progress.note(|claims| claims.gone(&peer.peer_id));
        let lost = self.requests().forget(&peer.peer_id);
        let mut ports = self.ports();
        ports.peers.remove(&peer.peer_id);
        ports.emit(&NetworkEvent::PeerDisconnected(peer.peer_id));
        drop(ports);
        for id in lost {
            self.fail(outbound_id(id), peer.peer_id);
        }
    }

    async fn message(
        &self,
        peer: &Arc<PeerIdentity>,
        channel: Channel,
        message: Bytes,
    ) -> Result<(), Misbehaviour> {
        let outcome = match channel {
            Channel::Control => Ok(()),
            Channel::Consensus => self.consensus(peer, message),
            Channel::Parts => self.part(peer, message).await,
            Channel::Sync => self.sync(peer, message).await,
            Channel::Gossip => self.gossiped(peer, message),
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(Refusal::Drop(reason)) => {
                self.metrics.dropped(reason);
                Ok(())
            }
            Err(Refusal::Disconnect(misbehaviour)) => {
                self.metrics.dropped(misbehaviour.kind);
                Err(misbehaviour)
            }
        }
    }
}

/// How long a height that a peer has decided may take us, before we fetch it.
const STATUS_PATIENCE: Duration = Duration::from_millis(500);

/// Only validators' nodes take part in consensus.
fn require_validator(peer: &PeerIdentity) -> Result<(), Refusal> {
    if peer.role == Role::Validator {
        return Ok(());
    }
    let detail = format!("a consensus message from a node with the role {}", peer.role);
    Err(Refusal::Disconnect(Misbehaviour::new("not_a_validator", detail)))
}

/// Only a round's proposer sends its block. A block that is proposed again may come from others, who know
/// that two thirds accepted it. Nobody sends us a block as `own`: after a restart we would propose it.
pub fn check_proposer(
    set: &ValidatorSet,
    own: Option<Address>,
    org: &str,
    part: &BlockPart,
) -> Result<(), &'static str> {
    if own == Some(part.proposer) {
        return Err("own_block");
    }
    let round = part.round.as_u32().unwrap_or(0);
    let proposer = set.proposer(part.height, round);
    let again = part.valid_round.is_defined() || part.round >= HIDDEN_LOCK_ROUND;
    if proposer.address() == part.proposer && (again || proposer.org() == org) {
        Ok(())
    } else {
        Err("not_the_proposer")
    }
}

impl Network {
    fn consensus(&self, peer: &PeerIdentity, message: Bytes) -> Result<(), Refusal> {
        require_validator(peer)?;
        match decode_consensus(message)? {
            ConsensusMessage::Vote(vote) => self.vote(peer, vote),
            ConsensusMessage::Proposal(proposal) => self.proposal(peer, proposal),
            ConsensusMessage::Polka(polka) => self.polka(peer, polka),
            ConsensusMessage::Round(round) => self.round(peer, round),
        }
    }

    fn place(&self, height: Height) -> Result<(ValidatorSet, bool), Refusal> {
        match self.gate().place(height) {
            Place::Live(set) => Ok((set, true)),
            Place::Late(set) => Ok((set, false)),
            Place::Outside(reason) => Err(Refusal::Drop(reason)),
        }
    }

    fn vote(&self, peer: &PeerIdentity, vote: SignedVote) -> Result<(), Refusal> {
        let (set, live) = self.place(vote.message.height)?;
        self.check_vote(&set, &vote)?;
        let evidence = self.gate().note_vote(&vote);
        self.prove(evidence);
        if live {
            self.progress.note(|claims| claims.signed(vote.message.validator, vote.message.height.0));
            self.emit(&NetworkEvent::Vote(peer.peer_id, vote));
        }
        Ok(())
    }

    fn check_vote(&self, set: &ValidatorSet, vote: &SignedVote) -> Result<(), Refusal> {
        let validator = set.get(&vote.message.validator).ok_or(Refusal::Drop("unknown_validator"))?;
        if self.verifier.vote(&vote.message, &vote.signature, validator.public_key().as_bytes()) {
            Ok(())
        } else {
            Err(bad_signature("vote"))
        }
    }

    fn proposal(&self, peer: &PeerIdentity, proposal: SignedProposal) -> Result<(), Refusal> {
        let message = &proposal.message;
        let (set, live) = self.place(message.height)?;
        let validator = set.get(&message.proposer).ok_or(Refusal::Drop("unknown_validator"))?;
        if !self.verifier.proposal(message, &proposal.signature, validator.public_key().as_bytes()) {
            return Err(bad_signature("proposal"));
        }
        let evidence = self.gate().note_proposal(&proposal);
        self.prove(evidence);
        if live {
            self.progress.note(|claims| claims.signed(message.proposer, message.height.0));
            self.emit(&NetworkEvent::Proposal(peer.peer_id, proposal));
        }
        Ok(())
    }

    fn polka(&self, peer: &PeerIdentity, polka: PolkaCertificate<ConcordatContext>) -> Result<(), Refusal> {
        let votes: Vec<_> = polka.votes(&ConcordatContext).collect();
        self.certificate(polka.height, &votes)?;
        self.emit(&NetworkEvent::PolkaCertificate(peer.peer_id, polka));
        Ok(())
    }

    fn round(&self, peer: &PeerIdentity, round: RoundCertificate<ConcordatContext>) -> Result<(), Refusal> {
        let votes: Vec<_> = round.votes(&ConcordatContext).collect();
        self.certificate(round.height, &votes)?;
        self.emit(&NetworkEvent::RoundCertificate(peer.peer_id, round));
        Ok(())
    }

    /// Checks every vote of a certificate. The engine counts the power.
    fn certificate(&self, height: Height, votes: &[SignedVote]) -> Result<(), Refusal> {
        let (set, live) = self.place(height)?;
        if !live {
            return Err(Refusal::Drop("height_behind"));
        }
        if votes.len() > set.validators().len() {
            return Err(Refusal::Drop("oversized_certificate"));
        }
        for vote in votes {
            self.check_vote(&set, vote)?;
            let evidence = self.gate().note_vote(vote);
            self.prove(evidence);
        }
        self.progress.note(|claims| {
            for vote in votes {
                claims.signed(vote.message.validator, height.0);
            }
        });
        Ok(())
    }

    async fn part(&self, peer: &Arc<PeerIdentity>, message: Bytes) -> Result<(), Refusal> {
        require_validator(peer)?;
        let part = decode_part(message)?;
        let (set, live) = self.place(part.height)?;
        if !live {
            return Err(Refusal::Drop("height_behind"));
        }
        if !set.has_org(peer.org.as_str()) {
            return Err(Refusal::Drop("unknown_validator"));
        }
        check_proposer(&set, self.address, peer.org.as_str(), &part).map_err(Refusal::Drop)?;
        // Others may send a block again, but only one that the round's proposer has signed: the engine keeps
        // few per round, and a stranger's would shut the honest one out.
        let round = part.round.as_u32().unwrap_or(0);
        let from_proposer = set.proposer(part.height, round).org() == peer.org.as_str();
        let signed = || self.gate().proposed(part.height, part.proposer, part.round.as_i64(), &part.block_id);
        if !from_proposer && !signed() {
            return Err(Refusal::Drop("not_proposed"));
        }
        // Waiting here is the back-pressure on this peer.
        self.parts.send((Arc::clone(peer), part)).await.map_err(|_| Refusal::Drop("stopping"))
    }

    /// Passes a peer's status on to the sync actor.
    ///
    /// The actor would at once fetch any block that it has not decided. But a peer that just decided the
    /// height that we are deciding or committing is the normal case: then the status is held back, and
    /// passed on only if we do not get there by ourselves.
    fn status(self: &Arc<Self>, peer: &PeerIdentity, tip: Height, earliest: Height) {
        if peer.role == Role::Validator {
            self.progress.note(|claims| claims.tip(peer.peer_id, peer.org.clone(), tip.0));
        }
        let peer = peer.peer_id;
        let current = self.gate().current();
        let normal = current.is_some_and(|current| tip >= current && tip.0 - current.0 <= 1);
        if !normal || !self.votes_now() {
            self.emit(&NetworkEvent::Status(peer, Status::new(tip, earliest)));
            return;
        }
        let first = self.held().insert(peer, (tip, earliest)).is_none();
        if first {
            tokio::spawn(Self::pass_on_when_stuck(Arc::downgrade(self), peer, current));
        }
    }

    /// Waits until we have decided what the peer has, or have stood still for a while; only then is the
    /// peer's newest status passed on. Moving is not enough to drop it: the peer says each thing once, and
    /// may have said it about a height that we have only just reached.
    async fn pass_on_when_stuck(network: Weak<Self>, peer: PeerId, mut seen: Option<Height>) {
        loop {
            tokio::time::sleep(STATUS_PATIENCE).await;
            let Some(network) = network.upgrade() else { return };
            let current = network.gate().current();
            let mut held = network.held();
            let Some((tip, earliest)) = held.get(&peer).copied() else { return };
            let decided = current.is_some_and(|current| current > tip);
            let stuck = current == seen;
            if decided || stuck {
                held.remove(&peer);
                drop(held);
                if !decided {
                    network.emit(&NetworkEvent::Status(peer, Status::new(tip, earliest)));
                }
                return;
            }
            seen = current;
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<PeerId, (Height, Height)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sync(&self, peer: &PeerIdentity, message: Bytes) -> Result<(), Refusal> {
        match decode_sync(message)? {
            SyncMessage::Status { tip, earliest } => {
                let Some(network) = self.this.upgrade() else { return Ok(()) };
                network.status(peer, tip, earliest);
            }
            SyncMessage::Request { id, request } => self.requested(peer, id, request)?,
            SyncMessage::Response { id, response } => self.responded(peer, id, response).await?,
        }
        Ok(())
    }

    fn requested(
        &self,
        peer: &PeerIdentity,
        id: u64,
        request: Request<ConcordatContext>,
    ) -> Result<(), Refusal> {
        let Request::ValueRequest(wanted) = &request;
        if wanted.range.is_empty() {
            return Err(Refusal::Drop("empty_request"));
        }
        let name = self.requests().received(peer.peer_id, id);
        self.emit(&NetworkEvent::SyncRequest(name, peer.peer_id, request));
        Ok(())
    }

    async fn responded(
        &self,
        peer: &PeerIdentity,
        id: u64,
        response: Response<ConcordatContext>,
    ) -> Result<(), Refusal> {
        if !self.requests().answered(id, &peer.peer_id) {
            return Err(Refusal::Drop("unsolicited_response"));
        }
        let proven = self.prove_decided(&response).await;
        let Response::ValueResponse(values) = &response;
        let expected = values.values.iter().take(proven);
        (self.on_synced)(expected.map(|value| (value.height().0, value.value_bytes.clone())).collect());
        self.emit(&NetworkEvent::SyncResponse(outbound_id(id), peer.peer_id, Some(response)));
        Ok(())
    }

    /// Checks the signatures of all certificates at once, off the async threads. Commits that verify prove how
    /// far the network is: a validator with few connections could not learn it from claims. Gives the number
    /// of blocks, from the first, that are proven to be decided by today's validators.
    async fn prove_decided(&self, response: &Response<ConcordatContext>) -> usize {
        let Response::ValueResponse(values) = response;
        let certificates: Vec<_> = values.values.iter().map(|value| value.certificate.clone()).collect();
        let Some(set) = self.gate().validators().cloned() else { return 0 };
        let verifier = self.verifier.clone();
        let proven = tokio::task::spawn_blocking(move || {
            verifier.warm(&certificates, &set);
            let proven = certificates.iter().take_while(|certificate| verifier.proves(certificate, &set));
            proven.map(|certificate| certificate.height).collect::<Vec<_>>()
        });
        let proven = proven.await.unwrap_or_default();
        if let Some(height) = proven.last() {
            self.progress.note(|claims| claims.proven(height.0));
        }
        proven.len()
    }

    fn gossiped(&self, peer: &Arc<PeerIdentity>, message: Bytes) -> Result<(), Refusal> {
        let gossip = Gossip { from: Arc::clone(peer), message };
        self.gossip.try_send(gossip).map_err(|_| Refusal::Drop("gossip_queue_full"))
    }
}
