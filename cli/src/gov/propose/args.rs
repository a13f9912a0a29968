//! What each kind of proposal is made from, and how it becomes an action.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, Bytes};
use clap::Args;
use concordat_core::governance::abi::IGovernance;
use concordat_governance::{
    Action, Kind,
    action::{Admission, BarTarget, Basis, Deployment, ListKind, NewValidator, Scope},
    regulator::{Mandate, Power},
};
use concordat_permissions::PolicyId;
use concordat_types::{OrgId, genesis::GenesisPart};
use eyre::{Result, WrapErr as _, bail};
use sha2::{Digest as _, Sha256};

use super::super::{SenderArgs, ask, show};
use crate::{contract, keys, rollback, rule};

/// What becomes an action; some ask the node first.
pub trait Proposable {
    /// The action.
    fn action(&self, sender: &SenderArgs) -> Result<Action>;
}

#[derive(Args)]
pub struct AdmitArgs {
    /// The organisation's part: its id, name, root certificates and the roles that they may grant.
    #[arg(long, value_name = "FILE")]
    pub(super) part: PathBuf,
}

#[derive(Args)]
pub struct OrganisationArgs {
    /// The organisation's id.
    pub(super) organisation: OrgId,
}

#[derive(Args)]
pub struct AuthoritiesArgs {
    /// The organisation's id.
    pub(super) organisation: OrgId,
    /// PEM of a root certificate; repeat it for each that shall hold.
    #[arg(long, value_name = "FILE", required = true)]
    pub(super) ca: Vec<PathBuf>,
}

#[derive(Args)]
pub struct ValidatorArgs {
    /// PEM chain of the node's certificate, role validator.
    #[arg(long, value_name = "FILE")]
    pub(super) node_certificate: PathBuf,
    /// PEM chain of the certificate of the key of its votes, role consensus.
    #[arg(long, value_name = "FILE")]
    pub(super) consensus_certificate: PathBuf,
    /// Where nodes reach it, HOST:PORT.
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) address: String,
    /// Its voting power.
    #[arg(long)]
    pub(super) power: u64,
}

#[derive(Args)]
pub struct PowerArgs {
    /// The key of its votes.
    pub(super) consensus_key: B256,
    /// The new power.
    #[arg(long)]
    pub(super) power: u64,
}

#[derive(Args)]
pub struct KeyOfVotesArgs {
    /// The key of its votes.
    pub(super) consensus_key: B256,
}

#[derive(Args)]
pub struct SeatArgs {
    /// The account, enrolled with the role committee-member.
    pub(super) member: Address,
    /// The weight of its ballot; 0 takes the seat.
    #[arg(long)]
    pub(super) weight: u64,
}

#[derive(Args)]
pub struct RuleArgs {
    /// The kind.
    pub(super) kind: Kind,
    /// Least share of weight that votes, in basis points.
    #[arg(long, value_name = "POINTS")]
    pub(super) participation: Option<u64>,
    /// Least share of yes among yes and no, in basis points.
    #[arg(long, value_name = "POINTS")]
    pub(super) approval: Option<u64>,
    /// How many organisations at least must vote yes.
    #[arg(long)]
    pub(super) organisations: Option<u64>,
    /// How many blocks ballots are taken.
    #[arg(long, value_name = "BLOCKS")]
    pub(super) voting: Option<u64>,
    /// How many blocks execution waits after the vote.
    #[arg(long, value_name = "BLOCKS")]
    pub(super) timelock: Option<u64>,
    /// For how many blocks it may then take place.
    #[arg(long, value_name = "BLOCKS")]
    pub(super) window: Option<u64>,
    /// Whether a regulator may veto.
    #[arg(long)]
    pub(super) veto: Option<bool>,
    /// Whether the proposer's own ballot counts towards approval.
    #[arg(long)]
    pub(super) proposer_counts: Option<bool>,
    /// How many blocks an emergency freeze lasts.
    #[arg(long, value_name = "BLOCKS")]
    pub(super) lapse: Option<u64>,
}

#[derive(Args)]
pub struct BasisArgs {
    /// The document that orders it; its SHA-256 goes on chain.
    #[arg(long, value_name = "FILE")]
    pub(super) basis_file: PathBuf,
    /// Where people find the document.
    #[arg(long, value_name = "TEXT")]
    pub(super) reference: String,
}

