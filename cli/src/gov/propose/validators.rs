//! Proposals on validators.

use std::path::PathBuf;

use alloy_primitives::B256;
use clap::{Args, Subcommand};
use concordat_governance::{Action, action::NewValidator};
use eyre::Result;

use super::args::{Proposable, Proposing, chain};
use crate::sender::SenderArgs;

/// Subcommands of `concordat gov propose` on validators.
#[derive(Subcommand)]
pub enum ValidatorCommand {
    /// A new validator.
    AdmitValidator(Proposing<ValidatorArgs>),
    /// A validator's voting power.
    SetValidatorPower(Proposing<PowerArgs>),
    /// A validator goes.
    RetireValidator(Proposing<KeyOfVotesArgs>),
}

impl ValidatorCommand {
    pub fn run(self, json: bool) -> Result<()> {
        match self {
            Self::AdmitValidator(args) => args.propose(json),
            Self::SetValidatorPower(args) => args.propose(json),
            Self::RetireValidator(args) => args.propose(json),
        }
    }
}

#[derive(Args)]
pub struct ValidatorArgs {
    /// PEM chain of the node's certificate, role validator.
    #[arg(long, value_name = "FILE")]
    node_certificate: PathBuf,
    /// PEM chain of the certificate of the key of its votes, role consensus.
    #[arg(long, value_name = "FILE")]
    consensus_certificate: PathBuf,
    /// Where nodes reach it, HOST:PORT.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// Its voting power.
    #[arg(long)]
    power: u64,
}

impl Proposable for ValidatorArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::AdmitValidator(NewValidator {
            node_chain: chain(&self.node_certificate)?,
            consensus_chain: chain(&self.consensus_certificate)?,
            node_address: self.address.clone(),
            power: self.power,
        }))
    }
}

#[derive(Args)]
pub struct PowerArgs {
    /// The key of its votes.
    consensus_key: B256,
    /// The new power.
    #[arg(long)]
    power: u64,
}

impl Proposable for PowerArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let Self { consensus_key, power } = *self;
        Ok(Action::SetValidatorPower { consensus_key, power })
    }
}

#[derive(Args)]
pub struct KeyOfVotesArgs {
    /// The key of its votes.
    consensus_key: B256,
}

impl Proposable for KeyOfVotesArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::RetireValidator { consensus_key: self.consensus_key })
    }
}
