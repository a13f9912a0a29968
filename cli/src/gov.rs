//! `concordat gov`: propose, preview, vote, execute, look up.

mod correction;
mod list;
pub(crate) mod propose;
mod show;

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolCall;
use clap::{Args, Subcommand};
use concordat_core::{GOVERNANCE, governance::abi::IGovernance, known_protocol_version};
use concordat_governance::{Action, Choice, Effect, Kind};
use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::json;

use crate::{
    client::{Client, NodeArgs},
    output, rollback, rule,
    sender::{Gas, SenderArgs},
};

/// Gas for an execution: what it needs depends on what it does, and nobody pays for what is left.
const EXECUTION_GAS: u64 = 16_000_000;

/// Any other act, with the least gas of one: others' ballots that come first make a ballot dearer to count.
const ANY: (Address, Gas) = (GOVERNANCE, Gas::AtLeast(4_000_000));

/// Subcommands of `concordat gov`.
#[derive(Subcommand)]
pub enum GovCommand {
    /// Make a proposal. Nobody votes by proposing.
    #[command(subcommand)]
    Propose(propose::ProposeCommand),
    /// What a proposal would do now, and whether its ballots are for that.
    Preview {
        /// The proposal's number.
        id: u64,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Cast your one and final ballot. It binds the effect that is printed.
    Vote(VoteArgs),
    /// Take your own proposal back.
    Revoke(IdArgs),
    /// Forbid a proposal, as a regulator, where the rule of its kind allows it.
    Veto {
        #[command(flatten)]
        proposal: IdArgs,
        /// The document that says why; its SHA-256 goes on chain.
        #[arg(long, value_name = "FILE")]
        basis_file: std::path::PathBuf,
    },
    /// Agree, as the regulator that a proposal is about, to the effect that is printed.
    Consent(ConsentArgs),
    /// Give a proposal its outcome, once its time has come. Any account in good standing may.
    Execute(IdArgs),
    /// All proposals, newest last.
    List(list::ProposalsArgs),
    /// A proposal with its ballots, and how they would be judged now.
    Show {
        /// The proposal's number.
        id: u64,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// The committee's seats.
    Committee(list::CommitteeArgs),
    /// Regulators and their mandates; those that are over included.
    Regulators(list::RegulatorsArgs),
    /// What is frozen: accounts, then contracts, retired ones among them. Emergencies that are over are told as such.
    Freezes(list::FreezesArgs),
    /// Who is shut out: identities, then nodes.
    Bars(list::BarsArgs),
    /// Say, as a registrar, which protocol versions the program on all of your organisation's validators knows.
    AnnounceVersion {
        /// The highest of them; the highest that this program knows, if it is not said.
        #[arg(long, value_name = "VERSION")]
        protocol_version: Option<u64>,
        #[command(flatten)]
        sender: SenderArgs,
    },
    /// The rule of a kind; of all kinds if none is named.
    Rule {
        /// The kind.
        kind: Option<Kind>,
        #[command(flatten)]
        node: NodeArgs,
    },
}

/// A proposal, and who acts on it.
#[derive(Args)]
pub struct IdArgs {
    /// The proposal's number.
    id: u64,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Arguments of `concordat gov vote`.
#[derive(Args)]
pub struct VoteArgs {
    /// The proposal's number.
    id: u64,
    /// yes, no or abstain.
    choice: Choice,
    /// Vote only if the effect has this digest, and do not ask the node for it.
    #[arg(long, value_name = "DIGEST")]
    expect_digest: Option<B256>,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Arguments of `concordat gov consent`.
#[derive(Args)]
pub struct ConsentArgs {
    /// The proposal's number.
    id: u64,
    /// Agree only if the effect has this digest, and do not ask the node for it.
    #[arg(long, value_name = "DIGEST")]
    expect_digest: Option<B256>,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Runs `concordat gov`.
pub fn run(command: GovCommand, json: bool) -> Result<()> {
    match command {
        GovCommand::Propose(command) => propose::run(command, json),
        GovCommand::Preview { id, node } => preview(&node.connect()?, id, json),
        GovCommand::Vote(args) => vote(&args, json),
        GovCommand::Revoke(args) => {
            let call = IGovernance::revokeCall { id: args.id };
            args.sender.send(ANY, &call, json, |_| format!("proposal {} is revoked", args.id))
        }
        GovCommand::Veto { proposal, basis_file } => {
            let call = IGovernance::vetoCall { id: proposal.id, basis: propose::document(&basis_file)? };
            proposal.sender.send(ANY, &call, json, |_| format!("proposal {} is vetoed", proposal.id))
        }
        GovCommand::Consent(args) => consent(&args, json),
        GovCommand::Execute(args) => execute(&args, json),
        GovCommand::List(args) => list::proposals(&args, json),
        GovCommand::Show { id, node } => show::proposal(&node.connect()?, id, json),
        GovCommand::Committee(args) => list::committee(&args, json),
        GovCommand::Regulators(args) => list::regulators(&args, json),
        GovCommand::Freezes(args) => list::freezes(&args, json),
        GovCommand::Bars(args) => list::bars(&args, json),
        GovCommand::AnnounceVersion { protocol_version, sender } => announce(&sender, protocol_version, json),
        GovCommand::Rule { kind, node } => show::rules(&node.connect()?, kind, json),
    }
}

/// Asks governance, at the newest height.
pub fn ask<C: SolCall>(client: &Client, call: &C) -> Result<C::Return> {
    let request = json!({ "to": GOVERNANCE, "input": Bytes::from(call.abi_encode()) });
    let answer: Bytes = serde_json::from_value(client.call("eth_call", json!([request, "latest"]))?)?;
    C::abi_decode_returns(&answer)
        .wrap_err("the node does not answer as governance does; was the chain started with a committee?")
}

/// A proposal's effect as it would be now.
fn effect(client: &Client, id: u64) -> Result<Effect> {
    let answer = ask(client, &IGovernance::previewCall { id })?;
    let effect = Effect::decode(&answer.effect)
        .ok_or_else(|| eyre!("the node's effect is none that this program knows; update it"))?;
    if effect.digest() != answer.digest {
        bail!(
            "the node's digest {} is not that of the effect it tells: do not vote through it",
            answer.digest
        );
    }
    Ok(effect)
}

fn preview(client: &Client, id: u64, json: bool) -> Result<()> {
    let effect = effect(client, id)?;
    let proposal = ask(client, &IGovernance::proposalCall { id })?;
    let changed = effect.digest() != proposal.digest;
    let balances = correction::balances(client, &effect);
    let checked = check(client, id, &effect, json)?;
    let mut said = json!({ "id": id, "digest": effect.digest(), "changed": changed, "effect": effect });
    if !balances.is_empty() {
        said["balances"] = balances.iter().map(correction::Balance::json).collect();
    }
    if let Some(checked) = &checked {
        said["history"] = serde_json::to_value(checked)?;
    }
    output::show(json, &said, |_| {
        let mut lines = vec![rule::in_words(&effect)];
        lines.extend(balances.iter().map(correction::Balance::line));
        lines.extend(changed.then(|| {
            let made_for = proposal.digest;
            format!("The proposal was made for another effect, {made_for}: as things stand it will be void.")
        }));
        lines.extend(checked.as_ref().map(rollback::Checked::describe));
        lines.join("\n")
    })
}

/// Of a rollback: whether the history of the node that is asked says the same.
fn check(client: &Client, id: u64, effect: &Effect, json: bool) -> Result<Option<rollback::Checked>> {
    if effect.kind != Kind::RollBack {
        return Ok(None);
    }
    let payload = ask(client, &IGovernance::payloadCall { id })?;
    match Action::decode(effect.kind, &payload)? {
        Action::RollBack(proposed) => Ok(Some(rollback::check(client, &proposed, json)?)),
        _ => Ok(None),
    }
}

/// The digest that a ballot or a consent binds: the one that was seen elsewhere, or that of the effect, printed here.
fn seen(sender: &SenderArgs, id: u64, expected: Option<B256>, json: bool) -> Result<B256> {
    if let Some(digest) = expected {
        return Ok(digest);
    }
    let client = sender.node.connect()?;
    let effect = effect(&client, id)?;
    output::progress(json, rule::in_words(&effect));
    let proposal = ask(&client, &IGovernance::proposalCall { id })?;
    if effect.digest() != proposal.digest {
        bail!("the effect has changed since proposal {id} was made: it will be void");
    }
    if let Some(checked) = check(&client, id, &effect, json)? {
        output::progress(json, checked.describe());
        if !checked.matches {
            bail!(
                "the history of the node that was asked does not bear the rollback out; whoever votes all the same says \
                 --expect-digest {}",
                effect.digest()
            );
        }
    }
    Ok(effect.digest())
}

fn consent(args: &ConsentArgs, json: bool) -> Result<()> {
    let digest = seen(&args.sender, args.id, args.expect_digest, json)?;
    let call = IGovernance::consentCall { id: args.id, digest };
    args.sender.send(ANY, &call, json, |_| format!("consented to proposal {}", args.id))
}

fn vote(args: &VoteArgs, json: bool) -> Result<()> {
    let digest = seen(&args.sender, args.id, args.expect_digest, json)?;
    let call = IGovernance::voteCall { id: args.id, choice: args.choice.code(), digest };
    args.sender.send(ANY, &call, json, |_| format!("voted {} on proposal {}", args.choice, args.id))
}

/// What this program does not know itself, it lets nobody say of others by mistake.
fn announce(sender: &SenderArgs, version: Option<u64>, json: bool) -> Result<()> {
    let known = known_protocol_version();
    let version = version.unwrap_or(known);
    if version > known {
        bail!(
            "this program knows protocol versions 1 to {known}; announce {version} with the program that knows it"
        );
    }
    let call = IGovernance::announceVersionCall { version_: version };
    sender.send(ANY, &call, json, |_| format!("announced protocol version {version}"))
}

fn execute(args: &IdArgs, json: bool) -> Result<()> {
    let call = IGovernance::executeCall { id: args.id };
    let client = args.sender.node.connect()?;
    args.sender.send((GOVERNANCE, Gas::Exactly(EXECUTION_GAS)), &call, json, |_| {
        match ask(&client, &IGovernance::proposalCall { id: args.id }) {
            Ok(proposal) => show::status_line(&proposal),
            Err(error) => format!("executed, but its outcome cannot be asked for: {error}"),
        }
    })
}
