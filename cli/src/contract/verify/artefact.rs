//! What a compiler made: code, and which bytes of it are set later.

use std::{collections::BTreeMap, ops::Range};

use alloy_json_abi::JsonAbi;
use alloy_primitives::{Address, Bytes};
use eyre::{Result, WrapErr as _, bail, eyre};
use serde::Deserialize;
use serde_json::Value;

use super::{compare, input::ContractName, metadata};

/// How the runtime code of a library begins: its own address, which is put in when it is deployed, is compared with
/// the address at which it runs ("Call Protection For Libraries").
const LIBRARY: ([u8; 21], [u8; 2]) =
    ([0x73, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0x30, 0x14]);

/// Code that makes a contract, and the code that it leaves behind, before anything is set in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The creation code, without the constructor's arguments.
    pub creation: Vec<u8>,
    /// The runtime code.
    pub runtime: Vec<u8>,
}

/// A contract as the compiler made it.
#[derive(Debug)]
pub struct Artefact {
    /// Its code.
    pub code: Code,
    /// Its interface.
    pub abi: JsonAbi,
    /// The immutables, by name, and where each stands in the runtime code.
    pub immutables: BTreeMap<String, Vec<Range<usize>>>,
    /// Contracts whose creation code it holds.
    pub makes: BTreeMap<String, Code>,
    /// The metadata of all contracts of the compilation.
    metadata: Vec<Vec<u8>>,
}

/// A part of code that the compiler points at.
#[derive(Clone, Copy, Deserialize)]
struct Place {
    start: usize,
    length: usize,
}

impl Artefact {
    /// Takes a contract out of standard JSON output.
    pub fn of(output: &Value, name: &ContractName) -> Result<Self> {
        let contracts =
            output["contracts"].as_object().ok_or_else(|| eyre!("the compiler made no contracts"))?;
        let made = &output["contracts"][&name.file][&name.name];
        if made.is_null() {
            let known: Vec<String> =
                contracts.iter().flat_map(|(file, in_file)| names(file, in_file)).collect();
            bail!("there is no contract {name} in the sources; there are {}", known.join(", "));
        }
        let code = code_of(made).wrap_err_with(|| name.to_string())?;
        if code.runtime.is_empty() {
            bail!("{name} has no code: it is an interface, or abstract");
        }
        let (mut makes, mut metadata) = (BTreeMap::new(), Vec::new());
        for (file, in_file) in contracts {
            for (other, made) in in_file.as_object().into_iter().flatten() {
                // What cannot be linked cannot be a part of code that is.
                let Ok(other_code) = code_of(made) else { continue };
                metadata
                    .extend(metadata::trailer(&other_code.runtime).map(|at| other_code.runtime[at].to_vec()));
                let other = format!("{file}:{other}");
                if other != name.to_string() && holds(&code, &other_code) {
                    makes.insert(other, other_code);
                }
            }
        }
        metadata.sort();
        metadata.dedup();
        let abi = serde_json::from_value(made["abi"].clone()).wrap_err("the compiler gives no interface")?;
        let immutables = immutables(output, &made["evm"]["deployedBytecode"]["immutableReferences"])?;
        Ok(Self { code, abi, immutables, makes, metadata })
    }

    /// Holds the code that a contract has on chain against this.
    pub fn compare_runtime(&self, given: &[u8], address: Address) -> compare::Verdict {
        let mut code = self.code.runtime.clone();
        if let Some(own) = own_address(&code) {
            code[own].copy_from_slice(address.as_slice());
        }
        let open: Vec<Range<usize>> = self.open(given).collect();
        let metadata = compare::places(&code, &self.metadata);
        compare::compare(compare::Expected { code: &code, open: &open, metadata: &metadata }, given)
    }

    /// Holds init code against this; what follows the creation code is told as well.
    pub fn compare_creation(&self, given: &[u8]) -> (compare::Verdict, Bytes) {
        let code = &self.code.creation;
        let metadata = compare::places(code, &self.metadata);
        let (made, arguments) = given.split_at(code.len().min(given.len()));
        let expected = compare::Expected { code, open: &[], metadata: &metadata };
        (compare::compare(expected, made), Bytes::copy_from_slice(arguments))
    }

