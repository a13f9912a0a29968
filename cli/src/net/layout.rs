//! What a local network consists of on disk.
//!
//! ```text
//! HOME/network.json                     everything below, for programs
//! HOME/genesis.json, HOME/passphrase    the passphrase opens every key of this network
//! HOME/organisations/bank-a/ca/         the bank's authority, as `concordat pki` keeps it
//! HOME/organisations/bank-a/operator.{key,crt,secret}   accounts; `.secret` is the raw key, for other tools
//! HOME/nodes/validator-1/               concordat.toml, node.*, consensus.*, data/, node.log
//! ```

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use concordat_core::genesis_state;
use concordat_pki_authority::{
    Authority, AuthorityOptions, CertificateRequest, KeyType, Passphrase, PrivateKey, San, files,
};
use concordat_types::{
    Address, ChainParams, Genesis, OrgId, Role,
    genesis::{GenesisCommitteeMember, GenesisPart, GenesisValidator},
};
use eyre::{Result, WrapErr as _, bail, eyre};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::NetArgs;
use crate::{genesis::bank_roles, output};

/// EIP-155 id of local networks.
const EVM_CHAIN_ID: u64 = 20_260;

/// Voting power of each validator.
const POWER: u64 = 10;

/// Validity of the holders' certificates, in days.
const LEAF_DAYS: u32 = 365;

/// The accounts that each bank gets.
const ACCOUNTS: [(&str, Role, KeyType); 4] = [
    ("operator", Role::Operator, KeyType::Secp256k1),
    ("developer", Role::Developer, KeyType::Secp256k1),
    ("registrar", Role::Registrar, KeyType::P256),
    ("member", Role::CommitteeMember, KeyType::Secp256k1),
];

/// Weight of each bank's member of the committee.
const WEIGHT: u64 = 1;

/// A local network, as `network.json` says it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    /// CometBFT chain id.
    pub chain_id: String,
    /// EIP-155 chain id.
    pub evm_chain_id: u64,
    /// Hash of the genesis document.
    pub genesis_hash: String,
    /// The genesis document.
    pub genesis: PathBuf,
    /// File with the passphrase of every key.
    pub passphrase_file: PathBuf,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The accounts, not enrolled yet.
    pub accounts: Vec<Account>,
}

/// A node of a local network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its organisation.
    pub organisation: OrgId,
    /// Validator or observer.
    pub role: Role,
    /// Its configuration.
    pub config: PathBuf,
    /// Its log.
    pub log: PathBuf,
    /// Where peers connect.
    pub p2p: SocketAddr,
    /// Ethereum JSON-RPC.
    pub ethereum: String,
    /// CometBFT RPC.
    pub cometbft: String,
    /// Health and metrics.
    pub operations: String,
    /// Process id while it runs.
    pub pid: Option<u32>,
}

/// An account of a local network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// `bank-a/operator`.
    pub name: String,
    /// Its organisation.
    pub organisation: OrgId,
    /// Its role.
    pub role: Role,
    /// Its address.
    pub address: Address,
    /// Its encrypted key.
    pub key: PathBuf,
    /// Its certificate chain.
    pub certificate: PathBuf,
    /// The raw secret in hex, for other tools; secp256k1 keys only.
    pub secret: Option<PathBuf>,
}

impl Network {
    /// Reads `network.json` of a home.
    pub fn load(home: &Path) -> Result<Self> {
        let file = home.join("network.json");
        let text = fs::read_to_string(&file).wrap_err_with(|| file.display().to_string())?;
        serde_json::from_str(&text).wrap_err_with(|| format!("{} is no network description", file.display()))
    }

    /// Writes `network.json`, whole or not at all.
    pub fn save(&self, home: &Path) -> Result<()> {
        Ok(files::write(
            &home.join("network.json"),
            serde_json::to_string_pretty(self)?.as_bytes(),
            0o644,
            true,
        )?)
    }

    /// A table for people.
    pub fn describe(&self) -> String {
        let mut out = format!(
            "chain {} (EIP-155 id {})\ngenesis {}\n\n",
            self.chain_id, self.evm_chain_id, self.genesis_hash
        );
        for node in &self.nodes {
            out.push_str(&format!(
                "{:<12} {:<8} Ethereum {}  CometBFT {}  operations {}\n",
                node.name, node.organisation, node.ethereum, node.cometbft, node.operations
            ));
        }
        out.push('\n');
        for account in &self.accounts {
            out.push_str(&format!("{:<18} {}  {}\n", account.name, account.address, account.key.display()));
        }
        out.push_str(&format!("\npassphrase of all keys: {}\n", self.passphrase_file.display()));
        out
    }
}

