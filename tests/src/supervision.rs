//! The service of supervisors as its clients see it: certificates, connections, answers.

use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::Child,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, keccak256};
use openssl::{
    bn::{BigNum, BigNumContext},
    pkey::PKey,
    sha::sha256,
    ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode, SslVersion},
    x509::X509,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Network, PATIENCE, committee, concordat, free_ports,
    imagined::{Size, Supervisor, fill, now_ms},
    postgres::Postgres,
};

/// An organisation's authority, and what it has given out.
pub struct Pki {
    folder: TempDir,
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

impl Pki {
    /// A new one, of regulator-a.
    pub fn new() -> Self {
        let pki = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(pki.path("passphrase"), "correct horse battery\n").unwrap();
        concordat(&[
            "pki",
            "init-ca",
            "--org",
            "regulator-a",
            "--dir",
            &pki.name("ca"),
            "--passphrase-file",
            &pki.name("passphrase"),
        ]);
        std::fs::create_dir(pki.path("keys")).unwrap();
        pki
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Gives out a certificate of a P-256 key.
    pub fn give(&self, role: &str, name: &str, more: &[&str]) -> Holder {
        let (ca, secret) = (self.name("ca"), self.name("passphrase"));
        let (certificate, key) = (self.name(&format!("{name}.crt")), self.name(&format!("{name}.key")));
        let issue = ["pki", "issue", "--ca", &ca, "--role", role, "--name", name, "--type", "p256"];
        let files = [
            "--out",
            &certificate,
            "--key-out",
            &key,
            "--passphrase-file",
            &secret,
            "--key-passphrase-file",
            &secret,
        ];
        concordat(&[&issue[..], &files, more].concat());
        Holder::read(&certificate, &key, &secret)
    }

    /// A key that tokens are signed with.
    pub fn token_key(&self, name: &str) -> PathBuf {
        let path = self.path("keys").join(name);
        let (file, secret) = (path.to_str().unwrap(), self.name("passphrase"));
        concordat(&["pki", "key", "--type", "p256", "--out", file, "--passphrase-file", &secret]);
        path
    }
}

/// Somebody with a certificate.
#[derive(Clone)]
pub struct Holder {
    /// The file of the certificate.
    pub certificate: String,
    /// The file of its key.
    pub key: String,
    passphrase: String,
    /// The address of the key.
    pub account: Address,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
}

impl Holder {
    /// Somebody whose files are there already.
    pub fn read(certificate: &str, key: &str, passphrase: &str) -> Self {
        let x509 = X509::from_pem(&std::fs::read(certificate).unwrap()).unwrap();
        let public = x509.public_key().unwrap();
        let account = public.ec_key().map(|key| {
            let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
            let mut context = BigNumContext::new().unwrap();
            key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).unwrap();
            let point = [x.to_vec_padded(32).unwrap(), y.to_vec_padded(32).unwrap()].concat();
            Address::from_slice(&keccak256(point)[12..])
        });
        Self {
            certificate: certificate.into(),
            key: key.into(),
            passphrase: passphrase.into(),
            account: account.unwrap_or_default(),
            fingerprint: sha256(&x509.to_der().unwrap()),
        }
    }

    /// As rows of the ledger.
    pub fn supervisor<'a>(&self, role: &'a str, mandate: Option<&'a str>) -> Supervisor<'a> {
        let (account, fingerprint) = (self.account, self.fingerprint);
        Supervisor { account, fingerprint, role, not_after: now_ms() / 1000 + 86_400, mandate }
    }
}

/// A running service.
pub struct Service {
    /// Its process.
    pub process: Child,
    /// Where supervisors connect; metrics are at the next port.
    pub port: u16,
    door: Door,
    config: String,
}

/// Where a service is, and whom its clients trust: all that these need of it.
#[derive(Clone)]
pub struct Door {
    port: u16,
    root: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its head, in small letters.
    pub head: String,
    /// Its document, or its text.
    pub body: Value,
}

impl Service {
    /// Starts one with further lines of configuration.
    pub fn start(postgres: &Postgres, pki: &Pki, more: &str) -> Self {
        if !pki.path("server.crt").exists() {
            pki.give("server", "server", &["--san", "ip:127.0.0.1"]);
            pki.token_key("1.key");
        }
        let port = free_ports(2);
        let config = format!(
            "listen = \"127.0.0.1:{port}\"\noperations = \"127.0.0.1:{}\"\ncertificate = \"server.crt\"\nkey = \"server.key\"\n\
             token_keys = \"keys\"\npassphrase_file = \"passphrase\"\nissuer = \"supervision.test\"\nstreams = 4\n\
             stale_seconds = 600\n{more}",
            port + 1
        );
        std::fs::write(pki.path("service.toml"), config).unwrap();
        let config = pki.name("service.toml");
        let process = postgres.spawn(&["audit", "serve", "--config", &config]);
        let service = Self { process, port, door: Door { port, root: pki.name("ca/root/ca.crt") }, config };
        service.wait(postgres);
        service
    }

