//! The engine's actors that listen to the network, and what one that comes late must be told.

use std::collections::BTreeMap;

use arc_malachitebft_engine::network::{Multiaddr, NetworkEvent, Status, Subscriber};
use arc_malachitebft_network::Channel as EngineChannel;
use arc_malachitebft_peer::PeerId;

use super::Event;
use crate::context::ConcordatContext;

/// The engine's actors start one after the other, while peers connect and say where they stand. A peer says each
/// thing once, so it is remembered for actors that did not listen yet: in an idle network nothing else would
/// ever tell a newcomer that there are blocks to fetch.
#[derive(Default)]
pub(super) struct Ports {
    subscribers: Vec<Box<dyn Subscriber<Event>>>,
    /// The connected peers, and what each said last of its blocks.
    peers: BTreeMap<PeerId, Option<Status<ConcordatContext>>>,
}

impl Ports {
    /// A peer is there.
    pub fn connected(&mut self, peer: PeerId) {
        self.peers.insert(peer, None);
        greetings(peer).iter().for_each(|event| self.emit(event));
    }

    /// A peer is gone.
    pub fn disconnected(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.emit(&NetworkEvent::PeerDisconnected(peer));
    }

    /// A peer says which blocks it has.
    pub fn status(&mut self, peer: PeerId, status: Status<ConcordatContext>) {
        if let Some(last) = self.peers.get_mut(&peer) {
            *last = Some(status.clone());
        }
        self.emit(&NetworkEvent::Status(peer, status));
    }

    /// Adds an actor, and tells it what it missed: the engine starts once it hears of a listening address.
    pub fn subscribe(&mut self, subscriber: Box<dyn Subscriber<Event>>) {
        self.so_far().for_each(|event| subscriber.send(event));
        self.subscribers.push(subscriber);
    }

    /// Forgets the actors.
    pub fn clear(&mut self) {
        self.subscribers.clear();
    }

    /// Gives an event to all actors.
    pub fn emit(&self, event: &Event) {
        for subscriber in &self.subscribers {
            subscriber.send(event.clone());
        }
    }

    /// What an actor must know that begins to listen now.
    fn so_far(&self) -> impl Iterator<Item = Event> {
        let of_peer = |(peer, status): (&PeerId, &Option<Status<ConcordatContext>>)| {
            let status = status.clone().map(|status| NetworkEvent::Status(*peer, status));
            greetings(*peer).into_iter().chain(status)
        };
        std::iter::once(NetworkEvent::Listening(listening())).chain(self.peers.iter().flat_map(of_peer))
    }
}

/// The second makes the sync actor say where we stand, so that the newcomer knows whom to ask.
fn greetings(peer: PeerId) -> [Event; 2] {
    [NetworkEvent::PeerConnected(peer), NetworkEvent::PeerSubscribed(peer, EngineChannel::Sync)]
}

/// The engine wants an address in its own notation; nothing uses it.
fn listening() -> Multiaddr {
    "/memory/1".parse().unwrap_or_else(|_| Multiaddr::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{context::Height, transport::peer_id_of_spki};

    fn told(ports: &Ports) -> Vec<String> {
        let name = |event: Event| match event {
            NetworkEvent::Listening(_) => "listening".into(),
            NetworkEvent::PeerConnected(_) => "connected".into(),
            NetworkEvent::PeerSubscribed(..) => "subscribed".into(),
            NetworkEvent::Status(_, status) => format!("tip {}", status.tip_height),
            other => format!("unexpected: {other:?}"),
        };
        ports.so_far().map(name).collect()
    }

    #[test]
    fn actor_that_listens_late_learns_what_the_peers_have_said() {
        let mut ports = Ports::default();
        assert_eq!(told(&ports), ["listening"]);
        let peer = peer_id_of_spki(b"a");
        let status = |tip| Status::new(Height(tip), Height(1));
        ports.connected(peer);
        assert_eq!(told(&ports), ["listening", "connected", "subscribed"]);
        ports.status(peer, status(5));
        ports.status(peer, status(7));
        assert_eq!(told(&ports), ["listening", "connected", "subscribed", "tip 7"], "only the newest counts");
        ports.disconnected(peer);
        ports.status(peer, status(9));
        assert_eq!(told(&ports), ["listening"], "what was held back comes too late");
    }
}
