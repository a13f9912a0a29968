//! ICS 23 proofs as a node answers them to whoever verifies: the decoder and the verifier that `concordat verify`
//! uses, neither of them ours.
#![no_main]

use ics23::{CommitmentProof, HostFunctionsManager, smt_spec, verify_membership, verify_non_membership};
use libfuzzer_sys::fuzz_target;
use prost_ics23::Message as _;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(proof) = CommitmentProof::decode(bytes) {
        let (spec, root) = (smt_spec(), vec![7; 32]);
        assert!(!verify_membership::<HostFunctionsManager>(&proof, &spec, &root, b"key", b"value"));
        assert!(!verify_non_membership::<HostFunctionsManager>(&proof, &spec, &root, b"key"));
    }
});
