//! Call data and init code from what people write, and back.

use std::{fs, path::Path};

use alloy_dyn_abi::{DynSolType, FunctionExt as _, JsonAbiExt as _, Specifier as _};
use alloy_json_abi::{Function, JsonAbi};
use alloy_primitives::{Address, Bytes, FixedBytes};
use clap::Args;
use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};

use crate::output;

/// A function of a contract.
#[derive(Args)]
pub struct TargetArgs {
    /// The contract.
    #[arg(long)]
    pub(super) to: Address,
    /// The function, `transfer(address,uint256)` or `balanceOf(address)(uint256)` with what it returns.
    function: String,
    /// Its arguments.
    #[arg(value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// The first four bytes of a call: given as such, or as the signature whose hash they begin.
pub fn parse_method(text: &str) -> Result<FixedBytes<4>> {
    if text.starts_with("0x") {
        return text.parse().wrap_err("a method has 4 bytes, 0xa9059cbb for example");
    }
    let signature = Function::parse(text)
        .wrap_err_with(|| format!("{text:?} is no method; write transfer(address,uint256) or 0xa9059cbb"))?;
    for input in &signature.inputs {
        input.resolve().wrap_err_with(|| format!("{text:?} is no method"))?;
    }
    Ok(signature.selector())
}

pub(super) fn show_values(json: bool, function: &Function, answer: &Bytes) -> Result<()> {
    if function.outputs.is_empty() {
        return output::show(json, &json!({ "output": answer }), |_| answer.to_string());
    }
    let values =
        function.abi_decode_output(answer).wrap_err("the answer is not what the function returns")?;
    let texts: Vec<String> = values.iter().map(value_text).collect();
    output::show(json, &json!({ "output": answer, "values": texts }), |_| texts.join("\n"))
}

pub(super) fn value_text(value: &alloy_dyn_abi::DynSolValue) -> String {
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
    pub(super) fn encode(&self) -> Result<(Function, Bytes)> {
        encode_call(&self.function, &self.arguments)
    }
}

/// A function and the data of a call of it.
pub fn encode_call(function: &str, arguments: &[String]) -> Result<(Function, Bytes)> {
    let function =
        Function::parse(function).wrap_err_with(|| format!("{function:?} is no function signature"))?;
    let types: Vec<String> = function.inputs.iter().map(|input| input.ty.clone()).collect();
    let values = coerce(&types, arguments)?;
    let input = function.abi_encode_input(&values)?;
    Ok((function, input.into()))
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
    code.extend(constructor_arguments(&abi, arguments)?);
    Ok(code.into())
}

/// What follows the creation code: the constructor's arguments.
pub(super) fn constructor_arguments(abi: &JsonAbi, arguments: &[String]) -> Result<Vec<u8>> {
    match abi.constructor() {
        Some(constructor) => {
            let types: Vec<String> = constructor.inputs.iter().map(|input| input.ty.clone()).collect();
            Ok(constructor.abi_encode_input(&coerce(&types, arguments)?)?)
        }
        None if arguments.is_empty() => Ok(Vec::new()),
        None => bail!("the contract has no constructor, so it takes no arguments"),
    }
}

/// The constructor's arguments in what follows the creation code; `None` where it is none.
pub(super) fn read_arguments(abi: &JsonAbi, encoded: &[u8]) -> Option<Vec<String>> {
    let Some(constructor) = abi.constructor() else { return encoded.is_empty().then(Vec::new) };
    let values = constructor.abi_decode_input(encoded).ok()?;
    // One form each: what is decoded leniently could hide bytes.
    let same = constructor.abi_encode_input(&values).is_ok_and(|again| again == encoded);
    same.then(|| values.iter().map(value_text).collect())
}

/// Hex, or a file that holds it.
pub fn read_hex(text: &str) -> Result<Bytes> {
    let held = match text.strip_prefix("0x") {
        Some(_) => text.to_owned(),
        None => fs::read_to_string(text).wrap_err_with(|| text.to_owned())?,
    };
    let digits = held.trim();
    let bytes = hex::decode(digits.strip_prefix("0x").unwrap_or(digits));
    Ok(bytes.wrap_err_with(|| format!("{} is no hex", text.chars().take(64).collect::<String>()))?.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_a_signature_or_its_four_bytes() {
        let transfer = FixedBytes([0xa9, 0x05, 0x9c, 0xbb]);
        assert_eq!(parse_method("transfer(address,uint256)").unwrap(), transfer);
        assert_eq!(parse_method("transfer(address to, uint256 amount)").unwrap(), transfer);
        assert_eq!(parse_method("0xa9059cbb").unwrap(), transfer);
        for wrong in ["0xa905", "transfer", "transfer(thing)", ""] {
            assert!(parse_method(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn arguments_of_a_constructor_are_read_back_in_one_form_alone() {
        let abi: JsonAbi = serde_json::from_value(json!([{
            "type": "constructor",
            "stateMutability": "nonpayable",
            "inputs": [{ "name": "name", "type": "string" }, { "name": "supply", "type": "uint256" }],
        }]))
        .unwrap();
        let given = ["Test Euro".to_owned(), "5".to_owned()];
        let mut encoded = constructor_arguments(&abi, &given).unwrap();
        assert_eq!(read_arguments(&abi, &encoded), Some(given.to_vec()));
        encoded.push(0);
        assert_eq!(read_arguments(&abi, &encoded), None);
        assert_eq!(read_arguments(&abi, &[]), None);
        let none = JsonAbi::new();
        assert_eq!(read_arguments(&none, &[]), Some(Vec::new()));
        assert_eq!(read_arguments(&none, &[0]), None);
        assert!(constructor_arguments(&none, &given).is_err());
    }

    #[test]
    fn hex_is_given_as_such_or_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("init.hex");
        fs::write(&file, "0x6080\n").unwrap();
        assert_eq!(read_hex("0x6080").unwrap(), read_hex(file.to_str().unwrap()).unwrap());
        assert!(read_hex("0x608").is_err());
        assert!(read_hex("/nowhere/init.hex").unwrap_err().to_string().contains("/nowhere"));
    }
}
