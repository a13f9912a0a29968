//! Reading keys, certificates and passphrases from files.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use clap::Args;
use concordat_pki_authority::{KeyType, Passphrase, PrivateKey, pem};
use concordat_types::Address;
use eyre::{Result, WrapErr as _, bail};

/// A private key, and how to open it.
#[derive(Args, Clone, Debug)]
pub struct KeyArgs {
    /// Encrypted PKCS#8 key of the account (secp256k1 or P-256).
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// File that holds the key's passphrase; asked for if absent.
    #[arg(long, value_name = "FILE", env = "CONCORDAT_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl KeyArgs {
    /// Opens the key.
    pub fn open(&self) -> Result<PrivateKey> {
        let passphrase = passphrase(self.passphrase_file.as_deref(), ("passphrase", PASSPHRASE_FLAG))?;
        PrivateKey::read(&self.key, &passphrase).wrap_err_with(|| format!("key {}", self.key.display()))
    }
}

/// How the file with the passphrase of a command's own key is named.
pub const PASSPHRASE_FLAG: &str = "--passphrase-file (or CONCORDAT_PASSPHRASE_FILE)";

/// The passphrase in a file, or asked for at the terminal. Says what it opens, and which flag names the file.
pub fn passphrase(file: Option<&Path>, (what, flag): (&str, &str)) -> Result<Passphrase> {
    if let Some(path) = file {
        return Passphrase::from_file(path).wrap_err_with(|| format!("passphrase file {}", path.display()));
    }
    if !std::io::stdin().is_terminal() {
        bail!("no {what}: name its file with {flag}, or run at a terminal to be asked");
    }
    Ok(Passphrase::new(rpassword::prompt_password(format!("{what}: "))?)?)
}

/// The certificates in a PEM file, as DER, in order.
pub fn certificates(path: &Path) -> Result<Vec<Vec<u8>>> {
    let text = std::fs::read_to_string(path).wrap_err_with(|| format!("certificate {}", path.display()))?;
    let chain = pem::decode_all(pem::CERTIFICATE, &text);
    if chain.is_empty() {
        bail!("{} holds no PEM certificate", path.display());
    }
    Ok(chain)
}

/// The CRLs in a file, as DER, in order: PEM blocks, or one in DER.
pub fn crls(path: &Path) -> Result<Vec<Vec<u8>>> {
    let bytes = std::fs::read(path).wrap_err_with(|| format!("CRL {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let blocks = text.matches(&format!("-----BEGIN {}-----", pem::CRL)).count();
    if blocks == 0 {
        return Ok(vec![pem::decode(pem::CRL, &bytes)?]);
    }
    let lists = pem::decode_all(pem::CRL, &text);
    if lists.len() != blocks {
        bail!("{} is damaged: only {} of {blocks} CRLs can be read", path.display(), lists.len());
    }
    Ok(lists)
}

/// The account of a key.
pub fn address(key: &PrivateKey) -> Result<Address> {
    match key.public().account_address() {
        Some(address) => Ok(Address::from(address)),
        None => bail!("an Ed25519 key signs votes, not transactions; use a secp256k1 or P-256 key"),
    }
}

/// Whether the chain takes the key's transactions as Ethereum ones.
pub fn is_ethereum(key: &PrivateKey) -> bool {
    key.key_type() == KeyType::Secp256k1
}
