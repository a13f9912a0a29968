//! The head of a supervisor's log of reads, on chain: what it has looked at cannot be rewritten later.

use alloy_sol_types::SolEvent as _;
use concordat_governance::order::decide_anchor;
use concordat_types::{Address, B256, Bytes};

use super::{abi::IOrders as abi, records::ReadAnchor, tables};
use crate::{
    governance::{ChainFacts, stop},
    identity::Record as _,
    system::{Effects, Reply, Rows, SystemError},
};

/// Anchors the head of a log.
pub(super) fn anchor<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    sender: Address,
    head: B256,
    count: u64,
) -> Result<Reply, SystemError> {
    let organisation = decide_anchor(facts, sender, count).map_err(stop)?;
    let anchor = ReadAnchor { head, count, height: facts.height, account: sender };
    let log = abi::ReadsAnchored {
        id: alloy_primitives::keccak256(organisation.as_str()),
        account: sender,
        organisation: organisation.to_string(),
        head,
        count,
    };
    let effects = Effects {
        writes: vec![(tables::anchor_key(&organisation), Some(anchor.to_row()))],
        logs: vec![log.encode_log_data()],
        ..Effects::default()
    };
    Ok(Reply { output: Bytes::new(), effects: Some(effects) })
}