#[derive(Args)]
pub struct FreezeArgs {
    /// The account.
    pub(super) account: Address,
    #[command(flatten)]
    pub(super) basis: BasisArgs,
    /// all: whatever it sends; outgoing: its business alone.
    #[arg(long, default_value = "all")]
    pub(super) scope: Scope,
    /// The last height at which it binds; without, until it is lifted.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    pub(super) until: u64,
}

#[derive(Args)]
pub struct EmergencyArgs {
    /// The account.
    pub(super) account: Address,
    #[command(flatten)]
    pub(super) basis: BasisArgs,
    /// all: whatever it sends; outgoing: its business alone.
    #[arg(long, default_value = "all")]
    pub(super) scope: Scope,
}

#[derive(Args)]
pub struct UnfreezeArgs {
    /// The account.
    pub(super) account: Address,
    #[command(flatten)]
    pub(super) basis: BasisArgs,
}

#[derive(Args)]
pub struct PolicyIdArgs {
    /// The policy's id.
    #[arg(long, value_name = "ID")]
    pub(super) id: PolicyId,
}

/// A policy in a file.
#[derive(Args)]
pub struct PolicyArgs {
    /// The policy's id, the same as its text says in @id("…").
    #[arg(long, value_name = "ID")]
    pub id: PolicyId,
    /// The file with its text, one policy in Cedar: see docs/permissions.md.
    #[arg(long, value_name = "FILE")]
    pub(super) file: PathBuf,
}

#[derive(Args)]
pub struct LimitArgs {
    /// The rule's JSON (docs/rules.md).
    #[arg(long, value_name = "FILE")]
    pub(super) file: PathBuf,
}

#[derive(Args)]
pub struct DeployListArgs {
    /// none: it binds nobody; allow: only who is on it may deploy; deny: who is on it may not.
    pub(super) kind: ListKind,
    /// An account that comes on it; repeat it for each.
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) add: Vec<Address>,
    /// An account that goes from it; repeat it for each.
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) remove: Vec<Address>,
}

#[derive(Args)]
pub struct FreezeContractArgs {
    /// The contract.
    pub(super) contract: Address,
    #[command(flatten)]
    pub(super) basis: BasisArgs,
    /// The last height at which it binds; without, until it is lifted.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    pub(super) until: u64,
}

#[derive(Args)]
pub struct ContractArgs {
    /// The contract.
    pub(super) contract: Address,
    #[command(flatten)]
    pub(super) basis: BasisArgs,
}

#[derive(Args)]
pub struct AttributesArgs {
    /// The contract.
    pub(super) contract: Address,
    /// JSON of the attributes (docs/committee.md).
    #[arg(long, value_name = "FILE")]
    pub(super) file: PathBuf,
}

#[derive(Args)]
pub struct DeploymentArgs {
    /// JSON artefact with `abi` and `bytecode`, as for `concordat contract deploy`.
    #[arg(long, value_name = "FILE", required_unless_present = "init_code")]
    pub(super) artefact: Option<PathBuf>,
    /// An argument of the constructor; repeat it for each, in order.
    #[arg(long, value_name = "ARGUMENT", requires = "artefact")]
    pub(super) argument: Vec<String>,
    /// The init code with its arguments instead of an artefact: hex, or a file that holds it.
    #[arg(long, value_name = "FILE|HEX", conflicts_with = "artefact")]
    pub(super) init_code: Option<String>,
    /// The compiler's standard JSON input.
    #[arg(long, value_name = "FILE")]
    pub(super) source: PathBuf,
    /// The compiler, `solc 0.8.37` for example.
    #[arg(long)]
    pub(super) compiler: String,
    /// A report of an audit or a proof (`concordat contract verify --prove --report`); repeat it for each.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Vec<PathBuf>,
    /// Who may deploy it: a developer.
    #[arg(long)]
    pub(super) deployer: Address,
    /// Who has to approve of it; repeat it for each.
    #[arg(long, value_name = "ACCOUNT", required = true)]
    pub(super) reviewer: Vec<Address>,
    /// The last height at which it may be deployed.
    #[arg(long)]
    pub(super) until: u64,
}

#[derive(Args)]
pub struct RequireArgs {
    /// on: they do; off: they do not.
    #[arg(value_parser = ["on", "off"])]
    pub(super) required: String,
}

#[derive(Args)]
pub struct RecoverArgs {
    /// The account of the lost key.
    pub(super) account: Address,
    /// PEM chain of the new key's certificate: same organisation, same role, never enrolled.
    #[arg(long, value_name = "FILE")]
    pub(super) certificate: PathBuf,
    #[command(flatten)]
    pub(super) basis: BasisArgs,
}

