//! `concordat audit evidence` and `verify-evidence`: what somebody did, as a signed file that others can check.
//!
//! A package holds records, the proof that they are whole, and what the proof rests on. A manifest names every file by its
//! hash, and the signature is over the manifest. Whoever verifies needs the genesis document, no node and no database.

use std::{io::Write as _, path::PathBuf};

use clap::Args;
use concordat_evidence::{Case, Found, Package, Seal, Wanted, check_reference, roots};
use concordat_types::activity::Subject;
use eyre::{Result, WrapErr as _};

use super::{
    activity::obtain,
    database::{DatabaseArgs, runtime},
};
use crate::{
    client::NodeArgs,
    genesis,
    keys::{KeyArgs, certificates},
    output,
};

/// Arguments of `concordat audit evidence`.
#[derive(Args)]
pub struct EvidenceArgs {
    /// Who it is about: an address, or the id of an organisation.
    #[arg(long)]
    subject: Subject,
    /// The first height.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// The last height; the newest if absent.
    #[arg(long)]
    to: Option<u64>,
    /// The genesis document, compared with the other members.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    #[command(flatten)]
    at: DatabaseArgs,
    /// CometBFT RPC of the node.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:26657")]
    comet: String,
    #[command(flatten)]
    node: NodeArgs,
    /// The reference of the case.
    #[arg(long, value_name = "TEXT")]
    case: String,
    #[command(flatten)]
    key: KeyArgs,
    /// PEM of the signer's certificate and of the authorities above it, leaf first, root left out.
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// A folder with PEM of the roots that the signer's certificate chains to; those of the genesis document if absent.
    #[arg(long, value_name = "DIR")]
    roots: Option<PathBuf>,
    /// The package to write, which must not be there.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// Arguments of `concordat audit verify-evidence`.
#[derive(Args)]
pub struct VerifyArgs {
    /// The package.
    file: PathBuf,
    /// The genesis document, compared with the other members.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// A folder with PEM of the roots that the signer's certificate may chain to; those of the genesis document if absent.
    #[arg(long, value_name = "DIR")]
    roots: Option<PathBuf>,
}

/// Runs `concordat audit evidence`.
pub fn make(args: &EvidenceArgs, json: bool) -> Result<()> {
    check_reference(&args.case)?;
    let genesis = genesis::read(&args.genesis)?;
    let roots = roots(args.roots.as_deref(), &genesis)?;
    let seal = Seal::new(&args.key.open()?, certificates(&args.certificate)?)?;
    let wanted = Wanted { subject: args.subject.clone(), from: args.from, to: args.to };
    let (proof, checked) = obtain(&wanted, &genesis, (&args.node, &args.comet), json)?;
    output::progress(json, format!("{} transactions are proven", checked.seen.len()));
    let (range, places) = ((proof.from, proof.to), checked.places());
    let database = args.at.database()?;
    let reading = concordat_sql::export::records(&database, &proof.subject, range, &places, None);
    let told = runtime()?.block_on(reading)?;
    let package = Package::make(&args.case, &genesis, (&proof, &checked), told, (&seal, &roots))?;
    let bytes = package.to_zip()?;
    let shown = || format!("package {}", args.output.display());
    let mut file = std::fs::File::create_new(&args.output).wrap_err_with(shown)?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).wrap_err_with(shown)?;
    output::show(json, &package.found, describe)
}

/// Runs `concordat audit verify-evidence`.
pub fn verify(args: &VerifyArgs, json: bool) -> Result<()> {
    let genesis = genesis::read(&args.genesis)?;
    let roots = roots(args.roots.as_deref(), &genesis)?;
    let files = concordat_evidence::read(&args.file)?;
    output::show(json, &concordat_evidence::check(&files, &genesis, &roots)?, describe)
}

fn describe(found: &Found) -> String {
    let Found { case, signer, files, records, signatures } = found;
    let Case { chain_id, subject, from, to, signed_by, transactions, .. } = case;
    format!(
        "case {}: chain {chain_id}, {subject}, blocks {from} to {to}\n\
         signed by {}, certificate {}\n\
         {files} files are as they were signed; {transactions} transactions are all in which {subject} had a part, by the \
         state that block {} {} signs ({signatures} signatures)\n\
         {records} records of them say what is proven",
        case.case, signer.subject, signer.sha256, signed_by.height, signed_by.hash,
    )
}
