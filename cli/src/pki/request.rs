//! `concordat pki key`, `csr`: what a holder makes, far from the authority.

use std::path::PathBuf;

use clap::Args;
use concordat_pki_authority::{CertificateRequest, Inspection, KeyType, PrivateKey};
use concordat_types::identity::OrgId;
use eyre::Result;
use serde::Serialize;

use super::{HolderArgs, OF_KEY, OutArgs, new_passphrase, require_free, show_made, write};
use crate::{keys::passphrase, output::show};

/// Arguments of `pki key`.
#[derive(Args)]
pub struct KeyFileArgs {
    /// Kind of key: p256, secp256k1 or ed25519.
    #[arg(long = "type", value_name = "TYPE", default_value = "p256")]
    key_type: KeyType,
    #[command(flatten)]
    out: OutArgs,
    /// File whose first line is the passphrase for the new key; asked for if absent.
    #[arg(long, value_name = "FILE", env = "CONCORDAT_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Arguments of `pki csr`.
#[derive(Args)]
pub struct CsrArgs {
    /// The private key to certify.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File whose first line is the key's passphrase; asked for if absent.
    #[arg(long, value_name = "FILE", env = "CONCORDAT_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// The holder's organisation.
    #[arg(long, value_name = "ORG")]
    org: OrgId,
    #[command(flatten)]
    holder: HolderArgs,
    #[command(flatten)]
    out: OutArgs,
}

/// What `pki key` made.
#[derive(Serialize)]
struct MadeKey {
    path: PathBuf,
    key_type: KeyType,
    /// Hexadecimal: `x || y` of a curve point, or the Ed25519 key.
    public_key: String,
    /// The account that the key controls, if it can control one.
    account: Option<String>,
}

pub(super) fn key(args: &KeyFileArgs, json: bool) -> Result<()> {
    require_free(&args.out.out, args.out.force)?;
    let passphrase = new_passphrase(args.passphrase_file.as_deref(), OF_KEY)?;
    let key = PrivateKey::generate(args.key_type)?;
    key.write(&args.out.out, &passphrase, args.out.force)?;
    let made = MadeKey {
        path: args.out.out.clone(),
        key_type: args.key_type,
        public_key: hex::encode(key.public().as_bytes()),
        account: key.public().account_address().map(|address| format!("0x{}", hex::encode(address))),
    };
    show(json, &made, |made| {
        let account = made.account.as_ref().map(|account| format!("account {account}\n")).unwrap_or_default();
        format!("{account}{} key written to {}", made.key_type, made.path.display())
    })
}

pub(super) fn csr(args: &CsrArgs, json: bool) -> Result<()> {
    let passphrase = passphrase(args.passphrase_file.as_deref(), OF_KEY)?;
    let key = PrivateKey::read(&args.key, &passphrase)?;
    let holder = &args.holder;
    let request = CertificateRequest::create(&key, &args.org, holder.role, &holder.name, &holder.sans)?;
    write(&args.out, &request.to_pem())?;
    show_made(json, &args.out.out, Inspection::of(request.to_pem().as_bytes())?)
}
