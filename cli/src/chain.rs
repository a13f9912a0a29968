//! `concordat chain`: what all nodes share.

use std::collections::BTreeSet;

use clap::Subcommand;
use concordat_core::{
    abi::IIdentityRegistry::validatorsCall, governance::abi::IGovernance, known_protocol_version,
};
use eyre::Result;
use serde_json::{Map, Value, json};

use crate::{
    account,
    client::{Client, NodeArgs},
    gov, output,
};

/// Subcommands of `concordat chain`.
#[derive(Subcommand)]
pub enum ChainCommand {
    /// The parameters of the next block, which protocol version runs, and who knows the one that is to come.
    Params {
        #[command(flatten)]
        node: NodeArgs,
    },
}

/// Runs `concordat chain`.
pub fn run(command: ChainCommand, json: bool) -> Result<()> {
    match command {
        ChainCommand::Params { node } => params(&node.connect()?, json),
    }
}

fn params(client: &Client, json: bool) -> Result<()> {
    let parameters = gov::ask(client, &IGovernance::parametersCall {})?;
    let protocol = gov::ask(client, &IGovernance::protocolCall {})?;
    let upgrade = match protocol.height {
        0 => Value::Null,
        height => json!({ "version": protocol.next, "height": height }),
    };
    let said = json!({
        "block_max_bytes": parameters.blockMaxBytes,
        "block_gas_limit": parameters.blockGasLimit,
        "empty_block_interval_ms": parameters.emptyBlockIntervalMs,
        "clock_precision_ms": parameters.clockPrecisionMs,
        "message_delay_ms": parameters.messageDelayMs,
        "protocol_version": protocol.running,
        "upgrade": upgrade,
        "announced": announced(client)?,
        "known_to_this_program": known_protocol_version(),
    });
    output::show(json, &said, |said| format!("{said:#}"))
}

/// What each organisation with validators has announced.
fn announced(client: &Client) -> Result<Map<String, Value>> {
    let validators = account::ask(client, &validatorsCall {})?;
    let organisations: BTreeSet<String> = validators.into_iter().map(|v| v.organisation).collect();
    let mut announced = Map::new();
    for organisation in organisations {
        let call = IGovernance::announcedVersionCall { organisation: organisation.clone() };
        announced.insert(organisation, json!(gov::ask(client, &call)?));
    }
    Ok(announced)
}
