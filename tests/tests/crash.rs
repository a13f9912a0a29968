//! Nodes die at any instant, lose their disks, come back: what was promised stays, nobody signs twice.

use std::{
    fs,
    hash::{BuildHasher as _, RandomState},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use concordat_tests::{
    Network, chain,
    chaos::{self, BUSY},
    get, program, token,
};
use serde_json::{Value, json};

const NODES: usize = 4;

/// A small part of `make chaos`: the same code, with one, two and all nodes at a time.
#[test]
fn receipts_survive_the_sudden_death_of_any_nodes() {
    let mut network = Network::start_with(NODES, &BUSY);
    let seed = RandomState::new().hash_one(0);
    eprintln!("the seed of this run's plan is {seed}");
    let plan = chaos::Plan::of_sizes(seed, NODES, &[1, 2, NODES, 1]);
    let report = chaos::run(&mut network, &plan, |line| eprintln!("{line}"));
    let report = report.unwrap_or_else(|violation| panic!("{violation}"));
    eprintln!("{:#}", report.to_json());
    assert!(report.receipts > 50, "there was no load: {}", report.receipts);
    nodes_end_when_asked_to(&mut network);
    chain::assert_one_chain(&network);
}

fn nodes_end_when_asked_to(network: &mut Network) {
    let before = network.height(0).unwrap();
    for node in 0..NODES {
        assert_eq!(network.terminate(node), Some(0), "node {node} after SIGTERM");
        assert!(network.log(node).contains("stopped"), "node {node} says that it stopped");
    }
    for node in 0..NODES {
        network.start_node(node);
    }
    network.wait_for_height(0, before + 1);
}

#[test]
fn a_node_with_damaged_files_mends_itself_or_says_what_is_wrong() {
    let mut network = Network::start_with(NODES, &BUSY);
    token::deploy(&network, "bank-a/developer", 1_000);
    the_genesis_document_of_another_chain_is_refused(&mut network, 3);
    a_torn_engine_log_stops_nobody_from_being_safe(&mut network, 3);
    an_emptied_folder_is_filled_by_the_peers(&mut network, 3);
    a_validator_that_lost_its_guard_abstains_and_votes_again(&mut network, 3);
    a_flipped_byte_is_found(&mut network, 3);
    an_emptied_folder_is_filled_by_the_peers(&mut network, 3);
    chain::assert_one_chain(&network);
    chain::assert_no_double_signing(&network);
}

/// Runs a node that is expected to end by itself.
fn run_to_its_end(config: &Path) -> Output {
    let node = Command::new(program()).args(["node", "run", "--config"]).arg(config).output();
    node.unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn the_genesis_document_of_another_chain_is_refused(network: &mut Network, node: usize) {
    network.kill(node);
    let text = fs::read_to_string(network.info["genesis"].as_str().unwrap()).unwrap();
    let mut genesis: Value = serde_json::from_str(&text).unwrap();
    genesis["chain_id"] = json!("another-chain");
    let folder = network.node_folder(node);
    fs::write(folder.join("another.json"), genesis.to_string()).unwrap();
    let mut config: toml::Table = fs::read_to_string(folder.join("concordat.toml")).unwrap().parse().unwrap();
    config["genesis"] = "another.json".into();
    let file = folder.join("another.toml");
    fs::write(&file, config.to_string()).unwrap();

    let output = run_to_its_end(&file);
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    let names = [network.info["chain_id"].as_str().unwrap(), "another-chain", "belongs to chain"];
    assert!(names.iter().all(|name| said.contains(name)), "{said}");
    network.start_node(node);
    catch_up(network, node);
}

fn catch_up(network: &Network, node: usize) {
    let witness = (node + 1) % NODES;
    network.wait_for_height(node, network.height(witness).unwrap() + 1);
}

/// Half of the engine's log is gone: the node recovers from what is left, or refuses to start and says so.
fn a_torn_engine_log_stops_nobody_from_being_safe(network: &mut Network, node: usize) {
    network.kill(node);
    let wal = network.node_folder(node).join("data/wal/consensus.wal");
    let file = fs::File::options().write(true).open(&wal).unwrap();
    let bytes = file.metadata().unwrap().len();
    assert!(bytes > 0, "the engine keeps a log");
    file.set_len(bytes / 2).unwrap();
    network.start_node(node);
    catch_up(network, node);
    chain::assert_no_double_signing(network);
}

fn an_emptied_folder_is_filled_by_the_peers(network: &mut Network, node: usize) {
    if network.height(node).is_some() {
        network.kill(node);
    }
    // All but the record of what the node has signed: whoever loses that must not vote with this key again.
    let data = network.node_folder(node).join("data");
    for part in ["ledger", "wal"] {
        fs::remove_dir_all(data.join(part)).unwrap();
    }
    network.start_node(node);
    catch_up(network, node);
    chain::assert_one_chain(network);
}

/// Nothing is left of its folder, not even the record of what it has signed. It must abstain at first; the
/// blocks that the others go on making end that.
fn a_validator_that_lost_its_guard_abstains_and_votes_again(network: &mut Network, node: usize) {
    network.kill(node);
    let folder = network.node_folder(node);
    fs::remove_dir_all(folder.join("data")).unwrap();
    network.start_node(node);
    catch_up(network, node);
    let ready = format!("{}/readyz", network.url(node, "operations"));
    network.wait("the validator votes again", || {
        let (_, said) = get(&ready);
        serde_json::from_str::<Value>(&said).is_ok_and(|said| said["votes"] == true)
    });
    assert!(network.log(node).contains("The vote guard is missing"), "it says that it abstains");
    assert!(network.log(node).contains("A new vote guard is begun"), "it says that it votes again");
    let config = folder.join("concordat.toml");
    let again =
        concordat_tests::run(&["node", "guard", "--never-signed", "--config", config.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1), "the key of a node that has run is not new: {}", said(&again));
    chain::assert_no_double_signing(network);
}

fn files_with(extension: &str, folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn a_flipped_byte_is_found(network: &mut Network, node: usize) {
    // A start writes what the database's log holds into table files.
    assert_eq!(network.terminate(node), Some(0));
    network.start_node(node);
    catch_up(network, node);
    assert_eq!(network.terminate(node), Some(0));
    let data = network.node_folder(node).join("data");
    let check = || concordat_tests::run(&["db", "check", "--full", "--data", data.to_str().unwrap()]);
    let sound = check();
    assert_eq!(sound.status.code(), Some(0), "{}", said(&sound));

    let tables = files_with("sst", &data.join("ledger/rocksdb"));
    let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
    let largest = tables.iter().max_by_key(|path| size(path)).expect("the database has table files");
    let file = fs::File::options().read(true).write(true).open(largest).unwrap();
    let (mut byte, middle) = ([0], size(largest) / 2);
    file.read_exact_at(&mut byte, middle).unwrap();
    file.write_all_at(&[byte[0] ^ 1], middle).unwrap();
    let damaged = check();
    assert_eq!(damaged.status.code(), Some(3), "{}", said(&damaged));
}
