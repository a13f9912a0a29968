//! Who had a part in which block, and the proof that nothing of it was left out.
//!
//! ```text
//! state root ─▶ row of a subject: the block in which it was active last
//!            ─▶ row of the history: its peaks ─▶ record of a block ─▶ receipts, hence transactions
//!                                                                └──▶ activity of each subject ─▶ the block before
//! ```
//!
//! A *subject* is an account, a contract or an organisation. Each block with transactions has the [`Activity`] of every
//! subject that had a part in it: in which transactions, as what, and in which block it was active before. A Merkle tree
//! over them, the receipts' and the block's height and time make its [`BlockRecord`], and all records an append-only
//! [`history`]. The state holds the history's peaks and, for each subject, where its chain begins. So one signed state
//! root proves a whole chain, and where the chain is whole, nothing is missing.
//!
//! Invariant: what is hashed here has one encoding, and what is decoded gives the same bytes again.

pub mod history;
pub mod merkle;
pub mod proof;

use std::{fmt, str::FromStr};

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

pub use self::{
    history::{BlockRecord, NodeAt, Peaks},
    proof::{Claim, ProofError, ProvenBlock, ProvenTransaction, Seen},
};
use crate::{OrgId, StateKey};

/// The table of the state that holds the history's peaks, and where the chains of organisations begin.
pub const TABLE: u8 = 0x60;

/// What a subject was to a transaction: bits, of which it can have several.
pub mod roles {
    /// It sent the transaction.
    pub const SENDER: u8 = 1;
    /// The transaction called it, or has made it.
    pub const CALLED: u8 = 2;
    /// It emitted a log.
    pub const EMITTED: u8 = 4;
    /// An indexed topic of a log names it.
    pub const NAMED: u8 = 8;
    /// Its storage was changed.
    pub const CHANGED: u8 = 16;
    /// All of them.
    pub const ALL: u8 = SENDER | CALLED | EMITTED | NAMED | CHANGED;

    /// Their names, for people.
    pub fn describe(roles: u8) -> String {
        let names = [
            (SENDER, "sender"),
            (CALLED, "called"),
            (EMITTED, "emitted"),
            (NAMED, "named"),
            (CHANGED, "changed"),
        ];
        let names: Vec<&str> =
            names.iter().filter(|(bit, _)| roles & bit != 0).map(|(_, name)| *name).collect();
        names.join(", ")
    }
}

const ADDRESS: u8 = 1;
const ORGANISATION: u8 = 2;

/// Of whom activity is kept. Ordered as their activities are in a block.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// An account, a contract or a system contract.
    Address(Address),
    /// An organisation: all its accounts together.
    Organisation(OrgId),
}

/// Why a text is no [`Subject`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address (0x and 40 hex digits) nor the id of an organisation")]
pub struct SubjectError(String);

impl Subject {
    /// The row of the state that says in which block it was active last.
    pub fn state_key(&self) -> StateKey {
        match self {
            Self::Address(address) => StateKey::account(*address),
            Self::Organisation(id) => StateKey::system(TABLE, id.as_str().as_bytes()),
        }
    }

    fn parts(&self) -> (u8, &[u8]) {
        match self {
            Self::Address(address) => (ADDRESS, address.as_slice()),
            Self::Organisation(id) => (ORGANISATION, id.as_str().as_bytes()),
        }
    }

