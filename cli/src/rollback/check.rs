//! Whether a proposed rollback is what this node's history says: for whoever votes.

use std::collections::BTreeMap;

use concordat_governance::action::{Rollback, SlotChange};
use eyre::Result;
use serde::Serialize;

use super::plan::{self, Conflict, Plan, Runs, Wanted};
use crate::client::Client;

/// What a comparison shows.
#[derive(Serialize)]
pub struct Checked {
    /// Whether it is the very same.
    pub matches: bool,
    /// What is not.
    differs: Vec<String>,
    /// What depends on what would be undone.
    conflicts: Vec<Conflict>,
    /// What code makes sense of the slots.
    codes: Vec<Runs>,
}

/// Plans anew and compares.
pub fn check(client: &Client, rollback: &Rollback, json: bool) -> Result<Checked> {
    let wanted = if rollback.transactions.is_empty() {
        Wanted::Contracts { height: rollback.height, contracts: rollback.contracts().into_iter().collect() }
    } else {
        Wanted::Transactions(rollback.transactions.iter().map(|reversed| reversed.hash).collect())
    };
    let plan = plan::compute(client, &wanted, json)?;
    let differs = differences(&plan, rollback);
    Ok(Checked {
        matches: differs.is_empty() && plan.conflicts.is_empty(),
        differs,
        conflicts: plan.conflicts,
        codes: plan.codes,
    })
}

impl Checked {
    /// For people.
    pub fn describe(&self) -> String {
        if self.matches {
            return format!(
                "{}MATCHES: by this node's history these slots held just that, no other slot belongs to it, and nothing \
                 depends on it",
                super::codes(&self.codes)
            );
        }
        let differs: String = self.differs.iter().map(|what| format!("DIFFERS: {what}\n")).collect();
        format!("{differs}{}", super::conflicts(&self.conflicts)).trim_end().to_owned()
    }
}

fn differences(plan: &Plan, rollback: &Rollback) -> Vec<String> {
    let mut differs = Vec::new();
    if plan.height != rollback.height {
        let (planned, proposed) = (plan.height, rollback.height);
        differs.push(format!("the height to go back to is {planned}, not {proposed}"));
    }
    if plan.root != rollback.root {
        differs
            .push(format!("the root after height {} is {}, not {}", plan.height, plan.root, rollback.root));
    }
    if plan.transactions != rollback.transactions {
        differs.push("the reversed transactions are of other heights".into());
    }
    let by_place = |slots: &[SlotChange]| -> BTreeMap<_, SlotChange> {
        slots.iter().map(|slot| ((slot.contract, slot.slot), *slot)).collect()
    };
    let (planned, proposed) = (by_place(&plan.slots), by_place(&rollback.slots));
    for ((contract, slot), change) in &proposed {
        match planned.get(&(*contract, *slot)) {
            None => differs.push(format!("slot {slot:#x} of {contract} does not belong to it")),
            Some(known) if known != change => differs.push(format!(
                "slot {slot:#x} of {contract} goes from {:#x} to {:#x}, not from {:#x} to {:#x}",
                known.before, known.after, change.before, change.after
            )),
            Some(_) => {}
        }
    }
    let missing = planned.keys().filter(|place| !proposed.contains_key(place));
    differs.extend(missing.map(|(contract, slot)| format!("slot {slot:#x} of {contract} is missing")));
    differs
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, U256};
    use concordat_governance::action::Basis;

    use super::*;

    fn slot(slot: u64, after: u64) -> SlotChange {
        let (slot, after) = (U256::from(slot), U256::from(after));
        SlotChange { contract: Address::repeat_byte(1), slot, before: U256::ONE, after }
    }

    #[test]
    fn each_slot_that_differs_is_named() {
        let plan = Plan {
            height: 5,
            root: B256::ZERO,
            planned_at: 9,
            transactions: vec![],
            slots: vec![slot(1, 7), slot(2, 7)],
            codes: vec![],
            undone: vec![],
            made: vec![],
            conflicts: vec![],
        };
        let basis = Basis { document: B256::ZERO, reference: "Order 7".into() };
        let mut rollback = plan.rollback(basis).unwrap();
        assert!(differences(&plan, &rollback).is_empty());
        rollback.slots = vec![slot(1, 8), slot(3, 7)];
        rollback.root = B256::repeat_byte(1);
        let told = differences(&plan, &rollback);
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[0].starts_with("the root after height 5"));
        assert!(told[1].ends_with("goes from 0x1 to 0x7, not from 0x1 to 0x8"), "{told:?}");
        assert!(told[2].starts_with("slot 0x3") && told[2].ends_with("does not belong to it"), "{told:?}");
        assert!(told[3].starts_with("slot 0x2") && told[3].ends_with("is missing"), "{told:?}");
    }
}
