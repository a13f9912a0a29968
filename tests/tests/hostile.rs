//! Bytes that mean harm, at the ports of nodes that run: each is refused and counted, and blocks keep coming.
//!
//! Three of four validators run, so that none of them can be missed. The fourth's certificate is in the hands of
//! somebody who speaks the protocol but keeps no rule of it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use alloy_primitives::{Address, Bytes};
use concordat_tests::{
    Network, Wallet, chain,
    chaos::BUSY,
    get,
    peer::{
        CONSENSUS, CONTROL, GOSSIP, Greeting, Identity, MAX_FRAME_BYTES, PARTS, Peer, SYNC, VALIDATOR, frame,
    },
    token,
    vote::VoteKey,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

const NODES: usize = 4;
/// Whose certificate was stolen. The node itself is down.
const STOLEN: usize = 3;
const POOL: usize = 24;
const PER_SENDER: usize = 8;

#[test]
fn hostile_bytes_are_refused_and_counted_while_blocks_keep_coming() {
    let mut network = Network::init(NODES, &BUSY);
    network.configure(0, |config| {
        config["pool"]["transactions"] = (POOL as i64).into();
        config["pool"]["per_sender"] = (PER_SENDER as i64).into();
    });
    for node in 0..STOLEN {
        network.start_node(node);
    }
    for node in 0..STOLEN {
        network.wait_for_height(node, 1);
    }
    a_stolen_vote_key_is_proven(&mut network);
    let mut town = Town::found(&network);
    town.still_works("before");
    frames_that_break_the_rules(&network);
    town.still_works("broken frames");
    frames_of_others_replayed_and_mutated(&network);
    town.still_works("replayed and mutated frames");
    connections_that_never_finish(&network);
    town.still_works("slow connections");
    town.a_full_pool();
    town.still_works("a full pool");
    the_real_node_comes_back(&mut network);
    chain::assert_one_chain(&network);
    chain::assert_no_double_signing(&network);
}

struct Town<'a> {
    network: &'a Network,
    token: Address,
    developer: Wallet,
    nonce: u64,
}

impl<'a> Town<'a> {
    fn found(network: &'a Network) -> Self {
        let token = token::deploy(network, "bank-a/developer", 1_000_000);
        // The developer has enrolled and deployed.
        Self { network, token, developer: Wallet::of(network, "bank-a/developer"), nonce: 2 }
    }

    /// A client of node 1 is served as ever, and the chain goes on everywhere.
    fn still_works(&mut self, after: &str) {
        let raw = self.developer.transfer(self.nonce, self.token, Address::repeat_byte(7), 1);
        self.nonce += 1;
        assert_eq!(self.network.execute(1, &raw)["status"], "0x1", "after {after}");
        let height = self.network.height(1).unwrap();
        for node in 0..STOLEN {
            self.network.wait_for_height(node, height + 2);
        }
    }

    /// Transactions that wait for an earlier nonce fill node 0's pool, one sender's share, then all of it.
    fn a_full_pool(&mut self) {
        let network = self.network;
        let names = ["bank-a/operator", "bank-b/operator", "bank-c/operator", "bank-d/operator"];
        let mut refusals = Vec::new();
        for name in names {
            network.enrol(name, 1);
            network.wait_for_height(0, network.height(1).unwrap());
            let wallet = Wallet::of(network, name);
            // The account has enrolled; its next nonce, 1, never comes.
            for nonce in 2..=1 + PER_SENDER as u64 {
                let raw = wallet.transfer(nonce, self.token, Address::repeat_byte(7), 1);
                refusals.extend(network.submit(0, &raw).err());
            }
        }
        let said: Vec<&str> = refusals.iter().filter_map(|error| error["message"].as_str()).collect();
        assert!(said.iter().any(|said| said.starts_with("nonce too high")), "{said:?}");
        assert!(said.iter().any(|said| said.starts_with("txpool is full: 24 transactions")), "{said:?}");
        for result in ["nonce_too_far", "full", "accepted"] {
            let series = format!("concordat_submissions_total{{result=\"{result}\"}}");
            assert!(counted(network, 0, &series) > 0, "{series}");
        }
        assert_eq!(network.metric(0, "concordat_pool_transactions") as usize, POOL);
        self.transactions_that_are_wrong();
    }

