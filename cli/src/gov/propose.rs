//! `concordat gov propose`: one subcommand per kind.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::{SolCall as _, SolEvent as _};
use clap::{Args, Subcommand};
use concordat_core::governance::abi::IGovernance;
use concordat_governance::{
    Action, Effect, Kind,
    action::{Admission, BarTarget, Basis, Deployment, ListKind, NewValidator, Scope},
    regulator::{Mandate, Power},
};
use concordat_permissions::PolicyId;
use concordat_types::{OrgId, genesis::GenesisPart};
use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Done, SenderArgs, ask, show};
use crate::{contract, keys, output, rule};

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
}

/// What is proposed, and who proposes it.
#[derive(Args)]
pub struct Proposing<T: Args> {
    #[command(flatten)]
    what: T,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Args)]
pub struct AdmitArgs {
    /// The organisation's part: its id, name, root certificates and the roles that they may grant.
    #[arg(long, value_name = "FILE")]
    part: PathBuf,
}

#[derive(Args)]
pub struct OrganisationArgs {
    /// The organisation's id.
    organisation: OrgId,
}

#[derive(Args)]
pub struct AuthoritiesArgs {
    /// The organisation's id.
    organisation: OrgId,
    /// PEM of a root certificate; repeat it for each that shall hold.
    #[arg(long, value_name = "FILE", required = true)]
    ca: Vec<PathBuf>,
}

#[derive(Args)]
pub struct ValidatorArgs {
    /// PEM chain of the node's certificate, role validator.
    #[arg(long, value_name = "FILE")]
    node_certificate: PathBuf,
    /// PEM chain of the certificate of the key of its votes, role consensus.
    #[arg(long, value_name = "FILE")]
    consensus_certificate: PathBuf,
    /// Where nodes reach it, HOST:PORT.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// Its voting power.
    #[arg(long)]
    power: u64,
}

#[derive(Args)]
pub struct PowerArgs {
    /// The key of its votes.
    consensus_key: B256,
    /// The new power.
    #[arg(long)]
    power: u64,
}

#[derive(Args)]
pub struct KeyOfVotesArgs {
    /// The key of its votes.
    consensus_key: B256,
}

#[derive(Args)]
pub struct SeatArgs {
    /// The account, enrolled with the role committee-member.
    member: Address,
    /// The weight of its ballot; 0 takes the seat.
    #[arg(long)]
    weight: u64,
}

#[derive(Args)]
pub struct RuleArgs {
    /// The kind.
    kind: Kind,
    /// Least share of weight that votes, in basis points.
    #[arg(long, value_name = "POINTS")]
    participation: Option<u64>,
    /// Least share of yes among yes and no, in basis points.
    #[arg(long, value_name = "POINTS")]
    approval: Option<u64>,
    /// How many organisations at least must vote yes.
    #[arg(long)]
    organisations: Option<u64>,
    /// How many blocks ballots are taken.
    #[arg(long, value_name = "BLOCKS")]
    voting: Option<u64>,
    /// How many blocks execution waits after the vote.
    #[arg(long, value_name = "BLOCKS")]
    timelock: Option<u64>,
    /// For how many blocks it may then take place.
    #[arg(long, value_name = "BLOCKS")]
    window: Option<u64>,
    /// Whether a regulator may veto.
    #[arg(long)]
    veto: Option<bool>,
    /// Whether the proposer's own ballot counts towards approval.
    #[arg(long)]
    proposer_counts: Option<bool>,
    /// How many blocks an emergency freeze lasts.
    #[arg(long, value_name = "BLOCKS")]
    lapse: Option<u64>,
}

