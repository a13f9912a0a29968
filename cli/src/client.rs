//! A node's interfaces, as this program uses them.

use std::{path::PathBuf, time::Duration};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolError as _;
use clap::Args;
use concordat_core::governance::abi::IGovernance;
use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};
use ureq::{
    Agent,
    tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem},
};

/// Which node to ask, and how to show who is asking.
#[derive(Args, Clone, Debug)]
pub struct NodeArgs {
    /// Ethereum JSON-RPC of a node.
    #[arg(long, value_name = "URL", env = "CONCORDAT_RPC", default_value = "http://127.0.0.1:8545")]
    pub rpc: String,
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
}

impl NodeArgs {
    /// Makes a client.
    pub fn connect(&self) -> Result<Client> {
        self.connect_to(&self.rpc)
    }

    /// Makes a client of another address of the same node.
    pub fn connect_to(&self, url: &str) -> Result<Client> {
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .tls_config(self.tls()?)
            .build();
        Ok(Client { agent: config.into(), url: url.to_owned() })
    }

    fn tls(&self) -> Result<TlsConfig> {
        let mut config = TlsConfig::builder();
        if let Some(path) = &self.ca {
            let roots = read_certificates(path)?;
            config = config.root_certs(RootCerts::new_with_certs(&roots));
        }
        if let (Some(certificate), Some(key)) = (&self.client_certificate, &self.client_key) {
            let passphrase =
                crate::keys::passphrase(self.client_passphrase_file.as_deref(), "client key's passphrase")?;
            let key = concordat_pki_authority::PrivateKey::read(key, &passphrase)?;
            let der = key.to_pkcs8_der()?;
            let pem = concordat_pki_authority::pem::encode("PRIVATE KEY", &der);
            let key = PrivateKey::from_pem(pem.as_bytes())?;
            config =
                config.client_cert(Some(ClientCert::new_with_certs(&read_certificates(certificate)?, key)));
        }
        Ok(config.build())
    }
}

fn read_certificates(path: &std::path::Path) -> Result<Vec<Certificate<'static>>> {
    let pem = std::fs::read(path).wrap_err_with(|| format!("certificate {}", path.display()))?;
    let items = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate.to_owned()),
        _ => None,
    });
    Ok(items.collect())
}

impl Client {
    /// A client of a plaintext interface on this machine.
    pub fn local(url: impl Into<String>) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .build();
        Self { agent: config.into(), url: url.into() }
    }

    /// Calls one method.
    pub fn call(&self, method: &str, params: Value) -> Result<Value> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.post(&request)?;
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

    /// Posts one request, or a batch, and gives the answer as it is.
    pub fn post(&self, request: &Value) -> Result<Value> {
        let mut response = self
            .agent
            .post(&self.url)
            .send_json(request)
            .wrap_err_with(|| format!("cannot reach the node at {}", self.url))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(64 << 20).read_to_string()?;
        serde_json::from_str(&body).wrap_err_with(|| {
            format!("{} answered {status}: {}", self.url, body.chars().take(200).collect::<String>())
        })
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

/// What governance says in revert data, if it is governance's.
pub fn refusal(data: &Value) -> Option<String> {
    let data: Bytes = serde_json::from_value(data.clone()).ok()?;
    let refused = IGovernance::Refused::abi_decode(&data).ok()?;
    Some(format!("refused, code {}: {}", refused.code, refused.reason))
}

/// A JSON-RPC quantity.
pub fn quantity(value: &Value) -> Result<u64> {
    let number: U256 = serde_json::from_value(value.clone()).wrap_err("not a number")?;
    u64::try_from(number).map_err(|_| eyre!("{number} is too large"))
}
