//! Peers that break the protocol again and again are kept away for a while.
//!
//! Only what a peer itself must have done wrong counts: an honest node checks every signature before it passes
//! a message on, so it can never be blamed for another's. No ban lasts for ever, since a bug on either side can
//! look like malice.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use arc_malachitebft_peer::PeerId;

use crate::config::BanLimits;

#[derive(Debug, Default)]
struct Record {
    /// The offences of the last window that have not led to a ban.
    recent: VecDeque<Instant>,
    /// How many bans there were.
    bans: u32,
    until: Option<Instant>,
}

/// Who is kept away, and who is about to be.
#[derive(Debug)]
pub struct Bans {
    limits: BanLimits,
    peers: HashMap<PeerId, Record>,
}

impl Bans {
    /// Nobody is banned.
    pub fn new(limits: BanLimits) -> Self {
        Self { limits, peers: HashMap::new() }
    }

    /// Notes an offence. Gives for how long the peer is banned, if this was one too many.
    pub fn offence(&mut self, peer: PeerId, now: Instant) -> Option<Duration> {
        self.forgive(now);
        let BanLimits { offences, window, first, longest, .. } = self.limits;
        let record = self.peers.entry(peer).or_default();
        record.recent.retain(|at| now.saturating_duration_since(*at) < window);
        record.recent.push_back(now);
        if record.recent.len() < offences.max(1) {
            return None;
        }
        let ban = first.saturating_mul(1 << record.bans.min(20)).min(longest);
        *record =
            Record { recent: VecDeque::new(), bans: record.bans.saturating_add(1), until: Some(now + ban) };
        Some(ban)
    }

    /// For how long the peer is still banned.
    pub fn remaining(&self, peer: &PeerId, now: Instant) -> Option<Duration> {
        let until = self.peers.get(peer)?.until?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Forgets whoever has kept quiet for long enough. Peers are authorised nodes, so that there are few.
    fn forgive(&mut self, now: Instant) {
        let forgiven_after = self.limits.forgiven_after;
        self.peers.retain(|_, record| {
            let last = record.recent.back().copied().max(record.until);
            last.is_some_and(|last| now.saturating_duration_since(last) < forgiven_after)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::peer_id_of_spki;

    const SECOND: Duration = Duration::from_secs(1);

    fn bans() -> Bans {
        Bans::new(BanLimits {
            offences: 3,
            window: 10 * SECOND,
            first: 5 * SECOND,
            longest: 30 * SECOND,
            forgiven_after: 100 * SECOND,
        })
    }

    /// Offends until it is banned, at one moment.
    fn offend(bans: &mut Bans, peer: PeerId, now: Instant) -> Duration {
        (0..3).find_map(|_| bans.offence(peer, now)).unwrap()
    }

    #[test]
    fn peer_is_banned_after_so_many_offences_within_the_window_and_for_a_while_only() {
        let (mut bans, start) = (bans(), Instant::now());
        let (peer, other) = (peer_id_of_spki(b"peer"), peer_id_of_spki(b"other"));
        assert_eq!(bans.offence(peer, start), None);
        assert_eq!(bans.offence(peer, start + SECOND), None);
        assert_eq!(bans.remaining(&peer, start + SECOND), None);
        assert_eq!(bans.offence(peer, start + 2 * SECOND), Some(5 * SECOND));
        assert_eq!(bans.remaining(&peer, start + 4 * SECOND), Some(3 * SECOND));
        assert_eq!(bans.remaining(&other, start + 4 * SECOND), None);
        assert_eq!(bans.remaining(&peer, start + 7 * SECOND), None);
    }

    #[test]
    fn rare_offences_never_ban() {
        let (mut bans, start) = (bans(), Instant::now());
        let peer = peer_id_of_spki(b"peer");
        assert!((0..100).all(|n| bans.offence(peer, start + n * 6 * SECOND).is_none()));
    }

    #[test]
    fn bans_double_up_to_a_limit_and_are_forgiven_after_good_conduct() {
        let (mut bans, mut now) = (bans(), Instant::now());
        let peer = peer_id_of_spki(b"peer");
        let mut lengths = Vec::new();
        for _ in 0..5 {
            let ban = offend(&mut bans, peer, now);
            lengths.push(ban.as_secs());
            now += ban;
        }
        assert_eq!(lengths, [5, 10, 20, 30, 30]);
        assert_eq!(offend(&mut bans, peer, now + 101 * SECOND), 5 * SECOND);
        assert_eq!(bans.peers.len(), 1);
        bans.offence(peer_id_of_spki(b"other"), now + 1_000 * SECOND);
        assert_eq!(bans.peers.len(), 1, "the quiet one is forgotten");
    }
}
