//! Call objects of `eth_call` and its relatives, and what comes out of running them.

use std::collections::BTreeMap;

use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{Panic, Revert, SolError as _};
use concordat_core::{AccountOverride, CallRequest, StateOverrides};
use serde_json::{Map, Value};

use super::{
    args::{FromArg, Slot, kind},
    hex::data,
};
use crate::jsonrpc::RpcError;

/// A call object. Fees and what else clients send is ignored, as go-ethereum ignores unknown fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallArg {
    from: Address,
    to: Option<Address>,
    gas: Option<u64>,
    input: Bytes,
    access_list: AccessList,
}

impl FromArg for CallArg {
    fn from_arg(value: &Value) -> Result<Self, String> {
        let Value::Object(fields) = value else {
            return Err(format!("{} where a call object belongs", kind(value)));
        };
        let value_wei = field::<U256>(fields, "value")?.unwrap_or_default();
        if !value_wei.is_zero() {
            return Err("value must be zero: this chain has no native token".into());
        }
        Ok(Self {
            from: field(fields, "from")?.unwrap_or_default(),
            to: field(fields, "to")?,
            gas: field(fields, "gas")?,
            input: input(fields)?,
            access_list: access_list(fields.get("accessList"))?,
        })
    }
}

impl CallArg {
    /// The request for core, its gas within the limit.
    pub fn into_request(self, overrides: Overrides, gas_limit: u64) -> CallRequest {
        CallRequest {
            from: self.from,
            to: self.to,
            gas: Some(self.gas.unwrap_or(gas_limit).min(gas_limit)),
            input: self.input,
            access_list: self.access_list,
            overrides: overrides.0,
        }
    }
}

/// `input`, or `data` as older clients name it; both only when they agree.
fn input(fields: &Map<String, Value>) -> Result<Bytes, String> {
    match (field::<Bytes>(fields, "input")?, field::<Bytes>(fields, "data")?) {
        (Some(input), Some(data)) if input != data => Err(
            r#"both "data" and "input" are set and not equal. Please use "input" to pass transaction call data"#.into(),
        ),
        (input, data) => Ok(input.or(data).unwrap_or_default()),
    }
}

fn access_list(value: Option<&Value>) -> Result<AccessList, String> {
    let Some(Value::Array(items)) = value else { return Ok(AccessList::default()) };
    items
        .iter()
        .map(|item| {
            let Value::Object(fields) = item else { return Err("accessList: an entry is an object".into()) };
            let address = field(fields, "address")?.ok_or("accessList: an entry needs an address")?;
            let slots = field::<Vec<Slot>>(fields, "storageKeys")?.unwrap_or_default();
            Ok(AccessListItem { address, storage_keys: slots.into_iter().map(|slot| slot.0).collect() })
        })
        .collect::<Result<Vec<_>, String>>()
        .map(AccessList)
}

/// A field of an object; null counts as absent.
fn field<T: FromArg>(fields: &Map<String, Value>, name: &str) -> Result<Option<T>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => T::from_arg(value).map(Some).map_err(|reason| format!("{name}: {reason}")),
    }
}

/// Accounts as a call shall see them (go-ethereum's state override set).
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides(StateOverrides);

impl FromArg for Overrides {
    fn from_arg(value: &Value) -> Result<Self, String> {
        let Value::Object(accounts) = value else {
            return Err(format!("{} where an object of state overrides belongs", kind(value)));
        };
        if accounts.len() > super::args::MAX_LIST {
            return Err(format!("{} overridden accounts, limit {}", accounts.len(), super::args::MAX_LIST));
        }
        accounts
            .iter()
            .map(|(address, account)| Ok((super::hex::parse_address(address)?, account_override(account)?)))
            .collect::<Result<_, String>>()
            .map(Self)
    }
}

fn account_override(value: &Value) -> Result<AccountOverride, String> {
    let Value::Object(fields) = value else {
        return Err(format!("{} where an account override belongs", kind(value)));
    };
    let state = fields.get("state").map(slots).transpose()?;
    let state_diff = fields.get("stateDiff").map(slots).transpose()?;
    if state.is_some() && state_diff.is_some() {
        return Err("an account override has both 'state' and 'stateDiff'".into());
    }
    Ok(AccountOverride {
        nonce: field(fields, "nonce")?,
        code: field(fields, "code")?,
        state,
        state_diff: state_diff.unwrap_or_default(),
    })
}

