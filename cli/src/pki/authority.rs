//! `concordat pki init-ca`, `replace-issuing`: an organisation's authority itself.

use std::path::PathBuf;

use clap::Args;
use concordat_pki_authority::{Authority, AuthorityOptions, ISSUING_DAYS, Inspection, ROOT_DAYS};
use concordat_types::identity::OrgId;
use eyre::{Result, WrapErr as _};

use super::{CaArgs, OF_AUTHORITY, new_passphrase, now, show_made};
use crate::keys::passphrase;

/// Arguments of `pki init-ca`.
#[derive(Args)]
pub struct InitCaArgs {
    /// The organisation's identifier: 2 to 32 of a-z, 0-9 and '-'.
    #[arg(long, value_name = "ORG")]
    org: OrgId,
    /// Directory to create the authority in.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Validity of the root, in days.
    #[arg(long, value_name = "DAYS", default_value_t = ROOT_DAYS)]
    root_days: u32,
    /// Validity of the issuing authority, in days.
    #[arg(long, value_name = "DAYS", default_value_t = ISSUING_DAYS)]
    issuing_days: u32,
    /// File whose first line is the passphrase for the new keys; asked for if absent.
    #[arg(long, value_name = "FILE", env = "CONCORDAT_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Arguments of `pki replace-issuing`.
#[derive(Args)]
pub struct ReplaceIssuingArgs {
    #[command(flatten)]
    ca: CaArgs,
    /// Validity of the new issuing authority, in days.
    #[arg(long, value_name = "DAYS", default_value_t = ISSUING_DAYS)]
    days: u32,
}

pub(super) fn init_ca(args: &InitCaArgs, json: bool) -> Result<()> {
    let passphrase = new_passphrase(args.passphrase_file.as_deref(), OF_AUTHORITY)?;
    let options = AuthorityOptions { root_days: args.root_days, issuing_days: args.issuing_days };
    let mut authority = Authority::create(&args.org, &options, now()?)?;
    authority.save(&args.dir, &passphrase)?;
    let root = Inspection::of(authority.root_certificate().der())?;
    show_made(json, &args.dir, root)
}

pub(super) fn replace_issuing(args: &ReplaceIssuingArgs, json: bool) -> Result<()> {
    let passphrase = passphrase(args.ca.passphrase_file.as_deref(), OF_AUTHORITY)?;
    let mut authority = Authority::open(&args.ca.dir, &passphrase)
        .wrap_err_with(|| format!("authority {}", args.ca.dir.display()))?;
    let issuing = Inspection::of(authority.replace_issuing(&passphrase, args.days, now()?)?.der())?;
    show_made(json, &args.ca.dir, issuing)
}
