//! Disks that fill up or change what they hold.

use concordat_tests::{Network, chaos::BUSY, disk::SmallDisk, get};

const NODES: usize = 4;
#[test]
fn a_node_with_a_full_disk_says_so_and_loses_nothing() {
    let mut network = Network::init(NODES, &BUSY);
    let data = network.node_folder(3).join("data");
    std::fs::create_dir(&data).unwrap();
    let disk = SmallDisk::over(&data, 400).unwrap();
    for node in 0..3 {
        network.start_node(node);
    }
    network.start_node_as(3, disk.command());
    for node in 0..NODES {
        network.wait_for_height(node, 2);
    }
    eprintln!("{:?}", std::process::Command::new("ls").args(["-la", "-R"]).arg(disk.path("")).output().map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).map(|s| { eprintln!("{s}"); }));
    let size = disk.fill("filler");
    eprintln!("filled {size}");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::time::Instant::now() < end {
        let ended = network.ended(3);
        eprintln!("{:?} {:?} h0 {:?}", ended, network.height(3), network.height(0));
        if ended.is_some() { break }
        let r = std::panic::catch_unwind(|| get(&format!("{}/readyz", network.url(3, "operations"))));
        eprintln!("{:?}", r.ok());
        std::thread::sleep(std::time::Duration::from_millis(1000));
    }
    eprintln!("{}", network.log_tail(3, 30));
}
