//! Tokens as clients of the supervisors' service show them: any text, and any claims under a signature that is right.
#![no_main]

use std::{os::unix::fs::PermissionsExt as _, sync::LazyLock};

use concordat_regulator_api::internals::Tokens;
use libfuzzer_sys::fuzz_target;
use openssl::{
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::PKey,
};

/// A key that is made for each run.
static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
    let path = folder.path().join("1.key");
    std::fs::write(&path, key.private_key_to_pem_pkcs8().expect("its form")).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its rights");
    Tokens::new(folder.path()).expect("a ring of one key")
});

/// Seconds since 1970.
const NOW: u64 = 1_000;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(!TOKENS.read(text, NOW), "a token that nobody has signed");
    }
    let Ok(claims) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    let Some(token) = TOKENS.sign(&claims) else { return };
    if TOKENS.read(&token, NOW) {
        assert_eq!(claims["iss"], "test");
        assert!(claims["exp"].as_u64() > Some(NOW));
        assert!(!TOKENS.read(&token, u64::MAX), "a token without an end");
    }
});