#[derive(Args)]
pub struct BasisArgs {
    /// The document that orders it; its SHA-256 goes on chain.
    #[arg(long, value_name = "FILE")]
    basis_file: PathBuf,
    /// Where people find the document.
    #[arg(long, value_name = "TEXT")]
    reference: String,
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

#[derive(Args)]
pub struct UnfreezeArgs {
    /// The account.
    account: Address,
    #[command(flatten)]
    basis: BasisArgs,
}

#[derive(Args)]
pub struct PolicyIdArgs {
    /// The policy's id.
    #[arg(long, value_name = "ID")]
    id: PolicyId,
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

#[derive(Args)]
pub struct LimitArgs {
    /// The rule's JSON (docs/rules.md).
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
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

#[derive(Args)]
pub struct FreezeContractArgs {
    /// The contract.
    contract: Address,
    #[command(flatten)]
    basis: BasisArgs,
    /// The last height at which it binds; without, until it is lifted.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    until: u64,
}

#[derive(Args)]
pub struct ContractArgs {
    /// The contract.
    contract: Address,
    #[command(flatten)]
    basis: BasisArgs,
}

#[derive(Args)]
pub struct AttributesArgs {
    /// The contract.
    contract: Address,
    /// JSON of the attributes (docs/committee.md).
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

#[derive(Args)]
pub struct DeploymentArgs {
    /// JSON artefact with `abi` and `bytecode`, as for `concordat contract deploy`.
    #[arg(long, value_name = "FILE")]
    artefact: PathBuf,
    /// An argument of the constructor; repeat it for each, in order.
    #[arg(long, value_name = "ARGUMENT")]
    argument: Vec<String>,
    /// The compiler's standard JSON input.
    #[arg(long, value_name = "FILE")]
    source: PathBuf,
    /// The compiler, `solc 0.8.37` for example.
    #[arg(long)]
    compiler: String,
    /// A report of an audit or a proof; repeat it for each.
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

#[derive(Args)]
pub struct RequireArgs {
    /// on: they do; off: they do not.
    #[arg(value_parser = ["on", "off"])]
    required: String,
}

#[derive(Args)]
pub struct RecoverArgs {
    /// The account of the lost key.
    account: Address,
    /// PEM chain of the new key's certificate: same organisation, same role, never enrolled.
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    #[command(flatten)]
    basis: BasisArgs,
}

#[derive(Args)]
pub struct AdministratorArgs {
    /// The contract.
    contract: Address,
    /// An operator or developer; the zero address: nobody.
    administrator: Address,
}

#[derive(Args)]
pub struct BarArgs {
    /// An account of the identity.
    account: Address,
    #[command(flatten)]
    basis: BasisArgs,
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

#[derive(Args)]
pub struct BarNodeArgs {
    /// SHA-256 of the node's SubjectPublicKeyInfo.
    node_key: B256,
    #[command(flatten)]
    basis: BasisArgs,
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

#[derive(Args)]
pub struct RegulatorArgs {
    /// An account of the regulator's identity.
    account: Address,
}

#[derive(Args)]
pub struct LimitIdArgs {
    /// The rule's id.
    id: String,
}

/// What becomes an action; some ask the node first.
pub trait Proposable {
    /// The action.
    fn action(&self, sender: &SenderArgs) -> Result<Action>;
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
    }
}

impl<T: Args + Proposable> Proposing<T> {
    fn propose(&self, json: bool) -> Result<()> {
        submit(&self.sender, &self.what.action(&self.sender)?, json)
    }
}

impl Proposable for AdmitArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let text = fs::read_to_string(&self.part).wrap_err_with(|| self.part.display().to_string())?;
        let part: GenesisPart = serde_json::from_str(&text)
            .wrap_err_with(|| format!("{} is no organisation's part", self.part.display()))?;
        let mut roots = Vec::new();
        for pem in &part.ca_certificates {
            let chain =
                concordat_pki_authority::pem::decode_all(concordat_pki_authority::pem::CERTIFICATE, pem);
            roots.extend(chain.into_iter().map(Bytes::from));
        }
        let GenesisPart { organisation: id, name, roles, .. } = part;
        Ok(Action::AdmitOrganisation(Admission { id, name, roots, roles: BTreeSet::from_iter(roles) }))
    }
}

impl Proposable for AuthoritiesArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let mut roots = Vec::new();
        for file in &self.ca {
            roots.extend(chain(file)?);
        }
        Ok(Action::SetAuthorities { id: self.organisation.clone(), roots })
    }
}

impl Proposable for ValidatorArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::AdmitValidator(NewValidator {
            node_chain: chain(&self.node_certificate)?,
            consensus_chain: chain(&self.consensus_certificate)?,
            node_address: self.address.clone(),
            power: self.power,
        }))
    }
}

