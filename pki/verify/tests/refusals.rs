//! One test for each reason to refuse a path, each beside the path that it was a step away from.
//!
//! Where OpenSSL judges the same question, its verdict must be the same: it shares no code with ours.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{
    DAY, Forge, KeyUsages, NOW, Scene, authority, crl, ec, ed25519, holder, issuing, operator, p256,
    secp256k1,
};
use concordat_pki_verify::{
    Certificate, CertificateError, Crl, CrlRequest, PathError, PathRequest, Purpose, RevocationReason,
    SubjectKey, TrustAnchors, check_crl, check_path, der,
};
use concordat_types::identity::Role;
use openssl::{bn::BigNum, ecdsa::EcdsaSig, nid::Nid, x509::X509};

/// Refused by us for this reason, and by OpenSSL too.
macro_rules! both_refuse {
    ($scene:expr, $reason:pat) => {{
        let scene: Scene = $scene;
        let verdict = scene.verdict();
        assert!(matches!(verdict, Err($reason)), "{verdict:?}");
        assert!(!scene.openssl_accepts(), "OpenSSL accepts what we refuse: {verdict:?}");
    }};
}

/// Refused by us for this reason, a rule of the profile that OpenSSL does not know.
macro_rules! only_we_refuse {
    ($scene:expr, $reason:pat) => {{
        let scene: Scene = $scene;
        let verdict = scene.verdict();
        assert!(matches!(verdict, Err($reason)), "{verdict:?}");
        assert!(scene.openssl_accepts(), "the scene has another fault than the one under test");
    }};
}

/// `nameConstraints` with one permitted directory name.
fn permitted_organization(org: &str) -> (&'static str, bool, Vec<u8>) {
    let attribute = tlv(0x30, &[&[0x06, 0x03, 0x55, 0x04, 0x0a][..], &tlv(0x0c, org.as_bytes())].concat());
    let name = tlv(0x30, &tlv(0x31, &attribute));
    ("2.5.29.30", true, tlv(0x30, &tlv(0xa0, &tlv(0x30, &tlv(0xa4, &name)))))
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 0x80);
    [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
}

#[test]
fn a_valid_path_tells_who_holds_it() {
    let scene = Scene::valid();
    let valid = scene.verdict().unwrap();
    assert_eq!(valid.org.as_str(), "bank-a");
    assert_eq!(valid.role, Role::Operator);
    assert_eq!(valid.not_after, NOW + 100 * DAY);
    assert!(valid.stale_crls.is_empty());
    assert!(matches!(valid.subject_key, SubjectKey::P256(_)));
    assert!(scene.openssl_accepts());
}

#[test]
fn validity_includes_both_of_its_ends() {
    // RFC 5280 section 4.1.2.5. OpenSSL excludes the last second, so it is not asked.
    for at in [NOW - DAY, NOW + 100 * DAY] {
        assert!(Scene { at, ..Scene::valid() }.verdict().is_ok());
    }
}

#[test]
fn an_expired_certificate_is_refused() {
    both_refuse!(Scene { at: NOW + 100 * DAY + 1, ..Scene::valid() }, PathError::Expired { .. });
}

#[test]
fn a_certificate_that_is_not_yet_valid_is_refused() {
    both_refuse!(Scene { at: NOW - DAY - 1, ..Scene::valid() }, PathError::NotYetValid { .. });
}

#[test]
fn an_expired_authority_invalidates_what_it_issued() {
    let short = Forge { not_after: NOW - 1, ..issuing() };
    both_refuse!(
        Scene::with(&authority("bank-a", "root", None), &short, &operator()),
        PathError::Expired { .. }
    );
}

#[test]
fn the_path_is_valid_until_its_first_certificate_expires() {
    let short = Forge { not_after: NOW + 5, ..issuing() };
    let scene = Scene::with(&authority("bank-a", "root", None), &short, &operator());
    assert_eq!(scene.verdict().unwrap().not_after, NOW + 5);
}

#[test]
fn an_empty_path_is_refused() {
    let request = PathRequest { chain: &[], anchors: &[], crls: &[], at: NOW, purpose: Purpose::Account };
    assert_eq!(check_path(&request), Err(PathError::Empty));
}

#[test]
fn a_path_to_an_unknown_root_is_refused() {
    let mut scene = Scene::valid();
    scene.root = authority("bank-a", "another root", Some(1)).self_signed(&p256());
    both_refuse!(scene, PathError::NoAnchor { .. });
}

