//! Events of a contract's JSON ABI, as somebody registers it.
//!
//! What a contract emits is its author's choice: types are bounded so that no log takes much more to decode than it has
//! bytes, however its offsets point.

use std::collections::{BTreeMap, BTreeSet};

use alloy_dyn_abi::{DynSolEvent, DynSolType, Specifier as _};
use alloy_json_abi::{AbiItem, Event};
use alloy_primitives::{B256, Log};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{digest::Digest, project::arguments};

/// Bytes of a JSON ABI.
pub const MAX_ABI_BYTES: usize = 512 << 10;

/// Entries of a JSON ABI.
pub const MAX_ENTRIES: usize = 2_000;

/// Bytes of data of a log that is decoded; fewer where its event has lists of lists, which may repeat what is there once.
const MAX_DATA_BYTES: usize = 64 << 10;
const MAX_NESTED_BYTES: usize = 8 << 10;

/// Levels of lists, bytes and text within one another.
const MAX_LEVELS: usize = 2;

/// Values of an event outside of lists.
const MAX_VALUES: usize = 64;

/// Why a JSON ABI is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbiError {
    /// It is too large.
    #[error("the ABI has {bytes} bytes, at most {MAX_ABI_BYTES} are taken; leave out what is no event")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// It is no JSON.
    #[error("the ABI is no JSON: {0}")]
    NotJson(String),
    /// It is no list.
    #[error(
        "the ABI is no list of entries; name the file with `[ ... ]`, or one with that as its field `abi`"
    )]
    NotAList,
    /// It is too long.
    #[error("the ABI has {entries} entries, at most {MAX_ENTRIES} are taken; leave out what is no event")]
    TooMany {
        /// Its entries.
        entries: usize,
    },
    /// Nothing in it can be decoded.
    #[error("the ABI declares no event that its signature tells from others")]
    NoEvents,
    /// An entry is wrong.
    #[error("entry {entry} of the ABI ({name}): {reason}")]
    Entry {
        /// Its place, from 0.
        entry: usize,
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// An event: what it is called, how its arguments are read.
#[derive(Debug)]
pub(crate) struct AbiEvent {
    event: Event,
    decoder: DynSolEvent,
    most_bytes: usize,
}

/// What tells the events of one contract apart: their signature, and how many topics they have.
pub(crate) type Signature = (B256, usize);

/// The events of an ABI.
#[derive(Debug)]
pub struct Abi {
    text: String,
    pub(crate) events: BTreeMap<Signature, AbiEvent>,
}

impl Abi {
    /// Reads a JSON ABI: a list of entries, or a compiler's output that has one as its field `abi`. Events without a
    /// signature (`anonymous`) are left out.
    ///
    /// # Errors
    /// [`AbiError`], which names the entry.
    pub fn parse(text: &str) -> Result<Self, AbiError> {
        if text.len() > MAX_ABI_BYTES {
            return Err(AbiError::TooLarge { bytes: text.len() });
        }
        let entries =
            entries(serde_json::from_str(text).map_err(|said| AbiError::NotJson(said.to_string()))?)?;
        let mut events = BTreeMap::new();
        let mut places = BTreeMap::new();
        for (entry, value) in entries.into_iter().enumerate() {
            let name = value.get("name").and_then(Value::as_str).unwrap_or("unnamed");
            let name: String = name.chars().take(64).collect();
            let refused = |reason| AbiError::Entry { entry, name, reason };
            match declared(value) {
                Err(reason) => return Err(refused(reason)),
                Ok(None) => {}
                Ok(Some((signature, event))) => {
                    if let Some(first) = places.insert(signature, entry) {
                        return Err(refused(format!("it is told from entry {first} by nothing in a log")));
                    }
                    events.insert(signature, event);
                }
            }
        }
        if events.is_empty() { Err(AbiError::NoEvents) } else { Ok(Self { text: text.to_owned(), events }) }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of its text.
    pub fn sha256(&self) -> Digest {
        Sha256::digest(&self.text).into()
    }
}

impl AbiEvent {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.event.name
    }

    /// The arguments by their names; `None` where the data are not as declared, or too long.
    pub(crate) fn arguments(&self, log: &Log) -> Option<Map<String, Value>> {
        if log.data.data.len() > self.most_bytes {
            return None;
        }
        arguments(&self.event, &self.decoder, log)
    }
}

fn entries(value: Value) -> Result<Vec<Value>, AbiError> {
    let list = match value {
        Value::Object(mut fields) => fields.remove("abi").unwrap_or(Value::Null),
        list => list,
    };
    match list {
        Value::Array(entries) if entries.len() > MAX_ENTRIES => {
            Err(AbiError::TooMany { entries: entries.len() })
        }
        Value::Array(entries) => Ok(entries),
        _ => Err(AbiError::NotAList),
    }
}

/// The event that an entry declares; `None` for entries of other kinds, and for events without a signature.
fn declared(mut entry: Value) -> Result<Option<(Signature, AbiEvent)>, String> {
    if let Some(fields) = entry.as_object_mut().filter(|fields| fields.get("type") == Some(&"event".into())) {
        // Some tools leave it out where it is false.
        fields.entry("anonymous").or_insert(Value::Bool(false));
    }
    let item: AbiItem<'_> = serde_json::from_value(entry).map_err(|said| said.to_string())?;
    let AbiItem::Event(event) = item else { return Ok(None) };
    let mut event = event.into_owned();
    name_arguments(&mut event)?;
    let decoder = event.resolve().map_err(|said| said.to_string())?;
    let levels = check_types(&event)?;
    if event.anonymous {
        return Ok(None);
    }
    let topics = event.inputs.iter().filter(|input| input.indexed).count().saturating_add(1);
    let most_bytes = if levels < MAX_LEVELS { MAX_DATA_BYTES } else { MAX_NESTED_BYTES };
    Ok(Some(((event.selector(), topics), AbiEvent { event, decoder, most_bytes })))
}

/// Gives arguments without a name their place for one, and refuses a name that stands twice.
fn name_arguments(event: &mut Event) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for (place, input) in event.inputs.iter_mut().enumerate() {
        if input.name.is_empty() {
            input.name = format!("_{place}");
        }
        if !names.insert(input.name.clone()) {
            return Err(format!("two of its arguments are called {}", input.name));
        }
    }
    Ok(())
}

