//! Joining from a snapshot and letting go of the past: `concordat db` on the data of real nodes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use alloy_primitives::{Address, hex};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use concordat_tests::{Network, chain, concordat, get, run, token};
use serde_json::{Value, json};

const NODES: usize = 4;
/// The node that the snapshot is taken from, and whose past is pruned later.
const GIVER: usize = 2;
/// The node that joins.
const JOINER: usize = 3;
/// The code of errors about what is no longer kept.
const PRUNED: i64 = 4444;
/// Block bodies that the pruned node keeps, at least.
const KEPT_BODIES: u64 = 16;

#[test]
fn a_node_joins_from_a_snapshot_that_nobody_has_to_believe_and_another_forgets_its_past() {
    let mut network = Network::start_with(NODES, &["--empty-block-interval-ms", "200"]);
    let token = token::deploy(&network, "bank-a/developer", 1_000);
    let snapshot = Snapshot::of_a_stopped_node(&mut network);
    damaged_files_are_named_and_leave_nothing_behind(&network, &snapshot);
    a_forged_commit_is_found_out(&network, &snapshot);
    the_snapshot_of_another_chain_is_refused(&network, &snapshot);
    a_node_joins_and_catches_up(&mut network, &snapshot, token);
    a_pruned_node_says_what_it_no_longer_has(&mut network, token);
    chain::assert_no_double_signing(&network);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What the program said of a command that must fail.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    said["error"].as_str().unwrap().to_owned()
}

/// An exported folder.
struct Snapshot {
    folder: PathBuf,
    height: u64,
}

impl Snapshot {
    fn of_a_stopped_node(network: &mut Network) -> Self {
        let (data, folder) = (network.node_folder(GIVER).join("data"), network.home().join("snapshot"));
        let export = ["db", "export", "--data", text(&data), "--out", text(&folder)];
        let running = refusal(&run(&export));
        assert!(running.contains("is in use; stop the node"), "{running}");

        assert_eq!(network.terminate(GIVER), Some(0));
        let stats = concordat(&["db", "stats", "--data", text(&data)]);
        let manifest = concordat(&export);
        assert_eq!((&stats["height"], &stats["keys"]), (&manifest["height"], &manifest["keys"]));
        assert!(refusal(&run(&export)).contains("name a new directory"));
        network.start_node(GIVER);
        let height = manifest["height"].as_u64().unwrap();
        network.wait_for_height(0, height + 1);
        Self { folder, height }
    }

    /// A copy with one file changed.
    fn with(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let folder = tempfile::tempdir_in(self.folder.parent().unwrap()).unwrap().keep();
        for entry in fs::read_dir(&self.folder).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
        let mut bytes = fs::read(folder.join(name)).unwrap();
        change(&mut bytes);
        fs::write(folder.join(name), bytes).unwrap();
        Self { folder, height: self.height }
    }

    /// `concordat db import` into a data folder, asking node 0 for the header that vouches.
    fn import(&self, network: &Network, data: &Path) -> Output {
        let (genesis, comet) = (network.info["genesis"].as_str().unwrap(), network.url(0, "cometbft"));
        let import = ["db", "import", "--data", text(data), "--from", text(&self.folder)];
        run(&[&import[..], &["--genesis", genesis, "--comet", &comet]].concat())
    }
}