    fn transactions_that_are_wrong(&self) {
        let network = self.network;
        let wallet = Wallet::of(network, "bank-a/operator");
        let good = wallet.draft(1, self.token.into(), Bytes::new());
        let stranger = Wallet::of(network, "bank-b/developer");
        let valued = alloy_consensus::TxEip1559 { value: alloy_primitives::U256::from(1), ..good.clone() };
        let elsewhere = alloy_consensus::TxEip1559 { chain_id: 1, ..good.clone() };
        let wrong = [
            (wallet.sign_with_high_s(good.clone()), "bad_signature"),
            (wallet.sign(elsewhere), "wrong_chain"),
            (wallet.sign(valued), "value_not_zero"),
            (stranger.sign(stranger.draft(0, self.token.into(), Bytes::new())), "not_enrolled"),
            (Bytes::from(vec![2; 100]), "malformed"),
            (Bytes::from(vec![0x7f; 100]), "unsupported_type"),
            (Bytes::from(vec![0xff; 200_000]), "too_large"),
        ];
        for (raw, result) in wrong {
            let series = format!("concordat_submissions_total{{result=\"{result}\"}}");
            let before = counted(network, 1, &series);
            let said = network.submit(1, &raw).expect_err(result);
            assert!(said["message"].as_str().is_some_and(|said| said.len() > 10), "{said}");
            assert_eq!(counted(network, 1, &series), before + 1, "{result}: {said}");
        }
    }
}

fn counted(network: &Network, node: usize, series: &str) -> u64 {
    let (_, text) = get(&format!("{}/metrics", network.url(node, "operations")));
    let value = text.lines().find_map(|line| line.strip_prefix(series));
    value.map_or(0, |value| value.trim().parse::<f64>().unwrap() as u64)
}

/// Connections that the node ended or did not let come about, whatever the reason.
fn turned_away(network: &Network, node: usize) -> f64 {
    let ended = network.metric(node, "concordat_consensus_disconnects_total");
    ended + network.metric(node, "concordat_consensus_handshakes_failed_total")
}

struct Thief<'a> {
    network: &'a Network,
    identity: Identity,
    greeting: Greeting,
}

impl<'a> Thief<'a> {
    fn of(network: &'a Network) -> Self {
        let identity = Identity::of_node(network, STOLEN);
        Self { network, identity, greeting: Greeting::of(network, VALIDATOR) }
    }

    /// A connection to a node; none if the node has had enough of this certificate for now.
    fn join(&self, node: usize) -> Option<Peer> {
        Peer::join(self.network, node, &self.identity, &self.greeting).ok()
    }
}

/// Two precommits of one step, signed with the stolen key: the node proves it, and still can after a restart.
fn a_stolen_vote_key_is_proven(network: &mut Network) {
    let key = VoteKey::of_node(network, STOLEN);
    let height = network.height(0).unwrap();
    let votes = [None, Some(7)].map(|block| frame(CONSENSUS, &key.precommit(height, block)));
    let mut peer = Thief::of(network).join(0).expect("the node knows nothing against it yet");
    peer.say(&votes.concat());
    network.wait("the evidence is kept", || network.metric(0, "concordat_evidence_kept") > 0.0);
    for counter in chain::DOUBLE_SIGNING {
        network.wait(counter, || network.metric(0, counter) == 1.0);
    }
    let proven = evidence(network);
    let piece = &proven["evidence"][0];
    let address = alloy_primitives::hex::encode_upper(key.address());
    assert_eq!(piece["validator"].as_str().unwrap().to_uppercase(), address, "{proven}");
    let where_ = json!([piece["organisation"], piece["height"], piece["round"], piece["step"]]);
    assert_eq!(where_, json!(["bank-d", height, 0, "precommit"]));
    let messages = piece["messages"].as_array().unwrap();
    let signed: Vec<&str> = messages.iter().map(|said| said["signed_message"].as_str().unwrap()).collect();
    let sent = [None, Some(7)].map(|block| alloy_primitives::hex::encode(key.precommit(height, block)));
    assert_eq!(signed, sent);
    drop(peer);

    assert_eq!(network.terminate(0), Some(0));
    network.start_node(0);
    network.wait_for_height(0, height);
    assert_eq!(evidence(network), proven, "after a restart");
    assert_eq!(network.metric(0, "concordat_evidence_kept"), 1.0);
}

fn evidence(network: &Network) -> Value {
    let (status, text) = get(&format!("{}/evidence", network.url(0, "operations")));
    assert_eq!(status, 200);
    serde_json::from_str(&text).unwrap()
}