    /// The bytes of immutables; not of one that does not have the same value everywhere, which is another program.
    fn open<'a>(&'a self, given: &'a [u8]) -> impl Iterator<Item = Range<usize>> {
        let same = |places: &&Vec<Range<usize>>| value(places, given).is_some();
        self.immutables.values().filter(same).flatten().cloned()
    }

    /// The values that the immutables have in code.
    pub fn values(&self, given: &[u8]) -> BTreeMap<String, Bytes> {
        let named = |(name, places): (&String, &Vec<_>)| Some((name.clone(), value(places, given)?));
        self.immutables.iter().filter_map(named).collect()
    }
}

/// The one value that stands at all these places.
fn value(places: &[Range<usize>], given: &[u8]) -> Option<Bytes> {
    let mut values = places.iter().map(|place| given.get(place.clone()));
    let first = values.next()??;
    values.all(|other| other == Some(first)).then(|| Bytes::copy_from_slice(first))
}

/// Where a library's runtime code holds its own address.
fn own_address(code: &[u8]) -> Option<Range<usize>> {
    let (push, compared) = LIBRARY;
    code.strip_prefix(&push)?.starts_with(&compared).then_some(1..21)
}

/// Whether code can make the other contract.
fn holds(code: &Code, other: &Code) -> bool {
    let within = |code: &[u8]| !compare::places(code, std::slice::from_ref(&other.creation)).is_empty();
    within(&code.creation) || within(&code.runtime)
}

fn names(file: &str, in_file: &Value) -> Vec<String> {
    in_file.as_object().into_iter().flatten().map(|(name, _)| format!("{file}:{name}")).collect()
}

fn code_of(made: &Value) -> Result<Code> {
    let evm = &made["evm"];
    Ok(Code { creation: linked(&evm["bytecode"])?, runtime: linked(&evm["deployedBytecode"])? })
}

/// The bytes of a compiler's code object, if nothing is left to be linked.
fn linked(made: &Value) -> Result<Vec<u8>> {
    let missing: Vec<String> = made["linkReferences"]
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(file, libraries)| names(file, libraries))
        .collect();
    if !missing.is_empty() {
        bail!(
            "it is linked to {}: name the address under `settings.libraries` of the input",
            missing.join(", ")
        );
    }
    let text = made["object"].as_str().ok_or_else(|| eyre!("the compiler gives no code"))?;
    hex::decode(text).wrap_err("the compiler's code is no hex")
}

/// The immutables by the names that the source gives them, and where each stands.
fn immutables(output: &Value, references: &Value) -> Result<BTreeMap<String, Vec<Range<usize>>>> {
    let references: Option<BTreeMap<String, Vec<Place>>> = serde_json::from_value(references.clone())?;
    let asts: Vec<&Value> =
        output["sources"].as_object().into_iter().flatten().map(|(_, source)| &source["ast"]).collect();
    let mut found: BTreeMap<String, Vec<Range<usize>>> = BTreeMap::new();
    for (id, places) in references.unwrap_or_default() {
        let declared = id.parse::<u64>().ok().and_then(|id| asts.iter().find_map(|ast| declared(ast, id)));
        // Two contracts that this one inherits from may both have one of a name.
        let name = declared.map(str::to_owned).filter(|name| !found.contains_key(name));
        let range = |Place { start, length }| start..start.saturating_add(length);
        found.insert(name.unwrap_or(format!("#{id}")), places.into_iter().map(range).collect());
    }
    Ok(found)
}

/// The name of a declaration in a syntax tree.
fn declared(node: &Value, id: u64) -> Option<&str> {
    let is_it = node["id"].as_u64() == Some(id) && node["nodeType"] == "VariableDeclaration";
    match node {
        Value::Object(fields) if is_it => fields.get("name").and_then(Value::as_str),
        Value::Object(fields) => fields.values().find_map(|field| declared(field, id)),
        Value::Array(items) => items.iter().find_map(|item| declared(item, id)),
        _ => None,
    }
}
