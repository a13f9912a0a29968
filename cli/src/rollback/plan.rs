//! What goes back, and what depends on it.
//!
//! A slot goes back to the word that it held after one block, which its state root proves. So what was written in between
//! by anyone else is a conflict, even if it came before the transaction that is reversed.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, U256};
use concordat_governance::action::{Reversed, SlotChange};
use eyre::{Result, bail};
use serde::{Deserialize, Serialize};

use super::history::{self, Access, Slot};
use crate::client::Client;

/// What shall go back.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// All storage of contracts, to the state after a block.
    Contracts {
        /// The block's height.
        height: u64,
        /// Which.
        contracts: BTreeSet<Address>,
    },
    /// What transactions wrote.
    Transactions(BTreeSet<B256>),
}

/// What goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Plan {
    /// The height after whose block the slots held what they shall hold.
    pub height: u64,
    /// The root of the state after that block.
    pub root: B256,
    /// The newest height when this was computed.
    pub planned_at: u64,
    /// The transactions that are reversed.
    pub transactions: Vec<Reversed>,
    /// What changes.
    pub slots: Vec<SlotChange>,
    /// What code makes sense of them.
    pub codes: Vec<Runs>,
    /// The transactions whose writes are undone.
    pub undone: Vec<Reversed>,
    /// Contracts that were made since, which stay.
    pub made: Vec<Address>,
    /// What depends on what would be undone.
    pub conflicts: Vec<Conflict>,
}

/// What a contract of the plan runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Runs {
    /// Which.
    pub contract: Address,
    /// Keccak-256 of its code.
    pub code: B256,
    /// What a governed proxy hands its calls on to.
    pub implementation: Option<Address>,
    /// What it did at the height to go back to, where that was another one: the words are of that code.
    pub upgraded_from: Option<Address>,
}

/// A transaction that depends on what would be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// Its height.
    pub height: u64,
    /// Its hash.
    pub transaction: B256,
    /// Who sent it.
    pub sender: Address,
    /// The contract of the slot by which it depends.
    pub contract: Address,
    /// The slot.
    pub slot: U256,
    /// Whether it read or wrote it: `read`, `write`.
    pub access: String,
}

type Place = (Address, U256);

/// What has been seen on the way through the blocks.
#[derive(Default)]
struct Seen {
    /// The slots that go back, with the words before the first and after the last block of the way.
    words: BTreeMap<Place, (U256, U256)>,
    /// Slots that hold something that is undone.
    dirty: BTreeSet<Place>,
    undone: Vec<Reversed>,
    made: BTreeSet<Address>,
    conflicts: Vec<(Reversed, Slot)>,
}

/// Computes a plan at the newest height.
pub fn compute(client: &Client, wanted: &Wanted, json: bool) -> Result<Plan> {
    let planned_at = client.height()?;
    let (height, transactions, seen) = match wanted {
        Wanted::Contracts { height, contracts } => {
            let seen = go_back(client, contracts, (*height, planned_at), json)?;
            (*height, Vec::new(), seen)
        }
        Wanted::Transactions(hashes) => reverse(client, hashes, planned_at, json)?,
    };
    let change = |((contract, slot), (after, before)): (Place, (U256, U256))| SlotChange {
        contract,
        slot,
        before,
        after,
    };
    let slots: Vec<SlotChange> =
        seen.words.into_iter().filter(|(_, (then, now))| then != now).map(change).collect();
    let conflict = |(at, slot): &(Reversed, Slot)| {
        let access = if slot.is_written() { "write" } else { "read" };
        Ok::<_, eyre::Report>(Conflict {
            height: at.height,
            transaction: at.hash,
            sender: history::sender_of(client, at.hash)?,
            contract: slot.contract,
            slot: slot.slot,
            access: access.into(),
        })
    };
    let contracts: BTreeSet<Address> = slots.iter().map(|slot| slot.contract).collect();
    let codes = contracts.into_iter().map(|contract| runs(client, contract, (height, planned_at)));
    Ok(Plan {
        height,
        root: history::root_after(client, height)?,
        planned_at,
        transactions,
        slots,
        codes: codes.collect::<Result<_>>()?,
        undone: seen.undone,
        made: seen.made.into_iter().collect(),
        conflicts: seen.conflicts.iter().map(conflict).collect::<Result<_>>()?,
    })
}

fn runs(client: &Client, contract: Address, (then, now): (u64, u64)) -> Result<Runs> {
    let code = history::code_hash(client, contract, now)?;
    let implementation = history::implementation(client, contract, now)?;
    let before = history::implementation(client, contract, then)?;
    Ok(Runs { contract, code, implementation, upgraded_from: before.filter(|_| before != implementation) })
}

