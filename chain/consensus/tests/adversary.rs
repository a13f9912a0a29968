//! Peers that are not what they should be, against a real node over TLS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use arc_malachitebft_core_consensus::{LivenessMsg, SignedConsensusMsg};
use arc_malachitebft_core_types::{
    NilOrVal, PolkaCertificate, PolkaSignature, Round, SignedMessage, VoteType,
};
use arc_malachitebft_signing_ed25519::Signature;
use arc_malachitebft_sync::{Request, ValueRequest};
use concordat_consensus::{
    Address, BanLimits, BlockId, BlockTime, ConsensusConfig, NodeIdentity,
    codec::{SyncMessage, encode_consensus, encode_liveness, encode_sync},
    context::{Height, Vote},
    signing::SignBytes,
    transport::{MAX_FRAME_BYTES, PROTOCOL_VERSION},
};
use concordat_types::Role;
use ed25519_zebra::SigningKey;
use prost::Message;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The greeting, written down independently.
#[derive(Clone, PartialEq, Message)]
struct Greeting {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(string, tag = "2")]
    chain_id: String,
    #[prost(bytes = "vec", tag = "3")]
    genesis_hash: Vec<u8>,
    #[prost(uint32, tag = "4")]
    role: u32,
    #[prost(string, tag = "5")]
    listen: String,
}

fn greeting(role: Role) -> Greeting {
    Greeting {
        version: PROTOCOL_VERSION,
        chain_id: CHAIN.into(),
        genesis_hash: GENESIS.to_vec(),
        role: role.code().into(),
        listen: String::new(),
    }
}

#[derive(Debug)]
struct TrustEveryone;

impl ServerCertVerifier for TrustEveryone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

async fn connect(node: &Running, identity: Option<&NodeIdentity>) -> TlsStream<TcpStream> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustEveryone));
    let mut config = match identity {
        // Unlike rustls' usual way, this does not check that key and certificate belong together.
        Some(identity) => {
            let key = aws_lc_rs::sign::any_supported_type(&identity.key).unwrap();
            let pair = Arc::new(CertifiedKey::new(identity.chain.clone(), key));
            config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)))
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"concordat/1".to_vec()];
    let tcp = TcpStream::connect(node.handle.listen_addr()).await.unwrap();
    let name = ServerName::try_from("anything").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
}

fn frame(channel: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes().to_vec();
    bytes.push(channel);
    bytes.extend_from_slice(payload);
    bytes
}

/// Connects, greets and sends; returns the open stream.
async fn send(
    node: &Running,
    identity: &NodeIdentity,
    greeting: Greeting,
    bytes: &[u8],
) -> TlsStream<TcpStream> {
    let mut stream = connect(node, Some(identity)).await;
    let greeting = frame(0, &greeting.encode_to_vec());
    // The node may close before it has read everything.
    let _ = stream.write_all(&[greeting.as_slice(), bytes].concat()).await;
    let _ = stream.flush().await;
    stream
}

/// Waits until the node closes the connection.
async fn closed(mut stream: TlsStream<TcpStream>) {
    let mut sink = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut sink)).await;
    assert!(ended.is_ok(), "the node did not close the connection");
}

async fn counted(node: &Running, counter: &str, reason: &str) {
    let line = format!("concordat_consensus_{counter}_total{{reason=\"{reason}\"}}");
    eventually(&line, || node.handle.encode_prometheus().contains(&line)).await;
}

fn vote(
    seed: u8,
    height: u64,
    hash: u8,
) -> SignedMessage<concordat_consensus::context::ConcordatContext, Vote> {
    let seed = [seed; 32];
    let id = BlockId { hash: [hash; 32], parts_total: 1, parts_hash: [1; 32], time: BlockTime::default() };
    let vote = Vote {
        vote_type: VoteType::Prevote,
        height: Height(height),
        round: Round::new(0),
        value: NilOrVal::Val(id),
        validator: Address::of_public_key(&public_key(&seed)),
    };
    let signature = SigningKey::from(seed).sign(&SignBytes::new(CHAIN).vote(&vote)).to_bytes();
    SignedMessage::new(vote, Signature::from_bytes(signature))
}

