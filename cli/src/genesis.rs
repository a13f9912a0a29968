//! `concordat genesis`: each organisation makes its part, anyone assembles them, all compare one hash.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, Subcommand};
use concordat_core::genesis_state;
use concordat_types::{
    ChainParams, Genesis, OrgId, Role,
    genesis::{GenesisCommitteeMember, GenesisPart, GenesisValidator},
};
use eyre::{Result, WrapErr as _};
use serde_json::json;

use crate::output;

/// Subcommands of `concordat genesis`.
#[derive(Subcommand)]
pub enum GenesisCommand {
    /// Write this organisation's part: its CA, the roles that it may grant, its validators.
    Part(PartArgs),
    /// Put all parts together. Their order does not matter.
    Assemble(AssembleArgs),
    /// Check a document in full, certificates included, and print the hash that all members compare.
    Hash {
        /// The document.
        #[arg(default_value = "genesis.json")]
        file: PathBuf,
    },
}

/// Arguments of `concordat genesis part`.
#[derive(Args)]
pub struct PartArgs {
    /// The organisation's id, as in its certificates.
    #[arg(long)]
    org: OrgId,
    /// Its name for people.
    #[arg(long)]
    name: String,
    /// PEM of its root CA.
    #[arg(long, value_name = "FILE", required = true)]
    ca: Vec<PathBuf>,
    /// A role that its CA may grant; repeatable. Default: every role of a bank.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<Role>,
    /// A validator: NODE_CERTIFICATE,CONSENSUS_CERTIFICATE,HOST:PORT,POWER; repeatable.
    #[arg(long = "validator", value_name = "SPEC", value_parser = parse_validator)]
    validators: Vec<GenesisValidator>,
    /// A founding member of the committee: CERTIFICATE,WEIGHT; repeatable.
    #[arg(long = "member", value_name = "SPEC", value_parser = parse_member)]
    committee: Vec<GenesisCommitteeMember>,
    /// Where to write the part.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `concordat genesis assemble`.
#[derive(Args)]
pub struct AssembleArgs {
    /// The chain's name, at most 50 characters.
    #[arg(long)]
    chain_id: String,
    /// The EIP-155 id that transactions are signed for.
    #[arg(long)]
    evm_chain_id: u64,
    /// The parts of all organisations.
    #[arg(required = true, value_name = "PART")]
    parts: Vec<PathBuf>,
    /// Unix seconds at which the chain starts; all members must use the same. Default: now.
    #[arg(long, value_name = "SECONDS")]
    time: Option<i64>,
    /// With nothing to do, make a block this often, in milliseconds.
    #[arg(long, value_name = "MS")]
    empty_block_interval_ms: Option<u64>,
    /// Where to write the document.
    #[arg(long, value_name = "FILE", default_value = "genesis.json")]
    out: PathBuf,
}

/// The roles that a bank's CA grants if nothing else is said: all but the regulator's.
pub fn bank_roles() -> BTreeSet<Role> {
    let regulator = [Role::Regulator, Role::AuditNode];
    Role::ALL.iter().copied().filter(|role| !regulator.contains(role)).collect()
}

/// Reads a genesis document.
pub fn read(path: &Path) -> Result<Genesis> {
    let text = fs::read_to_string(path).wrap_err_with(|| format!("genesis {}", path.display()))?;
    Ok(Genesis::from_json(&text)?)
}

/// Runs `concordat genesis`.
pub fn run(command: GenesisCommand, json: bool) -> Result<()> {
    match command {
        GenesisCommand::Part(args) => part(args, json),
        GenesisCommand::Assemble(args) => assemble(args, json),
        GenesisCommand::Hash { file } => {
            let text = fs::read_to_string(&file).wrap_err_with(|| file.display().to_string())?;
            report(&Genesis::from_json(&text)?, json)
        }
    }
}

fn part(args: PartArgs, json: bool) -> Result<()> {
    let read = |path: &PathBuf| fs::read_to_string(path).wrap_err_with(|| path.display().to_string());
    let roles = if args.roles.is_empty() { bank_roles() } else { args.roles.into_iter().collect() };
    let part = GenesisPart {
        organisation: args.org,
        name: args.name,
        ca_certificates: args.ca.iter().map(read).collect::<Result<_>>()?,
        roles,
        validators: args.validators,
        committee: args.committee,
    };
    fs::write(&args.out, serde_json::to_string_pretty(&part)?)?;
    let said =
        json!({ "organisation": part.organisation, "validators": part.validators.len(), "file": args.out });
    output::show(json, &said, |_| {
        format!("wrote {}; send it to whoever assembles the genesis", args.out.display())
    })
}

fn assemble(args: AssembleArgs, json: bool) -> Result<()> {
    let read = |path: &PathBuf| -> Result<GenesisPart> {
        let text = fs::read_to_string(path).wrap_err_with(|| path.display().to_string())?;
        serde_json::from_str(&text).wrap_err_with(|| format!("{} is no genesis part", path.display()))
    };
    let parts = args.parts.iter().map(read).collect::<Result<Vec<_>>>()?;
    let mut params = ChainParams::default();
    if let Some(interval) = args.empty_block_interval_ms {
        params.empty_block_interval_ms = interval;
    }
    let time = match args.time {
        Some(time) => time,
        None => i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?,
    };
    let genesis = Genesis::assemble(&args.chain_id, args.evm_chain_id, time, params, parts)?;
    genesis_state(&genesis)?;
    fs::write(&args.out, genesis.to_json())?;
    report(&genesis, json)
}

fn report(genesis: &Genesis, json: bool) -> Result<()> {
    let state = genesis_state(genesis)?;
    let said = json!({
        "chain_id": genesis.chain_id,
        "evm_chain_id": genesis.evm_chain_id,
        "hash": genesis.hash(),
        "organisations": genesis.organisations.iter().map(|part| &part.organisation).collect::<Vec<_>>(),
        "validators": state.validators.validators().len(),
        "total_power": state.validators.total_power(),
    });
    output::show(json, &said, |_| {
        format!(
            "{}\nchain {} (EIP-155 id {}), {} organisations, {} validators\n\
             Compare this hash with every member over a second channel before you start.",
            genesis.hash(),
            genesis.chain_id,
            genesis.evm_chain_id,
            genesis.organisations.len(),
            state.validators.validators().len()
        )
    })
}

fn parse_member(spec: &str) -> Result<GenesisCommitteeMember, String> {
    let (certificate, weight) = spec.rsplit_once(',').ok_or("write CERTIFICATE,WEIGHT")?;
    Ok(GenesisCommitteeMember {
        certificate: fs::read_to_string(certificate).map_err(|e| format!("{certificate}: {e}"))?,
        weight: weight.parse().map_err(|_| format!("{weight:?} is no weight"))?,
    })
}

fn parse_validator(spec: &str) -> Result<GenesisValidator, String> {
    let fields: Vec<&str> = spec.split(',').collect();
    let [node, consensus, address, power] = fields[..] else {
        return Err("write NODE_CERTIFICATE,CONSENSUS_CERTIFICATE,HOST:PORT,POWER".into());
    };
    let read = |path: &str| fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
    Ok(GenesisValidator {
        node_certificate: read(node)?,
        consensus_certificate: read(consensus)?,
        address: address.to_owned(),
        power: power.parse().map_err(|_| format!("{power:?} is no voting power"))?,
    })
}
