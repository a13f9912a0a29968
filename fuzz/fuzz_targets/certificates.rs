//! Certificates and revocation lists as peers and accounts present them, and the judging of paths made of them.
#![no_main]

use concordat_pki_verify::{Certificate, Crl, PathRequest, Purpose, check_path};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Crl::parse(bytes);
    if let Ok(certificate) = Certificate::parse(bytes) {
        let chain = [certificate.clone(), certificate];
        for purpose in [Purpose::Account, Purpose::Node] {
            let anchors = &chain[..1];
            let request = PathRequest { chain: &chain, anchors, crls: &[], at: 1_800_000_000, purpose };
            let _ = check_path(&request);
        }
    }
});
