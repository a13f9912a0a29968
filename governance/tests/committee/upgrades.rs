//! Governed proxies that are upgraded and rolled back by vote.

use alloy_primitives::{Address, B256, U256};
use concordat_governance::{
    Action, Choice, Kind, Rule,
    action::Correction,
    effect::Change,
    facts::{ContractFacts, Halted, Implementation},
};

use crate::kit::*;

fn everybody() -> Vec<Address> {
    (0..4).map(member).collect()
}

fn version(index: u8) -> Implementation {
    Implementation { address: contract(index), code: B256::repeat_byte(index) }
}

/// A proxy with its first implementation, and a second one.
fn world() -> World {
    let mut world = World::of_banks(4);
    for index in [1, 2] {
        let facts = ContractFacts { code: B256::repeat_byte(index), ..ContractFacts::default() };
        world.contracts.insert(contract(index), facts);
    }
    world.implementations.insert(contract(0), version(1));
    world
}

fn refused(world: &mut World, action: &Action) -> (u16, String) {
    let refusal = world.propose(member(0), action).unwrap_err();
    assert_eq!(world.resolve(action), Err(refusal.clone()));
    (refusal.code(), refusal.to_string())
}

#[test]
fn a_proxy_is_upgraded_and_rolled_back_and_the_effect_shows_both_sides() {
    let mut world = world();
    for (before, after) in [(1, 2), (2, 1)] {
        let action = upgrade(contract(0), contract(after));
        let (before, after) = (version(before), version(after));
        let effect = world.resolve(&action).unwrap();
        assert_eq!(effect.changes, [Change::Implementation { contract: contract(0), before, after }]);
        assert_eq!(world.pass(&action, &everybody()), Ok("executed"));
        assert_eq!(world.implementations[&contract(0)], after);
    }
}

#[test]
fn a_migration_is_a_part_of_what_ballots_bind() {
    let mut world = world();
    let (contract, implementation) = (contract(0), contract(2));
    let with = |call: [u8; 4]| {
        let migration = call.to_vec().into();
        Action::UpgradeContract { contract, implementation, migration }
    };
    let effect = world.resolve(&with([1, 2, 3, 4])).unwrap();
    let (before, after) = (version(1), version(2));
    assert_eq!(
        effect.changes,
        [
            Change::Implementation { contract, before, after },
            Change::Migration { contract, code: after.code, call: vec![1, 2, 3, 4].into() },
        ]
    );
    assert_ne!(effect.digest(), world.resolve(&with([1, 2, 3, 5])).unwrap().digest());
    assert_ne!(effect.digest(), world.resolve(&upgrade(contract, implementation)).unwrap().digest());
    assert_eq!(refused(&mut world, &with([0x52, 0x8b, 0x15, 0x9e])).0, 6);
}

#[test]
fn what_is_no_proxy_of_the_chain_retired_or_unchanged_is_not_upgraded() {
    let mut world = world();
    let (code, words) = refused(&mut world, &upgrade(contract(1), contract(2)));
    assert_eq!(code, 120);
    assert!(words.contains("no governed proxy"), "{words}");
    assert_eq!(refused(&mut world, &upgrade(contract(9), contract(2))).0, 80);
    assert_eq!(refused(&mut world, &upgrade(system_contract(), contract(2))).0, 81);
    assert_eq!(refused(&mut world, &upgrade(contract(0), contract(1))).0, 35);
    world.contracts.get_mut(&contract(0)).unwrap().halted = Some(Halted::Retired { basis: basis() });
    assert_eq!(refused(&mut world, &upgrade(contract(0), contract(2))).0, 82);
}

