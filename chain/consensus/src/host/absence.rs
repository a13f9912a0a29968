//! Which proposers are away, as far as this node can see.

use std::time::Duration;

use arc_malachitebft_core_types::LinearTimeouts;
use concordat_types::Role;

use super::Host;
use crate::{
    application::NextHeight,
    context::{Height, RoundTimeouts, Validator},
};

/// A peer that has been silent for this long is away: every node sends something each second.
const SILENCE: Duration = Duration::from_millis(1_500);

/// A proposer whose newest block is this far behind is catching up, and will not propose in time.
const BEHIND: u64 = 5;

impl Host {
    /// The timeouts of a height, given who proposes in its first rounds. Once everyone has had a turn,
    /// rounds wait as configured.
    pub(super) fn timeouts(&self, next: &NextHeight) -> RoundTimeouts {
        let peers = self.network.mesh.heard_within(SILENCE);
        let expected = |proposer: &Validator| {
            let org = proposer.org();
            let tip = self.network.progress.tip_of(org);
            let behind = tip.is_some_and(|tip| tip.saturating_add(BEHIND) < next.height);
            let heard = peers.iter().any(|peer| peer.role == Role::Validator && peer.org.as_str() == org);
            self.address == Some(proposer.address()) || (heard && !behind)
        };
        let rounds = 0..u32::try_from(next.validators.validators().len()).unwrap_or(u32::MAX);
        let height = Height(next.height);
        let away: Vec<bool> =
            rounds.map(|round| !expected(next.validators.proposer(height, round))).collect();
        // Everyone has one of these rounds.
        let count = away.iter().filter(|away| **away).count();
        self.network.metrics.validators_away.set(i64::try_from(count).unwrap_or(i64::MAX));
        let propose = self.state().pace.patience(next.timeouts.propose);
        RoundTimeouts::new(LinearTimeouts { propose, ..next.timeouts }, away)
    }
}