fn reverse(
    client: &Client,
    hashes: &BTreeSet<B256>,
    tip: u64,
    json: bool,
) -> Result<(u64, Vec<Reversed>, Seen)> {
    let mut transactions = Vec::new();
    for hash in hashes {
        transactions.push(Reversed { height: history::height_of(client, *hash)?, hash: *hash });
    }
    transactions.sort_unstable();
    let Some(first) = transactions.first() else { bail!("name a transaction") };
    let height = first.height.saturating_sub(1);
    let mut seen = Seen::default();
    for at in transactions.iter().map(|reversed| reversed.height).collect::<BTreeSet<_>>() {
        history::walk(client, (at, at), json, |_, access| {
            if hashes.contains(&access.hash) {
                let written = access.slots.iter().filter(|slot| slot.is_written());
                seen.words.extend(written.map(|slot| (slot.place(), (slot.before, slot.after))));
            }
        })?;
    }
    let mut met = BTreeSet::new();
    history::walk(client, (height.saturating_add(1), tip), json, |at, access| {
        seen.note_words(&mut met, access);
        seen.reversing(at, access, hashes);
    })?;
    Ok((height, transactions, seen))
}

fn go_back(
    client: &Client,
    contracts: &BTreeSet<Address>,
    (height, tip): (u64, u64),
    json: bool,
) -> Result<Seen> {
    if height >= tip {
        bail!("the newest height is {tip}: name an earlier one to go back to");
    }
    let mut seen = Seen::default();
    for contract in contracts {
        if !history::has_code(client, *contract, height)? {
            seen.made.insert(*contract);
            continue;
        }
        let changed = history::changes(client, *contract, (height, tip))?;
        seen.words.extend(changed.into_iter().map(|(slot, words)| ((*contract, slot), words)));
    }
    history::walk(client, (height.saturating_add(1), tip), json, |at, access| {
        seen.going_back(at, access, contracts);
    })?;
    Ok(seen)
}

impl Seen {
    /// Keeps the first and the last word of each slot that goes back.
    fn note_words(&mut self, met: &mut BTreeSet<Place>, access: &Access) {
        for slot in &access.slots {
            let Some(words) = self.words.get_mut(&slot.place()) else { continue };
            if met.insert(slot.place()) {
                words.0 = slot.before;
            }
            words.1 = slot.after;
        }
    }

    /// One transaction on the way, where some are reversed: whoever else wrote a slot that goes back, or read what is
    /// undone, depends on it.
    fn reversing(&mut self, height: u64, access: &Access, hashes: &BTreeSet<B256>) {
        let at = Reversed { height, hash: access.hash };
        if hashes.contains(&access.hash) {
            let written = access.slots.iter().filter(|slot| slot.is_written());
            self.dirty.extend(written.map(Slot::place));
            self.undone.push(at);
            self.made.extend(&access.made);
            return;
        }
        for slot in &access.slots {
            let writes = slot.is_written() && self.words.contains_key(&slot.place());
            if writes || self.dirty.contains(&slot.place()) {
                self.conflicts.push((at, *slot));
            }
        }
    }

