//! What is attested of contracts, by vote.

use alloy_primitives::B256;
use concordat_governance::{Action, Choice, Kind, Rule, action::Attributes, effect::Change, facts::Attested};

use crate::kit::*;

fn attested(code: B256, rating: u8) -> Option<Attested> {
    Some(Attested { code, attributes: attributes(rating) })
}

#[test]
fn attributes_are_set_replaced_and_revoked_and_the_effect_shows_both_sides() {
    let mut world = World::of_banks(4);
    let (it, code) = (contract(0), B256::repeat_byte(5));
    world.contracts.get_mut(&it).unwrap().code = code;
    for (action, before, after) in [
        (set_attributes(it, 20), None, attested(code, 20)),
        (set_attributes(it, 90), attested(code, 20), attested(code, 90)),
        (revoke_attributes(it), attested(code, 90), None),
    ] {
        let effect = world.resolve(&action).unwrap();
        assert_eq!((effect.kind, effect.quorum), (action.kind(), None));
        assert_eq!(effect.changes, [Change::Attributes { contract: it, before, after: after.clone() }]);
        passes(&mut world, &action);
        assert_eq!(world.attributes.get(&it), after.as_ref());
    }
}

#[test]
fn the_same_attributes_change_nothing_unless_the_code_is_another() {
    let mut world = World::of_banks(4);
    let it = contract(0);
    passes(&mut world, &set_attributes(it, 90));
    assert_eq!(refused(&mut world, &set_attributes(it, 90)).0, 35);
    world.contracts.get_mut(&it).unwrap().code = B256::repeat_byte(6);
    passes(&mut world, &set_attributes(it, 90));
    assert_eq!(world.attributes.get(&it), attested(B256::repeat_byte(6), 90).as_ref());
}

#[test]
fn a_proposal_whose_contract_has_other_code_when_it_is_executed_is_void() {
    let mut world = World::of_banks(4);
    let it = contract(0);
    let id = world.propose(member(0), &set_attributes(it, 90)).unwrap();
    everybody().iter().for_each(|voter| world.vote(*voter, id, Choice::Yes).unwrap());
    world.contracts.get_mut(&it).unwrap().code = B256::repeat_byte(6);
    world.height = world.proposal(id).earliest;
    assert_eq!(world.execute(id), Ok("void"));
}

#[test]
fn of_two_attestations_the_second_is_void() {
    let mut world = World::of_banks(4);
    let ids = [20, 90].map(|rating| {
        let id = world.propose(member(0), &set_attributes(contract(0), rating)).unwrap();
        everybody().iter().for_each(|voter| world.vote(*voter, id, Choice::Yes).unwrap());
        id
    });
    world.height = world.proposal(ids[0]).earliest;
    assert_eq!(ids.map(|id| world.execute(id).unwrap()), ["executed", "void"]);
}

#[test]
fn nothing_is_attested_of_what_is_no_contract_of_the_chain_itself_or_retired() {
    let mut world = World::of_banks(4);
    passes(&mut world, &retire_contract(contract(1)));
    for (it, code) in [(contract(2), 80), (system_contract(), 81), (contract(1), 82)] {
        assert_eq!(refused(&mut world, &set_attributes(it, 90)).0, code);
    }
}

#[test]
fn attributes_that_are_over_are_refused_and_say_when() {
    let mut world = World::of_banks(4);
    world.time_secs = 500;
    let until = |valid_until| {
        let attributes = Attributes { valid_until, ..attributes(90) };
        Action::SetAttributes { contract: contract(0), attributes }
    };
    let (code, words) = refused(&mut world, &until(499));
    assert_eq!((code, words.contains("until 499; the block's time is 500")), (91, true), "{words}");
    assert!(world.resolve(&until(500)).is_ok());
}

#[test]
fn nothing_is_revoked_where_nothing_is_attested_and_a_retired_contract_loses_what_it_has() {
    let mut world = World::of_banks(4);
    let it = contract(0);
    let (code, words) = refused(&mut world, &revoke_attributes(it));
    assert_eq!((code, words), (90, format!("nothing is attested of contract {it}")));
    passes(&mut world, &set_attributes(it, 90));
    passes(&mut world, &retire_contract(it));
    passes(&mut world, &revoke_attributes(it));
    assert!(world.attributes.is_empty());
}

#[test]
fn an_attestation_takes_time_and_may_be_vetoed_and_its_end_takes_a_half() {
    let rule = Rule::initial(Kind::SetAttributes, 4);
    assert_eq!(rule, Rule { timelock_blocks: 10, veto: true, ..Rule::initial(Kind::AdmitValidator, 4) });
    let revocation = Rule::initial(Kind::RevokeAttributes, 4);
    assert_eq!(revocation, Rule::initial(Kind::FreezeContract, 4));
}
