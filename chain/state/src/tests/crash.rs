//! Real processes that end in the middle of a commit, or run out of disk.
//!
//! The test binary starts itself again as the child: a test that does nothing unless an environment
//! variable names the store that it is to work on.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use super::*;
use crate::CheckLevel;

const KILLED_CHILD: &str = "CONCORDAT_STATE_KILLED_CHILD";
const FULL_CHILD: &str = "CONCORDAT_STATE_FULL_CHILD";

/// What the block at `height` changes: some keys come, some change, some go.
fn changes_of(height: u64) -> ChangeSet {
    let value = |n: u64| format!("{n} at {height} {}", "x".repeat(200)).into_bytes();
    let written = (0..40).map(|n| (key(&format!("key {}", (height * 7 + n) % 300)), Some(value(n))));
    let removed = (0..5).map(|n| (key(&format!("key {}", (height * 13 + n) % 300)), None));
    written.chain(removed).collect()
}

fn model_at(height: u64) -> BTreeMap<StateKey, Vec<u8>> {
    let mut model = concordat_types::state::MemoryState::default();
    model.apply(&changes(&[("genesis", Some("state"))]));
    (1..=height).for_each(|height| model.apply(&changes_of(height)));
    model.values
}

fn commit_next(store: &Store, changes: &ChangeSet) -> Result<Committed, StoreError> {
    commit(store, &block_on(&store.latest().unwrap(), vec![]), &[], changes)
}

/// The child of the next test.
#[test]
fn child_that_commits_until_it_is_killed() {
    let Ok(path) = env::var(KILLED_CHILD) else { return };
    let store = open(Path::new(&path)).unwrap();
    loop {
        let height = store.latest().unwrap().height + 1;
        commit_next(&store, &changes_of(height)).unwrap();
        println!("\nacknowledged {height}");
    }
}

#[test]
fn a_kill_at_any_instant_loses_no_acknowledged_block_and_leaves_no_half_one() {
    let directory = TempDir::new().unwrap();
    init(&open(directory.path()).unwrap());
    for wanted in [1, 7, 19, 30, 43] {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "tests::crash::child_that_commits_until_it_is_killed", "--nocapture"])
            .env(KILLED_CHILD, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut acknowledged =
            lines.filter_map(|line| line.strip_prefix("acknowledged ").and_then(|n| n.parse::<u64>().ok()));
        let mut last = acknowledged.by_ref().nth(wanted - 1).expect("the child commits until it is killed");
        child.kill().unwrap();
        last = acknowledged.last().unwrap_or(last);
        child.wait().unwrap();

        let store = open(directory.path()).unwrap();
        let tip = store.latest().unwrap();
        assert!(tip.height == last || tip.height == last + 1, "at {}, acknowledged {last}", tip.height);
        assert!(dump(&store) == model_at(tip.height), "the state of height {} is another", tip.height);
        store.check(CheckLevel::Full).unwrap();
    }
}

/// The child of the next test: its files cannot grow beyond a limit.
#[test]
fn child_that_fills_its_disk() {
    let Ok(path) = env::var(FULL_CHILD) else { return };
    let store = open(Path::new(&path)).unwrap();
    let error = loop {
        let big =
            ChangeSet::from([(key("big"), Some(vec![7; 100_000 + store.latest().unwrap().height as usize]))]);
        match commit_next(&store, &big) {
            Ok(committed) => println!("\nacknowledged {}", committed.height),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Database { .. }), "{error}");
    println!("\nrefused: {error}");
    let acknowledged = store.latest().unwrap();
    let again = commit_next(&store, &ChangeSet::new()).unwrap_err();
    assert!(matches!(again, StoreError::Poisoned { .. }), "{again}");
    assert!(matches!(store.put_note("n", b"v"), Err(StoreError::Poisoned { .. })));
    // Readers still see the last acknowledged block.
    assert_eq!(store.latest(), Some(acknowledged));
    assert!(store.prove(&key("big")).unwrap().verify());
    println!("\nstill reading");
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_a_clear_error_and_the_store_opens_again_at_a_whole_block() {
    let directory = TempDir::new().unwrap();
    init(&open(directory.path()).unwrap());
    // A limit on the size of files, with its signal ignored, makes writes fail as a full disk does.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$@\"", "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "tests::crash::child_that_fills_its_disk", "--nocapture"])
        .env(FULL_CHILD, directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        said.contains("\nrefused: the database failed to write") && said.contains("\nstill reading"),
        "{said}"
    );
    let mut numbers = said.lines().filter_map(|line| line.strip_prefix("acknowledged "));
    let last: u64 = numbers.next_back().expect("some blocks fit").parse().unwrap();

    let store = open(directory.path()).unwrap();
    let tip = store.latest().unwrap();
    assert!(tip.height == last || tip.height == last + 1, "at {}, acknowledged {last}", tip.height);
    store.check(CheckLevel::Full).unwrap();
    commit_next(&store, &changes_of(1)).unwrap();
}
