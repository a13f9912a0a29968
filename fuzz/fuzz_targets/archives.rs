//! Files of archives as couriers bring them: what is read has one form, whatever digest somebody has put on it.
#![no_main]

use concordat_node::archive::Blocks;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // A digest that is right, so that the fuzzer gets behind it.
    let digest = Sha256::digest(bytes);
    read(&[bytes, &digest].concat());
});

fn read(bytes: &[u8]) {
    match Blocks::decode(bytes) {
        Ok(blocks) => {
            assert_eq!(blocks.encode().as_deref(), Some(bytes), "a file with two forms");
            assert!(blocks.last() >= blocks.first);
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}