/// The levels of an event's types; an error where they are not bounded as they must be.
fn check_types(event: &Event) -> Result<usize, String> {
    let (mut deepest, mut values) = (0, 0_usize);
    for input in &event.inputs {
        let holds = input.resolve().map_err(|said| said.to_string())?;
        deepest = deepest.max(levels(&holds));
        values = values.saturating_add(size(&holds));
    }
    if deepest > MAX_LEVELS {
        return Err(format!(
            "lists, bytes and text lie in one another {deepest} deep, at most {MAX_LEVELS} are taken"
        ));
    }
    if values > MAX_VALUES {
        return Err(format!("it has {values} values outside of lists, at most {MAX_VALUES} are taken"));
    }
    Ok(deepest)
}

/// How deep what is of any length lies in what is of any length.
fn levels(holds: &DynSolType) -> usize {
    match holds {
        DynSolType::Array(item) => levels(item).saturating_add(1),
        // A list of what is of any length may point to one of them many times.
        DynSolType::FixedArray(item, _) => match levels(item) {
            0 => 0,
            inner => inner.saturating_add(1),
        },
        DynSolType::Tuple(items) => items.iter().map(levels).max().unwrap_or_default(),
        DynSolType::Bytes | DynSolType::String => 1,
        _ => 0,
    }
}

