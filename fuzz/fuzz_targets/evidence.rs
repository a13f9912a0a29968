//! Packages of evidence as parties to a case hand them in: within bounds whatever the archive says of itself, and no name
//! leads out of it.
#![no_main]
#![allow(dead_code, reason = "the program's own file, of which a part is driven")]

#[path = "../../cli/src/audit/evidence/archive.rs"]
mod archive;

/// What the program's file needs of it.
mod verify {
    /// Something that was verified and found wrong.
    pub fn wrong(what: impl std::fmt::Display) -> eyre::Report {
        eyre::eyre!("{what}")
    }
}

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(files) = archive::unpack(bytes.to_vec()) else { return };
    assert!(files.keys().all(|name| !name.starts_with('/') && name.split('/').all(|part| part != "..")));
    let again = archive::write(&files, 1_700_000_000).expect("what was read is written");
    assert_eq!(archive::unpack(again).expect("and read again"), files);
});
