//! Chunks and anchor of a snapshot that somebody else made.
#![no_main]

use concordat_state::snapshot;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = snapshot::read_chunk(bytes);
    let _ = snapshot::read_anchor(bytes);
});
