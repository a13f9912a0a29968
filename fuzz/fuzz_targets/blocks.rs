//! Blocks as peers send them: what decodes has exactly one encoding.
#![no_main]

use concordat_types::Block;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(block) = Block::decode(bytes) {
        assert_eq!(block.encode(), bytes, "a block with two encodings");
    }
});
