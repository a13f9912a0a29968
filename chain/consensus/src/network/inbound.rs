//! What peers send: decoded, checked and handed on, in each connection's own task.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use arc_malachitebft_core_consensus::HIDDEN_LOCK_ROUND;
use arc_malachitebft_core_types::{PolkaCertificate, Round, RoundCertificate};
use arc_malachitebft_engine::network::{NetworkEvent, Status};
use arc_malachitebft_peer::PeerId;
use arc_malachitebft_sync::{Request, Response};
use async_trait::async_trait;
use bytes::Bytes;
use concordat_types::Role;

use super::{Gossip, Network, evidence::Noted, gate::Place, requests::outbound_id};
use crate::{
    application::SyncedBlock,
    codec::{
        BlockPart, CodecError, ConsensusMessage, SyncMessage, decode_consensus, decode_part, decode_sync,
    },
    context::{Address, ConcordatContext, Height, Proposal, SignedProposal, SignedVote, ValidatorSet, Vote},
    signing::Forged,
    transport::{Channel, MessageHandler, Misbehaviour, PeerIdentity},
};

/// What becomes of a message: handed on, dropped for a reason that is counted, or the peer's end.
enum Refusal {
    Drop(&'static str),
    Disconnect(Misbehaviour),
}

impl From<CodecError> for Refusal {
    fn from(error: CodecError) -> Self {
        Refusal::Disconnect(Misbehaviour::offence("malformed", error))
    }
}

fn bad_signature(what: &str) -> Refusal {
    Refusal::Disconnect(Misbehaviour::offence("bad_signature", format!("a {what} with a bad signature")))
}

#[async_trait]
impl MessageHandler for Network {
    fn connected(&self, peer: &Arc<PeerIdentity>) {
        self.ports().connected(peer.peer_id);
    }

    fn disconnected(&self, peer: &Arc<PeerIdentity>) {
        self.progress.note(|claims| claims.gone(&peer.peer_id));
        let lost = self.requests().forget(&peer.peer_id);
        self.ports().disconnected(peer.peer_id);
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
    Err(Refusal::Disconnect(Misbehaviour::offence("not_a_validator", detail)))
}

/// Only a round's proposer sends its block. A block that is proposed again may come from others, who know
/// that two thirds accepted it. Nobody sends us a block as `own`: after a restart we would propose it.
///
/// Who proposes at a height is only known when the one before is decided. So an `early` block may come from any
/// validator that proposes it itself; whether it was its turn is judged when the height begins.
pub fn check_proposer(
    set: &ValidatorSet,
    early: bool,
    own: Option<Address>,
    org: &str,
    part: &BlockPart,
) -> Result<(), &'static str> {
    if own == Some(part.proposer) {
        return Err("own_block");
    }
    let proposer = set.get(&part.proposer).ok_or("unknown_validator")?;
    let round = part.round.as_u32().unwrap_or(0);
    let turn = early || set.proposer(part.height, round).address() == part.proposer;
    let again = part.valid_round.is_defined() || part.round >= HIDDEN_LOCK_ROUND;
    if turn && (again || proposer.org() == org) { Ok(()) } else { Err("not_the_proposer") }
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

    /// Whom a message of this height is checked against, and whether the engine wants it.
    fn place(&self, height: Height) -> Result<(ValidatorSet, bool), Refusal> {
        match self.gate().place(height) {
            Place::Live(set) | Place::Early(set) => Ok((set, true)),
            Place::Late(set) => Ok((set, false)),
            Place::Outside(reason) => Err(Refusal::Drop(reason)),
        }
    }

