//! Proposals on contracts: freezes, administrators, attributes.

use std::{fs, path::PathBuf};

use alloy_primitives::Address;
use clap::{Args, Subcommand};
use concordat_governance::Action;
use eyre::{Result, WrapErr as _};

use super::args::{BasisArgs, Proposable, Proposing};
use crate::sender::SenderArgs;

/// Subcommands of `concordat gov propose` on contracts: freezes, administrators, attributes.
#[derive(Subcommand)]
pub enum ContractCommand {
    /// Calls of a contract are refused.
    FreezeContract(Proposing<FreezeContractArgs>),
    /// A frozen contract answers again.
    UnfreezeContract(Proposing<ContractArgs>),
    /// Calls of a contract are refused for good.
    RetireContract(Proposing<ContractArgs>),
    /// Who keeps a contract's lists.
    SetContractAdministrator(Proposing<AdministratorArgs>),
    /// Freezes a contract at once, for a while.
    EmergencyFreezeContract(Proposing<ContractArgs>),
    /// What is attested of a contract, in place of what was attested before, from its JSON (docs/committee.md).
    SetAttributes(Proposing<AttributesArgs>),
    /// Nothing is attested of a contract any more.
    RevokeAttributes(Proposing<ContractArgs>),
}

impl ContractCommand {
    pub fn run(self, json: bool) -> Result<()> {
        match self {
            Self::FreezeContract(args) => args.propose(json),
            Self::UnfreezeContract(args) => args.propose_as(
                |it| Ok(Action::UnfreezeContract { contract: it.contract, basis: it.basis.read()? }),
                json,
            ),
            Self::RetireContract(args) => args.propose_as(
                |it| Ok(Action::RetireContract { contract: it.contract, basis: it.basis.read()? }),
                json,
            ),
            Self::SetContractAdministrator(args) => args.propose(json),
            Self::EmergencyFreezeContract(args) => args.propose_as(
                |it| Ok(Action::EmergencyFreezeContract { contract: it.contract, basis: it.basis.read()? }),
                json,
            ),
            Self::SetAttributes(args) => args.propose(json),
            Self::RevokeAttributes(args) => args.propose_as(
                |it| Ok(Action::RevokeAttributes { contract: it.contract, basis: it.basis.read()? }),
                json,
            ),
        }
    }
}

#[derive(Args)]
pub struct FreezeContractArgs {
    /// The contract.
    contract: Address,
    #[command(flatten)]
    basis: BasisArgs,
    /// The last height at which it binds; without, until it is lifted.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    until: u64,
}

impl Proposable for FreezeContractArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let Self { contract, basis, until } = self;
        Ok(Action::FreezeContract { contract: *contract, basis: basis.read()?, until: *until })
    }
}

#[derive(Args)]
pub struct ContractArgs {
    /// The contract.
    contract: Address,
    #[command(flatten)]
    basis: BasisArgs,
}

#[derive(Args)]
pub struct AdministratorArgs {
    /// The contract.
    contract: Address,
    /// An operator or developer; the zero address: nobody.
    administrator: Address,
}

impl Proposable for AdministratorArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let Self { contract, administrator } = *self;
        Ok(Action::SetContractAdministrator { contract, administrator })
    }
}

#[derive(Args)]
pub struct AttributesArgs {
    /// The contract.
    contract: Address,
    /// JSON of the attributes (docs/committee.md).
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

impl Proposable for AttributesArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let text = fs::read_to_string(&self.file).wrap_err_with(|| self.file.display().to_string())?;
        let attributes = serde_json::from_str(&text)
            .wrap_err_with(|| format!("{} does not hold attributes", self.file.display()))?;
        Ok(Action::SetAttributes { contract: self.contract, attributes })
    }
}
