//! Nodes die at any instant, lose their disks, come back: what was promised stays, nobody signs twice.

use std::{
    fs,
    hash::{BuildHasher as _, RandomState},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use concordat_tests::{
    Network, PATIENCE, Wallet, chain,
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
    assert_eq!(network.counted(0, "concordat_last_end{reason=\"stopped\"}"), 1);
    network.kill(1);
    network.start_node(1);
    network.wait_for_height(1, before + 1);
    assert_eq!(network.counted(1, "concordat_last_end{reason=\"killed\"}"), 1);
    assert_eq!(network.counted(1, "concordat_store_lost_blocks"), 0, "no acknowledged block is lost");
}

#[test]
fn a_node_with_damaged_files_mends_itself_or_says_what_is_wrong() {
    let mut network = Network::start_with(NODES, &BUSY);
    let receipts = receipts(&network);
    the_genesis_document_of_another_chain_is_refused(&mut network, 3);
    torn_logs_lose_nothing_that_was_returned(&mut network, 3, &receipts);
    a_damaged_guard_lets_nobody_vote(&mut network, 3);
    an_emptied_folder_is_filled_by_the_peers(&mut network, 3);
    a_validator_that_lost_its_guard_abstains_and_votes_again(&mut network, 3);
    a_flipped_byte_is_found(&mut network, 3);
    an_emptied_folder_is_filled_by_the_peers(&mut network, 3);
    chain::assert_one_chain(&network);
    damage_in_an_old_block_is_counted_and_the_chain_goes_on(&mut network, 3);
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

/// Receipts that clients were given.
fn receipts(network: &Network) -> Vec<Value> {
    let token = token::deploy(network, "bank-a/developer", 1_000);
    let developer = Wallet::of(network, "bank-a/developer");
    // The developer has enrolled and deployed.
    let pay = |nonce| network.execute(0, &developer.transfer(nonce, token, Address::repeat_byte(9), 1));
    (2..6).map(pay).collect()
}

/// What a power cut or a bad disk leaves of a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// Its second half is gone.
    Cut,
    /// Something else follows.
    Garbage,
    /// Less is left than its header takes.
    Stump,
}

impl Damage {
    fn apply(self, file: &Path) {
        let mut bytes = fs::read(file).unwrap();
        match self {
            Damage::Cut => bytes.truncate(bytes.len() / 2),
            Damage::Garbage => bytes.extend([0xa5; 777]),
            Damage::Stump => bytes.truncate(3),
        }
        fs::write(file, bytes).unwrap();
    }
}

/// The node recovers, or refuses to start, names the file and says what to do; then that helps.
fn torn_logs_lose_nothing_that_was_returned(network: &mut Network, node: usize, receipts: &[Value]) {
    let data = network.node_folder(node).join("data");
    let both = [Damage::Cut, Damage::Garbage].map(|damage| [(damage, true), (damage, false)]);
    for (damage, of_engine) in both.concat().into_iter().chain([(Damage::Stump, true)]) {
        network.kill(node);
        let log = if of_engine { data.join("wal/consensus.wal") } else { newest_log(&data) };
        assert!(log.metadata().unwrap().len() > 0, "{} is empty", log.display());
        damage.apply(&log);
        network.start_node(node);
        let name = log.file_name().unwrap().to_str().unwrap();
        if !comes_back(network, node) {
            let said = network.log_tail(node, 1);
            assert!(said.contains(data.to_str().unwrap()), "{damage:?} of {name} is not named: {said}");
            an_emptied_folder_is_filled_by_the_peers(network, node);
            eprintln!("{damage:?} of {name}: refused, named, and mended by an empty folder");
        } else if of_engine && matches!(damage, Damage::Garbage) {
            a_torn_end_was_cut_off(network, node, &log);
        }
        for receipt in receipts {
            let asked = json!([receipt["transactionHash"]]);
            let kept = network.eth(node, "eth_getTransactionReceipt", asked).unwrap();
            assert_eq!(kept, *receipt, "after {damage:?} of {name}");
        }
        chain::assert_no_double_signing(network);
    }
}

/// The node that mended its engine's log says so, with the file, and counts it.
fn a_torn_end_was_cut_off(network: &Network, node: usize, log: &Path) {
    assert_eq!(network.counted(node, "concordat_consensus_log_torn_total"), 1);
    let said = network.log(node);
    let line = said.lines().rfind(|line| line.contains("The end of the engine's log was torn"));
    let line = line.unwrap_or_else(|| panic!("{}", network.log_tail(node, 20)));
    assert!(line.contains(log.to_str().unwrap()) && line.contains("cut_bytes"), "{line}");
}

/// The database's log that it wrote last.
fn newest_log(data: &Path) -> PathBuf {
    let mut logs = files_with("log", &data.join("ledger/rocksdb"));
    logs.sort();
    logs.pop().expect("the database keeps a log")
}

/// Waits until the node has caught up, or has ended by itself.
fn comes_back(network: &mut Network, node: usize) -> bool {
    let target = network.height((node + 1) % NODES).unwrap() + 1;
    let until = Instant::now() + PATIENCE;
    loop {
        if network.height(node).is_some_and(|height| height >= target) {
            return true;
        }
        if let Some(status) = network.ended(node) {
            assert_eq!(status.code(), Some(1), "{}", network.log_tail(node, 10));
            return false;
        }
        assert!(Instant::now() < until, "node {node} neither comes back nor ends");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Who does not know what it signed must not sign: the node refuses until the record is back.
fn a_damaged_guard_lets_nobody_vote(network: &mut Network, node: usize) {
    network.kill(node);
    let guard = network.node_folder(node).join("data/last-signed");
    let record = fs::read(&guard).unwrap();
    for damage in [Damage::Cut, Damage::Garbage] {
        damage.apply(&guard);
        let output = run_to_its_end(Path::new(network.node(node)["config"].as_str().unwrap()));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let words = [guard.to_str().unwrap(), "is damaged", "Move the file away"];
        assert!(words.iter().all(|words| said.contains(words)), "{damage:?}: {said}");
        fs::write(&guard, &record).unwrap();
    }
    network.start_node(node);
    catch_up(network, node);
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
    let lost = network.counted(node, "concordat_store_lost_blocks");
    assert!(lost > 0, "it knows by its record that there was more");
    assert!(network.log(node).contains("The store ends before what this node has signed for"));
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
    let (check, told) = (damaged.status.code(), said(&damaged));
    assert_eq!(check, Some(3), "{told}");
    assert!(told.contains(largest.file_name().unwrap().to_str().unwrap()), "the file is not named: {told}");
}

/// Bits flip in the file of the first blocks. Nothing but they is lost: whoever asks for them gets an error and a
/// counter moves, and the node goes on with the others.
fn damage_in_an_old_block_is_counted_and_the_chain_goes_on(network: &mut Network, node: usize) {
    // A start writes what the database's log holds into table files.
    assert_eq!(network.terminate(node), Some(0));
    network.start_node(node);
    catch_up(network, node);
    assert_eq!(network.terminate(node), Some(0));
    let tables = files_with("sst", &network.node_folder(node).join("data/ledger/rocksdb"));
    // Each file says of which column family it is; what the property's key has in common with the key before it, which
    // ends in `id`, is left out.
    let of_blocks = |path: &&PathBuf| {
        let name = b"nameblocks";
        fs::read(path).unwrap().windows(name.len()).any(|bytes| bytes == name)
    };
    let table = tables.iter().filter(of_blocks).min().expect("blocks are in a table file");
    let mut bytes = fs::read(table).unwrap();
    bytes[200] ^= 0x10;
    fs::write(table, bytes).unwrap();

    network.start_node(node);
    catch_up(network, node);
    let counter = "concordat_store_errors_total{kind=\"corrupt\"}";
    let before = network.counted(node, counter);
    let block =
        |height: u64| network.eth(node, "eth_getBlockByNumber", json!([format!("{height:#x}"), false]));
    let newest = network.height(node).unwrap();
    let lost: Vec<u64> = (1..=newest).filter(|height| block(*height).is_err()).collect();
    assert!(lost.first() == Some(&1) && lost.len() < newest as usize / 2, "{lost:?} of {newest} are lost");
    assert_eq!(block(1).unwrap_err()["code"], -32603);
    assert!(network.counted(node, counter) > before, "the damage is not counted");
    catch_up(network, node);
    for other in 0..NODES {
        network.wait_for_height(other, newest + 2);
    }
}
