//! An authority's ceremonies, judged by the ledger's verifier and by OpenSSL.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use concordat_pki_authority::{
    Authority, AuthorityError, AuthorityOptions, CRL_ENTRIES, CertificateRequest, Inspection,
    IssuedCertificate, KeyType, LogEntry, Passphrase, PrivateKey, Profile, San, Tier, pem,
};
use concordat_pki_verify::{
    Certificate, Crl, PathError, PathRequest, Purpose, RevocationReason, ValidPath, check_path,
};
use concordat_types::identity::{Holder, OrgId, Role};
use openssl::{
    stack::Stack,
    x509::{
        X509, X509Crl, X509StoreContext,
        store::X509StoreBuilder,
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

fn bank() -> OrgId {
    "bank-a".parse().unwrap()
}

fn authority() -> Authority {
    Authority::create(&bank(), &AuthorityOptions::default(), NOW).unwrap()
}

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse").unwrap()
}

fn key_type(role: Role) -> KeyType {
    if role.holder() == Holder::ConsensusKey { KeyType::Ed25519 } else { KeyType::P256 }
}

fn sans(role: Role) -> Vec<San> {
    match role.holder() {
        Holder::Node | Holder::Server => {
            vec!["dns:node.bank-a.example".parse().unwrap(), "ip:127.0.0.1".parse().unwrap()]
        }
        Holder::Account | Holder::ConsensusKey => vec![],
    }
}

fn request(role: Role) -> CertificateRequest {
    let key = PrivateKey::generate(key_type(role)).unwrap();
    CertificateRequest::create(&key, &bank(), role, "name", &sans(role)).unwrap()
}

fn issue(authority: &mut Authority, role: Role) -> IssuedCertificate {
    let request = request(role);
    authority.issue(&request, &request.profile(365), NOW).unwrap()
}

fn verdict(
    authority: &Authority,
    issued: &IssuedCertificate,
    crls: &[Crl],
    at: i64,
) -> Result<ValidPath, PathError> {
    let purpose = Purpose::of(issued.certificate().role().unwrap().holder());
    let anchors = [authority.root_certificate().clone()];
    check_path(&PathRequest { chain: &issued.chain, anchors: &anchors, crls, at, purpose })
}

fn openssl_accepts(authority: &Authority, issued: &IssuedCertificate, at: i64) -> bool {
    let x509 = |certificate: &Certificate| X509::from_der(certificate.der()).unwrap();
    let mut store = X509StoreBuilder::new().unwrap();
    store.add_cert(x509(authority.root_certificate())).unwrap();
    let mut parameters = X509VerifyParam::new().unwrap();
    parameters.set_time(at);
    parameters.set_flags(X509VerifyFlags::X509_STRICT).unwrap();
    store.set_param(&parameters).unwrap();
    let mut untrusted = Stack::new().unwrap();
    untrusted.push(x509(authority.issuing_certificate())).unwrap();
    let leaf = x509(issued.certificate());
    let mut context = X509StoreContext::new().unwrap();
    context.init(&store.build(), &leaf, &untrusted, |context| context.verify_cert()).unwrap()
}

#[test]
fn every_role_gets_a_certificate_that_both_verifiers_accept() {
    let mut authority = authority();
    for role in Role::ALL {
        let issued = issue(&mut authority, *role);
        let valid = verdict(&authority, &issued, &[], NOW).unwrap();
        assert_eq!((valid.org, valid.role), (bank(), *role));
        assert_eq!(valid.not_after, NOW + 365 * DAY);
        assert!(openssl_accepts(&authority, &issued, NOW), "{role}");
    }
}

#[test]
fn serial_numbers_are_long_and_never_the_same() {
    let mut authority = authority();
    let mut serials: Vec<_> =
        (0..8).map(|_| issue(&mut authority, Role::Operator).certificate().serial().clone()).collect();
    assert!(serials.iter().all(|serial| serial.as_bytes().len() == 16));
    serials.sort();
    serials.dedup();
    assert_eq!(serials.len(), 8);
}

#[test]
fn a_secp256k1_account_is_certified() {
    let key = PrivateKey::generate(KeyType::Secp256k1).unwrap();
    let request = CertificateRequest::create(&key, &bank(), Role::Operator, "treasury", &[]).unwrap();
    let mut authority = authority();
    let issued = authority.issue(&request, &request.profile(30), NOW).unwrap();
    assert_eq!(verdict(&authority, &issued, &[], NOW).unwrap().subject_key, *key.public());
}

#[test]
fn renewal_keeps_the_key_and_the_names_and_changes_serial_and_validity() {
    let mut authority = authority();
    let first = issue(&mut authority, Role::Validator);
    let later = NOW + 400 * DAY;
    assert!(matches!(verdict(&authority, &first, &[], later), Err(PathError::Expired { .. })));
    let second = authority.renew(first.certificate(), 365, later).unwrap();
    assert_eq!(second.certificate().spki_sha256(), first.certificate().spki_sha256());
    assert_eq!(second.certificate().subject(), first.certificate().subject());
    assert_eq!(
        second.certificate().extensions().subject_alt_names,
        first.certificate().extensions().subject_alt_names
    );
    assert_ne!(second.certificate().serial(), first.certificate().serial());
    assert!(verdict(&authority, &second, &[], later).is_ok());
}

#[test]
fn revoked_and_foreign_certificates_are_not_renewed() {
    let mut authority = authority();
    let issued = issue(&mut authority, Role::Operator);
    let serial = issued.certificate().serial().clone();
    authority.revoke(&serial, RevocationReason::KeyCompromise, NOW).unwrap();
    let refused = authority.renew(issued.certificate(), 365, NOW);
    assert!(matches!(refused, Err(AuthorityError::AlreadyRevoked { .. })));
    let mut namesake = self::authority();
    let foreign = issue(&mut namesake, Role::Operator);
    let refused = authority.renew(foreign.certificate(), 365, NOW);
    assert!(matches!(refused, Err(AuthorityError::NotIssuedHere { .. })));
    let refused = authority.renew(&authority.issuing_certificate().clone(), 365, NOW);
    assert!(matches!(refused, Err(AuthorityError::NotIssuedHere { .. })));
}

#[test]
fn every_reason_of_revocation_reaches_the_verifier() {
    let mut authority = authority();
    for reason in RevocationReason::ALL {
        let issued = issue(&mut authority, Role::Operator);
        authority.revoke(issued.certificate().serial(), reason, NOW + 1).unwrap();
        let crl = authority.crl(30, NOW + 2).unwrap().lists.remove(0);
        let refused = verdict(&authority, &issued, &[crl], NOW + 3);
        assert!(
            matches!(refused, Err(PathError::Revoked { reason: stated, revoked_at, .. })
                if stated == reason && revoked_at == NOW + 1),
            "{refused:?}"
        );
    }
}

#[test]
fn openssl_reads_and_verifies_our_crls() {
    let mut authority = authority();
    let issued = issue(&mut authority, Role::Operator);
    let bystander = issue(&mut authority, Role::Operator);
    authority.revoke(issued.certificate().serial(), RevocationReason::Superseded, NOW).unwrap();
    let crl = X509Crl::from_pem(authority.default_crl(NOW).unwrap().pem().as_bytes()).unwrap();
    let issuer = X509::from_der(authority.issuing_certificate().der()).unwrap();
    assert!(crl.verify(&*issuer.public_key().unwrap()).unwrap());
    let lists = |issued: &IssuedCertificate| {
        let status = crl.get_by_cert(&X509::from_der(issued.der()).unwrap());
        matches!(status, openssl::x509::CrlStatus::Revoked(_))
    };
    assert!(lists(&issued));
    assert!(!lists(&bystander));
}

#[test]
fn the_root_revokes_its_issuing_authority() {
    let mut authority = authority();
    let issued = issue(&mut authority, Role::Operator);
    let issuing = authority.issuing_certificate().serial().clone();
    let tier = authority.revoke(&issuing, RevocationReason::CaCompromise, NOW).unwrap();
    assert_eq!(tier, Tier::Root);
    let crl = authority.root_crl(90, NOW).unwrap().lists.remove(0);
    assert!(matches!(verdict(&authority, &issued, &[crl], NOW), Err(PathError::Revoked { .. })));
}

#[test]
fn a_replaced_issuing_authority_goes_on_with_the_same_root() {
    let dir = tempfile::tempdir().unwrap();
    let mut authority = authority();
    authority.save(dir.path(), &passphrase()).unwrap();
    let old_issuing = authority.issuing_certificate().clone();
    let old = issue(&mut authority, Role::Operator);
    let revoked = issue(&mut authority, Role::Operator);
    authority.revoke(revoked.certificate().serial(), RevocationReason::Superseded, NOW).unwrap();
    authority.replace_issuing(&passphrase(), 1000, NOW).unwrap();
    assert!(dir.path().join(format!("issuing/ca-{}.crt", old_issuing.serial())).exists());
    drop(authority);

    let mut authority = Authority::open(dir.path(), &passphrase()).unwrap();
    let renewed = authority.renew(old.certificate(), 365, NOW).unwrap();
    assert!(matches!(
        authority.renew(revoked.certificate(), 365, NOW),
        Err(AuthorityError::AlreadyRevoked { .. })
    ));
    assert!(authority.default_crl(NOW).unwrap().lists[0].revoked().is_empty());
    let refused = authority.revoke(old.certificate().serial(), RevocationReason::Unspecified, NOW);
    assert!(
        matches!(refused, Err(AuthorityError::IssuerReplaced { issuer, .. }) if issuer == *old_issuing.serial())
    );
    assert!(verdict(&authority, &old, &[], NOW).is_ok());
    authority.revoke(old_issuing.serial(), RevocationReason::CaCompromise, NOW).unwrap();
    let crls = [authority.root_crl(90, NOW).unwrap().lists.remove(0)];
    assert!(matches!(verdict(&authority, &old, &crls, NOW), Err(PathError::Revoked { .. })));
    assert!(verdict(&authority, &renewed, &crls, NOW).is_ok());
    assert!(openssl_accepts(&authority, &renewed, NOW));
}

#[test]
fn a_key_beside_another_keys_certificate_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    authority().save(dir.path(), &passphrase()).unwrap();
    let other = PrivateKey::generate(KeyType::P256).unwrap();
    other.write(&dir.path().join("issuing/ca.key"), &passphrase(), true).unwrap();
    let refused = Authority::open(dir.path(), &passphrase());
    assert!(matches!(refused, Err(AuthorityError::KeyMismatch(Tier::Issuing))));
}

