//! Going back to an earlier state by vote, and what is refused of it.

use alloy_primitives::{Address, B256, U256};
use concordat_governance::{
    Action, Kind, Refusal, Rule,
    action::{Reversed, Rollback, SlotChange},
    effect::Change,
    facts::Implementation,
};

use crate::kit::*;

const SLOT: U256 = U256::from_limbs([5, 0, 0, 0]);

fn everybody() -> Vec<Address> {
    (0..4).map(member).collect()
}

/// Four banks at height 20; a slot of the first contract holds 2.
fn world() -> World {
    let mut world = World::of_banks(4);
    world.height = 20;
    world.storage.insert((contract(0), SLOT), U256::from(2));
    world
}

fn slot(contract: Address, before: u64, after: u64) -> SlotChange {
    SlotChange { contract, slot: SLOT, before: U256::from(before), after: U256::from(after) }
}

/// Back to height 10, with a transaction of block 11 reversed.
fn rollback(slots: Vec<SlotChange>) -> Rollback {
    let transactions = vec![Reversed { height: 11, hash: B256::repeat_byte(4) }];
    Rollback { basis: basis(), height: 10, root: B256::repeat_byte(3), transactions, slots }
}

fn back(before: u64, after: u64) -> Action {
    Action::RollBack(rollback(vec![slot(contract(0), before, after)]))
}

#[test]
fn a_rollback_gives_slots_back_what_they_held() {
    let mut world = world();
    let effect = world.resolve(&back(2, 7)).unwrap();
    let (contract, slot) = (contract(0), SLOT);
    let transactions = vec![Reversed { height: 11, hash: B256::repeat_byte(4) }];
    assert_eq!(
        effect.changes,
        [
            Change::Code { contract, code: world.contracts[&contract].code, implementation: None },
            Change::Slot { contract, slot, before: U256::from(2), after: U256::from(7) },
            Change::RollBack { height: 10, root: B256::repeat_byte(3), transactions },
        ]
    );
    assert_eq!(world.pass(&back(2, 7), &everybody()), Ok("executed"));
    assert_eq!(world.storage[&(contract, slot)], U256::from(7));
    assert_eq!(world.rollbacks, [10]);
}

#[test]
fn what_moved_since_the_plan_is_not_rolled_back() {
    let mut world = world();
    let moved = world.propose(member(0), &back(3, 7)).unwrap_err();
    let (contract, have, planned) = (contract(0), U256::from(2), U256::from(3));
    assert_eq!((moved.code(), &moved), (100, &Refusal::SlotMoved { contract, slot: SLOT, have, planned }));
    let text = moved.to_string();
    assert!(
        text.contains("slot 0x5 of contract 0xC0C0")
            && text.contains("holds 0x2, but the rollback was planned"),
        "{text}"
    );
    assert!(text.ends_with("for 0x3: something later depends on it; plan anew"), "{text}");
    let unset = Action::RollBack(rollback(vec![slot(self::contract(1), 0, 7)]));
    assert!(world.resolve(&unset).is_ok(), "a slot that was never written holds zero");
}

#[test]
fn what_moves_between_ballots_and_execution_ends_the_proposal() {
    let mut world = world();
    let id = world.propose(member(0), &back(2, 7)).unwrap();
    for voter in everybody() {
        if world.proposal(id).closes >= world.height {
            world.vote(voter, id, concordat_governance::Choice::Yes).unwrap();
        }
    }
    world.height = world.proposal(id).earliest;
    world.storage.insert((contract(0), SLOT), U256::from(9));
    assert_eq!(world.execute(id), Ok("failed"));
    assert_eq!(world.proposal(id).status.refusal_code(), 100);
    assert_eq!(world.storage[&(contract(0), SLOT)], U256::from(9));
}

#[test]
fn other_code_between_ballots_and_execution_voids_the_ballots() {
    let mut world = world();
    let version = |byte| Implementation { address: contract(byte), code: B256::repeat_byte(byte) };
    world.implementations.insert(contract(0), version(2));
    let other: [fn(&mut World, Implementation); 2] = [
        |world, other| *world.implementations.get_mut(&contract(0)).unwrap() = other,
        |world, other| world.contracts.get_mut(&contract(0)).unwrap().code = other.code,
    ];
    for change in other {
        let id = world.propose(member(0), &back(2, 7)).unwrap();
        for voter in everybody() {
            if world.proposal(id).closes >= world.height {
                world.vote(voter, id, concordat_governance::Choice::Yes).unwrap();
            }
        }
        world.height = world.proposal(id).earliest;
        change(&mut world, version(3));
        assert_eq!(world.execute(id), Ok("void"));
        assert_eq!(world.storage[&(contract(0), SLOT)], U256::from(2));
    }
}

#[test]
fn only_what_is_past_is_gone_back_to() {
    let mut world = world();
    world.height = 10;
    let refused = world.propose(member(0), &back(2, 7)).unwrap_err();
    assert_eq!((refused.code(), &refused), (101, &Refusal::RollbackNotPast { to: 10, height: 10 }));
    assert!(refused.to_string().ends_with("name an earlier one"), "{refused}");
    world.height = 11;
    assert!(world.resolve(&back(2, 7)).is_ok());
    let mut later = rollback(vec![slot(contract(0), 2, 7)]);
    later.transactions[0].height = 12;
    let refused = world.resolve(&Action::RollBack(later)).unwrap_err();
    let hash = B256::repeat_byte(4);
    assert_eq!((refused.code(), &refused), (103, &Refusal::ReversedToCome { hash, at: 12, height: 11 }));
}

#[test]
fn only_contracts_of_members_that_are_not_retired_are_rolled_back() {
    let mut world = world();
    let of = |contract| Action::RollBack(rollback(vec![slot(contract, 0, 7)]));
    let refused = world.resolve(&of(system_contract())).unwrap_err();
    let contract = system_contract();
    assert_eq!((refused.code(), &refused), (102, &Refusal::RollbackOfChain { contract }));
    let nowhere = Address::repeat_byte(1);
    assert_eq!(world.resolve(&of(nowhere)), Err(Refusal::ContractUnknown { contract: nowhere }));
    world.pass(&freeze_contract(self::contract(1)), &everybody()).unwrap();
    assert!(world.resolve(&of(self::contract(1))).is_ok(), "what is frozen is what is to be mended");
    world.pass(&retire_contract(self::contract(1)), &everybody()).unwrap();
    assert_eq!(world.resolve(&of(self::contract(1))).unwrap_err().code(), 82);
}

#[test]
fn a_rollback_follows_the_strictest_rule() {
    for organisations in [1, 2, 4] {
        let recovery = Rule::initial(Kind::RecoverKey, organisations);
        assert_eq!(Rule::initial(Kind::RollBack, organisations), recovery);
    }
}