    /// SIGKILL; then it is started where it was.
    pub fn kill_and_start(&mut self, postgres: &Postgres) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = postgres.spawn(&["audit", "serve", "--config", &self.config]);
        self.wait(postgres);
    }

    fn wait(&self, postgres: &Postgres) {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < until, "the service does not start:\n{}", postgres.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Where it is.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Shakes hands, and shows a certificate if there is one to show.
    pub fn connect(&self, shown: Option<&Holder>) -> Result<SslStream<TcpStream>, String> {
        self.door.connect(shown)
    }

    /// Hands in a transaction as an order.
    pub fn hand_in(&self, holder: &Holder, token: &str, raw: &str) -> Answer {
        self.send(holder, &request("POST", "/v1/orders", token, &json!({ "raw": raw }).to_string()))
    }

    /// Sends a request on a connection of its own.
    pub fn send(&self, holder: &Holder, request: &str) -> Answer {
        self.answer(Some(holder), request)
    }

    /// Sends a request on a connection of its own, on which no certificate is shown.
    pub fn send_without_certificate(&self, request: &str) -> Answer {
        self.answer(None, request)
    }

    fn answer(&self, shown: Option<&Holder>, request: &str) -> Answer {
        let mut stream = self.connect(shown).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = Vec::new();
        // Whoever was refused may be cut off rather than told goodbye.
        let _ = stream.read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        let (head, body) =
            text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {request}: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: serde_json::from_str(body).unwrap_or(json!(body)) }
    }

    /// What a read answers, byte by byte: its head, in small letters, and its body.
    pub fn download(&self, holder: &Holder, token: &str, path: &str) -> (String, Vec<u8>) {
        let mut stream = self.connect(Some(holder)).unwrap();
        stream.write_all(request("GET", path, token, "").as_bytes()).unwrap();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let end = all.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("the answer has a head");
        let body = all.split_off(end + 4);
        (String::from_utf8(all).unwrap().to_lowercase(), body)
    }

    /// Reads a path.
    pub fn get(&self, holder: &Holder, token: &str, path: &str) -> Answer {
        self.send(holder, &request("GET", path, token, ""))
    }

