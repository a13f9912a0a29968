//! `concordat gov propose`: one subcommand per kind.

mod args;
mod parameters;
mod upgrade;

use alloy_sol_types::{SolCall as _, SolEvent as _};
use clap::{Args, Subcommand};
use concordat_core::governance::abi::IGovernance;
use concordat_governance::{Action, Effect};
use eyre::{Result, eyre};
use serde_json::{Value, json};

use super::{Done, SenderArgs};
use crate::{output, rule};
pub(crate) use args::PolicyArgs;
pub(super) use args::document;
use args::{
    AdministratorArgs, AdmitArgs, AttributesArgs, AuthoritiesArgs, BarArgs, BarNodeArgs, ContractArgs,
    CorrectArgs, DeployListArgs, DeploymentArgs, EmergencyArgs, FreezeArgs, FreezeContractArgs,
    KeyOfVotesArgs, LiftArgs, LimitArgs, LimitIdArgs, MandateArgs, OrganisationArgs, PolicyIdArgs, PowerArgs,
    Proposable, RecoverArgs, RegulatorArgs, RequireArgs, RollBackArgs, RuleArgs, SeatArgs, UnfreezeArgs,
    ValidatorArgs,
};
use parameters::{ParametersArgs, VersionArgs};
use upgrade::UpgradeArgs;

/// Subcommands of `concordat gov propose`.
#[derive(Subcommand)]
pub enum ProposeCommand {
    /// A new member organisation, from its part (`concordat genesis part`).
    AdmitOrganisation(Proposing<AdmitArgs>),
    /// Its accounts and nodes are refused until it is reinstated; its validators go.
    SuspendOrganisation(Proposing<OrganisationArgs>),
    /// A suspended organisation acts again.
    ReinstateOrganisation(Proposing<OrganisationArgs>),
    /// An organisation leaves for good.
    ExpelOrganisation(Proposing<OrganisationArgs>),
    /// The new list of an organisation's root authorities: first add the next, later remove the last.
    SetAuthorities(Proposing<AuthoritiesArgs>),
    /// A lost or stolen key of an identity is replaced by another one.
    RecoverKey(Proposing<RecoverArgs>),
    /// A new validator.
    AdmitValidator(Proposing<ValidatorArgs>),
    /// A validator's voting power.
    SetValidatorPower(Proposing<PowerArgs>),
    /// A validator goes.
    RetireValidator(Proposing<KeyOfVotesArgs>),
    /// A seat on the committee: new, of another weight, or gone (weight 0).
    SetCommitteeMember(Proposing<SeatArgs>),
    /// The rule of a kind. What is not named stays as it is.
    SetRule(Box<Proposing<RuleArgs>>),
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
    /// A regulator: registered, or with another mandate. It must consent (`concordat gov consent`).
    AdmitRegulator(Proposing<MandateArgs>),
    /// A regulator goes. The last one must consent.
    RetireRegulator(Proposing<RegulatorArgs>),
    /// A policy: new, or with another text. Check it first (`concordat policy check`).
    SetPolicy(Proposing<PolicyArgs>),
    /// An enacted policy goes; one of the catalogue that it replaced holds again.
    RepealPolicy(Proposing<PolicyIdArgs>),
    /// How the ledger's list of who may deploy binds, who comes on it and who goes from it.
    SetDeployList(Proposing<DeployListArgs>),
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
    /// A developer may deploy a contract, once the named reviewers have approved (`concordat contract review`).
    DeployContract(Box<Proposing<DeploymentArgs>>),
    /// Whether deployments need such an approval.
    RequireApproval(Proposing<RequireArgs>),
    /// A run-time rule, new or another one under its id, from its JSON (`concordat rule check`).
    SetLimit(Proposing<LimitArgs>),
    /// A run-time rule goes.
    RepealLimit(Proposing<LimitIdArgs>),
    /// The chain's parameters from the next block on. What is not named stays as it is.
    SetParameters(Proposing<ParametersArgs>),
    /// The next protocol version from a height on, or that it does not come (`concordat gov announce-version`).
    SetProtocolVersion(Proposing<VersionArgs>),
    /// Slots of contracts get back what they held at an earlier height, by a plan (`concordat rollback plan`).
    RollBack(Proposing<RollBackArgs>),
    /// A governed proxy hands its calls on to another implementation, or to an earlier one again.
    UpgradeContract(Proposing<UpgradeArgs>),
    /// A token that has made the committee its agent is corrected: tokens are seized, replenished, frozen.
    Correct(Proposing<CorrectArgs>),
}

