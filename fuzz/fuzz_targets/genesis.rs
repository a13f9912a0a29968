//! Genesis documents as others send them, and the first state that they make.
#![no_main]

use concordat_core::genesis_state;
use concordat_types::Genesis;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(genesis) = Genesis::from_json(text) else { return };
    let again = Genesis::from_json(&genesis.to_json()).expect("what was written is read");
    assert_eq!(again.hash(), genesis.hash(), "a document with two hashes");
    assert_eq!(genesis_state(&genesis), genesis_state(&again), "a document with two states");
});
