//! A supervisor whom nobody can connect to: files go in, nothing comes out, and nothing in them is believed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use concordat_tests::{Network, chain, concordat, load::Load, postgres::Postgres, program, run};
use serde_json::Value;

const NODES: usize = 4;

/// The node whose blocks are archived.
const SOURCE: usize = 3;

/// A node that never votes, and is not started with the others.
const OBSERVER: usize = NODES;

/// How often each side of the link is killed.
const KILLS: usize = 3;

struct Link {
    network: Network,
    files: PathBuf,
    data: PathBuf,
}

impl Link {
    fn start() -> Self {
        let network = Network::start_with(NODES, &["--empty-block-interval-ms", "200"]);
        let (files, data) = (network.home().join("archive"), network.home().join("supervisor"));
        Self { network, files, data }
    }

    /// The same, into the data folder of an observer that does not run.
    fn into_an_observer() -> Self {
        let more = ["--empty-block-interval-ms", "200", "--observers", "1"];
        let mut network = Network::init(NODES, &more);
        (0..NODES).for_each(|node| network.start_node(node));
        (0..NODES).for_each(|node| network.wait_for_height(node, 1));
        let (files, data) = (network.home().join("archive"), network.node_folder(OBSERVER).join("data"));
        Self { network, files, data }
    }

    fn genesis(&self) -> &str {
        self.network.info["genesis"].as_str().unwrap()
    }

    fn export_args(&self, more: &[&str]) -> Vec<String> {
        let source = self.network.node_folder(SOURCE).join("data");
        self.args(&["export", "--data", text(&source), "--out", text(&self.files)], more)
    }

    fn import_args(&self, data: &Path, more: &[&str]) -> Vec<String> {
        self.args(&["import", "--data", text(data), "--from", text(&self.files)], more)
    }

    fn args(&self, command: &[&str], more: &[&str]) -> Vec<String> {
        [&["archive"], command, &["--genesis", self.genesis()], more]
            .concat()
            .into_iter()
            .map(String::from)
            .collect()
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        let told = concordat(&["archive", "check", text(&self.files)]);
        let files = told["files"].as_array().unwrap().iter();
        files.map(|file| (file["first"].as_u64().unwrap(), file["last"].as_u64().unwrap())).collect()
    }

