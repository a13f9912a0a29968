//! The rows of contracts that a transaction has made.
//!
//! A creation pays for its row where it begins ([`gas::CONTRACT_MADE`](crate::gas::CONTRACT_MADE)), whatever comes of it,
//! as it pays for CREATE itself.

use std::collections::BTreeSet;

use concordat_types::Address;
use revm::{primitives::KECCAK_EMPTY, state::EvmState};

use super::{records::Contract, tables};
use crate::{identity::Record as _, permissions::Sender, system::Write};

/// The contracts that a transaction has made and not destroyed, in the order of their addresses. What was made and
/// undone is not in revm's journal any more.
pub(crate) fn made(state: &EvmState) -> BTreeSet<Address> {
    let made = state.iter().filter(|(_, account)| {
        let has_code = account.info.code_hash != KECCAK_EMPTY && !account.info.code_hash.is_zero();
        account.is_created() && !account.is_selfdestructed() && has_code
    });
    made.map(|(address, _)| *address).collect()
}

/// Their rows: the account that signed stands behind each, also of those that another contract has made for it. What
/// approves of the transaction's own deployment is said of the contract that this has made, and of no other.
pub(crate) fn rows_of(
    made: BTreeSet<Address>,
    signer: &Sender,
    height: u64,
    approved: Option<(Address, u64)>,
) -> Vec<Write> {
    let contract = Contract {
        creator: Some(signer.account),
        organisation: Some(signer.organisation.as_ref().clone()),
        administrator: Some(signer.account),
        created: height,
        ..Contract::default()
    };
    let row = contract.to_row();
    let row = |address| match approved {
        Some((own, proposal)) if own == address => {
            Contract { approval: Some(proposal), ..contract.clone() }.to_row()
        }
        _ => row.clone(),
    };
    made.into_iter().map(|address| (tables::contract_key(address), Some(row(address)))).collect()
}
