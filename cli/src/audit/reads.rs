//! `concordat audit verify-reads` and `reads-head`: the log of what supervisors read.

use clap::Args;
use concordat_sql::read::{ReadLog, verify_reads};
use concordat_types::OrgId;
use eyre::{Result, WrapErr as _, eyre};
use serde_json::json;

use super::database::{DatabaseArgs, runtime};
use crate::output::{self, Report};

/// Arguments of `concordat audit verify-reads`.
#[derive(Args)]
pub struct VerifyReadsArgs {
    #[command(flatten)]
    at: DatabaseArgs,
    /// An end of the log that was anchored, `COUNT:HASH`, besides those that the projection has from the chain.
    #[arg(long = "anchor", value_name = "COUNT:HASH")]
    anchors: Vec<String>,
    /// Whose log it is: of what the chain has, the anchors of this organisation are compared. Needed where several
    /// organisations have anchored theirs.
    #[arg(long, value_name = "ORGANISATION")]
    organisation: Option<OrgId>,
}

/// Arguments of `concordat audit reads-head`.
#[derive(Args)]
pub struct ReadsHeadArgs {
    #[command(flatten)]
    at: DatabaseArgs,
    /// Where the log ended once it had so many entries, to be anchored, or compared with an anchor of then; its end now if
    /// absent.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    count: Option<i64>,
}

/// Runs `concordat audit verify-reads`. Exit code 3: an entry was altered, removed or slipped in.
pub fn verify(args: &VerifyReadsArgs, json: bool) -> Result<()> {
    let anchors = args.anchors.iter().map(|text| anchor(text)).collect::<Result<Vec<_>>>()?;
    let database = args.at.database()?;
    let verified = runtime()?.block_on(verify_reads(&database, &anchors, args.organisation.as_ref()))?;
    if let Some(flaw) = &verified.flaw {
        let text = format!("the log of reads is not as it was written: {flaw}");
        return Err(Report { said: json!(verified), text, code: 3 }.into());
    }
    output::show(json, &verified, |verified| {
        let (count, anchors, head) = (verified.head.count, verified.anchors, &verified.head.head);
        format!("{count} entries are as they were written, {anchors} anchors hold; the last hash is {head}")
    })
}

/// Runs `concordat audit reads-head`.
pub fn head(args: &ReadsHeadArgs, json: bool) -> Result<()> {
    let database = args.at.database()?;
    let head = runtime()?.block_on(async {
        let log = ReadLog::open(&database);
        let Some(count) = args.count else { return Ok(log.head().await?) };
        log.head_at(count).await?.ok_or_else(|| eyre!("the log of reads does not have {count} entries yet"))
    })?;
    output::show(json, &head, |head| format!("{} entries, the last hash is {}", head.count, head.head))
}

fn anchor(text: &str) -> Result<(i64, Vec<u8>)> {
    let wrong =
        || eyre!("{text:?} is no anchor; it is COUNT:HASH, as `concordat audit reads-head` tells them");
    let (count, hash) = text.split_once(':').ok_or_else(wrong)?;
    let hash = hex::decode(hash.trim_start_matches("0x")).wrap_err_with(wrong)?;
    let count = count.parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
    if hash.len() == 32 { Ok((count, hash)) } else { Err(wrong()) }
}