fn vote_frame(seed: u8, height: u64, hash: u8) -> Vec<u8> {
    frame(1, &encode_consensus(&SignedConsensusMsg::Vote(vote(seed, height, hash))).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_certificates_are_refused_and_counted() {
    log();
    let (registry, homes) = validators(4, 0);
    let node = homes[0].start(&registry, vec![]).await;

    let stranger = certificate("stranger");
    closed(send(&node, &stranger, greeting(Role::Validator), b"").await).await;
    counted(&node, "handshakes_failed", "certificate").await;

    // An admitted organisation's certificate, but a person's.
    let operator = certificate("operator");
    registry.admit(&operator, "bank-1", Role::Operator);
    closed(send(&node, &operator, greeting(Role::Operator), b"").await).await;

    closed(connect(&node, None).await).await;
    let line = "concordat_consensus_handshakes_failed_total{reason=\"certificate\"} 3";
    eventually("all three", || node.handle.encode_prometheus().contains(line)).await;
    assert!(node.handle.status().peers.is_empty());
    node.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_s_certificate_is_useless_without_its_key() {
    log();
    let (registry, homes) = validators(4, 0);
    let node = homes[0].start(&registry, vec![]).await;
    let thief = NodeIdentity { chain: homes[1].identity.chain.clone(), key: certificate("thief").key };
    closed(send(&node, &thief, greeting(Role::Validator), b"").await).await;
    counted(&node, "handshakes_failed", "certificate").await;
    assert!(node.handle.status().peers.is_empty());
    node.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_other_chains_versions_and_roles_are_refused_and_counted() {
    log();
    let (registry, homes) = validators(4, 0);
    let node = homes[0].start(&registry, vec![]).await;
    let right = greeting(Role::Validator);
    let cases = [
        (Greeting { chain_id: "other-chain".into(), ..right.clone() }, "chain"),
        (Greeting { genesis_hash: vec![9; 32], ..right.clone() }, "genesis"),
        (Greeting { version: PROTOCOL_VERSION + 1, ..right.clone() }, "version"),
        (Greeting { role: Role::Observer.code().into(), ..right.clone() }, "role"),
    ];
    for (greeting, reason) in cases {
        closed(send(&node, &homes[1].identity, greeting, b"").await).await;
        counted(&node, "handshakes_failed", reason).await;
    }
    assert!(node.handle.status().peers.is_empty());
    node.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_frames_end_the_connection_and_are_counted() {
    log();
    let (registry, homes) = validators(4, 0);
    let node = homes[0].start(&registry, vec![]).await;
    let identity = &homes[1].identity;
    let oversized = [&((MAX_FRAME_BYTES + 1) as u32).to_be_bytes()[..], &[1]].concat();
    let unknown_channel = frame(9, b"x");
    let status = SyncMessage::Status { tip: Height(1), earliest: Height(9) };
    let inside_out = encode_sync(&status).unwrap();
    let second_greeting = frame(0, &greeting(Role::Validator).encode_to_vec());
    for (bytes, reason) in [
        (oversized, "frame"),
        (unknown_channel, "frame"),
        (second_greeting, "frame"),
        (frame(1, b"garbage"), "malformed"),
        (frame(2, b"garbage"), "malformed"),
        (frame(3, b"garbage"), "malformed"),
        (frame(0, b"").repeat(20_000), "flood"),
        (frame(3, &inside_out), "malformed"),
    ] {
        closed(send(&node, identity, greeting(Role::Validator), &bytes).await).await;
        counted(&node, "disconnects", reason).await;
    }
    node.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mutated_votes_never_get_through() {
    log();
    let (registry, homes) = validators(4, 0);
    let node = homes[0].start(&registry, vec![]).await;
    let good = vote_frame(2, 1, 1);
    for at in (5..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        let mut stream = send(&node, &homes[1].identity, greeting(Role::Validator), &bad).await;
        let _ = stream.shutdown().await;
        closed(stream).await;
    }
    assert!(homes[0].ledger.evidence.lock().unwrap().is_empty());
    assert_eq!(node.handle.status().height, 0, "no mutated vote woke the node");
    node.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consensus_messages_of_others_than_validators_are_refused() {
    log();
    let (registry, homes) = validators(4, 0);
    let node = homes[0].start(&registry, vec![]).await;
    let observer = observer(&registry, &homes[0]);
    let vote = vote_frame(2, 1, 1);
    closed(send(&node, &observer.identity, greeting(Role::Observer), &vote).await).await;
    counted(&node, "disconnects", "not_a_validator").await;
    node.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_signatures_strangers_and_far_heights_are_counted_by_reason() {
    log();
    let (registry, homes) = validators(4, 0);
    let node = homes[0].start(&registry, vec![]).await;
    let identity = &homes[1].identity;
    let mut forged = vote(2, 1, 1);
    forged.message.round = Round::new(1);
    let forged = frame(1, &encode_consensus(&SignedConsensusMsg::Vote(forged)).unwrap());
    closed(send(&node, identity, greeting(Role::Validator), &forged).await).await;
    counted(&node, "disconnects", "bad_signature").await;

    // What an honest node might send too is dropped, however often, and the connection stays.
    let bytes = [vote_frame(2, 1000, 1), vote_frame(77, 1, 1), vote_frame(2, 0, 1)].concat().repeat(50);
    let stream = send(&node, identity, greeting(Role::Validator), &bytes).await;
    for reason in ["height_ahead", "unknown_validator", "height_behind"] {
        counted(&node, "messages_dropped", reason).await;
    }
    eventually("still connected", || node.handle.status().peers.len() == 1).await;
    drop(stream);
    node.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equivocation_is_proven_once_and_replays_are_harmless() {
    log();
    let (registry, homes) = validators(4, 0);
    let node = homes[0].start(&registry, vec![]).await;
    let (first, second) = (vote_frame(2, 1, 1), vote_frame(2, 1, 2));
    let bytes = [first.clone(), first.clone(), second.clone(), second, first].concat();
    let stream = send(&node, &homes[1].identity, greeting(Role::Validator), &bytes).await;
    eventually("evidence", || !homes[0].ledger.evidence.lock().unwrap().is_empty()).await;
    let evidence = homes[0].ledger.evidence.lock().unwrap().clone();
    assert_eq!(evidence.len(), 1);
    assert_eq!(evidence[0].validator(), Address::of_public_key(&public_key(&[2; 32])));
    assert!(node.handle.encode_prometheus().contains("concordat_consensus_evidence_total 1"));
    drop(stream);
    node.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_validator_s_signatures_and_statuses_wake_nobody_and_those_of_two_do() {
    log();
    let (registry, homes) = validators(4, 0);
    let node = homes[0].start(&registry, vec![]).await;
    eventually("the node is idle", || node.handle.status().waiting == Some(1)).await;
    let status = SyncMessage::Status { tip: Height(1_000_000), earliest: Height(1) };
    let status = frame(3, &encode_sync(&status).unwrap());
    let votes = [vote_frame(2, 1, 1), vote_frame(2, 2, 1), vote_frame(2, 3, 1)].concat();
    // The last one is dropped and counted: then all have been taken.
    let bytes = [status, votes, vote_frame(2, 4, 1)].concat();
    let liar = send(&node, &homes[1].identity, greeting(Role::Validator), &bytes).await;
    counted(&node, "messages_dropped", "height_ahead").await;
    assert_eq!(node.handle.status().waiting, Some(1), "one liar makes no blocks");

    let second = send(&node, &homes[2].identity, greeting(Role::Validator), &vote_frame(3, 1, 1)).await;
    eventually("two woke it", || node.handle.status().height == 1).await;
    drop((liar, second));
    node.handle.shutdown().await;
}

/// A vote in bank-1's name that bank-1 has not signed.
fn forged_vote(round: u32) -> Vec<u8> {
    let mut forged = vote(2, 1, 1);
    forged.message.round = Round::new(round);
    frame(1, &encode_consensus(&SignedConsensusMsg::Vote(forged)).unwrap())
}

fn request_frame(id: u64, last: u64) -> Vec<u8> {
    let range = ValueRequest::new(Height(1)..=Height(last));
    let request = SyncMessage::Request { id, request: Request::ValueRequest(range) };
    frame(3, &encode_sync(&request).unwrap())
}

/// Reads until the channel has brought so many short messages.
async fn hear(stream: &mut TlsStream<TcpStream>, channel: u8, mut messages: usize) {
    let reading = async {
        while messages > 0 {
            let mut header = [0; 5];
            stream.read_exact(&mut header).await.unwrap();
            let [a, b, c, d, tag] = header;
            let mut payload = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
            stream.read_exact(&mut payload).await.unwrap();
            messages -= usize::from(tag == channel);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reading).await.expect("the node answers");
}

/// Four nodes that have made so many blocks of this size.
async fn node_with_blocks(block_bytes: usize, height: u64) -> (Arc<Registry>, Vec<Home>, Vec<Running>) {
    let (registry, homes) = validators(4, block_bytes);
    let adjust = |config: &mut ConsensusConfig| config.max_block_bytes = 256 * 1024;
    let mut running: Vec<Running> = Vec::new();
    for home in &homes {
        running.push(home.start_with(&registry, addresses(&running), adjust).await);
    }
    for home in &homes {
        home.ledger.run_until(height);
    }
    for home in &homes {
        home.ledger.reaches(height).await;
    }
    (registry, homes, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_have_few_sync_requests_open_and_few_answers_are_made_at_a_time() {
    log();
    const SERVED_AT_ONCE: usize = 4;
    let (registry, homes, running) = node_with_blocks(0, 2).await;
    let (node, ledger) = (&running[0], &homes[0].ledger);
    ledger.slow.send_replace(true);
    let askers = ["greedy-1", "greedy-2", "greedy-3"].map(|name| (name, certificate(name)));
    let mut streams = Vec::new();
    for (org, identity) in &askers {
        registry.admit(identity, org, Role::Observer);
        let requests: Vec<u8> = (0..100).flat_map(|id| request_frame(id, 2)).collect();
        streams.push(send(node, identity, greeting(Role::Observer), &requests).await);
    }
    counted(node, "messages_dropped", "too_many_requests").await;
    eventually("answers are made", || ledger.reading.load(Ordering::SeqCst) == SERVED_AT_ONCE).await;
    assert!(!node.handle.encode_prometheus().contains("reason=\"repeated_request\""));
    ledger.slow.send_replace(false);
    for stream in &mut streams {
        hear(stream, 3, 8).await;
    }
    assert_eq!(ledger.most_reading.load(Ordering::SeqCst), SERVED_AT_ONCE);
    for node in running {
        node.handle.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn organisation_that_asks_for_blocks_and_does_not_read_them_is_served_no_more() {
    log();
    let (registry, _homes, running) = node_with_blocks(200_000, 8).await;
    let node = &running[0];
    let identity = certificate("deaf");
    registry.admit(&identity, "deaf", Role::Observer);
    let mut deaf = send(node, &identity, greeting(Role::Observer), b"").await;
    let dropped = "concordat_consensus_messages_dropped_total{reason=\"slow_reader\"}";
    let refused = || node.handle.encode_prometheus().contains(dropped);
    let mut id = 0;
    let asking = async {
        while !refused() {
            id += 1;
            deaf.write_all(&request_frame(id, 8)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.expect("it is refused");
    for node in running {
        node.handle.shutdown().await;
    }
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_organisation_s_certificates_neither_take_all_places_nor_keep_a_validator_out() {
    log();
    let (registry, homes) = validators(4, 0);
    let places = |config: &mut ConsensusConfig| {
        config.transport.max_peers = 4;
        config.transport.max_peers_of_an_org = 3;
    };
    let node = homes[0].start_with(&registry, vec![], places).await;
    let mut greedy = Vec::new();
    for key in 0..4 {
        let identity = certificate(&format!("greedy-{key}"));
        registry.admit(&identity, "greedy", Role::Observer);
        greedy.push(send(&node, &identity, greeting(Role::Observer), b"").await);
    }
    counted(&node, "handshakes_failed", "too_many_of_organisation").await;
    eventually("its share is taken", || node.handle.status().peers.len() == 3).await;

    let join = |index: usize| send(&node, &homes[index].identity, greeting(Role::Validator), b"");
    let mut honest = vec![join(1).await];
    eventually("the last place is taken", || node.handle.status().peers.len() == 4).await;
    honest.extend([join(2).await, join(3).await]);
    let orgs = || -> Vec<String> {
        let peers = node.handle.status().peers;
        let mut orgs: Vec<_> = peers.iter().map(|peer| peer.org.to_string()).collect();
        orgs.sort();
        orgs
    };
    eventually("validators have their places", || orgs() == ["bank-1", "bank-2", "bank-3", "greedy"]).await;
    counted(&node, "disconnects", "displaced").await;
    assert!(node.handle.encode_prometheus().contains("concordat_consensus_peers 4"));
    drop((greedy, honest));
    node.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn organisation_that_offends_with_one_key_after_the_other_is_banned_and_its_validator_is_not() {
    log();
    let (registry, homes) = validators(4, 0);
    let bans = BanLimits { offences: 2, ..BanLimits::default() };
    let node = homes[0].start_with(&registry, vec![], |config| config.transport.bans = bans).await;
    let validator = send(&node, &homes[1].identity, greeting(Role::Validator), b"").await;
    for key in 0..6 {
        let identity = certificate(&format!("throwaway-{key}"));
        registry.admit(&identity, "bank-1", Role::Observer);
        closed(send(&node, &identity, greeting(Role::Observer), &frame(1, b"vote")).await).await;
    }
    let banned = "concordat_consensus_bans_total 1";
    eventually("the ban", || node.handle.encode_prometheus().contains(banned)).await;
    let fresh = certificate("never seen");
    registry.admit(&fresh, "bank-1", Role::AuditNode);
    closed(send(&node, &fresh, greeting(Role::AuditNode), b"").await).await;
    counted(&node, "handshakes_failed", "banned").await;
    assert_eq!(node.handle.status().peers.len(), 1, "the validator stays");
    drop(validator);
    node.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_that_names_a_signer_twice_costs_no_signature_checks() {
    log();
    let (registry, homes) = validators(4, 0);
    let node = homes[0].start(&registry, vec![]).await;
    let vote = vote(2, 1, 1);
    let NilOrVal::Val(value_id) = vote.message.value else { panic!("a vote for a block") };
    let signature = || PolkaSignature::new(vote.message.validator, vote.signature);
    let polka = PolkaCertificate {
        height: vote.message.height,
        round: vote.message.round,
        value_id,
        polka_signatures: vec![signature(), signature()],
    };
    let polka = encode_liveness(&LivenessMsg::PolkaCertificate(polka)).unwrap();
    let stream = send(&node, &homes[1].identity, greeting(Role::Validator), &frame(1, &polka)).await;
    counted(&node, "messages_dropped", "repeated_signer").await;
    drop(stream);
    node.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_with_bad_signatures_is_banned_for_a_while_and_nobody_else_is() {
    log();
    let (registry, homes) = validators(4, 0);
    let bans = BanLimits { offences: 3, first: Duration::from_millis(200), ..BanLimits::default() };
    let node = homes[0].start_with(&registry, vec![], |config| config.transport.bans = bans).await;
    let honest = send(&node, &homes[2].identity, greeting(Role::Validator), b"").await;
    eventually("the honest peer is there", || node.handle.status().peers.len() == 1).await;
    for round in 1..=3 {
        closed(send(&node, &homes[1].identity, greeting(Role::Validator), &forged_vote(round)).await).await;
    }
    let banned = "concordat_consensus_bans_total 1";
    eventually("the ban", || node.handle.encode_prometheus().contains(banned)).await;
    // Refused at first, taken back when the ban is over: then the node answers pings again.
    let back = loop {
        let stream = send(&node, &homes[1].identity, greeting(Role::Validator), b"").await;
        let here = async {
            while node.handle.status().peers.len() < 2 {
                tokio::task::yield_now().await
            }
        };
        if tokio::time::timeout(Duration::from_millis(50), here).await.is_ok() {
            break stream;
        }
    };
    counted(&node, "handshakes_failed", "banned").await;
    assert_eq!(node.handle.status().peers.len(), 2, "the other one was never touched");
    drop((honest, back));
    node.handle.shutdown().await;
}
