//! Disks that fill up.

use concordat_tests::{Network, chain, chaos::BUSY, disk::SmallDisk, load::Load, skip};
use serde_json::json;

const NODES: usize = 4;
/// The node with the small disk.
const POOR: usize = 3;
const DISK_MIB: u32 = 48;

#[test]
fn a_node_whose_disk_is_full_says_which_stops_and_loses_nothing() {
    let mut network = Network::init(NODES, &BUSY);
    let data = network.node_folder(POOR).join("data");
    std::fs::create_dir_all(&data).unwrap();
    let disk = match SmallDisk::over(&data, DISK_MIB) {
        Ok(disk) => disk,
        Err(reason) => return skip::note("mount", &reason),
    };
    // Small buffers, so that the database reserves little beforehand.
    network.configure(POOR, |config| config["store"]["write_buffer_mib"] = 1.into());
    for node in 0..POOR {
        network.start_node(node);
    }
    network.start_node_as(POOR, disk.command());
    for node in 0..NODES {
        network.wait_for_height(node, 1);
    }

    let mut load = Load::start(&network);
    let shown = network.metric(POOR, "concordat_disk_free_bytes");
    assert!(0.0 < shown && shown <= f64::from(DISK_MIB << 20), "{shown} bytes free on a small disk");
    let filled = disk.fill("filler");
    assert!(filled > 0, "there was nothing to fill");
    assert_eq!(network.wait_for_end(POOR), Some(1), "{}", network.log_tail(POOR, 10));
    says_that_the_disk_is_full(&network, &data);

    // Started with a disk that is still full, it refuses with the same words, and does no harm.
    let before = network.log(POOR).len();
    network.start_node_as(POOR, disk.command());
    assert_eq!(network.wait_for_end(POOR), Some(1), "{}", network.log_tail(POOR, 10));
    let said = network.log(POOR).split_off(before);
    assert!(said.contains("No space left on device") && said.contains(data.to_str().unwrap()), "{said}");
    let height = network.height(0).unwrap();
    network.wait_for_height(0, height + 3);

    std::fs::remove_file(disk.path("filler")).unwrap();
    network.start_node_as(POOR, disk.command());
    network.wait_for_height(POOR, network.height(0).unwrap());
    assert_eq!(network.counted(POOR, "concordat_last_end{reason=\"disk_full\"}"), 1);
    load.stop();
    let upto = chain::assert_one_chain(&network);
    for promise in load.promises() {
        let kept = network.eth(POOR, "eth_getTransactionReceipt", json!([promise.tx])).unwrap();
        assert_eq!(kept, promise.receipt, "at height {upto}");
    }
    chain::assert_no_double_signing(&network);
}

fn says_that_the_disk_is_full(network: &Network, data: &std::path::Path) {
    // The database may have a last word on what it could not write either.
    let last = network.log_tail(POOR, 3);
    assert!(last.contains("full") && last.contains(data.to_str().unwrap()), "{last}");
}