#[test]
fn a_root_of_the_same_name_with_another_key_is_no_anchor() {
    let mut scene = Scene::valid();
    scene.root = authority("bank-a", "root", Some(1)).self_signed(&p256());
    both_refuse!(scene, PathError::KeyIdMismatch { .. });
}

#[test]
fn one_of_several_roots_of_a_name_suffices() {
    let scene = Scene::valid();
    let chain: Vec<Certificate> = scene.chain.iter().map(|forged| forged.parse().unwrap()).collect();
    let new_root = authority("bank-a", "root", Some(1)).self_signed(&p256()).parse().unwrap();
    let anchors = [new_root, scene.root.parse().unwrap()];
    let request =
        PathRequest { chain: &chain, anchors: &anchors, crls: &[], at: NOW, purpose: Purpose::Account };
    assert!(check_path(&request).is_ok());
}

#[test]
fn a_bad_signature_is_refused() {
    let mut scene = Scene::valid();
    let mut bytes = scene.chain[0].der();
    *bytes.last_mut().unwrap() ^= 1;
    scene.chain[0].x509 = X509::from_der(&bytes).unwrap();
    both_refuse!(scene, PathError::BadSignature { .. });
}

#[test]
fn certificates_out_of_order_are_refused() {
    let mut scene = Scene::valid();
    let sub = Forge { serial: 3, ..authority("bank-a", "other", Some(0)) }.signed_by(&scene.root, &p256());
    scene.chain[1] = sub;
    both_refuse!(scene, PathError::IssuerMismatch { .. });
}

#[test]
fn an_issuer_that_is_no_authority_is_refused() {
    let not_an_authority = Forge { serial: 2, ..holder("bank-a", "operator", "mallory") };
    both_refuse!(
        Scene::with(&authority("bank-a", "root", Some(1)), &not_an_authority, &operator()),
        PathError::NotAnAuthority { .. }
    );
}

#[test]
fn an_issuer_without_key_cert_sign_is_refused() {
    let usages = KeyUsages { digital_signature: true, key_cert_sign: false, crl_sign: true };
    let issuer = Forge { key_usage: Some(usages), ..issuing() };
    both_refuse!(
        Scene::with(&authority("bank-a", "root", Some(1)), &issuer, &operator()),
        PathError::MayNotSignCertificates { .. }
    );
}

#[test]
fn an_issuer_that_states_no_key_usage_is_refused() {
    let issuer = Forge { key_usage: None, ..issuing() };
    let verdict = Scene::with(&authority("bank-a", "root", Some(1)), &issuer, &operator()).verdict();
    assert!(matches!(verdict, Err(PathError::MayNotSignCertificates { .. })), "{verdict:?}");
}

#[test]
fn an_authority_below_one_that_permits_none_is_refused() {
    let root = authority("bank-a", "root", Some(0));
    both_refuse!(
        Scene::with(&root, &issuing(), &operator()),
        PathError::PathLenExceeded { have: 1, max: 0, .. }
    );
}

#[test]
fn a_path_of_more_than_four_certificates_is_refused() {
    let root = authority("bank-a", "root", None).self_signed(&p256());
    let mut chain = Vec::new();
    for level in 0..4 {
        let issuer = chain.first().unwrap_or(&root).clone();
        let forge = Forge { serial: 10 + level, ..authority("bank-a", &format!("level {level}"), None) };
        chain.insert(0, forge.signed_by(&issuer, &p256()));
    }
    chain.insert(0, operator().signed_by(&chain[0], &p256()));
    let scene = Scene { root, chain, ..Scene::valid() };
    only_we_refuse!(scene, PathError::TooLong { have: 5, max: 4 });
}

#[test]
fn an_authority_without_key_identifiers_is_refused() {
    let root = authority("bank-a", "root", Some(1));
    let without = Forge { authority_key_id: false, ..issuing() };
    let verdict = Scene::with(&root, &without, &operator()).verdict();
    assert!(matches!(verdict, Err(PathError::NoAuthorityKeyId { .. })), "{verdict:?}");
    let without = Forge { subject_key_id: false, ..issuing() };
    let holder = Forge { authority_key_id: false, ..operator() };
    let verdict = Scene::with(&root, &without, &holder).verdict();
    assert!(verdict.is_err(), "{verdict:?}");
}

