//! Raw transactions as clients and peers send them: form, then signature.
#![no_main]

use concordat_types::{Bytes, SignedTx};
use libfuzzer_sys::fuzz_target;

/// The chain of the seeds.
const CHAIN_ID: u64 = 20_260;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tx) = SignedTx::parse(Bytes::copy_from_slice(bytes)) {
        if let Ok(verified) = tx.verify(CHAIN_ID) {
            assert_eq!(verified.raw().as_ref(), bytes, "a transaction that is not what was signed");
        }
    }
});
