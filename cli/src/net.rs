//! `concordat net`: a network of real processes on this machine, each bank with its own authority.

mod layout;
mod run;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use eyre::Result;

pub use layout::Network;

/// Subcommands of `concordat net`.
#[derive(Subcommand)]
pub enum NetCommand {
    /// Make the authorities, certificates, keys, genesis and configuration of a local network.
    Init(NetArgs),
    /// Run a local network until Ctrl-C, making it first if the folder is empty.
    Up(NetArgs),
}

/// What the network looks like.
#[derive(Args, Clone)]
pub struct NetArgs {
    /// How many banks, each with one validator.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    validators: u8,
    /// How many further nodes follow without voting.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=16))]
    observers: u8,
    /// The network's folder.
    #[arg(long, value_name = "DIR", default_value = ".concordat-net")]
    home: PathBuf,
    /// First port. Node i uses base+10·i (peers), +1 (Ethereum RPC), +2 (CometBFT RPC), +3 (operations).
    #[arg(long, default_value_t = 28_000)]
    base_port: u16,
    /// With nothing to do, make a block this often, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    empty_block_interval_ms: u64,
    /// Log filter of the nodes.
    #[arg(long, default_value = "info")]
    log: String,
}

/// Runs `concordat net`.
pub fn run(command: NetCommand, json: bool) -> Result<()> {
    match command {
        NetCommand::Init(args) => {
            let network = layout::create(&args, json)?;
            crate::output::show(json, &network, Network::describe)
        }
        NetCommand::Up(args) => run::up(&args, json),
    }
}
