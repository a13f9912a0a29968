//! `concordat audit prove` and `verify`: that nothing of somebody's activity was left out, altered or reordered.
//!
//! `prove` asks a node and writes a file; `verify` needs that file and the genesis document, no node and no network.

use std::path::PathBuf;

use alloy_primitives::B256;
use clap::Args;
use concordat_evidence::{ActivityFile, Checked, Limits, Wanted};
use concordat_light::Rpc;
use concordat_types::{
    Genesis,
    activity::{Seen, Subject, roles},
};
use eyre::Result;
use serde::Serialize;

use crate::{client::NodeArgs, genesis, output};

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
    /// Whether the state knows the subject. Of an address that never enrolled and has no code nothing is kept.
    covered: bool,
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

/// Runs `concordat audit prove`.
pub fn prove(args: &ProveArgs, json: bool) -> Result<()> {
    let genesis = genesis::read(&args.genesis)?;
    let wanted = Wanted { subject: args.subject.clone(), from: args.from, to: args.to };
    let (file, checked) = obtain(&wanted, &genesis, (&args.node, &args.comet), json)?;
    file.write(&args.output)?;
    show(&file, checked, json)
}

/// Asks a node for a proof, and checks it.
pub fn obtain(
    wanted: &Wanted,
    genesis: &Genesis,
    (node, comet): (&NodeArgs, &str),
    json: bool,
) -> Result<(ActivityFile, Checked)> {
    let (eth, comet) = (node.connect()?, node.connect_to(comet)?);
    let mut tell = |text| output::progress(json, text);
    Ok(concordat_evidence::obtain(wanted, genesis, (&eth as &dyn Rpc, comet), Limits::NONE, &mut tell)?)
}

/// Runs `concordat audit verify`.
pub fn verify(args: &VerifyArgs, json: bool) -> Result<()> {
    let genesis = genesis::read(&args.genesis)?;
    let file = ActivityFile::read(&args.file)?;
    let checked = file.check(&genesis)?;
    show(&file, checked, json)
}

fn show(file: &ActivityFile, checked: Checked, json: bool) -> Result<()> {
    let Checked { header, signatures, seen, covered } = checked;
    let proven = Proven {
        chain_id: file.chain_id.clone(),
        subject: file.subject.clone(),
        from: file.from,
        to: file.to,
        signed_by: header.height.value(),
        hash: header.hash().to_string(),
        headers_verified: file.headers.len(),
        signatures_checked: signatures,
        covered,
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
    let Proven { subject, from, to, transactions, signed_by, hash, .. } = proven;
    let mut out = match proven.covered {
        true => format!(
            "chain {}: {subject} had a part in {} transactions of blocks {from} to {to}, and in no other of them\n",
            proven.chain_id,
            transactions.len(),
        ),
        false => format!(
            "chain {}: {subject} is not covered. It never acted on this chain: no account enrolled with it, no code is there, \
             and no organisation's accounts acted by that name. What others did with it, such as tokens that it was sent, is \
             not kept\n",
            proven.chain_id,
        ),
    };
    out.push_str(&format!(
        "by the state that block {signed_by} {hash} signs: {} headers, {} signatures, from the genesis document on\n",
        proven.headers_verified, proven.signatures_checked,
    ));
    for told in transactions {
        let Told { height, index, hash, roles, outcome, .. } = told;
        out.push_str(&format!("block {height}, transaction {index} {hash}: {roles}; {outcome}\n"));
    }
    out
}