fn flip_in_the_middle(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

fn damaged_files_are_named_and_leave_nothing_behind(network: &Network, snapshot: &Snapshot) {
    let data = network.home().join("data-of-a-newcomer");
    for name in ["chunk-000000", "anchor"] {
        let damaged = snapshot.with(name, |bytes| flip_in_the_middle(bytes));
        let said = refusal(&damaged.import(network, &data));
        assert!(said.contains(text(&damaged.folder.join(name))) && said.contains("is damaged"), "{said}");
    }
    // The folder is as good as new.
    let imported = snapshot.import(network, &data);
    assert_eq!(imported.status.code(), Some(0), "{}", String::from_utf8_lossy(&imported.stdout));
    let again = refusal(&snapshot.import(network, &data));
    assert!(again.contains(&format!("already stands at height {}", snapshot.height)), "{again}");
}

/// Whoever makes a snapshot can make its checksums fit; the signatures of the commit they cannot.
fn a_forged_commit_is_found_out(network: &Network, snapshot: &Snapshot) {
    let commit = network.comet(0, "commit", json!({ "height": snapshot.height.to_string() })).unwrap();
    let signatures = commit["signed_header"]["commit"]["signatures"].as_array().unwrap().iter();
    let signatures: Vec<Vec<u8>> = signatures
        .filter_map(|entry| STANDARD.decode(entry["signature"].as_str()?).ok())
        .filter(|signature| !signature.is_empty())
        .collect();
    let mut checksum = String::new();
    let anchor = snapshot.with("anchor", |anchor| {
        let place = |signature: &Vec<u8>| anchor.windows(signature.len()).position(|at| at == signature);
        let signature = signatures.iter().find_map(place).expect("the anchor holds the commit");
        anchor[signature] ^= 1;
        checksum = hex::encode_prefixed(openssl::sha::sha256(anchor));
    });
    let forged = anchor.with("manifest.json", |manifest| {
        let mut said: Value = serde_json::from_slice(manifest).unwrap();
        said["anchor"]["sha256"] = json!(checksum);
        *manifest = said.to_string().into();
    });
    let data = network.home().join("data-of-the-deceived");
    let said = refusal(&forged.import(network, &data));
    let words = format!("the snapshot's commit of block {} is wrong", snapshot.height);
    assert!(said.contains(&words) && said.contains("take a snapshot from another member"), "{said}");
    // Nor does a node start on what came of it.
    let folder = network.node_folder(JOINER);
    let config = fs::read_to_string(folder.join("concordat.toml")).unwrap();
    let mut config: toml::Table = config.parse().unwrap();
    config["data"] = text(&data).into();
    fs::write(folder.join("deceived.toml"), config.to_string()).unwrap();
    let said = refusal(&run(&["node", "run", "--config", text(&folder.join("deceived.toml"))]));
    assert!(said.contains("import of a snapshot that was cut off or found wrong"), "{said}");
}

fn the_snapshot_of_another_chain_is_refused(network: &Network, snapshot: &Snapshot) {
    let other = snapshot.with("manifest.json", |manifest| {
        let mut said: Value = serde_json::from_slice(manifest).unwrap();
        said["chain_id"] = json!("another-chain");
        *manifest = said.to_string().into();
    });
    let said = refusal(&other.import(network, &network.home().join("data-of-another-chain")));
    assert!(said.contains("the snapshot's chain id is another-chain"), "{said}");
}

/// A node loses its ledger, not the record of what it has signed, and starts from the snapshot.
fn a_node_joins_and_catches_up(network: &mut Network, snapshot: &Snapshot, token: Address) {
    network.kill(JOINER);
    let data = network.node_folder(JOINER).join("data");
    for part in ["ledger", "wal"] {
        fs::remove_dir_all(data.join(part)).unwrap();
    }
    let imported = snapshot.import(network, &data);
    assert_eq!(imported.status.code(), Some(0), "{}", String::from_utf8_lossy(&imported.stdout));
    network.start_node(JOINER);
    let target = network.height(0).unwrap() + 2;
    network.wait_for_height(JOINER, target);

    let said = network.verify(JOINER, &["--mapping", &token.to_string(), "0", &developer(network)]);
    assert_eq!(said["state"][0]["value"], json!("03e8"), "1000 tokens, as the node that joined proves");
    let first = snapshot.height + 1;
    let told = chain::headers(network, JOINER, first, target);
    assert_eq!(told, chain::headers(network, 0, first, target));
    is_pruned_below(network, JOINER, first);
    // It never held the state that the chain began with, and shows it all the same.
    let begin = |node| network.eth(node, "eth_getBlockByNumber", json!(["0x0", false])).unwrap();
    assert_eq!(begin(JOINER), begin(0));
    let genesis = |node| network.comet(node, "genesis", json!({})).unwrap();
    assert_eq!(genesis(JOINER), genesis(0));
    let ready = format!("{}/readyz", network.url(JOINER, "operations"));
    network.wait("the node that joined votes", || {
        let (status, said) = get(&ready);
        status == 200 && serde_json::from_str::<Value>(&said).is_ok_and(|said| said["votes"] == true)
    });
}

fn developer(network: &Network) -> String {
    network.address("bank-a/developer").to_string()
}

fn a_pruned_node_says_what_it_no_longer_has(network: &mut Network, token: Address) {
    network.wait_for_height(GIVER, 2 * KEPT_BODIES);
    assert_eq!(network.terminate(GIVER), Some(0));
    let data = network.node_folder(GIVER).join("data");
    let prune = ["db", "prune", "--data", text(&data), "--keep-history", "4"];
    let report = concordat(&[&prune[..], &["--keep-bodies", &KEPT_BODIES.to_string()]].concat());
    let (floor, bodies) = (report["body_floor"].as_u64().unwrap(), report["bodies"].as_u64().unwrap());
    assert_eq!(bodies, floor - 1, "{report}");
    assert_eq!(report["history_floor"], json!(floor + KEPT_BODIES - 4));
    network.start_node(GIVER);
    network.wait_for_height(GIVER, network.height(0).unwrap() + 1);

    is_pruned_below(network, GIVER, floor);
    let old = token::balance(network, GIVER, token, Address::repeat_byte(1), "0x1").unwrap_err();
    assert_eq!(old["code"], PRUNED, "{old}");
    // What light clients verify stays.
    network.verify(GIVER, &["--every"]);
}

/// Blocks and states below `floor` are refused with their own error, and what can be had says where it begins.
fn is_pruned_below(network: &Network, node: usize, floor: u64) {
    let below = format!("{:#x}", floor - 1);
    for (method, params) in [
        ("eth_getBlockByNumber", json!([below, false])),
        ("eth_getLogs", json!([{ "fromBlock": below }])),
        ("eth_getBalance", json!([Address::ZERO, format!("{:#x}", floor - 2)])),
    ] {
        let error = network.eth(node, method, params).unwrap_err();
        assert_eq!(error["code"], PRUNED, "{method}: {error}");
        assert!(error["message"].as_str().unwrap().contains("pruned"), "{method}: {error}");
    }
    let block = network.comet(node, "block", json!({ "height": (floor - 1).to_string() })).unwrap_err();
    assert!(block.to_string().contains("is pruned"), "{block}");
    let status = network.comet(node, "status", json!({})).unwrap();
    assert_eq!(status["sync_info"]["earliest_block_height"], json!(floor.to_string()));
    let metas = network.comet(node, "blockchain", json!({})).unwrap();
    let last = metas["block_metas"].as_array().unwrap().last().unwrap();
    let last: u64 = last["header"]["height"].as_str().unwrap().parse().unwrap();
    assert!(last >= floor, "{last}");
}
