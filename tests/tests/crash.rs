//! Nodes die at any instant, lose their disks, come back: what was promised stays, nobody signs twice.

use std::{
    collections::BTreeMap,
    fs,
    hash::{BuildHasher as _, RandomState},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicBool, Ordering},
};

use alloy_primitives::Address;
use concordat_tests::{Network, Wallet, call, chain, get, program, token};
use serde_json::{Value, json};

const NODES: usize = 4;

/// Blocks come without load too, so that a node that is back has something to decide.
const BUSY: [&str; 2] = ["--empty-block-interval-ms", "500"];

/// What a client was told: transaction and the hash of its block.
type Promises = BTreeMap<String, String>;

#[test]
fn receipts_survive_the_sudden_death_of_any_node() {
    let mut network = Network::start_with(NODES, &BUSY);
    let token = token::deploy(&network, "bank-a/developer", 1_000_000);
    for node in 0..NODES {
        network.enrol(&payer(node), 0);
    }
    fund_payers(&network, token);

    let stop = AtomicBool::new(false);
    let urls: Vec<String> = (0..NODES).map(|node| network.url(node, "ethereum")).collect();
    let wallets: Vec<Wallet> = (0..NODES).map(|node| Wallet::of(&network, &payer(node))).collect();
    let promises: Vec<Promises> = std::thread::scope(|scope| {
        let pay = |(at, wallet)| {
            let (urls, stop) = (&urls, &stop);
            scope.spawn(move || pay_until(stop, urls, at, wallet, token))
        };
        let payers: Vec<_> = wallets.iter().enumerate().map(pay).collect();
        let died =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| kill_one_after_another(&mut network)));
        stop.store(true, Ordering::SeqCst);
        let promises = payers.into_iter().map(|payer| payer.join().unwrap()).collect();
        died.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        promises
    });

    let promises: Promises = promises.into_iter().flatten().collect();
    assert!(promises.len() > 20, "there was no load: {}", promises.len());
    assert_kept(&network, &promises);
    all_nodes_die_at_once(&mut network);
    assert_kept(&network, &promises);
    nodes_end_when_asked_to(&mut network);
    assert_kept(&network, &promises);
}

fn payer(node: usize) -> String {
    format!("bank-{}/operator", char::from(b'a' + u8::try_from(node).unwrap()))
}

fn fund_payers(network: &Network, token: Address) {
    let developer = Wallet::of(network, "bank-a/developer");
    // The developer has enrolled and deployed.
    for (nonce, node) in (2..).zip(0..NODES) {
        let raw = developer.transfer(nonce, token, network.address(&payer(node)), 100_000);
        assert_eq!(network.execute(0, &raw)["status"], "0x1");
    }
}

/// Sends payments one after another, each to the next node; a node that is dead is left out. A payment is
/// sent again until some node gives its receipt.
fn pay_until(stop: &AtomicBool, urls: &[String], first: usize, wallet: &Wallet, token: Address) -> Promises {
    let mut promises = Promises::new();
    let mut nodes = urls.iter().cycle().skip(first);
    // The payer has enrolled.
    for nonce in 1.. {
        let raw = wallet.transfer(nonce, token, Address::repeat_byte(9), 1);
        let hash = alloy_primitives::keccak256(&raw).to_string();
        let receipt = loop {
            if stop.load(Ordering::SeqCst) {
                return promises;
            }
            let url = nodes.next().unwrap();
            // Known, or below the next nonce: its receipt comes.
            let _ = call(url, "eth_sendRawTransaction", json!([raw]));
            if let Some(receipt) = poll_receipt(url, &hash) {
                break receipt;
            }
        };
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        promises.insert(hash, receipt["blockHash"].as_str().unwrap().to_owned());
    }
    promises
}

/// Asks for a receipt for a while, as clients do.
fn poll_receipt(url: &str, hash: &str) -> Option<Value> {
    (0..50).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        call(url, "eth_getTransactionReceipt", json!([hash])).ok().filter(|receipt| !receipt.is_null())
    })
}

fn kill_one_after_another(network: &mut Network) {
    let random = RandomState::new();
    for round in 0..5u8 {
        let victim = usize::try_from(random.hash_one(round) % NODES as u64).unwrap();
        let witness = (victim + 1) % NODES;
        network.kill(victim);
        // One of four is down: the others go on.
        network.wait_for_height(witness, network.height(witness).unwrap() + 3);
        network.start_node(victim);
        network.wait_for_height(victim, network.height(witness).unwrap());
    }
}

/// Every receipt that some node gave is on all nodes, in the same block of one chain.
fn assert_kept(network: &Network, promises: &Promises) {
    chain::assert_one_chain(network);
    for node in 0..NODES {
        for (hash, block) in promises {
            let receipt = network.eth(node, "eth_getTransactionReceipt", json!([hash])).unwrap();
            assert_eq!(receipt["blockHash"], json!(block), "{hash} on node {node}");
        }
    }
    chain::assert_no_double_signing(network);
}

fn all_nodes_die_at_once(network: &mut Network) {
    let before = network.height(0).unwrap();
    for node in 0..NODES {
        network.kill(node);
    }
    for node in 0..NODES {
        network.start_node(node);
    }
    for node in 0..NODES {
        network.wait_for_height(node, before + 2);
    }
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
    let risky = ["node", "guard", "--signed-up-to", "9", "--config", config.to_str().unwrap()];
    assert_eq!(concordat_tests::run(&risky).status.code(), Some(2), "the risk must be accepted");
    chain::assert_no_double_signing(network);

    network.kill(node);
    let guard = folder.join("data/last-signed");
    let whole = fs::read(&guard).unwrap();
    fs::write(&guard, &whole[..40]).unwrap();
    let refused = run_to_its_end(&config);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("is damaged"), "{}", said(&refused));
    fs::write(&guard, whole).unwrap();
    network.start_node(node);
    catch_up(network, node);
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