/// Makes everything. The folder must be empty or absent.
pub fn create(args: &NetArgs, json: bool) -> Result<Network> {
    let home = prepare(&args.home)?;
    let passphrase_file = home.join("passphrase");
    let secret = hex::encode(rand::random::<[u8; 16]>());
    files::write(&passphrase_file, secret.as_bytes(), 0o600, false)?;
    let maker = Maker { home, passphrase: Passphrase::new(secret)?, now: now()?, args };
    let mut parts = Vec::new();
    let mut accounts = Vec::new();
    let mut nodes = Vec::new();
    for index in 0..args.validators() {
        let bank: OrgId = format!("bank-{}", letters(index)).parse()?;
        output::progress(json, format!("{bank}: authority, validator, accounts"));
        let (part, node, own) = maker.bank(&bank, index)?;
        parts.push(part);
        nodes.push(node);
        accounts.extend(own);
    }
    for index in 0..args.observers() {
        output::progress(json, format!("observer-{}", u16::from(index) + 1));
        nodes.push(maker.observer(index)?);
    }
    let params =
        ChainParams { empty_block_interval_ms: args.empty_block_interval_ms(), ..ChainParams::default() };
    let chain_id = format!("concordat-local-{}", args.base_port());
    let genesis = Genesis::assemble(&chain_id, EVM_CHAIN_ID, maker.now, params, parts)?;
    genesis_state(&genesis)?;
    let genesis_file = maker.home.join("genesis.json");
    fs::write(&genesis_file, genesis.to_json())?;
    for (node, index) in nodes.iter().zip(0..) {
        maker.configure(node, index, &genesis_file, &nodes)?;
    }
    let network = Network {
        chain_id,
        evm_chain_id: EVM_CHAIN_ID,
        genesis_hash: genesis.hash().to_string(),
        genesis: genesis_file,
        passphrase_file,
        nodes,
        accounts,
    };
    network.save(&maker.home)?;
    Ok(network)
}

fn prepare(home: &Path) -> Result<PathBuf> {
    if fs::read_dir(home).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty; choose another --home, or remove it", home.display());
    }
    files::create_dir(home)?;
    Ok(home.canonicalize()?)
}

fn now() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?)
}

/// `a` to `z`, then `aa` and so on.
fn letters(index: u8) -> String {
    let letter = |n: u8| char::from(b'a' + n % 26).to_string();
    if index < 26 { letter(index) } else { letter(index / 26 - 1) + &letter(index) }
}

struct Maker<'a> {
    home: PathBuf,
    passphrase: Passphrase,
    now: i64,
    args: &'a NetArgs,
}

