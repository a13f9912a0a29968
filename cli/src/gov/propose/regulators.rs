//! Proposals on regulators.

use alloy_primitives::Address;
use clap::{Args, Subcommand};
use concordat_governance::{
    Action,
    regulator::{Mandate, Power},
};
use concordat_types::OrgId;
use eyre::Result;

use super::args::{BasisArgs, Proposable, Proposing};
use crate::sender::SenderArgs;

/// Subcommands of `concordat gov propose` on regulators.
#[derive(Subcommand)]
pub enum RegulatorCommand {
    /// A regulator: registered, or with another mandate. It must consent (`concordat gov consent`).
    AdmitRegulator(Proposing<MandateArgs>),
    /// A regulator goes. The last one must consent.
    RetireRegulator(Proposing<RegulatorArgs>),
    /// A regulator's order is confirmed, so that it does not lapse.
    ConfirmOrder(Proposing<OrderArgs>),
    /// A regulator's order is lifted.
    LiftOrder(Proposing<OrderArgs>),
}

impl RegulatorCommand {
    pub fn run(self, json: bool) -> Result<()> {
        match self {
            Self::AdmitRegulator(args) => args.propose(json),
            Self::RetireRegulator(args) => args.propose(json),
            Self::ConfirmOrder(args) => args
                .propose_as(|it| Ok(Action::ConfirmOrder { order: it.order, basis: it.basis.read()? }), json),
            Self::LiftOrder(args) => {
                args.propose_as(|it| Ok(Action::LiftOrder { order: it.order, basis: it.basis.read()? }), json)
            }
        }
    }
}

#[derive(Args)]
pub struct MandateArgs {
    /// Its account, enrolled with the role regulator.
    account: Address,
    /// For which law it stands.
    #[arg(long, value_name = "TEXT")]
    jurisdiction: String,
    /// What it may do: observe, freeze-accounts, freeze-contracts, veto or demand-correction; repeat it for each.
    #[arg(long, value_name = "POWER", required = true)]
    power: Vec<Power>,
    /// An organisation that it supervises; repeat it for each. Without: all.
    #[arg(long, value_name = "ID", conflicts_with = "no_organisations")]
    organisation: Vec<OrgId>,
    /// It supervises no organisation, but contracts.
    #[arg(long)]
    no_organisations: bool,
    /// A contract that it supervises; repeat it for each. Without: all.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_contracts")]
    contract: Vec<Address>,
    /// It supervises no contract, but organisations.
    #[arg(long)]
    no_contracts: bool,
    /// The last height at which it holds; without, until it is retired.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    until: u64,
}

impl Proposable for MandateArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let organisations = self.no_organisations || !self.organisation.is_empty();
        let contracts = self.no_contracts || !self.contract.is_empty();
        let mandate = Mandate {
            jurisdiction: self.jurisdiction.clone(),
            organisations: organisations.then(|| self.organisation.iter().cloned().collect()),
            contracts: contracts.then(|| self.contract.iter().copied().collect()),
            powers: self.power.iter().copied().collect(),
            until: self.until,
        };
        Ok(Action::AdmitRegulator { account: self.account, mandate })
    }
}

#[derive(Args)]
pub struct RegulatorArgs {
    /// An account of the regulator's identity.
    account: Address,
}

impl Proposable for RegulatorArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::RetireRegulator { account: self.account })
    }
}

#[derive(Args)]
pub struct OrderArgs {
    /// The order's number.
    order: u64,
    #[command(flatten)]
    basis: BasisArgs,
}