    /// Everything that a supervisor's folder holds, held against its hashes.
    fn checked(&self, data: &Path) -> Value {
        concordat(&["db", "check", "--full", "--data", text(data)])
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn done(args: &[String]) -> Value {
    concordat(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn said(args: &[String]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

fn spawn(args: &[String]) -> Child {
    Command::new(program()).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn terminate(mut child: Child) -> Option<i32> {
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    child.wait().unwrap().code()
}

#[test]
fn a_supervisor_behind_a_one_way_link_executes_every_block_and_survives_kills_of_either_side() {
    let link = Link::start();
    let mut load = Load::start(&link.network);
    let follow = ["--follow", "--every-s", "1", "--blocks", "20"];
    let (exports, imports) = (link.export_args(&follow), link.import_args(&link.data, &["--follow"]));
    fs::create_dir_all(&link.files).unwrap();
    let (mut exporter, mut importer) = (spawn(&exports), spawn(&imports));
    for _ in 0..KILLS {
        let height = link.network.height(SOURCE).unwrap();
        link.network.wait_for_height(SOURCE, height + 15);
        for (side, args) in [(&mut exporter, &exports), (&mut importer, &imports)] {
            side.kill().unwrap();
            side.wait().unwrap();
            *side = spawn(args);
        }
    }
    load.stop();
    let tip = link.network.height(SOURCE).unwrap();
    link.network
        .wait("the newest block in a file", || link.ranges().last().is_some_and(|(_, last)| *last >= tip));
    assert_eq!(terminate(exporter), Some(0), "it ends when it is asked to");
    assert_eq!(terminate(importer), Some(0));
    // What came since the importer has looked last.
    let taken = done(&link.import_args(&link.data, &[]))["height"].as_u64().unwrap();
    assert!(taken >= tip, "{taken} of {tip}");

    let ranges = link.ranges();
    assert_eq!(ranges[0].0, 1, "from the first block on");
    assert!(ranges.windows(2).all(|pair| pair[1].0 == pair[0].1 + 1), "no gap, no block twice: {ranges:?}");
    // Each header was held against the state of this folder when its block was taken; now everything once more.
    let checked = link.checked(&link.data);
    assert!(checked["blocks"].as_u64().unwrap() >= tip, "{checked}");
}

#[test]
fn a_database_is_filled_from_the_folder_while_files_come_in_and_a_node_starts_on_it_and_follows_live() {
    let mut link = Link::into_an_observer();
    let mut load = Load::start(&link.network);
    fs::create_dir_all(&link.files).unwrap();
    let exporter = spawn(&link.export_args(&["--follow", "--every-s", "1", "--blocks", "10"]));
    let mut importer = spawn(&link.import_args(&link.data, &["--follow"]));
    let postgres = Postgres::start(&["fsync=off"]);
    assert!(postgres.concordat(&["audit", "migrate"]).status.success());
    let source = ["--data", text(&link.data), "--genesis", link.genesis()].map(ToOwned::to_owned);
    let source = source.each_ref().map(String::as_str);
    let project = [&["audit", "project"][..], &source].concat();
    let once = [&project[..], &["--until-tip"]].concat();
    link.network.wait("the first file in the database", || postgres.concordat(&once).status.success());
    let mut projector = postgres.spawn(&project);
    let written = || {
        let height = "SELECT coalesce(max(height), 0) FROM ledger.projection_cursor";
        postgres.sql(height).parse::<u64>().unwrap()
    };
    let tip = link.network.height(SOURCE).unwrap() + 20;
    link.network.wait("the database follows the files", || written() >= tip);
    assert_eq!(importer.try_wait().unwrap(), None, "while they are taken");
    load.stop();
    assert_eq!((terminate(exporter), terminate(importer)), (Some(0), Some(0)));

    let taken = done(&link.import_args(&link.data, &[]))["height"].as_u64().unwrap();
    link.network.start_node(OBSERVER);
    let mut first = None;
    link.network.wait("the node tells a height", || {
        first = link.network.height(OBSERVER);
        first.is_some()
    });
    assert!(taken >= tip && first >= Some(taken), "it began at {first:?}, and {taken} was imported");
    let live = link.network.height(0).unwrap() + 5;
    link.network.wait_for_height(OBSERVER, live);
    chain::assert_one_chain(&link.network);
    link.network.wait("the database follows the node", || written() >= live);
    projector.kill().unwrap();
    projector.wait().unwrap();
    let verified = postgres.concordat(&[&["audit", "verify-projection"][..], &source].concat());
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn whoever_alters_an_archive_is_found_out_and_a_gap_is_named() {
    let link = Link::start();
    link.network.wait_for_height(SOURCE, 12);
    done(&link.export_args(&["--blocks", "4"]));
    let ranges = link.ranges();
    assert_eq!(&ranges[..3], [(1, 4), (5, 8), (9, 12)]);
    let file = |(first, last): (u64, u64)| link.files.join(format!("{first:020}-{last:020}.blocks"));
    let second = fs::read(file(ranges[1])).unwrap();

    fs::remove_file(file(ranges[1])).unwrap();
    let (code, told) = said(&link.import_args(&link.data, &[]));
    assert!(code == Some(1) && told.contains("lacks block 5"), "{told}");
    let (code, told) = said(&["archive", "check", text(&link.files)].map(String::from));
    assert!(code == Some(1) && told.contains("blocks 5 to 8 are missing"), "{told}");

    let mut cut = second.clone();
    cut.truncate(second.len() / 2);
    fs::write(file(ranges[1]), &cut).unwrap();
    let (code, told) = said(&link.import_args(&link.data, &[]));
    assert!(code == Some(1) && told.contains("damaged") && told.contains("bring the file again"), "{told}");

    // Whoever can make a right digest still has no validator's key.
    fs::write(file(ranges[1]), resealed(&second)).unwrap();
    let (code, told) = said(&link.import_args(&link.data, &[]));
    assert!(code == Some(1) && told.contains("nothing of it was taken"), "{told}");

    fs::write(file(ranges[1]), &second).unwrap();
    let (other, document) = (link.network.home().join("other"), link.genesis().to_owned());
    let done = done(&link.import_args(&link.data, &[]));
    assert!(done["height"].as_u64().unwrap() >= 12, "what was refused left no harm: {done}");

    let text = fs::read_to_string(&document).unwrap();
    let mut foreign: Value = serde_json::from_str(&text).unwrap();
    foreign["genesis_time"] = (foreign["genesis_time"].as_i64().unwrap() + 1).into();
    let changed = link.network.home().join("foreign.json");
    fs::write(&changed, foreign.to_string()).unwrap();
    let args = ["archive", "import", "--data", self::text(&other), "--from", self::text(&link.files)];
    let args: Vec<String> =
        args.iter().chain(&["--genesis", self::text(&changed)]).map(ToString::to_string).collect();
    let (code, told) = said(&args);
    assert!(code == Some(1) && told.contains("the folder of the right chain"), "{told}");
}

/// The file with one byte of its last block changed, and the digest that such a file has.
fn resealed(file: &[u8]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut altered = file[..file.len() - 32].to_vec();
    // A signature at the end of the last commit.
    let at = altered.len() - 40;
    altered[at] ^= 1;
    let digest = Sha256::digest(&altered);
    altered.extend_from_slice(&digest);
    altered
}
