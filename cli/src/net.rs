//! `concordat net`: a network of real processes on this machine, each bank with its own authority.

mod layout;
mod made;
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

/// What the network looks like. What is left out has its default when the network is made, and stays as it was made
/// afterwards.
#[derive(Args, Clone)]
pub struct NetArgs {
    /// How many banks, each with one validator [default: 4].
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=32))]
    validators: Option<u8>,
    /// How many further nodes follow without voting [default: 0].
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=16))]
    observers: Option<u8>,
    /// The network's folder.
    #[arg(long, value_name = "DIR", default_value = ".concordat-net")]
    home: PathBuf,
    /// First port. Node i uses base+10·i (peers), +1 (Ethereum RPC), +2 (CometBFT RPC), +3 (operations) [default: 28000].
    #[arg(long)]
    base_port: Option<u16>,
    /// With nothing to do, make a block this often, in milliseconds [default: 10000].
    #[arg(long, value_name = "MS")]
    empty_block_interval_ms: Option<u64>,
    /// Log filter of the nodes [default: info].
    #[arg(long)]
    log: Option<String>,
}

impl NetArgs {
    fn validators(&self) -> u8 {
        self.validators.unwrap_or(4)
    }

    fn observers(&self) -> u8 {
        self.observers.unwrap_or(0)
    }

    fn base_port(&self) -> u16 {
        self.base_port.unwrap_or(28_000)
    }

    fn empty_block_interval_ms(&self) -> u64 {
        self.empty_block_interval_ms.unwrap_or(10_000)
    }

    fn log(&self) -> &str {
        self.log.as_deref().unwrap_or("info")
    }
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
