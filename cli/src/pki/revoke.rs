//! `concordat pki revoke`, `crl`: taking certificates back.

use std::path::PathBuf;

use clap::Args;
use concordat_pki_authority::{CRL_DAYS, CRL_ENTRIES, Inspection, Tier};
use concordat_pki_verify::{RevocationReason, Serial};
use eyre::{Result, bail};
use serde::Serialize;

use super::{CaArgs, OutArgs, certificate, now, open, require_free, write};
use crate::output::show;

/// Arguments of `pki revoke`.
#[derive(Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    ca: CaArgs,
    /// The certificate's serial number, in hexadecimal.
    #[arg(long, value_name = "HEX", required_unless_present = "cert", conflicts_with = "cert")]
    serial: Option<Serial>,
    /// The certificate itself.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Why: unspecified, key-compromise, ca-compromise, affiliation-changed, superseded,
    /// cessation-of-operation, certificate-hold, privilege-withdrawn or aa-compromise.
    #[arg(long, value_name = "REASON", default_value = "unspecified")]
    reason: RevocationReason,
}

/// Arguments of `pki crl`.
#[derive(Args)]
pub struct CrlArgs {
    #[command(flatten)]
    ca: CaArgs,
    /// Whose list: issuing (holders' certificates) or root (issuing authorities; needs the root's key).
    #[arg(long, value_name = "TIER", default_value = "issuing")]
    tier: Tier,
    /// Days until the next list is due.
    #[arg(long, value_name = "DAYS", default_value_t = CRL_DAYS)]
    days: u32,
    #[command(flatten)]
    out: OutArgs,
}

/// What `pki revoke` did.
#[derive(Serialize)]
struct Revoked {
    serial: Serial,
    reason: RevocationReason,
    by: Tier,
}

/// What `pki crl` made.
#[derive(Serialize)]
struct Lists {
    path: PathBuf,
    lists: Vec<Inspection>,
}

pub(super) fn revoke(args: &RevokeArgs, json: bool) -> Result<()> {
    let serial = match (&args.serial, &args.cert) {
        (Some(serial), _) => serial.clone(),
        (None, Some(path)) => certificate(path)?.serial().clone(),
        (None, None) => bail!("give --serial or --cert"),
    };
    let by = open(&args.ca)?.revoke(&serial, args.reason, now()?)?;
    show(json, &Revoked { serial, reason: args.reason, by }, |revoked| {
        let Revoked { serial, reason, by } = revoked;
        format!("revoked {serial} ({reason})\nnow publish it: concordat pki crl --tier {by}")
    })
}

pub(super) fn crl(args: &CrlArgs, json: bool) -> Result<()> {
    require_free(&args.out.out, args.out.force)?;
    let mut authority = open(&args.ca)?;
    let issued = match args.tier {
        Tier::Issuing => authority.crl(args.days, now()?)?,
        Tier::Root => authority.root_crl(args.days, now()?)?,
    };
    write(&args.out, &issued.pem())?;
    let lists = issued.lists.iter().map(|crl| Inspection::of(crl.der())).collect::<Result<Vec<_>, _>>()?;
    let made = Lists { path: args.out.out.clone(), lists };
    show(json, &made, |made| {
        let text: String = made.lists.iter().map(ToString::to_string).collect();
        format!("{text}written to {}{}", made.path.display(), several(made.lists.len()))
    })
}

/// What to know of lists that are more than one.
fn several(lists: usize) -> String {
    match lists {
        0 | 1 => String::new(),
        _ => format!(
            "\n{lists} lists, since one names at most {CRL_ENTRIES} certificates: all of them must reach the ledger, \
             in this order; account submit-crl sees to it"
        ),
    }
}