#[test]
fn an_implementation_is_a_contract_that_answers_and_no_proxy() {
    let mut world = world();
    world.implementations.insert(contract(3), version(1));
    world.contracts.insert(contract(3), ContractFacts::default());
    let until = world.height;
    let frozen = |until| Some(Halted::Frozen { basis: basis(), until, emergency: false });
    let mut cases = vec![
        (contract(9), None, "there is no contract"),
        (system_contract(), None, "of the chain itself"),
        (contract(3), None, "a proxy itself"),
        (contract(0), None, "a proxy itself"),
        (contract(2), frozen(0), "it is frozen"),
        (contract(2), frozen(until), "it is frozen"),
        (contract(2), Some(Halted::Retired { basis: basis() }), "it is retired"),
    ];
    for (implementation, halted, reason) in cases.drain(..) {
        if halted.is_some() {
            world.contracts.get_mut(&implementation).unwrap().halted = halted;
        }
        let (code, words) = refused(&mut world, &upgrade(contract(0), implementation));
        assert_eq!(code, 121, "{words}");
        assert!(words.contains(reason), "{words}");
    }
    world.contracts.get_mut(&contract(2)).unwrap().halted = frozen(until);
    world.height += 1;
    assert!(world.resolve(&upgrade(contract(0), contract(2))).is_ok(), "a freeze that is over is none");
}

#[test]
fn a_frozen_proxy_is_mended_by_an_upgrade() {
    let mut world = world();
    assert_eq!(world.pass(&freeze_contract(contract(0)), &everybody()), Ok("executed"));
    assert_eq!(world.pass(&upgrade(contract(0), contract(2)), &everybody()), Ok("executed"));
}

#[test]
fn an_upgrade_to_other_code_than_was_voted_for_is_void() {
    let mut world = world();
    let id = world.propose(member(0), &upgrade(contract(0), contract(2))).unwrap();
    everybody().iter().for_each(|voter| world.vote(*voter, id, Choice::Yes).unwrap());
    world.height = world.proposal(id).earliest;
    world.contracts.get_mut(&contract(2)).unwrap().code = B256::repeat_byte(9);
    assert_eq!(world.execute(id), Ok("void"));
}

#[test]
fn of_two_upgrades_the_second_is_void_since_it_would_replace_another_version() {
    let mut world = world();
    world.contracts.insert(contract(3), ContractFacts::default());
    let ids = [2, 3].map(|index| world.propose(member(0), &upgrade(contract(0), contract(index))).unwrap());
    for id in ids {
        everybody().iter().for_each(|voter| drop(world.vote(*voter, id, Choice::Yes)));
    }
    world.height = world.proposal(ids[1]).earliest;
    assert_eq!(ids.map(|id| world.execute(id)), [Ok("executed"), Ok("void")]);
}

#[test]
fn upgrades_and_corrections_take_time_and_may_be_vetoed() {
    for kind in [Kind::UpgradeContract, Kind::Correct] {
        assert_eq!(Rule::initial(kind, 4), Rule::initial(Kind::SetAttributes, 4), "{kind}");
    }
}

#[test]
fn a_proxy_whose_implementation_is_not_there_is_neither_rated_nor_corrected() {
    let mut world = world();
    let gone = Implementation { address: contract(1), code: B256::ZERO };
    world.implementations.insert(contract(0), gone);
    let mint = Correction::Mint { to: operator(0), amount: U256::from(1) };
    for action in [set_attributes(contract(0), 90), correct(contract(0), mint)] {
        assert_eq!(refused(&mut world, &action).0, 121);
    }
    // One that is a proxy itself may have nobody there either.
    let code = B256::repeat_byte(1);
    let chain = [(contract(0), contract(1)), (contract(1), contract(2))];
    world.implementations.extend(chain.map(|(proxy, address)| (proxy, Implementation { address, code })));
    for action in [set_attributes(contract(0), 90), correct(contract(0), mint)] {
        assert_eq!(refused(&mut world, &action).0, 121);
    }
    assert_eq!(world.pass(&upgrade(contract(0), contract(2)), &everybody()), Ok("executed"));
    assert!(world.resolve(&set_attributes(contract(0), 90)).is_ok());
}
