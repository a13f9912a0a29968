//! Links between nodes that can be cut, held and delayed: a TCP relay on each.
//!
//! TLS stays end to end: the relay sees ciphertext. A held direction delivers nothing, not even that the
//! other side has closed, and delivers everything in order once it is let go, as TCP does after a partition.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::Network;

/// Chunks that are under way in one direction of a connection; with this many the sender is throttled.
const UNDER_WAY: usize = 64;

/// What happens to bytes from one node to another.
#[derive(Clone, Copy, Debug, Default)]
struct Weather {
    held: bool,
    delay: Duration,
}

/// All directions of all links, the one from `a` to `b` at `a * nodes + b`.
struct Sky {
    weather: Vec<Weather>,
    ended: bool,
}

/// What all relays share.
struct State {
    nodes: usize,
    sky: Mutex<Sky>,
    changed: Condvar,
}

impl State {
    fn new(nodes: usize) -> Arc<Self> {
        let sky = Sky { weather: vec![Weather::default(); nodes * nodes], ended: false };
        Arc::new(Self { nodes, sky: Mutex::new(sky), changed: Condvar::new() })
    }

    fn sky(&self) -> MutexGuard<'_, Sky> {
        self.sky.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until bytes that left at `sent` may arrive; `false` at the end.
    fn wait_until_deliverable(&self, from: usize, to: usize, sent: Instant) -> bool {
        let mut sky = self.sky();
        loop {
            let weather = sky.weather[from * self.nodes + to];
            let (due, now) = (sent + weather.delay, Instant::now());
            if sky.ended {
                return false;
            }
            sky = if weather.held {
                self.changed.wait(sky).unwrap_or_else(PoisonError::into_inner)
            } else if due > now {
                self.changed.wait_timeout(sky, due - now).unwrap_or_else(PoisonError::into_inner).0
            } else {
                return true;
            };
        }
    }

    fn change(&self, change: impl FnOnce(&mut Sky)) {
        change(&mut self.sky());
        self.changed.notify_all();
    }
}

/// A relay on each link of a network. Dropping it ends all links.
pub struct Links {
    state: Arc<State>,
    listeners: Vec<(SocketAddr, JoinHandle<()>)>,
}

impl Links {
    /// Puts a relay on each link of a network that does not run yet.
    pub fn of(network: &Network) -> Self {
        let nodes = network.count();
        let state = State::new(nodes);
        let mut listeners = Vec::new();
        for from in 0..nodes {
            let mut peers = Vec::new();
            for to in (0..nodes).filter(|to| *to != from) {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                let target = network.p2p(to);
                let shared = state.clone();
                let server = thread::spawn(move || relay(&listener, target, &shared, from, to));
                listeners.push((address, server));
                peers.push(toml::Value::String(address.to_string()));
            }
            network.configure(from, |config| config["p2p"]["peers"] = toml::Value::Array(peers));
        }
        Self { state, listeners }
    }

    /// Nothing gets from one node to another any more.
    pub fn hold(&self, from: usize, to: usize) {
        self.set(from, to, |weather| weather.held = true);
    }

    /// Nothing gets from any of `left` to any of `right`, nor back.
    pub fn part(&self, left: &[usize], right: &[usize]) {
        for (&a, &b) in left.iter().flat_map(|a| right.iter().map(move |b| (a, b))) {
            self.hold(a, b);
            self.hold(b, a);
        }
    }

    /// Every link works again.
    pub fn heal(&self) {
        self.state.change(|sky| sky.weather.iter_mut().for_each(|weather| weather.held = false));
    }

    /// Whatever leaves any node from now on takes this long to arrive.
    pub fn delay(&self, delay: Duration) {
        self.state.change(|sky| sky.weather.iter_mut().for_each(|weather| weather.delay = delay));
    }

    fn set(&self, from: usize, to: usize, change: impl FnOnce(&mut Weather)) {
        let at = from * self.state.nodes + to;
        self.state.change(|sky| change(&mut sky.weather[at]));
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.state.change(|sky| sky.ended = true);
        for (address, server) in self.listeners.drain(..) {
            // Wakes the listener.
            let _ = TcpStream::connect(address);
            let _ = server.join();
        }
    }
}

