//! Four validators in one process, over real TCP and mutual TLS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use concordat_consensus::{Address, ConsensusConfig, SyncedBlock};
use concordat_types::{Role, commit::verify_commit};
use support::*;
use tendermint::{Time, block::signed_header::SignedHeader, validator::Set};
use tendermint_light_client_verifier::{
    ProdVerifier, Verdict, Verifier,
    options::Options,
    types::{TrustThreshold, TrustedBlockState, UntrustedBlockState},
};

/// Everyone has the same chain, and each commit verifies: strictly, and for the independent light client.
fn check_chains(homes: &[Home], height: u64) {
    let first = &homes[0].ledger;
    let set: &Set = first.validators.comet();
    let mut trusted: Option<Committed> = None;
    for number in 1..=height {
        let committed = first.at(number);
        for home in homes {
            assert_eq!(home.ledger.at(number).id, committed.id, "{} forked at {number}", home.name);
            let commit = &home.ledger.at(number).commit;
            verify_commit(commit, CHAIN, number, &committed.id, &first.validators).unwrap();
        }
        if let Some(trusted) = &trusted {
            light_client_accepts(trusted, &committed, set);
        }
        trusted = Some(committed);
    }
}

fn light_client_accepts(trusted: &Committed, next: &Committed, set: &Set) {
    let signed_header = SignedHeader::new(next.block.header.clone(), next.commit.clone()).unwrap();
    let untrusted =
        UntrustedBlockState { signed_header: &signed_header, validators: set, next_validators: Some(set) };
    let header = &trusted.block.header;
    let trusted = TrustedBlockState {
        chain_id: &header.chain_id,
        header_time: header.time,
        height: header.height,
        next_validators: set,
        next_validators_hash: header.next_validators_hash,
    };
    let options = Options {
        trust_threshold: TrustThreshold::TWO_THIRDS,
        trusting_period: Duration::from_secs(3600),
        clock_drift: Duration::from_secs(5),
    };
    let verdict = ProdVerifier::default().verify_update_header(untrusted, trusted, &options, Time::now());
    assert_eq!(verdict, Verdict::Success);
}

fn run_until(homes: &[Home], height: u64) {
    for home in homes {
        home.ledger.run_until(height);
    }
}

/// Four validators, of whom the first proposes the first block.
fn validators_proposer_first() -> (std::sync::Arc<Registry>, Vec<Home>) {
    let (registry, mut homes) = validators(4, 1000);
    let first = homes[0].ledger.proposer(1, 0);
    let proposer = homes.iter().position(|home| public_key(&home.seed) == first).unwrap();
    homes.swap(0, proposer);
    (registry, homes)
}

async fn all_reach(homes: &[Home], height: u64) {
    for home in homes {
        home.ledger.reaches(height).await;
    }
}

/// Whether a node's metrics have this very line.
fn shows(node: &Running, line: &str) -> bool {
    node.handle.encode_prometheus().lines().any(|shown| shown == line)
}

async fn stop(running: Vec<Running>) {
    for node in running {
        node.handle.shutdown().await;
    }
}