#[test]
fn a_certificate_that_only_looks_like_ours_is_not_renewed() {
    let mut authority = authority();
    let issued = issue(&mut authority, Role::Operator);
    let mut bytes = issued.der().to_vec();
    // The signature's last octet: every field is as we wrote it, but the certificate is not ours.
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Certificate::parse(&bytes).unwrap();
    assert!(matches!(authority.renew(&forged, 365, NOW), Err(AuthorityError::NotIssuedHere { .. })));
}

#[test]
fn what_was_never_issued_or_is_revoked_already_cannot_be_revoked() {
    let mut authority = authority();
    let unknown = "0badcafe".parse().unwrap();
    let refused = authority.revoke(&unknown, RevocationReason::Unspecified, NOW);
    assert!(matches!(refused, Err(AuthorityError::NotIssuedHere { .. })));
    let root = authority.root_certificate().serial().clone();
    assert!(authority.revoke(&root, RevocationReason::Unspecified, NOW).is_err());
    let serial = issue(&mut authority, Role::Operator).certificate().serial().clone();
    authority.revoke(&serial, RevocationReason::Superseded, NOW).unwrap();
    let refused = authority.revoke(&serial, RevocationReason::Unspecified, NOW).unwrap_err();
    assert!(refused.to_string().contains("superseded"), "{refused}");
}