impl Maker<'_> {
    fn bank(&self, bank: &OrgId, index: u8) -> Result<(GenesisPart, Node, Vec<Account>)> {
        let folder = self.home.join("organisations").join(bank.as_str());
        files::create_dir(&folder)?;
        let mut authority = Authority::create(bank, &AuthorityOptions::default(), self.now)?;
        authority.save(&folder.join("ca"), &self.passphrase)?;
        let node = self.node(bank, Role::Validator, index)?;
        let node_certificate = self.certify_node(&mut authority, &node)?;
        let voter = format!("{} votes", node.name);
        let votes = Holder { role: Role::Consensus, key_type: KeyType::Ed25519, name: &voter, sans: &[] };
        let stem = node.config.with_file_name("consensus");
        let (_, consensus_certificate) = self.issue(&mut authority, &votes, &stem)?;
        // The key is born here and now, so it has signed nothing.
        concordat_node::begin_guard(&node.config.with_file_name("data"), 0)?;
        let mut accounts = Vec::new();
        for (name, role, key_type) in ACCOUNTS {
            accounts.push(self.account(&mut authority, &folder, name, role, key_type)?);
        }
        let seats = accounts.iter().filter(|account| account.role == Role::CommitteeMember);
        let seat = |account: &Account| -> Result<_> {
            let certificate = fs::read_to_string(&account.certificate)?;
            Ok(GenesisCommitteeMember { certificate, weight: WEIGHT })
        };
        let committee = seats.map(seat).collect::<Result<_>>()?;
        let part = GenesisPart {
            committee,
            organisation: bank.clone(),
            name: bank.as_str().to_uppercase(),
            ca_certificates: vec![authority.root_pem()],
            roles: bank_roles(),
            validators: vec![GenesisValidator {
                node_certificate,
                consensus_certificate,
                address: node.p2p.to_string(),
                power: POWER,
            }],
        };
        Ok((part, node, accounts))
    }

    /// An observer: banks take turns in running one.
    fn observer(&self, index: u8) -> Result<Node> {
        let bank: OrgId = format!("bank-{}", letters(index % self.args.validators())).parse()?;
        let ca = self.home.join("organisations").join(bank.as_str()).join("ca");
        let node = self.node(&bank, Role::Observer, index)?;
        self.certify_node(&mut Authority::open(&ca, &self.passphrase)?, &node)?;
        Ok(node)
    }

    /// The node's TLS key and certificate.
    fn certify_node(&self, authority: &mut Authority, node: &Node) -> Result<String> {
        let sans = [San::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)), San::Dns("localhost".into())];
        let holder = Holder { role: node.role, key_type: KeyType::P256, name: &node.name, sans: &sans };
        let (_, chain) = self.issue(authority, &holder, &node.config.with_file_name("node"))?;
        Ok(chain)
    }

    fn node(&self, bank: &OrgId, role: Role, index: u8) -> Result<Node> {
        let name = format!("{role}-{}", u16::from(index) + 1);
        let place = match role {
            Role::Validator => u16::from(index),
            _ => u16::from(self.args.validators()) + u16::from(index),
        };
        let folder = self.home.join("nodes").join(&name);
        files::create_dir(&folder)?;
        let port = |offset: u16| self.args.base_port().checked_add(place * 10 + offset);
        let port = |offset| port(offset).ok_or_else(|| eyre!("--base-port is too high for so many nodes"));
        Ok(Node {
            organisation: bank.clone(),
            role,
            config: folder.join("concordat.toml"),
            log: folder.join("node.log"),
            p2p: SocketAddr::from((Ipv4Addr::LOCALHOST, port(0)?)),
            ethereum: format!("http://127.0.0.1:{}", port(1)?),
            cometbft: format!("http://127.0.0.1:{}", port(2)?),
            operations: format!("http://127.0.0.1:{}", port(3)?),
            pid: None,
            name,
        })
    }

    /// A key and a certificate, written to `stem.key` and `stem.crt`.
    fn issue(
        &self,
        authority: &mut Authority,
        holder: &Holder<'_>,
        stem: &Path,
    ) -> Result<(PrivateKey, String)> {
        let key = PrivateKey::generate(holder.key_type)?;
        let org = authority.org().clone();
        let request = CertificateRequest::create(&key, &org, holder.role, holder.name, holder.sans)?;
        let issued = authority.issue(&request, &request.profile(LEAF_DAYS), self.now)?;
        key.write(&stem.with_extension("key"), &self.passphrase, false)?;
        let chain = issued.chain_pem();
        files::write(&stem.with_extension("crt"), chain.as_bytes(), 0o644, false)?;
        Ok((key, chain))
    }

    fn account(
        &self,
        authority: &mut Authority,
        folder: &Path,
        name: &str,
        role: Role,
        key_type: KeyType,
    ) -> Result<Account> {
        let stem = folder.join(name);
        let (key, _) = self.issue(authority, &Holder { role, key_type, name, sans: &[] }, &stem)?;
        let secret = match key_type {
            KeyType::Secp256k1 => {
                let file = stem.with_extension("secret");
                files::write(
                    &file,
                    format!("0x{}", hex::encode(*key.raw_secret()?)).as_bytes(),
                    0o600,
                    false,
                )?;
                Some(file)
            }
            _ => None,
        };
        Ok(Account {
            name: format!("{}/{name}", authority.org()),
            organisation: authority.org().clone(),
            role,
            address: crate::keys::address(&key)?,
            key: stem.with_extension("key"),
            certificate: stem.with_extension("crt"),
            secret,
        })
    }

    /// The node's configuration: the documented template's keys with this network's values.
    fn configure(&self, node: &Node, index: u16, genesis: &Path, nodes: &[Node]) -> Result<()> {
        let mut config: Table = toml::from_str(concordat_node::config::TEMPLATE)?;
        let text = |path: &Path| Value::String(path.display().to_string());
        let local =
            |offset: u16| Value::String(format!("127.0.0.1:{}", self.args.base_port() + index * 10 + offset));
        config["genesis"] = text(genesis);
        config["identity"]["passphrase_file"] = text(&self.home.join("passphrase"));
        config["p2p"]["listen"] = local(0);
        if node.role != Role::Validator {
            config["identity"].as_table_mut().and_then(|identity| identity.remove("consensus_key"));
        }
        // Observers connect to validators; nobody needs to connect to observers.
        let others = nodes.iter().filter(|other| other.name != node.name && other.role == Role::Validator);
        config["p2p"]["peers"] =
            Value::Array(others.map(|other| Value::String(other.p2p.to_string())).collect());
        config["rpc"]["ethereum"]["address"] = local(1);
        config["rpc"]["cometbft"]["address"] = local(2);
        config["operations"]["listen"] = local(3);
        config["log"]["filter"] = Value::String(self.args.log().into());
        Ok(files::write(&node.config, toml::to_string_pretty(&config)?.as_bytes(), 0o644, false)?)
    }
}

/// Whom a certificate is for.
struct Holder<'a> {
    role: Role,
    key_type: KeyType,
    name: &'a str,
    sans: &'a [San],
}
