//! Standard JSON input: what is compiled, and the hash that stands for it on chain.

use std::{fmt, fs, path::Path, str::FromStr};

use alloy_primitives::B256;
use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A contract in a source: `contracts/Token.sol:Token`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractName {
    /// The source's name in the input.
    pub file: String,
    /// The contract's.
    pub name: String,
}

impl FromStr for ContractName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':') {
            Some((file, name)) if !file.is_empty() && !name.is_empty() => {
                Ok(Self { file: file.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!("{text:?} names no contract of a source; write File.sol:Name")),
        }
    }
}

impl fmt::Display for ContractName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.name)
    }
}

/// The input of a compilation.
#[derive(Clone, Debug)]
pub struct Input {
    /// SHA-256 of the file.
    pub hash: B256,
    document: Value,
}

impl Input {
    /// Reads a file. Everything that is compiled must be in it: what is fetched from elsewhere, its hash would not bind.
    pub fn read(file: &Path) -> Result<Self> {
        let bytes = fs::read(file).wrap_err_with(|| file.display().to_string())?;
        Self::parse(&bytes).wrap_err_with(|| file.display().to_string())
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let document: Value = serde_json::from_slice(bytes).wrap_err("no JSON")?;
        let sources = document["sources"].as_object().filter(|sources| !sources.is_empty());
        let sources =
            sources.ok_or_else(|| eyre!("no standard JSON input of a compiler: it has no `sources`"))?;
        if let Some((name, _)) = sources.iter().find(|(_, source)| !source["content"].is_string()) {
            bail!(
                "source {name:?} has no `content`: put it in, or the hash of this file does not stand for it"
            );
        }
        Ok(Self { hash: B256::from_slice(&Sha256::digest(bytes)), document })
    }

    /// The text of a source.
    pub fn source(&self, name: &str) -> Option<&str> {
        self.document["sources"].get(name)?["content"].as_str()
    }

    /// Whether a source says this.
    pub fn mentions(&self, words: &str) -> bool {
        let sources = self.document["sources"].as_object().into_iter().flatten();
        sources.filter_map(|(_, source)| source["content"].as_str()).any(|text| text.contains(words))
    }

    /// The source that the compiler took and that is not in the input, if there is one.
    pub fn check(&self, output: &Value) -> Result<()> {
        let taken = output["sources"].as_object().ok_or_else(|| eyre!("the compiler tells no sources"))?;
        match taken.keys().find(|name| self.document["sources"].get(name).is_none()) {
            None => Ok(()),
            Some(name) => bail!("the compiler took {name:?} from elsewhere: put it into the input"),
        }
    }

    /// What is asked of the compiler: the settings as they are, and of the output what is needed here.
    pub fn asked(&self) -> Value {
        let code = ["abi", "evm.bytecode", "evm.deployedBytecode", "storageLayout"];
        let mut asked = self.document.clone();
        asked["settings"]["outputSelection"] = json!({ "*": { "*": code, "": ["ast"] } });
        // Proofs are asked for on their own: they change no code.
        if let Some(settings) = asked["settings"].as_object_mut() {
            settings.remove("modelChecker");
        }
        asked
    }

    /// The same for proofs by this model checker; nothing is made.
    pub fn proved_by(&self, checker: Value) -> Value {
        let mut asked = self.document.clone();
        asked["settings"]["outputSelection"] = json!({});
        asked["settings"]["modelChecker"] = checker;
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_is_named_with_its_source() {
        let name: ContractName = "contracts/a:b.sol:Token".parse().unwrap();
        assert_eq!((name.file.as_str(), name.name.as_str()), ("contracts/a:b.sol", "Token"));
        assert_eq!(name.to_string(), "contracts/a:b.sol:Token");
        for wrong in ["Token", ":Token", "Token.sol:", ""] {
            assert!(wrong.parse::<ContractName>().unwrap_err().contains("File.sol:Name"), "{wrong}");
        }
    }

    #[test]
    fn everything_that_is_compiled_is_in_the_input() {
        let refused = |text: &str| Input::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(refused("{}").contains("`sources`"));
        assert!(refused(r#"{"sources":{}}"#).contains("`sources`"));
        assert!(refused("contract A {}").contains("no JSON"));
        let fetched = r#"{"sources":{"A.sol":{"urls":["https://example.com/A.sol"]}}}"#;
        assert!(refused(fetched).contains("\"A.sol\" has no `content`"));
        let input = Input::parse(br#"{"sources":{"A.sol":{"content":"contract A {}"}}}"#).unwrap();
        input.check(&json!({ "sources": { "A.sol": { "id": 0 } } })).unwrap();
        let elsewhere = input.check(&json!({ "sources": { "A.sol": {}, "B.sol": {} } })).unwrap_err();
        assert!(elsewhere.to_string().contains("\"B.sol\" from elsewhere"), "{elsewhere}");
        assert!(input.check(&json!({})).is_err());
    }

    #[test]
    fn settings_stay_as_they_are_but_for_what_is_put_out() {
        let text = r#"{"language":"Solidity","sources":{"A.sol":{"content":""}},
            "settings":{"optimizer":{"runs":7},"modelChecker":{"engine":"bmc"},"outputSelection":{}}}"#;
        let input = Input::parse(text.as_bytes()).unwrap();
        let asked = input.asked();
        assert_eq!(asked["settings"]["optimizer"]["runs"], 7);
        assert_eq!(asked["settings"]["modelChecker"], Value::Null);
        let proved = input.proved_by(json!({ "engine": "chc" }));
        assert_eq!(proved["settings"]["modelChecker"]["engine"], "chc");
        assert_eq!(input.hash, B256::from_slice(&Sha256::digest(text)));
    }
}
