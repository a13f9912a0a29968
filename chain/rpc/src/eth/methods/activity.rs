//! `concordat_getActivity`: every transaction in which an account, a contract or an organisation had a part, with the
//! proof that none is missing. docs/regulator.md shows how it is verified.
//!
//! The first answer proves, in the state after one block, where the subject's chain of active blocks begins and the
//! history of all blocks. All further pages go on from where the one before has ended, under that same state.

use concordat_core::last_active;
use concordat_state::Proof;
use concordat_types::{
    StateReader as _,
    activity::{Claim, Peaks, ProvenBlock, Subject, SubjectError},
};
use serde_json::{Value, json};

use crate::{
    eth::{
        Eth,
        args::Args,
        chain::store_error,
        hex::{data, quantity},
    },
    jsonrpc::{RpcError, RpcResult},
};

/// The most keys of the state that may have changed since the block of a proof.
const MAX_UNDONE: usize = 100_000;

pub(super) fn get_activity(eth: &Eth, args: &Args) -> RpcResult {
    let subject: Subject = args
        .required::<String>(0)?
        .parse()
        .map_err(|error: SubjectError| RpcError::invalid_params(error.to_string()))?;
    let (from, to) = (args.required::<u64>(1)?, args.required::<u64>(2)?);
    let anchor = args.optional::<u64>(3)?.map_or_else(|| eth.tip().map(|tip| tip.height), Ok)?;
    let next = args.optional::<u64>(4)?;
    if from == 0 || from > to || to > anchor {
        return Err(RpcError::invalid_params(format!(
            "blocks {from} to {to} are no range at or below block {anchor}: it begins at 1 or later"
        )));
    }
    let (claim, proofs) = match next {
        None => proven(eth, (subject, from, to), anchor)?,
        Some(_) => (claim(eth, (subject, from, to), anchor)?, Value::Null),
    };
    let page = eth.limits.response_bytes / 2;
    let blocks = eth.store.prove_activity(&claim, next.unwrap_or(claim.last), page).map_err(store_error)?;
    let next = blocks.last().map(|block| block.activity.previous).filter(|previous| *previous >= from);
    Ok(json!({
        "subject": claim.subject,
        "fromBlock": quantity(from),
        "toBlock": quantity(to),
        "anchor": quantity(anchor),
        "state": proofs,
        "blocks": blocks.iter().map(block).collect::<Result<Vec<_>, _>>()?,
        "next": next.map_or(Value::Null, quantity),
    }))
}

/// The claim, and the proofs of both rows that it rests on.
fn proven(
    eth: &Eth,
    (subject, from, to): (Subject, u64, u64),
    anchor: u64,
) -> Result<(Claim, Value), RpcError> {
    let keys = [subject.state_key(), Peaks::state_key()];
    let proofs = eth.store.prove_at(anchor, &keys, MAX_UNDONE).map_err(store_error)?;
    let [begin, history] = proofs.as_slice() else { return Err(RpcError::internal("a proof is missing")) };
    let values = (begin.value.as_deref(), history.value.as_deref());
    let shown = json!({
        "format": "ics23:smt",
        "height": quantity(anchor),
        "headerHeight": quantity(anchor.saturating_add(1)),
        "stateRoot": data(begin.state_root),
        "subject": row(begin),
        "history": row(history),
    });
    Ok((assemble((subject, from, to), values)?, shown))
}

fn claim(eth: &Eth, (subject, from, to): (Subject, u64, u64), anchor: u64) -> Result<Claim, RpcError> {
    let state = eth.store.state_at(anchor).map_err(store_error)?;
    let read = |key| state.get(&key).map_err(RpcError::internal);
    let (begin, history) = (read(subject.state_key())?, read(Peaks::state_key())?);
    assemble((subject, from, to), (begin.as_deref(), history.as_deref()))
}

fn assemble(
    (subject, from, to): (Subject, u64, u64),
    (begin, history): (Option<&[u8]>, Option<&[u8]>),
) -> Result<Claim, RpcError> {
    let last = last_active(&subject, begin).map_err(RpcError::internal)?;
    let peaks = match history {
        None => Peaks::default(),
        Some(bytes) => {
            Peaks::decode(bytes).ok_or_else(|| RpcError::internal("the history is stored malformed"))?
        }
    };
    Ok(Claim { subject, from, to, last, peaks })
}

fn row(proof: &Proof) -> Value {
    json!({
        "key": data(&proof.key),
        "value": proof.value.as_deref().map_or(Value::Null, data),
        "proof": data(proof.encode()),
    })
}

fn block(block: &ProvenBlock) -> RpcResult {
    serde_json::to_value(block).map_err(RpcError::internal)
}
