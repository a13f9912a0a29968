//! The commands as a bank's administrator types them.

use clap::Parser;

use concordat_pki_authority::{AuthorityOptions, CertificateRequest, KeyType, PrivateKey};
use concordat_pki_verify::RevocationReason;

use super::{verify::parse_time, *};
use crate::output::FoundWrong;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: PkiCommand,
}

fn pki(arguments: &[&str]) -> Result<()> {
    let arguments = std::iter::once("pki").chain(arguments.iter().copied());
    run(Cli::try_parse_from(arguments)?.command, true)
}

#[test]
fn a_bank_administrators_year_works() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (ca, pass) = (path("ca"), path("pass"));
    std::fs::write(&pass, "correct horse\n").unwrap();
    let with = ["--passphrase-file", pass.as_str()];
    let pki = |arguments: &[&str]| pki(&[arguments, &with].concat());
    pki(&["init-ca", "--org", "bank-a", "--dir", &ca]).unwrap();
    let (key, csr, cert) = (path("a.key"), path("a.csr"), path("a.crt"));
    pki(&["key", "--type", "secp256k1", "--out", &key]).unwrap();
    let holder = ["--org", "bank-a", "--role", "operator", "--name", "alice", "--out", &csr];
    pki(&[&["csr", "--key", &key][..], &holder].concat()).unwrap();
    pki(&["sign", "--ca", &ca, "--csr", &csr, "--out", &cert]).unwrap();
    let (renewed, crl) = (path("b.crt"), path("crl.pem"));
    pki(&["renew", "--ca", &ca, "--cert", &cert, "--out", &renewed]).unwrap();
    let root = path("ca/root/ca.crt");
    let verify =
        |file: &str, crl: &[&str]| self::pki(&[&["verify", "--anchor", &root, file][..], crl].concat());
    verify(&renewed, &[]).unwrap();
    pki(&["revoke", "--ca", &ca, "--cert", &cert, "--reason", "superseded"]).unwrap();
    pki(&["crl", "--ca", &ca, "--out", &crl]).unwrap();
    verify(&renewed, &["--crl", &crl]).unwrap();
    let refused = verify(&cert, &["--crl", &crl]).unwrap_err();
    assert!(refused.downcast_ref::<FoundWrong>().is_some(), "{refused}");
    assert!(refused.to_string().contains("superseded"), "{refused}");
    assert!(verify(&cert, &["--at", "2020-01-01T00:00:00Z"]).is_err());
    pki(&["replace-issuing", "--ca", &ca, "--days", "900"]).unwrap();
    for file in [&cert, &csr, &crl] {
        self::pki(&["inspect", file]).unwrap();
    }
}

#[test]
fn every_crl_of_a_file_counts_and_a_torn_one_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let authority = || {
        let org = "bank-a".parse().unwrap();
        Authority::create(&org, &AuthorityOptions::default(), now().unwrap()).unwrap()
    };
    let (mut authority, mut namesake) = (authority(), authority());
    let key = PrivateKey::generate(KeyType::P256).unwrap();
    let request = CertificateRequest::create(&key, authority.org(), Role::Operator, "alice", &[]).unwrap();
    let issued = authority.issue(&request, &request.profile(30), now().unwrap()).unwrap();
    let serial = issued.certificate().serial();
    authority.revoke(serial, RevocationReason::Superseded, now().unwrap()).unwrap();
    let lists = [&mut namesake, &mut authority].map(|ca| ca.default_crl(now().unwrap()).unwrap().pem());
    for (name, text) in [
        ("root.crt", authority.root_pem()),
        ("alice.crt", issued.chain_pem()),
        ("both.pem", lists.concat()),
        ("torn.pem", lists.concat().replacen("-----END", "", 1)),
    ] {
        std::fs::write(path(name), text).unwrap();
    }
    let verify = |crl: &str| {
        pki(&["verify", "--anchor", &path("root.crt"), "--crl", &path(crl), &path("alice.crt")]).unwrap_err()
    };
    assert!(verify("both.pem").to_string().contains("superseded"), "{}", verify("both.pem"));
    assert!(verify("torn.pem").to_string().contains("only 1 of 2"), "{}", verify("torn.pem"));
    pki(&["inspect", &path("both.pem")]).unwrap();
}

#[test]
fn issuing_makes_a_key_and_a_certificate_and_overwrites_neither() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (ca, pass, key, cert) = (path("ca"), path("pass"), path("n.key"), path("n.crt"));
    std::fs::write(&pass, "correct horse\n").unwrap();
    pki(&["init-ca", "--org", "bank-a", "--dir", &ca, "--passphrase-file", &pass]).unwrap();
    let arguments = [
        "issue",
        "--ca",
        &ca,
        "--role",
        "validator",
        "--name",
        "node-1",
        "--san",
        "localhost",
        "--key-out",
        &key,
        "--out",
        &cert,
        "--passphrase-file",
        &pass,
        "--key-passphrase-file",
        &pass,
    ];
    let without = &arguments[..arguments.len() - 2];
    let refused = pki(without).unwrap_err().to_string();
    assert_eq!(
        refused,
        "no new passphrase of the key: name its file with --key-passphrase-file, or run at a terminal to be asked"
    );
    pki(&arguments).unwrap();
    pki(&["verify", "--anchor", &path("ca/root/ca.crt"), &cert]).unwrap();
    let refused = pki(&arguments).unwrap_err();
    assert!(refused.to_string().contains("--force"), "{refused}");
}

#[test]
fn times_are_read_in_both_forms() {
    assert_eq!(parse_time("1800000000"), Ok(1_800_000_000));
    assert_eq!(parse_time("2027-01-15T08:00:00Z"), Ok(1_800_000_000));
    assert!(parse_time("tomorrow").is_err());
}
