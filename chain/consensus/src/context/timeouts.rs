//! How long each round waits: hardly at all for a proposer that is known to be away.
//!
//! Timeouts are each node's own business (Tendermint is safe whatever they are), so they may follow what
//! only this node sees: its connections.

use std::time::Duration;

use arc_malachitebft_core_types::{LinearTimeouts, Timeout, TimeoutKind, Timeouts};

use super::ConcordatContext;

/// How long the proposal of a proposer that is away is waited for: it may be away from us only.
pub const AWAY_PROPOSE: Duration = Duration::from_millis(40);

/// How long precommits of stragglers are waited for in a round in which no proposal was expected.
pub const AWAY_PRECOMMIT: Duration = Duration::from_millis(20);

/// The timeouts of a height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundTimeouts {
    configured: LinearTimeouts,
    /// Bit `r` is set if the proposer of round `r` is away.
    away: u32,
}

impl RoundTimeouts {
    /// The configured timeouts, shortened in the rounds whose proposers are away. Of `rounds`, one flag per
    /// round, the first 32 count; all later rounds wait as configured, in case this node sees things wrong.
    pub fn new(configured: LinearTimeouts, rounds: impl IntoIterator<Item = bool>) -> Self {
        let bits = (0..u32::BITS).zip(rounds).map(|(round, away)| u32::from(away) << round);
        Self { configured, away: bits.fold(0, |all, bit| all | bit) }
    }

    /// How long to wait.
    pub fn duration_for(&self, timeout: Timeout) -> Duration {
        let configured = self.configured.duration_for(timeout);
        let round = timeout.round.as_u32().unwrap_or(u32::MAX);
        let away = self.away.checked_shr(round).unwrap_or(0) & 1 == 1;
        match timeout.kind {
            TimeoutKind::Propose if away => configured.min(AWAY_PROPOSE),
            TimeoutKind::Precommit if away => configured.min(AWAY_PRECOMMIT),
            _ => configured,
        }
    }
}

impl Timeouts<ConcordatContext> for RoundTimeouts {
    fn duration_for(&self, timeout: Timeout) -> Duration {
        self.duration_for(timeout)
    }
}

#[cfg(test)]
mod tests {
    use arc_malachitebft_core_types::Round;

    use super::*;
    use crate::config::default_timeouts;

    #[test]
    fn only_rounds_of_absent_proposers_are_short() {
        let usual = default_timeouts();
        let timeouts = RoundTimeouts::new(usual, [true, false, true, false]);
        for round in 0..100 {
            let absent = round == 0 || round == 2;
            let at = |kind| Timeout::new(Round::new(round), kind);
            let expect = |kind, short| if absent { short } else { usual.duration_for(at(kind)) };
            for (kind, short) in
                [(TimeoutKind::Propose, AWAY_PROPOSE), (TimeoutKind::Precommit, AWAY_PRECOMMIT)]
            {
                assert_eq!(timeouts.duration_for(at(kind)), expect(kind, short), "{kind:?} of round {round}");
            }
            let prevote = at(TimeoutKind::Prevote);
            assert_eq!(timeouts.duration_for(prevote), usual.duration_for(prevote));
        }
    }

    #[test]
    fn timeouts_that_are_shorter_already_stay() {
        let tiny = LinearTimeouts { propose: Duration::from_millis(1), ..default_timeouts() };
        let timeouts = RoundTimeouts::new(tiny, [true]);
        assert_eq!(timeouts.duration_for(Timeout::propose(Round::new(0))), tiny.propose);
    }
}
