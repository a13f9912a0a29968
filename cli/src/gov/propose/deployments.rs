//! Proposals on deployments that are reviewed.

use std::{collections::BTreeSet, path::PathBuf};

use alloy_primitives::{Address, B256};
use clap::{Args, Subcommand};
use concordat_governance::{Action, action::Deployment};
use eyre::{Result, bail};
use sha2::{Digest as _, Sha256};

use super::args::{Proposable, Proposing, document};
use crate::{contract, sender::SenderArgs};

/// Subcommands of `concordat gov propose` on deployments that are reviewed.
#[derive(Subcommand)]
pub enum DeploymentCommand {
    /// A developer may deploy a contract, once the named reviewers have approved (`concordat contract review`).
    DeployContract(Box<Proposing<DeploymentArgs>>),
    /// Whether deployments need such an approval.
    RequireApproval(Box<Proposing<RequireArgs>>),
}

impl DeploymentCommand {
    pub fn run(self, json: bool) -> Result<()> {
        match self {
            Self::DeployContract(args) => args.propose(json),
            Self::RequireApproval(args) => args.propose(json),
        }
    }
}

#[derive(Args)]
pub struct DeploymentArgs {
    /// JSON artefact with `abi` and `bytecode`, as for `concordat contract deploy`.
    #[arg(long, value_name = "FILE", required_unless_present = "init_code")]
    artefact: Option<PathBuf>,
    /// An argument of the constructor; repeat it for each, in order.
    #[arg(long, value_name = "ARGUMENT", requires = "artefact")]
    argument: Vec<String>,
    /// The init code with its arguments instead of an artefact: hex, or a file that holds it.
    #[arg(long, value_name = "FILE|HEX", conflicts_with = "artefact")]
    init_code: Option<String>,
    /// The compiler's standard JSON input.
    #[arg(long, value_name = "FILE")]
    source: PathBuf,
    /// The compiler, `solc 0.8.37` for example.
    #[arg(long)]
    compiler: String,
    /// A report of an audit or a proof (`concordat contract verify --prove --report`); repeat it for each.
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// Who may deploy it: a developer.
    #[arg(long)]
    deployer: Address,
    /// Who has to approve of it; repeat it for each.
    #[arg(long, value_name = "ACCOUNT", required = true)]
    reviewer: Vec<Address>,
    /// The last height at which it may be deployed.
    #[arg(long)]
    until: u64,
}

impl Proposable for DeploymentArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let init_code = match (&self.artefact, &self.init_code) {
            (Some(artefact), _) => contract::init_code(artefact, &self.argument)?,
            (None, Some(code)) => contract::read_hex(code)?,
            (None, None) => bail!("name either --artefact or --init-code"),
        };
        let reports = self.report.iter().map(|file| document(file)).collect::<Result<_>>()?;
        let reviewers = BTreeSet::from_iter(self.reviewer.iter().copied());
        Ok(Action::DeployContract(Deployment {
            code: B256::from_slice(&Sha256::digest(&init_code)),
            source: document(&self.source)?,
            compiler: self.compiler.clone(),
            reports,
            deployer: self.deployer,
            reviewers: reviewers.into_iter().collect(),
            until: self.until,
        }))
    }
}

#[derive(Args)]
pub struct RequireArgs {
    /// on: they do; off: they do not.
    #[arg(value_parser = ["on", "off"])]
    required: String,
}

impl Proposable for RequireArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::RequireApproval { required: self.required == "on" })
    }
}
