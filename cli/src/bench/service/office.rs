//! The service of supervisors as a process of its own, and supervisors with certificates, mandates and tokens.

use std::{
    fs::File,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use concordat_pki_authority::{Passphrase, PrivateKey};
use concordat_sql::cluster::Cluster;
use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use ureq::Agent;

use super::ledger;
use crate::{client::TlsArgs, keys};

/// How long the service may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An organisation's authority with its keys; the service that shows one of its certificates.
pub(super) struct Office {
    service: Option<Child>,
    port: u16,
    /// Removed last.
    folder: TempDir,
}

/// Somebody who asks.
pub(super) struct Supervisor {
    name: &'static str,
    token: String,
}

impl Office {
    /// Makes the authority, and a key for tokens.
    pub(super) fn open(port: u16) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("concordat-office.").tempdir()?;
        let office = Self { service: None, port, folder };
        std::fs::write(office.path("passphrase"), "correct horse battery\n")?;
        std::fs::create_dir(office.path("keys"))?;
        office.pki(&["init-ca", "--org", "regulator", "--dir", "ca"])?;
        office.pki(&["key", "--type", "p256", "--out", "keys/1.key"])?;
        office.issue("server", "server", &["--san", "ip:127.0.0.1"])?;
        Ok(office)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command of this program's, in the folder.
    fn pki(&self, args: &[&str]) -> Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--json", "pki"]).args(args).args(["--passphrase-file", "passphrase"]);
        let output = command.current_dir(self.folder.path()).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            bail!("concordat pki {args:?} failed: {}", String::from_utf8_lossy(&output.stdout));
        }
        Ok(())
    }

    fn issue(&self, role: &str, name: &str, more: &[&str]) -> Result<()> {
        let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
        let issue = ["issue", "--ca", "ca", "--role", role, "--name", name, "--type", "p256"];
        let files = ["--out", &certificate, "--key-out", &key, "--key-passphrase-file", "passphrase"];
        self.pki(&[&issue[..], &files, more].concat())
    }

    /// Gives a supervisor a certificate, and a mandate in the ledger.
    pub(super) fn admit(&self, cluster: &Cluster, number: usize, name: &str, mandate: &Value) -> Result<()> {
        self.issue("regulator", name, &[])?;
        let passphrase = Passphrase::from_file(&self.path("passphrase"))?;
        let account = keys::address(&PrivateKey::read(&self.path(&format!("{name}.key")), &passphrase)?)?;
        let chain = keys::certificates(&self.path(&format!("{name}.crt")))?;
        let leaf = chain.first().ok_or_else(|| eyre!("no certificate was issued"))?;
        ledger::supervise(cluster, number, (account.as_slice(), &Sha256::digest(leaf)), mandate)
    }

    /// Starts the service, and waits until it listens.
    pub(super) fn serve(&mut self, cluster: &Cluster) -> Result<()> {
        let port = self.port;
        let config = format!(
            "listen = \"127.0.0.1:{port}\"\noperations = \"127.0.0.1:{}\"\ncertificate = \"server.crt\"\nkey = \"server.key\"\n\
             token_keys = \"keys\"\npassphrase_file = \"passphrase\"\nissuer = \"bench\"\ntoken_seconds = 3600\n\
             stale_seconds = 86400\nrequests_per_second = 10000\n",
            port + 1
        );
        std::fs::write(self.path("service.toml"), config)?;
        let log = cluster.log_file()?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["--json", "audit", "serve", "--log", "warn", "--config"])
            .arg(self.path("service.toml"));
        command.env("DATABASE_URL", cluster.url()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.service = Some(command.spawn()?);
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > until {
                bail!("the service does not start:\n{}", cluster.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// A connection of a supervisor's own, which is kept between requests.
    pub(super) fn agent(&self, name: &str) -> Result<Agent> {
        let tls = TlsArgs {
            ca: Some(self.path("ca/root/ca.crt")),
            client_certificate: Some(self.path(&format!("{name}.crt"))),
            client_key: Some(self.path(&format!("{name}.key"))),
            client_passphrase_file: Some(self.path("passphrase")),
        };
        tls.agent(&self.url(""), Some(TIMEOUT))
    }

    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    /// Lets a supervisor ask for a token.
    pub(super) fn authorise(&self, name: &'static str) -> Result<Supervisor> {
        let wish = json!({ "purpose": "supervision", "case": "bench" });
        let mut response = self.agent(name)?.post(self.url("/v1/token")).send_json(&wish)?;
        let answer: Value = response.body_mut().read_json()?;
        let token = answer["access_token"].as_str().ok_or_else(|| eyre!("no token is given: {answer}"))?;
        Ok(Supervisor { name, token: token.to_owned() })
    }

    /// Asks for a path; status and length of the answer.
    pub(super) fn ask(&self, agent: &Agent, supervisor: &Supervisor, path: &str) -> Result<(u16, usize)> {
        let bearer = format!("Bearer {}", supervisor.token);
        let response = agent.get(self.url(path)).header("Authorization", bearer).call();
        let mut response = response.wrap_err_with(|| format!("{} asks for {path}", supervisor.name))?;
        let body = response.body_mut().with_config().limit(64 << 20).read_to_vec()?;
        Ok((response.status().as_u16(), body.len()))
    }

    /// Writes what a path gives in Parquet into a file; how many bytes it is.
    pub(super) fn download(
        &self,
        agent: &Agent,
        supervisor: &Supervisor,
        path: &str,
        file: &mut File,
    ) -> Result<u64> {
        let request = agent.get(self.url(path)).header("Accept", "application/vnd.apache.parquet");
        // However long it takes.
        let request = request.config().timeout_global(None).build();
        let mut response = request.header("Authorization", format!("Bearer {}", supervisor.token)).call()?;
        if response.status() != 200 {
            bail!("{path} is answered with status {}", response.status());
        }
        Ok(std::io::copy(&mut response.body_mut().as_reader(), file)?)
    }

    /// The service's process.
    pub(super) fn process(&self) -> Result<u32> {
        let service = self.service.as_ref().ok_or_else(|| eyre!("the service was not started"))?;
        Ok(service.id())
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        if let Some(service) = &mut self.service {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}