#[test]
fn an_unknown_critical_extension_is_refused_and_an_uncritical_one_ignored() {
    let with = |critical| Forge { extra: vec![("1.2.3.4", critical, vec![5, 0])], ..operator() };
    assert!(Scene::of_holder(&with(false)).verdict().is_ok());
    let refused = Scene::of_holder(&with(true));
    assert!(!refused.openssl_accepts());
    assert_eq!(
        refused.chain[0].parse(),
        Err(CertificateError::UnknownCriticalExtension("1.2.3.4".to_owned()))
    );
}

#[test]
fn names_outside_an_authoritys_constraints_are_refused() {
    let constrained = Forge { extra: vec![permitted_organization("bank-a")], ..issuing() };
    let root = authority("bank-a", "root", Some(1));
    let inside = Scene::with(&root, &constrained, &operator());
    assert!(inside.verdict().is_ok());
    assert!(inside.openssl_accepts());
    let foreign = holder("bank-b", "operator", "mallory");
    both_refuse!(Scene::with(&root, &constrained, &foreign), PathError::NameNotPermitted { .. });
    let reordered = Forge { subject: operator().subject.into_iter().rev().collect(), ..operator() };
    both_refuse!(Scene::with(&root, &constrained, &reordered), PathError::NameNotPermitted { .. });
}

#[test]
fn an_unconstrained_authority_certifies_its_own_organisation_only() {
    only_we_refuse!(
        Scene::of_holder(&holder("bank-b", "operator", "mallory")),
        PathError::WrongOrganization { .. }
    );
}

#[test]
fn an_authority_of_another_organisation_on_the_path_is_refused() {
    let foreign = Forge { serial: 2, ..authority("bank-b", "issuing", Some(0)) };
    only_we_refuse!(
        Scene::with(&authority("bank-a", "root", Some(1)), &foreign, &operator()),
        PathError::WrongOrganization { .. }
    );
}

#[test]
fn every_role_serves_its_own_purpose_only() {
    let purposes = [Purpose::Account, Purpose::Node, Purpose::ConsensusKey, Purpose::Server];
    for role in Role::ALL {
        let forge = Forge { server_auth: true, client_auth: true, ..holder("bank-a", role.name(), "name") };
        let mut scene = Scene::of_holder(&forge);
        let own = Purpose::of(role.holder());
        if own == Purpose::ConsensusKey {
            scene.chain[0] = forge.signed_by(&scene.chain[1], &ed25519());
        }
        for purpose in purposes {
            scene.purpose = purpose;
            let verdict = scene.verdict();
            if purpose == own {
                assert_eq!(verdict.unwrap().role, *role);
            } else {
                assert!(
                    matches!(verdict, Err(PathError::WrongRole { .. })),
                    "{role} as {purpose}: {verdict:?}"
                );
            }
        }
    }
}

#[test]
fn an_authority_is_no_holder() {
    let scene = Scene::valid();
    let chain = vec![scene.chain[1].clone()];
    only_we_refuse!(Scene { chain, ..scene }, PathError::WrongRole { role: None, .. });
}

#[test]
fn keys_must_suit_their_purpose() {
    let scene = |role: &str, key, purpose| {
        let forge = Forge { server_auth: true, client_auth: true, ..holder("bank-a", role, "name") };
        let mut scene = Scene { purpose, ..Scene::of_holder(&forge) };
        scene.chain[0] = forge.signed_by(&scene.chain[1], &key);
        scene
    };
    assert!(scene("operator", secp256k1(), Purpose::Account).verdict().is_ok());
    assert!(scene("validator", ed25519(), Purpose::Node).verdict().is_ok());
    only_we_refuse!(scene("operator", ed25519(), Purpose::Account), PathError::WrongKeyType { .. });
    only_we_refuse!(scene("consensus", p256(), Purpose::ConsensusKey), PathError::WrongKeyType { .. });
    only_we_refuse!(scene("validator", secp256k1(), Purpose::Node), PathError::WrongKeyType { .. });
}

