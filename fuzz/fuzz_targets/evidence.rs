//! Packages of evidence as parties to a case hand them in: within bounds whatever the archive says of itself, and no name
//! leads out of it.
#![no_main]

use concordat_evidence::{unpack, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(files) = unpack(bytes.to_vec()) else { return };
    assert!(files.keys().all(|name| !name.starts_with('/') && name.split('/').all(|part| part != "..")));
    let again = write(&files, 1_700_000_000).expect("what was read is written");
    assert_eq!(unpack(again).expect("and read again"), files);
});
