//! Damaged bytes: whatever arrives, parsing gives an answer, and damage never passes for the original.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::OnceLock;

use common::{DAY, NOW, Scene, crl};
use concordat_pki_verify::{Certificate, Crl, PathRequest, Purpose, check_path};
use proptest::{collection::vec, prelude::*, sample::Index};

struct Samples {
    certificate: Vec<u8>,
    crl: Vec<u8>,
    issuing: Certificate,
    root: Certificate,
}

fn samples() -> &'static Samples {
    static SAMPLES: OnceLock<Samples> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let scene = Scene::valid();
        Samples {
            certificate: scene.chain[0].der(),
            crl: crl(&scene.chain[1], &[1, 2, 3], NOW, NOW + DAY).der().to_vec(),
            issuing: scene.chain[1].parse().unwrap(),
            root: scene.root.parse().unwrap(),
        }
    })
}

fn mutate(original: &[u8], changes: &[(Index, u8)], cut: Option<Index>) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for (index, value) in changes {
        let at = index.index(bytes.len());
        bytes[at] = *value;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_mutated_certificate_is_refused(
        changes in vec(any::<(Index, u8)>(), 1..6),
        cut in proptest::option::weighted(0.2, any::<Index>()),
    ) {
        let Samples { certificate, issuing, root, .. } = samples();
        let bytes = mutate(certificate, &changes, cut);
        prop_assume!(bytes != *certificate);
        if let Ok(mutant) = Certificate::parse(&bytes) {
            let request = PathRequest {
                chain: &[mutant, issuing.clone()],
                anchors: std::slice::from_ref(root),
                crls: &[],
                at: NOW,
                purpose: Purpose::Account,
            };
            prop_assert!(check_path(&request).is_err());
        }
    }

    #[test]
    fn a_mutated_crl_is_refused(
        changes in vec(any::<(Index, u8)>(), 1..6),
        cut in proptest::option::weighted(0.2, any::<Index>()),
    ) {
        let Samples { crl, issuing, .. } = samples();
        let bytes = mutate(crl, &changes, cut);
        prop_assume!(bytes != *crl);
        if let Ok(mutant) = Crl::parse(&bytes) {
            prop_assert!(!mutant.is_signed_by(issuing.public_key()));
        }
    }

    #[test]
    fn random_bytes_are_no_certificate_and_no_crl(bytes in vec(any::<u8>(), 0..512)) {
        prop_assert!(Certificate::parse(&bytes).is_err());
        prop_assert!(Crl::parse(&bytes).is_err());
    }
}

#[test]
fn every_truncation_is_refused() {
    let Samples { certificate, crl, .. } = samples();
    for length in 0..certificate.len() {
        assert!(Certificate::parse(&certificate[..length]).is_err(), "{length} bytes");
    }
    for length in 0..crl.len() {
        assert!(Crl::parse(&crl[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn parsing_keeps_the_bytes() {
    let Samples { certificate, crl, .. } = samples();
    assert_eq!(Certificate::parse(certificate).unwrap().der(), certificate);
    assert_eq!(Crl::parse(crl).unwrap().der(), crl);
}
