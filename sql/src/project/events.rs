//! Events of the interfaces that the program knows: the chain's own contracts, and the standards of tokens.
//!
//! The chain's interfaces are read from the Solidity files that execution is compiled from.

use std::{collections::BTreeMap, sync::LazyLock};

use alloy_dyn_abi::{DynSolEvent, DynSolValue, Specifier as _};
use alloy_json_abi::Event;
use alloy_primitives::{Address, B256, Log};
use concordat_core::{CONTRACTS, GOVERNANCE, IDENTITY_REGISTRY, ORDERS, PERMISSIONS, RULES};
use serde_json::{Map, Value};

use super::{BlockData, logs, position};
use crate::{
    cell::{Cell, Row},
    digest::Rows,
    tables::Table,
};

/// Interfaces of the chain's own contracts, whose events count from their addresses alone.
const OWN: [(&str, Address, &str); 6] = [
    ("identity", IDENTITY_REGISTRY, include_str!("../../../chain/core/contracts/IIdentityRegistry.sol")),
    ("governance", GOVERNANCE, include_str!("../../../chain/core/contracts/IGovernance.sol")),
    ("permissions", PERMISSIONS, include_str!("../../../chain/core/contracts/IPermissions.sol")),
    ("contracts", CONTRACTS, include_str!("../../../chain/core/contracts/IContracts.sol")),
    ("rules", RULES, include_str!("../../../chain/core/contracts/IRules.sol")),
    ("orders", ORDERS, include_str!("../../../chain/core/contracts/IOrders.sol")),
];

/// Events of tokens, whoever raises them.
const STANDARDS: [(&str, &str); 4] = [
    (
        "erc20",
        "event Transfer(address indexed from, address indexed to, uint256 value);
         event Approval(address indexed owner, address indexed spender, uint256 value);",
    ),
    (
        "erc721",
        "event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
         event Approval(address indexed owner, address indexed approved, uint256 indexed tokenId);
         event ApprovalForAll(address indexed owner, address indexed operator, bool approved);",
    ),
    (
        "erc1155",
        "event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value);
         event TransferBatch(address indexed operator, address indexed from, address indexed to, uint256[] ids, uint256[] values);
         event URI(string value, uint256 indexed id);",
    ),
    (
        "erc3643",
        "event AddressFrozen(address indexed userAddress, bool indexed isFrozen, address indexed owner);
         event TokensFrozen(address indexed userAddress, uint256 amount);
         event TokensUnfrozen(address indexed userAddress, uint256 amount);
         event RecoverySuccess(address indexed lostWallet, address indexed newWallet, address indexed investorOnchainID);
         event IdentityRegistryAdded(address indexed identityRegistry);
         event ComplianceAdded(address indexed compliance);
         event Paused(address userAddress);
         event Unpaused(address userAddress);
         event UpdatedTokenInformation(string indexed newName, string indexed newSymbol, uint8 newDecimals, string newVersion, address indexed newOnchainID);
         event IdentityRegistered(address indexed investorAddress, address indexed identity);
         event IdentityRemoved(address indexed investorAddress, address indexed identity);
         event CountryUpdated(address indexed investorAddress, uint16 indexed country);",
    ),
];

/// What tells events apart: what raised them, where that matters; their signature; and how many topics they have, since
/// ERC-20 and ERC-721 share signatures.
type Known = BTreeMap<(Option<Address>, B256, usize), KnownEvent>;

/// An event of an interface.
struct KnownEvent {
    /// The interface.
    standard: &'static str,
    event: Event,
    decoder: DynSolEvent,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let own = OWN.iter().map(|(standard, address, source)| (*standard, Some(*address), *source));
    let all = own.chain(STANDARDS.iter().map(|(standard, source)| (*standard, None, *source)));
    let mut known = Known::new();
    for (standard, address, source) in all {
        for event in declared(source) {
            let Ok(decoder) = event.resolve() else { continue };
            known
                .insert((address, event.selector(), topics(&event)), KnownEvent { standard, event, decoder });
        }
    }
    known
});

