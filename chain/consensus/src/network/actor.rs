//! What the engine asks of its network. Replaces the engine's libp2p actor.

use arc_malachitebft_core_consensus::{LivenessMsg, SignedConsensusMsg};
use arc_malachitebft_engine::network::{Msg, NetworkEvent, PersistentPeerError, Status};
use arc_malachitebft_peer::PeerId;
use arc_malachitebft_sync::{InboundRequestId, OutboundFailureReason, OutboundRequestId, Request, Response};
use bytes::Bytes;
use concordat_types::Role;

use super::{Network, requests::outbound_id};
use crate::{
    codec::{CodecError, SyncMessage, encode_consensus, encode_liveness, encode_sync},
    context::ConcordatContext,
    signing::is_abstention,
    transport::Channel,
};

impl Network {
    /// Does what the engine asks. Never waits: all queues behind it are bounded and drop.
    pub fn handle(&self, message: Msg<ConcordatContext>) {
        match message {
            Msg::Subscribe(subscriber) => self.ports().subscribe(subscriber),
            Msg::PublishConsensusMsg(message) => self.publish(&message),
            Msg::PublishLivenessMsg(message) => self.publish_liveness(&message),
            Msg::BroadcastStatus(status) => self.broadcast_status(&status),
            Msg::OutgoingRequest(peer, request, reply) => {
                // The engine must know the number before it can hear of a failure.
                let id = self.requests().start(peer);
                let _ = reply.send(outbound_id(id));
                self.request(peer, id, request);
            }
            Msg::CancelRequest(id) => self.requests().cancel(&id),
            Msg::OutgoingResponse(id, response) => self.respond(&id, response),
            Msg::CancelInboundRequest(id) => {
                self.requests().finish(&id);
            }
            Msg::DumpState(reply) => {
                let _ = reply.send(None);
            }
            Msg::UpdatePersistentPeers(_, reply) => {
                let reason = "peers are set in the configuration".to_owned();
                let _ = reply.send(Err(PersistentPeerError::InternalError(reason)));
            }
            // Proposal parts go from the host to the mesh directly, and the host keeps the gate up to date.
            Msg::PublishProposalPart(_)
            | Msg::UpdateValidatorSet(_)
            | Msg::ValidatorProofVerified { .. }
            | Msg::NewEvent(_) => {}
        }
    }

    fn publish(&self, message: &SignedConsensusMsg<ConcordatContext>) {
        if is_abstention(message.signature()) {
            return;
        }
        // Our own messages are noted too: should a copy of our key sign something else, that is evidence.
        let noted = match message {
            SignedConsensusMsg::Vote(vote) => self.gate().note_vote(vote),
            SignedConsensusMsg::Proposal(proposal) => self.gate().note_proposal(proposal),
        };
        self.prove(noted);
        self.to_validators(encode_consensus(message));
    }

    fn publish_liveness(&self, message: &LivenessMsg<ConcordatContext>) {
        let abstention = matches!(message, LivenessMsg::Vote(vote) if is_abstention(&vote.signature));
        if !abstention {
            self.to_validators(encode_liveness(message));
        }
    }

    fn to_validators(&self, encoded: Result<Bytes, CodecError>) {
        match encoded {
            Ok(bytes) => self.mesh.broadcast(Channel::Consensus, &bytes, Some(Role::Validator)),
            Err(error) => tracing::error!(%error, "Consensus message cannot be encoded"),
        }
    }

    fn broadcast_status(&self, status: &Status<ConcordatContext>) {
        let message = SyncMessage::Status { tip: status.tip_height, earliest: status.history_min_height };
        if let Ok(bytes) = encode_sync(&message) {
            self.mesh.broadcast(Channel::Sync, &bytes, None);
        }
    }

    fn request(&self, peer: PeerId, id: u64, request: Request<ConcordatContext>) {
        let sent = encode_sync(&SyncMessage::Request { id, request })
            .is_ok_and(|bytes| self.mesh.send(&peer, Channel::Sync, &bytes));
        if !sent && self.requests().answered(id, &peer) {
            self.fail(outbound_id(id), peer);
        }
    }

    fn respond(&self, id: &InboundRequestId, response: Response<ConcordatContext>) {
        let Some((peer, id)) = self.requests().finish(id) else { return };
        match encode_sync(&SyncMessage::Response { id, response }) {
            Ok(bytes) => {
                self.mesh.send(&peer, Channel::Sync, &bytes);
            }
            Err(error) => tracing::error!(%error, "Sync response cannot be encoded"),
        }
    }

    /// Reports a request of ours that gets no answer.
    pub(super) fn fail(&self, id: OutboundRequestId, peer: PeerId) {
        self.emit(&NetworkEvent::SyncRequestFailed(id, peer, OutboundFailureReason::ConnectionClosed));
    }
}
