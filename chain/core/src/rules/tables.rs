//! The tables of run-time rules over the rows of the state.

use std::collections::BTreeSet;

use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_types::{B256, Bytes, ChangeSet, ReadError};
use sha2::{Digest as _, Sha256};

use super::{
    limit::{Limit, LimitId, MAX_LIMIT_BYTES},
    window::Window,
    wire,
};
use crate::{
    account::corrupt,
    system::{RowKey, Rows, Write},
};

// The numbers are part of the state's keys and never change meaning.
const LIMITS: u8 = 0x50;
const LIMIT_IDS: u8 = 0x51;
const LIMITS_DIGEST: u8 = 0x52;
const COUNTERS: u8 = 0x53;

/// The longest row of a rule: its bytes, a proposal, and the lengths of all that.
const MAX_ROW_BYTES: usize = MAX_LIMIT_BYTES + 24;

/// A rule in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnactedLimit {
    /// The rule.
    pub limit: Limit,
    /// The proposal that set it.
    pub proposal: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Record {
    limit: Bytes,
    proposal: u64,
}

impl EnactedLimit {
    /// The canonical bytes: the RLP list of the rule's bytes and the proposal.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(&Record { limit: self.limit.encode().into(), proposal: self.proposal })
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else. The rule was checked when it was set.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_ROW_BYTES {
            return None;
        }
        let Record { limit, proposal } = wire::decode(bytes)?;
        Some(Self { limit: Limit::read(&limit)?, proposal })
    }
}

/// What a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Counted {
    /// Amounts.
    Total = 1,
    /// How often.
    Count = 2,
}

/// Key of a rule's row.
pub(crate) fn limit_key(id: &LimitId) -> RowKey {
    RowKey::new(LIMITS, id.as_str().as_bytes())
}

/// Key of the row that lists the rules in force.
pub(crate) fn ids_key() -> RowKey {
    RowKey::new(LIMIT_IDS, &[])
}

/// Key of the row of the digest of all rules in force.
pub(crate) fn digest_key() -> RowKey {
    RowKey::new(LIMITS_DIGEST, &[])
}

/// Key of what a rule has counted of a party. The proposal stands for the rule, so that a changed one counts anew.
pub(crate) fn counter_key(proposal: u64, counted: Counted, party: &[u8]) -> RowKey {
    let key = [&proposal.to_be_bytes()[..], &[counted as u8], party].concat();
    RowKey::new(COUNTERS, &key)
}

/// The digest of the rules in force; `None` where there are none.
pub(crate) fn digest(rows: &mut impl Rows) -> Result<Option<B256>, ReadError> {
    let Some(bytes) = rows.row(&digest_key())? else { return Ok(None) };
    let digest = B256::try_from(bytes.as_ref());
    digest.map(Some).map_err(|_| corrupt("the digest of the rules in force"))
}

/// The ids of all rules in force.
pub(crate) fn ids(rows: &mut impl Rows) -> Result<BTreeSet<LimitId>, ReadError> {
    match rows.row(&ids_key())? {
        None => Ok(BTreeSet::new()),
        Some(bytes) => decode_ids(&bytes).ok_or_else(|| corrupt("the list of rules in force")),
    }
}

/// A rule in force.
pub(crate) fn limit(rows: &mut impl Rows, id: &LimitId) -> Result<Option<EnactedLimit>, ReadError> {
    let Some(bytes) = rows.row(&limit_key(id))? else { return Ok(None) };
    let enacted = EnactedLimit::decode(&bytes).filter(|enacted| enacted.limit.id == *id);
    enacted.map(Some).ok_or_else(|| corrupt(format!("the rule {id}")))
}

/// All rules in force, in the order of their ids.
pub(crate) fn enacted(rows: &mut impl Rows) -> Result<Vec<EnactedLimit>, ReadError> {
    let ids = ids(rows)?;
    let missing = |id| corrupt(format!("the rule {id}, which is listed"));
    ids.iter().map(|id| limit(rows, id)?.ok_or_else(|| missing(id))).collect()
}

/// What a rule has counted.
pub(crate) fn counter(rows: &mut impl Rows, key: &RowKey) -> Result<Window, ReadError> {
    match rows.row(key)? {
        None => Ok(Window::default()),
        Some(bytes) => Window::decode(&bytes).ok_or_else(|| corrupt(format!("the counter {key} of a rule"))),
    }
}

/// SHA-256 over the RLP list of the rules' rows, in the order of their ids; `None` if there are none.
pub(crate) fn digest_of(enacted: &[EnactedLimit]) -> Option<B256> {
    let rows: Vec<Bytes> = enacted.iter().map(|enacted| enacted.encode().into()).collect();
    (!rows.is_empty()).then(|| B256::from_slice(&Sha256::digest(alloy_rlp::encode(rows))))
}

/// The rows after `id` has changed, so that `enacted`, in the order of ids, is all that there is.
pub(crate) fn writes(id: &LimitId, enacted: &[EnactedLimit]) -> Vec<Write> {
    let changed = enacted.iter().find(|enacted| enacted.limit.id == *id);
    let ids: Vec<String> = enacted.iter().map(|enacted| enacted.limit.id.to_string()).collect();
    let index = (!ids.is_empty()).then(|| Bytes::from(alloy_rlp::encode(ids)));
    let digest = digest_of(enacted).map(|digest| Bytes::copy_from_slice(digest.as_slice()));
    vec![
        (limit_key(id), changed.map(|enacted| enacted.encode().into())),
        (ids_key(), index),
        (digest_key(), digest),
    ]
}

/// The state of these rules, in the order of their ids, as governance would have written it: for states that are made
/// as a whole.
pub fn rows_of(enacted: &[EnactedLimit]) -> ChangeSet {
    let rows = enacted.iter().flat_map(|limit| writes(&limit.limit.id, enacted));
    rows.map(|(key, row)| (key.state_key(), row.map(|row| row.to_vec()))).collect()
}

/// Reads the list of ids, which must be in order.
fn decode_ids(bytes: &[u8]) -> Option<BTreeSet<LimitId>> {
    let texts: Vec<String> = wire::decode(bytes)?;
    let ordered = texts.is_sorted_by(|one, other| one < other);
    if !ordered {
        return None;
    }
    texts.into_iter().map(|text| text.parse().ok()).collect()
}
