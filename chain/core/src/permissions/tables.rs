//! The tables of policies over the rows of the state.

use std::collections::BTreeSet;

use alloy_rlp::Decodable as _;
use concordat_permissions::{EnactedPolicy, PolicyId};
use concordat_types::{B256, Bytes, ChangeSet, ReadError, StateReader};
use sha2::{Digest as _, Sha256};

use crate::{
    account::corrupt,
    overlay::Overlay,
    system::{RowKey, Rows, Write},
};

// The numbers are part of the state's keys and never change meaning.
const POLICIES: u8 = 0x30;
const POLICY_IDS: u8 = 0x31;
const POLICIES_DIGEST: u8 = 0x32;

/// Key of an enacted policy's row.
pub(crate) fn policy_key(id: &PolicyId) -> RowKey {
    RowKey::new(POLICIES, id.as_str().as_bytes())
}

/// Key of the row that lists the enacted policies.
pub(crate) fn ids_key() -> RowKey {
    RowKey::new(POLICY_IDS, &[])
}

/// Key of the row of the digest of all enacted policies.
pub(crate) fn digest_key() -> RowKey {
    RowKey::new(POLICIES_DIGEST, &[])
}

/// The digest of all enacted policies; `None` where there are none, so that the catalogue alone is in force.
pub(crate) fn enacted_digest(rows: &mut impl Rows) -> Result<Option<B256>, ReadError> {
    let Some(bytes) = rows.row(&digest_key())? else { return Ok(None) };
    let digest = B256::try_from(bytes.as_ref());
    digest.map(Some).map_err(|_| corrupt("the digest of the enacted policies"))
}

/// The ids of all enacted policies.
pub(crate) fn ids(rows: &mut impl Rows) -> Result<BTreeSet<PolicyId>, ReadError> {
    match rows.row(&ids_key())? {
        None => Ok(BTreeSet::new()),
        Some(bytes) => decode_ids(&bytes).ok_or_else(|| corrupt("the list of enacted policies")),
    }
}

/// An enacted policy.
pub(crate) fn policy(rows: &mut impl Rows, id: &PolicyId) -> Result<Option<EnactedPolicy>, ReadError> {
    let Some(bytes) = rows.row(&policy_key(id))? else { return Ok(None) };
    let policy = EnactedPolicy::decode(&bytes).filter(|policy| policy.id == *id);
    policy.map(Some).ok_or_else(|| corrupt(format!("the enacted policy {id}")))
}

/// All enacted policies, in the order of their ids.
pub(crate) fn enacted(rows: &mut impl Rows) -> Result<Vec<EnactedPolicy>, ReadError> {
    let ids = ids(rows)?;
    let missing = |id| corrupt(format!("the enacted policy {id}, which is listed"));
    ids.iter().map(|id| policy(rows, id)?.ok_or_else(|| missing(id))).collect()
}

/// What the state says of policies, for whoever reads it from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enacted {
    /// The enacted policies, in the order of their ids. The catalogue's are those of the program.
    pub policies: Vec<EnactedPolicy>,
    /// Their digest, as it stands in the state; `None` where there are none.
    pub digest: Option<B256>,
}

impl Enacted {
    /// Reads the enacted policies and checks that they are those of the digest that blocks decide by.
    ///
    /// # Errors
    /// Where the state cannot be read, or its rows do not fit each other.
    pub fn read(reader: impl StateReader) -> Result<Self, ReadError> {
        let rows = &mut Overlay::new(reader);
        let (digest, policies) = (enacted_digest(rows)?, enacted(rows)?);
        if digest_of(&policies) != digest {
            return Err(corrupt("the enacted policies, which do not have their digest"));
        }
        Ok(Self { policies, digest })
    }
}

/// SHA-256 over the RLP list of the policies' canonical bytes, in the order of their ids; `None` if there are none.
pub(crate) fn digest_of(enacted: &[EnactedPolicy]) -> Option<B256> {
    let rows: Vec<Bytes> = enacted.iter().map(|policy| policy.encode().into()).collect();
    (!rows.is_empty()).then(|| B256::from_slice(&Sha256::digest(alloy_rlp::encode(rows))))
}

/// The rows after `id` has changed, so that `enacted`, in the order of ids, is all that there is.
pub(crate) fn writes(id: &PolicyId, enacted: &[EnactedPolicy]) -> Vec<Write> {
    let changed = enacted.iter().find(|policy| policy.id == *id);
    let ids: Vec<String> = enacted.iter().map(|policy| policy.id.to_string()).collect();
    let index = (!ids.is_empty()).then(|| Bytes::from(alloy_rlp::encode(ids)));
    let digest = digest_of(enacted).map(|digest| Bytes::copy_from_slice(digest.as_slice()));
    vec![
        (policy_key(id), changed.map(|policy| policy.encode().into())),
        (ids_key(), index),
        (digest_key(), digest),
    ]
}

/// The state of these policies, in the order of their ids, as governance would have written it: for states that are made
/// as a whole.
pub fn rows_of(enacted: &[EnactedPolicy]) -> ChangeSet {
    let rows = enacted.iter().flat_map(|policy| writes(&policy.id, enacted));
    rows.map(|(key, row)| (key.state_key(), row.map(|row| row.to_vec()))).collect()
}

/// Reads the list of ids, which must be in order.
fn decode_ids(mut bytes: &[u8]) -> Option<BTreeSet<PolicyId>> {
    let texts = Vec::<String>::decode(&mut bytes).ok()?;
    let ordered = texts.is_sorted_by(|one, other| one < other);
    if !bytes.is_empty() || !ordered {
        return None;
    }
    texts.into_iter().map(|text| text.parse().ok()).collect()
}
