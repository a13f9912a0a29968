//! `concordat rollback`: plan how to go back to an earlier state, and verify afterwards that it happened.
//!
//! Planning needs a node's history, and so it is done here: the chain decides only that nothing has moved since. Whoever
//! votes lets a node of its own plan again (`concordat gov preview`).

mod check;
mod history;
mod plan;
mod verify;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256};
use clap::{Args, Subcommand};
use concordat_governance::{
    Action,
    action::{Basis, Rollback},
};
use eyre::{Result, WrapErr as _, bail};

pub use check::{Checked, check};
use plan::{Conflict, Plan, Runs, Wanted};

use crate::{
    client::NodeArgs,
    output::{self, Report},
};

/// Subcommands of `concordat rollback`.
#[derive(Subcommand)]
pub enum RollbackCommand {
    /// Compute what goes back, and what depends on it: contracts to a height, or transactions reversed. With conflicts the
    /// exit code is 1, and no plan is written.
    Plan(PlanArgs),
    /// Verify that a rollback restored what it says, by proofs of the states before and after: trusts no node.
    Verify(verify::VerifyArgs),
}

/// Arguments of `concordat rollback plan`.
#[derive(Args)]
pub struct PlanArgs {
    /// The height after whose block the contracts' state shall be as it was.
    #[arg(long, value_name = "HEIGHT", requires = "contract", conflicts_with = "transaction")]
    to_height: Option<u64>,
    /// A contract that goes back; repeat it for each.
    #[arg(long, value_name = "ADDRESS", requires = "to_height")]
    contract: Vec<Address>,
    /// A transaction that is reversed; repeat it for each.
    #[arg(long, value_name = "HASH", required_unless_present = "to_height")]
    transaction: Vec<B256>,
    /// Where the plan goes, for `concordat gov propose roll-back`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArgs,
}

/// Runs `concordat rollback`.
pub fn run(command: RollbackCommand, json: bool) -> Result<()> {
    match command {
        RollbackCommand::Plan(args) => make(&args, json),
        RollbackCommand::Verify(args) => verify::run(&args, json),
    }
}

fn make(args: &PlanArgs, json: bool) -> Result<()> {
    let wanted = match args.to_height {
        Some(height) => {
            Wanted::Contracts { height, contracts: BTreeSet::from_iter(args.contract.iter().copied()) }
        }
        None => Wanted::Transactions(BTreeSet::from_iter(args.transaction.iter().copied())),
    };
    let plan = plan::compute(&args.node.connect()?, &wanted, json)?;
    if !plan.conflicts.is_empty() {
        return Err(Report { said: serde_json::to_value(&plan)?, text: described(&plan), code: 1 }.into());
    }
    if plan.slots.is_empty() {
        bail!("nothing would change: all of it is as it was after height {}", plan.height);
    }
    plan.rollback(Basis { document: B256::ZERO, reference: "plan".into() })?;
    if let Some(file) = &args.out {
        fs::write(file, serde_json::to_string_pretty(&plan)?).wrap_err_with(|| file.display().to_string())?;
    }
    output::show(json, &plan, described)
}

impl Plan {
    /// The plan as it is proposed, once it holds what the chain takes.
    fn rollback(&self, basis: Basis) -> Result<Rollback> {
        let Self { height, root, transactions, slots, .. } = self.clone();
        let rollback = Rollback { basis, height, root, transactions, slots };
        Action::RollBack(rollback.clone()).validate()?;
        Ok(rollback)
    }
}

/// Reads a plan from its file.
pub fn read(file: &Path, basis: Basis) -> Result<Rollback> {
    let text = fs::read_to_string(file).wrap_err_with(|| file.display().to_string())?;
    let plan: Plan =
        serde_json::from_str(&text).wrap_err_with(|| format!("{} is no plan", file.display()))?;
    if !plan.conflicts.is_empty() {
        bail!("the plan has conflicts: plan anew");
    }
    plan.rollback(basis)
}

fn described(plan: &Plan) -> String {
    let Plan { height, root, planned_at, .. } = plan;
    let mut out =
        format!("back to the state after height {height} ({root}), planned at height {planned_at}\n");
    for slot in &plan.slots {
        let (contract, which) = (slot.contract, slot.slot);
        out.push_str(&format!(
            "  slot {which:#x} of {contract}\n    - {:#x}\n    + {:#x}\n",
            slot.before, slot.after
        ));
    }
    out.push_str(&codes(&plan.codes));
    for undone in &plan.undone {
        out.push_str(&format!("undoes transaction {} of block {}\n", undone.hash, undone.height));
    }
    for made in &plan.made {
        out.push_str(&format!(
            "contract {made} was made since and stays: freeze or retire it (freeze-contract, retire-contract)\n"
        ));
    }
    out.push_str(&conflicts(&plan.conflicts));
    out
}

/// What the contracts run, a line each, and plainly where the words are of other code.
fn codes(codes: &[Runs]) -> String {
    let line = |runs: &Runs| {
        let Runs { contract, code, implementation, upgraded_from } = runs;
        let how = implementation.map_or_else(String::new, |it| format!(", implementation {it}"));
        let other = upgraded_from.map_or_else(String::new, |it| {
            format!("UPGRADED since: these words of {contract} are of implementation {it}\n")
        });
        format!("contract {contract} runs code {code}{how}\n{other}")
    };
    codes.iter().map(line).collect()
}

/// What depends on what would be undone, a line each.
fn conflicts(conflicts: &[Conflict]) -> String {
    let line = |conflict: &Conflict| {
        let Conflict { height, transaction, sender, contract, slot, access } = conflict;
        format!(
            "CONFLICT: block {height}, transaction {transaction} of {sender}: {access} slot {slot:#x} of {contract}\n"
        )
    };
    conflicts.iter().map(line).collect()
}
