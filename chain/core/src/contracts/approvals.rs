//! Deployments that the committee has approved, the reviews before that, and what is refused without.

use std::fmt;

use alloy_rlp::{RlpDecodable, RlpEncodable};
use alloy_sol_types::{SolError as _, SolEvent as _};
use concordat_governance::{Action, Status};
use concordat_types::{Address, B256, Bytes, ReadError, StateReader};
use sha2::{Digest as _, Sha256};

use super::{abi::IContracts as abi, acts::revert, tables};
use crate::{
    account::corrupt,
    governance::tables as governance,
    identity::{Record, tables::identity_of},
    overlay::Overlay,
    system::{Effects, GasMeter, Rows, SystemCall, SystemError, gas},
};

/// An approval of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Approval {
    /// The last height at which it may be used.
    pub until: u64,
    /// The proposal that decided it.
    pub proposal: u64,
}

impl Record for Approval {
    fn to_row(&self) -> Bytes {
        alloy_rlp::encode(self).into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        alloy_rlp::decode_exact(bytes).ok()
    }
}

/// What a reviewer says of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Review {
    /// Whether it approves of it; otherwise it objects.
    pub approves: bool,
    /// SHA-256 of its report.
    pub report: B256,
    /// The height at which it said so.
    pub height: u64,
}

impl Record for Review {
    fn to_row(&self) -> Bytes {
        alloy_rlp::encode(self).into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        alloy_rlp::decode_exact(bytes).ok()
    }
}

/// A deployment that nobody has approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unapproved {
    /// SHA-256 of the init code; zero where a contract makes another one.
    pub code: B256,
    /// The identity that deploys, or the contract that makes another one.
    pub account: Address,
}

impl Unapproved {
    /// The Solidity error `ApprovalMissing`.
    pub fn abi_encode(&self) -> Bytes {
        let Self { code, account } = *self;
        abi::ApprovalMissing { code, account }.abi_encode().into()
    }
}

impl fmt::Display for Unapproved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, account } = self;
        write!(
            f,
            "init code with SHA-256 {code} has no approval for {account}: propose it first (deploy-contract)"
        )
    }
}

/// The proposal that approves, at a height, of a deployment by an identity. Intrinsic gas covers it: a row, and a hash of
/// what the transaction pays for byte by byte.
pub(crate) fn approved<R: StateReader>(
    overlay: &mut Overlay<R>,
    init_code: &[u8],
    deployer: Address,
    height: u64,
) -> Result<Option<u64>, ReadError> {
    let approval = tables::approval(overlay, fingerprint(init_code), deployer)?;
    Ok(approval.filter(|approval| height <= approval.until).map(|approval| approval.proposal))
}

/// Why a deployment is refused for want of an approval.
pub(crate) fn unapproved<R: StateReader>(
    overlay: &mut Overlay<R>,
    init_code: &[u8],
    deployer: Address,
    height: u64,
) -> Result<Option<Unapproved>, ReadError> {
    if !overlay.approval_required()? || approved(overlay, init_code, deployer, height)?.is_some() {
        return Ok(None);
    }
    Ok(Some(Unapproved { code: fingerprint(init_code), account: deployer }))
}

fn fingerprint(init_code: &[u8]) -> B256 {
    B256::from_slice(&Sha256::digest(init_code))
}

/// Records what the sender says of a proposal as one of its reviewers. That it may send at all was decided before.
pub(super) fn review(
    call: &SystemCall,
    asked: &abi::reviewCall,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Effects, SystemError> {
    let (id, account) = (asked.id, call.caller);
    let reviewers = reviewers(id, call.height, rows, meter)?;
    meter.charge_each(reviewers.len().saturating_add(1), gas::ROW_READ)?;
    let reviewer = identity_of(rows, account)?;
    let mut named = false;
    for other in reviewers {
        named |= identity_of(rows, other)? == reviewer;
    }
    if !named {
        return Err(revert(abi::NotReviewer { id, account }));
    }
    meter.charge(gas::ROW_READ)?;
    if tables::review(rows, id, reviewer)?.is_some() {
        return Err(revert(abi::ReviewedAlready { id, account }));
    }
    let review = Review { approves: asked.approves, report: asked.report, height: call.height };
    let log = abi::Reviewed { id, reviewer: account, approves: review.approves, report: review.report };
    Ok(Effects {
        writes: vec![(tables::review_key(id, reviewer), Some(review.to_row()))],
        logs: vec![log.encode_log_data()],
        ..Effects::default()
    })
}

/// The reviewers of an open proposal to deploy.
fn reviewers(
    id: u64,
    height: u64,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Vec<Address>, SystemError> {
    let nothing = || revert(abi::NothingToReview { id });
    meter.charge(gas::ROW_READ)?;
    let proposal = governance::proposal(rows, id)?.ok_or_else(nothing)?;
    if *proposal.status_at(height) != Status::Open {
        return Err(nothing());
    }
    meter.charge(gas::ROW_READ)?;
    let payload = governance::payload(rows, id)?;
    // It was one when it was proposed, and payloads never change.
    let action = Action::decode(proposal.kind, &payload);
    match action.map_err(|_| corrupt(format!("the payload of proposal {id}")))? {
        Action::DeployContract(deployment) => Ok(deployment.reviewers),
        _ => Err(nothing()),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    #[test]
    fn rows_of_approvals_and_reviews_are_golden() {
        let approval = Approval { until: 500, proposal: 2 };
        assert_eq!(hex::encode(approval.to_row()), "c48201f402");
        assert_eq!(Approval::from_row(&approval.to_row()), Some(approval));
        let review = Review { approves: true, report: B256::repeat_byte(9), height: 7 };
        assert_eq!(hex::encode(review.to_row()), format!("e301a0{}07", "09".repeat(32)));
        assert_eq!(Review::from_row(&review.to_row()), Some(review));
        assert_eq!((Approval::from_row(&[0xc0]), Review::from_row(&[0xc0])), (None, None));
    }

    #[test]
    fn people_read_what_has_no_approval_and_what_to_do() {
        let text = Unapproved { code: B256::ZERO, account: Address::ZERO }.to_string();
        assert!(
            text.starts_with("init code with SHA-256 0x00") && text.ends_with("(deploy-contract)"),
            "{text}"
        );
    }
}