fn slots(value: &Value) -> Result<BTreeMap<B256, B256>, String> {
    let Value::Object(slots) = value else {
        return Err(format!("{} where an object of slots belongs", kind(value)));
    };
    slots.iter().map(|(slot, word)| Ok((super::hex::parse_slot(slot)?, B256::from_arg(word)?))).collect()
}

/// The error of a reverted call: code 3, the reason in words where it is a standard one, the bytes in `data`.
pub(crate) fn reverted(output: &[u8]) -> RpcError {
    let message = match reason(output) {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".into(),
    };
    RpcError::new(RpcError::REVERTED, message).with_data(data(output))
}

/// `Error(string)` and `Panic(uint256)` in words, as go-ethereum puts them (`accounts/abi`).
fn reason(output: &[u8]) -> Option<String> {
    if let Ok(revert) = Revert::abi_decode(output) {
        return Some(revert.reason);
    }
    let panic = Panic::abi_decode(output).ok()?;
    let meaning = match u64::try_from(panic.code).ok()? {
        0x00 => "generic panic",
        0x01 => "assert(false)",
        0x11 => "arithmetic underflow or overflow",
        0x12 => "division or modulo by zero",
        0x21 => "enum overflow",
        0x22 => "invalid encoded storage byte array accessed",
        0x31 => "out-of-bounds array access; popping on an empty array",
        0x32 => "out-of-bounds access of an array or bytesN",
        0x41 => "out of memory",
        0x51 => "uninitialized function",
        other => return Some(format!("unknown panic code: {other:#x}")),
    };
    Some(format!("{meaning} ({:#x})", panic.code))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(value: Value) -> Result<CallRequest, String> {
        CallArg::from_arg(&value).map(|call| call.into_request(Overrides::default(), 1_000_000))
    }

    #[test]
    fn fees_and_unknown_fields_are_ignored_and_gas_is_bounded() {
        let request = request(json!({
            "from": format!("0x{}", "11".repeat(20)), "to": null, "gas": "0xffffffffffff",
            "maxFeePerGas": "0x5", "chain": "mainnet", "hardfork": "london", "type": "0x2",
        }))
        .unwrap();
        assert_eq!((request.to, request.gas), (None, Some(1_000_000)));
        assert_eq!(request.from, Address::repeat_byte(0x11));
    }

    #[test]
    fn data_and_input_are_the_same_thing_and_may_not_differ() {
        assert_eq!(request(json!({"data": "0x01"})).unwrap().input.as_ref(), [1]);
        assert_eq!(request(json!({"data": "0x01", "input": "0x01"})).unwrap().input.as_ref(), [1]);
        assert!(request(json!({"data": "0x01", "input": "0x02"})).unwrap_err().contains("not equal"));
    }

    #[test]
    fn a_value_is_refused_since_there_is_no_token() {
        assert!(request(json!({"value": "0x1"})).unwrap_err().contains("value must be zero"));
        assert!(request(json!({"value": "0x0"})).is_ok());
    }

    #[test]
    fn fields_of_the_wrong_kind_are_named() {
        assert_eq!(request(json!({"gas": 5})).unwrap_err(), "gas: a number where a string belongs");
        assert_eq!(request(json!("0x")).unwrap_err(), "a string where a call object belongs");
        assert!(request(json!({"accessList": [{}]})).unwrap_err().contains("needs an address"));
    }

    #[test]
    fn state_overrides_are_read_and_contradictions_refused() {
        let address = format!("0x{}", "11".repeat(20));
        let word = format!("0x{}", "00".repeat(32));
        let good = json!({ address.clone(): {"code": "0x6001", "nonce": "0x5", "balance": "0x0", "stateDiff": {word.clone(): word}} });
        let overrides = Overrides::from_arg(&good).unwrap().0;
        let account = &overrides[&Address::repeat_byte(0x11)];
        assert_eq!((account.nonce, account.state_diff.len()), (Some(5), 1));
        let both = json!({ address: {"state": {}, "stateDiff": {}} });
        assert!(Overrides::from_arg(&both).unwrap_err().contains("both"));
    }

    #[test]
    fn standard_revert_reasons_are_put_into_words() {
        let error = reverted(&Revert::from("not enough").abi_encode());
        assert_eq!((error.code, error.message.as_str()), (3, "execution reverted: not enough"));
        let panic = Panic { code: U256::from(0x11) }.abi_encode();
        assert_eq!(reverted(&panic).message, "execution reverted: arithmetic underflow or overflow (0x11)");
        let custom = reverted(&[1, 2, 3, 4]);
        assert_eq!((custom.message.as_str(), custom.data), ("execution reverted", Some(json!("0x01020304"))));
    }
}