    /// One transaction on the way, where contracts go back as a whole: whoever wrote them, or read what is undone, and wrote
    /// to others would be undone by half.
    fn going_back(&mut self, height: u64, access: &Access, contracts: &BTreeSet<Address>) {
        let at = Reversed { height, hash: access.hash };
        let written = |slot: &&Slot| slot.is_written();
        let inside = |slot: &&Slot| contracts.contains(&slot.contract);
        let wrote = access.slots.iter().filter(written).any(|slot| contracts.contains(&slot.contract));
        let depends = access.slots.iter().any(|slot| self.dirty.contains(&slot.place()));
        if wrote || depends {
            let outside = access.slots.iter().filter(written).filter(|slot| !inside(slot));
            self.conflicts.extend(outside.map(|slot| (at, *slot)));
        }
        if wrote {
            self.undone.push(at);
            self.made.extend(&access.made);
        }
        self.dirty.extend(access.slots.iter().filter(written).filter(inside).map(Slot::place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Address = Address::repeat_byte(1);
    const OTHER: Address = Address::repeat_byte(2);

    fn slot(contract: Address, slot: u64, (before, after): (u64, u64)) -> Slot {
        Slot { contract, slot: U256::from(slot), before: U256::from(before), after: U256::from(after) }
    }

    fn tx(hash: u8, slots: &[Slot]) -> Access {
        Access { hash: B256::repeat_byte(hash), made: vec![], slots: slots.to_vec() }
    }

    /// What is seen of transactions of blocks 10, 11 and so on, of which these are reversed.
    fn reversing(reversed: &[u8], txs: &[Access]) -> Seen {
        let hashes: BTreeSet<B256> = reversed.iter().map(|hash| B256::repeat_byte(*hash)).collect();
        let mut seen = Seen::default();
        let ours = txs.iter().filter(|tx| hashes.contains(&tx.hash)).flat_map(|tx| &tx.slots);
        seen.words =
            ours.filter(|slot| slot.is_written()).map(|s| (s.place(), (s.before, s.after))).collect();
        let mut met = BTreeSet::new();
        for (height, access) in (10..).zip(txs) {
            seen.note_words(&mut met, access);
            seen.reversing(height, access, &hashes);
        }
        seen
    }

    fn going_back(txs: &[Access]) -> Seen {
        let mut seen = Seen::default();
        for (height, access) in (10..).zip(txs) {
            seen.going_back(height, access, &BTreeSet::from([TOKEN]));
        }
        seen
    }

    fn conflicts(seen: &Seen) -> Vec<(u64, U256, bool)> {
        seen.conflicts.iter().map(|(at, slot)| (at.height, slot.slot, slot.is_written())).collect()
    }

    #[test]
    fn a_transaction_goes_back_to_what_was_before_it() {
        let seen = reversing(&[1], &[tx(1, &[slot(TOKEN, 5, (9, 7)), slot(TOKEN, 6, (0, 2))])]);
        let words: Vec<_> = seen.words.values().copied().collect();
        assert_eq!(words, [(U256::from(9), U256::from(7)), (U256::ZERO, U256::from(2))]);
        assert!(seen.conflicts.is_empty() && seen.undone.len() == 1);
    }

    #[test]
    fn reversed_transactions_that_follow_each_other_go_back_together() {
        let (one, two) = (tx(1, &[slot(TOKEN, 5, (9, 7))]), tx(2, &[slot(TOKEN, 5, (7, 4))]));
        let seen = reversing(&[1, 2], &[one.clone(), two.clone()]);
        assert_eq!(seen.words.values().next(), Some(&(U256::from(9), U256::from(4))));
        assert!(seen.conflicts.is_empty());
        let alone = reversing(&[1], &[one, two]);
        assert_eq!(conflicts(&alone), [(11, U256::from(5), true)]);
    }

    #[test]
    fn whoever_read_what_is_undone_or_wrote_beside_it_is_a_conflict_and_no_other() {
        let wrong = tx(2, &[slot(TOKEN, 5, (9, 7))]);
        let earlier = [tx(1, &[slot(TOKEN, 5, (9, 9))]), wrong.clone()];
        assert!(conflicts(&reversing(&[2], &earlier)).is_empty(), "it read what was before");
        let beside = [wrong.clone(), tx(3, &[slot(TOKEN, 6, (1, 2))])];
        assert!(conflicts(&reversing(&[2], &beside)).is_empty());
        let reader = [wrong.clone(), tx(3, &[slot(TOKEN, 5, (7, 7))])];
        assert_eq!(conflicts(&reversing(&[2], &reader)), [(11, U256::from(5), false)]);
        let before = [tx(1, &[slot(TOKEN, 5, (8, 9))]), wrong];
        assert_eq!(conflicts(&reversing(&[2], &before)), [(10, U256::from(5), true)], "no root proves it");
    }

    #[test]
    fn contracts_go_back_alone_only_where_nothing_else_was_written_with_them() {
        let pays = tx(1, &[slot(TOKEN, 5, (9, 7))]);
        let seen = going_back(&[pays.clone(), tx(2, &[slot(OTHER, 1, (0, 1))])]);
        assert!(seen.conflicts.is_empty() && seen.undone.len() == 1);
        let swap = tx(2, &[slot(OTHER, 1, (0, 1)), slot(TOKEN, 6, (0, 1))]);
        assert_eq!(conflicts(&going_back(&[swap])), [(10, U256::from(1), true)]);
        let looks = tx(2, &[slot(OTHER, 1, (0, 1)), slot(TOKEN, 5, (7, 7))]);
        assert_eq!(conflicts(&going_back(&[pays.clone(), looks.clone()])), [(11, U256::from(1), true)]);
        assert!(going_back(&[looks, pays]).conflicts.is_empty(), "it looked before");
    }
}
