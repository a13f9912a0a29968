//! One test for each reason to refuse a CRL before its path is looked at.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{DAY, Forged, NOW, authority, crl, crl_der, ed25519, extension, p256};
use concordat_pki_verify::{Crl, CrlError, MAX_CRL_BYTES};
use openssl::x509::X509Extension;

const CRL_NUMBER: &str = "2.5.29.20";
const ISSUING_DISTRIBUTION_POINT: &str = "2.5.29.28";
const DELTA_CRL_INDICATOR: &str = "2.5.29.27";

fn issuer() -> Forged {
    authority("bank-a", "root", None).self_signed(&p256())
}

fn number() -> X509Extension {
    extension(CRL_NUMBER, false, &[0x02, 0x01, 0x07])
}

fn with(extensions: Vec<X509Extension>) -> Result<Crl, CrlError> {
    Crl::parse(&crl_der(&issuer(), &[1], (NOW, NOW + DAY), extensions))
}

#[test]
fn a_crl_tells_its_number_its_dates_and_whom_it_revokes() {
    let read = crl(&issuer(), &[1, 300], NOW, NOW + DAY);
    assert_eq!((read.number(), read.this_update(), read.next_update()), (7, NOW, NOW + DAY));
    let serials: Vec<String> = read.revoked().keys().map(ToString::to_string).collect();
    assert_eq!(serials, ["01", "012c"]);
    assert_eq!(read.issuer().to_string(), "O=bank-a, CN=root");
}

#[test]
fn an_ed25519_authority_signs_crls() {
    let issuer = authority("bank-a", "root", None).self_signed(&ed25519());
    let read = crl(&issuer, &[], NOW, NOW + DAY);
    assert!(read.is_signed_by(issuer.parse().unwrap().public_key()));
    assert!(read.revoked().is_empty());
}

// OpenSSL's bindings build no CRL whose number is missing or critical; x509-limbo has both.
#[test]
fn a_crl_number_must_be_canonical_and_fit_64_bits() {
    let large = [0x02, 0x09, 0x01, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(with(vec![extension(CRL_NUMBER, false, &large)]), Err(CrlError::Number));
    let padded = with(vec![extension(CRL_NUMBER, false, &[0x02, 0x02, 0x00, 0x07])]);
    assert_eq!(padded, Err(CrlError::Extension(CRL_NUMBER.to_owned())));
}

#[test]
fn a_repeated_crl_extension_is_refused() {
    let other = || extension("1.2.3.4", false, &[0x05, 0x00]);
    assert_eq!(with(vec![number(), other(), other()]), Err(CrlError::Extension("1.2.3.4".to_owned())));
}

#[test]
fn partial_crls_are_refused() {
    for (oid, value) in [
        // onlyContainsUserCerts.
        (ISSUING_DISTRIBUTION_POINT, &[0x30, 0x03, 0x81, 0x01, 0xff][..]),
        (DELTA_CRL_INDICATOR, &[0x02, 0x01, 0x06]),
        ("1.2.3.4", &[0x05, 0x00]),
    ] {
        let refused = with(vec![number(), extension(oid, true, value)]);
        assert_eq!(refused, Err(CrlError::Extension(oid.to_owned())));
    }
    assert!(with(vec![number(), extension("1.2.3.4", false, &[0x05, 0x00])]).is_ok());
}

#[test]
fn a_serial_that_is_listed_twice_is_refused() {
    let der = crl_der(&issuer(), &[5, 5], (NOW, NOW + DAY), vec![number()]);
    assert!(matches!(Crl::parse(&der), Err(CrlError::DuplicateEntry(serial)) if serial.to_string() == "05"));
}

#[test]
fn a_crl_whose_next_is_due_before_it_is_refused() {
    let der = crl_der(&issuer(), &[], (NOW, NOW - 1), vec![number()]);
    assert_eq!(Crl::parse(&der), Err(CrlError::Validity));
}

#[test]
fn oversized_crls_and_trailing_bytes_are_refused() {
    let refused = Crl::parse(&vec![0x30; MAX_CRL_BYTES + 1]);
    assert_eq!(refused, Err(CrlError::TooLarge { have: MAX_CRL_BYTES + 1, max: MAX_CRL_BYTES }));
    let mut trailing = crl(&issuer(), &[], NOW, NOW + DAY).der().to_vec();
    trailing.push(0);
    assert!(matches!(Crl::parse(&trailing), Err(CrlError::Der(_))));
}

#[test]
fn a_certificate_is_no_crl() {
    assert!(matches!(Crl::parse(&issuer().der()), Err(CrlError::Der(_))));
}