#[test]
fn nodes_and_servers_need_their_extended_usages() {
    for (role, purpose, server_auth, client_auth, is_valid) in [
        ("validator", Purpose::Node, true, true, true),
        ("validator", Purpose::Node, true, false, false),
        ("validator", Purpose::Node, false, true, false),
        ("validator", Purpose::Node, false, false, false),
        ("server", Purpose::Server, true, false, true),
        ("server", Purpose::Server, false, true, false),
    ] {
        let forge = Forge { server_auth, client_auth, ..holder("bank-a", role, "name") };
        let verdict = Scene { purpose, ..Scene::of_holder(&forge) }.verdict();
        let is_missing = matches!(verdict, Err(PathError::MissingUsage { .. }));
        assert!(if is_valid { verdict.is_ok() } else { is_missing }, "{role}: {verdict:?}");
    }
}

#[test]
fn a_holder_without_digital_signature_is_refused() {
    let forge = Forge { key_usage: None, ..operator() };
    only_we_refuse!(Scene::of_holder(&forge), PathError::MissingUsage { .. });
}

#[test]
fn a_revoked_certificate_is_refused() {
    let mut scene = Scene::valid();
    scene.crls = vec![crl(&scene.chain[1], &[42], NOW - 5, NOW + DAY)];
    let verdict = scene.verdict();
    let Err(PathError::Revoked { reason, revoked_at, .. }) = verdict else { panic!("{verdict:?}") };
    assert_eq!((reason, revoked_at), (RevocationReason::Unspecified, NOW - 5));
}

/// The last octet of a signature may end in zero bits, of which strict DER lets some be said to be unused.
#[test]
fn a_crl_whose_signature_is_no_whole_number_of_octets_is_refused() {
    let scene = Scene::valid();
    let ends_in_zero = |der: &Vec<u8>| der.last().is_some_and(|last| last % 2 == 0);
    let listing = |serial: u32| crl(&scene.chain[1], &[serial], NOW, NOW + DAY).der().to_vec();
    let mut der = (1..100).map(listing).find(ends_in_zero).unwrap();
    let signature = (0..der.len() - 2)
        .find(|at| der[*at] == 0x03 && usize::from(der[at + 1]) == der.len() - at - 2 && der[at + 2] == 0)
        .unwrap();
    der[signature + 2] = 1;
    let refused = Crl::parse(&der).unwrap_err();
    assert!(refused.to_string().contains("whole number of octets"), "{refused}");
}

#[test]
fn a_crl_that_lists_others_changes_nothing() {
    let mut scene = Scene::valid();
    scene.crls = vec![crl(&scene.chain[1], &[1, 41, 43], NOW - 5, NOW + DAY)];
    assert!(scene.verdict().is_ok());
}

#[test]
fn a_revoked_authority_invalidates_what_it_issued() {
    let mut scene = Scene::valid();
    scene.crls = vec![crl(&scene.root, &[2], NOW - 5, NOW + DAY)];
    assert!(matches!(scene.verdict(), Err(PathError::Revoked { .. })));
}

#[test]
fn the_same_serial_on_another_issuers_crl_revokes_nothing() {
    let mut scene = Scene::valid();
    scene.crls = vec![crl(&scene.root, &[42], NOW - 5, NOW + DAY)];
    assert!(scene.verdict().is_ok());
}

#[test]
fn a_stale_crl_still_revokes_and_otherwise_is_reported() {
    let mut scene = Scene::valid();
    scene.crls = vec![crl(&scene.chain[1], &[42], NOW - 9, NOW - 1)];
    assert!(matches!(scene.verdict(), Err(PathError::Revoked { .. })));
    scene.crls = vec![crl(&scene.chain[1], &[], NOW - 9, NOW - 1)];
    let stale = scene.verdict().unwrap().stale_crls;
    assert_eq!(stale.len(), 1);
    assert_eq!((stale[0].number, stale[0].next_update), (7, NOW - 1));
}

#[test]
fn a_crl_that_its_issuer_did_not_sign_is_refused() {
    let mut scene = Scene::valid();
    let mut bytes = crl(&scene.chain[1], &[], NOW - 5, NOW + DAY).der().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    scene.crls = vec![Crl::parse(&bytes).unwrap()];
    assert!(matches!(scene.verdict(), Err(PathError::BadCrlSignature { number: 7, .. })));
}

#[test]
fn a_crl_of_a_namesakes_other_key_is_not_this_issuers() {
    let mut scene = Scene::valid();
    let namesake = issuing().signed_by(&scene.root, &p256());
    scene.crls = vec![crl(&namesake, &[42], NOW - 5, NOW + DAY)];
    assert!(scene.verdict().is_ok());
}

