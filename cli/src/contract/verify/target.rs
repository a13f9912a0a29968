//! What is held against the compiler's code: a contract on chain, init code, or a proposal to deploy.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes};
use clap::Args;
use concordat_core::{contracts::abi::IContracts, governance::abi::IGovernance};
use concordat_governance::{Action, Kind, action::Deployment};
use eyre::{Result, bail, eyre};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{artefact::Artefact, compare::Verdict, input::Input};
use crate::{
    client::{Client, NodeArgs},
    contract::{ask, encoding, read_hex},
    gov,
};

/// What is compared with, and the node that knows it.
#[derive(Args)]
pub struct TargetArgs {
    /// The contract on chain whose code shall be that of the source.
    #[arg(long, value_name = "ADDRESS", required_unless_present_any = ["init_code", "proposal", "prove", "previous_input"])]
    address: Option<Address>,
    /// Init code, with the constructor's arguments: hex, or a file that holds it.
    #[arg(long, value_name = "FILE|HEX", conflicts_with = "address")]
    init_code: Option<String>,
    /// A proposal to deploy (`gov propose deploy-contract`), which names hashes of init code and source.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["address", "init_code"])]
    proposal: Option<u64>,
    /// An argument of the constructor; repeat it for each, in order. A proposal's hash is of the code with them.
    #[arg(long, value_name = "ARGUMENT", conflicts_with = "address")]
    argument: Vec<String>,
    #[command(flatten)]
    node: NodeArgs,
}

/// What is compared with, as it was read.
pub enum Target {
    /// The code of a contract, and what is attested of it.
    Contract(Address, Bytes, Box<IContracts::Attributes>),
    /// Init code.
    InitCode(Bytes),
    /// What a proposal approves of.
    Proposal(u64, Box<Deployment>),
}

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(tag = "with", rename_all = "kebab-case")]
pub enum Compared {
    /// A contract's code.
    Contract {
        address: Address,
        #[serde(flatten)]
        verdict: Verdict,
        /// The values that were set when it was made.
        immutables: BTreeMap<String, Bytes>,
        /// Whether its attributes name this very input; `None` where they name none.
        attested_source: Option<bool>,
    },
    /// Init code.
    InitCode {
        /// SHA-256 of it, which proposals name.
        code: B256,
        #[serde(flatten)]
        verdict: Verdict,
        /// Its length.
        bytes: usize,
        /// The constructor's arguments; `None`: what follows the creation code is none.
        arguments: Option<Vec<String>>,
        /// Whether they are those that were named.
        as_named: bool,
    },
    /// A proposal's hashes.
    Proposal {
        proposal: u64,
        /// SHA-256 of the init code that the source compiles to, with the arguments that were named.
        code: B256,
        /// Whether the proposal names this init code.
        same_code: bool,
        /// Whether it names this input.
        same_source: bool,
    },
}

impl TargetArgs {
    /// Reads what is compared with; `None` if nothing is.
    pub fn read(&self) -> Result<Option<Target>> {
        let target = match (self.address, &self.init_code, self.proposal) {
            (Some(address), ..) => contract(&self.node.connect()?, address)?,
            (None, Some(code), _) => Target::InitCode(read_hex(code)?),
            (None, None, Some(id)) => proposal(&self.node.connect()?, id)?,
            (None, None, None) => return Ok(None),
        };
        Ok(Some(target))
    }

    /// The code of another contract, by the same node.
    pub fn code(&self, address: Address) -> Result<Bytes> {
        code(&self.node.connect()?, address)
    }

    /// The constructor's arguments that were named, encoded; nothing if none were.
    pub fn arguments(&self, artefact: &Artefact) -> Result<Vec<u8>> {
        // Init code brings its own, and a contract shows none.
        match self.argument.is_empty() && self.proposal.is_none() {
            true => Ok(Vec::new()),
            false => encoding::constructor_arguments(&artefact.abi, &self.argument),
        }
    }
}

fn code(client: &Client, address: Address) -> Result<Bytes> {
    let code: Bytes = serde_json::from_value(client.call("eth_getCode", json!([address, "latest"]))?)?;
    if code.is_empty() {
        bail!("there is no contract at {address}");
    }
    Ok(code)
}

fn contract(client: &Client, address: Address) -> Result<Target> {
    let code = code(client, address)?;
    let attributes = ask(client, &IContracts::attributesCall { contractAddress: address })?;
    Ok(Target::Contract(address, code, Box::new(attributes)))
}

fn proposal(client: &Client, id: u64) -> Result<Target> {
    let proposal = gov::ask(client, &IGovernance::proposalCall { id })?;
    let payload = gov::ask(client, &IGovernance::payloadCall { id })?;
    let kind =
        Kind::from_code(proposal.kind).ok_or_else(|| eyre!("proposal {id} is of a kind unknown here"))?;
    match Action::decode(kind, &payload)? {
        Action::DeployContract(deployment) => Ok(Target::Proposal(id, Box::new(deployment))),
        _ => bail!("proposal {id} is for {kind}, not for {}", Kind::DeployContract),
    }
}

