//! How much processor time updates of the tree take, and how much memory a key takes.
//!
//! `cargo run --release -p concordat-state --example smt_bench`
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::time::Duration;

use concordat_state::smt::{Tree, Update, key_hash};

const BATCH: u32 = 5_000;
const ROUNDS: u32 = 20;

const LOOKUPS: u32 = 100_000;

/// The keys that a thousand busy accounts keep changing.
const HOT_KEYS: u32 = 2_000;

/// As long as a storage key and a balance.
fn update(key: u32, value: u32) -> Update {
    let mut bytes = [2u8; 53];
    if let Some(tail) = bytes.last_chunk_mut::<4>() {
        *tail = key.to_be_bytes();
    }
    let mut word = [0u8; 32];
    if let Some(tail) = word.last_chunk_mut::<4>() {
        *tail = value.to_be_bytes();
    }
    Update::new(&bytes, Some(&word))
}

/// Time on a processor, as Linux counts it: on a busy machine the clock on the wall says little.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

fn micros_each(count: u32, act: impl FnOnce()) -> f64 {
    let started = processor_time();
    act();
    processor_time().saturating_sub(started).as_secs_f64() * 1e6 / f64::from(count)
}

/// Updates keys all over the first `range`: the odd step meets none twice in a batch smaller than that.
fn updates(tree: &mut Tree, range: u32) -> f64 {
    let batch = BATCH.min(range);
    micros_each(batch * ROUNDS, || {
        for round in 1..=ROUNDS {
            let picked = (0..batch).map(|n| n.wrapping_mul(7_919).wrapping_add(round) % range);
            tree.update(picked.map(|key| update(key, round)).collect());
        }
    })
}

fn main() {
    println!(
        "{:>9}  {:>14}  {:>14}  {:>14}  {:>9}",
        "keys", "build µs/key", "update µs", "lookup µs", "B/key"
    );
    for keys in [10_000u32, 100_000, 1_000_000] {
        let mut tree = Tree::new();
        let build = micros_each(keys, || {
            tree.update((0..keys).map(|key| update(key, 0)).collect());
        });
        let anywhere = updates(&mut tree, keys);
        let hot = updates(&mut tree, HOT_KEYS);
        let lookup = micros_each(LOOKUPS, || {
            for key in 0..LOOKUPS {
                std::hint::black_box(tree.lookup(&key_hash(&(key % keys).to_be_bytes())));
            }
        });
        let bytes = tree.memory_bytes() / keys as usize;
        println!("{keys:>9}  {build:>9.2}  {anywhere:>13.2}  {hot:>10.2}  {lookup:>9.2}  {bytes:>9}");
    }
}
