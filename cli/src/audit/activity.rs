//! `concordat audit prove` and `verify`: that nothing of somebody's activity was left out, altered or reordered.
//!
//! `prove` asks a node and writes a file; `verify` needs that file and the genesis document, no node and no network.

mod file;

use std::path::PathBuf;

use alloy_primitives::B256;
use clap::Args;
use concordat_types::{
    Genesis,
    activity::{Seen, Subject, roles},
};
use eyre::{Result, bail};
use serde::Serialize;
use serde_json::{Value, json};

pub use self::file::{ActivityFile, Checked};
use crate::{
    client::{Client, NodeArgs, quantity},
    genesis, output,
    verify::{LightClient, next_header},
};

/// Arguments of `concordat audit prove`.
#[derive(Args)]
pub struct ProveArgs {
    /// Whose activity: an address, or the id of an organisation.
    subject: Subject,
    /// The first height.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// The last height; the newest if absent.
    #[arg(long)]
    to: Option<u64>,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// The genesis document, compared with the other members.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// CometBFT RPC of the node.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:26657")]
    comet: String,
    #[command(flatten)]
    node: NodeArgs,
}

/// Arguments of `concordat audit verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// The file that `concordat audit prove` has written.
    file: PathBuf,
    /// The genesis document, compared with the other members.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
}

/// What is proven.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Proven {
    chain_id: String,
    subject: Subject,
    from: u64,
    to: u64,
    /// The block that signs the state all this rests on.
    signed_by: u64,
    hash: String,
    headers_verified: usize,
    signatures_checked: u64,
    /// All of them, the newest block's first.
    transactions: Vec<Told>,
}

/// A transaction in which the subject had a part.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    height: u64,
    time_secs: u64,
    index: u32,
    hash: B256,
    roles: String,
    outcome: &'static str,
}

/// Whose activity, in which range, asked of which node.
pub struct Wanted<'a> {
    /// Who.
    pub subject: &'a Subject,
    /// The first height.
    pub from: u64,
    /// The last height; the newest if absent.
    pub to: Option<u64>,
    /// CometBFT RPC of the node.
    pub comet: &'a str,
    /// The node.
    pub node: &'a NodeArgs,
}

/// Runs `concordat audit prove`.
pub fn prove(args: &ProveArgs, json: bool) -> Result<()> {
    let genesis = genesis::read(&args.genesis)?;
    let ProveArgs { subject, from, to, comet, node, .. } = args;
    let (file, checked) = obtain(&Wanted { subject, from: *from, to: *to, comet, node }, &genesis, json)?;
    file.write(&args.output)?;
    show(&file, checked, json)
}

/// Asks a node for a proof, and checks it: nothing is handed on that would be refused.
pub fn obtain(wanted: &Wanted<'_>, genesis: &Genesis, json: bool) -> Result<(ActivityFile, Checked)> {
    let eth = wanted.node.connect()?;
    let mut light = LightClient::start(genesis, wanted.node.connect_to(wanted.comet)?)?;
    light.keep_blocks();
    let to = wanted.to.map_or_else(|| eth.height(), Ok)?;
    let mut answer = ask(&eth, wanted, to, None)?;
    let anchor = quantity(&answer["anchor"])?;
    let range = (wanted.subject.clone(), wanted.from, to);
    let mut file = ActivityFile::new(genesis, range, anchor, &answer["state"])?;
    loop {
        file.extend(&answer["blocks"])?;
        if answer["next"].is_null() {
            break;
        }
        let next = quantity(&answer["next"])?;
        output::progress(json, format!("{} blocks; next: {next}", file.blocks()));
        answer = ask(&eth, wanted, to, Some((anchor, next)))?;
    }
    next_header(&mut light, anchor)?;
    file.headers = light.kept_blocks();
    let checked = file.check(genesis)?;
    Ok((file, checked))
}

fn ask(eth: &Client, wanted: &Wanted<'_>, to: u64, page: Option<(u64, u64)>) -> Result<Value> {
    let hex = |number: u64| format!("{number:#x}");
    let (anchor, next) = page.map(|(anchor, next)| (hex(anchor), hex(next))).unzip();
    let answer =
        eth.call("concordat_getActivity", json!([wanted.subject, hex(wanted.from), hex(to), anchor, next]))?;
    if page.is_some() && answer["blocks"].as_array().is_none_or(Vec::is_empty) {
        bail!("the node ends its answer before the range begins");
    }
    Ok(answer)
}

/// Runs `concordat audit verify`.
pub fn verify(args: &VerifyArgs, json: bool) -> Result<()> {
    let genesis = genesis::read(&args.genesis)?;
    let file = ActivityFile::read(&args.file)?;
    let checked = file.check(&genesis)?;
    show(&file, checked, json)
}

fn show(file: &ActivityFile, checked: Checked, json: bool) -> Result<()> {
    let Checked { header, signatures, seen } = checked;
    let proven = Proven {
        chain_id: file.chain_id.clone(),
        subject: file.subject.clone(),
        from: file.from,
        to: file.to,
        signed_by: header.height.value(),
        hash: header.hash().to_string(),
        headers_verified: file.headers.len(),
        signatures_checked: signatures,
        transactions: seen.iter().map(told).collect(),
    };
    output::show(json, &proven, describe)
}

fn told(seen: &Seen) -> Told {
    let (height, time_secs) = seen.block;
    Told {
        height,
        time_secs,
        index: seen.part.index,
        hash: seen.receipt.tx_hash,
        roles: roles::describe(seen.part.roles),
        outcome: seen.receipt.outcome.describe(),
    }
}

fn describe(proven: &Proven) -> String {
    let Proven { subject, from, to, transactions, .. } = proven;
    let mut out = format!(
        "chain {}: {subject} had a part in {} transactions of blocks {from} to {to}, and in no other of them\n\
         by the state that block {} {} signs: {} headers, {} signatures, from the genesis document on\n",
        proven.chain_id,
        transactions.len(),
        proven.signed_by,
        proven.hash,
        proven.headers_verified,
        proven.signatures_checked,
    );
    for told in transactions {
        let Told { height, index, hash, roles, outcome, .. } = told;
        out.push_str(&format!("block {height}, transaction {index} {hash}: {roles}; {outcome}\n"));
    }
    out
}
