//! `concordat audit export`: the rows of a table as files for other programs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use concordat_sql::{
    Table,
    export::{Export, ExportProgress, Format, Manifest, PART_ROWS, exported_table},
};
use eyre::Result;
use serde_json::json;

use super::database::{DatabaseArgs, runtime};
use crate::output;

/// Arguments of `concordat audit export`.
#[derive(Args)]
pub struct ExportArgs {
    #[command(flatten)]
    at: DatabaseArgs,
    /// What to export: blocks, transactions, logs, decoded_events, token_transfers or token_balances.
    #[arg(long, value_parser = exported_table)]
    table: Table,
    /// The first height; the first in the database if absent.
    #[arg(long)]
    from: Option<u64>,
    /// The last height; the newest in the database if absent.
    #[arg(long)]
    to: Option<u64>,
    /// The form: Parquet in parts, or one file of lines.
    #[arg(long, value_enum)]
    format: Form,
    /// The file to write, which must not be there; for Parquet a folder.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Go on with an export that was interrupted, after its last whole line or part.
    #[arg(long)]
    resume: bool,
    /// Rows after which a part of Parquet ends with its block.
    #[arg(long, default_value_t = PART_ROWS)]
    part_rows: u64,
}

/// The form of files.
#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// Parquet, compressed by Snappy.
    Parquet,
    /// A JSON document a line.
    Ndjson,
    /// Comma-separated values.
    Csv,
}

/// Runs `concordat audit export`.
pub fn run(args: &ExportArgs, json: bool) -> Result<()> {
    let export = Export {
        table: args.table,
        format: match args.format {
            Form::Parquet => Format::Parquet,
            Form::Ndjson => Format::Ndjson,
            Form::Csv => Format::Csv,
        },
        from: args.from,
        to: args.to,
        output: args.output.clone(),
        resume: args.resume,
        part_rows: args.part_rows,
    };
    let mut tell = |progress: &ExportProgress| tell(progress, json);
    let database = args.at.database()?;
    let exporting = concordat_sql::export::export(&database, &export, &mut tell);
    let manifest = runtime()?.block_on(exporting)?;
    output::show(json, &manifest, describe)
}

/// One line on standard error, of JSON for machines.
fn tell(progress: &ExportProgress, json: bool) {
    if json {
        eprintln!("{}", json!(progress));
        return;
    }
    let ExportProgress { height, to, rows } = progress;
    eprintln!("block {height} of {to}, {rows} rows");
}

fn describe(manifest: &Manifest) -> String {
    let Manifest { chain_id, table, from, to, rows, parts, digest, .. } = manifest;
    let mut out = format!("{chain_id}: {rows} rows of {table}, blocks {from} to {to}");
    if let Some(digest) = digest {
        out.push_str(&format!(", database digest {digest}"));
    }
    for part in parts {
        out.push_str(&format!(
            "\n{}: {} rows, {} bytes, SHA-256 {}",
            part.file, part.rows, part.bytes, part.sha256
        ));
    }
    out
}