/// What is proposed, and who proposes it.
#[derive(Args)]
pub struct Proposing<T: Args> {
    #[command(flatten)]
    what: T,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Runs `concordat gov propose`.
pub fn run(command: ProposeCommand, json: bool) -> Result<()> {
    use ProposeCommand as Command;
    match command {
        Command::AdmitOrganisation(args) => args.propose(json),
        Command::SuspendOrganisation(args) => {
            submit(&args.sender, &Action::SuspendOrganisation(args.what.organisation), json)
        }
        Command::ReinstateOrganisation(args) => {
            submit(&args.sender, &Action::ReinstateOrganisation(args.what.organisation), json)
        }
        Command::ExpelOrganisation(args) => {
            submit(&args.sender, &Action::ExpelOrganisation(args.what.organisation), json)
        }
        Command::SetAuthorities(args) => args.propose(json),
        Command::RecoverKey(args) => args.propose(json),
        Command::AdmitValidator(args) => args.propose(json),
        Command::SetValidatorPower(args) => {
            let PowerArgs { consensus_key, power } = args.what;
            submit(&args.sender, &Action::SetValidatorPower { consensus_key, power }, json)
        }
        Command::RetireValidator(args) => {
            let consensus_key = args.what.consensus_key;
            submit(&args.sender, &Action::RetireValidator { consensus_key }, json)
        }
        Command::SetCommitteeMember(args) => {
            let SeatArgs { member, weight } = args.what;
            submit(&args.sender, &Action::SetCommitteeMember { member, weight }, json)
        }
        Command::SetRule(args) => args.propose(json),
        Command::FreezeAccount(args) => args.propose(json),
        Command::EmergencyFreeze(args) => args.propose(json),
        Command::UnfreezeAccount(args) => args.propose(json),
        Command::BarAccount(args) => args.propose(json),
        Command::LiftBar(args) => args.propose(json),
        Command::BarNode(args) => args.propose(json),
        Command::AdmitRegulator(args) => args.propose(json),
        Command::RetireRegulator(args) => {
            let account = args.what.account;
            submit(&args.sender, &Action::RetireRegulator { account }, json)
        }
        Command::SetPolicy(args) => args.propose(json),
        Command::RepealPolicy(args) => {
            let id = args.what.id.to_string();
            submit(&args.sender, &Action::RepealPolicy { id }, json)
        }
        Command::SetDeployList(args) => args.propose(json),
        Command::FreezeContract(args) => args.propose(json),
        Command::UnfreezeContract(args) => {
            let (contract, basis) = args.what.read()?;
            submit(&args.sender, &Action::UnfreezeContract { contract, basis }, json)
        }
        Command::RetireContract(args) => {
            let (contract, basis) = args.what.read()?;
            submit(&args.sender, &Action::RetireContract { contract, basis }, json)
        }
        Command::SetContractAdministrator(args) => {
            let AdministratorArgs { contract, administrator } = args.what;
            submit(&args.sender, &Action::SetContractAdministrator { contract, administrator }, json)
        }
        Command::EmergencyFreezeContract(args) => {
            let (contract, basis) = args.what.read()?;
            submit(&args.sender, &Action::EmergencyFreezeContract { contract, basis }, json)
        }
        Command::SetAttributes(args) => args.propose(json),
        Command::DeployContract(args) => args.propose(json),
        Command::RequireApproval(args) => {
            let required = args.what.required == "on";
            submit(&args.sender, &Action::RequireApproval { required }, json)
        }
        Command::RevokeAttributes(args) => {
            let (contract, basis) = args.what.read()?;
            submit(&args.sender, &Action::RevokeAttributes { contract, basis }, json)
        }
        Command::SetLimit(args) => args.propose(json),
        Command::RepealLimit(args) => submit(&args.sender, &Action::RepealLimit { id: args.what.id }, json),
        Command::SetParameters(args) => args.propose(json),
        Command::SetProtocolVersion(args) => args.propose(json),
        Command::RollBack(args) => args.propose(json),
        Command::UpgradeContract(args) => args.propose(json),
        Command::Correct(args) => args.propose(json),
    }
}

impl<T: Args + Proposable> Proposing<T> {
    fn propose(&self, json: bool) -> Result<()> {
        submit(&self.sender, &self.what.action(&self.sender)?, json)
    }
}

/// Checks, sends, and says the proposal's number and what it would do.
fn submit(sender: &SenderArgs, action: &Action, json: bool) -> Result<()> {
    action.validate()?;
    let call = IGovernance::proposeCall { kind: action.kind().code(), payload: action.encode() };
    let client = sender.node.connect()?;
    let receipt = match sender.act(&client, call.abi_encode().into(), None)? {
        Done::Signed(signed) => return output::show(json, &signed, |signed| format!("{signed:#}")),
        Done::Executed(receipt) => receipt,
    };
    let opened = opened(&receipt)?;
    let effect = super::effect(&client, opened.id)?;
    let said = said(&opened, &effect, &receipt);
    output::show(json, &said, |_| {
        format!(
            "proposal {} is open through height {}\n{}",
            opened.id,
            opened.closes,
            rule::in_words(&effect)
        )
    })
}

fn said(opened: &IGovernance::ProposalOpened, effect: &Effect, receipt: &Value) -> Value {
    json!({
        "id": opened.id,
        "kind": effect.kind,
        "digest": opened.digest,
        "closes": opened.closes,
        "effect": effect,
        "block": receipt["blockNumber"],
        "transaction": receipt["transactionHash"],
    })
}

/// The event of a proposal's receipt.
fn opened(receipt: &Value) -> Result<IGovernance::ProposalOpened> {
    let logs: Vec<alloy_primitives::Log> = serde_json::from_value(receipt["logs"].clone())?;
    let mut events = logs.iter().filter_map(|log| IGovernance::ProposalOpened::decode_log(log).ok());
    let event = events.next().ok_or_else(|| eyre!("the receipt has no ProposalOpened event"))?;
    Ok(event.data)
}