#[derive(Args)]
pub struct AdministratorArgs {
    /// The contract.
    pub(super) contract: Address,
    /// An operator or developer; the zero address: nobody.
    pub(super) administrator: Address,
}

#[derive(Args)]
pub struct BarArgs {
    /// An account of the identity.
    pub(super) account: Address,
    #[command(flatten)]
    pub(super) basis: BasisArgs,
}

#[derive(Args)]
pub struct LiftArgs {
    /// An account of the identity.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "node_key", conflicts_with = "node_key")]
    pub(super) account: Option<Address>,
    /// SHA-256 of the node's SubjectPublicKeyInfo.
    #[arg(long, value_name = "HASH")]
    pub(super) node_key: Option<B256>,
    #[command(flatten)]
    pub(super) basis: BasisArgs,
}

#[derive(Args)]
pub struct BarNodeArgs {
    /// SHA-256 of the node's SubjectPublicKeyInfo.
    pub(super) node_key: B256,
    #[command(flatten)]
    pub(super) basis: BasisArgs,
}

#[derive(Args)]
pub struct MandateArgs {
    /// Its account, enrolled with the role regulator.
    pub(super) account: Address,
    /// For which law it stands.
    #[arg(long, value_name = "TEXT")]
    pub(super) jurisdiction: String,
    /// What it may do: observe, freeze-accounts, freeze-contracts, veto or demand-correction; repeat it for each.
    #[arg(long, value_name = "POWER", required = true)]
    pub(super) power: Vec<Power>,
    /// An organisation that it supervises; repeat it for each. Without: all.
    #[arg(long, value_name = "ID", conflicts_with = "no_organisations")]
    pub(super) organisation: Vec<OrgId>,
    /// It supervises no organisation, but contracts.
    #[arg(long)]
    pub(super) no_organisations: bool,
    /// A contract that it supervises; repeat it for each. Without: all.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_contracts")]
    pub(super) contract: Vec<Address>,
    /// It supervises no contract, but organisations.
    #[arg(long)]
    pub(super) no_contracts: bool,
    /// The last height at which it holds; without, until it is retired.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    pub(super) until: u64,
}

#[derive(Args)]
pub struct RegulatorArgs {
    /// An account of the regulator's identity.
    pub(super) account: Address,
}

#[derive(Args)]
pub struct LimitIdArgs {
    /// The rule's id.
    pub(super) id: String,
}

#[derive(Args)]
pub struct RollBackArgs {
    /// The plan (`concordat rollback plan`).
    #[arg(long, value_name = "FILE")]
    pub(super) plan: PathBuf,
    #[command(flatten)]
    pub(super) basis: BasisArgs,
}

#[derive(Args)]
pub struct CorrectArgs {
    /// The token.
    pub(super) token: Address,
    /// The function: forcedTransfer(address,address,uint256), mint(address,uint256), burn(address,uint256),
    /// freezePartialTokens(address,uint256), unfreezePartialTokens(address,uint256), setAddressFrozen(address,bool) or
    /// recoveryAddress(address,address,address).
    pub(super) function: String,
    /// Its arguments; amounts in the token's smallest unit.
    #[arg(value_name = "ARGUMENT")]
    pub(super) arguments: Vec<String>,
    #[command(flatten)]
    pub(super) basis: BasisArgs,
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
    pub(super) fn read(&self) -> Result<(Address, Basis)> {
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

impl Proposable for CorrectArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let (_, call) = contract::encode_call(&self.function, &self.arguments)?;
        Ok(Action::Correct { contract: self.token, call, basis: self.basis.read()? })
    }
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

impl Proposable for RollBackArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        Ok(Action::RollBack(rollback::read(&self.plan, self.basis.read()?)?))
    }
}

impl BasisArgs {
    pub(super) fn read(&self) -> Result<Basis> {
        Ok(Basis { document: document(&self.basis_file)?, reference: self.reference.clone() })
    }
}

/// SHA-256 of a document.
pub(in crate::gov) fn document(file: &Path) -> Result<B256> {
    let bytes = fs::read(file).wrap_err_with(|| file.display().to_string())?;
    Ok(B256::from_slice(&Sha256::digest(bytes)))
}

fn chain(file: &Path) -> Result<Vec<Bytes>> {
    Ok(keys::certificates(file)?.into_iter().map(Bytes::from).collect())
}