#[test]
fn crl_numbers_increase_per_authority() {
    let mut authority = authority();
    let numbers = [
        authority.crl(30, NOW).unwrap().lists[0].number(),
        authority.crl(30, NOW).unwrap().lists[0].number(),
        authority.root_crl(30, NOW).unwrap().lists[0].number(),
    ];
    assert_eq!(numbers, [1, 2, 1]);
}

/// A certificate that ends after `days` and is revoked at once.
fn revoke_one(authority: &mut Authority, request: &CertificateRequest, days: u32) -> IssuedCertificate {
    let issued = authority.issue(request, &request.profile(days), NOW).unwrap();
    authority.revoke(issued.certificate().serial(), RevocationReason::KeyCompromise, NOW).unwrap();
    issued
}

#[test]
fn expired_certificates_leave_the_list_after_it_has_named_them_once_more() {
    let mut authority = authority();
    let request = request(Role::Operator);
    let [short, long] = [10, 300].map(|days| revoke_one(&mut authority, &request, days));
    let listed = |authority: &mut Authority, day: i64| {
        let crl = authority.crl(30, NOW + day * DAY).unwrap().lists.remove(0);
        [&short, &long].map(|issued| crl.revocation(issued.certificate().serial()).is_some())
    };
    assert_eq!(listed(&mut authority, 5), [true, true]);
    assert_eq!(listed(&mut authority, 11), [true, true], "the first list after its end");
    assert_eq!(listed(&mut authority, 12), [false, true]);
    let late = revoke_one(&mut authority, &request, 1);
    let crl = authority.crl(30, NOW + 20 * DAY).unwrap().lists.remove(0);
    assert!(crl.revocation(late.certificate().serial()).is_some(), "no list has named it yet");
}