    fn from_parts(kind: u8, id: &[u8]) -> Option<Self> {
        match kind {
            ADDRESS => Address::try_from(id).ok().map(Self::Address),
            ORGANISATION => std::str::from_utf8(id).ok()?.parse().ok().map(Self::Organisation),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Organisation(id) => write!(f, "{id}"),
        }
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = text.starts_with("0x").then(|| text.parse().ok().map(Self::Address)).flatten();
        let subject = address.or_else(|| text.parse().ok().map(Self::Organisation));
        subject.ok_or_else(|| SubjectError(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for Subject {
    type Error = SubjectError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

/// The part that a subject had in one transaction of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The transaction's place in the block.
    pub index: u32,
    /// What the subject was to it: [`roles`].
    pub roles: u8,
}

/// Bytes of a part.
const PART_BYTES: usize = 5;

/// Bytes of an activity before its parts, without the subject's id.
const FIXED_BYTES: usize = 10;

/// What a subject had to do with a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Who.
    pub subject: Subject,
    /// The height of the block in which it was active before; zero if in none.
    pub previous: u64,
    /// The transactions, in their order; at least one.
    pub parts: Vec<Part>,
}

impl Activity {
    /// The canonical bytes: kind (1) ‖ length of the id (1) ‖ id ‖ previous height (8) ‖ index (4) ‖ roles (1), the last
    /// two for each part.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        self.encode_into(&mut bytes);
        bytes
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let ([kind, length], rest) = bytes.split_first_chunk::<2>()?;
        let (id, rest) = rest.split_at_checked(usize::from(*length))?;
        let (previous, rest) = rest.split_first_chunk::<8>()?;
        let (parts, []) = rest.as_chunks::<PART_BYTES>() else { return None };
        let parts = parts
            .iter()
            .map(|[a, b, c, d, roles]| Part { index: u32::from_be_bytes([*a, *b, *c, *d]), roles: *roles });
        let (subject, parts) = (Subject::from_parts(*kind, id)?, parts.collect::<Vec<_>>());
        let known = parts.iter().all(|part| part.roles != 0 && part.roles & !roles::ALL == 0);
        let sorted = parts.is_sorted_by(|one, next| one.index < next.index);
        let activity = Self { subject, previous: u64::from_be_bytes(*previous), parts };
        (known && sorted && !activity.parts.is_empty()).then_some(activity)
    }

    /// The leaf that stands for it in the block's tree.
    pub fn leaf(&self) -> B256 {
        merkle::leaf(&self.encode())
    }

    fn encoded_len(&self) -> usize {
        let parts = self.parts.len().saturating_mul(PART_BYTES);
        parts.saturating_add(self.subject.parts().1.len()).saturating_add(FIXED_BYTES)
    }

    fn encode_into(&self, bytes: &mut Vec<u8>) {
        let (kind, id) = self.subject.parts();
        // Ids have 32 bytes at the most.
        bytes.extend([kind, u8::try_from(id.len()).unwrap_or(u8::MAX)]);
        bytes.extend_from_slice(id);
        bytes.extend(self.previous.to_be_bytes());
        for Part { index, roles } in &self.parts {
            bytes.extend(index.to_be_bytes());
            bytes.push(*roles);
        }
    }
}

/// The activities of all subjects of a block, and the block's place in the history: what a node keeps to prove them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockActivity {
    /// How many blocks with transactions there were before.
    pub place: u64,
    /// What the history holds of the block.
    pub record: BlockRecord,
    /// The activities, in the order of their subjects.
    pub activities: Vec<Activity>,
}

impl BlockActivity {
    /// The bytes that a node stores: place (8) ‖ record ‖ length (4) ‖ activity, the last two for each subject.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.place.to_be_bytes().to_vec();
        bytes.extend(self.record.encode());
        for activity in &self.activities {
            let length = u32::try_from(activity.encoded_len()).unwrap_or(u32::MAX);
            bytes.extend(length.to_be_bytes());
            activity.encode_into(&mut bytes);
        }
        bytes
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (place, rest) = bytes.split_first_chunk::<8>()?;
        let (record, mut rest) = rest.split_first_chunk::<{ history::RECORD_BYTES }>()?;
        let mut activities = Vec::new();
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (activity, after) = after.split_at_checked(length)?;
            activities.push(Activity::decode(activity)?);
            rest = after;
        }
        let sorted = activities.is_sorted_by(|one, next| one.subject < next.subject);
        let record = BlockRecord::decode(record)?;
        sorted.then_some(Self { place: u64::from_be_bytes(*place), record, activities })
    }

    /// The activity of a subject with its place and its path to the block's root; `None` where it had no part.
    pub fn prove(&self, subject: &Subject) -> Option<(Activity, u32, Vec<B256>)> {
        let place = self.activities.binary_search_by(|activity| activity.subject.cmp(subject)).ok()?;
        let leaves: Vec<B256> = self.activities.iter().map(Activity::leaf).collect();
        let path = merkle::path(leaves, place);
        Some((self.activities.get(place)?.clone(), u32::try_from(place).ok()?, path))
    }
}

/// What a block adds to what nodes keep for proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHistory {
    /// Who had a part in it.
    pub activity: BlockActivity,
    /// The nodes of the history that are new.
    pub nodes: Vec<(NodeAt, B256)>,
}

#[cfg(test)]
mod tests;
