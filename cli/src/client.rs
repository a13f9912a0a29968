//! A node's interfaces, as this program uses them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolError as _;
use clap::Args;
use concordat_core::{
    contracts::abi::IContracts,
    governance::abi::IGovernance,
    orders::abi::IOrders,
    permissions::abi::IPermissions,
    rules::{Code, abi::IRules},
};
use concordat_light::{LightError, Rpc};
use concordat_permissions::Action;
use eyre::{Report, Result, WrapErr as _, bail, eyre};
use rustls::{
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};
use serde_json::{Value, json};
use ureq::{
    Agent,
    tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig},
};

use crate::keys;

/// Which node to ask, and how to show who is asking.
#[derive(Args, Clone, Debug)]
pub struct NodeArgs {
    /// Ethereum JSON-RPC of a node.
    #[arg(long, value_name = "URL", env = "CONCORDAT_RPC", default_value = "http://127.0.0.1:8545")]
    pub rpc: String,
    #[command(flatten)]
    tls: TlsArgs,
}

/// Whom to trust, and how to show who is asking, where a node is asked over TLS.
#[derive(Args, Clone, Debug)]
pub struct TlsArgs {
    /// PEM of the root CA that the node's server certificate chains to (https only).
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// PEM of the client certificate chain, leaf first (https only).
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_certificate: Option<PathBuf>,
    /// Encrypted PKCS#8 key of the client certificate (https only).
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    pub client_key: Option<PathBuf>,
    /// File that holds the client key's passphrase; asked for if absent.
    #[arg(long, value_name = "FILE")]
    pub client_passphrase_file: Option<PathBuf>,
}

/// A JSON-RPC client.
pub struct Client {
    agent: Agent,
    url: String,
    /// The file of the certificate that is shown over TLS.
    shown: Option<PathBuf>,
}

impl NodeArgs {
    /// Makes a client.
    pub fn connect(&self) -> Result<Client> {
        self.tls.connect(&self.rpc)
    }

    /// Makes a client of another interface, as the same caller.
    pub fn connect_to(&self, url: &str) -> Result<Client> {
        self.tls.connect(url)
    }
}

impl TlsArgs {
    /// Makes a client of one of a node's interfaces.
    pub fn connect(&self, url: &str) -> Result<Client> {
        let agent = self.agent(url, Some(Duration::from_secs(30)))?;
        Ok(Client { agent, url: url.to_owned(), shown: self.client_certificate.clone() })
    }

    /// Whoever shows this certificate, over HTTP.
    pub fn agent(&self, url: &str, timeout: Option<Duration>) -> Result<Agent> {
        if is_tls(url) && self.ca.is_none() {
            bail!("{url} is served over TLS: name the root CA of the node's organisation with --ca");
        }
        let config = Agent::config_builder()
            .timeout_global(timeout)
            .http_status_as_error(false)
            .tls_config(self.tls()?)
            .build();
        Ok(config.into())
    }

    fn tls(&self) -> Result<TlsConfig> {
        let mut config = TlsConfig::builder();
        if let Some(path) = &self.ca {
            let roots = keys::certificates(path)?;
            let roots: Vec<_> = roots.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
            config = config.root_certs(RootCerts::new_with_certs(&roots));
        }
        if let (Some(certificate), Some(key)) = (&self.client_certificate, &self.client_key) {
            config = config.client_cert(Some(self.client_identity(certificate, key)?));
        }
        Ok(config.build())
    }