    /// What a read answers, which must be one.
    #[track_caller]
    pub fn read(&self, holder: &Holder, token: &str, path: &str) -> Value {
        let answer = self.get(holder, token, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// Posts a document to a path.
    pub fn post(&self, holder: &Holder, token: &str, path: &str, body: &Value) -> Answer {
        self.send(holder, &request("POST", path, token, &body.to_string()))
    }

    /// The type of the problem that a read ends with.
    #[track_caller]
    pub fn refused(&self, holder: &Holder, token: &str, path: &str) -> String {
        problem(&self.get(holder, token, path))
    }

    /// Asks for a token.
    pub fn ask_token(&self, holder: &Holder, wish: &Value) -> Answer {
        self.send(holder, &request("POST", "/v1/token", "", &wish.to_string()))
    }

    /// A token for supervision, which must be given.
    #[track_caller]
    pub fn token(&self, holder: &Holder) -> String {
        let answer = self.ask_token(holder, &json!({ "purpose": "supervision", "case": "2026/7" }));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    /// Lines of a stream, as they come.
    pub fn stream(
        &self,
        holder: &Holder,
        token: &str,
        path: &str,
        headers: &str,
    ) -> BufReader<SslStream<TcpStream>> {
        let mut stream = self.connect(Some(holder)).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer {token}\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        BufReader::new(stream)
    }
}

impl Door {
    /// One on loopback, whose server's certificate chains to the root in a file.
    pub fn at(port: u16, root: &str) -> Self {
        Self { port, root: root.to_owned() }
    }

    /// Shakes hands, and shows a certificate if there is one to show.
    pub fn connect(&self, shown: Option<&Holder>) -> Result<SslStream<TcpStream>, String> {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
        builder.set_ca_file(&self.root).unwrap();
        builder.set_verify(SslVerifyMode::PEER);
        builder.set_min_proto_version(Some(SslVersion::TLS1_3)).unwrap();
        if let Some(holder) = shown {
            let pem = std::fs::read(&holder.key).unwrap();
            let secret = std::fs::read_to_string(&holder.passphrase).unwrap();
            let key = PKey::private_key_from_pem_passphrase(&pem, secret.trim().as_bytes()).unwrap();
            builder.set_certificate_chain_file(&holder.certificate).unwrap();
            builder.set_private_key(&key).unwrap();
        }
        let stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|e| e.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        builder.build().connect("127.0.0.1", stream).map_err(|e| e.to_string())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A request as it is sent.
pub fn request(method: &str, path: &str, token: &str, body: &str) -> String {
    let token = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: s\r\nConnection: close\r\n{token}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// The type of a problem, which it must be.
#[track_caller]
pub fn problem(answer: &Answer) -> String {
    assert!(answer.head.contains("application/problem+json"), "{answer:?}");
    assert_eq!(answer.body["status"], answer.status);
    let kind = answer.body["type"].as_str().unwrap();
    kind.strip_prefix("urn:concordat:problem:").unwrap().to_owned()
}

/// The next line that begins so.
pub fn line(stream: &mut impl BufRead, begins: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended before {begins:?}");
        if let Some(rest) = line.strip_prefix(begins) {
            return rest.trim().to_owned();
        }
    }
}

/// A regulator of a real chain, whose organisation the committee admits.
pub struct Regulator<'a> {
    network: &'a Network,
    pki: &'a Pki,
    /// Who reads.
    pub holder: Holder,
    desk: Holder,
}

impl<'a> Regulator<'a> {
    /// Lets the committee admit the organisation, and enrols who reads and who revokes.
    pub fn enrol(network: &'a Network, pki: &'a Pki) -> Self {
        let (root, part) = (pki.name("ca/root/ca.crt"), pki.name("part.json"));
        let named = ["--org", "regulator-a", "--name", "Regulator A", "--ca", &root, "--out", &part];
        let roles = ["regulator", "registrar", "audit-node", "auditor"].map(|role| ["--role", role]).concat();
        concordat(&[&["genesis", "part"], &named[..], &roles].concat());
        committee::pass(network, &["admit-organisation", "--part", &part]);
        let (holder, desk) = (pki.give("regulator", "supervisor", &[]), pki.give("registrar", "desk", &[]));
        let regulator = Self { network, pki, holder, desk };
        for holder in [&regulator.holder, &regulator.desk] {
            regulator.act(holder, &["account", "enrol", "--certificate", &holder.certificate]);
        }
        regulator
    }

    fn act(&self, holder: &Holder, args: &[&str]) {
        let (secret, url) = (self.pki.name("passphrase"), self.network.url(0, "ethereum"));
        concordat(&[args, &["--key", &holder.key, "--passphrase-file", &secret, "--rpc", &url]].concat());
    }

    /// Enrols an auditor of its organisation.
    pub fn appoints(&self, name: &str) -> Holder {
        let auditor = self.pki.give("auditor", name, &[]);
        self.act(&auditor, &["account", "enrol", "--certificate", &auditor.certificate]);
        auditor
    }

    /// Lets the committee give it a mandate to see everything.
    pub fn is_admitted(&self) {
        self.is_admitted_to("observe");
    }

    /// Lets the committee give it a mandate over everything, with one power.
    pub fn is_admitted_to(&self, power: &str) {
        self.is_admitted_with(&[power]);
    }

    /// Lets the committee give it a mandate over everything, with these powers.
    pub fn is_admitted_with(&self, powers: &[&str]) {
        let account = self.holder.account.to_string();
        let powers = powers.iter().flat_map(|power| ["--power", power]);
        let admit = ["admit-regulator", &account, "--jurisdiction", "EU"].into_iter().chain(powers);
        let id = committee::carry(self.network, &admit.collect::<Vec<_>>());
        self.act(&self.holder, &["gov", "consent", &id]);
        committee::gov(self.network, "bank-b", &["execute", &id]);
    }

    /// Orders something, by a document.
    pub fn orders(&self, args: &[&str]) {
        let file = self.pki.name("order.txt");
        std::fs::write(&file, "The supervisor orders").unwrap();
        self.act(
            &self.holder,
            &[&["order"], args, &["--basis-file", &file, "--reference", "Order 7"]].concat(),
        );
    }

    /// Makes a node that does not run its own audit node: by a certificate of its authority.
    pub fn runs(&self, node: usize) {
        let holder = self.pki.give("audit-node", "audit-node", &["--san", "ip:127.0.0.1"]);
        let secret = self.pki.name("passphrase");
        self.network.configure(node, |config| {
            let identity = config["identity"].as_table_mut().unwrap();
            let files =
                [("certificate", holder.certificate), ("key", holder.key), ("passphrase_file", secret)];
            for (name, file) in files {
                identity.insert(name.into(), file.into());
            }
        });
    }

    /// The height after which its certificate is revoked.
    pub fn is_revoked(&self) -> i64 {
        let (ca, secret, crl) = (self.pki.name("ca"), self.pki.name("passphrase"), self.pki.name("new.crl"));
        let (issuer, revoked) = (self.pki.name("ca/issuing/ca.crt"), &self.holder.certificate);
        let why = ["--reason", "key-compromise", "--passphrase-file", &secret];
        concordat(&[&["pki", "revoke", "--ca", &ca, "--cert", revoked][..], &why].concat());
        concordat(&["pki", "crl", "--ca", &ca, "--out", &crl, "--passphrase-file", &secret]);
        self.act(&self.desk, &["account", "submit-crl", "--crl", &crl, "--issuer", &issuer]);
        i64::try_from(self.network.height(0).unwrap()).unwrap()
    }
}

/// A database with an imagined ledger.
pub fn database(size: Size) -> Postgres {
    let postgres = Postgres::start(&["fsync=off"]);
    let done = postgres.concordat(&["audit", "migrate"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    fill(&postgres, size);
    postgres
}