/// The events that a Solidity source declares. A test holds them against how often the word stands there.
fn declared(source: &str) -> Vec<Event> {
    let code: Vec<&str> =
        source.lines().map(|line| line.split("//").next().unwrap_or_default().trim()).collect();
    let code = code.join(" ");
    let statements = code.split([';', '{', '}']).map(str::trim);
    statements
        .filter(|statement| statement.starts_with("event "))
        .filter_map(|statement| Event::parse(statement).ok())
        .collect()
}

fn topics(event: &Event) -> usize {
    event.inputs.iter().filter(|input| input.indexed).count().saturating_add(1)
}

pub(super) fn project(data: &BlockData, rows: &mut Rows) {
    let (mut events, mut alerts) = (Vec::new(), Vec::new());
    for (tx, place, log) in logs(data) {
        let Some((known, arguments)) = decode(log) else { continue };
        let at = position(data.height, tx, place);
        if log.address == RULES && known.event.name == "Alert" {
            alerts.extend(alert(at.clone(), &arguments));
        }
        let mut row = at.to_vec();
        row.extend([
            Cell::bytes(log.address),
            Cell::text(known.standard),
            Cell::text(known.event.name.as_str()),
        ]);
        row.push(Cell::json(Value::Object(arguments)));
        events.push(row);
    }
    for (table, found) in [(Table::DecodedEvents, events), (Table::Alerts, alerts)] {
        if !found.is_empty() {
            rows.insert(table, found);
        }
    }
}

/// Whether the program decodes a log by itself.
pub(crate) fn is_decoded(log: &Log) -> bool {
    decode(log).is_some()
}

/// What a log tells of by an interface that the program knows; `None` where its data are not as that has them.
fn decode(log: &Log) -> Option<(&'static KnownEvent, Map<String, Value>)> {
    let known = find(log)?;
    Some((known, arguments(&known.event, &known.decoder, log)?))
}

fn find(log: &Log) -> Option<&'static KnownEvent> {
    let (signature, topics) = (*log.topics().first()?, log.topics().len());
    let of = |address| KNOWN.get(&(address, signature, topics));
    of(Some(log.address)).or_else(|| of(None))
}

/// The arguments by their names; `None` where the data are not as the event declares.
pub(crate) fn arguments(event: &Event, decoder: &DynSolEvent, log: &Log) -> Option<Map<String, Value>> {
    let decoded = decoder.decode_log_parts(log.topics().iter().copied(), &log.data.data).ok()?;
    let (mut indexed, mut body) = (decoded.indexed.into_iter(), decoded.body.into_iter());
    let named = event.inputs.iter().map(|input| {
        let value = if input.indexed { indexed.next() } else { body.next() };
        Some((input.name.clone(), json(&value?)))
    });
    named.collect()
}

/// Numbers as decimal text, since they are wider than most readers' numbers; bytes in hex.
fn json(value: &DynSolValue) -> Value {
    let hex = |bytes: &[u8]| Value::String(format!("0x{}", hex::encode(bytes)));
    match value {
        DynSolValue::Bool(value) => Value::Bool(*value),
        DynSolValue::Int(value, _) => Value::String(value.to_string()),
        DynSolValue::Uint(value, _) => Value::String(value.to_string()),
        DynSolValue::FixedBytes(word, size) => hex(word.as_slice().get(..*size).unwrap_or_default()),
        DynSolValue::Address(address) => hex(address.as_slice()),
        DynSolValue::Function(function) => hex(function.as_slice()),
        DynSolValue::Bytes(bytes) => hex(bytes),
        DynSolValue::String(text) => Value::String(text.clone()),
        DynSolValue::Array(values) | DynSolValue::FixedArray(values) | DynSolValue::Tuple(values) => {
            Value::Array(values.iter().map(json).collect())
        }
    }
}