fn frames_that_break_the_rules(network: &Network) {
    let thief = Thief::of(network);
    let oversized = [&(MAX_FRAME_BYTES as u32 + 1).to_be_bytes()[..], &[CONSENSUS]].concat();
    let truncated = [&1000u32.to_be_bytes()[..], &[CONSENSUS], b"only this"].concat();
    let endless: Vec<u8> = frame(CONSENSUS | 0x80, &[0; MAX_FRAME_BYTES]).repeat(20);
    let wrong = [
        ("oversized", oversized),
        ("truncated", truncated),
        ("a message that never ends", endless),
        ("an unknown channel", frame(9, b"x")),
        ("a second greeting", frame(CONTROL, b"\x08\x01")),
        ("a flood of pings", frame(CONTROL, b"").repeat(20_000)),
        ("no consensus message", frame(CONSENSUS, b"garbage")),
        ("no part", frame(PARTS, b"garbage")),
        ("no sync message", frame(SYNC, b"garbage")),
    ];
    for (what, bytes) in wrong {
        let before = turned_away(network, 0);
        if let Some(mut peer) = thief.join(0) {
            peer.say(&bytes);
            if what != "truncated" {
                peer.closed();
            }
        }
        network.wait(&format!("{what} is counted"), || turned_away(network, 0) > before);
    }
    let gossip = network.metric(0, "concordat_gossip_refused_total");
    if let Some(mut peer) = thief.join(0) {
        // A list of one transaction that is none.
        peer.say(&frame(GOSSIP, &[0xc4, 0x83, 0x02, 0xc1, 0x80]));
        network.wait("a transaction that is none is counted", || {
            network.metric(0, "concordat_gossip_refused_total") > gossip
        });
    }
}

/// What node 1 says is told to node 0 again and again, first as it is, then damaged.
fn frames_of_others_replayed_and_mutated(network: &Network) {
    let thief = Thief::of(network);
    let Some(mut ear) = thief.join(1) else { panic!("node 1 does not listen") };
    let until = network.height(1).unwrap() + 3;
    let mut heard: Vec<(u8, Vec<u8>)> = Vec::new();
    while network.height(1).unwrap() < until {
        heard.extend(ear.hear().filter(|(tag, payload)| tag & 0x7f != CONTROL && !payload.is_empty()));
    }
    assert!(heard.iter().any(|(tag, _)| *tag == CONSENSUS), "node 1 sent no votes");

    let dropped = network.metric(0, "concordat_consensus_messages_dropped_total");
    if let Some(mut mouth) = thief.join(0) {
        let votes = heard.iter().filter(|(tag, _)| *tag == CONSENSUS);
        let replay: Vec<u8> = votes.flat_map(|(tag, payload)| frame(*tag, payload)).collect();
        for _ in 0..5 {
            mouth.say(&replay);
        }
    }
    network.wait("replayed votes are counted", || {
        network.metric(0, "concordat_consensus_messages_dropped_total") > dropped
    });

    let (seed, before) = (rand::random(), turned_away(network, 0));
    eprintln!("the seed of this run's mutations is {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut mouth = None;
    for _ in 0..200 {
        let (tag, mut payload) = heard[random.random_range(0..heard.len())].clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..payload.len());
            payload[at] ^= random.random_range(1..=255u8);
        }
        if random.random_bool(0.2) {
            payload.truncate(random.random_range(0..payload.len()));
        }
        // A node that has had enough closes; then the thief comes again.
        let mut peer = match mouth.take() {
            Some(peer) => peer,
            None => match thief.join(0) {
                Some(peer) => peer,
                None => continue,
            },
        };
        peer.say(&frame(tag, &payload));
        mouth = peer.is_open().then_some(peer);
    }
    drop(mouth);
    assert!(turned_away(network, 0) > before, "no damaged frame was noticed");
}

/// Many connections to each port of node 0 that start something and never finish it.
fn connections_that_never_finish(network: &Network) {
    let refused = turned_away(network, 0);
    let hello = [0x16, 0x03, 0x01, 0x02, 0x00];
    let mesh = open(network.p2p(0), &hello, 100);
    let http = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-le";
    let address = |interface: &str| -> SocketAddr {
        network.url(0, interface).trim_start_matches("http://").parse().unwrap()
    };
    let rpc = open(address("ethereum"), http, 100);
    let operations = open(address("operations"), http, 20);
    network.wait("slow handshakes are counted", || turned_away(network, 0) >= refused + 50.0);
    // All this time, node 0 answers others.
    assert_eq!(network.eth(0, "eth_chainId", json!([])).unwrap(), json!("0x4f24"));
    assert_eq!(get(&format!("{}/readyz", network.url(0, "operations"))).0, 200);
    for connection in mesh.into_iter().chain(rpc).chain(operations) {
        ends(connection);
    }
}

fn open(address: SocketAddr, first: &[u8], count: usize) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(first);
        stream
    };
    (0..count).map(connect).collect()
}

/// The node closes a connection that does not go on.
fn ends(mut stream: TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                let waited = error.kind() == std::io::ErrorKind::WouldBlock;
                assert!(!waited, "a connection that never finishes stays open");
                return;
            }
        }
    }
}

/// The node whose certificate was misused still has its place.
fn the_real_node_comes_back(network: &mut Network) {
    network.start_node(STOLEN);
    network.wait_for_height(STOLEN, network.height(0).unwrap());
    let said: Value = network.comet(STOLEN, "net_info", json!({})).unwrap();
    assert!(said["n_peers"].as_str().is_some_and(|peers| peers != "0"), "{said}");
}