#[test]
fn a_crl_of_an_authority_without_crl_sign_is_refused() {
    let usages = KeyUsages { digital_signature: false, key_cert_sign: true, crl_sign: false };
    let issuer = Forge { key_usage: Some(usages), ..issuing() };
    let mut scene = Scene::with(&authority("bank-a", "root", Some(1)), &issuer, &operator());
    assert!(scene.verdict().is_ok());
    scene.crls = vec![crl(&scene.chain[1], &[], NOW - 5, NOW + DAY)];
    assert!(matches!(scene.verdict(), Err(PathError::MayNotSignCrls { .. })));
}

#[test]
fn a_crl_is_judged_by_the_path_of_its_issuer() {
    let scene = Scene::valid();
    let anchors = [scene.root.parse().unwrap()];
    let issuing = [scene.chain[1].parse().unwrap()];
    let judge = |crl: &_, issuer_chain: &[Certificate], at| {
        check_crl(&CrlRequest { crl, issuer_chain, anchors: &anchors, crls: &[], at })
    };
    let of_issuing = crl(&scene.chain[1], &[42], NOW - 5, NOW + DAY);
    let valid = judge(&of_issuing, &issuing, NOW).unwrap();
    assert_eq!(valid.org.as_str(), "bank-a");
    assert_eq!(valid.issuer_spki_sha256, issuing[0].spki_sha256());
    assert!(!valid.is_stale);
    assert!(judge(&of_issuing, &issuing, NOW + DAY + 1).unwrap().is_stale);
    let of_root = crl(&scene.root, &[2], NOW - 5, NOW + DAY);
    assert!(judge(&of_root, &[], NOW).is_ok());
    assert!(matches!(judge(&of_root, &issuing, NOW), Err(PathError::CrlIssuerMismatch { .. })));
    assert!(matches!(judge(&of_issuing, &[], NOW), Err(PathError::NoAnchorForCrl { .. })));
}

#[test]
fn a_holder_cannot_issue_crls() {
    let scene = Scene::valid();
    let anchors = [scene.root.parse().unwrap()];
    let chain: Vec<Certificate> = scene.chain.iter().map(|forged| forged.parse().unwrap()).collect();
    let forged = crl(&scene.chain[0], &[42], NOW - 5, NOW + DAY);
    let request = CrlRequest { crl: &forged, issuer_chain: &chain, anchors: &anchors, crls: &[], at: NOW };
    assert!(check_crl(&request).is_err());
}

#[test]
fn only_self_signed_authorities_become_anchors() {
    let scene = Scene::valid();
    let mut anchors = TrustAnchors::new();
    assert!(matches!(anchors.add(scene.root.parse().unwrap()), Ok(true)));
    assert!(matches!(anchors.add(scene.root.parse().unwrap()), Ok(false)));
    assert!(anchors.add(scene.chain[1].parse().unwrap()).is_err());
    assert!(anchors.add(scene.chain[0].parse().unwrap()).is_err());
    let org = "bank-a".parse().unwrap();
    assert_eq!(anchors.of(&org).len(), 1);
    assert_eq!(anchors.remove(&org).len(), 1);
    assert!(anchors.of(&org).is_empty());
}

#[test]
fn subjects_must_follow_the_profile() {
    let (o, ou, cn) = (Nid::ORGANIZATIONNAME, Nid::ORGANIZATIONALUNITNAME, Nid::COMMONNAME);
    let refusal = |attributes: &[(Nid, &str)]| {
        let subject = attributes.iter().map(|(nid, text)| (*nid, (*text).to_owned())).collect();
        Forge { subject, ..operator() }.self_signed(&p256()).parse().unwrap_err()
    };
    let no_role = refusal(&[(o, "bank-a"), (cn, "alice")]);
    assert_eq!(no_role, CertificateError::SubjectAttribute { attribute: "OU", have: 0 });
    let two_roles = refusal(&[(o, "bank-a"), (ou, "operator"), (ou, "regulator"), (cn, "alice")]);
    assert_eq!(two_roles, CertificateError::SubjectAttribute { attribute: "OU", have: 2 });
    let no_name = refusal(&[(o, "bank-a"), (ou, "operator")]);
    assert_eq!(no_name, CertificateError::SubjectAttribute { attribute: "CN", have: 0 });
    assert!(matches!(
        refusal(&[(o, "Bank A"), (ou, "operator"), (cn, "a")]),
        CertificateError::Organization(_)
    ));
    assert!(matches!(refusal(&[(o, "bank-a"), (ou, "king"), (cn, "a")]), CertificateError::Role(_)));
    assert_eq!(refusal(&[(o, "bank-a"), (ou, "operator"), (cn, "a\u{1b}[2J")]), CertificateError::CommonName);
    let with_role = Forge { ca: Some(None), ..operator() }.self_signed(&p256()).parse();
    assert_eq!(with_role, Err(CertificateError::AuthorityWithRole));
}

