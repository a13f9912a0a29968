//! What a proposal would do, in its canonical bytes. Everything that needs no state is checked here.

mod attributes;
mod check;
mod correction;
mod deployment;
mod error;
mod parameters;
mod parts;
mod rollback;
mod table;

use alloy_primitives::Bytes;

pub use attributes::{Attributes, MAX_ATTRIBUTE_BYTES, MAX_PROPERTIES, MAX_RATING, Property};
use check::check_length;
pub(crate) use check::{check_text, is_policy_id};
pub use correction::{CORRECTIONS, Correction, MAX_CORRECTION_BYTES};
pub use deployment::{Deployment, MAX_REPORTS, MAX_REVIEWERS};
pub use error::ActionError;
pub use parameters::Parameters;
pub use parts::{Admission, BarTarget, Basis, ListKind, NewValidator, Scope};
pub use rollback::{MAX_REVERSED, MAX_ROLLBACK_SLOTS, Reversed, Rollback, SlotChange};
pub use table::Action;

use crate::Kind;

/// The longest payload, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 32 * 1024;

/// The most root certificates of an organisation, and the most certificates of a path.
pub const MAX_CERTIFICATES: usize = 4;

/// The longest certificate, in bytes.
pub const MAX_CERTIFICATE_BYTES: usize = 4 * 1024;

/// The longest call that migrates a proxy's storage, in bytes.
pub const MAX_MIGRATION_BYTES: usize = 4 * 1024;

/// The longest name of an organisation, in bytes.
pub const MAX_NAME_BYTES: usize = 100;

/// The longest reference to a document, in bytes.
pub const MAX_REFERENCE_BYTES: usize = 200;

/// The longest `host:port`, in bytes.
pub const MAX_NODE_ADDRESS_BYTES: usize = 260;

/// The longest id of a policy, in bytes.
pub const MAX_POLICY_ID_BYTES: usize = 64;

/// The longest text of a policy, in bytes.
pub const MAX_POLICY_TEXT_BYTES: usize = 8 * 1024;

/// The most accounts that a proposal puts on a list and takes off it together.
pub const MAX_LISTED_ACCOUNTS: usize = 100;

/// The longest bytes of a run-time rule.
pub const MAX_LIMIT_BYTES: usize = 8 * 1024;

impl Action {
    /// The canonical payload: an RLP list of its fields.
    pub fn encode(&self) -> Bytes {
        self.to_payload().into()
    }

    /// Reads a payload and checks it.
    pub fn decode(kind: Kind, payload: &[u8]) -> Result<Self, ActionError> {
        check_length("the payload", payload.len(), MAX_PAYLOAD_BYTES)?;
        let action = Self::from_payload(kind, payload).ok_or(ActionError::Malformed(kind))?;
        // One form only: what would be written otherwise is no encoding of it.
        if *action.encode() != *payload {
            return Err(ActionError::Malformed(kind));
        }
        action.validate()?;
        Ok(action)
    }

    /// Checks everything that needs no state.
    pub fn validate(&self) -> Result<(), ActionError> {
        check::check(self)
    }
}

#[cfg(test)]
pub(crate) mod tests;