    fn vote(&self, peer: &PeerIdentity, vote: SignedVote) -> Result<(), Refusal> {
        let Vote { height, round, validator, .. } = vote.message;
        let (set, live) = self.place(height)?;
        if self.gate().is_idle_talk(&vote.message) {
            return Err(Refusal::Drop("proven_already"));
        }
        self.check_vote(&set, &vote)?;
        let noted = self.gate().note_vote(&vote);
        self.weigh((height, round), live.then_some(validator), noted)?;
        if live {
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
        let Proposal { height, round, proposer, .. } = proposal.message;
        let (set, live) = self.place(height)?;
        let validator = set.get(&proposer).ok_or(Refusal::Drop("unknown_validator"))?;
        let key = validator.public_key().as_bytes();
        if !self.verifier.proposal(&proposal.message, &proposal.signature, key) {
            return Err(bad_signature("proposal"));
        }
        let noted = self.gate().note_proposal(&proposal);
        self.weigh((height, round), live.then_some(proposer), noted)?;
        if live {
            self.emit(&NetworkEvent::Proposal(peer.peer_id, proposal));
        }
        Ok(())
    }

    /// What a verified message means for others than the engine: proof of a conflict, and a claim of its `live`
    /// signer to have started the height. An error if the engine should not get it.
    fn weigh(
        &self,
        (height, round): (Height, Round),
        live: Option<Address>,
        noted: Noted,
    ) -> Result<(), Refusal> {
        let delivers = self.gate().delivers(height, round, &noted);
        self.prove(noted);
        let Some(signer) = live else { return Ok(()) };
        self.progress.signed(signer, height.0);
        delivers.map_err(Refusal::Drop)
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
        // Each signature is another one to check: a member could send its own, made in many ways.
        let signers: HashSet<Address> = votes.iter().map(|vote| vote.message.validator).collect();
        if signers.len() < votes.len() {
            return Err(Refusal::Drop("repeated_signer"));
        }
        for vote in votes {
            self.check_vote(&set, vote)?;
            let noted = self.gate().note_vote(vote);
            self.prove(noted);
            self.progress.signed(vote.message.validator, height.0);
        }
        Ok(())
    }

    async fn part(&self, peer: &Arc<PeerIdentity>, message: Bytes) -> Result<(), Refusal> {
        require_validator(peer)?;
        let part = decode_part(message)?;
        let (set, early) = match self.gate().place(part.height) {
            Place::Live(set) => (set, false),
            Place::Early(set) => (set, true),
            Place::Late(_) => return Err(Refusal::Drop("height_behind")),
            Place::Outside(reason) => return Err(Refusal::Drop(reason)),
        };
        if !set.has_org(peer.org.as_str()) {
            return Err(Refusal::Drop("unknown_validator"));
        }
        check_proposer(&set, early, self.address, peer.org.as_str(), &part).map_err(Refusal::Drop)?;
        // Others may send a block again, but only one that the round's proposer has signed: the engine keeps
        // few per round, and a stranger's would shut the honest one out.
        let proposer = set.get(&part.proposer);
        let from_proposer = proposer.is_some_and(|proposer| proposer.org() == peer.org.as_str());
        let signed = || self.gate().proposed(part.height, part.proposer, part.round, &part.block_id);
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
            self.ports().status(peer, Status::new(tip, earliest));
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
                    network.ports().status(peer, Status::new(tip, earliest));
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
                if earliest.0 > tip.0.saturating_add(1) {
                    let detail = format!("a status whose first block {earliest} comes after its last, {tip}");
                    return Err(Refusal::Disconnect(Misbehaviour::offence("malformed", detail)));
                }
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
        if !self.mesh.reads(&peer.org, Channel::Sync) {
            return Err(Refusal::Drop("slow_reader"));
        }
        let name = self.requests().received(peer, id).map_err(Refusal::Drop)?;
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
        let proven = match self.audit(&response).await {
            Ok(proven) => proven,
            Err(forged) => {
                self.fail(outbound_id(id), peer.peer_id);
                return Err(forged);
            }
        };
        let Response::ValueResponse(values) = &response;
        let decided = values.values.iter().filter(|value| Some(value.height()) <= proven);
        let split = decided.map(|value| (value.height().0, SyncedBlock::split(&value.value_bytes)));
        (self.on_synced)(split.collect());
        self.emit(&NetworkEvent::SyncResponse(outbound_id(id), peer.peer_id, Some(response)));
        Ok(())
    }

    /// Checks the signatures of all certificates at once, off the async threads. Commits that verify prove how
    /// far the network is: a validator with few connections could not learn it from claims. A bad signature is
    /// the peer's fault, since it has checked what it stored. Gives the height up to which the blocks are proven
    /// to be decided by today's validators.
    async fn audit(&self, response: &Response<ConcordatContext>) -> Result<Option<Height>, Refusal> {
        let Response::ValueResponse(values) = response;
        let certificates: Vec<_> = values.values.iter().map(|value| value.certificate.clone()).collect();
        let Some(set) = self.gate().validators().cloned() else { return Ok(None) };
        let verifier = self.verifier.clone();
        let audit = tokio::task::spawn_blocking(move || verifier.audit(&certificates, &set)).await;
        let proven = audit.unwrap_or(Ok(None)).map_err(|Forged| bad_signature("commit"))?;
        if let Some(height) = proven {
            self.progress.note(|claims| claims.proven(height.0));
        }
        Ok(proven)
    }

    fn gossiped(&self, peer: &Arc<PeerIdentity>, message: Bytes) -> Result<(), Refusal> {
        let share = self.gossip_shares.take(&peer.org).ok_or(Refusal::Drop("gossip_share_full"))?;
        let gossip = Gossip { from: Arc::clone(peer), message, _share: share };
        self.gossip.try_send(gossip).map_err(|_| Refusal::Drop("gossip_queue_full"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{BlockId, ProposerOrder, Validator};

    /// Four validators of `bank-0` to `bank-3`; the one at `standby` proposes last.
    fn set(standby: usize) -> ValidatorSet {
        let member = |index: usize| {
            let key = ed25519_zebra::SigningKey::from([index as u8 + 1; 32]);
            let public = ed25519_zebra::VerificationKey::from(&key).into();
            Validator::new(format!("bank-{index}"), public, 1).unwrap()
        };
        let members: Vec<_> = (0..4).map(member).collect();
        let active = members.iter().map(Validator::address);
        let active = active.enumerate().filter(|(index, _)| *index != standby).map(|(_, a)| a).collect();
        ValidatorSet::new(members, &ProposerOrder { active }).unwrap()
    }

    fn part(height: u64, proposer: Address) -> BlockPart {
        let block_id =
            BlockId { hash: [1; 32], parts_total: 1, parts_hash: [0; 32], time: Default::default() };
        BlockPart {
            height: Height(height),
            round: Round::new(0),
            valid_round: Round::Nil,
            proposer,
            block_id,
            total_bytes: 1,
            offset: 0,
            data: Bytes::from_static(b"x"),
        }
    }

    #[test]
    fn early_block_is_taken_though_the_order_of_proposers_changes_with_its_height() {
        let (before, after) = (set(3), set(0));
        // A height whose proposer only its own set knows.
        let proposers = |height| {
            let [old, new] = [&before, &after].map(|set| set.proposer(Height(height), 0).clone());
            (old, new)
        };
        let (height, old, new) = (1..20u64)
            .map(|height| (height, proposers(height).0, proposers(height).1))
            .find(|(_, old, new)| old.address() != new.address())
            .unwrap();
        let from = |validator: &Validator| (validator.org().to_owned(), part(height, validator.address()));

        let (org, rightful) = from(&new);
        assert_eq!(check_proposer(&before, true, None, &org, &rightful), Ok(()));
        let (org, former) = from(&old);
        assert_eq!(check_proposer(&before, true, None, &org, &former), Ok(()), "nobody can tell yet");
        assert_eq!(check_proposer(&before, true, None, "bank-9", &rightful), Err("not_the_proposer"));
        assert_eq!(
            check_proposer(&before, true, None, &org, &part(height, Address([9; 20]))),
            Err("unknown_validator")
        );

        // Once the height has begun, its own set decides; also about what came early.
        assert_eq!(check_proposer(&after, false, None, new.org(), &rightful), Ok(()));
        assert_eq!(check_proposer(&after, false, None, &org, &former), Err("not_the_proposer"));
        let mut gate = super::super::Gate::default();
        gate.advance(Height(height - 1), before, after.clone());
        assert!(!gate.is_turn_of(Height(height), 0, &new.address()), "not known yet");
        gate.advance(Height(height), after.clone(), after);
        assert!(gate.is_turn_of(Height(height), 0, &new.address()));
        assert!(!gate.is_turn_of(Height(height), 0, &old.address()));
    }
}
