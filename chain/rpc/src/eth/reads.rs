//! What each call of a method reads, as far as its parameters tell.
//!
//! Code that runs may read other contracts than the one that the call names; whether a contract may be called by another
//! is another action of the policies.

use std::{sync::PoisonError, time::Instant};

use alloy_primitives::Address;
use concordat_core::Readable;
use serde_json::Value;

use super::{
    Eth,
    args::{Args, FromArg},
    filters::Watch,
    hex,
    methods::{self, Reads},
    query::LogQuery,
};
use crate::jsonrpc::Call;

impl Eth {
    /// What a call reads. Parameters that cannot be read name nothing: the method will refuse them.
    pub(super) fn reads_of(&self, call: &Call) -> Vec<Readable> {
        let Some(method) = methods::find(&call.method) else { return Vec::new() };
        let Ok(args) = Args::new(call.params.clone(), method.params.len()) else { return Vec::new() };
        match method.reads {
            Reads::Nothing => Vec::new(),
            Reads::Ledger => vec![Readable::Ledger],
            Reads::Contract(place) => named(args.optional(place).ok().flatten()),
            Reads::Call { overrides } => called(&args, overrides),
            Reads::Logs(place) => logs(args.or_default::<LogQuery>(place).unwrap_or_default()),
            Reads::Subscription => match args.optional::<String>(0) {
                Ok(Some(kind)) if kind == "logs" => logs(args.or_default::<LogQuery>(1).unwrap_or_default()),
                _ => vec![Readable::Ledger],
            },
            Reads::Filter => self.watched(args.optional(0).ok().flatten().unwrap_or_default()),
        }
    }

    /// What an installed filter reads; by whom it was installed makes no difference.
    fn watched(&self, id: String) -> Vec<Readable> {
        let mut filters = self.filters.lock().unwrap_or_else(PoisonError::into_inner);
        match filters.get(&id, Instant::now()) {
            Ok(Watch::Logs { query, .. }) => logs(query.clone()),
            Ok(Watch::Blocks { .. } | Watch::Pending(_)) | Err(_) => vec![Readable::Ledger],
        }
    }
}

fn named(address: Option<Address>) -> Vec<Readable> {
    vec![address.map_or(Readable::Ledger, Readable::Contract)]
}

fn logs(query: LogQuery) -> Vec<Readable> {
    match query.addresses.is_empty() {
        true => vec![Readable::AllContracts],
        false => query.addresses.into_iter().map(Readable::Contract).collect(),
    }
}

/// The contract that is called. What makes a contract runs code of the caller's,
/// which may read any.
fn called(args: &Args, overrides: Option<usize>) -> Vec<Readable> {
    let to = args.optional::<Target>(0).ok().flatten().and_then(|target| target.0);
    let mut read = vec![to.map_or(Readable::AllContracts, Readable::Contract)];
    let overridden = overrides.and_then(|place| args.optional::<Map>(place).ok().flatten());
    if overridden.is_some_and(|overridden| !overridden.0.is_empty()) {
        // So does what somebody puts in the place of a contract's code.
        read.push(Readable::AllContracts);
    }
    read
}

/// The `to` of a call object.
struct Target(Option<Address>);

impl FromArg for Target {
    fn from_arg(value: &Value) -> Result<Self, String> {
        let to = value.get("to").and_then(Value::as_str).map(hex::parse_address).transpose()?;
        Ok(Self(to))
    }
}

/// A state override set.
struct Map(serde_json::Map<String, Value>);

impl FromArg for Map {
    fn from_arg(value: &Value) -> Result<Self, String> {
        Ok(Self(value.as_object().cloned().unwrap_or_default()))
    }
}
