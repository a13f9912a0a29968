//! Bodies of JSON-RPC requests, single and in batches.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(calls) = concordat_rpc::internals::read_request(bytes) {
        assert!(calls <= concordat_rpc::Limits::default().batch_calls);
    }
});