impl Target {
    /// The compiler that is named on chain.
    pub fn compiler(&self) -> Option<&str> {
        match self {
            Self::Contract(_, _, attributes) if attributes.holds => {
                Some(attributes.compiler.as_str()).filter(|compiler| !compiler.is_empty())
            }
            Self::Contract(..) | Self::InitCode(_) => None,
            Self::Proposal(_, deployment) => Some(&deployment.compiler),
        }
    }

    /// Holds it against what the compiler made.
    pub fn compare(self, input: &Input, artefact: &Artefact, arguments: &[u8]) -> Result<Compared> {
        Ok(match self {
            Self::Contract(address, code, attributes) => Compared::Contract {
                address,
                verdict: artefact.compare_runtime(&code, address),
                immutables: artefact.values(&code),
                attested_source: attributes.holds.then_some(attributes.source == input.hash),
            },
            Self::InitCode(code) => {
                let (verdict, rest) = artefact.compare_creation(&code);
                Compared::InitCode {
                    code: sha256(&code),
                    verdict,
                    bytes: code.len(),
                    arguments: encoding::read_arguments(&artefact.abi, &rest),
                    as_named: arguments.is_empty() || arguments == &rest[..],
                }
            }
            Self::Proposal(proposal, deployment) => {
                let code = sha256(&[&artefact.code.creation, arguments].concat());
                let (same_code, same_source) = (deployment.code == code, deployment.source == input.hash);
                Compared::Proposal { proposal, code, same_code, same_source }
            }
        })
    }
}

impl Compared {
    /// Whether it is what the source compiles to.
    pub fn holds(&self, ignore_metadata: bool) -> bool {
        let same = |verdict: &Verdict| match verdict {
            Verdict::Identical => true,
            Verdict::IdenticalButForMetadata => ignore_metadata,
            Verdict::Differs { .. } => false,
        };
        match self {
            Self::Contract { verdict, .. } => same(verdict),
            Self::InitCode { verdict, arguments, as_named, .. } => {
                same(verdict) && arguments.is_some() && *as_named
            }
            Self::Proposal { same_code, same_source, .. } => *same_code && *same_source,
        }
    }

    /// How long the init code is, where it is at hand.
    pub fn init_code_bytes(&self) -> Option<usize> {
        match self {
            Self::InitCode { bytes, .. } => Some(*bytes),
            Self::Contract { .. } | Self::Proposal { .. } => None,
        }
    }

    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Self::Contract { address, verdict, immutables, attested_source } => {
                let mut lines = vec![line(verdict, &format!("the code at {address}"))];
                let set = immutables.iter().map(|(name, value)| format!("immutable   {name} = {value}"));
                lines.extend(set);
                lines.extend(attested_source.map(|same| match same {
                    true => "attested    of this very input".to_owned(),
                    false => "attested    of another input than this".to_owned(),
                }));
                lines.join("\n")
            }
            Self::InitCode { code, verdict, arguments, as_named, .. } => {
                let arguments = match (verdict, arguments, as_named) {
                    // Where the code ends, nobody knows then.
                    (Verdict::Differs { .. }, ..) => String::new(),
                    (_, None, _) => {
                        "\ndiffers     what follows the creation code is no constructor's arguments"
                            .to_owned()
                    }
                    (_, Some(_), false) => {
                        "\ndiffers     the arguments are not those that were named".to_owned()
                    }
                    (_, Some(arguments), true) => format!("\narguments   {}", arguments.join(", ")),
                };
                format!("{}{arguments}\ninit code   {code}", line(verdict, "the init code"))
            }
            Self::Proposal { proposal, code, same_code, same_source } => {
                let word = |same: bool| if same { "identical" } else { "differs" };
                format!(
                    "{:<11} the source that proposal {proposal} names\n{:<11} the init code that it names\ninit code   {code}",
                    word(*same_source),
                    word(*same_code),
                )
            }
        }
    }
}

fn line(verdict: &Verdict, what: &str) -> String {
    match verdict {
        Verdict::Identical => format!("identical   {what} is what the source compiles to"),
        Verdict::IdenticalButForMetadata => format!(
            "metadata    {what} is what the source compiles to but for the metadata, which does not run; \
             --ignore-metadata takes that for the same"
        ),
        Verdict::Differs { at, compiled, given } => {
            format!(
                "differs     {what}, from byte {at} on; it has {given} bytes, the source compiles to {compiled}"
            )
        }
    }
}

fn sha256(bytes: &[u8]) -> B256 {
    B256::from_slice(&Sha256::digest(bytes))
}
