//! `concordat pki inspect`, `verify`: what a file says, and whether the ledger would believe it.

use std::path::PathBuf;

use clap::Args;
use concordat_pki_authority::{Inspection, files};
use concordat_pki_verify::{Certificate, Crl, PathRequest, Purpose, ValidPath, check_path};
use concordat_types::identity::{OrgId, Role};
use eyre::{Result, WrapErr as _};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{certificate, now};
use crate::{
    keys,
    output::{FoundWrong, show},
};

/// Arguments of `pki inspect`.
#[derive(Args)]
pub struct InspectArgs {
    /// Certificate, request or CRL, PEM or DER.
    file: PathBuf,
}

/// Arguments of `pki verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// Root certificate to trust. May be repeated.
    #[arg(long = "anchor", value_name = "FILE", required = true)]
    anchors: Vec<PathBuf>,
    /// CRL to respect, PEM or DER. May be repeated.
    #[arg(long = "crl", value_name = "FILE")]
    crls: Vec<PathBuf>,
    /// Time to judge at, as RFC 3339 or Unix seconds. Default: now.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<i64>,
    /// PEM file with the holder's certificate first, then its intermediates.
    file: PathBuf,
}

pub(super) fn inspect(args: &InspectArgs, json: bool) -> Result<()> {
    let wrong = || format!("cannot inspect {}", args.file.display());
    let inspection = Inspection::of(&files::read(&args.file)?).wrap_err_with(wrong)?;
    if !matches!(inspection, Inspection::Crl(_)) {
        return show(json, &inspection, ToString::to_string);
    }
    let lists = keys::crls(&args.file)?.iter().map(|der| Inspection::of(der)).collect::<Result<Vec<_>, _>>();
    match lists.wrap_err_with(wrong)?.as_slice() {
        [list] => show(json, list, ToString::to_string),
        lists => show(json, &lists, |lists| lists.iter().map(ToString::to_string).collect()),
    }
}

/// What `pki verify` established.
#[derive(Serialize)]
struct Verified {
    valid: bool,
    org: OrgId,
    role: Role,
    purpose: String,
    /// Unix seconds.
    not_after: i64,
    stale_crls: Vec<String>,
}

pub(super) fn verify(args: &VerifyArgs, json: bool) -> Result<()> {
    let parse = |der: Vec<u8>| Certificate::parse(&der).map_err(|error| FoundWrong(error.to_string()));
    let chain: Vec<Certificate> =
        keys::certificates(&args.file)?.into_iter().map(parse).collect::<Result<_, _>>()?;
    let anchors = args.anchors.iter().map(|path| certificate(path)).collect::<Result<Vec<_>>>()?;
    let mut crls = Vec::new();
    for path in &args.crls {
        for der in keys::crls(path)? {
            crls.push(Crl::parse(&der).wrap_err_with(|| format!("CRL {}", path.display()))?);
        }
    }
    let at = args.at.map_or_else(now, Ok)?;
    let role = chain.first().and_then(Certificate::role);
    let role =
        role.ok_or_else(|| FoundWrong("the first certificate is an authority's, not a holder's".to_owned()))?;
    let purpose = Purpose::of(role.holder());
    let request = PathRequest { chain: &chain, anchors: &anchors, crls: &crls, at, purpose };
    let path = check_path(&request).map_err(|error| FoundWrong(error.to_string()))?;
    show(json, &verified(path, purpose), human_verified)
}

fn verified(path: ValidPath, purpose: Purpose) -> Verified {
    let stale = path.stale_crls.iter();
    let stale =
        stale.map(|crl| format!("CRL {} of {} is overdue since {}", crl.number, crl.issuer, crl.next_update));
    Verified {
        valid: true,
        org: path.org,
        role: path.role,
        purpose: purpose.to_string(),
        not_after: path.not_after,
        stale_crls: stale.collect(),
    }
}

fn human_verified(verified: &Verified) -> String {
    let Verified { org, role, purpose, not_after, stale_crls, .. } = verified;
    let until = OffsetDateTime::from_unix_timestamp(*not_after).ok().and_then(|at| at.format(&Rfc3339).ok());
    let until = until.unwrap_or_else(|| not_after.to_string());
    let stale: String = stale_crls.iter().map(|crl| format!("\nwarning: {crl}")).collect();
    format!("valid: {role} of {org}, as {purpose}, until {until}{stale}")
}

pub(super) fn parse_time(text: &str) -> Result<i64, String> {
    let unix = || OffsetDateTime::parse(text, &Rfc3339).map(OffsetDateTime::unix_timestamp);
    text.parse().or_else(|_| unix()).map_err(|_| "write 2027-01-31T12:00:00Z, or Unix seconds".to_owned())
}
