//! ABIs that are registered in the regulator's database, and the events that they tell of.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use alloy_primitives::Address;
use clap::Args;
use concordat_sql::{Abi, MAX_ABI_BYTES};
use eyre::{Result, WrapErr as _};

use super::database::{DatabaseArgs, runtime};
use crate::output;

/// Arguments of `concordat audit register-abi`.
#[derive(Args)]
pub struct RegisterArgs {
    #[command(flatten)]
    at: DatabaseArgs,
    /// The contract whose events it describes; of a proxy, the proxy.
    #[arg(long, value_name = "ADDRESS")]
    contract: Address,
    /// The JSON ABI, or a compiler's output with a field `abi`.
    #[arg(long, value_name = "FILE")]
    abi: PathBuf,
}

/// Arguments of `concordat audit decode`.
#[derive(Args)]
pub struct DecodeArgs {
    #[command(flatten)]
    at: DatabaseArgs,
    /// The first height; that of the genesis if absent.
    #[arg(long)]
    from: Option<u64>,
    /// The last height; where the database stands if absent.
    #[arg(long)]
    to: Option<u64>,
}

/// Runs `concordat audit register-abi`.
pub fn register(args: &RegisterArgs, json: bool) -> Result<()> {
    let abi = Abi::parse(&read(&args.abi)?).wrap_err_with(|| args.abi.display().to_string())?;
    let database = args.at.database()?;
    let registered = runtime()?.block_on(concordat_sql::register(&database, args.contract, &abi))?;
    output::show(json, &registered, |registered| {
        let (contract, events, height) = (registered.contract, registered.events, registered.height);
        match registered.was_there {
            true => format!("{contract} has this ABI already"),
            false => format!(
                "{events} events of {contract} are decoded from now on; those up to block {height} by \
                 `concordat audit decode`"
            ),
        }
    })
}

/// Runs `concordat audit decode`.
pub fn decode(args: &DecodeArgs, json: bool) -> Result<()> {
    let database = args.at.database()?;
    let decoded = runtime()?.block_on(concordat_sql::decode(&database, args.from, args.to))?;
    output::show(json, &decoded, |decoded| {
        let (from, to, contracts) = (decoded.from, decoded.to, decoded.contracts);
        let (events, logs) = (decoded.events, decoded.logs);
        format!(
            "blocks {from} to {to}: {events} of {logs} logs of {contracts} contracts are told by their ABIs"
        )
    })
}

/// The text of a file, a byte more than an ABI may have at most.
fn read(file: &Path) -> Result<String> {
    let about = || file.display().to_string();
    let most = u64::try_from(MAX_ABI_BYTES)?.saturating_add(1);
    let mut text = String::new();
    File::open(file).wrap_err_with(about)?.take(most).read_to_string(&mut text).wrap_err_with(about)?;
    Ok(text)
}
