//! TLS with client certificates.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use concordat_core::{ClientIdentity, ReadRefusal, Readable};
use concordat_rpc::*;
use concordat_state::{Store, StoreOptions};
use concordat_types::Role;
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    x509::{X509Builder, X509NameBuilder, extension::SubjectAlternativeName},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    client::{JSON, Socket, counts, exchange, post_request},
    fixture::Fixture,
};

type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// A self-signed P-256 certificate.
fn self_signed(name: &str) -> Identity {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    let names =
        SubjectAlternativeName::new().dns("localhost").build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = CertificateDer::from(builder.build().to_der().unwrap());
    (certificate, PrivatePkcs8KeyDer::from(key.private_key_to_pkcs8().unwrap()).into())
}

/// Lets one certificate in, until it is shut.
struct Door {
    known: CertificateDer<'static>,
    open: AtomicBool,
    generation: AtomicU64,
    height: AtomicU64,
    /// What nobody may read.
    hidden: Mutex<Vec<Readable>>,
}

impl ClientAuthorizer for Door {
    fn authorize(&self, chain: &[CertificateDer<'_>]) -> Result<ClientIdentity, ClientRefusal> {
        if chain.first() != Some(&self.known) || !self.open.load(Ordering::Relaxed) {
            return Err(ClientRefusal("not admitted".into()));
        }
        Ok(ClientIdentity {
            org: "bank-a".parse().unwrap(),
            role: Role::Operator,
            spki_sha256: Default::default(),
            common_name: "client".into(),
            not_after: u64::MAX,
            address: None,
            path: Vec::new(),
        })
    }

    fn may_read(&self, _: &ClientIdentity, wanted: Readable) -> Result<(), ReadDenied> {
        match self.hidden.lock().unwrap().contains(&wanted) {
            false => Ok(()),
            true => Err(ReadRefusal::Frozen { account: Default::default() }.into()),
        }
    }

    fn height(&self) -> u64 {
        self.height.load(Ordering::Relaxed)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
}

impl Door {
    fn shut(&self) {
        self.open.store(false, Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// From the next block on, nobody may read this.
    fn hide(&self, hidden: Readable) {
        self.hidden.lock().unwrap().push(hidden);
        self.height.fetch_add(1, Ordering::Relaxed);
    }
}

struct Guarded {
    /// Store and node.
    behind: Fixture,
    servers: RpcServers,
    registry: prometheus::Registry,
    identity: Arc<ServerIdentity>,
    door: Arc<Door>,
    server: CertificateDer<'static>,
    client: Identity,
}

async fn guarded() -> Guarded {
    let behind = Fixture::start().await;
    let ((server, key), client) = (self_signed("server"), self_signed("client"));
    let identity = Arc::new(ServerIdentity::new(vec![server.clone()], key).unwrap());
    let door = Arc::new(Door {
        known: client.0.clone(),
        open: true.into(),
        generation: 1.into(),
        height: 1.into(),
        hidden: Mutex::default(),
    });
    let registry = prometheus::Registry::new();
    let parts = RpcParts {
        api: Arc::<crate::fixture::FakeNode>::clone(&behind.node),
        store: behind.store.clone(),
        metrics: Arc::new(RpcMetrics::register(&registry).unwrap()),
        tls: Some(TlsEdge { identity: Arc::clone(&identity), authorizer: Arc::<Door>::clone(&door) }),
    };
    let listener = ListenerConfig { plaintext: false, ..ListenerConfig::loopback(0) };
    let config = RpcConfig { ethereum: Some(listener), workers: 1, ..RpcConfig::default() };
    let servers = serve(config, parts).await.unwrap();
    Guarded { behind, servers, registry, identity, door, server, client }
}

impl Guarded {
    /// Connects with a certificate, trusting `server`.
    async fn connect(
        &self,
        client: Option<&Identity>,
        server: &CertificateDer<'static>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(server.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match client {
            Some((certificate, key)) => {
                builder.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        let stream = TcpStream::connect(self.servers.ethereum().unwrap()).await?;
        TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
    }

    /// Waits until the metrics say so.
    async fn counts(&self, line: &str) {
        counts(&self.registry, line).await;
    }

    /// Whether a call gets an answer at all.
    async fn is_served(&self, client: Option<&Identity>) -> bool {
        let Ok(mut stream) = self.connect(client, &self.server).await else { return false };
        let request =
            post_request("bank-a.example", JSON, br#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#);
        // In TLS 1.3 a client learns of its refusal when it reads.
        if stream.write_all(&request).await.is_err() {
            return false;
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).contains("0x539")
    }
}

#[tokio::test]
async fn only_certificates_that_the_authorizer_knows_are_served() {
    let guarded = guarded().await;
    assert!(guarded.is_served(Some(&guarded.client)).await);
    guarded.counts(r#"rpc_handshakes_total{interface="ethereum",stage="completed"} 1"#).await;
    assert!(!guarded.is_served(Some(&self_signed("client"))).await);
    guarded.counts(r#"rpc_refused_total{interface="ethereum",reason="certificate"} 1"#).await;
    assert!(!guarded.is_served(None).await);
    // Whoever shows nothing is not judged, but leaves a handshake that came to nothing.
    guarded.counts(r#"rpc_handshakes_total{interface="ethereum",stage="begun"} 3"#).await;
    guarded.door.shut();
    assert!(!guarded.is_served(Some(&guarded.client)).await);
    guarded.counts(r#"rpc_refused_total{interface="ethereum",reason="certificate"} 2"#).await;
    guarded.counts(r#"rpc_handshakes_total{interface="ethereum",stage="begun"} 4"#).await;
    guarded.counts(r#"rpc_handshakes_total{interface="ethereum",stage="completed"} 1"#).await;
}

#[tokio::test]
async fn an_open_connection_is_refused_once_its_holder_is_expelled() {
    let guarded = guarded().await;
    let mut stream = guarded.connect(Some(&guarded.client), &guarded.server).await.unwrap();
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let kept =
        String::from_utf8(post_request("localhost", JSON, body)).unwrap().replace("close", "keep-alive");
    stream.write_all(kept.as_bytes()).await.unwrap();
    let mut first = vec![0; 4096];
    let read = stream.read(&mut first).await.unwrap();
    assert!(String::from_utf8_lossy(&first[..read]).starts_with("HTTP/1.1 200"));
    guarded.door.shut();
    let refused = exchange(&mut stream, &post_request("localhost", JSON, body)).await;
    assert_eq!(refused.status, 403);
    guarded.counts(r#"rpc_refused_total{interface="ethereum",reason="certificate"} 1"#).await;
    assert!(!String::from_utf8_lossy(&refused.body).contains("not admitted"), "reasons stay in the log");
}

const HIDDEN: &str = "0x1111111111111111111111111111111111111111";
const OTHER: &str = "0x2222222222222222222222222222222222222222";

fn contract(address: &str) -> Readable {
    Readable::Contract(address.parse().unwrap())
}

impl Guarded {
    /// Calls a method over TLS: the answer.
    async fn call(&self, method: &str, params: Value) -> Value {
        let mut stream = self.connect(Some(&self.client), &self.server).await.unwrap();
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        exchange(&mut stream, &post_request("localhost", JSON, body.as_bytes())).await.json()
    }

    async fn is_refused(&self, method: &str, params: Value) -> bool {
        let answer = self.call(method, params).await;
        answer["error"]["code"] == json!(-32010)
    }

    async fn socket(&self) -> Socket<TlsStream<TcpStream>> {
        let stream = self.connect(Some(&self.client), &self.server).await.unwrap();
        Socket::open_on(stream, self.servers.ethereum().unwrap()).await
    }
}

#[tokio::test]
async fn a_contract_that_may_not_be_read_is_refused_wherever_a_call_names_it() {
    let guarded = guarded().await;
    guarded.door.hide(contract(HIDDEN));
    let answer = guarded.call("eth_getCode", json!([HIDDEN])).await;
    let told = answer["error"]["message"].as_str().unwrap();
    assert!(told.starts_with("contract 0x1111") && told.contains("may not be read"), "{answer}");
    assert_eq!(answer["error"]["data"]["action"], "read", "{answer}");
    let call = json!({ "to": HIDDEN, "input": "0x" });
    for (method, params) in [
        ("eth_getBalance", json!([HIDDEN])),
        ("eth_getStorageAt", json!([HIDDEN, "0x0"])),
        ("eth_getTransactionCount", json!([HIDDEN])),
        ("eth_getProof", json!([HIDDEN, []])),
        ("eth_call", json!([call])),
        ("eth_estimateGas", json!([call])),
        ("eth_createAccessList", json!([call])),
        ("debug_traceCall", json!([call])),
        ("eth_getLogs", json!([{ "address": [OTHER, HIDDEN] }])),
        ("eth_newFilter", json!([{ "address": HIDDEN }])),
    ] {
        assert!(guarded.is_refused(method, params).await, "{method}");
    }
    for (method, params) in [
        ("eth_getCode", json!([OTHER])),
        ("eth_getLogs", json!([{ "address": OTHER }])),
        ("eth_blockNumber", json!([])),
    ] {
        assert!(!guarded.is_refused(method, params).await, "{method}");
    }
    guarded.counts(r#"rpc_refused_total{interface="ethereum",reason="read"} 11"#).await;
}

#[tokio::test]
async fn what_names_no_contract_is_refused_where_contracts_must_be_named() {
    let guarded = guarded().await;
    let filter = guarded.call("eth_newFilter", json!([{}])).await["result"].clone();
    assert!(filter.is_string(), "{filter}");
    guarded.door.hide(Readable::AllContracts);
    let overridden = json!([{ "to": OTHER }, "latest", { OTHER: { "code": "0x00" } }]);
    for (method, params) in [
        ("eth_getLogs", json!([{}])),
        ("eth_newFilter", json!([{}])),
        ("eth_getFilterChanges", json!([filter])),
        ("eth_getFilterLogs", json!([filter])),
        ("eth_call", json!([{ "input": "0x00" }])),
        ("eth_call", overridden),
    ] {
        assert!(guarded.is_refused(method, params).await, "{method}");
    }
    assert!(!guarded.is_refused("eth_call", json!([{ "to": OTHER }])).await);
    assert!(!guarded.is_refused("eth_uninstallFilter", json!([filter])).await);
}

#[tokio::test]
async fn who_may_not_read_the_ledger_learns_what_everybody_may_know_and_can_still_submit() {
    let guarded = guarded().await;
    guarded.door.hide(Readable::Ledger);
    for method in ["eth_blockNumber", "eth_gasPrice", "eth_getCode", "txpool_content"] {
        let refused =
            guarded.is_refused(method, json!([OTHER])).await || guarded.is_refused(method, json!([])).await;
        assert_eq!(refused, method != "eth_gasPrice", "{method}");
    }
    assert!(!guarded.is_refused("eth_sendRawTransaction", json!(["0x00"])).await);
}

#[tokio::test]
async fn a_subscriber_is_told_nothing_from_the_block_on_that_hides_what_it_reads() {
    let guarded = guarded().await;
    let mut heads = guarded.socket().await;
    let mut logs = guarded.socket().await;
    heads.call(1, "eth_subscribe", json!(["newHeads"])).await;
    logs.call(1, "eth_subscribe", json!(["logs", { "address": HIDDEN }])).await;
    guarded.behind.commit(Vec::new());
    assert_eq!(heads.receive().await.unwrap()["method"], "eth_subscription");
    guarded.door.hide(contract(HIDDEN));
    // On a connection of its own: the other may still have had the first block before it, and be closed already.
    let mut late = guarded.socket().await;
    let refused = late.call(1, "eth_subscribe", json!(["logs", { "address": HIDDEN }])).await;
    assert_eq!(refused["error"]["code"], json!(-32010), "{refused}");
    guarded.behind.commit(Vec::new());
    assert_eq!(heads.receive().await.unwrap()["method"], "eth_subscription");
    assert_eq!(logs.receive().await, Err(1008), "closed by policy");
    guarded.door.hide(Readable::Ledger);
    guarded.behind.commit(Vec::new());
    assert_eq!(heads.receive().await, Err(1008));
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_connections() {
    let guarded = guarded().await;
    let (renewed, key) = self_signed("server");
    assert!(guarded.connect(Some(&guarded.client), &renewed).await.is_err());
    guarded.identity.replace(vec![renewed.clone()], key).unwrap();
    assert!(guarded.connect(Some(&guarded.client), &renewed).await.is_ok());
    let (other, _) = self_signed("other");
    assert!(
        guarded.identity.replace(vec![other], self_signed("server").1).is_err(),
        "key of another certificate"
    );
}

#[tokio::test]
async fn plaintext_beyond_loopback_is_never_served() {
    let directory = tempfile::TempDir::new().unwrap();
    let behind = Fixture::start().await;
    let parts = RpcParts {
        api: Arc::<crate::fixture::FakeNode>::clone(&behind.node),
        store: Store::open(directory.path(), &StoreOptions::default()).unwrap(),
        metrics: Arc::new(RpcMetrics::register(&prometheus::Registry::new()).unwrap()),
        tls: None,
    };
    let open = ListenerConfig { address: "0.0.0.0:0".parse().unwrap(), ..ListenerConfig::loopback(0) };
    let config = RpcConfig { cometbft: Some(open), ..RpcConfig::default() };
    let refused = serve(config, parts).await.unwrap_err();
    assert!(matches!(refused, ServeError::Config(ConfigError::PlaintextBeyondLoopback { .. })), "{refused}");
}
