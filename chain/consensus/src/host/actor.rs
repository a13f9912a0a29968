//! What the engine asks of its host.

use std::{sync::Arc, time::Instant};

use arc_malachitebft_core_consensus::VoteExtensionError;
use arc_malachitebft_engine::host::HostMsg;

use super::{Host, Position};
use crate::context::{ConcordatContext, Height};

impl Host {
    /// Starts a task for whatever takes time; never waits.
    pub fn handle(self: &Arc<Self>, message: HostMsg<ConcordatContext>) {
        let host = Arc::clone(self);
        match message {
            HostMsg::ConsensusReady { reply_to } => {
                self.spawn(host.start(reply_to));
            }
            HostMsg::StartedRound { height, round, proposer, reply_to, .. } => {
                // The engine waits for this reply; verdicts follow as messages.
                let _ = reply_to.send(Vec::new());
                let round = round.as_u32().unwrap_or(0);
                host.started(Position { height: height.0, round, proposer: Some(proposer) });
            }
            HostMsg::GetValue { height, round, timeout, reply_to } => {
                self.spawn(host.propose((height, round), timeout, reply_to));
            }
            HostMsg::RestreamValue { round, valid_round, address, value_id, .. } => {
                host.restream(round, valid_round, address, &value_id);
            }
            HostMsg::GetHistoryMinHeight { reply_to } => {
                self.spawn(async move {
                    let _ = reply_to.send(Height(host.app.earliest_height().await));
                });
            }
            HostMsg::Decided { certificate, reply_to, .. } => host.decided(certificate, reply_to),
            HostMsg::Finalized { reply_to, .. } => {
                self.spawn(host.finalized(reply_to));
            }
            HostMsg::GetDecidedValues { range, reply_to } => {
                self.spawn(host.serve(range, reply_to));
            }
            HostMsg::ProcessSyncedValue { height, round, proposer, value_bytes, reply_to } => {
                self.spawn(host.synced((height, round), proposer, value_bytes, reply_to));
            }
            HostMsg::ExtendVote { reply_to, .. } => {
                let _ = reply_to.send(None);
            }
            HostMsg::VerifyVoteExtensions { extensions, reply_to, .. } => {
                let refuse = |address| (address, Err(VoteExtensionError::InvalidVoteExtension));
                let _ = reply_to.send(extensions.into_iter().map(|(address, _)| refuse(address)).collect());
            }
            // Block parts come from the mesh directly, see `assembly`.
            HostMsg::ReceivedProposalPart { .. } => {}
        }
    }

    fn started(self: &Arc<Self>, position: Position) {
        let height = position.height;
        self.network.gate().enter_round(Height(height), position.round);
        self.network.metrics.height.set(i64::try_from(height).unwrap_or(i64::MAX));
        self.network.metrics.round.set(i64::from(position.round));
        let new_height = {
            let mut state = self.state();
            let new_height = state.position.height != height;
            if new_height {
                state.began.clear();
            }
            state.began.insert(position.round, Instant::now());
            state.position = position;
            new_height
        };
        if new_height {
            self.consider_early(height);
        }
    }
}
