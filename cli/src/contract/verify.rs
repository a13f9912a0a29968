//! `concordat contract verify`: whether code is what a source compiles to, what it is made of, what is proved of it, and
//! whether an upgrade keeps the storage.
//!
//! The compiler decides what a source compiles to; this compares, byte by byte. It trusts the node that it asks for the
//! code on chain, and the compiler that it runs.

mod artefact;
mod compare;
mod compiler;
mod input;
mod layout;
mod metadata;
mod prove;
mod review;
mod target;

use std::{path::PathBuf, time::Duration};

use alloy_primitives::B256;
use clap::Args;
use eyre::Result;
use serde::Serialize;

use self::{
    artefact::Artefact,
    compiler::Compiler,
    input::{ContractName, Input},
    layout::{LayoutArgs, Upgrade},
    prove::{ProofArgs, Proofs},
    review::{Finding, Weight},
    target::{Compared, TargetArgs},
};
use crate::output::{self, Report};

/// Exit code: it was verified and found wrong.
const FOUND_WRONG: u8 = 3;

/// Arguments of `concordat contract verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// The compiler's standard JSON input, with the content of every source.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The contract, `File.sol:Name`.
    #[arg(long, value_name = "FILE:NAME")]
    contract: ContractName,
    #[command(flatten)]
    target: TargetArgs,
    /// The compiler: a program that speaks `--standard-json`. Without: solc, or solcjs, on the path.
    #[arg(long, value_name = "PROGRAM")]
    solc: Option<PathBuf>,
    /// Which compiler it must be, `solc 0.8.37` for example; by default the one that the proposal or the contract's
    /// attributes name.
    #[arg(long)]
    compiler: Option<String>,
    /// How long the compiler may take, in seconds.
    #[arg(long, default_value_t = 600)]
    timeout: u64,
    /// Take code that differs in its metadata alone for the same.
    #[arg(long)]
    ignore_metadata: bool,
    #[command(flatten)]
    proofs: ProofArgs,
    #[command(flatten)]
    layout: LayoutArgs,
}

/// What was found.
#[derive(Serialize)]
struct Verified {
    contract: String,
    /// SHA-256 of the input.
    source: B256,
    compiler: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<Compared>,
    /// The code's length in bytes.
    code_bytes: usize,
    /// The length of the creation code, the constructor's arguments included where they are known.
    init_code_bytes: usize,
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proofs: Option<Proofs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upgrade: Option<Upgrade>,
}

/// Runs `concordat contract verify`.
pub fn run(args: &VerifyArgs, json: bool) -> Result<()> {
    let verified = verify(args)?;
    let text = verified.describe();
    match verified.code(args) {
        0 => output::show(json, &verified, |_| text),
        code => Err(Report { said: serde_json::to_value(&verified)?, text, code }.into()),
    }
}

fn verify(args: &VerifyArgs) -> Result<Verified> {
    let input = Input::read(&args.input)?;
    let target = args.target.read()?;
    let named = args.compiler.as_deref().or(target.as_ref().and_then(|target| target.compiler()));
    let limit = Duration::from_secs(args.timeout);
    let compiler = Compiler::find(args.solc.as_deref(), named, limit)?;
    let output = compiler.compile(&input.asked())?;
    input.check(&output)?;
    let artefact = Artefact::of(&output, &args.contract)?;
    let arguments = args.target.arguments(&artefact)?;
    let compared = target.map(|target| target.compare(&input, &artefact, &arguments)).transpose()?;
    let known = compared.as_ref().and_then(Compared::init_code_bytes);
    let init_code_bytes = known.unwrap_or(artefact.code.creation.len() + arguments.len());
    let proofs = match args.proofs.prove {
        true => Some(args.proofs.run(&compiler, &input, &args.contract, &output)?),
        false => None,
    };
    let source = (&input, &output);
    let layout = &args.layout;
    let upgrade =
        layout.compare(&args.contract, source, (&compiler, limit), &args.target, args.ignore_metadata)?;
    Ok(Verified {
        contract: args.contract.to_string(),
        source: input.hash,
        compiler: compiler.version,
        compared,
        code_bytes: artefact.code.runtime.len(),
        init_code_bytes,
        findings: findings(&args.contract, &artefact, init_code_bytes),
        proofs,
        upgrade,
    })
}

/// Of the contract, and of each that it can make.
fn findings(name: &ContractName, artefact: &Artefact, init_code_bytes: usize) -> Vec<Finding> {
    let (name, code) = (name.to_string(), &artefact.code);
    let mut found = review::runtime(&name, &code.runtime);
    found.extend(review::constructor(&name, &code.creation, &code.runtime, init_code_bytes));
    for (name, made) in &artefact.makes {
        found.extend(review::runtime(name, &made.runtime));
        found.extend(review::constructor(name, &made.creation, &made.runtime, made.creation.len()));
    }
    found
}

impl Verified {
    /// How the program ends. Where no solver answers, nothing is found wrong, but nothing is proved either.
    fn code(&self, args: &VerifyArgs) -> u8 {
        let differs = self.compared.as_ref().is_some_and(|compared| !compared.holds(args.ignore_metadata));
        let moved = self.upgrade.as_ref().is_some_and(|upgrade| !args.layout.allows(upgrade));
        let forbidden = self.findings.iter().any(|finding| finding.weight == Weight::Forbidden);
        let proofs = self.proofs.as_ref();
        match differs || moved || forbidden || proofs.is_some_and(|proofs| proofs.violated > 0) {
            true => FOUND_WRONG,
            false => u8::from(proofs.is_some_and(|proofs| !proofs.solved)),
        }
    }

    fn describe(&self) -> String {
        let Self { contract, source, compiler, code_bytes, init_code_bytes, .. } = self;
        let mut lines = vec![
            format!("contract    {contract}"),
            format!("source      {source}"),
            format!("compiler    {compiler}"),
        ];
        lines.extend(self.compared.as_ref().map(Compared::describe));
        lines.push(format!("size        {code_bytes} bytes, to deploy {init_code_bytes}"));
        lines.extend(self.findings.iter().map(Finding::describe));
        lines.extend(self.proofs.as_ref().map(Proofs::describe));
        lines.extend(self.upgrade.as_ref().map(Upgrade::describe));
        lines.join("\n")
    }
}

impl Finding {
    fn describe(&self) -> String {
        let weight = match self.weight {
            Weight::Warned => "warning",
            Weight::Forbidden => "forbidden",
        };
        let Self { what, why, code, at, times, .. } = self;
        let places: Vec<String> = at.iter().map(|at| format!("{at:#x}")).collect();
        let more = if *times > at.len() && !at.is_empty() { ", …" } else { "" };
        let places =
            if places.is_empty() { String::new() } else { format!(" at {}{more}", places.join(", ")) };
        format!("{weight:<11} {what} in {code}{places}: {why}")
    }
}