fn alert(position: [Cell; 3], arguments: &Map<String, Value>) -> Option<Row> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let address = |name: &str| hex::decode(text(name)?.trim_start_matches("0x")).ok();
    let mut row = position.to_vec();
    row.extend([
        Cell::text(text("rule")?),
        Cell::Bytes(address("account")?),
        Cell::text(text("organisation")?),
    ]);
    row.extend([Cell::Bytes(address("contractAddress")?), Cell::Int(text("code")?.parse().ok()?)]);
    row.push(Cell::Number(text("proposal")?.to_owned()));
    Some(row)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Bytes, LogData, U256, keccak256};
    use alloy_sol_types::SolEvent as _;
    use concordat_core::{governance, rules};
    use serde_json::json;

    use super::*;

    fn told(address: Address, data: LogData) -> Option<(&'static str, &'static str, Value)> {
        let log = Log { address, data };
        let (known, arguments) = decode(&log)?;
        Some((known.standard, known.event.name.as_str(), Value::Object(arguments)))
    }

    #[test]
    fn every_event_that_an_interface_declares_is_known() {
        let sources =
            OWN.iter().map(|(_, _, source)| *source).chain(STANDARDS.iter().map(|(_, source)| *source));
        for source in sources {
            let written = source.lines().filter(|line| line.trim_start().starts_with("event ")).count();
            assert_eq!(declared(source).len(), written);
        }
        assert!(KNOWN.len() > 40);
    }

    #[test]
    fn an_event_is_told_with_the_names_of_its_arguments() {
        let event = governance::abi::IGovernance::BallotCast {
            id: 7,
            member: Address::repeat_byte(1),
            choice: 1,
            digest: B256::repeat_byte(2),
        };
        let (standard, name, arguments) = told(GOVERNANCE, event.encode_log_data()).unwrap();
        assert_eq!((standard, name), ("governance", "BallotCast"));
        let (member, digest) = (format!("0x{}", "01".repeat(20)), format!("0x{}", "02".repeat(32)));
        assert_eq!(arguments, json!({ "id": "7", "member": member, "choice": "1", "digest": digest }));
        assert_eq!(told(Address::repeat_byte(9), event.encode_log_data()), None, "anybody could raise it");
    }

    #[test]
    fn tokens_of_the_same_signature_are_told_apart_by_their_topics() {
        let signature = keccak256("Transfer(address,address,uint256)");
        let word = B256::with_last_byte(3);
        let data =
            |topics: Vec<B256>, data: &[u8]| LogData::new_unchecked(topics, Bytes::copy_from_slice(data));
        let token = Address::repeat_byte(9);
        let amount = U256::from(5).to_be_bytes::<32>();
        let erc20 = told(token, data(vec![signature, word, word], &amount)).unwrap();
        assert_eq!((erc20.0, &erc20.2["value"]), ("erc20", &json!("5")));
        let erc721 = told(token, data(vec![signature, word, word, word], &[])).unwrap();
        assert_eq!((erc721.0, &erc721.2["tokenId"]), ("erc721", &json!("3")));
        assert_eq!(
            told(token, data(vec![signature, word, word], &[1])),
            None,
            "its data are not as declared"
        );
    }

    #[test]
    fn an_alert_has_a_row_of_its_own() {
        let event = rules::abi::IRules::Alert {
            id: keccak256("daily"),
            account: Address::repeat_byte(1),
            rule: "daily".into(),
            organisation: "bank-a".into(),
            contractAddress: Address::repeat_byte(2),
            code: 6,
            proposal: 4,
        };
        let log = Log { address: RULES, data: event.encode_log_data() };
        let (_, arguments) = decode(&log).unwrap();
        let row = alert(position(9, 0, 1), &arguments).unwrap();
        let told: Vec<String> = row.iter().map(Cell::show).collect();
        let (account, contract) = (format!("0x{}", "01".repeat(20)), format!("0x{}", "02".repeat(20)));
        assert_eq!(told, ["9", "0", "1", "daily", &account, "bank-a", &contract, "6", "4"]);
    }
}
