//! A state to go back to: contracts to a height, or transactions reversed, told slot by slot.
//!
//! The proposal says what every slot holds and what it shall hold, so that a node without history can carry it out.
//! That the words are those of the height is for whoever has the history to compute, and for proofs to show.

use alloy_primitives::{Address, B256, U256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{ActionError, Basis, MAX_REFERENCE_BYTES, check_text};
use crate::wire;

/// The most slots that one proposal restores.
pub const MAX_ROLLBACK_SLOTS: usize = 256;

/// The most transactions that one proposal names as reversed.
pub const MAX_REVERSED: usize = 64;

/// A transaction that is reversed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, RlpEncodable, RlpDecodable,
)]
#[serde(deny_unknown_fields)]
pub struct Reversed {
    /// The height of its block.
    pub height: u64,
    /// Its hash.
    pub hash: B256,
}

/// A storage slot: what it holds, and what it shall hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, RlpEncodable, RlpDecodable)]
#[serde(deny_unknown_fields)]
pub struct SlotChange {
    /// Whose.
    pub contract: Address,
    /// Which.
    pub slot: U256,
    /// The word that it holds.
    pub before: U256,
    /// The word that it held after the block of the rollback's height.
    pub after: U256,
}

/// What is rolled back.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Rollback {
    /// Why.
    pub basis: Basis,
    /// The height after whose block the slots held what they shall hold.
    pub height: u64,
    /// The root of the state after that block.
    pub root: B256,
    /// The transactions that are reversed, in the order of heights and hashes; none where contracts go back as a whole.
    pub transactions: Vec<Reversed>,
    /// What changes, in the order of contracts and slots.
    pub slots: Vec<SlotChange>,
}

impl Rollback {
    /// Checks everything that needs no state.
    pub(super) fn validate(&self) -> Result<(), ActionError> {
        check_text("the reference", &self.basis.reference, MAX_REFERENCE_BYTES)?;
        if !(1..=MAX_ROLLBACK_SLOTS).contains(&self.slots.len()) {
            return Err(ActionError::Slots { have: self.slots.len() });
        }
        if self.transactions.len() > MAX_REVERSED {
            return Err(ActionError::ReversedTransactions { have: self.transactions.len() });
        }
        if !self.slots.is_sorted_by(|one, other| (one.contract, one.slot) < (other.contract, other.slot)) {
            return Err(ActionError::UnorderedRollback { what: "slots", order: "contracts and slots" });
        }
        if !self.transactions.is_sorted_by(|one, other| one < other) {
            return Err(ActionError::UnorderedRollback { what: "transactions", order: "heights and hashes" });
        }
        if let Some(SlotChange { contract, slot, .. }) =
            self.slots.iter().find(|slot| slot.before == slot.after)
        {
            return Err(ActionError::SlotStays { contract: *contract, slot: *slot });
        }
        match self.transactions.iter().find(|reversed| reversed.height <= self.height) {
            Some(Reversed { hash, height }) => {
                Err(ActionError::ReversedTooOld { hash: *hash, at: *height, height: self.height })
            }
            None => Ok(()),
        }
    }

    /// The contracts whose slots change, in the order of addresses, each once.
    pub fn contracts(&self) -> Vec<Address> {
        let mut contracts: Vec<Address> = self.slots.iter().map(|slot| slot.contract).collect();
        contracts.dedup();
        contracts
    }

    /// SHA-256 of the RLP of the slots.
    pub fn slots_digest(&self) -> B256 {
        B256::from_slice(&Sha256::digest(wire::encode(&self.slots)))
    }
}