#[test]
fn too_many_revocations_for_one_list_make_several_and_the_newest_stand_in_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut authority = authority();
    authority.save(dir.path(), &passphrase()).unwrap();
    let request = request(Role::Operator);
    let revoked: Vec<_> = (0..=CRL_ENTRIES).map(|_| revoke_one(&mut authority, &request, 300)).collect();
    let issued = authority.default_crl(NOW).unwrap();
    assert_eq!(issued.lists.iter().map(Crl::number).collect::<Vec<_>>(), [1, 2]);
    let serial = |index: usize| revoked[index].certificate().serial();
    assert!(issued.lists[0].revocation(serial(CRL_ENTRIES)).is_some());
    assert_eq!(issued.lists[1].revoked().keys().collect::<Vec<_>>(), [serial(0)]);
    assert_eq!(authority.default_crl(NOW).unwrap().lists[0].number(), 3, "each run is complete");
    for index in [0, CRL_ENTRIES / 2, CRL_ENTRIES] {
        let refused = verdict(&authority, &revoked[index], &issued.lists, NOW);
        assert!(matches!(refused, Err(PathError::Revoked { .. })), "{refused:?}");
    }
    let on_disk = String::from_utf8(fs::read(dir.path().join("crl.pem")).unwrap()).unwrap();
    assert_eq!(pem::decode_all(pem::CRL, &on_disk).len(), 2);
}

