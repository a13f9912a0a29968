//! What is attested of a contract: who has audited it, what is proven of it, how safe it is said to be.

use alloy_primitives::B256;
use alloy_rlp::{RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

use super::{ActionError, check_text};

/// The longest name of an auditor or a compiler, and the longest property, in bytes.
pub const MAX_ATTRIBUTE_BYTES: usize = 100;

/// The most properties of a contract.
pub const MAX_PROPERTIES: usize = 16;

/// The best rating.
pub const MAX_RATING: u8 = 100;

/// A property that is proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, RlpEncodable, RlpDecodable)]
#[serde(deny_unknown_fields)]
pub struct Property {
    /// What is proven, at most [`MAX_ATTRIBUTE_BYTES`].
    pub text: String,
    /// SHA-256 of the report of the proof.
    pub proof: B256,
}

/// What is attested of a contract. It is about the code that the contract has when that is decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, RlpEncodable, RlpDecodable)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    /// Who has audited it, at most [`MAX_ATTRIBUTE_BYTES`].
    pub auditor: String,
    /// SHA-256 of the report of the audit.
    pub report: B256,
    /// What is proven of it, at most [`MAX_PROPERTIES`].
    pub properties: Vec<Property>,
    /// How safe it is said to be: 0 to [`MAX_RATING`].
    pub rating: u8,
    /// SHA-256 of the compiler's standard JSON input.
    pub source: B256,
    /// The compiler, at most [`MAX_ATTRIBUTE_BYTES`].
    pub compiler: String,
    /// The last second at which this holds, Unix; zero: for good.
    pub valid_until: u64,
}

impl Attributes {
    /// Checks everything that needs no state.
    pub(super) fn validate(&self) -> Result<(), ActionError> {
        check_text("the auditor", &self.auditor, MAX_ATTRIBUTE_BYTES)?;
        check_text("the compiler", &self.compiler, MAX_ATTRIBUTE_BYTES)?;
        if self.rating > MAX_RATING {
            return Err(ActionError::Rating { have: self.rating });
        }
        if self.properties.len() > MAX_PROPERTIES {
            return Err(ActionError::Properties { have: self.properties.len() });
        }
        let mut texts = self.properties.iter().map(|property| &property.text);
        texts.try_for_each(|text| check_text("a property", text, MAX_ATTRIBUTE_BYTES))
    }

    /// Whether this holds at a time.
    pub const fn holds(&self, time_secs: u64) -> bool {
        self.valid_until == 0 || time_secs <= self.valid_until
    }
}