/// Accepts what `from` dials and connects each connection with `to`.
fn relay(listener: &TcpListener, target: SocketAddr, state: &Arc<State>, from: usize, to: usize) {
    for dialled in listener.incoming().flatten() {
        if state.sky().ended {
            return;
        }
        // A node that is down refuses: so does its relay, by closing.
        let Ok(answered) = TcpStream::connect(target) else { continue };
        let _ = (dialled.set_nodelay(true), answered.set_nodelay(true));
        pump(&dialled, &answered, state, (from, to));
        pump(&answered, &dialled, state, (to, from));
    }
}

/// Carries bytes one way: one thread takes them with the time, one delivers them when they are due.
fn pump(source: &TcpStream, sink: &TcpStream, state: &Arc<State>, (from, to): (usize, usize)) {
    let (Ok(source), Ok(sink)) = (source.try_clone(), sink.try_clone()) else { return };
    let (sender, receiver) = sync_channel(UNDER_WAY);
    thread::spawn(move || take(source, &sender));
    let state = state.clone();
    thread::spawn(move || deliver(sink, &receiver, &state, from, to));
}

type Chunk = (Instant, Vec<u8>);

fn take(mut source: TcpStream, sender: &SyncSender<Chunk>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        // An empty chunk says that the source has closed.
        let length = source.read(&mut buffer).unwrap_or(0);
        if sender.send((Instant::now(), buffer[..length].to_vec())).is_err() || length == 0 {
            return;
        }
    }
}

fn deliver(mut sink: TcpStream, receiver: &Receiver<Chunk>, state: &State, from: usize, to: usize) {
    while let Ok((sent, bytes)) = receiver.recv() {
        let deliverable = state.wait_until_deliverable(from, to, sent);
        if !deliverable || bytes.is_empty() || sink.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = sink.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A relay from node 0 to node 1, with node 1's listener.
    fn link() -> (Links, TcpStream, TcpStream) {
        let node = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State::new(2);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (target, shared) = (node.local_addr().unwrap(), state.clone());
        let server = thread::spawn(move || relay(&listener, target, &shared, 0, 1));
        let dialled = TcpStream::connect(address).unwrap();
        let (answered, _) = node.accept().unwrap();
        (Links { state, listeners: vec![(address, server)] }, dialled, answered)
    }

    fn hear(stream: &mut TcpStream, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_held_direction_keeps_everything_and_the_other_goes_on() {
        let (links, mut dialled, mut answered) = link();
        dialled.write_all(b"one").unwrap();
        assert_eq!(hear(&mut answered, 3), b"one");

        links.hold(0, 1);
        dialled.write_all(b"two").unwrap();
        answered.write_all(b"back").unwrap();
        assert_eq!(hear(&mut dialled, 4), b"back");
        answered.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(answered.read(&mut [0; 8]).is_err(), "a held byte came through");

        links.heal();
        answered.set_read_timeout(None).unwrap();
        assert_eq!(hear(&mut answered, 3), b"two");
    }

    #[test]
    fn a_closed_side_closes_the_other_but_not_through_a_partition() {
        let (links, dialled, mut answered) = link();
        links.part(&[0], &[1]);
        drop(dialled);
        answered.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(answered.read(&mut [0; 8]).is_err(), "the end was heard through the partition");
        links.heal();
        answered.set_read_timeout(None).unwrap();
        assert_eq!(answered.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn delayed_bytes_arrive_in_order_and_not_before_their_time() {
        let (links, mut dialled, mut answered) = link();
        let delay = Duration::from_millis(30);
        links.delay(delay);
        let sent = Instant::now();
        for byte in 0..20u8 {
            dialled.write_all(&[byte]).unwrap();
        }
        assert_eq!(hear(&mut answered, 20), (0..20).collect::<Vec<u8>>());
        assert!(sent.elapsed() >= delay);
    }
}
