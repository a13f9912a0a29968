//! Peers that break the protocol again and again are kept away for a while.
//!
//! Only what a peer itself must have done wrong counts: an honest node checks every signature before it passes
//! a message on, so it can never be blamed for another's. No ban lasts for ever, since a bug on either side can
//! look like malice.
//!
//! An organisation makes as many keys as it likes. So what its nodes do wrong adds up too: its validators' nodes
//! by themselves, so that they never pay for an observer's faults.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::{Duration, Instant},
};

use arc_malachitebft_peer::PeerId;
use concordat_types::{OrgId, Role};

use super::PeerIdentity;
use crate::config::BanLimits;

/// So many times a single peer's offences ban all nodes of a kind of an organisation.
const PEERS_TO_AN_ORG: usize = 3;

/// An organisation's validators' nodes, or its others.
type Kin = (OrgId, bool);

/// Who is kept away from now on, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ban {
    /// The peer.
    Peer(Duration),
    /// All nodes of its organisation that are validators' as it is, or are not.
    Kin(Duration),
}

/// Who is kept away, and who is about to be.
#[derive(Debug)]
pub struct Bans {
    peers: Book<PeerId>,
    kin: Book<Kin>,
}

impl Bans {
    /// Nobody is banned.
    pub fn new(limits: BanLimits) -> Self {
        let of_kin = BanLimits { offences: limits.offences.saturating_mul(PEERS_TO_AN_ORG), ..limits };
        Self { peers: Book::new(limits), kin: Book::new(of_kin) }
    }

    /// Notes an offence. Gives who is banned, if this was one too many.
    pub fn offence(&mut self, peer: &PeerIdentity, now: Instant) -> Option<Ban> {
        let alone = self.peers.offence(peer.peer_id, now);
        let together = self.kin.offence(kin(peer), now);
        together.map(Ban::Kin).or(alone.map(Ban::Peer))
    }

    /// For how long the peer is still banned.
    pub fn remaining(&self, peer: &PeerIdentity, now: Instant) -> Option<Duration> {
        self.peers.remaining(&peer.peer_id, now).max(self.kin.remaining(&kin(peer), now))
    }
}

fn kin(peer: &PeerIdentity) -> Kin {
    (peer.org.clone(), peer.role == Role::Validator)
}

/// Whether a ban of all such nodes of an organisation concerns both.
pub fn are_kin(a: &PeerIdentity, b: &PeerIdentity) -> bool {
    kin(a) == kin(b)
}

#[derive(Debug, Default)]
struct Record {
    /// The offences of the last window that have not led to a ban.
    recent: VecDeque<Instant>,
    /// How many bans there were.
    bans: u32,
    until: Option<Instant>,
}

/// Offences and bans by who commits them.
#[derive(Debug)]
struct Book<K> {
    limits: BanLimits,
    records: HashMap<K, Record>,
}

impl<K: Eq + Hash> Book<K> {
    fn new(limits: BanLimits) -> Self {
        Self { limits, records: HashMap::new() }
    }

    fn offence(&mut self, who: K, now: Instant) -> Option<Duration> {
        self.forgive(now);
        let BanLimits { offences, window, first, longest, .. } = self.limits;
        let record = self.records.entry(who).or_default();
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

    fn remaining(&self, who: &K, now: Instant) -> Option<Duration> {
        let until = self.records.get(who)?.until?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Forgets whoever has kept quiet for long enough. There are few: an organisation that offends with ever new
    /// keys is soon kept away as a whole.
    fn forgive(&mut self, now: Instant) {
        let forgiven_after = self.limits.forgiven_after;
        self.records.retain(|_, record| {
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

    fn limits() -> BanLimits {
        BanLimits {
            offences: 3,
            window: 10 * SECOND,
            first: 5 * SECOND,
            longest: 30 * SECOND,
            forgiven_after: 100 * SECOND,
        }
    }

    fn book() -> Book<&'static str> {
        Book::new(limits())
    }

    fn peer(key: u8, org: &str, role: Role) -> PeerIdentity {
        PeerIdentity {
            peer_id: peer_id_of_spki(&[key]),
            org: org.parse().unwrap(),
            role,
            common_name: "node".into(),
            not_after: u64::MAX,
        }
    }

    /// Offends until it is banned, at one moment.
    fn offend(book: &mut Book<&'static str>, who: &'static str, now: Instant) -> Duration {
        (0..3).find_map(|_| book.offence(who, now)).unwrap()
    }

    #[test]
    fn peer_is_banned_after_so_many_offences_within_the_window_and_for_a_while_only() {
        let (mut bans, start) = (Bans::new(limits()), Instant::now());
        let [bad, other] = [1, 2].map(|key| peer(key, "bank-a", Role::Validator));
        assert_eq!(bans.offence(&bad, start), None);
        assert_eq!(bans.offence(&bad, start + SECOND), None);
        assert_eq!(bans.remaining(&bad, start + SECOND), None);
        assert_eq!(bans.offence(&bad, start + 2 * SECOND), Some(Ban::Peer(5 * SECOND)));
        assert_eq!(bans.remaining(&bad, start + 4 * SECOND), Some(3 * SECOND));
        assert_eq!(bans.remaining(&other, start + 4 * SECOND), None);
        assert_eq!(bans.remaining(&bad, start + 7 * SECOND), None);
    }

    #[test]
    fn organisation_that_offends_with_ever_new_keys_is_banned_and_its_validators_are_not() {
        let (mut bans, start) = (Bans::new(limits()), Instant::now());
        let observer = |key| peer(key, "bank-a", Role::Observer);
        assert!((0..8).all(|key| bans.offence(&observer(key), start).is_none()));
        assert_eq!(bans.offence(&observer(8), start), Some(Ban::Kin(5 * SECOND)));
        let now = start + SECOND;
        assert_eq!(bans.remaining(&observer(100), now), Some(4 * SECOND), "a key that it has never used");
        assert_eq!(bans.remaining(&peer(101, "bank-a", Role::AuditNode), now), Some(4 * SECOND));
        assert_eq!(bans.remaining(&peer(102, "bank-a", Role::Validator), now), None);
        assert_eq!(bans.remaining(&peer(103, "bank-b", Role::Observer), now), None);
    }

    #[test]
    fn rare_offences_never_ban() {
        let (mut book, start) = (book(), Instant::now());
        assert!((0..100).all(|n| book.offence("peer", start + n * 6 * SECOND).is_none()));
    }

    #[test]
    fn bans_double_up_to_a_limit_and_are_forgiven_after_good_conduct() {
        let (mut book, mut now) = (book(), Instant::now());
        let mut lengths = Vec::new();
        for _ in 0..5 {
            let ban = offend(&mut book, "peer", now);
            lengths.push(ban.as_secs());
            now += ban;
        }
        assert_eq!(lengths, [5, 10, 20, 30, 30]);
        assert_eq!(offend(&mut book, "peer", now + 101 * SECOND), 5 * SECOND);
        assert_eq!(book.records.len(), 1);
        book.offence("other", now + 1_000 * SECOND);
        assert_eq!(book.records.len(), 1, "the quiet one is forgotten");
    }
}