/// How many validators each node held to be away when its present height began.
fn away(running: &[Running]) -> Vec<u64> {
    let value = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("concordat_consensus_validators_away "));
        line.unwrap().parse().unwrap()
    };
    running.iter().map(|node| value(node.handle.encode_prometheus())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_validators_agree_and_every_commit_verifies() {
    log();
    let (registry, homes) = validators(4, 200_000);
    let running = start_all(&registry, &homes).await;
    run_until(&homes, 20);
    all_reach(&homes, 20).await;
    check_chains(&homes, 20);
    let status = running[0].handle.status();
    assert_eq!(status.peers.len(), 3);
    assert!(running[0].handle.encode_prometheus().contains("concordat_consensus_committed_total 20"));
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_survives_a_stopped_validator_which_catches_up_later() {
    log();
    let (registry, homes) = validators(4, 1000);
    let mut running = start_all(&registry, &homes).await;
    run_until(&homes, 5);
    all_reach(&homes, 5).await;

    running.pop().unwrap().handle.shutdown().await;
    run_until(&homes[..3], 15);
    all_reach(&homes[..3], 15).await;
    assert!(homes[3].ledger.tip() < 15);
    assert_eq!(away(&running[..3]), [1, 1, 1], "its turns are hardly waited for");

    // The network is idle now; the one that returns must notice by itself what it missed.
    let returned = homes[3].start(&registry, addresses(&running)).await;
    homes[3].ledger.reaches(15).await;
    let expected = homes[3].ledger.expected.lock().unwrap().clone();
    assert!(!expected.is_empty(), "it is told of blocks before it judges them");
    for (height, block) in expected {
        let bytes = homes[0].ledger.at(height).stored.block.bytes;
        assert_eq!(block, SyncedBlock { bytes, senders: said_of(height) }, "and who sent what in them");
    }
    running.push(returned);
    run_until(&homes, 25);
    all_reach(&homes, 25).await;
    check_chains(&homes, 25);
    assert_eq!(away(&running), [0; 4]);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_network_restarts_where_it_stopped() {
    log();
    let (registry, homes) = validators(4, 1000);
    for height in [5, 10] {
        let running = start_all(&registry, &homes).await;
        run_until(&homes, height);
        all_reach(&homes, height).await;
        stop(running).await;
    }
    check_chains(&homes, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_has_shut_down_holds_neither_its_guard_nor_its_log() {
    log();
    let (registry, homes) = validators(1, 0);
    let stopped = homes[0].start(&registry, Vec::new()).await;
    run_until(&homes, 2);
    all_reach(&homes, 2).await;
    stopped.handle.shutdown().await;
    // The handle of the first, and with it all that its tasks share, is still there.
    let again = homes[0].start(&registry, Vec::new()).await;
    run_until(&homes, 4);
    all_reach(&homes, 4).await;
    again.handle.shutdown().await;
    drop(stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn block_that_comes_before_its_height_begins_is_as_old_as_it_was_then() {
    log();
    let (registry, homes) = validators_proposer_first();
    let running = start_all(&registry, &homes).await;
    let connected = |node: &Running| node.handle.status().peers.len() == 3;
    eventually("all are connected", || running.iter().all(connected)).await;
    // One validator's word wakes nobody: the others have its block and wait for a reason to look at it.
    homes[0].ledger.run_until(1);
    let has_block = |home: &Home| home.ledger.arrived.load(Ordering::SeqCst) == 1;
    eventually("the others have the block", || homes[1..].iter().all(has_block)).await;
    assert!(running[1..].iter().all(|node| node.handle.status().waiting == Some(1)));
    homes.iter().for_each(|home| home.ledger.skew.store(120, Ordering::SeqCst));
    run_until(&homes, 1);
    all_reach(&homes, 1).await;
    let rejected = "concordat_consensus_blocks_rejected_total{reason=\"invalid\"}";
    assert!(running.iter().all(|node| !node.handle.encode_prometheus().contains(rejected)));
    assert_eq!(homes[0].ledger.at(1).commit.round.value(), 0);
    check_chains(&homes, 1);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn block_from_before_a_restart_is_still_good_when_the_network_was_down_for_long() {
    log();
    let (registry, homes) = validators_proposer_first();
    // Two of four cannot decide: they store the block and vote for it.
    let running = start_all(&registry, &homes[..2]).await;
    run_until(&homes, 1);
    let stored = |home: &Home| home.ledger.undecided(1).len() == 1;
    eventually("both have the block", || homes[..2].iter().all(stored)).await;
    stop(running).await;

    let block = homes[0].ledger.undecided(1).remove(0);
    homes.iter().for_each(|home| home.ledger.skew.store(7_200, Ordering::SeqCst));
    let running = start_all(&registry, &homes).await;
    all_reach(&homes, 1).await;
    assert!(homes.iter().all(|home| home.ledger.undecided(1).is_empty()));
    let rejected = "concordat_consensus_blocks_rejected_total{reason=\"invalid\"}";
    for node in &running[..2] {
        let text = node.handle.encode_prometheus();
        assert!(!text.contains(rejected), "{block:?} was valid before");
    }
    check_chains(&homes, 1);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn validator_that_cannot_judge_counts_it_and_abstains_and_follows_once_it_can() {
    log();
    let (registry, homes) = validators(4, 0);
    homes[3].ledger.unreadable.store(true, Ordering::SeqCst);
    let running = start_all(&registry, &homes).await;
    run_until(&homes, 3);
    all_reach(&homes[..3], 3).await;
    let undecidable = |node: &Running| node.handle.metrics().blocks_undecidable.get();
    eventually("it is counted", || undecidable(&running[3]) > 0).await;
    assert!(running[..3].iter().all(|node| undecidable(node) == 0));
    assert_eq!(homes[3].ledger.tip(), 0);

    homes[3].ledger.unreadable.store(false, Ordering::SeqCst);
    run_until(&homes, 6);
    all_reach(&homes, 6).await;
    check_chains(&homes, 6);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn observer_follows_without_voting() {
    log();
    let (registry, mut homes) = validators(4, 1000);
    let mut running = start_all(&registry, &homes).await;
    run_until(&homes, 5);
    all_reach(&homes, 5).await;
    let observer = observer(&registry, &homes[0]);
    running.push(observer.start(&registry, addresses(&running)).await);
    observer.ledger.reaches(5).await;
    run_until(&homes, 12);
    homes.push(observer);
    all_reach(&homes, 12).await;
    check_chains(&homes, 12);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_network_burns_no_heights_or_rounds_until_two_nodes_wake_it() {
    log();
    let (registry, homes) = validators(4, 0);
    let running = start_all(&registry, &homes).await;
    run_until(&homes, 3);
    all_reach(&homes, 3).await;
    // A node that waits for a reason to start a height has no round and no timer under way.
    let idle = |node: &Running| node.handle.status().waiting == Some(4);
    eventually("all are idle", || running.iter().all(idle)).await;
    let positions = || -> Vec<_> {
        running.iter().map(|node| (node.handle.status().height, node.handle.status().round)).collect()
    };
    // On a busy machine height 3 may have taken more rounds than one.
    let before = positions();
    assert!(before.iter().all(|(height, _)| *height == 3), "{before:?}");
    // That nothing happens can only be seen by letting time pass.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(positions(), before);
    assert!(homes.iter().all(|home| home.ledger.tip() == 3));
    // One node's word wakes nobody, that of two does: one of them must be honest.
    homes[2].ledger.run_until(4);
    homes[1].ledger.run_until(4);
    all_reach(&homes, 4).await;
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_reaches_the_validators() {
    log();
    let (registry, homes) = validators(2, 0);
    let mut running = start_all(&registry, &homes).await;
    eventually("both are connected", || running[0].handle.status().peers.len() == 1).await;
    running[0].handle.broadcast_gossip(&Bytes::from_static(b"a transaction"));
    let gossip = running[1].gossip.recv().await.unwrap();
    assert_eq!(gossip.message, "a transaction");
    assert_eq!(gossip.from.org.as_str(), "bank-0");
    assert_eq!(gossip.from.role, Role::Validator);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn validator_without_its_guard_abstains_while_it_catches_up_and_votes_again_later() {
    log();
    let (registry, mut homes) = validators(4, 0);
    let mut running = start_all(&registry, &homes).await;
    run_until(&homes, 5);
    all_reach(&homes, 5).await;
    running.pop().unwrap().handle.shutdown().await;

    // A new disk: no guard, no log, no ledger.
    std::fs::remove_file(homes[3].guard()).unwrap();
    std::fs::remove_dir_all(homes[3].wal_dir()).unwrap();
    homes[3].ledger = Ledger::new(homes[3].ledger.validators.clone(), 0);
    let returned = homes[3].start(&registry, addresses(&running)).await;
    let abstains = || returned.handle.status().abstains_until.is_some();
    homes[3].ledger.reaches(5).await;
    assert!(abstains(), "the blocks that it may have voted on prove nothing");
    assert!(shows(&returned, "concordat_consensus_abstaining 1"));
    assert!(!homes[3].guard().exists());

    let mut height = 5;
    while abstains() {
        height += 1;
        run_until(&homes, height);
        all_reach(&homes, height).await;
    }
    let voter =
        homes[3].ledger.validators.validators().iter().position(|v| v.public_key == public_key(&[4; 32]));
    let place = |height| homes[0].ledger.at(height).commit.signatures[voter.unwrap()].clone();
    assert!((6..height).all(|height| place(height).is_absent()), "it signed what it may have signed before");

    // With another one gone, nothing is decided without its vote.
    running.remove(2).handle.shutdown().await;
    let rest = [&homes[0], &homes[1], &homes[3]];
    for home in rest {
        home.ledger.run_until(height + 3);
    }
    for home in rest {
        home.ledger.reaches(height + 3).await;
    }
    assert!((height + 1..=height + 3).all(|height| place(height).is_commit()));
    assert!(homes.iter().all(|home| home.ledger.evidence.lock().unwrap().is_empty()));
    running.push(returned);
    stop(running).await;
}

/// One validator's clock is off by `skew` seconds; the others decide without it, and it finds out.
async fn clock_is_off(skew: i64) {
    log();
    const HEIGHTS: u64 = 12;
    let (registry, homes) = validators(4, 0);
    homes[1].ledger.skew.store(skew, Ordering::SeqCst);
    let adjust = |config: &mut ConsensusConfig| config.clock_precision = Duration::from_secs(30);
    let mut running: Vec<Running> = Vec::new();
    for home in &homes {
        running.push(home.start_with(&registry, addresses(&running), adjust).await);
    }
    for height in 1..=HEIGHTS {
        run_until(&homes, height);
        all_reach(&homes, height).await;
    }
    check_chains(&homes, HEIGHTS);

    let wrong = Address::of_public_key(&public_key(&homes[1].seed));
    let proposer = |height| homes[0].ledger.at(height).block.header.proposer_address;
    // The first block has no predecessor whose time could be compared; its own time is refused all the same.
    assert!((1..=HEIGHTS).all(|height| proposer(height).as_bytes() != wrong.0), "its time was accepted");
    let offset = running[1].handle.status().clock_offset_ms.expect("it has seen enough blocks");
    assert!((offset - skew * 1_000).abs() < 60_000, "it thinks that it is {offset} ms ahead");
    assert!(shows(&running[1], "concordat_consensus_clock_off 1"));
    for node in [0, 2, 3] {
        assert!(shows(&running[node], "concordat_consensus_clock_off 0"), "node {node} blames its own clock");
    }
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chain_goes_on_when_a_validator_s_clock_is_minutes_ahead_and_it_finds_out() {
    clock_is_off(180).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chain_goes_on_when_a_validator_s_clock_is_minutes_behind_and_it_finds_out() {
    clock_is_off(-180).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_node_is_disconnected_after_the_next_block() {
    log();
    let (registry, homes) = validators(4, 0);
    let running = start_all(&registry, &homes).await;
    run_until(&homes, 2);
    all_reach(&homes, 2).await;
    registry.revoke(&homes[3].identity);
    run_until(&homes[..3], 6);
    all_reach(&homes[..3], 6).await;
    eventually("it is gone", || running[..3].iter().all(|node| node.handle.status().peers.len() == 2)).await;
    assert!(
        running[0]
            .handle
            .encode_prometheus()
            .contains("disconnects_total{reason=\"no_longer_authorised\"} 1")
    );
    stop(running).await;
}
