//! Proposals on the chain's parameters and the next protocol version.

use clap::{Args, Subcommand};
use concordat_core::governance::abi::IGovernance;
use concordat_governance::{Action, action::Parameters};
use eyre::Result;

use super::args::{Proposable, Proposing};
use crate::{gov::ask, sender::SenderArgs};

/// Subcommands of `concordat gov propose` on the chain's parameters and the next protocol version.
#[derive(Subcommand)]
pub enum ParameterCommand {
    /// The chain's parameters from the next block on. What is not named stays as it is.
    SetParameters(Proposing<ParametersArgs>),
    /// The next protocol version from a height on, or that it does not come (`concordat gov announce-version`).
    SetProtocolVersion(Proposing<VersionArgs>),
}

impl ParameterCommand {
    pub fn run(self, json: bool) -> Result<()> {
        match self {
            Self::SetParameters(args) => args.propose(json),
            Self::SetProtocolVersion(args) => args.propose(json),
        }
    }
}

#[derive(Args)]
pub struct ParametersArgs {
    /// Largest encoded block, in bytes.
    #[arg(long, value_name = "BYTES")]
    block_max_bytes: Option<u64>,
    /// Gas of all transactions of a block together.
    #[arg(long, value_name = "GAS")]
    block_gas_limit: Option<u64>,
    /// With nothing to do, a block is made this often, in milliseconds.
    #[arg(long, value_name = "MS")]
    empty_block_interval_ms: Option<u64>,
    /// How far the clocks of two correct nodes may differ, in milliseconds.
    #[arg(long, value_name = "MS")]
    clock_precision_ms: Option<u64>,
    /// How long a proposal may travel, in milliseconds.
    #[arg(long, value_name = "MS")]
    message_delay_ms: Option<u64>,
}

impl Proposable for ParametersArgs {
    fn action(&self, sender: &SenderArgs) -> Result<Action> {
        let now = ask(&sender.node.connect()?, &IGovernance::parametersCall {})?;
        Ok(Action::SetParameters(Parameters {
            block_max_bytes: self.block_max_bytes.unwrap_or(now.blockMaxBytes),
            block_gas_limit: self.block_gas_limit.unwrap_or(now.blockGasLimit),
            empty_block_interval_ms: self.empty_block_interval_ms.unwrap_or(now.emptyBlockIntervalMs),
            clock_precision_ms: self.clock_precision_ms.unwrap_or(now.clockPrecisionMs),
            message_delay_ms: self.message_delay_ms.unwrap_or(now.messageDelayMs),
        }))
    }
}

#[derive(Args)]
pub struct VersionArgs {
    /// The next version; the one after that which runs, if it is not said.
    #[arg(value_name = "VERSION", conflicts_with = "cancel")]
    next: Option<u64>,
    /// The first height of that version, at least 100 blocks after the proposal is executed.
    #[arg(long, required_unless_present = "cancel")]
    height: Option<u64>,
    /// What is scheduled does not come.
    #[arg(long, conflicts_with = "height")]
    cancel: bool,
}

impl Proposable for VersionArgs {
    fn action(&self, sender: &SenderArgs) -> Result<Action> {
        let running =
            || -> Result<u64> { Ok(ask(&sender.node.connect()?, &IGovernance::protocolCall {})?.running) };
        let version = match (self.cancel, self.next) {
            (true, _) => running()?,
            (false, Some(next)) => next,
            (false, None) => running()?.saturating_add(1),
        };
        Ok(Action::SetProtocolVersion { version, height: self.height.unwrap_or(0) })
    }
}
