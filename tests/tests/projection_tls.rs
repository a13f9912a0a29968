//! The regulator's database over TLS: both of the program's clients take the server that its authority vouches for under
//! its name, and no other.

use std::{fs, net::TcpListener, path::Path};

use concordat_tests::postgres::Postgres;
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{
        X509, X509Name,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};

struct Authority {
    key: PKey<Private>,
    certificate: X509,
}

fn key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

impl Authority {
    fn new() -> Self {
        let key = key();
        let certificate = certificate("authority", &key, None);
        Self { key, certificate }
    }

    /// The key and the certificate of a server, in PEM.
    fn server(&self, name: &str) -> [String; 2] {
        let key = key();
        let certificate = certificate(name, &key, Some(self));
        let pem = [key.private_key_to_pem_pkcs8().unwrap(), certificate.to_pem().unwrap()];
        pem.map(|pem| String::from_utf8(pem).unwrap())
    }

    fn write(&self, file: &Path) {
        fs::write(file, self.certificate.to_pem().unwrap()).unwrap();
    }
}

/// A certificate for a name; an authority's own where nobody issues it.
fn certificate(name: &str, key: &PKey<Private>, issuer: Option<&Authority>) -> X509 {
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(issuer.map_or(&*subject, |issuer| issuer.certificate.subject_name())).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    match issuer {
        None => builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap(),
        Some(issuer) => {
            let context = builder.x509v3_context(Some(&issuer.certificate), None);
            let names = SubjectAlternativeName::new().dns(name).build(&context).unwrap();
            builder.append_extension(names).unwrap();
        }
    }
    builder.sign(issuer.map_or(key, |issuer| &issuer.key), MessageDigest::sha256()).unwrap();
    builder.build()
}

/// Lets the server write a file of its own, as private as keys must be.
fn give(postgres: &Postgres, name: &str, text: &str) {
    postgres.sql(&format!(
        "COPY (SELECT unnest(string_to_array($pem${}$pem$, E'\\n'))) TO PROGRAM 'umask 077; cat > {name}'",
        text.trim_end()
    ));
}

#[test]
fn both_clients_take_the_server_that_its_authority_vouches_for_and_no_other() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let postgres = Postgres::start(&["fsync=off", "listen_addresses=localhost", &format!("port={port}")]);
    let (authority, stranger) = (Authority::new(), Authority::new());
    let [key, certificate] = authority.server("localhost");
    give(&postgres, "server.key", &key);
    give(&postgres, "server.crt", &certificate);
    let access = "local all all trust\nhostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust";
    give(&postgres, "pg_hba.conf", access);
    postgres.sql("ALTER SYSTEM SET ssl = on");
    postgres.sql("SELECT pg_reload_conf()");

    let folder = tempfile::tempdir().unwrap();
    let [right, wrong] = ["right.pem", "wrong.pem"].map(|name| folder.path().join(name));
    authority.write(&right);
    stranger.write(&wrong);
    let migrate = |host: &str, more: &str| {
        let file = folder.path().join("url");
        fs::write(&file, format!("postgres://postgres@{host}:{port}/ledger?{more}\n")).unwrap();
        let output = postgres.concordat(&["audit", "migrate", "--database-url-file", file.to_str().unwrap()]);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let verified = |root: &Path| format!("sslmode=verify-full&sslrootcert={}", root.display());
    let refused = [
        ("localhost", "sslmode=disable".to_owned()),
        ("localhost", verified(&wrong)),
        ("127.0.0.1", verified(&right)),
        ("localhost", "sslmode=verify-full".to_owned()),
    ];
    for (host, more) in refused {
        let (done, told) = migrate(host, &more);
        assert!(!done, "{host} {more}: {told}");
    }
    let (done, told) = migrate("localhost", &verified(&right));
    assert!(done && told.contains("000001_blocks"), "{told}\n{}", postgres.log());
}