/// How many values a type has, counting what is of any length as one of its items.
fn size(holds: &DynSolType) -> usize {
    match holds {
        DynSolType::Array(item) => size(item).max(1),
        DynSolType::FixedArray(item, count) => size(item).max(1).saturating_mul(*count),
        DynSolType::Tuple(items) => items.iter().map(size).fold(0, usize::saturating_add),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, Bytes, LogData, keccak256};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn input(name: &str, kind: &str, indexed: bool) -> Value {
        json!({ "name": name, "type": kind, "indexed": indexed })
    }

    fn event(name: &str, inputs: Vec<Value>) -> Value {
        json!({ "type": "event", "name": name, "inputs": inputs })
    }

    fn parse(entries: &Value) -> Result<Abi, AbiError> {
        Abi::parse(&entries.to_string())
    }

    fn refused(entries: &Value) -> String {
        parse(entries).unwrap_err().to_string()
    }

    #[test]
    fn events_are_found_among_other_entries_also_in_what_a_compiler_writes() {
        let function = json!({ "type": "function", "name": "pay", "inputs": [], "outputs": [], "stateMutability": "nonpayable" });
        let list =
            json!([function, event("Paid", vec![input("to", "address", true), input("", "uint256", false)])]);
        let abi = parse(&list).unwrap();
        let signature = (keccak256("Paid(address,uint256)"), 2);
        assert_eq!(abi.events.keys().collect::<Vec<_>>(), [&signature]);
        assert_eq!(parse(&json!({ "contractName": "Till", "abi": list })).unwrap().events.len(), 1);
        let topics = vec![signature.0, Address::repeat_byte(1).into_word()];
        let data = LogData::new_unchecked(topics, Bytes::copy_from_slice(B256::with_last_byte(7).as_slice()));
        let log = Log { address: Address::ZERO, data };
        let told = Value::Object(abi.events[&signature].arguments(&log).unwrap());
        assert_eq!(told, json!({ "to": format!("0x{}", "01".repeat(20)), "_1": "7" }));
    }

    #[test]
    fn the_digest_is_of_the_text_as_it_was_given() {
        let text = r#"[{"type":"event","name":"E","inputs":[],"anonymous":false}]"#;
        let golden = "9c327f801deda1e2d0e840ff5c98b07c182892ae83fdb235d1c313213b7a4087";
        assert_eq!(hex::encode(Abi::parse(text).unwrap().sha256()), golden);
        assert_ne!(hex::encode(Abi::parse(&format!("{text}\n")).unwrap().sha256()), golden);
    }

    #[test]
    fn what_is_no_abi_is_refused_by_what_it_is() {
        assert!(Abi::parse("pragma solidity").unwrap_err().to_string().contains("no JSON"));
        assert_eq!(parse(&json!({ "bytecode": "0x" })).unwrap_err(), AbiError::NotAList);
        assert_eq!(parse(&json!([])).unwrap_err(), AbiError::NoEvents);
        let anonymous = json!([{ "type": "event", "name": "E", "inputs": [], "anonymous": true }]);
        assert_eq!(parse(&anonymous).unwrap_err(), AbiError::NoEvents);
        let long = vec![event("E", vec![]); MAX_ENTRIES + 1];
        assert_eq!(parse(&json!(long)).unwrap_err(), AbiError::TooMany { entries: MAX_ENTRIES + 1 });
        let large = " ".repeat(MAX_ABI_BYTES + 1);
        assert_eq!(Abi::parse(&large).unwrap_err(), AbiError::TooLarge { bytes: MAX_ABI_BYTES + 1 });
    }

    #[test]
    fn a_wrong_entry_is_named() {
        let good = event("Good", vec![]);
        let told = |bad: Value| refused(&json!([good, bad]));
        let odd = told(event("Odd", vec![input("a", "uint7", false)]));
        assert!(odd.starts_with("entry 1 of the ABI (Odd): "), "{odd}");
        let kind = told(json!({ "type": "evnt", "name": "Typo", "inputs": [] }));
        assert!(kind.starts_with("entry 1 of the ABI (Typo): "), "{kind}");
        let twice = told(event("Twice", vec![input("a", "bool", false), input("a", "bool", false)]));
        assert!(twice.contains("two of its arguments are called a"), "{twice}");
        let topics = vec![input("", "bool", true); 4];
        assert!(told(event("Topics", topics)).starts_with("entry 1 of the ABI (Topics): "));
        let again = told(event("Good", vec![]));
        assert!(again.contains("told from entry 0 by nothing"), "{again}");
        assert!(told(json!(7)).starts_with("entry 1 of the ABI (unnamed): "));
    }

    #[test]
    fn types_that_take_more_to_decode_than_they_have_bytes_are_refused() {
        let told = |kind: &str| refused(&json!([event("E", vec![input("a", kind, false)])]));
        assert!(told("uint256[][][]").contains("3 deep"));
        assert!(told("bytes[][]").contains("3 deep"));
        assert!(told("bytes[3][]").contains("3 deep"));
        assert!(told("uint256[65]").contains("65 values"));
        assert!(told("uint256[1000][1000000]").contains("values"));
        let most = |kind: &str| {
            let abi = parse(&json!([event("E", vec![input("a", kind, false)])])).unwrap();
            abi.events.values().next().unwrap().most_bytes
        };
        assert_eq!([most("uint256[]"), most("string[]")], [MAX_DATA_BYTES, MAX_NESTED_BYTES]);
    }

    #[test]
    fn a_log_that_points_to_one_list_many_times_is_not_decoded_beyond_its_bound() {
        let abi = parse(&json!([event("E", vec![input("a", "uint256[][]", false)])])).unwrap();
        let (signature, event) = abi.events.iter().next().unwrap();
        let data = |bytes: usize| LogData::new_unchecked(vec![signature.0], vec![0; bytes].into());
        let log = |bytes| Log { address: Address::ZERO, data: data(bytes) };
        assert!(event.arguments(&log(MAX_NESTED_BYTES + 32)).is_none());
    }

    proptest! {
        #[test]
        fn no_text_is_answered_with_a_panic(text in any::<String>()) {
            let _ = Abi::parse(&text);
        }

        #[test]
        fn no_log_is_answered_with_a_panic(data in prop::collection::vec(any::<u8>(), 0..400)) {
            let abi = parse(&json!([event("E", vec![input("a", "string[]", false), input("b", "uint8", false)])])).unwrap();
            let (signature, event) = abi.events.iter().next().unwrap();
            let data = LogData::new_unchecked(vec![signature.0], data.into());
            let _ = event.arguments(&Log { address: Address::ZERO, data });
        }
    }
}
