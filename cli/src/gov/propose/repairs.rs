//! Proposals on rollbacks, upgrades and corrections of contracts.

use std::path::PathBuf;

use alloy_primitives::{Address, Bytes};
use clap::{Args, Subcommand};
use concordat_governance::Action;
use eyre::Result;

use super::args::{BasisArgs, Proposable, Proposing};
use crate::{contract, rollback, sender::SenderArgs};

/// Subcommands of `concordat gov propose` on rollbacks, upgrades and corrections of contracts.
#[derive(Subcommand)]
pub enum RepairCommand {
    /// Slots of contracts get back what they held at an earlier height, by a plan (`concordat rollback plan`).
    RollBack(Proposing<RollBackArgs>),
    /// A governed proxy hands its calls on to another implementation, or to an earlier one again.
    UpgradeContract(Proposing<UpgradeArgs>),
    /// A token that has made the committee its agent is corrected: tokens are seized, replenished, frozen.
    Correct(Proposing<CorrectArgs>),
}

impl RepairCommand {
    pub fn run(self, json: bool) -> Result<()> {
        match self {
            Self::RollBack(args) => args.propose(json),
            Self::UpgradeContract(args) => args.propose(json),
            Self::Correct(args) => args.propose(json),
        }
    }
}

#[derive(Args)]
pub struct RollBackArgs {
    /// The plan (`concordat rollback plan`).
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    #[command(flatten)]
    basis: BasisArgs,
}

impl Proposable for RollBackArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::RollBack(rollback::read(&self.plan, self.basis.read()?)?))
    }
}

#[derive(Args)]
pub struct UpgradeArgs {
    /// The proxy.
    contract: Address,
    /// What its calls are to be handed on to; an earlier implementation to roll back.
    implementation: Address,
    /// A function of that implementation, `migrate(uint256)`, by which the proxy is called in the same execution to migrate its
    /// storage; its arguments behind.
    #[arg(long, value_name = "FUNCTION")]
    migrate: Option<String>,
    /// The arguments of that function.
    #[arg(value_name = "ARGUMENT", requires = "migrate")]
    arguments: Vec<String>,
    /// The same call in hex, or a file that holds it.
    #[arg(long, value_name = "HEX", conflicts_with = "migrate")]
    migrate_data: Option<String>,
}

impl UpgradeArgs {
    fn migration(&self) -> Result<Bytes> {
        match (&self.migrate, &self.migrate_data) {
            (Some(function), _) => Ok(contract::encode_call(function, &self.arguments)?.1),
            (None, Some(data)) => contract::read_hex(data),
            (None, None) => Ok(Bytes::new()),
        }
    }
}

impl Proposable for UpgradeArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let (contract, implementation, migration) = (self.contract, self.implementation, self.migration()?);
        Ok(Action::UpgradeContract { contract, implementation, migration })
    }
}

#[derive(Args)]
pub struct CorrectArgs {
    /// The token.
    token: Address,
    /// The function: forcedTransfer(address,address,uint256), mint(address,uint256), burn(address,uint256),
    /// freezePartialTokens(address,uint256), unfreezePartialTokens(address,uint256), setAddressFrozen(address,bool) or
    /// recoveryAddress(address,address,address).
    function: String,
    /// Its arguments; amounts in the token's smallest unit.
    #[arg(value_name = "ARGUMENT")]
    arguments: Vec<String>,
    #[command(flatten)]
    basis: BasisArgs,
}

impl Proposable for CorrectArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let (_, call) = contract::encode_call(&self.function, &self.arguments)?;
        Ok(Action::Correct { contract: self.token, call, basis: self.basis.read()? })
    }
}
