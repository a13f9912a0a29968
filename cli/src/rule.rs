//! `concordat rule`: check a run-time rule before it is proposed, look up those in force.

mod list;

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use clap::Subcommand;
use concordat_core::{
    RULES,
    rules::{Limit, abi::IRules},
};
use concordat_governance::{Effect, effect::Change};
use eyre::{Result, WrapErr as _, eyre};
use serde_json::{Value, json};

use crate::{
    client::{Client, NodeArgs},
    output,
};

/// Subcommands of `concordat rule`.
#[derive(Subcommand)]
pub enum RuleCommand {
    /// Check a rule's JSON (docs/rules.md), and print its canonical bytes. Needs no node.
    Check {
        /// The rule.
        file: PathBuf,
    },
    /// The rules in force, in the order of their ids.
    List(list::ListArgs),
    /// Where rules were violated: the alerts that were raised, the earliest first.
    Alerts(list::AlertsArgs),
    /// A rule in force, and what it has counted of an account.
    Show {
        /// Its id.
        id: String,
        /// Show what is used up by this account, or by its organisation if the rule counts that.
        #[arg(long, value_name = "ADDRESS")]
        account: Option<Address>,
        #[command(flatten)]
        node: NodeArgs,
    },
}

/// Runs `concordat rule`.
pub fn run(command: RuleCommand, json: bool) -> Result<()> {
    match command {
        RuleCommand::Check { file } => check(&file, json),
        RuleCommand::List(args) => list::list(&args, json),
        RuleCommand::Alerts(args) => list::alerts(&args, json),
        RuleCommand::Show { id, account, node } => show(&node.connect()?, &id, account, json),
    }
}

/// Reads a rule from its JSON.
pub fn read(file: &Path) -> Result<Limit> {
    let text = fs::read_to_string(file).wrap_err_with(|| file.display().to_string())?;
    serde_json::from_str(&text).wrap_err_with(|| format!("{} is no rule", file.display()))
}

/// An effect in words, with the rules that it changes in JSON instead of bytes alone.
pub fn in_words(effect: &Effect) -> String {
    let mut text = effect.to_string();
    for change in &effect.changes {
        let Change::Limit { id, before, after } = change else { continue };
        for (word, side) in [("before", before), ("after", after)] {
            let Some(bytes) = side else { continue };
            let rule = match Limit::decode(bytes) {
                Ok(limit) => serde_json::to_string_pretty(&limit).unwrap_or_else(|error| error.to_string()),
                Err(error) => error.to_string(),
            };
            text.push_str(&format!("\nrule {id} {word}: {}", visible(&rule)));
        }
    }
    text
}

/// A text in which nothing acts on the terminal or misleads the eye.
fn visible(text: &str) -> String {
    let word = |c: char| match c {
        ' '..='~' | '\n' => c.to_string(),
        _ => c.escape_debug().to_string(),
    };
    text.chars().map(word).collect()
}

fn check(file: &Path, json: bool) -> Result<()> {
    let limit = read(file)?;
    let said = json!({ "id": limit.id, "bytes": Bytes::from(limit.encode()), "rule": limit });
    output::show(json, &said, |_| {
        format!(
            "rule {} holds; propose it with: concordat gov propose set-limit --file {}",
            limit.id,
            file.display()
        )
    })
}

fn show(client: &Client, id: &str, account: Option<Address>, json: bool) -> Result<()> {
    let told = ask(client, &IRules::limitCall { id: id.to_owned() })?;
    let limit = Limit::decode(&told.rule)
        .map_err(|error| eyre!("the node's rule is none that this program knows, update it: {error}"))?;
    let usage = match account {
        None => Value::Null,
        Some(account) => {
            let used = ask(client, &IRules::usageCall { id: id.to_owned(), account })?;
            json!({
                "account": account,
                "amount": used.amount.to_string(),
                "count": used.count,
                "amountFreesAt": used.amountFreesAt,
                "countFreesAt": used.countFreesAt,
            })
        }
    };
    let said = json!({ "rule": limit, "proposal": told.proposal, "usage": usage });
    output::show(json, &said, |said| visible(&format!("{said:#}")))
}

/// Asks the rules' contract, at the newest height.
fn ask<C: SolCall>(client: &Client, call: &C) -> Result<C::Return> {
    let request = json!({ "to": RULES, "input": Bytes::from(call.abi_encode()) });
    let answer: Bytes = serde_json::from_value(client.call("eth_call", json!([request, "latest"]))?)?;
    C::abi_decode_returns(&answer).wrap_err("the node does not answer as the rules' contract does")
}