#[test]
fn requests_that_the_ledger_would_refuse_are_refused_before_signing() {
    let mut authority = authority();
    let logged = authority.log().len();
    let mut refusal = |org: &str, key_type, role, sans: &[San], days| {
        let key = PrivateKey::generate(key_type).unwrap();
        let request = CertificateRequest::create(&key, &org.parse().unwrap(), role, "name", sans).unwrap();
        authority.issue(&request, &request.profile(days), NOW).unwrap_err()
    };
    let host = ["localhost".parse().unwrap()];
    let wrong_org = refusal("bank-b", KeyType::P256, Role::Operator, &[], 30);
    assert!(matches!(wrong_org, AuthorityError::WrongOrganization { .. }), "{wrong_org}");
    for (role, key_type) in [
        (Role::Operator, KeyType::Ed25519),
        (Role::Consensus, KeyType::P256),
        (Role::Validator, KeyType::Secp256k1),
    ] {
        let refused = refusal("bank-a", key_type, role, &[], 30);
        assert!(matches!(refused, AuthorityError::KeyForRole { .. }), "{refused}");
    }
    let no_san = refusal("bank-a", KeyType::P256, Role::Validator, &[], 30);
    assert!(matches!(no_san, AuthorityError::NoSan(Role::Validator)), "{no_san}");
    let san = refusal("bank-a", KeyType::P256, Role::Operator, &host, 30);
    assert!(matches!(san, AuthorityError::SanForRole(Role::Operator)), "{san}");
    let too_long = refusal("bank-a", KeyType::P256, Role::Operator, &[], 1827);
    assert!(matches!(too_long, AuthorityError::OutlivesAuthority { .. }), "{too_long}");
    for days in [0, u32::MAX] {
        let impossible = refusal("bank-a", KeyType::P256, Role::Operator, &[], days);
        assert!(matches!(impossible, AuthorityError::Validity(_)), "{impossible}");
    }
    assert_eq!(authority.log().len(), logged);
}

#[test]
fn a_certificate_that_the_verifier_refuses_is_not_handed_out() {
    let mut authority = authority();
    let request = request(Role::Operator);
    let profile = Profile { common_name: "bell\u{7}".to_owned(), ..request.profile(30) };
    let refused = authority.issue(&request, &profile, NOW).unwrap_err();
    assert!(matches!(refused, AuthorityError::Certificate(_)), "{refused}");
}

#[test]
fn an_authority_survives_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let mut saved = authority();
    saved.save(dir.path(), &passphrase()).unwrap();
    let issued = issue(&mut saved, Role::Operator);
    let number = saved.default_crl(NOW).unwrap().lists[0].number();
    let log = saved.log().to_vec();
    drop(saved);

    let mut opened = Authority::open(dir.path(), &passphrase()).unwrap();
    assert_eq!(opened.log(), log);
    assert_eq!(opened.org(), &bank());
    assert!(verdict(&opened, &issued, &[], NOW).is_ok());
    opened.revoke(issued.certificate().serial(), RevocationReason::KeyCompromise, NOW).unwrap();
    assert_eq!(opened.default_crl(NOW).unwrap().lists[0].number(), number + 1);
    let on_disk = fs::read(dir.path().join("crl.pem")).unwrap();
    let crl = Crl::parse(&pem::decode(pem::CRL, &on_disk).unwrap()).unwrap();
    assert!(matches!(verdict(&opened, &issued, &[crl], NOW), Err(PathError::Revoked { .. })));
    assert!(matches!(opened.log().last(), Some(LogEntry::CrlIssued { number: 2, .. })));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_directory_has_the_documented_layout_and_modes() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("ca");
    authority().save(&home, &passphrase()).unwrap();
    for key in ["root/ca.key", "issuing/ca.key"] {
        assert_eq!(mode(&home.join(key)), 0o600);
        assert!(fs::read_to_string(home.join(key)).unwrap().contains("ENCRYPTED PRIVATE KEY"));
    }
    for public in ["root/ca.crt", "issuing/ca.crt", "index.jsonl"] {
        assert_eq!(mode(&home.join(public)), 0o644);
    }
    assert_eq!(mode(&home.join("root")), 0o700);
    assert!(matches!(authority().save(&home, &passphrase()), Err(AuthorityError::Exists(_))));
}

