//! `concordat audit token`, `get` and `submit`: a small client of the service of supervisors.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::Bytes;
use clap::Args;
use eyre::{Result, WrapErr as _, bail};
use serde_json::{Value, json};
use ureq::Body;

use crate::{client::TlsArgs, output};

/// Which service, and how to show who is asking.
#[derive(Args)]
pub struct ServiceArgs {
    /// The service.
    #[arg(
        long,
        value_name = "URL",
        env = "CONCORDAT_REGULATOR_API",
        default_value = "https://127.0.0.1:8443"
    )]
    service: String,
    #[command(flatten)]
    tls: TlsArgs,
}

/// Arguments of `concordat audit token`.
#[derive(Args)]
pub struct TokenArgs {
    #[command(flatten)]
    service: ServiceArgs,
    /// What is read for, such as `supervision`.
    #[arg(long)]
    purpose: String,
    /// The case that it belongs to.
    #[arg(long)]
    case: String,
    /// Nothing but this organisation; may be given several times.
    #[arg(long = "organisation", value_name = "ID")]
    organisations: Vec<String>,
    /// Nothing but this contract; may be given several times.
    #[arg(long = "contract", value_name = "ADDRESS")]
    contracts: Vec<String>,
}

/// Arguments of `concordat audit get`.
#[derive(Args)]
pub struct GetArgs {
    /// The path with its query, such as `/v1/transactions?limit=10`.
    path: String,
    #[command(flatten)]
    service: ServiceArgs,
    /// A file with the token that `concordat audit token` has printed.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Give up after so many seconds; a stream goes on until it ends if absent.
    #[arg(long, value_name = "SECONDS")]
    timeout_secs: Option<u64>,
    /// An export as one file in Parquet, for `> file`; otherwise it is a JSON document a line.
    #[arg(long)]
    parquet: bool,
    /// All pages of a list from this one on, a row a line. A page may be short, even empty, and be followed by others.
    #[arg(long, conflicts_with = "parquet")]
    all: bool,
}

/// Arguments of `concordat audit submit`.
#[derive(Args)]
pub struct SubmitArgs {
    /// The signed transaction in hex, as `concordat order … --offline` prints it.
    raw: Bytes,
    #[command(flatten)]
    service: ServiceArgs,
    /// A file with the token that `concordat audit token` has printed.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
}

/// Runs `concordat audit token`.
pub fn token(args: &TokenArgs, json: bool) -> Result<()> {
    let some = |names: &Vec<String>| (!names.is_empty()).then(|| names.clone());
    let body = json!({
        "purpose": args.purpose,
        "case": args.case,
        "organisations": some(&args.organisations),
        "contracts": some(&args.contracts),
    });
    let agent = args.service.tls.agent(&args.service.service, Some(Duration::from_secs(30)))?;
    let url = format!("{}/v1/token", args.service.service.trim_end_matches('/'));
    let mut response = agent.post(&url).send_json(&body).wrap_err_with(|| url.clone())?;
    let answer: Value = response.body_mut().read_json().wrap_err("the answer is no JSON")?;
    let Some(token) = answer["access_token"].as_str() else { bail!(problem(&answer)) };
    output::show(json, &answer, |_| token.to_owned())
}

/// Runs `concordat audit submit`.
pub fn submit(args: &SubmitArgs, json: bool) -> Result<()> {
    let header = bearer(&args.token_file)?;
    let agent = args.service.tls.agent(&args.service.service, Some(Duration::from_secs(90)))?;
    let url = format!("{}/v1/orders", args.service.service.trim_end_matches('/'));
    let request = agent.post(&url).header("Authorization", &header);
    let mut response = request.send_json(json!({ "raw": args.raw })).wrap_err_with(|| url.clone())?;
    let answer: Value = response.body_mut().read_json().wrap_err("the answer is no JSON")?;
    let (Some(hash), Some(says)) = (answer["hash"].as_str(), answer["says"].as_str()) else {
        bail!(problem(&answer))
    };
    output::show(json, &answer, |_| format!("{hash} is handed on: {says}"))
}

/// The header that a token is brought in.
fn bearer(file: &Path) -> Result<String> {
    let token = std::fs::read_to_string(file).wrap_err_with(|| format!("token file {}", file.display()))?;
    Ok(format!("Bearer {}", token.trim()))
}

/// Runs `concordat audit get`: prints what is answered as it comes.
pub fn get(args: &GetArgs, _: bool) -> Result<()> {
    let header = bearer(&args.token_file)?;
    let timeout = args.timeout_secs.map(Duration::from_secs);
    let agent = args.service.tls.agent(&args.service.service, timeout)?;
    let url = format!("{}{}", args.service.service.trim_end_matches('/'), args.path);
    let accepted = if args.parquet { "application/vnd.apache.parquet" } else { "*/*" };
    let ask = |url: &str| {
        let request = agent.get(url).header("Authorization", &header).header("Accept", accepted);
        let mut response = request.call().wrap_err_with(|| url.to_owned())?;
        if response.status().as_u16() != 200 {
            let answer: Value = response.body_mut().read_json().wrap_err("the answer is no JSON")?;
            bail!(problem(&answer));
        }
        Ok(response.into_body())
    };
    if args.all {
        return every_page(&url, ask);
    }
    io::copy(&mut ask(&url)?.as_reader(), &mut io::stdout()).wrap_err("the answer ended early")?;
    Ok(())
}

/// Prints the rows of pages until none follows.
fn every_page(url: &str, ask: impl Fn(&str) -> Result<Body>) -> Result<()> {
    let (mut page, mut out) = (url.to_owned(), io::stdout().lock());
    loop {
        let answer: Value = ask(&page)?.read_json().wrap_err("the answer is no JSON")?;
        let Some(rows) = answer["data"].as_array() else { bail!("{url} is no list: leave --all out") };
        for row in rows {
            writeln!(out, "{row}")?;
        }
        let Some(next) = answer["next"].as_str() else { return Ok(()) };
        let joint = if url.contains('?') { '&' } else { '?' };
        page = format!("{url}{joint}cursor={next}");
    }
}

/// What a problem says.
fn problem(answer: &Value) -> String {
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    format!("{} (code {}): {}", text("title"), answer["code"], text("detail"))
}
