//! Proposals on run-time rules.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use concordat_governance::Action;
use eyre::Result;

use super::args::{Proposable, Proposing};
use crate::{rule, sender::SenderArgs};

/// Subcommands of `concordat gov propose` on run-time rules.
#[derive(Subcommand)]
pub enum LimitCommand {
    /// A run-time rule, new or another one under its id, from its JSON (`concordat rule check`).
    SetLimit(Proposing<LimitArgs>),
    /// A run-time rule goes.
    RepealLimit(Proposing<LimitIdArgs>),
}

impl LimitCommand {
    pub fn run(self, json: bool) -> Result<()> {
        match self {
            Self::SetLimit(args) => args.propose(json),
            Self::RepealLimit(args) => args.propose(json),
        }
    }
}

#[derive(Args)]
pub struct LimitArgs {
    /// The rule's JSON (docs/rules.md).
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

impl Proposable for LimitArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let limit = rule::read(&self.file)?;
        Ok(Action::SetLimit { id: limit.id.to_string(), limit: limit.encode().into() })
    }
}

#[derive(Args)]
pub struct LimitIdArgs {
    /// The rule's id.
    id: String,
}

impl Proposable for LimitIdArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::RepealLimit { id: self.id.clone() })
    }
}
