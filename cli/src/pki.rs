//! `concordat pki`: keys, requests, certificates and revocation lists of an organisation.
//!
//! Reads the clock, the terminal and files; `concordat-pki-authority` decides everything.

mod authority;
mod certify;
mod request;
mod revoke;
#[cfg(test)]
mod tests;
mod verify;

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, Subcommand};
use concordat_pki_authority::{Authority, Inspection, Passphrase, San, files};
use concordat_pki_verify::Certificate;
use concordat_types::identity::Role;
use eyre::{OptionExt as _, Result, WrapErr as _, bail};
use serde::Serialize;

use self::{
    authority::{InitCaArgs, ReplaceIssuingArgs},
    certify::{IssueArgs, RenewArgs, SignArgs},
    request::{CsrArgs, KeyFileArgs},
    revoke::{CrlArgs, RevokeArgs},
    verify::{InspectArgs, VerifyArgs},
};
use crate::{
    keys::{self, PASSPHRASE_FLAG, passphrase},
    output::show,
};

/// The commands below `concordat pki`.
#[derive(Subcommand)]
pub enum PkiCommand {
    /// Create an organisation's root and issuing authority.
    InitCa(InitCaArgs),
    /// Create a private key.
    Key(KeyFileArgs),
    /// Create a certificate request for a key.
    Csr(CsrArgs),
    /// Certify the key of a request.
    Sign(SignArgs),
    /// Create a key and its certificate in one step, where the authority and the holder are one machine.
    Issue(IssueArgs),
    /// Certify the key of an earlier certificate again.
    Renew(RenewArgs),
    /// Replace the issuing authority: a new key, certified by the root. Needs the root's key.
    ReplaceIssuing(ReplaceIssuingArgs),
    /// Revoke a certificate; publish a CRL afterwards.
    Revoke(RevokeArgs),
    /// Sign the next certificate revocation list.
    Crl(CrlArgs),
    /// Show what a certificate, request or CRL says.
    Inspect(InspectArgs),
    /// Judge a certificate as the ledger would. Exit code 3: it would be refused.
    Verify(VerifyArgs),
}

/// The passphrase of an authority's keys, and the flag that names its file.
const OF_AUTHORITY: (&str, &str) = ("passphrase of the authority", PASSPHRASE_FLAG);

/// The passphrase of a holder's key, and the flag that names its file.
const OF_KEY: (&str, &str) = ("passphrase of the key", PASSPHRASE_FLAG);

/// How to open an authority's directory.
#[derive(Args)]
pub struct CaArgs {
    /// The authority's directory, as made by init-ca.
    #[arg(long = "ca", value_name = "DIR")]
    dir: PathBuf,
    /// File whose first line is the passphrase of the authority's keys; asked for if absent.
    #[arg(long, value_name = "FILE", env = "CONCORDAT_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Where to write a result.
#[derive(Args)]
pub struct OutArgs {
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Overwrite the file if it exists.
    #[arg(long)]
    force: bool,
}

/// Whom a certificate is for.
#[derive(Args)]
pub struct HolderArgs {
    /// The holder's role, such as operator, validator, consensus or server.
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// The holder's name: a person, a system, a machine.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// A name under which a machine is reached: dns:HOST or ip:ADDRESS. May be repeated.
    #[arg(long = "san", value_name = "SAN")]
    sans: Vec<San>,
}

/// Runs a command.
pub fn run(command: PkiCommand, json: bool) -> Result<()> {
    match command {
        PkiCommand::InitCa(args) => authority::init_ca(&args, json),
        PkiCommand::Key(args) => request::key(&args, json),
        PkiCommand::Csr(args) => request::csr(&args, json),
        PkiCommand::Sign(args) => certify::sign(&args, json),
        PkiCommand::Issue(args) => certify::issue(&args, json),
        PkiCommand::Renew(args) => certify::renew(&args, json),
        PkiCommand::ReplaceIssuing(args) => authority::replace_issuing(&args, json),
        PkiCommand::Revoke(args) => revoke::revoke(&args, json),
        PkiCommand::Crl(args) => revoke::crl(&args, json),
        PkiCommand::Inspect(args) => verify::inspect(&args, json),
        PkiCommand::Verify(args) => verify::verify(&args, json),
    }
}

/// What a command made.
#[derive(Serialize)]
struct Made {
    /// The file or directory written.
    path: PathBuf,
    /// What it says; of an authority, what its root says.
    content: Inspection,
}

fn show_made(json: bool, path: &Path, content: Inspection) -> Result<()> {
    show(json, &Made { path: path.to_owned(), content }, |made| {
        format!("{}written to {}", made.content, made.path.display())
    })
}

fn now() -> Result<i64> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).wrap_err("the clock is before 1970")?;
    Ok(i64::try_from(since_epoch.as_secs())?)
}

/// The passphrase for a new key: from a file, or asked for twice.
fn new_passphrase(file: Option<&Path>, (what, flag): (&str, &str)) -> Result<Passphrase> {
    let chosen = passphrase(file, (&format!("new {what}"), flag))?;
    if file.is_none() {
        let repeated = Passphrase::new(rpassword::prompt_password(format!("repeat the new {what}: "))?)?;
        if repeated != chosen {
            bail!("the passphrases differ; nothing was written");
        }
    }
    Ok(chosen)
}

fn open(ca: &CaArgs) -> Result<Authority> {
    let passphrase = passphrase(ca.passphrase_file.as_deref(), OF_AUTHORITY)?;
    Authority::open(&ca.dir, &passphrase).wrap_err_with(|| format!("authority {}", ca.dir.display()))
}

fn write(out: &OutArgs, text: &str) -> Result<()> {
    Ok(files::write(&out.out, text.as_bytes(), files::PUBLIC_MODE, out.force)?)
}

/// Refuses to sign anything that could not be written afterwards.
fn require_free(path: &Path, force: bool) -> Result<()> {
    if !force && path.exists() {
        bail!("{} exists already; choose another path, or overwrite it with --force", path.display());
    }
    Ok(())
}

/// The first certificate of a file.
fn certificate(path: &Path) -> Result<Certificate> {
    let der = keys::certificates(path)?.into_iter().next().ok_or_eyre("the file holds no certificate")?;
    Certificate::parse(&der).wrap_err_with(|| format!("certificate {}", path.display()))
}