#[test]
fn other_versions_keys_and_curves_are_refused() {
    let v1 = Forge { version: 0, ..operator() }.self_signed(&p256());
    assert!(v1.parse().is_err());
    let p384 = operator().self_signed(&ec(Nid::SECP384R1));
    assert!(matches!(p384.parse(), Err(CertificateError::UnsupportedKey(_))));
    let rsa = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    assert!(matches!(operator().self_signed(&rsa).parse(), Err(CertificateError::UnsupportedKey(_))));
}

#[test]
fn oversized_certificates_and_trailing_bytes_are_refused() {
    let dns = (0..1000).map(|index| format!("host-{index}.bank-a.example")).collect();
    let large = Forge { dns, ..operator() }.self_signed(&p256());
    assert!(matches!(large.parse(), Err(CertificateError::TooLarge { max: 16_384, .. })));
    let mut trailing = operator().self_signed(&p256()).der();
    trailing.push(0);
    assert_eq!(Certificate::parse(&trailing), Err(CertificateError::Der(der::DerError::TrailingBytes)));
}

#[test]
fn a_repeated_extension_is_refused() {
    let twice = vec![("1.2.3.4", false, vec![5, 0]), ("1.2.3.4", false, vec![5, 0])];
    let refused = Forge { extra: twice, ..operator() }.self_signed(&p256()).parse();
    assert_eq!(refused, Err(CertificateError::DuplicateExtension("1.2.3.4".to_owned())));
}

#[test]
fn authorities_may_have_keys_of_each_kind() {
    for key in [p256(), secp256k1(), ed25519()] {
        let root = authority("bank-a", "root", Some(1)).self_signed(&key);
        let issuing = issuing().signed_by(&root, &key);
        let operator = operator().signed_by(&issuing, &p256());
        let scene = Scene { root, chain: vec![operator, issuing], ..Scene::valid() };
        assert!(scene.verdict().is_ok(), "{:?}", scene.verdict());
        assert!(scene.openssl_accepts());
    }
}

/// The certificate with its ECDSA signature's `s` replaced by `n - s`: another valid signature.
fn with_other_s(certificate: &[u8], order: &str) -> Vec<u8> {
    let outer = der::single(certificate).unwrap();
    let parts = der::elements(outer.content).unwrap();
    let signature = EcdsaSig::from_der(&parts[2].content[1..]).unwrap();
    let mut s = BigNum::new().unwrap();
    s.checked_sub(&BigNum::from_hex_str(order).unwrap(), signature.s()).unwrap();
    let flipped = EcdsaSig::from_private_components(signature.r().to_owned().unwrap(), s).unwrap();
    let bits = tlv(0x03, &[&[0][..], &flipped.to_der().unwrap()].concat());
    let content = [parts[0].raw, parts[1].raw, &bits].concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82][..], &length, &content].concat()
}

#[test]
fn signatures_with_high_and_low_s_are_equally_valid() {
    let orders = [
        (secp256k1(), "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141"),
        (p256(), "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"),
    ];
    for (key, order) in orders {
        let root = authority("bank-a", "root", None).self_signed(&key);
        let holder = operator().signed_by(&root, &p256());
        let mut scene = Scene { root, chain: vec![holder], ..Scene::valid() };
        assert!(scene.verdict().is_ok());
        scene.chain[0].x509 = X509::from_der(&with_other_s(&scene.chain[0].der(), order)).unwrap();
        assert!(scene.verdict().is_ok(), "{:?}", scene.verdict());
        assert!(scene.openssl_accepts());
    }
}

#[test]
fn messages_name_the_certificate_and_the_mend() {
    let message = Scene { at: NOW + 101 * DAY, ..Scene::valid() }.verdict().unwrap_err().to_string();
    assert!(message.contains("\"alice\" (serial 2a)") && message.ends_with("renew it"), "{message}");
}
