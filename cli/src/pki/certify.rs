//! `concordat pki sign`, `issue`, `renew`: certificates.

use std::path::PathBuf;

use clap::Args;
use concordat_pki_authority::{
    CertificateRequest, Inspection, IssuedCertificate, KeyType, LEAF_DAYS, PrivateKey, files,
};
use concordat_types::identity::{Holder, Role};
use eyre::{Result, WrapErr as _};

use super::{
    CaArgs, HolderArgs, OutArgs, certificate, new_passphrase, now, open, require_free, show_made, write,
};

/// Arguments of `pki sign`.
#[derive(Args)]
pub struct SignArgs {
    #[command(flatten)]
    ca: CaArgs,
    /// The certificate request.
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// Validity, in days.
    #[arg(long, value_name = "DAYS", default_value_t = LEAF_DAYS)]
    days: u32,
    #[command(flatten)]
    out: OutArgs,
}

/// Arguments of `pki issue`.
#[derive(Args)]
pub struct IssueArgs {
    #[command(flatten)]
    ca: CaArgs,
    #[command(flatten)]
    holder: HolderArgs,
    /// Kind of key: p256, secp256k1 or ed25519. Default: what suits the role.
    #[arg(long = "type", value_name = "TYPE")]
    key_type: Option<KeyType>,
    /// Validity, in days.
    #[arg(long, value_name = "DAYS", default_value_t = LEAF_DAYS)]
    days: u32,
    /// File to write the private key to.
    #[arg(long, value_name = "FILE")]
    key_out: PathBuf,
    /// File whose first line is the passphrase for the new key; asked for if absent.
    #[arg(long, value_name = "FILE")]
    key_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    out: OutArgs,
}

/// Arguments of `pki renew`.
#[derive(Args)]
pub struct RenewArgs {
    #[command(flatten)]
    ca: CaArgs,
    /// The certificate to renew; it may have expired.
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// Validity, in days.
    #[arg(long, value_name = "DAYS", default_value_t = LEAF_DAYS)]
    days: u32,
    #[command(flatten)]
    out: OutArgs,
}

pub(super) fn sign(args: &SignArgs, json: bool) -> Result<()> {
    require_free(&args.out.out, args.out.force)?;
    let request = CertificateRequest::parse(&files::read(&args.csr)?)
        .wrap_err_with(|| format!("request {}", args.csr.display()))?;
    let issued = open(&args.ca)?.issue(&request, &request.profile(args.days), now()?)?;
    hand_out(&issued, &args.out, json)
}

pub(super) fn issue(args: &IssueArgs, json: bool) -> Result<()> {
    require_free(&args.out.out, args.out.force)?;
    require_free(&args.key_out, args.out.force)?;
    let mut authority = open(&args.ca)?;
    let asked = ("passphrase of the key", "--key-passphrase-file");
    let key_passphrase = new_passphrase(args.key_passphrase_file.as_deref(), asked)?;
    let holder = &args.holder;
    let key = PrivateKey::generate(args.key_type.unwrap_or(default_key_type(holder.role)))?;
    let org = authority.org().clone();
    let request = CertificateRequest::create(&key, &org, holder.role, &holder.name, &holder.sans)?;
    let issued = authority.issue(&request, &request.profile(args.days), now()?)?;
    key.write(&args.key_out, &key_passphrase, args.out.force)?;
    hand_out(&issued, &args.out, json)
}

pub(super) fn renew(args: &RenewArgs, json: bool) -> Result<()> {
    require_free(&args.out.out, args.out.force)?;
    let old = certificate(&args.cert)?;
    let issued = open(&args.ca)?.renew(&old, args.days, now()?)?;
    hand_out(&issued, &args.out, json)
}

fn hand_out(issued: &IssuedCertificate, out: &OutArgs, json: bool) -> Result<()> {
    write(out, &issued.chain_pem())?;
    show_made(json, &out.out, Inspection::of(issued.der())?)
}

/// The kind of key that suits a role in most places.
fn default_key_type(role: Role) -> KeyType {
    match role.holder() {
        Holder::ConsensusKey => KeyType::Ed25519,
        Holder::Account | Holder::Node | Holder::Server => KeyType::P256,
    }
}
