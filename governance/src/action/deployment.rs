//! A deployment that the committee approves, after named persons have reviewed it.

use alloy_primitives::{Address, B256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

use super::{ActionError, MAX_ATTRIBUTE_BYTES, check_text};

/// The most reviewers of a deployment.
pub const MAX_REVIEWERS: usize = 8;

/// The most reports on a deployment.
pub const MAX_REPORTS: usize = 8;

/// What is to be deployed, by whom, and who has to review it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, RlpEncodable, RlpDecodable)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// SHA-256 of the init code, the constructor's arguments included.
    pub code: B256,
    /// SHA-256 of the compiler's standard JSON input.
    pub source: B256,
    /// The compiler, at most [`MAX_ATTRIBUTE_BYTES`].
    pub compiler: String,
    /// SHA-256 of each report of an audit or a proof, at most [`MAX_REPORTS`].
    pub reports: Vec<B256>,
    /// Who may deploy it: a developer.
    pub deployer: Address,
    /// Who has to approve of it, 1 to [`MAX_REVIEWERS`], in the order of addresses.
    pub reviewers: Vec<Address>,
    /// The last height at which it may be deployed.
    pub until: u64,
}

impl Deployment {
    /// Checks everything that needs no state.
    pub(super) fn validate(&self) -> Result<(), ActionError> {
        check_text("the compiler", &self.compiler, MAX_ATTRIBUTE_BYTES)?;
        if self.reports.len() > MAX_REPORTS {
            return Err(ActionError::Reports { have: self.reports.len() });
        }
        if !(1..=MAX_REVIEWERS).contains(&self.reviewers.len()) {
            return Err(ActionError::Reviewers { have: self.reviewers.len() });
        }
        match self.reviewers.is_sorted_by(|one, other| one < other) {
            true => Ok(()),
            false => Err(ActionError::Unordered { what: "the reviewers" }),
        }
    }
}
