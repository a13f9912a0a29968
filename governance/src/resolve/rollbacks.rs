//! Going back to an earlier state. Whether the words are those of that state, no node needs the history to decide: what
//! is decided here is that nothing has moved since the rollback was planned.

use alloy_primitives::{Address, B256};

use super::Resolved;
use crate::{
    Facts, Refusal, ResolveError,
    action::{Rollback, SlotChange},
    effect::Change,
    facts::Halted,
};

pub(super) fn roll_back<F: Facts>(rollback: &Rollback, facts: &mut F) -> Resolved<F> {
    check_heights(rollback, facts.height())?;
    let mut changes = Vec::new();
    for contract in rollback.contracts() {
        let code = check_contract(contract, facts)?;
        // The words are those of this code: with another one, the ballots are void.
        let implementation = facts.implementation(contract).map_err(ResolveError::Facts)?;
        changes.push(Change::Code { contract, code, implementation });
    }
    for SlotChange { contract, slot, before, after } in rollback.slots.iter().copied() {
        let have = facts.storage(contract, slot).map_err(ResolveError::Facts)?;
        if have != before {
            return Err(Refusal::SlotMoved { contract, slot, have, planned: before }.into());
        }
        changes.push(Change::Slot { contract, slot, before, after });
    }
    let Rollback { height, root, transactions, .. } = rollback;
    changes.push(Change::RollBack { height: *height, root: *root, transactions: transactions.clone() });
    Ok(changes.into())
}

fn check_heights(rollback: &Rollback, height: u64) -> Result<(), Refusal> {
    if rollback.height >= height {
        return Err(Refusal::RollbackNotPast { to: rollback.height, height });
    }
    match rollback.transactions.iter().find(|reversed| reversed.height > height) {
        Some(reversed) => Err(Refusal::ReversedToCome { hash: reversed.hash, at: reversed.height, height }),
        None => Ok(()),
    }
}

/// The code of a contract that can be rolled back. A frozen contract can be rolled back: freezing it first keeps others from building on what is wrong. A retired one
/// stays as it was when it ended.
fn check_contract<F: Facts>(contract: Address, facts: &mut F) -> Result<B256, ResolveError<F::Error>> {
    let known = facts.contract(contract).map_err(ResolveError::Facts)?;
    let known = known.ok_or(Refusal::ContractUnknown { contract })?;
    if known.system {
        return Err(Refusal::RollbackOfChain { contract }.into());
    }
    match known.halted {
        Some(Halted::Retired { .. }) => Err(Refusal::ContractRetired { contract }.into()),
        _ => Ok(known.code),
    }
}
