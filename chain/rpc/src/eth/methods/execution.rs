//! Running code without keeping its changes.

use alloy_primitives::B256;
use concordat_core::{CallStatus, EstimateError, ExecError};
use concordat_types::{SignedTx, VerifiedTx};
use serde_json::{Value, json};

use super::state::read_error;
use crate::{
    eth::{
        Eth,
        args::{Args, FromArg, kind},
        call::{CallArg, Overrides, reverted},
        chain::{Loaded, Surroundings, store_error},
        hex::{data, quantity},
    },
    jsonrpc::{RpcError, RpcResult},
};

/// A failed execution as clients are told of it.
pub(super) fn execution_error(error: ExecError) -> RpcError {
    match error {
        ExecError::Invalid(invalid) => RpcError::server(invalid.to_string()),
        ExecError::State(error) => read_error(error),
        ExecError::TraceTooLarge { limit_bytes } => RpcError::response_too_large(limit_bytes),
        other => RpcError::internal(other),
    }
}

pub(super) fn call(eth: &Eth, args: &Args) -> RpcResult {
    if args.optional::<Value>(3)?.is_some_and(|overrides| overrides != json!({})) {
        return Err(RpcError::invalid_params("invalid argument 3: block overrides are not supported"));
    }
    let request = args.required::<CallArg>(0)?.into_request(args.or_default(2)?, eth.limits.call_gas);
    let Surroundings { state, env } = eth.surroundings(args.or_default(1)?, &request)?;
    let outcome = concordat_core::call(state, &env, &request).map_err(execution_error)?;
    match outcome.status {
        CallStatus::Success => Ok(data(&outcome.output)),
        CallStatus::Reverted => Err(reverted(&outcome.output)),
        CallStatus::Halted(reason) => Err(RpcError::server(reason)),
    }
}

pub(super) fn estimate_gas(eth: &Eth, args: &Args) -> RpcResult {
    let request = args.required::<CallArg>(0)?.into_request(args.or_default(2)?, eth.limits.call_gas);
    let Surroundings { state, env } = eth.surroundings(args.or_default(1)?, &request)?;
    match concordat_core::estimate_gas(state, &env, &request) {
        Ok(gas) => Ok(quantity(gas)),
        Err(EstimateError::Reverted { output }) => Err(reverted(&output)),
        Err(EstimateError::Halted { reason }) => Err(RpcError::server(reason)),
        Err(EstimateError::Exec(error)) => Err(execution_error(error)),
    }
}

pub(super) fn create_access_list(eth: &Eth, args: &Args) -> RpcResult {
    let request = args.required::<CallArg>(0)?.into_request(Overrides::default(), eth.limits.call_gas);
    let Surroundings { state, env } = eth.surroundings(args.or_default(1)?, &request)?;
    let outcome = concordat_core::create_access_list(state, &env, &request).map_err(execution_error)?;
    let mut answer = json!({
        "accessList": crate::eth::json::access_list(&outcome.access_list),
        "gasUsed": quantity(outcome.gas_used),
    });
    if let (Some(error), Some(fields)) = (outcome.error, answer.as_object_mut()) {
        fields.insert("error".into(), Value::String(error));
    }
    Ok(answer)
}

pub(super) fn trace_call(eth: &Eth, args: &Args) -> RpcResult {
    args.or_default::<TraceOptions>(2)?;
    let request = args.required::<CallArg>(0)?.into_request(Overrides::default(), eth.limits.call_gas);
    let Surroundings { state, env } = eth.surroundings(args.or_default(1)?, &request)?;
    let frame = concordat_core::trace_call(state, &env, &request, eth.limits.response_bytes)
        .map_err(execution_error)?;
    serde_json::to_value(frame).map_err(RpcError::internal)
}

pub(super) fn trace_transaction(eth: &Eth, args: &Args) -> RpcResult {
    let hash = args.required::<B256>(0)?;
    args.optional::<TraceOptions>(1)?.map_or_else(|| Err(no_tracer()), Ok)?;
    let (at, loaded) = eth.locate(&hash)?.ok_or_else(|| RpcError::server("transaction not found"))?;
    let (preceding, tx) = reverify(eth, &loaded, at.index as usize)?;
    let parent = eth.store.state_at(at.height.saturating_sub(1)).map_err(store_error)?;
    let env = eth.env_with_signers(at.height, at.height.saturating_sub(1))?;
    let limit = eth.limits.response_bytes;
    let frame = concordat_core::trace_transaction(parent, env, &preceding, &tx, limit);
    let frame = frame.map_err(execution_error)?;
    serde_json::to_value(frame).map_err(RpcError::internal)
}

/// The transaction at `index` and those before it, as they were executed.
fn reverify(eth: &Eth, loaded: &Loaded, index: usize) -> Result<(Vec<VerifiedTx>, VerifiedTx), RpcError> {
    let verify = |raw: &alloy_primitives::Bytes| {
        SignedTx::parse(raw.clone()).and_then(|tx| tx.verify(eth.genesis.evm_chain_id))
    };
    let upto = loaded.block.txs.iter().take(index.saturating_add(1)).map(verify);
    let mut verified = upto.collect::<Result<Vec<_>, _>>().map_err(RpcError::internal)?;
    let tx = verified.pop().ok_or_else(|| RpcError::server("transaction not found"))?;
    Ok((verified, tx))
}

fn no_tracer() -> RpcError {
    RpcError::invalid_params(r#"this node offers the call tracer alone: pass {"tracer": "callTracer"}"#)
}

/// Options of a trace. Opcode-level traces are not offered: one could fill a disk.
#[derive(Clone, Copy, Debug, Default)]
struct TraceOptions;

impl FromArg for TraceOptions {
    fn from_arg(value: &Value) -> Result<Self, String> {
        let Value::Object(fields) = value else {
            return Err(format!("{} where an object of options belongs", kind(value)));
        };
        match fields.get("tracer").and_then(Value::as_str) {
            Some("callTracer") => Ok(Self),
            _ => Err(no_tracer().message),
        }
    }
}
