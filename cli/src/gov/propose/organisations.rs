//! Proposals on members, their authorities and identities.

use std::{collections::BTreeSet, fs, path::PathBuf};

use alloy_primitives::{Address, Bytes};
use clap::{Args, Subcommand};
use concordat_governance::{Action, action::Admission};
use concordat_pki_authority::pem;
use concordat_types::{OrgId, genesis::GenesisPart};
use eyre::{Result, WrapErr as _};

use super::args::{BasisArgs, Proposable, Proposing, chain};
use crate::sender::SenderArgs;

/// Subcommands of `concordat gov propose` on members, their authorities and identities.
#[derive(Subcommand)]
pub enum OrganisationCommand {
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
}

impl OrganisationCommand {
    pub fn run(self, json: bool) -> Result<()> {
        match self {
            Self::AdmitOrganisation(args) => args.propose(json),
            Self::SuspendOrganisation(args) => {
                args.propose_as(|it| Ok(Action::SuspendOrganisation(it.organisation.clone())), json)
            }
            Self::ReinstateOrganisation(args) => {
                args.propose_as(|it| Ok(Action::ReinstateOrganisation(it.organisation.clone())), json)
            }
            Self::ExpelOrganisation(args) => {
                args.propose_as(|it| Ok(Action::ExpelOrganisation(it.organisation.clone())), json)
            }
            Self::SetAuthorities(args) => args.propose(json),
            Self::RecoverKey(args) => args.propose(json),
        }
    }
}

#[derive(Args)]
pub struct AdmitArgs {
    /// The organisation's part: its id, name, root certificates and the roles that they may grant.
    #[arg(long, value_name = "FILE")]
    part: PathBuf,
}

impl Proposable for AdmitArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let text = fs::read_to_string(&self.part).wrap_err_with(|| self.part.display().to_string())?;
        let part: GenesisPart = serde_json::from_str(&text)
            .wrap_err_with(|| format!("{} is no organisation's part", self.part.display()))?;
        let mut roots = Vec::new();
        for text in &part.ca_certificates {
            let chain = pem::decode_all(pem::CERTIFICATE, text);
            roots.extend(chain.into_iter().map(Bytes::from));
        }
        let GenesisPart { organisation: id, name, roles, .. } = part;
        Ok(Action::AdmitOrganisation(Admission { id, name, roots, roles: BTreeSet::from_iter(roles) }))
    }
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

impl Proposable for AuthoritiesArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let mut roots = Vec::new();
        for file in &self.ca {
            roots.extend(chain(file)?);
        }
        Ok(Action::SetAuthorities { id: self.organisation.clone(), roots })
    }
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

impl Proposable for RecoverArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let Self { account, certificate, basis } = self;
        Ok(Action::RecoverKey { account: *account, chain: chain(certificate)?, basis: basis.read()? })
    }
}
