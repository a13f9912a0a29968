//! Sync requests under way, in both directions.

use std::collections::HashMap;

use arc_malachitebft_peer::PeerId;
use arc_malachitebft_sync::{InboundRequestId, OutboundRequestId};
use concordat_types::OrgId;

use crate::transport::PeerIdentity;

/// Requests that a node has open at once, in all: so many an honest peer may have open here.
pub const PARALLEL: usize = 4;

/// Requests of one peer that may be open here. It gives up a moment before we do, and asks again at once.
const MOST_OF_A_PEER: usize = 2 * PARALLEL;

/// Requests of one organisation's nodes that may be open here: the engine has room for some dozens in all.
const MOST_OF_AN_ORG: usize = 2 * MOST_OF_A_PEER;

/// Numbers and remembers requests.
#[derive(Debug, Default)]
pub struct Requests {
    next: u64,
    outbound: HashMap<u64, PeerId>,
    inbound: HashMap<InboundRequestId, Asked>,
}

/// A peer's request.
#[derive(Debug)]
struct Asked {
    by: PeerId,
    org: OrgId,
    id: u64,
}

/// The engine's name for our request number `id`.
pub fn outbound_id(id: u64) -> OutboundRequestId {
    OutboundRequestId::new(id)
}

impl Requests {
    /// Starts a request to a peer; returns its number.
    pub fn start(&mut self, peer: PeerId) -> u64 {
        self.next += 1;
        self.outbound.insert(self.next, peer);
        self.next
    }

    /// Ends our request `id` because this peer answered; `false` if it never got that request.
    pub fn answered(&mut self, id: u64, by: &PeerId) -> bool {
        let asked = self.outbound.get(&id) == Some(by);
        asked && self.outbound.remove(&id).is_some()
    }

    /// Ends our request because the engine gave it up.
    pub fn cancel(&mut self, id: &OutboundRequestId) {
        self.outbound.retain(|open, _| outbound_id(*open) != *id);
    }

    /// Remembers a peer's request; returns the engine's name for it. The engine would take any number and keep
    /// them unread while it is busy.
    ///
    /// # Errors
    /// Why the request is not taken.
    pub fn received(&mut self, peer: &PeerIdentity, id: u64) -> Result<InboundRequestId, &'static str> {
        let by = peer.peer_id;
        let name = InboundRequestId::new(format!("{by}/{id}"));
        if self.inbound.contains_key(&name) {
            return Err("repeated_request");
        }
        let open = |is_counted: &dyn Fn(&Asked) -> bool| {
            self.inbound.values().filter(|asked| is_counted(asked)).count()
        };
        if open(&|asked| asked.by == by) >= MOST_OF_A_PEER
            || open(&|asked| asked.org == peer.org) >= MOST_OF_AN_ORG
        {
            return Err("too_many_requests");
        }
        self.inbound.insert(name.clone(), Asked { by, org: peer.org.clone(), id });
        Ok(name)
    }

    /// Ends a peer's request; returns who asked and the number the answer must carry.
    pub fn finish(&mut self, id: &InboundRequestId) -> Option<(PeerId, u64)> {
        self.inbound.remove(id).map(|asked| (asked.by, asked.id))
    }

    /// Forgets a peer; returns our requests that it will not answer any more.
    pub fn forget(&mut self, peer: &PeerId) -> Vec<u64> {
        self.inbound.retain(|_, asked| asked.by != *peer);
        let lost: Vec<u64> = self.outbound.iter().filter(|(_, to)| *to == peer).map(|(id, _)| *id).collect();
        self.outbound.retain(|_, to| to != peer);
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concordat_types::Role;

    use crate::transport::peer_id_of_spki;

    fn peer(key: u8, org: &str) -> PeerIdentity {
        PeerIdentity {
            peer_id: peer_id_of_spki(&[key]),
            org: org.parse().unwrap(),
            role: Role::Observer,
            common_name: "node".into(),
            not_after: u64::MAX,
        }
    }

    #[test]
    fn only_the_asked_peer_can_answer_and_only_once() {
        let (a, b) = (peer_id_of_spki(b"a"), peer_id_of_spki(b"b"));
        let mut requests = Requests::default();
        let id = requests.start(a);
        assert!(!requests.answered(id, &b));
        assert!(requests.answered(id, &a));
        assert!(!requests.answered(id, &a));
        let id = requests.start(a);
        requests.cancel(&outbound_id(id));
        assert!(!requests.answered(id, &a));
    }

    #[test]
    fn peer_that_leaves_takes_its_requests_with_it() {
        let [a, b] = [1, 2].map(|key| peer(key, "bank"));
        let mut requests = Requests::default();
        let id = requests.start(a.peer_id);
        requests.start(b.peer_id);
        let asked = requests.received(&a, 9).unwrap();
        assert_eq!(requests.forget(&a.peer_id), [id]);
        assert_eq!(requests.finish(&asked), None);
    }

    #[test]
    fn peer_has_few_requests_open_and_each_once() {
        let [a, b] = [1, 2].map(|key| peer(key, "bank"));
        let mut requests = Requests::default();
        let open: Vec<_> = (0..MOST_OF_A_PEER as u64).map(|id| requests.received(&a, id).unwrap()).collect();
        assert_eq!(requests.received(&a, 100), Err("too_many_requests"));
        assert_eq!(requests.received(&a, 0), Err("repeated_request"));
        assert!(requests.received(&b, 0).is_ok(), "another peer's are its own");
        assert_eq!(requests.finish(&open[0]), Some((a.peer_id, 0)));
        assert!(requests.received(&a, 100).is_ok());
    }

    #[test]
    fn all_nodes_of_an_organisation_together_have_few_requests_open() {
        let mut requests = Requests::default();
        let ask = |requests: &mut Requests, key: u8, org: &str| {
            (0..2).filter(|id| requests.received(&peer(key, org), *id).is_ok()).count()
        };
        let taken: usize = (0..100).map(|key| ask(&mut requests, key, "greedy")).sum();
        assert_eq!(taken, MOST_OF_AN_ORG);
        assert_eq!(ask(&mut requests, 100, "modest"), 2);
    }
}
