//! `concordat contract`: deploy, send, call. Foundry, Hardhat and ethers do the same and more.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy_dyn_abi::{DynSolType, FunctionExt as _, JsonAbiExt as _};
use alloy_json_abi::{Function, JsonAbi};
use alloy_primitives::{Address, Bytes, TxKind};
use clap::{Args, Subcommand};
use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};

use crate::{
    client::NodeArgs,
    keys::KeyArgs,
    output,
    transaction::{self, Act},
};

/// Subcommands of `concordat contract`.
#[derive(Subcommand)]
pub enum ContractCommand {
    /// Deploy a compiled contract. The sender's role must be developer.
    Deploy {
        #[command(flatten)]
        key: KeyArgs,
        /// JSON artefact with `abi` and `bytecode` (Hardhat, Foundry or solc standard output of one contract).
        #[arg(long, value_name = "FILE")]
        artefact: PathBuf,
        /// Arguments of the constructor.
        #[arg(value_name = "ARGUMENT")]
        arguments: Vec<String>,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Send a transaction to a contract and wait for its receipt. `--json` adds to it `finality_ms`, the time from
    /// the submission to the receipt.
    Send {
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Read from a contract, at the newest or at a past height.
    Call {
        #[command(flatten)]
        target: TargetArgs,
        /// The height; the newest if absent.
        #[arg(long)]
        height: Option<u64>,
        #[command(flatten)]
        node: NodeArgs,
    },
}

/// A function of a contract.
#[derive(Args)]
pub struct TargetArgs {
    /// The contract.
    #[arg(long)]
    to: Address,
    /// The function, `transfer(address,uint256)` or `balanceOf(address)(uint256)` with what it returns.
    function: String,
    /// Its arguments.
    #[arg(value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Runs `concordat contract`.
pub fn run(command: ContractCommand, json: bool) -> Result<()> {
    match command {
        ContractCommand::Deploy { key, artefact, arguments, node } => {
            let input = init_code(&artefact, &arguments)?;
            let act = Act { to: TxKind::Create, input, gas: None };
            let receipt = transaction::execute(&node.connect()?, &key.open()?, &act)?;
            let said = json!({ "contract": receipt["contractAddress"], "transaction": receipt["transactionHash"], "block": receipt["blockNumber"] });
            output::show(json, &said, |said| said["contract"].as_str().unwrap_or_default().to_owned())
        }
        ContractCommand::Send { key, target, node } => {
            let (_, input) = target.encode()?;
            let act = Act { to: TxKind::Call(target.to), input, gas: None };
            let (mut said, took) = transaction::timed(&node.connect()?, &key.open()?, &act)?;
            let hash = transaction::hash_of(&said)?;
            said["finality_ms"] = json!(u64::try_from(took.as_millis())?);
            output::show(json, &said, |_| format!("{hash} succeeded, final after {} ms", took.as_millis()))
        }
        ContractCommand::Call { target, height, node } => {
            let (function, input) = target.encode()?;
            let at = height.map_or(json!("latest"), |height| json!(format!("{height:#x}")));
            let request = json!([{ "to": target.to, "input": input }, at]);
            let answer: Bytes = serde_json::from_value(node.connect()?.call("eth_call", request)?)?;
            show_values(json, &function, &answer)
        }
    }
}

fn show_values(json: bool, function: &Function, answer: &Bytes) -> Result<()> {
    if function.outputs.is_empty() {
        return output::show(json, &json!({ "output": answer }), |_| answer.to_string());
    }
    let values =
        function.abi_decode_output(answer).wrap_err("the answer is not what the function returns")?;
    let texts: Vec<String> = values.iter().map(value_text).collect();
    output::show(json, &json!({ "output": answer, "values": texts }), |_| texts.join("\n"))
}

fn value_text(value: &alloy_dyn_abi::DynSolValue) -> String {
    use alloy_dyn_abi::DynSolValue as V;
    match value {
        V::Uint(number, _) => number.to_string(),
        V::Int(number, _) => number.to_string(),
        V::Bool(flag) => flag.to_string(),
        V::String(text) => text.clone(),
        V::Address(address) => address.to_string(),
        V::Array(items) | V::FixedArray(items) | V::Tuple(items) => {
            format!("[{}]", items.iter().map(value_text).collect::<Vec<_>>().join(", "))
        }
        other => {
            other.abi_encode_packed().iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
        }
    }
}

impl TargetArgs {
    fn encode(&self) -> Result<(Function, Bytes)> {
        let function = Function::parse(&self.function)
            .wrap_err_with(|| format!("{:?} is no function signature", self.function))?;
        let types: Vec<String> = function.inputs.iter().map(|input| input.ty.clone()).collect();
        let values = coerce(&types, &self.arguments)?;
        let input = function.abi_encode_input(&values)?;
        Ok((function, input.into()))
    }
}

/// Init code of an artefact, with the constructor's arguments behind it.
pub fn init_code(artefact: &Path, arguments: &[String]) -> Result<Bytes> {
    let text = fs::read_to_string(artefact).wrap_err_with(|| artefact.display().to_string())?;
    let artefact: Value = serde_json::from_str(&text).wrap_err("not a JSON artefact")?;
    let abi: JsonAbi = serde_json::from_value(artefact["abi"].clone()).wrap_err("artefact has no `abi`")?;
    let code =
        [&artefact["bytecode"], &artefact["bytecode"]["object"], &artefact["evm"]["bytecode"]["object"]];
    let code =
        code.iter().find_map(|code| code.as_str()).ok_or_else(|| eyre!("artefact has no `bytecode`"))?;
    let mut code = hex::decode(code.trim_start_matches("0x"))
        .wrap_err("`bytecode` is no hex; link its libraries first")?;
    match abi.constructor() {
        Some(constructor) => {
            let types: Vec<String> = constructor.inputs.iter().map(|input| input.ty.clone()).collect();
            code.extend(constructor.abi_encode_input(&coerce(&types, arguments)?)?);
        }
        None if arguments.is_empty() => {}
        None => bail!("the contract has no constructor, so it takes no arguments"),
    }
    Ok(code.into())
}

fn coerce(types: &[String], arguments: &[String]) -> Result<Vec<alloy_dyn_abi::DynSolValue>> {
    if types.len() != arguments.len() {
        bail!("{} arguments are needed ({}), {} given", types.len(), types.join(", "), arguments.len());
    }
    let one = |(kind, text): (&String, &String)| {
        let parsed = DynSolType::parse(kind)?.coerce_str(text);
        parsed.wrap_err_with(|| format!("argument {text:?} is no {kind}"))
    };
    types.iter().zip(arguments).map(one).collect()
}
