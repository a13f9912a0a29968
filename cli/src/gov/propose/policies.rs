//! Proposals on policies and who may deploy.

use std::{collections::BTreeSet, fs, path::PathBuf};

use alloy_primitives::Address;
use clap::{Args, Subcommand};
use concordat_governance::{Action, action::ListKind};
use concordat_permissions::PolicyId;
use eyre::{Result, WrapErr as _};

use super::args::{Proposable, Proposing};
use crate::sender::SenderArgs;

/// Subcommands of `concordat gov propose` on policies and who may deploy.
#[derive(Subcommand)]
pub enum PolicyCommand {
    /// A policy: new, or with another text. Check it first (`concordat policy check`).
    SetPolicy(Proposing<PolicyArgs>),
    /// An enacted policy goes; one of the catalogue that it replaced holds again.
    RepealPolicy(Proposing<PolicyIdArgs>),
    /// How the ledger's list of who may deploy binds, who comes on it and who goes from it.
    SetDeployList(Proposing<DeployListArgs>),
}

impl PolicyCommand {
    pub fn run(self, json: bool) -> Result<()> {
        match self {
            Self::SetPolicy(args) => args.propose(json),
            Self::RepealPolicy(args) => args.propose(json),
            Self::SetDeployList(args) => args.propose(json),
        }
    }
}

/// A policy in a file.
#[derive(Args)]
pub struct PolicyArgs {
    /// The policy's id, the same as its text says in @id("…").
    #[arg(long, value_name = "ID")]
    pub id: PolicyId,
    /// The file with its text, one policy in Cedar: see docs/permissions.md.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

impl Proposable for PolicyArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::SetPolicy { id: self.id.to_string(), text: self.text()? })
    }
}

impl PolicyArgs {
    /// The policy's text, byte by byte as it stands in the file.
    pub fn text(&self) -> Result<String> {
        fs::read_to_string(&self.file).wrap_err_with(|| self.file.display().to_string())
    }
}

#[derive(Args)]
pub struct PolicyIdArgs {
    /// The policy's id.
    #[arg(long, value_name = "ID")]
    id: PolicyId,
}

impl Proposable for PolicyIdArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::RepealPolicy { id: self.id.to_string() })
    }
}

#[derive(Args)]
pub struct DeployListArgs {
    /// none: it binds nobody; allow: only who is on it may deploy; deny: who is on it may not.
    kind: ListKind,
    /// An account that comes on it; repeat it for each.
    #[arg(long, value_name = "ACCOUNT")]
    add: Vec<Address>,
    /// An account that goes from it; repeat it for each.
    #[arg(long, value_name = "ACCOUNT")]
    remove: Vec<Address>,
}

impl Proposable for DeployListArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        // The payload has one form: in order, each once.
        let ordered =
            |accounts: &[Address]| BTreeSet::from_iter(accounts.iter().copied()).into_iter().collect();
        let (add, remove) = (ordered(&self.add), ordered(&self.remove));
        Ok(Action::SetDeployList { kind: self.kind, add, remove })
    }
}
