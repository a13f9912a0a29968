//! `concordat audit reconcile`: a member's own books against the chain.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    path::{Path, PathBuf},
};

use clap::Args;
use concordat_reconcile::{
    Balance, Books, ChainRecord, MAX_BOOKS_BYTES, Mapping, Report, Settings, read_camt, read_csv,
    read_parquet, reconcile,
};
use concordat_sql::export::{Transfer, transfers};
use concordat_types::Address;
use eyre::{Result, WrapErr as _, bail};
use serde_json::json;

use super::database::{DatabaseArgs, runtime};
use crate::output::{self, Report as Told};

/// The largest mapping file that is read.
const MAX_MAPPING_BYTES: u64 = 1 << 20;

/// Arguments of `concordat audit reconcile`.
#[derive(Args)]
pub struct ReconcileArgs {
    #[command(flatten)]
    at: DatabaseArgs,
    /// The books: CSV, Parquet, or a statement in ISO 20022 camt.053 (versions 02 and 08). Which one is told by what is in it.
    #[arg(long, value_name = "FILE")]
    books: PathBuf,
    /// Whose books they are.
    #[arg(long, value_name = "ADDRESS")]
    account: Address,
    /// The token that is meant; all of them if absent. Balances are compared of one token alone.
    #[arg(long, value_name = "ADDRESS")]
    token: Option<Address>,
    /// The first height; the beginning if absent.
    #[arg(long)]
    from: Option<u64>,
    /// The last height; the newest in the database if absent.
    #[arg(long)]
    to: Option<u64>,
    /// TOML that says which column holds what, which currency is which token, and who is who.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Digits after the decimal mark of tokens that the mapping does not name.
    #[arg(long, default_value_t = 0)]
    decimals: u8,
    /// Write a line for each record into this file as well, which must not be there.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// Runs `concordat audit reconcile`. Exit code 3: something differs, or is missing on either side.
pub fn run(args: &ReconcileArgs, json: bool) -> Result<()> {
    let mapping = args.mapping.as_deref().map_or_else(|| Ok(Mapping::default()), read_mapping)?;
    let settings = Settings { mapping, token: args.token, decimals: args.decimals };
    let books = read_books(&args.books, &settings)?;
    let (database, range) = (args.at.database()?, (args.from, args.to));
    let chain = runtime()?.block_on(transfers(&database, args.account, args.token, range))?;
    let records = chain.transfers.iter().map(record).collect();
    let balances = chain.balances.map_or_else(Vec::new, |(opening, closing)| {
        vec![
            Balance::of("opening", books.opening, Some(opening)),
            Balance::of("closing", books.closing, Some(closing)),
        ]
    });
    let outcome = reconcile(books.records, records, settings.window_secs());
    let report = Report { left_out: books.left_out, balances, outcome };
    if let Some(path) = &args.csv {
        let shown = || format!("report {}", path.display());
        let mut file = File::create_new(path).wrap_err_with(shown)?;
        std::io::Write::write_all(&mut file, report.csv().as_bytes()).wrap_err_with(shown)?;
    }
    let (from, to) = chain.range;
    let head = format!("{}: {}, blocks {from} to {to}\n", chain.chain_id, args.account);
    let said = json!({ "chainId": chain.chain_id, "account": args.account, "from": from, "to": to, "report": report });
    let text = head + &report.text(&settings);
    match report.agrees() {
        true => output::show(json, &said, |_| text),
        false => Err(Told { said, text, code: 3 }.into()),
    }
}

fn record(transfer: &Transfer) -> ChainRecord {
    let Transfer { height, time_ms, place, hash, token, counterparty, amount } = *transfer;
    ChainRecord { at_secs: time_ms.div_euclid(1_000), height, place, hash, amount, token, counterparty }
}

fn read_mapping(path: &Path) -> Result<Mapping> {
    let told = || format!("mapping {}", path.display());
    if std::fs::metadata(path).wrap_err_with(told)?.len() > MAX_MAPPING_BYTES {
        bail!("{} has more than {MAX_MAPPING_BYTES} bytes", told());
    }
    let text = std::fs::read_to_string(path).wrap_err_with(told)?;
    toml::from_str(&text).wrap_err_with(told)
}

/// Reads books by what they begin with: a mark of Parquet, an angle bracket of XML, or else lines.
fn read_books(path: &Path, settings: &Settings) -> Result<Books> {
    let told = || format!("books {}", path.display());
    let mut file = File::open(path).wrap_err_with(told)?;
    let bytes = file.metadata().wrap_err_with(told)?.len();
    if bytes > MAX_BOOKS_BYTES {
        bail!(
            "{} has {bytes} bytes, more than the {MAX_BOOKS_BYTES} that are read: split it by time",
            told()
        );
    }
    let mut begin = Vec::new();
    file.by_ref().take(4).read_to_end(&mut begin).wrap_err_with(told)?;
    file.rewind().wrap_err_with(told)?;
    if begin == b"PAR1" {
        return read_parquet(file, settings).wrap_err_with(told);
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content).wrap_err_with(told)?;
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
    match text.trim_ascii_start().first() {
        Some(b'<') => read_camt(text, settings).wrap_err_with(told),
        _ => read_csv(text, settings).wrap_err_with(told),
    }
}