    /// The client certificate with its key, once it is sure that the two can be shown.
    fn client_identity(&self, certificate: &Path, key: &Path) -> Result<ClientCert> {
        let asked = ("client key's passphrase", "--client-passphrase-file");
        let secret = keys::passphrase(self.client_passphrase_file.as_deref(), asked)?;
        let key = concordat_pki_authority::PrivateKey::read(key, &secret)
            .wrap_err_with(|| format!("key {}", key.display()))?;
        if keys::is_ethereum(&key) {
            bail!("TLS knows no secp256k1 keys; show a certificate of a P-256 key (`pki issue --type p256`)");
        }
        let (chain, der) = (keys::certificates(certificate)?, key.to_pkcs8_der()?);
        let shown = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        CertifiedKey::from_der(shown, PrivatePkcs8KeyDer::from(der.to_vec()).into(), &provider)
            .wrap_err_with(|| format!("{} cannot be shown with that key", certificate.display()))?;
        let chain: Vec<_> = chain.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        let pem = concordat_pki_authority::pem::encode("PRIVATE KEY", &der);
        Ok(ClientCert::new_with_certs(&chain, PrivateKey::from_pem(pem.as_bytes())?))
    }
}

impl Client {
    /// A client of a plaintext interface on this machine.
    pub fn local(url: impl Into<String>) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .build();
        Self { agent: config.into(), url: url.into(), shown: None }
    }

    /// Calls one method.
    pub fn call(&self, method: &str, params: Value) -> Result<Value> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        result(method, &self.post(&request)?)
    }

    /// Calls one method many times at once; the answers in the order of the calls.
    pub fn batch(&self, method: &str, calls: &[Value]) -> Result<Vec<Value>> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let request = |(id, params): (usize, &Value)| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let answer = self.post(&calls.iter().enumerate().map(request).collect())?;
        // What a node refuses as a whole has one answer.
        let Some(answers) = answer.as_array() else {
            return Err(result(method, &answer)
                .err()
                .unwrap_or_else(|| eyre!("{method}: no answer to a batch")));
        };
        let of = |id: usize| answers.iter().find(|answer| answer["id"].as_u64() == u64::try_from(id).ok());
        let each = (0..calls.len()).map(|id| match of(id) {
            Some(answer) => result(method, answer),
            None => bail!("{method}: the node leaves call {id} of a batch without an answer"),
        });
        each.collect()
    }

    /// Posts one request, or a batch, and gives the answer as it is.
    pub fn post(&self, request: &Value) -> Result<Value> {
        let mut response = self.agent.post(&self.url).send_json(request).map_err(|e| self.unanswered(e))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(64 << 20).read_to_string()?;
        serde_json::from_str(&body).wrap_err_with(|| {
            format!("{} answered {status}: {}", self.url, body.chars().take(200).collect::<String>())
        })
    }

    /// Why there is no answer, with the mend. In TLS 1.3 a client has finished its part of the handshake when the node
    /// judges its certificate: all that it learns is that the connection ends.
    fn unanswered(&self, error: ureq::Error) -> Report {
        let (url, ended) = (&self.url, is_ended(&error));
        let error = Report::new(error);
        match &self.shown {
            _ if !(ended && is_tls(url)) => error.wrap_err(format!("cannot reach the node at {url}")),
            None => error.wrap_err(format!(
                "the node at {url} ended the connection, as it does with who shows no certificate: name one with \
                 --client-certificate and --client-key"
            )),
            Some(shown) => error.wrap_err(format!(
                "the node at {url} ended the connection, as it does if it does not accept the certificate, here {}: \
                 its log says why (`client certificate refused`)",
                shown.display()
            )),
        }
    }

    /// The chain's EIP-155 id.
    pub fn chain_id(&self) -> Result<u64> {
        quantity(&self.call("eth_chainId", json!([]))?)
    }

    /// The newest height.
    pub fn height(&self) -> Result<u64> {
        quantity(&self.call("eth_blockNumber", json!([]))?)
    }

    /// The next nonce of an account, waiting transactions counted.
    pub fn nonce(&self, address: Address) -> Result<u64> {
        quantity(&self.call("eth_getTransactionCount", json!([address, "pending"]))?)
    }

    /// Submits a signed transaction.
    pub fn submit(&self, raw: &Bytes) -> Result<B256> {
        Ok(serde_json::from_value(self.call("eth_sendRawTransaction", json!([raw]))?)?)
    }

    /// The receipt, once there is one.
    pub fn receipt(&self, hash: B256) -> Result<Option<Value>> {
        let receipt = self.call("eth_getTransactionReceipt", json!([hash]))?;
        Ok(Some(receipt).filter(|receipt| !receipt.is_null()))
    }

    /// Waits for the receipt of a submitted transaction.
    pub fn wait_for(&self, hash: B256, patience: Duration) -> Result<Value> {
        let until = std::time::Instant::now() + patience;
        while std::time::Instant::now() < until {
            if let Some(receipt) = self.receipt(hash)? {
                return Ok(receipt);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("transaction {hash} is not in a block after {} s; it may still come", patience.as_secs())
    }
}

impl Rpc for Client {
    fn call(&self, method: &str, params: Value) -> std::result::Result<Value, LightError> {
        Self::call(self, method, params).map_err(|report| LightError::Node(report.into()))
    }
}

/// What one call came to.
fn result(method: &str, answer: &Value) -> Result<Value> {
    match answer.get("error") {
        None | Some(Value::Null) => Ok(answer.get("result").cloned().unwrap_or(Value::Null)),
        Some(error) => {
            let text = error.get("message").and_then(Value::as_str).unwrap_or("unknown error");
            let data = error.get("data").filter(|data| !data.is_null());
            let why = data.map(|data| refusal(data).unwrap_or_else(|| data.to_string()));
            Err(eyre!("{method}: {text}{}", why.map(|why| format!(" ({why})")).unwrap_or_default()))
        }
    }
}

/// What governance, the policies, a run-time rule or the rule on approvals say in revert data, if it is theirs.
pub fn refusal(data: &Value) -> Option<String> {
    let data: Bytes = serde_json::from_value(data.clone()).ok()?;
    if let Ok(refused) = IGovernance::Refused::abi_decode(&data) {
        return Some(format!("refused, code {}: {}", refused.code, refused.reason));
    }
    if let Ok(violated) = IRules::RuleViolated::abi_decode(&data) {
        let why = Code::from_code(violated.code).map(|code| format!(": {code}")).unwrap_or_default();
        return Some(format!("rule {} (proposal {}) is violated{why}", violated.id, violated.proposal));
    }
    if let Ok(order) = IOrders::OrderInForce::abi_decode(&data) {
        return Some(format!("order {} binds (reference {:?})", order.id, order.documentReference));
    }
    if IGovernance::AnsweredFalse::abi_decode(&data).is_ok() {
        return Some("the token answers the correction with false: it does not make it".to_owned());
    }
    if let Ok(missing) = IContracts::ApprovalMissing::abi_decode(&data) {
        let IContracts::ApprovalMissing { code, account } = missing;
        return Some(format!("no approval of a deployment by {account} (SHA-256 of the init code: {code})"));
    }
    IPermissions::NotPermitted::abi_decode(&data).ok().map(not_permitted)
}

fn not_permitted(denial: IPermissions::NotPermitted) -> String {
    let IPermissions::NotPermitted { action, policy, proposal, .. } = denial;
    let action =
        Action::from_code(action).map_or_else(|| format!("action {action}"), |known| known.to_string());
    match (policy.as_str(), proposal) {
        ("", _) => format!("not permitted: no policy permits {action}"),
        (policy, 0) => format!("not permitted: policy {policy} of the catalogue refuses {action}"),
        (policy, proposal) => {
            format!("not permitted: policy {policy} of proposal {proposal} refuses {action}")
        }
    }
}

fn is_tls(url: &str) -> bool {
    url.to_ascii_lowercase().starts_with("https:")
}

/// Whether the other side ended the connection, with or without a word of TLS.
fn is_ended(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let ureq::Error::Io(error) = error else { return false };
    let alert = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(alert, Some(rustls::Error::AlertReceived(_)))
        || matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// A JSON-RPC quantity.
pub fn quantity(value: &Value) -> Result<u64> {
    let number: U256 = serde_json::from_value(value.clone()).wrap_err("not a number")?;
    u64::try_from(number).map_err(|_| eyre!("{number} is too large"))
}
