//! `concordat submit`: sends a transaction that was signed elsewhere.

use alloy_primitives::Bytes;
use clap::Args;
use eyre::Result;

use crate::{client::NodeArgs, output, transaction};

/// Arguments of `concordat submit`.
#[derive(Args)]
pub struct SubmitArgs {
    /// The signed transaction in hex, as `--offline` prints it.
    raw: Bytes,
    #[command(flatten)]
    node: NodeArgs,
}

/// Runs `concordat submit`.
pub fn run(args: &SubmitArgs, json: bool) -> Result<()> {
    let receipt = transaction::submit(&args.node.connect()?, &args.raw)?;
    let hash = transaction::hash_of(&receipt)?;
    output::show(json, &receipt, |_| format!("{hash} succeeded"))
}
