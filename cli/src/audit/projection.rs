//! `concordat audit verify-projection`: holds the regulator's database against the chain.

use clap::Args;
use eyre::Result;
use serde_json::json;

use super::{
    database::{DatabaseArgs, runtime},
    project::SourceArgs,
};
use crate::output::{self, Report};

/// Arguments of `concordat audit verify-projection`.
#[derive(Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    at: DatabaseArgs,
    /// The first height; the genesis if absent. Balances from the middle on are compared on top of those before.
    #[arg(long)]
    from: Option<u64>,
    /// The last height; where the database stands if absent.
    #[arg(long)]
    to: Option<u64>,
}

/// Runs `concordat audit verify-projection`. Exit code 3: a row differs.
pub fn run(args: &VerifyArgs, json: bool) -> Result<()> {
    let database = args.at.database()?;
    let (mut source, _own) = args.source.open()?;
    let verified = runtime()?.block_on(concordat_sql::verify(&database, &mut source, args.from, args.to))?;
    if let Some(difference) = &verified.difference {
        let text = format!("the database is not what the chain says: {difference}");
        return Err(Report { said: json!(verified), text, code: 3 }.into());
    }
    output::show(json, &verified, |verified| {
        let (from, to, rows, digest) = (verified.from, verified.to, verified.rows, &verified.digest);
        format!("blocks {from} to {to} are as the chain says: {rows} rows, digest {digest}")
    })
}