impl Proposable for RuleArgs {
    fn action(&self, sender: &SenderArgs) -> Result<Action> {
        let rule = ask(&sender.node.connect()?, &IGovernance::ruleCall { kind: self.kind.code() })?;
        let mut rule = show::rule_of(&rule);
        let numbers = [
            (self.participation, &mut rule.participation),
            (self.approval, &mut rule.approval),
            (self.organisations, &mut rule.organisations),
            (self.voting, &mut rule.voting_blocks),
            (self.timelock, &mut rule.timelock_blocks),
            (self.window, &mut rule.window_blocks),
            (self.lapse, &mut rule.lapse_blocks),
        ];
        for (new, field) in numbers {
            *field = new.unwrap_or(*field);
        }
        rule.veto = self.veto.unwrap_or(rule.veto);
        rule.proposer_counts = self.proposer_counts.unwrap_or(rule.proposer_counts);
        Ok(Action::SetRule { kind: self.kind, rule })
    }
}

impl Proposable for FreezeArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let Self { account, basis, scope, until } = self;
        Ok(Action::FreezeAccount { account: *account, scope: *scope, basis: basis.read()?, until: *until })
    }
}

impl Proposable for EmergencyArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let Self { account, basis, scope } = self;
        Ok(Action::EmergencyFreeze { account: *account, scope: *scope, basis: basis.read()? })
    }
}

impl Proposable for UnfreezeArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::UnfreezeAccount { account: self.account, basis: self.basis.read()? })
    }
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

impl Proposable for DeployListArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        // The payload has one form: in order, each once.
        let ordered =
            |accounts: &[Address]| BTreeSet::from_iter(accounts.iter().copied()).into_iter().collect();
        let (add, remove) = (ordered(&self.add), ordered(&self.remove));
        Ok(Action::SetDeployList { kind: self.kind, add, remove })
    }
}

impl Proposable for FreezeContractArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let Self { contract, basis, until } = self;
        Ok(Action::FreezeContract { contract: *contract, basis: basis.read()?, until: *until })
    }
}

impl ContractArgs {
    fn read(&self) -> Result<(Address, Basis)> {
        Ok((self.contract, self.basis.read()?))
    }
}

impl Proposable for RecoverArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let Self { account, certificate, basis } = self;
        Ok(Action::RecoverKey { account: *account, chain: chain(certificate)?, basis: basis.read()? })
    }
}

impl Proposable for BarArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::BarAccount { account: self.account, basis: self.basis.read()? })
    }
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

impl Proposable for BarNodeArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::BarNode { node_key: self.node_key, basis: self.basis.read()? })
    }
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

impl Proposable for LimitArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let limit = rule::read(&self.file)?;
        Ok(Action::SetLimit { id: limit.id.to_string(), limit: limit.encode().into() })
    }
}

impl Proposable for AttributesArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let text = fs::read_to_string(&self.file).wrap_err_with(|| self.file.display().to_string())?;
        let attributes = serde_json::from_str(&text)
            .wrap_err_with(|| format!("{} does not hold attributes", self.file.display()))?;
        Ok(Action::SetAttributes { contract: self.contract, attributes })
    }
}

impl Proposable for DeploymentArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let init_code = contract::init_code(&self.artefact, &self.argument)?;
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

impl BasisArgs {
    fn read(&self) -> Result<Basis> {
        Ok(Basis { document: document(&self.basis_file)?, reference: self.reference.clone() })
    }
}

/// SHA-256 of a document.
pub(super) fn document(file: &Path) -> Result<B256> {
    let bytes = fs::read(file).wrap_err_with(|| file.display().to_string())?;
    Ok(B256::from_slice(&Sha256::digest(bytes)))
}

fn chain(file: &Path) -> Result<Vec<Bytes>> {
    Ok(keys::certificates(file)?.into_iter().map(Bytes::from).collect())
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
