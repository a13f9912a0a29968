//! Proposals on freezes and bars of accounts and nodes.

use alloy_primitives::{Address, B256};
use clap::{Args, Subcommand};
use concordat_governance::{
    Action,
    action::{BarTarget, Scope},
};
use eyre::{Result, bail};

use super::args::{BasisArgs, Proposable, Proposing};
use crate::sender::SenderArgs;

/// Subcommands of `concordat gov propose` on freezes and bars of accounts and nodes.
#[derive(Subcommand)]
pub enum AccountCommand {
    /// An account's transactions are refused.
    FreezeAccount(Proposing<FreezeArgs>),
    /// The same at once, for a while.
    EmergencyFreeze(Proposing<EmergencyArgs>),
    /// A frozen account acts again.
    UnfreezeAccount(Proposing<UnfreezeArgs>),
    /// An identity is shut out, with the subject of its certificate.
    BarAccount(Proposing<BarArgs>),
    /// The bar of an identity or a node is lifted.
    LiftBar(Proposing<LiftArgs>),
    /// A node is shut out. Retire a validator first.
    BarNode(Proposing<BarNodeArgs>),
}

impl AccountCommand {
    pub fn run(self, json: bool) -> Result<()> {
        match self {
            Self::FreezeAccount(args) => args.propose(json),
            Self::EmergencyFreeze(args) => args.propose(json),
            Self::UnfreezeAccount(args) => args.propose(json),
            Self::BarAccount(args) => args.propose(json),
            Self::LiftBar(args) => args.propose(json),
            Self::BarNode(args) => args.propose(json),
        }
    }
}

#[derive(Args)]
pub struct FreezeArgs {
    /// The account.
    account: Address,
    #[command(flatten)]
    basis: BasisArgs,
    /// all: whatever it sends; outgoing: its business alone.
    #[arg(long, default_value = "all")]
    scope: Scope,
    /// The last height at which it binds; without, until it is lifted.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    until: u64,
}

impl Proposable for FreezeArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let Self { account, basis, scope, until } = self;
        Ok(Action::FreezeAccount { account: *account, scope: *scope, basis: basis.read()?, until: *until })
    }
}

#[derive(Args)]
pub struct EmergencyArgs {
    /// The account.
    account: Address,
    #[command(flatten)]
    basis: BasisArgs,
    /// all: whatever it sends; outgoing: its business alone.
    #[arg(long, default_value = "all")]
    scope: Scope,
}

impl Proposable for EmergencyArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let Self { account, basis, scope } = self;
        Ok(Action::EmergencyFreeze { account: *account, scope: *scope, basis: basis.read()? })
    }
}

#[derive(Args)]
pub struct UnfreezeArgs {
    /// The account.
    account: Address,
    #[command(flatten)]
    basis: BasisArgs,
}

impl Proposable for UnfreezeArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::UnfreezeAccount { account: self.account, basis: self.basis.read()? })
    }
}

#[derive(Args)]
pub struct BarArgs {
    /// An account of the identity.
    account: Address,
    #[command(flatten)]
    basis: BasisArgs,
}

impl Proposable for BarArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::BarAccount { account: self.account, basis: self.basis.read()? })
    }
}

#[derive(Args)]
pub struct LiftArgs {
    /// An account of the identity.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "node_key", conflicts_with = "node_key")]
    account: Option<Address>,
    /// SHA-256 of the node's SubjectPublicKeyInfo.
    #[arg(long, value_name = "HASH")]
    node_key: Option<B256>,
    #[command(flatten)]
    basis: BasisArgs,
}

impl Proposable for LiftArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let target = match (self.account, self.node_key) {
            (Some(account), None) => BarTarget::Account(account),
            (None, Some(key)) => BarTarget::Node(key),
            _ => bail!("name either --account or --node-key"),
        };
        Ok(Action::LiftBar { target, basis: self.basis.read()? })
    }
}

#[derive(Args)]
pub struct BarNodeArgs {
    /// SHA-256 of the node's SubjectPublicKeyInfo.
    node_key: B256,
    #[command(flatten)]
    basis: BasisArgs,
}

impl Proposable for BarNodeArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::BarNode { node_key: self.node_key, basis: self.basis.read()? })
    }
}