#[test]
fn an_open_authority_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = authority();
    first.save(dir.path(), &passphrase()).unwrap();
    assert!(matches!(Authority::open(dir.path(), &passphrase()), Err(AuthorityError::Busy(_))));
    drop(first);
    assert!(Authority::open(dir.path(), &passphrase()).is_ok());
}

#[test]
fn the_root_key_may_stay_in_its_safe() {
    let dir = tempfile::tempdir().unwrap();
    authority().save(dir.path(), &passphrase()).unwrap();
    fs::remove_file(dir.path().join("root/ca.key")).unwrap();
    let mut opened = Authority::open(dir.path(), &passphrase()).unwrap();
    let issued = issue(&mut opened, Role::Operator);
    assert!(verdict(&opened, &issued, &[], NOW).is_ok());
    assert!(opened.default_crl(NOW).is_ok());
    assert!(matches!(opened.root_crl(30, NOW), Err(AuthorityError::RootOffline)));
}

#[test]
fn wrong_passphrases_and_damaged_logs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    authority().save(dir.path(), &passphrase()).unwrap();
    let wrong = Passphrase::new("battery staple").unwrap();
    assert!(matches!(Authority::open(dir.path(), &wrong), Err(AuthorityError::WrongPassphrase)));
    let path = dir.path().join("index.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 10]).unwrap();
    let refused = Authority::open(dir.path(), &passphrase()).unwrap_err();
    assert!(matches!(refused, AuthorityError::Log { line: 2, .. }), "{refused}");
}

#[test]
fn the_issuing_authority_signs_holders_only_and_carries_no_constraint_that_clients_refuse() {
    let authority = authority();
    let issuing = authority.issuing_certificate().extensions();
    // ADR 0029.
    assert!(issuing.name_constraints.is_none());
    assert_eq!(issuing.basic_constraints.unwrap().path_len, Some(0));
    let root = authority.root_certificate().extensions();
    assert_eq!(root.basic_constraints.unwrap().path_len, Some(1));
}

#[test]
fn each_kind_of_file_can_be_inspected() {
    let mut authority = authority();
    let request = request(Role::Validator);
    let issued = authority.issue(&request, &request.profile(30), NOW).unwrap();
    authority.revoke(issued.certificate().serial(), RevocationReason::Superseded, NOW).unwrap();
    let crl = authority.default_crl(NOW).unwrap();
    for (bytes, kind, fact) in [
        (issued.chain_pem().into_bytes(), "certificate", "validator"),
        (issued.der().to_vec(), "certificate", "2027-02-14T"),
        (authority.root_pem().into_bytes(), "certificate", "at most 1 intermediates below"),
        (request.to_pem().into_bytes(), "request", "dns:node.bank-a.example"),
        (request.der().to_vec(), "request", "P-256"),
        (crl.pem().into_bytes(), "crl", "superseded"),
        (crl.lists[0].der().to_vec(), "crl", "bank-a issuing CA"),
    ] {
        let inspection = Inspection::of(&bytes).unwrap();
        assert!(inspection.to_string().contains(fact), "{inspection}");
        assert_eq!(serde_json::to_value(&inspection).unwrap()["kind"], kind);
    }
    assert!(Inspection::of(b"neither").is_err());
}

#[test]
fn openssl_reads_our_encrypted_keys_and_we_read_its() {
    let key = PrivateKey::generate(KeyType::P256).unwrap();
    let ours = key.to_encrypted_pem(&passphrase()).unwrap();
    let read =
        openssl::pkey::PKey::private_key_from_pem_passphrase(ours.as_bytes(), b"correct horse").unwrap();
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let theirs = read.private_key_to_pem_pkcs8_passphrase(cipher, b"correct horse").unwrap();
    assert_eq!(PrivateKey::from_encrypted_pem(&theirs, &passphrase()).unwrap().public(), key.public());
}
